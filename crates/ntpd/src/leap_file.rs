//! The table of leap seconds on disk, which is looked at again when it changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ntp_conf::directive;
use ntp_proto::discipline::LeapTable;
use ntp_proto::time::{Date, MonoTime, UnixTime};
use tracing::{info, warn};

use crate::statefiles;

/// How often the file is looked at: tzdata replaces it twice a year.
const INTERVAL: Duration = Duration::from_hours(1);

/// How long before it expires somebody should care, in seconds: four weeks.
const EXPIRES_SOON: i64 = 28 * 86_400;

/// How often that is said.
const WARNING_INTERVAL: Duration = Duration::from_hours(24);

/// The file that `leapfile` names.
#[derive(Debug)]
pub(crate) struct LeapFile {
    path: PathBuf,
    check_hash: bool,
    due: MonoTime,
    /// What it looked like when it was last read.
    seen: Option<SystemTime>,
    expires: Option<UnixTime>,
    /// When its expiry, and its being damaged, may be spoken of again.
    warn_due: MonoTime,
    complain_due: MonoTime,
}

impl LeapFile {
    pub(crate) fn new(line: directive::LeapFile) -> Self {
        Self {
            path: PathBuf::from(line.path),
            check_hash: line.check_hash,
            due: MonoTime::ZERO,
            seen: None,
            expires: None,
            warn_due: MonoTime::ZERO,
            complain_due: MonoTime::ZERO,
        }
    }

    /// Whether it is the one that is wanted, if any is.
    pub(crate) fn is(known: Option<&Self>, wanted: Option<&directive::LeapFile>) -> bool {
        match (known, wanted) {
            (Some(known), Some(wanted)) => {
                known.path == Path::new(&wanted.path) && known.check_hash == wanted.check_hash
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Looks at the file anew at the next opportunity, changed or not.
    pub(crate) const fn forget(&mut self) {
        self.due = MonoTime::ZERO;
        self.seen = None;
    }

    /// If it is time to look and the file has changed: the table that counts from now on. A damaged
    /// file leaves the old table in force.
    pub(crate) fn look(&mut self, now: MonoTime, date: UnixTime) -> Option<LeapTable> {
        if now < self.due {
            return None;
        }
        self.due = now + INTERVAL;
        self.warn_of_expiry(now, date);
        let changed = fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok();
        if self.seen.is_some() && changed == self.seen {
            return None;
        }
        let shown = self.path.display();
        match statefiles::read_leap_table(&self.path, self.check_hash) {
            Ok(table) => {
                self.seen = changed;
                self.expires = Some(table.expires());
                if date < table.expires() {
                    info!("{shown}: leap seconds are known until {}", Date::of(table.expires()));
                }
                if !table.is_hashed() {
                    warn!("{shown}: has no hash: damage would not show");
                }
                self.warn_of_expiry(now, date);
                Some(table)
            }
            Err(reason) => {
                if now >= self.complain_due {
                    self.complain_due = now + WARNING_INTERVAL;
                    let in_force = if self.expires.is_some() {
                        "the table that was read before stays in force"
                    } else {
                        "leap seconds come from the servers alone"
                    };
                    warn!("{shown}: {reason}; {in_force}");
                }
                None
            }
        }
    }

    fn warn_of_expiry(&mut self, now: MonoTime, date: UnixTime) {
        let Some(expires) = self.expires.filter(|_| now >= self.warn_due) else { return };
        let left = expires.seconds().saturating_sub(date.seconds());
        if left < EXPIRES_SOON {
            self.warn_due = now + WARNING_INTERVAL;
            let shown = self.path.display();
            let days = left.div_euclid(86_400);
            if left < 0 {
                warn!("{shown}: has expired {} days ago and is not used: update the package tzdata", -days);
            } else {
                warn!("{shown}: expires in {days} days: update the package tzdata");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_when_it_appears_and_when_it_changes() {
        let path = std::env::temp_dir().join(format!("ntpd-leap-test-{}", std::process::id()));
        let line = directive::LeapFile { path: path.display().to_string(), check_hash: true };
        let mut file = LeapFile::new(line);
        let at = |hours: u64| MonoTime::ZERO + Duration::from_hours(hours);
        let date = UnixTime::new(1_795_000_000, 0);
        assert_eq!(file.look(at(0), date), None);
        fs::write(&path, "#@ 4100000000\n3692217600 37\n").unwrap();
        assert_eq!(file.look(at(0), date), None, "not before it is time");
        assert!(file.look(at(1), date).is_some());
        assert_eq!(file.look(at(2), date), None, "it has not changed");
        fs::write(&path, "nonsense").unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(file.look(at(3), date), None);
        fs::remove_file(&path).unwrap();
    }
}
