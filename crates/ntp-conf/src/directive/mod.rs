//! What lines mean: one file for each family of directives.

mod access;
mod clock;
mod findings;
mod listen;
mod log;
mod selection;
mod service;
mod source;
mod statistics;
mod switch;

use std::net::{IpAddr, Ipv6Addr};

use crate::cst::Line;
use crate::diagnostic::{Diagnostic, Place};
use crate::grammar::{self, Dialect, Given, Reading};
use crate::schema::Treatment;

use findings::{Findings, IGNORED};

pub use access::{Restrict, RestrictFlags, RestrictTarget};
pub use clock::{Fudge, Tinker};
pub(crate) use listen::network;
pub use listen::{InterfaceAction, InterfaceRule, InterfaceTarget};
pub use log::{LogChange, LogClass, LogKind, LogSelection};
pub use selection::{LeapFile, Tos};
pub use service::{Limit, Mru, Reticence, ServerThreads};
pub use source::{AddressFamily, POLL_MAX, POLL_MIN, Role, Source, SourceOptions};
pub use statistics::{FileAge, FileGeneration, StatisticsSet};
pub use switch::Switch;

/// The longest line that is read; classic ntpd dies of a word of 128 bytes.
pub const LINE_LEN_MAX: usize = 16_384;

/// The most findings about one line.
const LINE_FINDINGS_MAX: usize = 8;

/// A directive that something follows from.
#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    /// `server`, `pool` or `peer`.
    Source(Source),
    /// `restrict`.
    Restrict(Restrict),
    /// `driftfile`; `None` where it switches the file off.
    DriftFile(Option<String>),
    /// `logfile`.
    LogFile(String),
    /// `logconfig`.
    LogConfig(Vec<LogChange>),
    /// `pidfile`.
    PidFile(String),
    /// `fudge`.
    Fudge(Fudge),
    /// `tinker`.
    Tinker(Vec<Tinker>),
    /// `tos`.
    Tos(Vec<Tos>),
    /// `leapfile`.
    LeapFile(LeapFile),
    /// `enable` (true) or `disable` (false).
    Switch(Vec<(Switch, bool)>),
    /// `unpeer`: the source is not asked after all.
    Unpeer(String),
    /// `includefile`.
    Include(String),
    /// `interface` or `nic`.
    Interface(InterfaceRule),
    /// `discard` or `limit`.
    Limit(Vec<Limit>),
    /// `mru`.
    Mru(Vec<Mru>),
    /// `mode6`.
    Reticence(Vec<Reticence>),
    /// `keys`.
    Keys(String),
    /// `trustedkey`: ranges of numbers, both ends included.
    TrustedKeys(Vec<(u32, u32)>),
    /// `controlkey`.
    ControlKey(u32),
    /// `dscp`.
    CodePoint(u8),
    /// `server-threads`.
    ServerThreads(ServerThreads),
    /// `statsdir`.
    StatisticsFolder(String),
    /// `statistics`.
    Statistics(Vec<StatisticsSet>),
    /// `filegen`.
    FileGeneration(FileGeneration),
}

/// What one line says, and everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    /// What follows from it, if anything.
    pub directive: Option<Directive>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads one line of a file.
pub fn interpret(file: &str, number: usize, line: &Line<'_>) -> Meaning {
    let mut findings = Findings::new(Place { file, number, line });
    // A comment may be as long as it likes.
    if line.tokens().last().is_some_and(|last| last.span.end > LINE_LEN_MAX) {
        let message = format!("the line has more than {LINE_LEN_MAX} bytes");
        findings
            .error("E012", 0, &message)
            .note(IGNORED, "no line is ever that long: is this the right file?");
        return Meaning { directive: None, diagnostics: findings.list };
    }
    let directive = match grammar::read(line, Dialect::Ours) {
        None => None,
        Some(Err(fault)) => {
            findings.no_directive(fault);
            None
        }
        Some(Ok(reading)) => {
            findings.of(&reading);
            let acted = reading.complete && reading.entry.treatment == Treatment::Acted;
            let directive = if acted {
                act(&mut Words { line, reading: &reading, findings: &mut findings })
            } else {
                None
            };
            if acted && directive.is_none() {
                findings.nothing_remains(reading.entry);
            }
            directive
        }
    };
    findings.note_strange_words();
    Meaning { directive, diagnostics: findings.list }
}

