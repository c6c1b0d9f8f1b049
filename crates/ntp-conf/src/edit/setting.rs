//! Single words of a line: options of a server, values of a directive.

use std::collections::BTreeSet;

use crate::Diagnostic;
use crate::cst::{Document, Line};
use crate::directive::interpret;
use crate::grammar::{self, Dialect, Reading};
use crate::schema::{self, Argument, Entry, Setting, Treatment, Value};

use super::{
    EditError, Plan, canonical_host, first_mistake, insert_line, network_sources, quote, replace_line,
    replace_word, splice,
};

fn nonsense(reason: String) -> EditError {
    EditError::Nonsense(reason)
}

/// A setting with its value, as it will be written.
struct Wanted {
    setting: &'static Setting,
    value: Option<String>,
}

impl Wanted {
    /// From a name and perhaps a value; every mistake is named.
    fn new(entry: &Entry, name: &str, value: Option<&str>) -> Result<Self, EditError> {
        let Some(setting) = entry.setting(name) else {
            let names: Vec<&str> = entry.settings.iter().map(|setting| setting.name).collect();
            let meant = crate::suggest::nearest(name, names.iter().copied());
            let remedy = meant.map_or_else(|| names.join(", "), |meant| format!("did you mean `{meant}`?"));
            return Err(nonsense(format!("{name:?} is no option of `{}`: {remedy}", entry.name)));
        };
        match (setting.value, value) {
            (None, Some(value)) => Err(nonsense(format!("`{name}` takes no value, and {value:?} is one"))),
            (Some(_), None) => Err(nonsense(format!("`{name}` needs a value"))),
            (None, None) => Ok(Self { setting, value: None }),
            (Some(_), Some(value)) => Ok(Self { setting, value: Some(quote(value)?) }),
        }
    }

    fn words(&self) -> String {
        match &self.value {
            None => self.setting.name.to_owned(),
            Some(value) => format!("{} {value}", self.setting.name),
        }
    }
}

fn reading(line: &Line<'_>) -> Option<Reading> {
    grammar::read(line, Dialect::Ours)?.ok()
}

/// A line with a setting: its last value is exchanged, or it comes behind the last word.
fn with_setting(line: &Line<'_>, wanted: &Wanted) -> Vec<u8> {
    let given = reading(line).and_then(|reading| {
        reading.settings.into_iter().rfind(|given| given.setting.name == wanted.setting.name)
    });
    match (given, &wanted.value) {
        (Some(_), None) => line.raw().to_vec(),
        (Some(given), Some(value)) => match given.value.and_then(|word| line.tokens().get(word)) {
            Some(token) => replace_word(line, token.span.clone(), value),
            None => line.raw().to_vec(),
        },
        (None, Some(value)) if damaged_value(line, wanted.setting.name).is_some() => {
            let span = damaged_value(line, wanted.setting.name).unwrap_or_default();
            replace_word(line, span, value)
        }
        (None, _) => {
            let end = line.tokens().last().map_or(0, |token| token.span.end);
            let with = splice(line, end..end, format!(" {}", wanted.words()).as_bytes());
            // A quote that nobody closed would take the new words in.
            if Line::parse(&with).tokens().len() > line.tokens().len() {
                return with;
            }
            splice(line, end..end, format!("\" {}", wanted.words()).as_bytes())
        }
    }
}

/// Where a value stands that its setting cannot have.
fn damaged_value(line: &Line<'_>, name: &str) -> Option<std::ops::Range<usize>> {
    let of = |fault: &grammar::Fault| matches!(fault, grammar::Fault::Value(_, of, _) if *of == name);
    let word = reading(line)?.faults.into_iter().find(of)?.word();
    line.tokens().get(word).map(|token| token.span.clone())
}

