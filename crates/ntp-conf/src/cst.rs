//! A file as lines of tokens that remember where they stand. Printing it is giving back its bytes.

use std::ops::Range;

use crate::lex::{self, Token};

/// A parsed file. Any bytes parse, and [`Document::print`] returns exactly these.
///
/// It holds the bytes once, and of each line only its end: lines are taken apart when they are
/// asked for, so that a file of a million lines costs little more than itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    source: Vec<u8>,
    ends: Vec<usize>,
}

/// One line with its terminator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'d> {
    raw: &'d [u8],
    tokens: Vec<Token<'d>>,
    comment: Option<usize>,
}

impl Document {
    /// Takes a file apart.
    pub fn parse(source: &[u8]) -> Self {
        Self { source: source.to_vec(), ends: lex::line_ends(source) }
    }

    /// The bytes it was parsed from.
    pub fn print(&self) -> &[u8] {
        &self.source
    }

    /// How many lines it has.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of some lines, terminators included.
    pub fn bytes(&self, lines: Range<usize>) -> &[u8] {
        let end_of = |count: usize| match count.checked_sub(1) {
            None => 0,
            Some(last) => self.ends.get(last).copied().unwrap_or(self.source.len()),
        };
        self.source.get(end_of(lines.start)..end_of(lines.end)).unwrap_or_default()
    }

    /// One line, counted from 0.
    pub fn line(&self, index: usize) -> Option<Line<'_>> {
        (index < self.len()).then(|| Line::parse(self.bytes(index..index + 1)))
    }

    /// Its lines.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = Line<'_>> + ExactSizeIterator {
        (0..self.len()).map(|index| Line::parse(self.bytes(index..index + 1)))
    }
}

impl<'d> Line<'d> {
    pub(crate) fn parse(raw: &'d [u8]) -> Self {
        let lexed = lex::line(raw);
        Self { raw, tokens: lexed.tokens, comment: lexed.comment }
    }

    /// All of its bytes.
    pub const fn raw(&self) -> &'d [u8] {
        self.raw
    }

    /// Its words; none on a blank line or a comment.
    pub fn tokens(&self) -> &[Token<'d>] {
        &self.tokens
    }

    /// Its first word, if it could be a keyword.
    pub fn keyword(&self) -> Option<&str> {
        self.tokens.first().filter(|token| !token.quoted).map(|token| &*token.text)
    }

    /// The text behind the `#`, if the line is nothing but a comment.
    pub fn commented_out(&self) -> Option<&'d [u8]> {
        let start = self.comment.filter(|_| self.tokens.is_empty())?;
        self.raw.get(start..)?.strip_prefix(b"#")
    }

    /// The line's end: LF, CRLF, or nothing at the end of a file.
    pub fn terminator(&self) -> &'static [u8] {
        if self.raw.ends_with(b"\r\n") {
            b"\r\n"
        } else if self.raw.ends_with(b"\n") {
            b"\n"
        } else {
            b""
        }
    }

    /// Where the comment at its end starts, `#` included.
    pub const fn comment(&self) -> Option<usize> {
        self.comment
    }

    /// The white space before the first word.
    pub fn indent(&self) -> &'d [u8] {
        let end = self.tokens.first().map_or(0, |token| token.span.start);
        self.raw.get(..end).unwrap_or_default()
    }

    /// The white space between the first two words.
    pub fn separator(&self) -> &'d [u8] {
        match self.tokens.as_slice() {
            [first, second, ..] => self.raw.get(first.span.end..second.span.start).unwrap_or_default(),
            _ => b" ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The file put together from its lines.
    fn printed(source: &[u8]) -> Vec<u8> {
        let document = Document::parse(source);
        let lines: Vec<u8> = document.lines().flat_map(|line| line.raw().to_vec()).collect();
        assert_eq!(document.print(), lines);
        lines
    }

    proptest! {
        #[test]
        fn any_bytes_print_as_they_were(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(printed(&bytes), bytes);
        }

        #[test]
        fn anything_like_a_configuration_prints_as_it_was(
            text in r##"([ \t]{0,2}(server|pool|restrict|#|"|driftfile|é|\x00)?[ \t]?[a-z0-9."# ]{0,12}(\r|\n|\r\n)?){0,20}"##
        ) {
            prop_assert_eq!(printed(text.as_bytes()), text.as_bytes());
        }
    }
}
