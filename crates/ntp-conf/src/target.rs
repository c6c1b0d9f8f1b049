//! What classic ntpd or NTPsec would make of a configuration.

use std::collections::BTreeSet;

use crate::cst::Line;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::directive::{Directive, RestrictTarget, interpret};
use crate::grammar::{self, Dialect, Fault, Reading};
use crate::read::{Read, drop_in_directory};
use crate::schema::Argument;

/// Classic ntpd dies of a longer word; NTPsec of one of 1025 bytes.
const CLASSIC_WORD_MAX: usize = 127;
const NTPSEC_WORD_MAX: usize = 1024;

/// The most findings worth keeping.
const FINDINGS_MAX: usize = 1000;

impl Dialect {
    /// The program's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "this ntpd",
            Self::Classic => "classic ntpd",
            Self::Ntpsec => "NTPsec",
        }
    }
}

/// Every line at which another daemon stumbles: its syntax errors as errors, what it drops later, or
/// dies of, as warnings.
pub fn check_for(dialect: Dialect, read: &Read) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut ended = BTreeSet::new();
    let drop_ins = read.configuration.files.first().map(|main| drop_in_directory(main));
    for at in &read.order {
        if found.len() >= FINDINGS_MAX {
            break;
        }
        let Some(line) = read.line(*at).filter(|_| !ended.contains(&at.file)) else { continue };
        // Classic ntpd reads no file that is not named.
        if dialect == Dialect::Classic && read.configuration.file(*at).parent() == drop_ins.as_deref() {
            continue;
        }
        if line.keyword() == Some("end") {
            ended.insert(at.file);
        }
        let file = read.configuration.file(*at).display().to_string();
        let number = usize::try_from(at.line).unwrap_or(usize::MAX);
        found.extend(judge(dialect, Place { file: &file, number, line: &line }));
    }
    found
}

/// One line.
fn judge(dialect: Dialect, place: Place<'_>) -> Vec<Diagnostic> {
    let line = place.line;
    let mut found = Vec::new();
    if let Some((fault, kept)) = syntax_error(dialect, line) {
        let span = line.tokens().get(fault).map_or(0..1, |token| token.span.clone());
        let message = format!("{} reports a syntax error here", dialect.name());
        let finding = Diagnostic::new(Severity::Error, "T001", place, &span, &message);
        let own = interpret(place.file, place.number, line).diagnostics;
        let remedy = own.into_iter().map(|finding| finding.remedy).find(|remedy| !remedy.is_empty());
        let finding = finding.remedy(remedy.unwrap_or_else(|| "delete what it does not know".to_owned()));
        found.push(match kept {
            _ if line.keyword() == Some("end") => finding.in_force("nothing of what follows in the file"),
            Some(kept) => finding.in_force(format!("{} reads `{kept}`", dialect.name())),
            None => finding.in_force("the line is ignored"),
        });
    }
    let limit = if dialect == Dialect::Ntpsec { NTPSEC_WORD_MAX } else { CLASSIC_WORD_MAX };
    if let Some(token) = line.tokens().iter().find(|token| token.text.len() > limit) {
        let message = format!("{} ends at a word of more than {limit} bytes", dialect.name());
        let finding = Diagnostic::new(Severity::Warning, "T002", place, &token.span, &message);
        found.push(finding.in_force("nothing").remedy("write a shorter one"));
    }
    if dialect == Dialect::Classic {
        found.extend(classic_refusal(place));
    }
    found
}

/// What classic ntpd understands and does not use.
fn classic_refusal(place: Place<'_>) -> Option<Diagnostic> {
    let line = place.line;
    let reading = grammar::read(line, Dialect::Classic)?.ok()?;
    let warning = |code, word: usize, message: &str, remedy: &str| {
        let span = line.tokens().get(word).map_or(0..1, |token| token.span.clone());
        Some(Diagnostic::new(Severity::Warning, code, place, &span, message).remedy(remedy))
    };
    let argument = reading.arguments.first().copied()?;
    match interpret("", 1, line).directive {
        Some(Directive::Source(source)) if source.reference_clock().is_none() => {
            let mode = reading.settings.iter().find(|given| given.setting.name == "mode")?;
            warning(
                "T003",
                mode.word,
                "classic ntpd drops a line with `mode` for a server of the network",
                "delete `mode`",
            )
        }
        Some(Directive::Restrict(rule)) if matches!(rule.target, RestrictTarget::Network { .. }) => {
            line.tokens().get(argument).filter(|token| token.text.contains('/'))?;
            warning(
                "T004",
                argument,
                "classic ntpd knows no prefix lengths, and drops the line",
                "write `mask` and an address",
            )
        }
        Some(Directive::Restrict(_)) => None,
        _ if reading.entry.name == "restrict" && reading.mask.is_some() => warning(
            "T005",
            argument,
            "classic ntpd may end at a mask of the other address family",
            "write a mask of the address's own family",
        ),
        _ if reading.entry.name == "crypto" => {
            warning("T006", 0, "classic ntpd ends if it finds no Autokey key", "delete the line")
        }
        _ => None,
    }
}