/// A line without a setting, and without one of the blanks beside it.
fn without_setting(line: &Line<'_>, name: &str) -> Vec<u8> {
    let mut raw = line.raw().to_vec();
    let Some(reading) = reading(line) else { return raw };
    for given in reading.settings.iter().rev().filter(|given| given.setting.name == name) {
        let end_of = |word: usize| line.tokens().get(word).map(|token| token.span.end);
        let before = given.word.checked_sub(1).and_then(end_of);
        let last = end_of(given.value.unwrap_or(given.word));
        if let (Some(before), Some(last)) = (before, last) {
            raw.drain(before..last.min(raw.len()));
        }
    }
    raw
}

/// Whether a line has words that are not understood.
pub(super) fn is_damaged(line: &Line<'_>) -> bool {
    reading(line).is_none_or(|reading| !reading.faults.is_empty())
}

/// A line without a word that is no option, and without the blank before it.
fn without_word(line: &Line<'_>, name: &str) -> Vec<u8> {
    let mut raw = line.raw().to_vec();
    let faults = reading(line).map(|reading| reading.faults).unwrap_or_default();
    let tokens = line.tokens();
    for word in faults.into_iter().map(grammar::Fault::word).collect::<BTreeSet<usize>>().into_iter().rev() {
        let before = word.checked_sub(1).and_then(|before| tokens.get(before));
        if let (Some(token), Some(before)) = (tokens.get(word).filter(|token| token.text == name), before) {
            raw.drain(before.span.end..token.span.end.min(raw.len()));
        }
    }
    raw
}

/// What is wrong with a line that was not before: a value out of range.
fn judge(raw: &[u8], before: &[u8]) -> Result<(), EditError> {
    let findings = |raw: &[u8]| interpret("", 1, &Line::parse(raw)).diagnostics;
    let (old, new) = (findings(before), findings(raw));
    let is_new = |finding: &&Diagnostic| !old.iter().any(|known| known.message == finding.message);
    first_mistake(new.iter().filter(is_new))
}

/// Adds options to one server's line.
pub(super) fn merge(document: &Document, index: usize, options: &[String]) -> Result<Plan, EditError> {
    let Some(entry) = schema::entry("server") else { return Err(nonsense("no schema".to_owned())) };
    let mut raw = document.bytes(index..index + 1).to_vec();
    let mut words = options.iter().map(String::as_str);
    while let Some(name) = words.next() {
        let valued = entry.setting(name).is_some_and(|setting| setting.value.is_some());
        let wanted = Wanted::new(entry, name, if valued { words.next() } else { None })?;
        raw = with_setting(&Line::parse(&raw), &wanted);
    }
    judge(&raw, document.bytes(index..index + 1))?;
    Ok(change(document, index, raw, || "the options are there already".to_owned()))
}

/// A line that is not there yet.
fn fresh_line(document: &Document, at: usize, text: &str) -> Plan {
    Plan::Change(vec![insert_line(document, at, text.as_bytes())])
}

/// One line changed, or nothing to do.
fn change(document: &Document, index: usize, raw: Vec<u8>, otherwise: impl FnOnce() -> String) -> Plan {
    if document.bytes(index..index + 1) == raw {
        Plan::Nothing { line: Some(index + 1), reason: otherwise() }
    } else {
        Plan::Change(vec![replace_line(index, raw)])
    }
}

