//! Writing the new file, keeping the old one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ntp_os::atomic_file::{ReplaceError, replace};

use crate::exit::Failure;

/// Where older versions go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backups<'a> {
    /// The folder.
    pub(crate) folder: &'a Path,
    /// How many are kept of each file.
    pub(crate) kept: usize,
}

/// A change that has been written and can be taken back.
#[derive(Debug)]
pub(crate) struct Applied<'a> {
    path: &'a Path,
    old: Option<&'a [u8]>,
    new: &'a [u8],
    /// Where the old file is kept, if there was one.
    pub(crate) backup: Option<PathBuf>,
    /// Whether it was kept there before.
    was_kept: bool,
    /// The folder, if it was made for the file.
    folder: Option<&'a Path>,
    /// Held as long as the change may be taken back.
    _lock: Lock,
}

impl<'a> Applied<'a> {
    /// Keeps the old file, then replaces it, unless somebody else changed it meanwhile.
    pub(crate) fn write(
        path: &'a Path,
        old: Option<&'a [u8]>,
        new: &'a [u8],
        backups: &Backups<'_>,
    ) -> Result<Self, Failure> {
        let folder = if old.is_none() { make_folder(path)? } else { None };
        match Self::write_into_folder(path, old, new, backups) {
            Ok(applied) => Ok(Self { folder, ..applied }),
            Err(failure) => {
                take_folder_back(folder);
                Err(failure)
            }
        }
    }

    fn write_into_folder(
        path: &'a Path,
        old: Option<&'a [u8]>,
        new: &'a [u8],
        backups: &Backups<'_>,
    ) -> Result<Self, Failure> {
        let not_written = |error: ReplaceError| Failure::NotWritten(error.to_string());
        let lock = lock(path)?;
        if old.is_none() && path.exists() {
            return Err(Failure::NotWritten(format!(
                "{} was made by somebody else meanwhile",
                path.display()
            )));
        }
        let kept = old.map(|old| back_up(path, old, backups.folder)).transpose().map_err(|error| {
            Failure::NotWritten(format!(
                "the old file cannot be kept in {}: {error}; run as root, or name another backup-dir in the settings",
                backups.folder.display()
            ))
        })?;
        let was_kept = kept.as_ref().is_some_and(|(_, was_kept)| *was_kept);
        let backup = kept.map(|(backup, _)| backup);
        let applied = Self { path, old, new, backup, was_kept, folder: None, _lock: lock };
        match replace(path, new, old, 0o644) {
            Ok(()) => Ok(applied),
            Err(error) => {
                applied.forget_backup();
                Err(not_written(error))
            }
        }
    }

    /// The change stays: of its older versions, those beyond the number kept are deleted.
    pub(crate) fn settle(&self, backups: &Backups<'_>) {
        for oldest in self::backups(self.path, backups.folder).iter().skip(backups.kept) {
            // One too many is no harm.
            drop(fs::remove_file(oldest));
        }
    }

    /// What is in force again is no older version.
    fn forget_backup(&self) {
        if let Some(backup) = self.backup.as_ref().filter(|_| !self.was_kept) {
            drop(fs::remove_file(backup));
        }
    }

    /// Puts the old file back, unless somebody else has changed the new one.
    pub(crate) fn take_back(&self) -> Result<(), ReplaceError> {
        match self.old {
            Some(old) => replace(self.path, old, Some(self.new), 0o644)?,
            None => self.remove()?,
        }
        self.forget_backup();
        Ok(())
    }
}

impl Applied<'_> {
    /// There was no file before.
    fn remove(&self) -> Result<(), ReplaceError> {
        let write = |source| ReplaceError::Write { path: self.path.to_owned(), source };
        if fs::read(self.path).map_err(write)? != self.new {
            return Err(ReplaceError::Changed { path: self.path.to_owned() });
        }
        fs::remove_file(self.path).map_err(write)?;
        take_folder_back(self.folder);
        Ok(())
    }
}

