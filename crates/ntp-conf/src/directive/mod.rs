//! What lines mean: one file for each family of directives.

mod access;
mod clock;
mod listen;
mod selection;
mod source;
mod switch;

use std::net::IpAddr;

use crate::cst::Line;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::lex::Token;
use crate::schema::{self, SCHEMA, Treatment};
use crate::suggest::nearest;

pub use access::{Restrict, RestrictFlags, RestrictTarget};
pub use clock::{Fudge, Tinker};
pub use listen::{InterfaceAction, InterfaceRule, InterfaceTarget};
pub use selection::{LeapFile, Tos};
pub use source::{AddressFamily, POLL_MAX, POLL_MIN, Role, Source, SourceOptions};
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
    /// `includefile`.
    Include(String),
    /// `interface` or `nic`.
    Interface(InterfaceRule),
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
pub fn interpret(file: &str, number: usize, line: &Line) -> Meaning {
    let mut words = Words::new(Place { file, number, line });
    if line.raw().len() > LINE_LEN_MAX && !line.tokens().is_empty() {
        let message = format!("the line has more than {LINE_LEN_MAX} bytes");
        let finding = Diagnostic::new(Severity::Error, "E012", words.place, &(0..1), &message);
        let finding = finding
            .in_force("the line is ignored")
            .remedy("no line is ever that long: is this the right file?");
        return Meaning { directive: None, diagnostics: vec![finding] };
    }
    let Some(keyword) = words.next() else { return Meaning::default() };
    if keyword.text.is_empty() || keyword.quoted {
        words
            .error("E002", keyword, "this is not a word of the configuration language")
            .note("the line is ignored", "");
        return Meaning { directive: None, diagnostics: words.diagnostics };
    }
    let directive = match schema::entry(&keyword.text) {
        None => {
            words.unknown_directive(keyword);
            None
        }
        Some(entry) => match entry.treatment {
            Treatment::Acted => act(entry.name, &mut words),
            Treatment::Accepted => {
                let message = format!("`{}` is accepted but not acted on: {}", entry.name, entry.meaning);
                words
                    .report(Severity::Note, "N001", keyword, &message)
                    .note("nothing follows from the line", "");
                None
            }
            Treatment::Rejected(instead) => {
                let message = format!("`{}` is not supported: {}", entry.name, entry.meaning);
                words.error("E006", keyword, &message).note("the line is ignored", instead);
                None
            }
        },
    };
    words.note_strange_words();
    Meaning { directive, diagnostics: words.diagnostics }
}

fn act(name: &str, words: &mut Words<'_>) -> Option<Directive> {
    match name {
        "server" => source::read(Role::Server, words).map(Directive::Source),
        "pool" => source::read(Role::Pool, words).map(Directive::Source),
        "peer" => source::read(Role::Peer, words).map(Directive::Source),
        "restrict" => access::read(words).map(Directive::Restrict),
        "driftfile" => Some(Directive::DriftFile(
            words.next().map(|path| path.text.clone()).filter(|path| !path.is_empty()),
        )),
        "includefile" => {
            words.argument("the file to include").map(|path| Directive::Include(path.text.clone()))
        }
        "fudge" => clock::read_fudge(words).map(Directive::Fudge),
        "tinker" => Some(Directive::Tinker(clock::read_tinker(words))),
        "tos" => Some(Directive::Tos(selection::read_tos(words))),
        "leapfile" => selection::read_leap_file(words).map(Directive::LeapFile),
        "enable" => Some(Directive::Switch(switch::read(words, true))),
        "disable" => Some(Directive::Switch(switch::read(words, false))),
        "interface" | "nic" => listen::read(words).map(Directive::Interface),
        _ => None,
    }
}

/// `-4` or `-6`, if it comes next.
fn family(words: &mut Words<'_>) -> AddressFamily {
    if words.take("-4") {
        AddressFamily::V4
    } else if words.take("-6") {
        AddressFamily::V6
    } else {
        AddressFamily::Any
    }
}

/// The words of a line, consumed in order, and what is found wrong on the way.
struct Words<'a> {
    place: Place<'a>,
    position: usize,
    diagnostics: Vec<Diagnostic>,
}

/// Completes the diagnostic just reported.
struct Reported<'w>(&'w mut Diagnostic);

impl Reported<'_> {
    /// What is in force all the same, and what to do.
    fn note(self, in_force: &str, remedy: &str) {
        let finished = self.0.clone().in_force(in_force).remedy(remedy);
        *self.0 = finished;
    }
}

