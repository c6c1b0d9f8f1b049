//! SIGHUP and `ntpctl reload`: the configuration is read anew, and what it says of clients comes into force without a
//! pause.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ntp_conf::directive::Tinker;
use ntp_conf::{Configuration, Placed, Severity, values};
use tracing::{error, info, warn};

use super::Driver;
use crate::config::{self, AccessLines, ConfigError, client_list_size};
use crate::keys;
use crate::leap_file::LeapFile;
use crate::sandbox;
use ntp_proto::auth::KeyTable;
use ntp_proto::system::{SourceChanges, SourceKind};
use ntp_proto::time::MonoTime;

/// What only a restart puts in force.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    tinkers: Vec<Tinker>,
    drift_file: Option<PathBuf>,
    threads: ntp_conf::directive::ServerThreads,
    list_size: (usize, Option<usize>),
    code_point: Option<u8>,
    discipline_disabled: bool,
    log_file: Option<PathBuf>,
    pid_file: Option<PathBuf>,
}

impl Settled {
    pub(crate) fn of(found: &Configuration) -> Self {
        let path = |line: &Option<Placed<PathBuf>>| line.as_ref().map(|file| file.value.clone());
        Self {
            tinkers: values(&found.tinkers),
            drift_file: path(&found.drift_file),
            threads: found.server_threads,
            list_size: client_list_size(found),
            code_point: found.code_point.as_ref().map(|code| code.value),
            discipline_disabled: found.discipline_disabled,
            log_file: path(&found.log_file),
            pid_file: path(&found.pid_file),
        }
    }

    /// What of it differs, in the words of ntp.conf.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = [
            (self.tinkers == other.tinkers, "tinker"),
            (self.drift_file == other.drift_file, "driftfile"),
            (self.threads == other.threads, "server-threads"),
            (self.list_size == other.list_size, "mru"),
            (self.code_point == other.code_point, "dscp"),
            (self.discipline_disabled == other.discipline_disabled, "enable/disable ntp"),
            (self.log_file == other.log_file, "logfile"),
            (self.pid_file == other.pid_file, "pidfile"),
        ];
        pairs.into_iter().filter(|(same, _)| !same).map(|(_, name)| name).collect()
    }
}

/// More sources than that are not named.
const NAMED_MAX: usize = 8;

/// Which sources stayed, came and went, in words.
fn described(changes: &SourceChanges) -> String {
    let named = |kinds: &[SourceKind]| {
        let names: Vec<String> = kinds.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        match kinds.len().saturating_sub(NAMED_MAX) {
            _ if kinds.is_empty() => "none".to_owned(),
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    };
    let SourceChanges { kept, added, removed } = changes;
    format!("sources: {kept} as before; new: {}; gone: {}", named(added), named(removed))
}

/// So many complaints are kept for whoever has asked; the log has all.
const COMPLAINTS_KEPT: usize = 20;

/// What is wrong with the configuration, for the log and for whoever has asked.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    /// The first ones, in the order in which they came.
    pub(super) kept: Vec<String>,
    pub(super) left_out: usize,
}

impl Complaints {
    fn add(&mut self, complaint: String) {
        warn!("{complaint}");
        if self.kept.len() < COMPLAINTS_KEPT {
            self.kept.push(complaint);
        } else {
            self.left_out += 1;
        }
    }
}

/// What has come into force, and what has not.
#[derive(Debug)]
pub(super) struct InForce {
    changes: SourceChanges,
    /// Words of ntp.conf whose lines hold from the next start.
    waiting: Vec<&'static str>,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = described(&self.changes);
        if self.waiting.is_empty() {
            return write!(f, "the configuration has been read anew and is in force ({sources})");
        }
        let lines = self.waiting.join("`, `");
        write!(
            f,
            "the configuration has been read anew ({sources}); what `{lines}` lines say now holds from the next start"
        )
    }
}

/// What came of reading the configuration anew.
#[derive(Debug)]
pub(super) struct Reloaded {
    pub(super) outcome: Result<InForce, ConfigError>,
    pub(super) complaints: Complaints,
}

