//! `logconfig`: which changes of state are logged.

use super::Words;
use super::findings::IGNORED;

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClass {
    /// A reference clock.
    Clock,
    /// A source.
    Peer,
    /// The daemon.
    System,
    /// Whom the clock follows, and how far off it is.
    Sync,
}

/// What kind of line tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// What may be good to know.
    Info,
    /// Something has happened.
    Events,
    /// Counts.
    Statistics,
    /// Something is different from now on.
    Status,
}

const CLASSES: [(&str, LogClass); 4] = [
    ("clock", LogClass::Clock),
    ("peer", LogClass::Peer),
    ("sys", LogClass::System),
    ("sync", LogClass::Sync),
];

const KINDS: [(&str, LogKind); 4] = [
    ("info", LogKind::Info),
    ("events", LogKind::Events),
    ("statistics", LogKind::Statistics),
    ("status", LogKind::Status),
];

/// Which lines are logged: those of these classes and kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSelection(u16);

impl LogSelection {
    /// All of them.
    pub const ALL: Self = Self(u16::MAX);

    const fn one(class: LogClass, kind: LogKind) -> Self {
        Self(1 << (class as u16 * 4 + kind as u16))
    }

    /// Whether such a line is logged.
    pub const fn has(self, class: LogClass, kind: LogKind) -> bool {
        self.0 & Self::one(class, kind).0 != 0
    }

    /// What a word means: a class, `all`, or nothing, and a kind or `all`.
    fn named(word: &str) -> Option<Self> {
        let of_class = |(name, class)| Some((vec![class], word.strip_prefix(name)?));
        let every = || CLASSES.map(|(_, class)| class).to_vec();
        let (classes, rest) = CLASSES.into_iter().find_map(of_class).unwrap_or_else(|| {
            (every(), word.strip_prefix("all").filter(|rest| !rest.is_empty()).unwrap_or(word))
        });
        let kinds = KINDS.into_iter().filter(|(name, _)| rest == "all" || rest == *name);
        let bits = kinds.flat_map(|(_, kind)| classes.iter().map(move |class| Self::one(*class, kind).0));
        let bits = bits.fold(0, |all, bit| all | bit);
        (bits != 0).then_some(Self(bits))
    }

    /// The selection after a change.
    #[must_use]
    pub const fn changed(self, change: LogChange) -> Self {
        match change {
            LogChange::Set(these) => these,
            LogChange::Add(these) => Self(self.0 | these.0),
            LogChange::Remove(these) => Self(self.0 & !these.0),
        }
    }
}

impl Default for LogSelection {
    fn default() -> Self {
        Self::ALL
    }
}

/// What one word of `logconfig` does to the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogChange {
    /// `=`: these and no others.
    Set(LogSelection),
    /// `+`, or no sign: these as well.
    Add(LogSelection),
    /// `-`: not these.
    Remove(LogSelection),
}

impl LogChange {
    fn read(word: &str) -> Option<Self> {
        match word.split_at_checked(1) {
            Some(("=", name)) => LogSelection::named(name).map(Self::Set),
            Some(("+", name)) => LogSelection::named(name).map(Self::Add),
            Some(("-", name)) => LogSelection::named(name).map(Self::Remove),
            _ => LogSelection::named(word).map(Self::Add),
        }
    }
}

pub(super) fn read_log_changes(words: &mut Words<'_, '_>) -> Option<Vec<LogChange>> {
    let mut changes = Vec::new();
    for index in 0..words.reading.arguments.len() {
        let text = words.argument(index).unwrap_or_default();
        let Some(change) = LogChange::read(text) else {
            let message = format!("\"{text}\" selects no lines of the log");
            let remedy = "write =, + or - and one of clock, peer, sys, sync and all, with one of info, events, \
                          statistics, status and all, as in =syncall";
            let word = words.argument_word(index).unwrap_or(0);
            words.findings.error("E002", word, &message).note(IGNORED, remedy);
            return None;
        };
        changes.push(change);
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_select_as_in_classic_ntpd() {
        let after = |line: &str| {
            let changes = line.split(' ').map(|word| LogChange::read(word).unwrap());
            changes.fold(LogSelection::ALL, LogSelection::changed)
        };
        let (peer, sync) = (LogClass::Peer, LogClass::Sync);
        let one = after("=syncall +clockall +peerevents");
        assert!(one.has(sync, LogKind::Status) && one.has(LogClass::Clock, LogKind::Info));
        assert!(one.has(peer, LogKind::Events) && !one.has(peer, LogKind::Status));
        assert!(!one.has(LogClass::System, LogKind::Events));
        assert_eq!(after("=all"), LogSelection::ALL);
        assert_eq!(after("-all"), after("=syncall -syncall"));
        assert!(after("=allinfo").has(peer, LogKind::Info) && !after("=allinfo").has(peer, LogKind::Events));
        for bad in ["", "=", "+", "=sync", "syncsync", "=all=", "é", "=allsync"] {
            assert_eq!(LogChange::read(bad), None, "{bad}");
        }
    }
}
