//! Files that are begun anew every day, or week, or whenever `filegen` says, in the folder of `statsdir`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ntp_conf::directive::FileAge;
use ntp_proto::time::{Date, UnixTime};
use tracing::{info, warn};

use crate::unit;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Older files of one name that are kept beside it by one process.
const KEPT_MAX: u32 = 1000;

/// When a file is begun, and whether its plain name leads to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) age: FileAge,
    pub(super) link: bool,
}

/// The files of one set, of which one is open.
#[derive(Debug)]
pub(super) struct FileSet {
    /// The plain name.
    path: PathBuf,
    rule: Rule,
    open: Option<(OsString, File)>,
    /// A line may have been written in part: the next one begins a line of its own.
    torn: bool,
    /// The plain name could not be made to lead to the newest file, which has been said.
    unlinked: bool,
    /// A failure has been spoken of: it is not again, until a line could be written.
    complained: bool,
}

impl FileSet {
    pub(super) const fn new(path: PathBuf, rule: Rule) -> Self {
        Self { path, rule, open: None, torn: false, unlinked: false, complained: false }
    }

    /// Whether it is the one that is wanted.
    pub(super) fn is(&self, path: &Path, rule: Rule) -> bool {
        self.path == path && self.rule == rule
    }

    /// Appends a line; `age` is for how many seconds the daemon has run. What cannot be written is lost, and the loss
    /// spoken of once: statistics never stop the clock.
    pub(super) fn append(&mut self, date: UnixTime, age: u64, line: &str) {
        let torn = std::mem::take(&mut self.torn);
        let text = if torn { format!("\n{line}") } else { line.to_owned() };
        let written = self.file(date, age).and_then(|file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => {
                if std::mem::take(&mut self.complained) {
                    info!("{}: statistics are written again", self.path.display());
                }
            }
            Err(reason) => {
                // Whatever it was, it may have been mended when the next line comes.
                self.torn = torn || self.open.is_some();
                self.open = None;
                if !self.complained {
                    self.complained = true;
                    let of_folder =
                        [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&reason.kind());
                    let remedy = if of_folder {
                        "; the folder that `statsdir` names must be there, and ours to write to"
                    } else {
                        ""
                    };
                    let hint = unit::hint_of_writing();
                    warn!("{}: statistics are not written: {reason}{remedy}{hint}", self.path.display());
                }
            }
        }
    }

    fn file(&mut self, date: UnixTime, age: u64) -> io::Result<&mut File> {
        let name = named(&self.path, &self.suffix(date, age));
        // A file that somebody has moved away is not written to any longer.
        let current =
            self.open.take().filter(|(open, file)| *open == name && is_there(file, Path::new(open)));
        let file = match current {
            Some((_, file)) => file,
            None => self.begin(Path::new(&name))?,
        };
        Ok(&mut self.open.insert((name, file)).1)
    }

    fn begin(&mut self, path: &Path) -> io::Result<File> {
        // Opened without waiting for whoever reads, should it be a pipe; and no link is followed.
        let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
        let file = OpenOptions::new().append(true).create(true).custom_flags(flags.bits()).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("there is something else of that name"));
        }
        if self.rule.link && path != self.path {
            match self.lead_to(path) {
                Ok(()) => self.unlinked = false,
                Err(reason) if !self.unlinked => {
                    self.unlinked = true;
                    let (plain, path) = (self.path.display(), path.display());
                    warn!("{plain}: does not lead to {path}, which is written: {reason}");
                }
                Err(_) => {}
            }
        }
        Ok(file)
    }

    /// Has the plain name lead to the newest file. A file of that name which is no such link keeps what it holds
    /// under another name; anything else of that name is left alone.
    fn lead_to(&self, newest: &Path) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if !found.is_file() => {
                return Err(io::Error::other("there is something else of that name"));
            }
            Ok(found) if found.nlink() == 1 => fs::rename(&self.path, self.free_name()?)?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let fresh = named(&self.path, &format!(".{}.link", std::process::id()));
        match fs::symlink_metadata(&fresh) {
            // Left by a run that ended in between.
            Ok(found) if found.is_file() && found.nlink() > 1 => fs::remove_file(&fresh)?,
            Ok(_) | Err(_) => {}
        }
        fs::hard_link(newest, &fresh)?;
        let moved = fs::rename(&fresh, &self.path);
        // Where both are the same file already, renaming leaves both.
        drop(fs::remove_file(&fresh));
        moved
    }

    /// A name for what was there before; nothing is written over.
    fn free_name(&self) -> io::Result<OsString> {
        let names = (0..KEPT_MAX).map(|number| match number {
            0 => named(&self.path, &format!(".C{}", std::process::id())),
            _ => named(&self.path, &format!(".C{}-{number}", std::process::id())),
        });
        let is_free = |name: &OsString| fs::symlink_metadata(name).is_err();
        names
            .into_iter()
            .find(is_free)
            .ok_or_else(|| io::Error::other("too many older files are kept beside it"))
    }

    /// What the present file's name ends in.
    fn suffix(&self, date: UnixTime, age: u64) -> String {
        let Date { year, month, day } = Date::of(date);
        match self.rule.age {
            FileAge::None => String::new(),
            FileAge::Process => format!(".#{}", std::process::id()),
            FileAge::Day => format!(".{year:04}{month:02}{day:02}"),
            FileAge::Week => {
                let (year, week) = Date::week_of(date);
                format!(".{year:04}w{week:02}")
            }
            FileAge::Month => format!(".{year:04}{month:02}"),
            FileAge::Year => format!(".{year:04}"),
            FileAge::Age => format!(".a{:08}", age - age % DAY),
        }
    }
}