impl Reloaded {
    /// The same in a sentence.
    pub(super) fn said(&self) -> String {
        match &self.outcome {
            Ok(in_force) => in_force.to_string(),
            Err(reason) => format!("the configuration is not read anew: {reason}"),
        }
    }
}

impl Driver {
    /// Reads the configuration anew because somebody has asked for it, and shows what came of it as the status.
    pub(super) fn reload_and_tell(&mut self, now: MonoTime) -> Reloaded {
        let reloaded = self.reload(now);
        if reloaded.outcome.is_ok() {
            self.tell_status(now);
        } else {
            error!("{}", reloaded.said());
            let status = "the configuration is not read anew; the one from before is in force";
            super::tell(&self.notifier.status(status));
        }
        reloaded
    }

    /// Reads the configuration anew. If it cannot be read, what was in force stays so.
    pub(super) fn reload(&mut self, now: MonoTime) -> Reloaded {
        let mut complaints = Complaints::default();
        let outcome = self.read_anew(now, &mut complaints);
        match &outcome {
            Ok(in_force) if in_force.waiting.is_empty() => info!("{in_force}"),
            Ok(in_force) => warn!("{in_force}"),
            // Whoever wanted it has more to say.
            Err(_) => {}
        }
        Reloaded { outcome, complaints }
    }

    fn read_anew(&mut self, now: MonoTime, complaints: &mut Complaints) -> Result<InForce, ConfigError> {
        let (mut found, findings) = config::load(&self.options.config, &self.lines.texts())?;
        for finding in findings.iter().filter(|finding| finding.severity != Severity::Note) {
            complaints.add(finding.to_string());
        }
        self.options.complete(&mut found);
        // A slip of the pen is no reason to stop asking those who are asked now.
        config::judge(&self.options.config, &found, &findings)?;
        if let Some(path) = sandbox::first_beyond(&found, &self.options, &self.named) {
            return Err(ConfigError::Beyond(path));
        }
        let keys = match keys::load(&found) {
            Ok((keys, found)) => {
                for complaint in found {
                    complaints.add(complaint);
                }
                Arc::new(keys)
            }
            Err(reason) => {
                complaints.add(format!("the keys stay as they were: {reason}"));
                Arc::clone(&self.service.rules().keys)
            }
        };
        self.system.set_keys(Arc::clone(&keys));
        let changes = self.take_sources(&found, &keys, now, complaints);
        self.restrictions = AccessLines::of(&found, self.lines.restrictions());
        let names = self.restrictions.names();
        self.resolver.look_up_restrictions(&names);
        self.hosts.retain(|host, _| names.contains(host));
        let mut access = self.restrictions.list(&self.hosts);
        access.set_sources(self.system.source_addresses());
        self.service.set_rules(config::server_rules(&found, &keys, access));
        self.control_key = config::control_key(&found);
        self.logged = found.logged;
        self.caution = config::caution(&found);
        self.statistics.configure(&found.statistics);
        self.system.set_recording(self.statistics.recording());
        self.interfaces = values(&found.interfaces);
        self.listen();
        if changes.kept == 0 && changes.added.is_empty() && !changes.removed.is_empty() {
            complaints.add(format!(
                "no source is left: {} names none, and the clock runs free",
                self.options.config.display()
            ));
        }
        Ok(InForce { changes, waiting: self.settled.differences(&Settled::of(&found)) })
    }

    /// Whom to ask, and how they vote; those that are the same keep what is known of them.
    fn take_sources(
        &mut self,
        found: &Configuration,
        keys: &KeyTable,
        now: MonoTime,
        complaints: &mut Complaints,
    ) -> SourceChanges {
        let (sources, unusable) = config::sources(found, &self.options, keys);
        for complaint in unusable {
            complaints.add(complaint);
        }
        self.system.set_selection(now, config::selection(found));
        let changes = self.system.set_sources(now, sources);
        let wanted = found.leap_file.as_ref().map(|file| &file.value);
        self.leap_file.iter_mut().for_each(LeapFile::forget);
        if !LeapFile::is(self.leap_file.as_ref(), wanted) {
            self.leap_file = wanted.cloned().map(LeapFile::new);
            if self.leap_file.is_none() {
                self.system.set_leap_table(None);
            }
        }
        changes
    }
}
