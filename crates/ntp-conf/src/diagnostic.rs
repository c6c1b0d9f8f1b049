//! What is wrong with a line, where, what is in force all the same, and what to do.

use std::fmt;
use std::ops::Range;

use crate::cst::Line;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong, but something is not done.
    Note,
    /// Probably not what was meant.
    Warning,
    /// Not what was meant, or not understood.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A stretch of a line, in bytes.
pub type Span = Range<usize>;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One finding. Its `Display` is the text for a person, source line and caret included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// A short code that stays the same when the words change.
    pub code: &'static str,
    /// Where.
    pub location: Location,
    /// What.
    pub message: String,
    /// What is in force now.
    pub in_force: String,
    /// What to do, or an empty string.
    pub remedy: String,
    excerpt: String,
    underline: Range<usize>,
}

impl Diagnostic {
    /// About `span` of `line`, which is the `number`th of `file`.
    pub(crate) fn new(
        severity: Severity,
        code: &'static str,
        place: Place<'_>,
        span: &Span,
        message: &str,
    ) -> Self {
        let raw = place.line.raw();
        let characters =
            |end: usize| printable(raw.get(..end.min(raw.len())).unwrap_or_default()).chars().count();
        let (start, end) = (characters(span.start), characters(span.end));
        // Of a long line only the part around the place is kept.
        let hidden = start.saturating_sub(EXCERPT_MAX / 2);
        let excerpt: String = printable(raw).trim_end().chars().skip(hidden).take(EXCERPT_MAX).collect();
        let shown = start - hidden..(end - hidden).clamp(start - hidden + 1, EXCERPT_MAX + 1);
        Self {
            severity,
            code,
            location: Location { file: place.file.to_owned(), line: place.number, column: start + 1 },
            message: printable(message.as_bytes()).chars().take(MESSAGE_MAX).collect(),
            in_force: String::new(),
            remedy: String::new(),
            excerpt,
            underline: shown,
        }
    }

    /// About a file as a whole.
    pub(crate) fn of_file(code: &'static str, file: &str, message: &str) -> Self {
        Self {
            severity: Severity::Error,
            code,
            location: Location { file: file.to_owned(), line: 1, column: 1 },
            message: printable(message.as_bytes()).chars().take(MESSAGE_MAX).collect(),
            in_force: String::new(),
            remedy: String::new(),
            excerpt: String::new(),
            underline: 0..0,
        }
    }

    pub(crate) fn in_force(mut self, text: impl Into<String>) -> Self {
        self.in_force = printable(text.into().as_bytes());
        self
    }

    pub(crate) fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = printable(text.into().as_bytes());
        self
    }
}

/// A line with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) number: usize,
    pub(crate) line: &'a Line<'a>,
}

/// The longest message: it may quote a word of any length.
const MESSAGE_MAX: usize = 400;

/// The longest excerpt shown; the rest of a line would only hide the message.
const EXCERPT_MAX: usize = 160;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}[{}]: {}", self.location, self.severity, self.code, self.message)?;
        if self.excerpt.is_empty() {
            if !self.remedy.is_empty() {
                write!(f, "\n   = {}", self.remedy)?;
            }
        } else {
            let number = self.location.line.to_string();
            let gutter = " ".repeat(number.len());
            let length = self.underline.len();
            write!(f, "\n{gutter} |\n{number} | {}\n{gutter} | ", self.excerpt)?;
            write!(f, "{}{}", " ".repeat(self.underline.start), "^".repeat(length))?;
            if !self.remedy.is_empty() {
                write!(f, " {}", self.remedy)?;
            }
        }
        if !self.in_force.is_empty() {
            write!(f, "\n   = in force: {}", self.in_force)?;
        }
        Ok(())
    }
}

/// Text that a terminal shows one column a character: control characters and broken UTF-8 become
/// `?`, a tab a blank.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| *c != '\n' && *c != '\r')
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() || c == char::REPLACEMENT_CHARACTER => '?',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    #[test]
    fn the_caret_stands_under_the_word_whatever_comes_before_it() {
        let document = Document::parse("pool\té.example ibrust # why\n".as_bytes());
        let line = &document.line(0).unwrap();
        let place = Place { file: "/etc/ntp.conf", number: 14, line };
        let span = line.tokens()[2].span.clone();
        let text =
            Diagnostic::new(Severity::Error, "E003", place, &span, "unknown option \"ibrust\" for pool")
                .in_force("the pool is used, without this option")
                .remedy("did you mean `iburst`?")
                .to_string();
        let expected = "\
/etc/ntp.conf:14:16: error[E003]: unknown option \"ibrust\" for pool
   |
14 | pool é.example ibrust # why
   |                ^^^^^^ did you mean `iburst`?
   = in force: the pool is used, without this option";
        assert_eq!(text, expected);
    }
}
