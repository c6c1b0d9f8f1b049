//! Every directive that classic ntpd 4.2.8p18 or NTPsec knows, in one table.
//!
//! The parser, the suggestions, `ntpctl explain`, the man page and the completions all come from
//! it. `access.rs`, `clock.rs`, `files.rs` and `sources.rs` hold its rows by topic, `removed.rs`
//! the words that no daemon of today acts on.

mod access;
mod clock;
mod files;
mod removed;
mod sources;

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Which daemons know a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Classic ntpd and NTPsec.
    Both,
    /// Classic ntpd only.
    Classic,
    /// NTPsec only.
    Ntpsec,
    /// Neither, any longer.
    Neither,
    /// This daemon only.
    Ours,
}

/// What this daemon does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// What it says.
    Acted,
    /// Nothing, because what it asks for is always so here.
    Satisfied,
    /// Keeps it, and notes that nothing follows from it (yet).
    Accepted,
    /// Keeps the line and reports an error that says what to write instead.
    Rejected(&'static str),
}

impl Value {
    /// What is expected, in words.
    pub fn described(self) -> String {
        match self {
            Self::Integer(least, most) | Self::Count(least, most) => {
                format!("a number from {least} to {most}")
            }
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Boolean => "0 or 1".to_owned(),
            Self::Text => "a word".to_owned(),
            Self::Address => "an address".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// What a word must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number within bounds.
    Integer(i64, i64),
    /// The same, for which NTPsec also takes a fraction.
    Count(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    /// 0 or 1.
    Boolean,
    /// Any word, even one that spells a keyword.
    Text,
    /// An address or a name; the daemons stumble over one that spells a keyword.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What stands behind the directive, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// `-4` or `-6`; it may be left out.
    Family,
    /// A word that must be there, and what it is called.
    Needed(&'static str, Value),
    /// One that may be left out.
    Optional(&'static str, Value),
    /// One or more, to the end of the line.
    Rest(&'static str, Value),
    /// `default`, `source`, or an address that `mask` and a mask may follow.
    Restriction,
    /// Numbers of keys, and ranges of them.
    Keys,
    /// `NAME = VALUE`.
    Assignment,
    /// Whatever there is; it is not looked at.
    Anything,
}

/// A word that may stand behind the arguments, in any order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Its keyword.
    pub name: &'static str,
    /// The word that must follow it, if one must.
    pub value: Option<Value>,
    /// Who knows it.
    pub support: Support,
    /// What becomes of it here.
    pub treatment: Treatment,
    /// What it is for.
    pub meaning: &'static str,
    /// What holds without it, if that is worth a word.
    pub default: &'static str,
}

impl Setting {
    const fn flag(name: &'static str, meaning: &'static str) -> Self {
        let (support, treatment) = (Support::Both, Treatment::Acted);
        Self { name, value: None, support, treatment, meaning, default: "" }
    }

    const fn with(name: &'static str, value: Value, default: &'static str, meaning: &'static str) -> Self {
        Self { value: Some(value), default, ..Self::flag(name, meaning) }
    }

    const fn of(self, support: Support) -> Self {
        Self { support, ..self }
    }

    const fn treated(self, treatment: Treatment) -> Self {
        Self { treatment, ..self }
    }

    const fn accepted(self) -> Self {
        self.treated(Treatment::Accepted)
    }
}

/// One directive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Its keyword.
    pub name: &'static str,
    /// What stands behind it.
    pub arguments: &'static [Argument],
    /// What may follow that.
    pub settings: &'static [Setting],
    /// Whether at least one of the settings must be there.
    pub needs_setting: bool,
    /// Who knows it.
    pub support: Support,
    /// What becomes of it here.
    pub treatment: Treatment,
    /// What it is for.
    pub meaning: &'static str,
    /// What holds without it, if that is worth a word.
    pub default: &'static str,
}

impl Entry {
    const fn new(name: &'static str, arguments: &'static [Argument], meaning: &'static str) -> Self {
        let (support, treatment) = (Support::Both, Treatment::Acted);
        Self {
            name,
            arguments,
            settings: &[],
            needs_setting: false,
            support,
            treatment,
            meaning,
            default: "",
        }
    }

    /// Words that may follow, in any order.
    const fn taking(self, settings: &'static [Setting]) -> Self {
        Self { settings, ..self }
    }

    /// Words of which one must follow.
    const fn needing(self, settings: &'static [Setting]) -> Self {
        Self { settings, needs_setting: true, ..self }
    }

    const fn of(self, support: Support) -> Self {
        Self { support, ..self }
    }

    const fn without(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn accepted(self) -> Self {
        Self { treatment: Treatment::Accepted, ..self }
    }

    const fn rejected(self, instead: &'static str) -> Self {
        Self { treatment: Treatment::Rejected(instead), ..self }
    }

    /// How a line of it looks, in the notation of manual pages.
    pub fn synopsis(&self) -> String {
        let mut text = self.name.to_owned();
        for argument in self.arguments {
            text.push(' ');
            text.push_str(&argument.synopsis());
        }
        if !self.settings.is_empty() {
            text.push_str(if self.needs_setting { " OPTION..." } else { " [OPTION...]" });
        }
        text
    }

    /// The setting with this name.
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

impl Argument {
    fn synopsis(&self) -> String {
        match self {
            Self::Family => "[-4|-6]".to_owned(),
            Self::Needed(_, Value::Choice(words)) => words.join("|"),
            Self::Needed(label, _) => (*label).to_owned(),
            Self::Optional(label, _) => format!("[{label}]"),
            Self::Rest(label, _) => format!("{label}..."),
            Self::Restriction => "[-4|-6] default|source|ADDRESS[/LENGTH] [mask MASK]".to_owned(),
            Self::Keys => "KEY|(FIRST ... LAST)...".to_owned(),
            Self::Assignment => "NAME = VALUE".to_owned(),
            Self::Anything => "...".to_owned(),
        }
    }
}

/// Any path.
const PATH: Argument = Argument::Needed("FILE", Value::Text);

/// A number of a key; 0 is none.
pub(crate) const KEY: Value = Value::Integer(0, 65_535);

/// A length of time, in seconds.
const SECONDS: Value = Value::Number(0.0, 1e9);

/// The rows, in the order of the alphabet.
static TABLE: LazyLock<BTreeMap<&'static str, &'static Entry>> = LazyLock::new(|| {
    let topics = [access::ENTRIES, clock::ENTRIES, files::ENTRIES, removed::ENTRIES, sources::ENTRIES];
    topics.into_iter().flatten().map(|entry| (entry.name, entry)).collect()
});

/// Every directive, in the order of the alphabet.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.values().copied()
}

/// The entry of a keyword.
pub fn entry(name: &str) -> Option<&'static Entry> {
    TABLE.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_has_two_rows() {
        let topics = [access::ENTRIES, clock::ENTRIES, files::ENTRIES, removed::ENTRIES, sources::ENTRIES];
        assert_eq!(entries().count(), topics.iter().map(|topic| topic.len()).sum::<usize>());
        for entry in entries() {
            let mut names: Vec<&str> = entry.settings.iter().map(|setting| setting.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", entry.name);
        }
    }

    #[test]
    fn every_row_says_what_it_is_for() {
        for entry in entries() {
            assert!(!entry.meaning.is_empty(), "{}", entry.name);
            assert!(!entry.needs_setting || !entry.settings.is_empty(), "{}", entry.name);
            for setting in entry.settings {
                assert!(!setting.meaning.is_empty(), "{} {}", entry.name, setting.name);
            }
        }
    }

    #[test]
    fn a_synopsis_reads_like_a_manual_page() {
        let synopsis = |name| entry(name).map(Entry::synopsis).unwrap_or_default();
        assert_eq!(synopsis("server"), "server [-4|-6] HOST [OPTION...]");
        assert_eq!(synopsis("tos"), "tos OPTION...");
        assert_eq!(synopsis("driftfile"), "driftfile [FILE] [TOLERANCE]");
        assert_eq!(synopsis("interface"), "interface listen|ignore|drop INTERFACE");
    }
}
