//! A line read by the schema: which words are what, and which are in the wrong place.
//!
//! It reads as this daemon does, which goes on behind a mistake, or as one of the others, which
//! keeps what came before it.

use crate::cst::Line;
use crate::directive::AddressFamily;
use crate::lex::Token;
use crate::schema::{self, Argument, Entry, Setting, Support, Value, entries};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Whose reading it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// This daemon's: what either of the others understands.
    Ours,
    /// Classic ntpd 4.2.8p18.
    Classic,
    /// NTPsec 1.2.2.
    Ntpsec,
}

impl Dialect {
    /// Whether a word belongs to it. Retired words are known to us, so that we can say what to write.
    pub(crate) const fn knows(self, support: Support) -> bool {
        match self {
            Self::Ours => true,
            Self::Classic => matches!(support, Support::Both | Support::Classic),
            Self::Ntpsec => matches!(support, Support::Both | Support::Ntpsec),
        }
    }

    /// Whether a plain word would be taken for a keyword.
    fn is_keyword(self, text: &str) -> bool {
        match self {
            Self::Ours => false,
            Self::Classic => KEYWORDS[0].contains(text),
            Self::Ntpsec => KEYWORDS[1].contains(text),
        }
    }
}

/// The words of classic ntpd and of NTPsec.
static KEYWORDS: LazyLock<[BTreeSet<&'static str>; 2]> = LazyLock::new(|| {
    [Dialect::Classic, Dialect::Ntpsec].map(|dialect| {
        let known = |entry: &&Entry| dialect.knows(entry.support);
        let settings = entries().filter(known).flat_map(|entry| entry.settings);
        let settings = settings.filter(|setting| dialect.knows(setting.support)).map(|setting| setting.name);
        let own = [
            "default", "source", "mask", "listen", "drop", "all", "ipv4", "ipv6", "wildcard", "none", "pid",
            "day", "week", "month", "year", "age",
        ];
        entries().filter(known).map(|entry| entry.name).chain(settings).chain(own).collect()
    })
});

/// What is wrong with a word, which is named by its index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It is no word of the language.
    NoWord(usize),
    /// It is no directive.
    Directive(usize),
    /// It is no setting of the directive.
    Setting(usize),
    /// It should have stood earlier in the line.
    Late(usize),
    /// Nothing more is expected.
    Excess(usize),
    /// Something is missing behind it.
    Missing(usize, &'static str),
    /// Its value is missing.
    NoValue(usize, &'static str, Value),
    /// It is no such value; with the name of what wants one.
    Value(usize, &'static str, Value),
}

impl Fault {
    /// The word at which the daemons stumble.
    pub(crate) const fn word(self) -> usize {
        match self {
            Self::NoWord(word)
            | Self::Directive(word)
            | Self::Setting(word)
            | Self::Late(word)
            | Self::Excess(word)
            | Self::Missing(word, _)
            | Self::NoValue(word, _, _)
            | Self::Value(word, _, _) => word,
        }
    }
}

/// A setting as it stands in a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) setting: &'static Setting,
    /// Its keyword.
    pub(crate) word: usize,
    /// The word with its value.
    pub(crate) value: Option<usize>,
}

/// What a line says, word by word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) entry: &'static Entry,
    pub(crate) family: AddressFamily,
    /// The arguments that are there, in order.
    pub(crate) arguments: Vec<usize>,
    /// The mask of a restriction.
    pub(crate) mask: Option<usize>,
    /// The settings, in order.
    pub(crate) settings: Vec<Given>,
    pub(crate) faults: Vec<Fault>,
    /// Enough is there for the line to mean something.
    pub(crate) complete: bool,
}

/// Reads a line; `None` if there is nothing on it.
pub(crate) fn read(line: &Line<'_>, dialect: Dialect) -> Option<Result<Reading, Fault>> {
    let mut walker = Walker { tokens: line.tokens(), dialect, position: 0, faults: Vec::new() };
    let word = walker.next()?;
    let token = walker.tokens.get(word)?;
    if token.quoted {
        return Some(Err(Fault::NoWord(word)));
    }
    let known = schema::entry(&token.text).filter(|entry| dialect.knows(entry.support));
    let Some(entry) = known else { return Some(Err(Fault::Directive(word))) };
    Some(Ok(walker.read(entry)))
}

