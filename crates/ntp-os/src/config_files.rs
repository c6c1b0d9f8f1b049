//! Reading configuration files: one, or all of a directory.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

/// A file and its bytes.
pub type Content = (PathBuf, Vec<u8>);

/// Why a file or directory cannot be read, in words for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing is there.
    #[error("there is no such file")]
    Missing,
    /// It may not be read.
    #[error("{0} may not read it (`chgrp` and `chmod g+r` let its group)")]
    Forbidden(String),
    /// It is a device, a pipe or a socket.
    #[error("it is not a file")]
    NotFile,
    /// The folder holds more files than any configuration has.
    #[error("it holds more than {0} files")]
    TooMany(usize),
    /// Anything else.
    #[error("{0}")]
    Other(io::Error),
}

/// The most files of one folder.
const FILES_MAX: usize = 256;

impl ReadError {
    /// Whether nothing is there.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            Self::Forbidden(whoami())
        } else {
            Self::Other(error)
        }
    }
}

/// The user of this process, as a sentence begins with it.
fn whoami() -> String {
    let user = Uid::effective();
    User::from_uid(user)
        .ok()
        .flatten()
        .map_or_else(|| format!("user {user}"), |found| format!("user {}", found.name))
}

/// The file at `path`; or, if it is a directory, every `*.conf` in it in the order of their names.
/// Of a file longer than `length_max` only one byte more than that is read, which shows that it is.
pub fn load(path: &Path, length_max: usize) -> Result<Vec<Content>, ReadError> {
    load_with(path, "conf", length_max)
}

/// The same for another ending of names.
pub fn load_with(path: &Path, ending: &str, length_max: usize) -> Result<Vec<Content>, ReadError> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(vec![load_file(path, length_max)?]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == ending) && file.is_file())
        .collect();
    if files.len() > FILES_MAX {
        return Err(ReadError::TooMany(FILES_MAX));
    }
    files.sort();
    files.iter().map(|file| load_file(file, length_max)).collect()
}

/// One file.
pub fn load_file(path: &Path, length_max: usize) -> Result<Content, ReadError> {
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotFile);
    }
    let mut content = Vec::new();
    let limit = u64::try_from(length_max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    Ok((path.to_owned(), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_its_conf_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "c.txt"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let found = load(folder.path(), 100).unwrap();
        let names: Vec<&[u8]> = found.iter().map(|(_, content)| content.as_slice()).collect();
        assert_eq!(names, [b"a.conf", b"b.conf"]);
    }

    #[test]
    fn what_is_no_file_is_named_and_a_long_one_is_cut() {
        assert!(matches!(load(Path::new("/dev/null"), 10), Err(ReadError::NotFile)));
        assert!(matches!(load(Path::new("/nonexistent"), 10), Err(ReadError::Missing)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        fs::write(&path, [b'x'; 100]).unwrap();
        assert_eq!(load(&path, 10).unwrap()[0].1.len(), 11);
    }
}
