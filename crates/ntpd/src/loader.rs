//! Reads configuration files for ntp-conf.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ntp_conf::{FILE_LEN_MAX, LoadError, Loaded, Loader};

/// Reads from the file system.
#[derive(Debug, Default)]
pub(crate) struct FileLoader;

impl Loader for FileLoader {
    fn load(&mut self, path: &Path) -> Result<Vec<Loaded>, LoadError> {
        let metadata = fs::metadata(path).map_err(|error| explain(&error))?;
        if metadata.is_dir() {
            return load_directory(path);
        }
        if !metadata.is_file() {
            return Err(LoadError("it is not a file".to_owned()));
        }
        Ok(vec![load_file(path)?])
    }
}

/// Every `*.conf` in a directory, in the order of their names, as NTPsec means to.
fn load_directory(path: &Path) -> Result<Vec<Loaded>, LoadError> {
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .map_err(|error| explain(&error))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "conf") && file.is_file())
        .collect();
    files.sort();
    files.iter().map(|file| load_file(file)).collect()
}

/// Reads one byte more than is allowed, so that ntp-conf can tell that a file is too long.
fn load_file(path: &Path) -> Result<Loaded, LoadError> {
    let mut content = Vec::new();
    let limit = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).map_err(|error| explain(&error))?;
    file.take(limit).read_to_end(&mut content).map_err(|error| explain(&error))?;
    Ok(Loaded { path: path.to_owned(), content })
}

/// An error of the file system in words for a person.
pub(crate) fn explain(error: &io::Error) -> LoadError {
    LoadError(if error.kind() == io::ErrorKind::NotFound {
        "there is no such file".to_owned()
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "it may not be read by this user".to_owned()
    } else {
        error.to_string()
    })
}
