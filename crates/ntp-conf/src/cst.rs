//! A file as lines of tokens that remember where they stand. Printing it is giving back its bytes.

use crate::lex::{self, Token};

/// A parsed file. Any bytes parse, and [`Document::print`] returns exactly these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    lines: Vec<Line>,
}

/// One line with its terminator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    raw: Vec<u8>,
    tokens: Vec<Token>,
    comment: Option<usize>,
}

impl Document {
    /// Takes a file apart.
    pub fn parse(source: &[u8]) -> Self {
        let lines =
            lex::lines(source).into_iter().filter_map(|range| source.get(range)).map(Line::parse).collect();
        Self { lines }
    }

    /// The bytes it was parsed from.
    pub fn print(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.raw.iter().copied()).collect()
    }

    /// Its lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl Line {
    fn parse(raw: &[u8]) -> Self {
        let lexed = lex::line(raw);
        Self { raw: raw.to_vec(), tokens: lexed.tokens, comment: lexed.comment }
    }

    /// All of its bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Its words; none on a blank line or a comment.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Its first word, if it could be a keyword.
    pub fn keyword(&self) -> Option<&str> {
        self.tokens.first().filter(|token| !token.quoted).map(|token| token.text.as_str())
    }

    /// The text behind the `#`, if the line is nothing but a comment.
    pub fn commented_out(&self) -> Option<&[u8]> {
        let start = self.comment.filter(|_| self.tokens.is_empty())?;
        self.raw.get(start..)?.strip_prefix(b"#")
    }

    /// The line's end: LF, CRLF, or nothing at the end of a file.
    pub fn terminator(&self) -> &[u8] {
        if self.raw.ends_with(b"\r\n") {
            b"\r\n"
        } else if self.raw.ends_with(b"\n") {
            b"\n"
        } else {
            b""
        }
    }

    /// The white space before the first word.
    pub fn indent(&self) -> &[u8] {
        let end = self.tokens.first().map_or(0, |token| token.span.start);
        self.raw.get(..end).unwrap_or_default()
    }

    /// The white space between the first two words.
    pub fn separator(&self) -> &[u8] {
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

    proptest! {
        #[test]
        fn any_bytes_print_as_they_were(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(Document::parse(&bytes).print(), bytes);
        }

        #[test]
        fn anything_like_a_configuration_prints_as_it_was(
            text in r##"([ \t]{0,2}(server|pool|restrict|#|"|driftfile|é|\x00)?[ \t]?[a-z0-9."# ]{0,12}(\r|\n|\r\n)?){0,20}"##
        ) {
            prop_assert_eq!(Document::parse(text.as_bytes()).print(), text.as_bytes());
        }
    }
}