impl<'a> Words<'a> {
    const fn new(place: Place<'a>) -> Self {
        Self { place, position: 0, diagnostics: Vec::new() }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.place.line.tokens().get(self.position)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek()?;
        self.position += 1;
        Some(token)
    }

    /// Takes the next word if it is the keyword `word`.
    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| !token.quoted && token.text == word);
        self.position += usize::from(found);
        found
    }

    /// The next word, or an error that says what is missing.
    fn argument(&mut self, what: &str) -> Option<&'a Token> {
        if let Some(token) = self.next().filter(|token| !token.text.is_empty()) {
            return Some(token);
        }
        let before = self.place.line.tokens().get(..self.position).unwrap_or_default();
        let last = before.iter().rfind(|token| !token.text.is_empty())?;
        let message = format!("`{}` needs {what}", last.text);
        self.error("E003", last, &message).note("the line is ignored", &format!("write {what} behind it"));
        None
    }

    /// The next word as a number within a range; an error otherwise.
    fn number<T>(&mut self, name: &str, range: std::ops::RangeInclusive<T>) -> Option<T>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(token) = self.next() else {
            let last = self.place.line.tokens().last()?;
            let message = format!("`{name}` needs a number from {} to {}", range.start(), range.end());
            self.error("E004", last, &message).note(&format!("the line without `{name}`"), "");
            return None;
        };
        match token.text.parse::<T>() {
            Ok(value) if range.contains(&value) && !token.quoted => Some(value),
            _ => {
                let message = format!(
                    "`{}` is no number from {} to {} for `{name}`",
                    token.text,
                    range.start(),
                    range.end()
                );
                self.error("E004", token, &message).note(&format!("the line without `{name}`"), "");
                None
            }
        }
    }

    /// The same for a count, which NTPsec lets be written with a fraction.
    fn count(&mut self, name: &str, range: std::ops::RangeInclusive<u16>) -> Option<u16> {
        let (least, most) = (f64::from(*range.start()), f64::from(*range.end()));
        let value = self.number(name, least..=most)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range")]
        let whole = value.round() as u16;
        Some(whole)
    }

    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        token: &Token,
        message: &str,
    ) -> Reported<'_> {
        // The first ones say enough about a line that is wrong from end to end.
        self.diagnostics.truncate(LINE_FINDINGS_MAX - 1);
        let diagnostic = Diagnostic::new(severity, code, self.place, &token.span, message);
        self.diagnostics.push(diagnostic);
        let last = self.diagnostics.len() - 1;
        Reported(&mut self.diagnostics[last])
    }

    fn error(&mut self, code: &'static str, token: &Token, message: &str) -> Reported<'_> {
        self.report(Severity::Error, code, token, message)
    }

    fn warning(&mut self, code: &'static str, token: &Token, message: &str) -> Reported<'_> {
        self.report(Severity::Warning, code, token, message)
    }

    /// A word that is no option of `of`.
    fn unknown_option(&mut self, token: &Token, of: &str, options: &[&'static str], in_force: &str) {
        let remedy = Self::suggestion(token, options);
        let message = format!("unknown option \"{}\" for {of}", token.text);
        self.error("E005", token, &message).note(in_force, &remedy);
    }

    fn unknown_directive(&mut self, token: &Token) {
        let names: Vec<&'static str> = SCHEMA.iter().map(|entry| entry.name).collect();
        let remedy = Self::suggestion(token, &names);
        let message = format!("unknown directive \"{}\"", token.text);
        self.error("E001", token, &message).note("the line is ignored", &remedy);
    }

    /// What was probably meant: another case, a blank instead of `=` or before a digit, a typo.
    fn suggestion(token: &Token, candidates: &[&'static str]) -> String {
        let text = token.text.as_str();
        if let Some((name, value)) = text.split_once('=')
            && candidates.contains(&name)
        {
            return format!("write `{name} {value}`");
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_digit());
        if digits.len() < text.len() && candidates.contains(&digits) {
            return format!("write `{digits} {}`", &text[digits.len()..]);
        }
        nearest(text, candidates.iter().copied())
            .map_or_else(String::new, |meant| format!("did you mean `{meant}`?"))
    }

    /// The daemons drop bytes above 0x7f and stop at NUL: what they read is not what stands there.
    fn note_strange_words(&mut self) {
        let strange: Vec<&Token> = self.place.line.tokens().iter().filter(|token| token.strange).collect();
        for token in strange {
            let message =
                format!("bytes that are not plain text are dropped: this reads as `{}`", token.text);
            self.warning("W001", token, &message).note("the word without them", "");
        }
    }
}

/// An address as ntp.conf writes it: IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

#[cfg(test)]
mod tests;