fn named(path: &Path, suffix: &str) -> OsString {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name
}

/// Whether the open file is the one of that name.
fn is_there(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(found)) => (ours.dev(), ours.ino()) == (found.dev(), found.ino()),
        (Ok(_) | Err(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const MORNING: UnixTime = UnixTime::new(1_795_651_200, 0);

    fn tomorrow() -> UnixTime {
        UnixTime::new(MORNING.seconds() + 86_400, 0)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn set(folder: &Path, age: FileAge, link: bool) -> FileSet {
        FileSet::new(folder.join("loopstats"), Rule { age, link })
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn every_day_begins_a_file_and_the_plain_name_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = set(folder.path(), FileAge::Day, true);
        files.append(MORNING, 0, "a\n");
        files.append(MORNING, 0, "b\n");
        assert_eq!(names(folder.path()), ["loopstats", "loopstats.20261126"]);
        assert_eq!(text(folder.path(), "loopstats"), "a\nb\n");
        files.append(tomorrow(), 0, "c\n");
        assert_eq!(names(folder.path()), ["loopstats", "loopstats.20261126", "loopstats.20261127"]);
        assert_eq!(text(folder.path(), "loopstats"), "c\n");
        // A new run goes on with the same file.
        set(folder.path(), FileAge::Day, true).append(tomorrow(), 0, "d\n");
        assert_eq!(text(folder.path(), "loopstats.20261127"), "c\nd\n");
        assert_eq!(names(folder.path()).len(), 3);
    }

    #[test]
    fn names_are_those_of_the_original() {
        for (age, wanted) in [
            (FileAge::None, String::new()),
            (FileAge::Process, format!(".#{}", std::process::id())),
            (FileAge::Day, ".20261126".to_owned()),
            (FileAge::Week, ".2026w48".to_owned()),
            (FileAge::Month, ".202611".to_owned()),
            (FileAge::Year, ".2026".to_owned()),
            (FileAge::Age, ".a00000000".to_owned()),
        ] {
            assert_eq!(set(Path::new("/"), age, true).suffix(MORNING, 0), wanted);
        }
        assert_eq!(set(Path::new("/"), FileAge::Age, true).suffix(MORNING, 2 * DAY + 7), ".a00172800");
    }

    #[test]
    fn what_lies_there_already_is_not_lost_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("loopstats"), "older\n").unwrap();
        set(folder.path(), FileAge::Day, true).append(MORNING, 0, "a\n");
        let kept = format!("loopstats.C{}", std::process::id());
        assert_eq!(text(folder.path(), &kept), "older\n");
        // And what was kept before is not written over.
        fs::remove_file(folder.path().join("loopstats")).unwrap();
        fs::write(folder.path().join("loopstats"), "newer\n").unwrap();
        set(folder.path(), FileAge::Day, true).append(MORNING, 0, "a\n");
        assert_eq!(
            (text(folder.path(), &kept), text(folder.path(), &format!("{kept}-1"))),
            ("older\n".to_owned(), "newer\n".to_owned())
        );
        let target = folder.path().join("target");
        fs::write(&target, "").unwrap();
        symlink(&target, folder.path().join("loopstats.2026")).unwrap();
        set(folder.path(), FileAge::Year, false).append(MORNING, 0, "a\n");
        assert_eq!(fs::read_to_string(&target).unwrap(), "");
    }

    #[test]
    fn a_folder_that_comes_late_or_files_that_are_moved_away_lose_nothing_later() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        let mut files = set(&below, FileAge::None, true);
        files.append(MORNING, 0, "lost\n");
        fs::create_dir(&below).unwrap();
        files.append(MORNING, 0, "a\n");
        fs::rename(below.join("loopstats"), below.join("loopstats.1")).unwrap();
        files.append(MORNING, 0, "b\n");
        assert_eq!(
            (text(&below, "loopstats.1"), text(&below, "loopstats")),
            ("a\n".to_owned(), "b\n".to_owned())
        );
    }

    #[test]
    fn a_pipe_or_a_folder_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&folder.path().join("loopstats"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        set(folder.path(), FileAge::None, true).append(MORNING, 0, "a\n");
        fs::create_dir(folder.path().join("loopstats.2026")).unwrap();
        set(folder.path(), FileAge::Year, true).append(MORNING, 0, "a\n");
        // The newest is written, even where its plain name leads elsewhere.
        set(folder.path(), FileAge::Month, true).append(MORNING, 0, "a\n");
        assert_eq!(names(folder.path()), ["loopstats", "loopstats.2026", "loopstats.202611"]);
    }
}