/// Plans to change an option on every line of a host.
fn on_lines_of(
    document: &Document,
    host: &str,
    edit: impl Fn(&Line<'_>) -> Vec<u8>,
    otherwise: impl FnOnce() -> String,
) -> Result<Plan, EditError> {
    let own: Vec<usize> = network_sources(document)
        .filter(|(_, source)| canonical_host(&source.host) == canonical_host(host))
        .map(|(index, _)| index)
        .collect();
    if own.is_empty() {
        return Err(nonsense(format!("{host} is not there; add it with add-server")));
    }
    let mut patches = Vec::new();
    for index in own {
        let Some(line) = document.line(index) else { continue };
        let raw = edit(&line);
        if raw != line.raw() {
            judge(&raw, line.raw())?;
            patches.push(replace_line(index, raw));
        }
    }
    Ok(Plan::of(patches, otherwise))
}

/// Plans to give a server an option.
///
/// # Errors
/// If the server is not there, or the option or its value is no good.
pub fn set_option(
    document: &Document,
    host: &str,
    name: &str,
    value: Option<&str>,
) -> Result<Plan, EditError> {
    let Some(entry) = schema::entry("server") else { return Err(nonsense("no schema".to_owned())) };
    let wanted = Wanted::new(entry, name, value)?;
    on_lines_of(
        document,
        host,
        |line| with_setting(line, &wanted),
        || format!("{host} has that option already"),
    )
}

/// Plans to take an option from a server.
///
/// # Errors
/// If the server is not there, or there is no such option.
pub fn unset_option(document: &Document, host: &str, name: &str) -> Result<Plan, EditError> {
    let known = schema::entry("server").and_then(|entry| entry.setting(name));
    if known.is_none() {
        // What is no option can still stand there, and is then best taken out.
        let plan = on_lines_of(document, host, |line| without_word(line, name), String::new)?;
        return match plan {
            Plan::Change(_) => Ok(plan),
            Plan::Nothing { .. } => Err(nonsense(format!("{name:?} is no option of a server"))),
        };
    }
    on_lines_of(document, host, |line| without_setting(line, name), || format!("{host} has no `{name}`"))
}

/// Directives of which the last line counts, or the last value of each setting: `set` knows these.
pub const SETTABLE: &[&str] = &[
    "discard",
    "driftfile",
    "dscp",
    "keys",
    "leapfile",
    "limit",
    "logfile",
    "mode6",
    "mru",
    "pidfile",
    "statsdir",
    "tinker",
    "tos",
];

fn settable(directive: &str) -> Result<&'static Entry, EditError> {
    let known = schema::entry(directive).filter(|entry| SETTABLE.contains(&entry.name));
    known
        .filter(|entry| !matches!(entry.treatment, Treatment::Rejected(_)))
        .ok_or_else(|| nonsense(format!("{directive:?} cannot be set so: one of {}", SETTABLE.join(", "))))
}

/// The last line of a directive that has a setting, or any if none is named.
fn last_line(document: &Document, entry: &Entry, setting: Option<&str>) -> Option<usize> {
    document.lines().rposition(|line| {
        reading(&line).is_some_and(|reading| {
            let has = |name: &str| reading.settings.iter().any(|given| given.setting.name == name);
            reading.entry == entry && setting.is_none_or(has)
        })
    })
}

/// Plans to set a value: `driftfile PATH`, `tinker panic 0`. The line that counts is changed; without
/// one, a new line comes behind the last of its kind, or at the end.
///
/// # Errors
/// If there is no such directive, or the value is no good.
pub fn set(document: &Document, words: &[String]) -> Result<Plan, EditError> {
    let Some((directive, rest)) = words.split_first() else {
        return Err(nonsense("name a directive".to_owned()));
    };
    let entry = settable(directive)?;
    let takes_argument = entry
        .arguments
        .iter()
        .any(|argument| matches!(argument, Argument::Needed(..) | Argument::Optional(..)));
    if takes_argument { set_argument(document, entry, rest) } else { set_settings(document, entry, rest) }
}

