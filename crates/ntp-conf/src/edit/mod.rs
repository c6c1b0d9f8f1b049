//! Edits as patches of whole lines: what is not named by a patch stays byte for byte.
//!
//! `source.rs` adds, removes and switches servers, `setting.rs` changes single words of a line,
//! `words.rs` writes words so that every daemon reads them as they were meant.

mod setting;
mod source;
mod words;

use std::net::IpAddr;
use std::ops::Range;

use crate::cst::{Document, Line};
use crate::directive::{Directive, Source, interpret, scoped_address};
use crate::{Diagnostic, Severity};

pub use setting::{SETTABLE, set, set_option, unset, unset_option};
pub use source::{
    Conflict, NewServer, add_server, disable_server, enable_server, remove_server, remove_server_and_rules,
    replace_server, restricts_only, set_servers, switched_off,
};
pub use words::quote;

/// Whole lines replaced by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Which lines, counted from 0; empty for an insertion.
    pub lines: Range<usize>,
    /// What takes their place.
    pub with: Vec<u8>,
}

/// What an edit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The file changes by these patches, which are in order and do not overlap.
    Change(Vec<Patch>),
    /// It is already as it should be.
    Nothing {
        /// The line, from 1, where one shows it.
        line: Option<usize>,
        /// Why.
        reason: String,
    },
}

/// Why an edit cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Nonsense(String),
    /// The file says something else.
    #[error("line {line}: {reason}")]
    Conflict {
        /// The line, from 1.
        line: usize,
        /// What it says.
        reason: String,
    },
}

impl Plan {
    /// Puts patches in order; none means that nothing is to be done.
    fn of(mut patches: Vec<Patch>, otherwise: impl FnOnce() -> String) -> Self {
        if patches.is_empty() {
            return Self::Nothing { line: None, reason: otherwise() };
        }
        patches.sort_by_key(|patch| (patch.lines.start, patch.lines.end));
        Self::Change(patches)
    }

    /// The file with the change made.
    pub fn apply(&self, document: &Document) -> Vec<u8> {
        let Self::Change(patches) = self else { return document.print().to_vec() };
        let mut result = Vec::with_capacity(document.print().len() + 80);
        let mut done = 0;
        for patch in patches {
            result.extend_from_slice(document.bytes(done..patch.lines.start));
            result.extend_from_slice(&patch.with);
            done = patch.lines.end;
        }
        result.extend_from_slice(document.bytes(done..document.len()));
        result
    }
}

/// The first of these findings that speaks against an edit: an error, or a value that would not be
/// taken as it is.
fn first_mistake<'f>(findings: impl IntoIterator<Item = &'f Diagnostic>) -> Result<(), EditError> {
    let is_bad = |finding: &&Diagnostic| finding.severity == Severity::Error || finding.code == "W004";
    match findings.into_iter().find(is_bad) {
        None => Ok(()),
        Some(finding) if finding.remedy.is_empty() => Err(EditError::Nonsense(finding.message.clone())),
        Some(finding) => Err(EditError::Nonsense(format!("{}; {}", finding.message, finding.remedy))),
    }
}

/// One line in place of another.
fn replace_line(index: usize, with: Vec<u8>) -> Patch {
    Patch { lines: index..index + 1, with }
}

/// A line with some of its bytes replaced.
fn splice(line: &Line<'_>, span: Range<usize>, with: &[u8]) -> Vec<u8> {
    let raw = line.raw();
    [raw.get(..span.start).unwrap_or_default(), with, raw.get(span.end..).unwrap_or_default()].concat()
}

/// A line with another word in the place of one. A word may stand glued behind a closing quote: it must
/// not become part of the new one.
fn replace_word(line: &Line<'_>, span: Range<usize>, with: &str) -> Vec<u8> {
    let next = line.raw().get(span.end).copied().unwrap_or(b'\n');
    let glued = !next.is_ascii_whitespace() && next != 0x0b && next != b'#';
    let with = if glued { format!("{with} ") } else { with.to_owned() };
    splice(line, span, with.as_bytes())
}

/// A new line of this text at a place, with the file's own newline; what stands before it gets one if
/// it has none.
fn insert_line(document: &Document, at: usize, text: &[u8]) -> Patch {
    let neighbour = at.checked_sub(1).and_then(|before| document.line(before));
    let ending = newline_of(document, neighbour.as_ref());
    let mut with = Vec::new();
    if neighbour.is_some_and(|line| line.terminator().is_empty()) {
        with.extend_from_slice(ending);
    }
    with.extend_from_slice(text);
    with.extend_from_slice(ending);
    Patch { lines: at..at, with }
}

/// The newline of the neighbouring line, or of the file's first line, or LF.
fn newline_of(document: &Document, neighbour: Option<&Line<'_>>) -> &'static [u8] {
    let own = neighbour.map(Line::terminator).filter(|terminator| !terminator.is_empty());
    let first = || document.line(0).map(|line| line.terminator()).filter(|terminator| !terminator.is_empty());
    own.or_else(first).unwrap_or(b"\n")
}

fn source_of(line: &Line<'_>) -> Option<Source> {
    if let Directive::Source(source) = interpret("", 1, line).directive? { Some(source) } else { None }
}

/// The active sources that are asked over the network, with the index of their lines.
fn network_sources(document: &Document) -> impl DoubleEndedIterator<Item = (usize, Source)> {
    (0..document.len()).filter_map(|index| {
        let source = source_of(&document.line(index)?)?;
        source.reference_clock().is_none().then_some((index, source))
    })
}

/// The source that a comment switches off, such as `#server ntp.example.net iburst`. Of prose such as
/// "# server lines go here" every word would have to be understood; a sign glued to the directive is
/// what `disable-server` writes, whatever else is wrong with the line.
pub fn commented_source(line: &Line<'_>) -> Option<Source> {
    let text = line.commented_out()?;
    let spaced = text.strip_prefix(b" ").or_else(|| text.strip_prefix(b"\t"));
    let inner = Line::parse(spaced.unwrap_or(text));
    let source = source_of(&inner)?;
    let clean =
        || interpret("", 1, &inner).diagnostics.iter().all(|finding| finding.severity == Severity::Note);
    let glued = !text.starts_with(b" ");
    (glued && is_host_like(&source) || clean()).then_some(source)
}

/// A word that is not just any word: "#server lines" names nobody.
fn is_host_like(source: &Source) -> bool {
    source.address().is_some() || scoped_address(&source.host).is_some() || source.host.contains('.')
}

/// Two names for the same host compare equal: letter case, a final dot, brackets and the ways to
/// write an IPv6 address do not matter.
pub fn canonical_host(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        // The name of an interface stays as it is.
        Err(_) if let Some((address, interface)) = scoped_address(bare) => format!("{address}%{interface}"),
        Err(_) => bare.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