struct Walker<'l> {
    tokens: &'l [Token<'l>],
    dialect: Dialect,
    position: usize,
    faults: Vec<Fault>,
}

impl<'l> Walker<'l> {
    fn text(&self, word: usize) -> &'l str {
        self.tokens.get(word).map_or("", |token| &*token.text)
    }

    fn is_quoted(&self, word: usize) -> bool {
        self.tokens.get(word).is_some_and(|token| token.quoted)
    }

    /// The next word that the daemons see: of some, no byte is left.
    fn peek(&self) -> Option<usize> {
        let rest = self.tokens.iter().enumerate().skip(self.position);
        rest.filter(|(_, token)| token.quoted || !token.text.is_empty()).map(|(word, _)| word).next()
    }

    fn next(&mut self) -> Option<usize> {
        let word = self.peek()?;
        self.position = word + 1;
        Some(word)
    }

    /// Takes the next word if it is this keyword.
    fn take(&mut self, keyword: &str) -> Option<usize> {
        let word = self.peek().filter(|word| !self.is_quoted(*word) && self.text(*word) == keyword)?;
        self.position = word + 1;
        Some(word)
    }

    /// Whether to go on behind a mistake.
    fn fault(&mut self, fault: Fault) -> bool {
        self.faults.push(fault);
        self.dialect == Dialect::Ours
    }

    fn last(&self) -> usize {
        self.position.saturating_sub(1)
    }

    fn read(mut self, entry: &'static Entry) -> Reading {
        let mut reading = Reading {
            entry,
            family: AddressFamily::Any,
            arguments: Vec::new(),
            mask: None,
            settings: Vec::new(),
            faults: Vec::new(),
            complete: true,
        };
        let mut goes_on = true;
        for argument in entry.arguments {
            if !self.argument(*argument, &mut reading) {
                (goes_on, reading.complete) = (false, false);
                break;
            }
        }
        if goes_on && (self.dialect == Dialect::Ours || self.faults.is_empty()) {
            self.settings(&mut reading);
        }
        reading.faults = self.faults;
        reading
    }

    /// Reads one argument; false if it is not there, and the line means nothing.
    fn argument(&mut self, argument: Argument, reading: &mut Reading) -> bool {
        match argument {
            Argument::Family => reading.family = self.family(),
            Argument::Needed(label, value) => match self.value(label, value) {
                Some(word) => reading.arguments.push(word),
                None => return false,
            },
            // An empty word switches the thing off.
            Argument::Optional(_, Value::Text) => reading.arguments.extend(self.next()),
            // What comes before it means something by itself.
            Argument::Optional(label, value) => {
                if self.peek().is_some() {
                    reading.arguments.extend(self.value(label, value));
                }
            }
            Argument::Rest(label, value) => loop {
                match self.value(label, value) {
                    Some(word) => reading.arguments.push(word),
                    None => return !reading.arguments.is_empty(),
                }
                if self.peek().is_none() {
                    break;
                }
            },
            Argument::Restriction => return self.restriction(reading),
            Argument::Keys => return self.keys(reading),
            Argument::Assignment => return self.assignment(reading),
            Argument::Anything => {
                while let Some(word) = self.next() {
                    reading.arguments.push(word);
                }
            }
        }
        true
    }

    /// `-4` and `-6` are known by their first two characters, as in the daemons.
    fn family(&mut self) -> AddressFamily {
        let Some(word) = self.peek().filter(|word| !self.is_quoted(*word)) else { return AddressFamily::Any };
        let text = self.text(word);
        let family = if text.starts_with("-4") {
            AddressFamily::V4
        } else if text.starts_with("-6") {
            AddressFamily::V6
        } else {
            return AddressFamily::Any;
        };
        self.position = word + 1;
        family
    }

    /// A word of some kind; without one, or if it is of another kind, that is a fault.
    fn value(&mut self, name: &'static str, value: Value) -> Option<usize> {
        let Some(word) = self.next() else {
            self.faults.push(Fault::Missing(self.last(), name));
            return None;
        };
        if self.fits(word, value) {
            return Some(word);
        }
        self.faults.push(Fault::Value(word, name, value));
        None
    }

    /// The value of a setting.
    fn value_of(&mut self, entry: &Entry, setting: usize, name: &'static str, value: Value) -> Option<usize> {
        // A word that means something itself is no value of another that lacks one.
        let is_own = |word: usize| {
            self.dialect == Dialect::Ours
                && !self.is_quoted(word)
                && !matches!(value, Value::Text | Value::Choice(_))
                && entry.setting(self.text(word)).is_some()
        };
        if self.peek().is_some_and(|word| !is_own(word)) {
            return self.value(name, value);
        }
        self.faults.push(Fault::NoValue(setting, name, value));
        None
    }

    fn fits(&self, word: usize, value: Value) -> bool {
        let (text, quoted) = (self.text(word), self.is_quoted(word));
        let ours = self.dialect == Dialect::Ours;
        let within = |text: &str, least: i64, most: i64| match integer(text) {
            // What is out of range is no mistake of syntax in the other daemons.
            Some(number) => !ours || (least..=most).contains(&number),
            None => false,
        };
        match value {
            Value::Text => !text.is_empty() || !ours,
            Value::Address => quoted || (!self.dialect.is_keyword(text) && (ours || number(text).is_none())),
            Value::Choice(words) => {
                !quoted && words.contains(&text) && (ours || self.dialect.is_keyword(text))
            }
            Value::Boolean => !quoted && within(text, 0, 1),
            Value::Integer(least, most) => !quoted && within(text, least, most),
            Value::Count(least, most) if self.dialect == Dialect::Classic => {
                !quoted && within(text, least, most)
            }
            #[expect(clippy::cast_precision_loss, reason = "bounds of counts are small")]
            Value::Count(least, most) => {
                !quoted && number(text).is_some_and(|n| !ours || (least as f64..=most as f64).contains(&n))
            }
            Value::Number(least, most) => {
                !quoted && number(text).is_some_and(|number| !ours || (least..=most).contains(&number))
            }
        }
    }

    fn restriction(&mut self, reading: &mut Reading) -> bool {
        reading.family = self.family();
        let source = reading.family == AddressFamily::Any;
        let word = self.take("default").or_else(|| if source { self.take("source") } else { None });
        if let Some(word) = word {
            reading.arguments.push(word);
            return true;
        }
        let Some(word) = self.value("an address, `default` or `source`", Value::Address) else {
            return false;
        };
        reading.arguments.push(word);
        if let Some(word) = self.take("mask") {
            // In NTPsec's grammar a mask and `-6` exclude each other.
            if self.dialect == Dialect::Ntpsec && reading.family != AddressFamily::Any {
                self.faults.push(Fault::Late(word));
                return true;
            }
            reading.mask = self.value("mask", Value::Address);
            return reading.mask.is_some();
        }
        true
    }

    /// Numbers, and ranges written `(5 ... 9)`.
    fn keys(&mut self, reading: &mut Reading) -> bool {
        while let Some(word) = self.next() {
            let bare = self.text(word).trim_start_matches('(').trim_end_matches(')');
            let fits = bare.is_empty() || bare == "..." || integer(bare).is_some();
            if fits {
                reading.arguments.push(word);
            } else if !self.fault(Fault::Value(word, "trustedkey", schema::KEY)) {
                break;
            }
        }
        if reading.arguments.is_empty() && self.faults.is_empty() {
            self.faults.push(Fault::Missing(self.last(), "the number of a key"));
        }
        !reading.arguments.is_empty()
    }

    /// The blanks around `=` are not optional in the daemons.
    fn assignment(&mut self, reading: &mut Reading) -> bool {
        let Some(name) = self.value("a name", Value::Text) else { return false };
        if self.take("=").is_none() {
            self.faults.push(Fault::Missing(name, "` = ` and a value"));
            return false;
        }
        let Some(value) = self.value("a value", Value::Text) else { return false };
        reading.arguments.extend([name, value]);
        true
    }

    fn settings(&mut self, reading: &mut Reading) {
        let entry = reading.entry;
        while let Some(word) = self.next() {
            let text = self.text(word);
            let known = entry.setting(text).filter(|setting| self.dialect.knows(setting.support));
            let Some(setting) = known.filter(|_| !self.is_quoted(word)) else {
                let fault = match text {
                    "mask" | "-4" | "-6" if entry.arguments.contains(&Argument::Restriction) => {
                        Fault::Late(word)
                    }
                    _ if entry.settings.is_empty() => Fault::Excess(word),
                    _ => Fault::Setting(word),
                };
                if self.fault(fault) {
                    // A mask in the wrong place is still what the line is about.
                    if matches!(fault, Fault::Late(_)) && text == "mask" && reading.mask.is_none() {
                        reading.mask = self.value("mask", Value::Address);
                    }
                    continue;
                }
                break;
            };
            // Between the address and the flags, and nowhere else.
            if setting.name == "ippeerlimit" && !reading.settings.is_empty() && !self.fault(Fault::Late(word))
            {
                break;
            }
            match setting.value.map(|wanted| self.value_of(entry, word, setting.name, wanted)) {
                None => reading.settings.push(Given { setting, word, value: None }),
                Some(Some(value)) => reading.settings.push(Given { setting, word, value: Some(value) }),
                Some(None) if self.dialect == Dialect::Ours => {}
                // A daemon gives up the whole line.
                Some(None) => {
                    reading.complete = false;
                    return;
                }
            }
        }
        if entry.needs_setting && reading.settings.is_empty() {
            if self.faults.is_empty() {
                self.faults.push(Fault::Missing(self.last(), "a parameter"));
            }
            reading.complete = false;
        }
    }
}

