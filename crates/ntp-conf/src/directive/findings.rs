//! What is wrong with one line, in words.

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::grammar::{Fault, Reading};
use crate::lex::Token;
use crate::schema::{Entry, Setting, Treatment, Value, entries};
use crate::suggest::{meant, nearest};

use super::LINE_FINDINGS_MAX;

/// Collects what is found wrong with a line.
pub(super) struct Findings<'a> {
    place: Place<'a>,
    pub(super) list: Vec<Diagnostic>,
    /// Takes what there is no room for.
    spare: Option<Diagnostic>,
}

/// Completes the finding just reported.
pub(super) struct Reported<'w>(&'w mut Diagnostic);

impl Reported<'_> {
    /// What is in force all the same, and what to do.
    pub(super) fn note(self, in_force: &str, remedy: &str) {
        let remedy = if remedy.is_empty() { usual_remedy(self.0.code) } else { remedy };
        let finished = self.0.clone().in_force(in_force).remedy(remedy);
        *self.0 = finished;
    }
}

/// What to do about a mistake of which nothing more is known.
const fn usual_remedy(code: &str) -> &'static str {
    match code.as_bytes() {
        b"E001" | b"E002" => "ntp.conf(5) lists what can stand here",
        b"E003" | b"E004" => "write such a value, or delete the word",
        b"E005" => "`ntpctl explain DIRECTIVE` lists its options",
        b"E007" => "write an IPv4 or IPv6 address, or a name",
        b"W001" => "write plain ASCII",
        _ => "",
    }
}

/// Nothing of the line is left.
pub(super) const IGNORED: &str = "the line is ignored";

impl<'a> Findings<'a> {
    pub(super) const fn new(place: Place<'a>) -> Self {
        Self { place, list: Vec::new(), spare: None }
    }

    fn token(&self, word: usize) -> Option<&'a Token<'a>> {
        self.place.line.tokens().get(word)
    }