fn set_argument(document: &Document, entry: &'static Entry, rest: &[String]) -> Result<Plan, EditError> {
    let [value] = rest else {
        return Err(nonsense(format!("write `{}`", entry.synopsis())));
    };
    let text = quote(value)?;
    let fresh = format!("{} {text}", entry.name);
    judge(fresh.as_bytes(), b"")?;
    let otherwise = || format!("`{}` is {value} already", entry.name);
    let Some(index) = last_line(document, entry, None) else {
        return Ok(fresh_line(document, behind_its_kind(document, entry), &fresh));
    };
    let Some(line) = document.line(index) else { return Err(nonsense(otherwise())) };
    let read = reading(&line);
    // A damaged line is left as it is, and one that is right comes behind it.
    if read.as_ref().is_none_or(|reading| !reading.faults.is_empty()) {
        return Ok(fresh_line(document, index + 1, &fresh));
    }
    let argument = read.and_then(|reading| reading.arguments.first().copied());
    let raw = match argument.and_then(|word| line.tokens().get(word)) {
        Some(token) if token.text == *value => line.raw().to_vec(),
        Some(token) => replace_word(&line, token.span.clone(), &text),
        None => {
            let end = line.tokens().last().map_or(0, |token| token.span.end);
            splice(&line, end..end, format!(" {text}").as_bytes())
        }
    };
    Ok(change(document, index, raw, otherwise))
}

fn set_settings(document: &Document, entry: &'static Entry, rest: &[String]) -> Result<Plan, EditError> {
    let (name, value) = match rest {
        [name] => (name, None),
        [name, value] => (name, Some(value.as_str())),
        _ => return Err(nonsense(format!("write `{} NAME VALUE`", entry.name))),
    };
    let wanted = Wanted::new(entry, name, value)?;
    let fresh = format!("{} {}", entry.name, wanted.words());
    judge(fresh.as_bytes(), b"")?;
    let index = last_line(document, entry, Some(name)).or_else(|| last_line(document, entry, None));
    let Some((index, line)) = index.and_then(|index| Some((index, document.line(index)?))) else {
        return Ok(fresh_line(document, behind_its_kind(document, entry), &fresh));
    };
    // A damaged line could take new words for what it lacks.
    if reading(&line).is_none_or(|reading| !reading.faults.is_empty()) {
        return Ok(fresh_line(document, index + 1, &fresh));
    }
    let raw = with_setting(&line, &wanted);
    Ok(change(document, index, raw, || format!("`{} {}` is so already", entry.name, wanted.words())))
}

/// Plans to take a value back: the default holds again.
///
/// # Errors
/// If there is no such directive or setting.
pub fn unset(document: &Document, words: &[String]) -> Result<Plan, EditError> {
    let (entry, name) = match words {
        [directive] => (settable(directive)?, None),
        [directive, name] => (settable(directive)?, Some(name.as_str())),
        _ => return Err(nonsense("name a directive, and perhaps one of its settings".to_owned())),
    };
    if let Some(name) = name.filter(|name| entry.setting(name).is_none()) {
        return Err(nonsense(format!("{name:?} is no setting of `{}`", entry.name)));
    }
    let mut patches = Vec::new();
    for (index, line) in document.lines().enumerate() {
        let Some(reading) = reading(&line).filter(|reading| reading.entry == entry) else { continue };
        let is = |given: &&grammar::Given| name.is_none_or(|name| given.setting.name == name);
        let gone = reading.settings.iter().filter(is).count();
        if name.is_none() || gone > 0 && gone == reading.settings.len() && entry.needs_setting {
            patches.push(super::Patch { lines: index..index + 1, with: Vec::new() });
        } else if gone > 0 {
            patches.push(replace_line(index, without_setting(&line, name.unwrap_or_default())));
        }
    }
    Ok(Plan::of(patches, || format!("`{}` is not set", words.join(" "))))
}

/// Behind the last directive of the same kind of argument: files among files, thresholds among
/// thresholds; else at the end.
fn behind_its_kind(document: &Document, entry: &Entry) -> usize {
    let is_file = |entry: &Entry| {
        let text = |argument: &Argument| {
            matches!(
                argument,
                Argument::Needed("FILE", Value::Text) | Argument::Optional("FILE", Value::Text)
            )
        };
        entry.arguments.iter().any(text)
    };
    let wanted = is_file(entry);
    let like = |line: Line<'_>| {
        reading(&line)
            .is_some_and(|reading| SETTABLE.contains(&reading.entry.name) && is_file(reading.entry) == wanted)
    };
    document.lines().rposition(like).map_or(document.len(), |index| index + 1)
}