fn act(words: &mut Words<'_, '_>) -> Option<Directive> {
    match words.reading.entry.name {
        "server" => source::read(Role::Server, words).map(Directive::Source),
        "pool" => source::read(Role::Pool, words).map(Directive::Source),
        "peer" => source::read(Role::Peer, words).map(Directive::Source),
        "restrict" => access::read(words).map(Directive::Restrict),
        "driftfile" => {
            let path = words.argument(0).filter(|path| !path.is_empty());
            Some(Directive::DriftFile(path.map(ToOwned::to_owned)))
        }
        "logfile" => words.argument(0).map(|path| Directive::LogFile(path.to_owned())),
        "logconfig" => log::read_log_changes(words).map(Directive::LogConfig),
        "pidfile" => words.argument(0).map(|path| Directive::PidFile(path.to_owned())),
        "includefile" => words.argument(0).map(|path| Directive::Include(path.to_owned())),
        "unpeer" | "unconfig" => words.argument(0).map(|host| Directive::Unpeer(host.to_owned())),
        "fudge" => clock::read_fudge(words).map(Directive::Fudge),
        "tinker" => Some(Directive::Tinker(clock::read_tinker(words))),
        "tos" => Some(Directive::Tos(selection::read_tos(words))),
        "leapfile" => selection::read_leap_file(words).map(Directive::LeapFile),
        "enable" => Some(Directive::Switch(switch::read(words, true))),
        "disable" => Some(Directive::Switch(switch::read(words, false))),
        "interface" | "nic" => listen::read(words).map(Directive::Interface),
        "discard" | "limit" => Some(Directive::Limit(service::read_limits(words))),
        "mru" => Some(Directive::Mru(service::read_mru(words))),
        "mode6" => Some(Directive::Reticence(service::read_reticence(words))),
        "keys" => words.argument(0).map(|path| Directive::Keys(path.to_owned())),
        "trustedkey" => Some(Directive::TrustedKeys(service::read_trusted_keys(words))),
        "controlkey" => words.whole_argument(0).filter(|key| *key != 0).map(Directive::ControlKey),
        "dscp" => words.whole_argument(0).map(Directive::CodePoint),
        "statsdir" => words.argument(0).map(|path| Directive::StatisticsFolder(path.to_owned())),
        "statistics" => Some(Directive::Statistics(statistics::read_sets(words))),
        "filegen" => statistics::read_file_generation(words),
        "server-threads" => service::read_server_threads(words).map(Directive::ServerThreads),
        _ => None,
    }
}

/// A line with its words in their places, and what is found wrong with them.
struct Words<'r, 'l> {
    line: &'r Line<'l>,
    reading: &'r Reading,
    findings: &'r mut Findings<'l>,
}

impl<'r> Words<'r, '_> {
    fn text(&self, word: usize) -> &'r str {
        self.line.tokens().get(word).map_or("", |token| &*token.text)
    }

    /// The index of an argument's word.
    fn argument_word(&self, index: usize) -> Option<usize> {
        self.reading.arguments.get(index).copied()
    }

    fn argument(&self, index: usize) -> Option<&'r str> {
        self.argument_word(index).map(|word| self.text(word))
    }

    /// An argument that is a whole number.
    fn whole_argument<T: TryFrom<i64>>(&self, index: usize) -> Option<T> {
        grammar::integer(self.argument(index)?)?.try_into().ok()
    }

    /// The last setting of this name: it wins.
    fn setting(&self, name: &str) -> Option<&'r Given> {
        self.reading.settings.iter().rfind(|given| given.setting.name == name)
    }

    fn has(&self, name: &str) -> bool {
        self.setting(name).is_some()
    }

    /// The value of a setting.
    fn value(&self, name: &str) -> Option<&'r str> {
        self.setting(name)?.value.map(|word| self.text(word))
    }

    /// The value of a setting that is a whole number; its range has been checked.
    fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        grammar::integer(self.value(name)?)?.try_into().ok()
    }

    /// Every setting with its name and value, in order.
    fn settings(&self) -> impl Iterator<Item = (&'static str, &'r str)> {
        let given = self.reading.settings.iter();
        given.map(|given| (given.setting.name, given.value.map_or("", |word| self.text(word))))
    }
}

/// An address as ntp.conf writes it: IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// An IPv6 address with the interface on whose link it is meant: `fe80::1%eth0` (RFC 4007 §11). Which number
/// the interface has is found out when it is asked for: it may appear later.
pub(crate) fn scoped_address(text: &str) -> Option<(Ipv6Addr, &str)> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let (address, interface) = bare.split_once('%')?;
    let is_name = (1..=INTERFACE_NAME_MAX).contains(&interface.len())
        && interface.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%'));
    Some((address.parse().ok()?, interface))
        .filter(|(address, _): &(Ipv6Addr, _)| is_name && address.is_unicast_link_local())
}

/// The longest name of an interface (`IFNAMSIZ` without the final zero).
const INTERFACE_NAME_MAX: usize = 15;

#[cfg(test)]
mod tests;