/// The word at which a daemon reports a syntax error, and what it keeps of the line.
pub fn syntax_error(dialect: Dialect, line: &Line<'_>) -> Option<(usize, Option<String>)> {
    match grammar::read(line, dialect)? {
        Err(fault) => Some((fault.word(), None)),
        Ok(reading) if reading.entry.name == "end" => Some((0, None)),
        Ok(reading) => {
            let fault = reading.faults.iter().copied().next()?;
            // The one directive that another may follow: the daemons execute it.
            if reading.entry.name == "includefile" && matches!(fault, Fault::Excess(_)) {
                return None;
            }
            let fault = fault.word();
            Some((fault, reading.complete.then(|| render(&reading, line))))
        }
    }
}

/// A line as a daemon understands it, without what it drops; `None` if nothing is left.
pub fn understood(dialect: Dialect, line: &Line<'_>) -> Option<String> {
    let reading = grammar::read(line, dialect)?.ok()?;
    reading.complete.then(|| render(&reading, line))
}

/// The words of a line in the order of the schema.
fn render(reading: &Reading, line: &Line<'_>) -> String {
    let text = |word: usize| line.tokens().get(word).map_or("", |token| &*token.text);
    let mut words = vec![reading.entry.name];
    match reading.family {
        crate::directive::AddressFamily::Any => {}
        crate::directive::AddressFamily::V4 => words.push("-4"),
        crate::directive::AddressFamily::V6 => words.push("-6"),
    }
    for (index, argument) in reading.arguments.iter().enumerate() {
        if index == 1 && reading.entry.arguments.contains(&Argument::Assignment) {
            words.push("=");
        }
        words.push(text(*argument));
    }
    if let Some(mask) = reading.mask {
        words.extend(["mask", text(mask)]);
    }
    for given in &reading.settings {
        words.push(given.setting.name);
        words.extend(given.value.map(text));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Loaded, read_within};
    use std::path::Path;

    fn error(dialect: Dialect, text: &str) -> Option<(usize, Option<String>)> {
        syntax_error(dialect, &Line::parse(text.as_bytes()))
    }

    #[test]
    fn what_comes_before_a_mistake_is_kept_if_it_means_something() {
        let kept = |text: &str| Some(text.to_owned());
        assert_eq!(error(Dialect::Classic, "server a bogus iburst"), Some((2, kept("server a"))));
        assert_eq!(error(Dialect::Classic, "server a minpoll prefer"), Some((3, None)));
        assert_eq!(
            error(Dialect::Ntpsec, "restrict default kod notrapp nopeer"),
            Some((3, kept("restrict default kod")))
        );
        assert_eq!(
            error(Dialect::Classic, "restrict default -4 ignore"),
            Some((2, kept("restrict default")))
        );
        assert_eq!(error(Dialect::Classic, "server a iburst"), None);
        assert_eq!(error(Dialect::Classic, "bogus"), Some((0, None)));
        assert_eq!(error(Dialect::Classic, "fudge 127.127.1.0"), Some((1, None)));
    }

    #[test]
    fn what_a_daemon_does_not_read_it_does_not_stumble_over() {
        let load = |wanted: &Path| {
            let text = match wanted.to_str() {
                Some("/etc/ntp.conf") => "includefile more\nbogus\nend\nbogus\n",
                Some("/etc/more") => "includefile x server a\nbogus\n",
                Some("/etc/ntp.d") => "bogus\n",
                _ => "",
            };
            let path = if wanted.ends_with("ntp.d") { wanted.join("a.conf") } else { wanted.to_owned() };
            Ok(vec![Loaded { path, content: text.as_bytes().to_vec() }])
        };
        let read = read_within(Path::new("/etc/ntp.conf"), &mut { load }, Limits::default()).unwrap();
        let places = |dialect| -> Vec<String> {
            let found = check_for(dialect, &read);
            found.iter().map(|found| format!("{}:{}", found.location.file, found.location.line)).collect()
        };
        let both = ["/etc/more:2", "/etc/ntp.conf:2", "/etc/ntp.conf:3"];
        assert_eq!(places(Dialect::Classic), both);
        assert_eq!(places(Dialect::Ntpsec), [&both[..], &["/etc/ntp.d/a.conf:1"]].concat());
    }

    #[test]
    fn what_classic_ntpd_drops_or_dies_of_is_a_warning() {
        let codes = |text: &str| -> Vec<&str> {
            let line = Line::parse(text.as_bytes());
            let place = Place { file: "f", number: 1, line: &line };
            judge(Dialect::Classic, place).iter().map(|finding| finding.code).collect()
        };
        assert_eq!(codes("restrict 10.0.0.0/8 nomodify"), ["T004"]);
        assert_eq!(codes("restrict 10.0.0.0 mask ffff:: nomodify"), ["T005"]);
        assert_eq!(codes("server a mode 3"), ["T003"]);
        assert_eq!(codes(&format!("driftfile /{}", "a".repeat(127))), ["T002"]);
        assert_eq!(codes("server 127.127.28.0 mode 3"), [""; 0]);
        assert_eq!(codes("restrict 10.0.0.0 mask 255.0.0.0 nomodify"), [""; 0]);
    }
}