    fn text(&self, word: usize) -> &'a str {
        self.token(word).map_or("", |token| &*token.text)
    }

    pub(super) fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        word: usize,
        message: &str,
    ) -> Reported<'_> {
        let span = self.token(word).map_or(0..1, |token| token.span.clone());
        let finding = Diagnostic::new(severity, code, self.place, &span, message);
        // The first ones say enough about a line that is wrong from end to end, but no warning hides an
        // error.
        if self.list.len() >= LINE_FINDINGS_MAX {
            let lesser = self.list.iter().rposition(|known| known.severity != Severity::Error);
            match lesser.filter(|_| severity == Severity::Error) {
                Some(index) => drop(self.list.remove(index)),
                None => return Reported(self.spare.insert(finding)),
            }
        }
        self.list.push(finding);
        let last = self.list.len() - 1;
        Reported(&mut self.list[last])
    }

    pub(super) fn error(&mut self, code: &'static str, word: usize, message: &str) -> Reported<'_> {
        self.report(Severity::Error, code, word, message)
    }

    pub(super) fn warning(&mut self, code: &'static str, word: usize, message: &str) -> Reported<'_> {
        self.report(Severity::Warning, code, word, message)
    }

    /// A line whose first word is none that we know.
    pub(super) fn no_directive(&mut self, fault: Fault) {
        let word = fault.word();
        if let Fault::NoWord(_) = fault {
            self.error("E002", word, "this is not a word of the configuration language").note(IGNORED, "");
            return;
        }
        let names: Vec<&'static str> = entries().map(|entry| entry.name).collect();
        let remedy = suggestion(self.text(word), &names);
        let message = format!("unknown directive \"{}\"", self.text(word));
        self.error("E001", word, &message).note(IGNORED, &remedy);
    }

    /// Everything that the grammar has against a line, and what is not acted on.
    pub(super) fn of(&mut self, reading: &Reading) {
        let entry = reading.entry;
        match entry.treatment {
            Treatment::Rejected(instead) => {
                let message = format!("`{}` is not supported: {}", entry.name, entry.meaning);
                self.error("E006", 0, &message).note(IGNORED, instead);
                return;
            }
            Treatment::Accepted => {
                let message = format!("`{}` is accepted but not acted on: {}", entry.name, entry.meaning);
                self.report(Severity::Note, "N001", 0, &message).note("nothing follows from the line", "");
            }
            Treatment::Acted | Treatment::Satisfied => self.not_acted_on(reading),
        }
        for fault in &reading.faults {
            self.fault(*fault, reading);
        }
    }

    fn not_acted_on(&mut self, reading: &Reading) {
        let idle = |setting: &Setting| setting.treatment == Treatment::Accepted;
        for given in reading.settings.iter().filter(|given| idle(given.setting)) {
            let message =
                format!("`{} ... {}` is accepted but not acted on", reading.entry.name, given.setting.name);
            self.report(Severity::Note, "N002", given.word, &message).note("the line without it", "");
        }
    }

    fn fault(&mut self, fault: Fault, reading: &Reading) {
        let entry = reading.entry;
        let text = self.text(fault.word());
        let in_force = if reading.complete { what_remains(entry) } else { IGNORED };
        match fault {
            Fault::NoWord(word) | Fault::Directive(word) => {
                self.error("E001", word, &format!("\"{text}\" is not understood")).note(in_force, "");
            }
            Fault::Setting(word) => self.no_setting(word, reading, in_force),
            Fault::Late(word) if text == "mask" => {
                self.error("E008", word, "`mask` stands too late in the line").note(
                    "the line, with the mask",
                    "write it right behind the address, as other daemons need it",
                );
            }
            Fault::Late(word) => {
                let message = format!("`{text}` stands too late in the line");
                self.error("E008", word, &message).note(
                    in_force,
                    "write it right behind `restrict` (-4, -6) or the address (mask, ippeerlimit)",
                );
            }
            Fault::Excess(word) => {
                let message = format!("\"{text}\" is one word too many for `{}`", entry.name);
                self.error("E013", word, &message)
                    .note(in_force, "a line holds one directive: begin another one");
            }
            Fault::Missing(word, what) => {
                let what = if what.chars().all(char::is_uppercase) { described(what) } else { what };
                let message = format!("`{text}` needs {what}");
                self.error("E003", word, &message).note(in_force, &format!("write {what} behind it"));
            }
            Fault::NoValue(word, name, value) => {
                let code = if matches!(value, Value::Text | Value::Address) { "E003" } else { "E004" };
                self.error(code, word, &format!("`{name}` needs {}", value.described())).note(in_force, "");
            }
            Fault::Value(word, name, Value::Text | Value::Address) => {
                let message = format!("`{name}` must not be empty");
                let message = if name.chars().all(char::is_uppercase) {
                    format!("`{}` needs {}", entry.name, described(name))
                } else {
                    message
                };
                self.error("E003", word, &message).note(in_force, "");
            }
            Fault::Value(word, _, Value::Choice(words)) => {
                let message = format!("unknown option \"{text}\" for {}", entry.name);
                let remedy = suggestion(text, words);
                let remedy =
                    if remedy.is_empty() { format!("write one of: {}", words.join(", ")) } else { remedy };
                self.error("E005", word, &message).note(in_force, &remedy);
            }
            Fault::Value(word, name, value) => {
                let message = format!("`{text}` is not {} for `{name}`", value.described());
                self.error("E004", word, &message).note(in_force, "");
            }
        }
    }

    /// A word that is no setting of the directive.
    fn no_setting(&mut self, word: usize, reading: &Reading, in_force: &str) {
        let (entry, text) = (reading.entry, self.text(word));
        let names: Vec<&'static str> = entry.settings.iter().map(|setting| setting.name).collect();
        // `iburst=1` means `iburst`, which takes no value.
        let bare = meant(text, &names).and_then(|name| entry.setting(name));
        let remedy = match bare.filter(|setting| setting.value.is_none() && text.contains('=')) {
            Some(setting) => format!("write `{}`", setting.name),
            None => suggestion(text, &names),
        };
        let message = format!("unknown option \"{text}\" for {}", entry.name);
        let closed = if entry.name == "restrict" && reading.complete {
            let flags = super::access::flags_for(text, entry).join("` and `");
            format!("{in_force}, and `{flags}` for this word")
        } else {
            in_force.to_owned()
        };
        self.error("E005", word, &message).note(&closed, &remedy);
    }

    /// Nothing came of the line after all.
    pub(super) fn nothing_remains(&mut self, entry: &Entry) {
        for finding in self.list.iter_mut().filter(|finding| finding.in_force == what_remains(entry)) {
            IGNORED.clone_into(&mut finding.in_force);
        }
    }

    /// The daemons drop bytes above 0x7f and stop at NUL: what they read is not what stands there.
    pub(super) fn note_strange_words(&mut self) {
        for (word, token) in self.place.line.tokens().iter().enumerate().filter(|(_, token)| token.strange) {
            let message =
                format!("bytes that are not plain text are dropped: this reads as `{}`", token.text);
            self.warning("W001", word, &message).note("the word without them", "");
        }
    }
}

/// What is left of a line of which one word is no good.
fn what_remains(entry: &Entry) -> &'static str {
    match entry.name {
        "server" => "the server is used, without this option",
        "pool" => "the pool is used, without this option",
        "restrict" => "all other flags of the line",
        _ => "the line without it",
    }
}

/// A placeholder of a synopsis, in words.
fn described(label: &'static str) -> &'static str {
    match label {
        "HOST" => "the name or address of a server",
        "FILE" => "the name of a file",
        "DRIVER" => "the name of a driver",
        "ADDRESS" => "an address",
        "INTERFACE" => "an interface, an address, or one of all, ipv4, ipv6, wildcard",
        "ACTION" => "`listen`, `ignore` or `drop`",
        "KEY" => "the number of a key",
        _ => "a value",
    }
}

/// What was probably meant: another case, a blank instead of `=` or before a digit, a typo.
fn suggestion(text: &str, candidates: &[&'static str]) -> String {
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