/// Makes the folder of a file, if there is none, and returns it then.
fn make_folder(path: &Path) -> Result<Option<&Path>, Failure> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(None) };
    match fs::create_dir(folder) {
        Ok(()) => Ok(Some(folder)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(Failure::NotWritten(format!("{} cannot be made: {error}", folder.display()))),
    }
}

/// Removes a folder that was made for a file, unless somebody has put something into it since.
fn take_folder_back(folder: Option<&Path>) {
    drop(folder.map(fs::remove_dir));
}

/// The older versions of a file that are kept, the newest first.
pub(crate) fn backups(path: &Path, folder: &Path) -> Vec<PathBuf> {
    let name = backup_name(path);
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    // Links lead elsewhere: they are nobody's older version.
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut kept: Vec<PathBuf> =
        files.map(|entry| entry.path()).filter(|file| stamp_of(file, &name).is_some()).collect();
    kept.sort();
    kept.reverse();
    kept
}

/// When one was written, seconds since 1970.
pub(crate) fn written_at(backup: &Path) -> Option<i64> {
    let name = backup.file_name()?.to_string_lossy().into_owned();
    name.rsplit('.').nth(1)?.parse().ok()
}

/// What the older versions of a file are called: its whole path, so that two of the same name do not
/// share a history.
fn backup_name(path: &Path) -> String {
    let whole = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    };
    let text = whole.to_string_lossy().replace('/', "!");
    // The end tells more than the beginning, and names have 255 bytes at most.
    let skip = text.chars().count().saturating_sub(120);
    text.chars().skip(skip).collect()
}

/// A lock that is let go of even while a child that was just forked still has the file open.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it does the same once nobody has it open any more.
        drop(self.0.unlock());
    }
}

/// One editor at a time. The lock is on the folder: it needs no file of its own and outlives the
/// replacement of the file.
fn lock(path: &Path) -> Result<Lock, Failure> {
    let refuse =
        |error: io::Error| Failure::NotWritten(format!("{} cannot be locked: {error}", path.display()));
    // A file that does not exist yet, or a link that leads nowhere: the write will tell.
    let real = fs::canonicalize(path).or_else(|_| std::path::absolute(path)).map_err(refuse)?;
    let folder = real.parent().unwrap_or_else(|| Path::new("/"));
    let folder = File::open(folder).map_err(refuse)?;
    match folder.try_lock() {
        Ok(()) => Ok(Lock(folder)),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Failure::NotWritten("another ntpctl is at work on this file".to_owned()))
        }
        Err(fs::TryLockError::Error(error)) => Err(refuse(error)),
    }
}

/// Writes a copy into the folder of old files, unless the newest there is one already.
fn back_up(path: &Path, old: &[u8], folder: &Path) -> Result<(PathBuf, bool), String> {
    prepare(folder)?;
    let name = backup_name(path);
    let kept = backups(path, folder);
    if let Some(newest) = kept.first().filter(|newest| fs::read(newest).is_ok_and(|kept| kept == old)) {
        return Ok((newest.clone(), true));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The clock may be wrong, which is why one comes here: the newest version has the latest stamp.
    let newest = kept.first().and_then(|file| stamp_of(file, &name)).unwrap_or_default();
    let stamp = now.max(newest + Duration::from_nanos(1));
    // Fixed width, so that names sort by age.
    let backup = folder.join(format!("{name}.{:012}.{:09}", stamp.as_secs(), stamp.subsec_nanos()));
    replace(&backup, old, None, 0o600).map_err(|error| error.to_string())?;
    Ok((backup, false))
}

/// A folder that nobody else can write into: what is brought back from it becomes the configuration.
fn prepare(folder: &Path) -> Result<(), String> {
    if !folder.exists() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| error.to_string())?;
    }
    let metadata = fs::metadata(folder).map_err(|error| error.to_string())?;
    let own = metadata.uid() == nix::unistd::geteuid().as_raw();
    if !own || metadata.mode() & 0o022 != 0 {
        return Err("it belongs to somebody else, or others may write into it".to_owned());
    }
    Ok(())
}

