//! The statistics files: which are kept, and when a line is written.

mod files;
mod writer;

use std::path::Path;
use std::time::Duration;

use ntp_conf::Statistics;
use ntp_conf::directive::StatisticsSet;
use ntp_proto::records;
use ntp_proto::server::Counts;
use ntp_proto::system::{Record, Recording};
use ntp_proto::time::{MonoTime, UnixTime};
use tracing::warn;

use writer::{Kept, Line, Writer};

/// How often counters are written.
const COUNTERS_INTERVAL: Duration = Duration::from_hours(1);

/// The files that are kept.
#[derive(Debug)]
pub(crate) struct StatisticsFiles {
    kept: Vec<StatisticsSet>,
    writer: Option<Writer>,
    /// When counters were written the last time, and what they were.
    counters_before: (MonoTime, Counts),
    /// When the daemon started.
    began: MonoTime,
}

impl StatisticsFiles {
    pub(crate) const fn new(now: MonoTime) -> Self {
        Self { kept: Vec::new(), writer: None, counters_before: (now, Counts::ZERO), began: now }
    }

    /// What ntp.conf says from now on.
    pub(crate) fn configure(&mut self, wanted: &Statistics) {
        let folder = wanted.folder.as_deref().filter(|_| !wanted.disabled);
        let kept: Vec<Kept> = folder.into_iter().flat_map(|folder| enabled(wanted, folder)).collect();
        self.kept = kept.iter().map(|(set, ..)| *set).collect();
        if kept.is_empty() {
            self.writer = None;
            return;
        }
        if self.writer.is_none() {
            match Writer::start() {
                Ok(writer) => self.writer = Some(writer),
                Err(reason) => warn!("statistics are not written: there is no thread for them: {reason}"),
            }
        }
        if let Some(writer) = &self.writer {
            writer.keep(kept);
        }
    }

    /// What of the system is written down at all.
    pub(crate) fn recording(&self) -> Recording {
        let keeps = |set: StatisticsSet| self.kept.contains(&set);
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
        self.append(set, now, date, records::line(date, record));
    }

    /// Whether an hour is over, so that the counters should be written.
    pub(crate) fn wants_counters(&self, now: MonoTime) -> bool {
        now.since(self.counters_before.0) >= COUNTERS_INTERVAL
    }

    /// When the present hour began, and what the counters were then.
    pub(crate) const fn counted_before(&self) -> (MonoTime, Counts) {
        self.counters_before
    }

    /// Writes what has been counted since the last time.
    pub(crate) fn write_counters(&mut self, now: MonoTime, date: UnixTime, counts: Counts) {
        let (before, counted) = std::mem::replace(&mut self.counters_before, (now, counts));
        let line = records::counters_line(date, now.since(before).as_secs(), &counts.since(&counted));
        self.append(StatisticsSet::System, now, date, line);
    }

    fn append(&mut self, set: StatisticsSet, now: MonoTime, date: UnixTime, text: String) {
        let age = now.since(self.began).as_secs();
        if let Some(writer) = self.writer.as_mut().filter(|_| self.kept.contains(&set)) {
            writer.write(Line { set, date, age, text });
        }
    }
}

/// The sets that are recorded, with where and how.
fn enabled<'s>(wanted: &'s Statistics, folder: &'s Path) -> impl Iterator<Item = Kept> + 's {
    let sets = wanted.sets.iter().filter(|(_, set)| set.enabled);
    sets.map(|(name, set)| {
        let path = folder.join(set.file.trim_start_matches('/'));
        (*name, path, files::Rule { age: set.age, link: set.link })
    })
}
