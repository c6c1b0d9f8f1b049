//! Files that are replaced whole: a reader sees the old one or the new one, whatever happens.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Why a file was not replaced. In every case the old one is untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The path leads nowhere that a file could be.
    #[error("{} cannot be reached: {source}", path.display())]
    Unreachable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else changed the file meanwhile.
    #[error("{} was changed by somebody else meanwhile", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// What is there is a device, a pipe or a socket: nothing to be replaced by a file.
    #[error("{} is no file but a device, a pipe or a socket", path.display())]
    NotFile {
        /// Which.
        path: PathBuf,
    },
    /// The new file could not be written beside the old one.
    #[error("a new {} cannot be written: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new file cannot have the old one's owner or mode.
    #[error("the owner and mode of {} cannot be kept: {source}", path.display())]
    Ownership {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Replaces the file at `path`, keeping owner, group, mode, extended attributes and access control
/// lists; a symbolic link stays one, and what
/// it points to is replaced. With `expected`, only if the file still holds that. A file that does
/// not exist yet gets mode `new_mode`.
pub fn replace(
    path: &Path,
    content: &[u8],
    expected: Option<&[u8]>,
    new_mode: u32,
) -> Result<(), ReplaceError> {
    let target =
        resolve(path).map_err(|source| ReplaceError::Unreachable { path: path.to_owned(), source })?;
    let write = |source| ReplaceError::Write { path: target.clone(), source };
    let folder =
        target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let old = match fs::metadata(&target) {
        Ok(metadata) if !metadata.is_file() => return Err(ReplaceError::NotFile { path: target }),
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(ReplaceError::Unreachable { path: target, source }),
    };
    let mut file = tempfile::Builder::new().prefix(".ntp-").tempfile_in(folder).map_err(write)?;
    file.write_all(content).map_err(write)?;
    match &old {
        Some(metadata) => keep_ownership(file.as_file(), metadata)
            .and_then(|()| keep_attributes(file.path(), &target))
            .map_err(|source| ReplaceError::Ownership { path: target.clone(), source })?,
        None => file.as_file().set_permissions(Permissions::from_mode(new_mode)).map_err(write)?,
    }
    file.as_file().sync_all().map_err(write)?;
    if let Some(expected) = expected
        && fs::read(&target).map_err(write)? != expected
    {
        return Err(ReplaceError::Changed { path: target });
    }
    let opened = File::open(folder).map_err(write)?;
    file.persist(&target).map_err(|error| write(error.error))?;
    // The rename should survive a power cut too. If the disk cannot promise that, the new file is
    // in place all the same, and saying otherwise would be wrong.
    drop(opened.sync_all());
    Ok(())
}

/// Where `path` leads; its last part need not exist.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(resolved) if resolved.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(resolved) => Ok(resolved),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            let name = path.file_name().ok_or(error)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(fs::canonicalize(folder.unwrap_or_else(|| Path::new(".")))?.join(name))
        }
        Err(error) => Err(error),
    }
}

fn keep_ownership(file: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    // After the owner: changing it clears the set-id bits.
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
}

/// Extended attributes, access control lists among them.
fn keep_attributes(new: &Path, old: &Path) -> io::Result<()> {
    let names = match xattr::list(old) {
        Ok(names) => names,
        // A file system without attributes has none to lose.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in names {
        // Who may not read one has not set it either: labels that the kernel itself gives.
        if let Ok(Some(value)) = xattr::get(old, &name)
            && xattr::get(new, &name).ok().flatten().as_ref() != Some(&value)
        {
            xattr::set(new, &name, &value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn mode_and_link_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real.conf");
        let link = folder.path().join("link.conf");
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink("real.conf", &link).unwrap();
        replace(&link, b"new", Some(b"old"), 0o644).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn attributes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        if xattr::set(&path, "user.note", b"mine").is_err() {
            // This file system has none.
            return;
        }
        replace(&path, b"new", None, 0o644).unwrap();
        assert_eq!(xattr::get(&path, "user.note").unwrap().as_deref(), Some(&b"mine"[..]));
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(replace(&path, b"ours", Some(b"old"), 0o644), Err(ReplaceError::Changed { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_left_alone_even_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink("pipe", &link).unwrap();
        for path in [&pipe, &link] {
            assert!(matches!(replace(path, b"x", None, 0o644), Err(ReplaceError::NotFile { .. })));
        }
        let kind = fs::symlink_metadata(&pipe).unwrap().file_type();
        assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind));
    }

    #[test]
    fn a_new_file_gets_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drift");
        replace(&path, b"1.000\n", None, 0o644).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn dangling_links_and_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("nowhere", &link).unwrap();
        for path in [link.as_path(), folder.path(), Path::new("/nonexistent/ntp/file")] {
            assert!(replace(path, b"x", None, 0o644).is_err(), "{}", path.display());
        }
    }
}