/// The stamp of a file that [`back_up`] wrote: nothing else is ever deleted or brought back.
fn stamp_of(file: &Path, name: &str) -> Option<Duration> {
    let file_name = file.file_name()?.to_string_lossy().into_owned();
    let (seconds, nanos) = file_name.strip_prefix(name)?.strip_prefix('.')?.split_once('.')?;
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds, 12) || !digits(nanos, 9) {
        return None;
    }
    Some(Duration::new(seconds.parse().ok()?, nanos.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ntpctl-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_change_can_be_taken_back_and_old_files_are_kept() {
        let folder = scratch("apply");
        let path = folder.join("ntp.conf");
        let backups = folder.join("backup");
        fs::write(&path, "old").unwrap();
        let to = Backups { folder: &backups, kept: 10 };
        for number in 0..15_u8 {
            let (old, new) = (fs::read(&path).unwrap(), vec![b'0' + number]);
            let applied = Applied::write(&path, Some(&old), &new, &to).unwrap();
            assert_eq!(fs::read(applied.backup.as_ref().unwrap()).unwrap(), old);
            applied.settle(&to);
        }
        assert_eq!(fs::read_dir(&backups).unwrap().count(), 10);
        // What did not work leaves the history as it was.
        let newest = || super::backups(&path, &backups)[0].clone();
        let before = newest();
        for _ in 0..15 {
            let old = fs::read(&path).unwrap();
            let applied = Applied::write(&path, Some(&old), b"new", &to).unwrap();
            applied.take_back().unwrap();
            assert_eq!(fs::read(&path).unwrap(), old);
        }
        assert_eq!((fs::read_dir(&backups).unwrap().count(), newest()), (10, before));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn files_of_the_same_name_have_histories_of_their_own_whatever_the_clock_says() {
        let folder = scratch("names");
        let (one, other) = (folder.join("a/ntp.conf"), folder.join("b/ntp.conf"));
        let backups_in = folder.join("backup");
        let to = Backups { folder: &backups_in, kept: 10 };
        for path in [&one, &other] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "old").unwrap();
        }
        drop(Applied::write(&one, Some(b"old"), b"new", &to).unwrap());
        assert_eq!((backups(&one, &backups_in).len(), backups(&other, &backups_in).len()), (1, 0));
        // One from the future, as of a clock that has been set back since.
        let name = backup_name(&one);
        fs::write(backups_in.join(format!("{name}.900000000000.000000000")), "future").unwrap();
        let applied = Applied::write(&one, Some(b"new"), b"newer", &to).unwrap();
        assert_eq!(backups(&one, &backups_in).first(), applied.backup.as_ref());
        drop(applied);
        std::os::unix::fs::symlink("/etc/passwd", backups_in.join(format!("{name}.999999999999.000000000")))
            .unwrap();
        assert_eq!(backups(&one, &backups_in).len(), 3);
        fs::set_permissions(&backups_in, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let refused = Applied::write(&one, Some(b"newer"), b"x", &to).unwrap_err();
        assert!(refused.to_string().contains("others may write"), "{refused}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn somebody_elses_change_is_never_overwritten() {
        let folder = scratch("race");
        let (path, kept_in) = (folder.join("ntp.conf"), folder.join("backup"));
        let to = Backups { folder: &kept_in, kept: 10 };
        fs::write(&path, "theirs").unwrap();
        let failure = Applied::write(&path, Some(b"old"), b"new", &to).unwrap_err();
        assert!(failure.to_string().contains("somebody else"), "{failure}");
        fs::write(&path, "old").unwrap();
        let applied = Applied::write(&path, Some(b"old"), b"new", &to).unwrap();
        let second = Applied::write(&path, Some(b"new"), b"newer", &to).unwrap_err();
        assert!(second.to_string().contains("another ntpctl"), "{second}");
        fs::write(&path, "theirs").unwrap();
        assert!(applied.take_back().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        drop(applied);
        fs::remove_dir_all(&folder).unwrap();
    }
}