/// A whole number as the daemons read it: decimal with an optional minus, or hexadecimal.
pub(crate) fn integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    // The daemons wrap around; here the largest number is out of any range.
    Some(text.parse().unwrap_or_else(|_| if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// A number as the daemons read it, with a fraction and an exponent.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str, dialect: Dialect) -> Vec<Fault> {
        match read(&Line::parse(text.as_bytes()), dialect) {
            None => Vec::new(),
            Some(Err(fault)) => vec![fault],
            Some(Ok(reading)) => reading.faults,
        }
    }

    #[test]
    fn each_daemon_stumbles_over_the_words_of_the_other() {
        for (line, classic, ntpsec) in [
            ("server a nts", true, false),
            ("server a preempt", false, true),
            ("refclock shm unit 0", true, false),
            ("broadcast 10.255.255.255", false, true),
            ("disable bclient", false, true),
            ("tos minclock 3.5", true, false),
            ("server a port 5", true, true),
            ("restrict 10.0.0.0 nomodify mask 255.0.0.0", true, true),
            ("server a minpoll +6", true, true),
            ("tinker step 1e-1 panic +5 freq -.5", false, false),
            ("leapfile /x checkhash", false, true),
        ] {
            assert_eq!(!faults(line, Dialect::Classic).is_empty(), classic, "{line}");
            assert_eq!(!faults(line, Dialect::Ntpsec).is_empty(), ntpsec, "{line}");
        }
    }

    #[test]
    fn we_go_on_behind_a_mistake_and_they_do_not() {
        let line = Line::parse(b"server a ibrust prefer");
        let names = |dialect| match read(&line, dialect) {
            Some(Ok(reading)) => reading.settings.iter().map(|given| given.setting.name).collect(),
            _ => Vec::new(),
        };
        assert_eq!(names(Dialect::Ours), ["prefer"]);
        assert_eq!(names(Dialect::Classic), [""; 0]);
    }

    #[test]
    fn numbers_are_those_of_the_daemons() {
        assert_eq!(integer("0x10"), Some(16));
        assert_eq!(integer("-3"), Some(-3));
        assert_eq!(integer("99999999999999999999"), Some(i64::MAX));
        for text in ["+6", "6.0", "", "-", "0x", "0x+1", "1_0", "six"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(number("+5"), Some(5.0));
        assert_eq!(number("-.5"), Some(-0.5));
        assert_eq!(number("1e-1"), Some(0.1));
        for text in ["inf", "nan", "", "1g", "e", "infinity"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
