//! The statistics files: which are kept, and when a line is written.

mod files;

use std::path::Path;
use std::time::Duration;

use ntp_conf::Statistics;
use ntp_conf::directive::StatisticsSet;
use ntp_proto::records;
use ntp_proto::server::Counts;
use ntp_proto::system::{Record, Recording};
use ntp_proto::time::{MonoTime, UnixTime};

use files::FileSet;

/// How often counters are written.
const COUNTERS_INTERVAL: Duration = Duration::from_hours(1);

/// The files that are kept.
#[derive(Debug)]
pub(crate) struct StatisticsFiles {
    sets: Vec<(StatisticsSet, FileSet)>,
    /// When counters were written the last time, and what they were.
    counters_before: (MonoTime, Counts),
    /// When the daemon started.
    began: MonoTime,
}

impl StatisticsFiles {
    pub(crate) const fn new(now: MonoTime) -> Self {
        Self { sets: Vec::new(), counters_before: (now, Counts::ZERO), began: now }
    }

    /// What ntp.conf says from now on. Files that stay the same stay open.
    pub(crate) fn configure(&mut self, wanted: &Statistics) {
        let folder = wanted.folder.as_deref().filter(|_| !wanted.disabled);
        let kept = folder.into_iter().flat_map(|folder| enabled(wanted, folder));
        let mut before = std::mem::take(&mut self.sets);
        for (set, path, rule) in kept {
            let known = before.iter().position(|(other, files)| *other == set && files.is(&path, rule));
            let files = match known {
                Some(index) => before.swap_remove(index).1,
                None => FileSet::new(path, rule),
            };
            self.sets.push((set, files));
        }
    }

    /// What of the system is written down at all.
    pub(crate) fn recording(&self) -> Recording {
        let keeps = |set: StatisticsSet| self.sets.iter().any(|(kept, _)| *kept == set);
        Recording {
            corrections: keeps(StatisticsSet::Loop),
            sources: keeps(StatisticsSet::Peer),
            exchanges: keeps(StatisticsSet::Raw),
            events: keeps(StatisticsSet::Protocol),
        }
    }

    /// Writes a record where it belongs.
    pub(crate) fn write(&mut self, now: MonoTime, date: UnixTime, record: &Record) {
        let set = match record {
            Record::Correction { .. } => StatisticsSet::Loop,
            Record::Source(_) => StatisticsSet::Peer,
            Record::Exchange(_) => StatisticsSet::Raw,
            Record::SourceEvent(..) | Record::SystemEvent(..) => StatisticsSet::Protocol,
        };
        self.append(set, now, date, &records::line(date, record));
    }

    /// Whether the counters should be written now.
    pub(crate) fn wants_counters(&self, now: MonoTime) -> bool {
        now.since(self.counters_before.0) >= COUNTERS_INTERVAL
            && self.sets.iter().any(|(set, _)| *set == StatisticsSet::System)
    }

    /// Writes what has been counted since the last time.
    pub(crate) fn write_counters(&mut self, now: MonoTime, date: UnixTime, counts: Counts) {
        let (before, counted) = std::mem::replace(&mut self.counters_before, (now, counts));
        let line = records::counters_line(date, now.since(before).as_secs(), &counts.since(&counted));
        self.append(StatisticsSet::System, now, date, &line);
    }

    fn append(&mut self, set: StatisticsSet, now: MonoTime, date: UnixTime, line: &str) {
        let age = now.since(self.began).as_secs();
        if let Some((_, files)) = self.sets.iter_mut().find(|(kept, _)| *kept == set) {
            files.append(date, age, line);
        }
    }
}

/// The sets that are recorded, with where and how.
fn enabled<'s>(
    wanted: &'s Statistics,
    folder: &'s Path,
) -> impl Iterator<Item = (StatisticsSet, std::path::PathBuf, files::Rule)> + 's {
    let sets = wanted.sets.iter().filter(|(_, set)| set.enabled);
    sets.map(|(name, set)| {
        let path = folder.join(set.file.trim_start_matches('/'));
        (*name, path, files::Rule { age: set.age, link: set.link })
    })
}
