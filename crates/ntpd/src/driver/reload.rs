//! SIGHUP and `ntpctl reload`: the configuration is read anew, and what it says of clients comes into force without a pause.

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

/// Whom the log and whoever has asked are told of what is wrong with the configuration.
#[derive(Debug, Default)]
pub(super) struct Remarks(Vec<String>);

impl Remarks {
    fn add(&mut self, complaint: String) {
        warn!("{complaint}");
        self.0.push(complaint);
    }

    /// All of them, in the order in which they came.
    pub(super) fn texts(&self) -> &[String] {
        &self.0
    }
}

impl Driver {
    /// Reads the configuration anew because somebody has asked for it; what came of it in words.
    pub(super) fn reload_and_tell(&mut self, now: MonoTime, remarks: &mut Remarks) -> Result<String, String> {
        match self.reload(now, remarks) {
            Ok(said) => {
                self.tell_status(now);
                Ok(said)
            }
            Err(reason) => {
                let said = format!("the configuration is not read anew: {reason}");
                error!("{said}");
                super::tell(
                    &self
                        .notifier
                        .status("the configuration is not read anew; the one from before is in force"),
                );
                Err(said)
            }
        }
    }

    /// Reads the configuration anew. If it cannot be read, what was in force stays so.
    pub(super) fn reload(&mut self, now: MonoTime, remarks: &mut Remarks) -> Result<String, ConfigError> {
        let (mut found, findings) = config::load(&self.options.config, &self.lines.texts())?;
        for finding in findings.iter().filter(|finding| finding.severity != Severity::Note) {
            remarks.add(finding.to_string());
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
                    remarks.add(complaint);
                }
                Arc::new(keys)
            }
            Err(reason) => {
                remarks.add(format!("the keys stay as they were: {reason}"));
                Arc::clone(&self.service.rules().keys)
            }
        };
        self.system.set_keys(Arc::clone(&keys));
        let changes = self.take_sources(&found, &keys, now, remarks);
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
            remarks.add(format!(
                "no source is left: {} names none, and the clock runs free",
                self.options.config.display()
            ));
        }
        Ok(self.tell_what_holds(&found, &changes))
    }

    /// Says what has come into force, and what has not.
    fn tell_what_holds(&self, found: &Configuration, changes: &SourceChanges) -> String {
        let sources = described(changes);
        let waiting = self.settled.differences(&Settled::of(found));
        if waiting.is_empty() {
            let said = format!("the configuration has been read anew and is in force ({sources})");
            info!("{said}");
            return said;
        }
        let lines = waiting.join("`, `");
        let said = format!(
            "the configuration has been read anew ({sources}); what `{lines}` lines say now holds from the next start"
        );
        warn!("{said}");
        said
    }

    /// Whom to ask, and how they vote; those that are the same keep what is known of them.
    fn take_sources(
        &mut self,
        found: &Configuration,
        keys: &KeyTable,
        now: MonoTime,
        remarks: &mut Remarks,
    ) -> SourceChanges {
        let (sources, unusable) = config::sources(found, &self.options, keys);
        for complaint in unusable {
            remarks.add(complaint);
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
