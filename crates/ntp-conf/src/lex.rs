//! One line into tokens, as the real daemons split it.
//!
//! White space is C's without the newline (so a carriage return is white space); `#` starts a
//! comment anywhere outside quotes, even glued to a word; a quote may begin inside a word and ends
//! at the next quote or at the end of the line.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use std::borrow::Cow;
use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::combinator::{consumed, opt, recognize};
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser as _};

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'l> {
    /// Where it stands in the line, quotes included.
    pub span: Range<usize>,
    /// What it says: quotes removed, bytes above 0x7f dropped and cut at a NUL, as the daemons do.
    pub text: Cow<'l, str>,
    /// It holds quotes, so it is a string and never a keyword.
    pub quoted: bool,
    /// It holds bytes that the daemons would drop or stop at.
    pub strange: bool,
}

/// A line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Lexed<'l> {
    pub(crate) tokens: Vec<Token<'l>>,
    /// Where the comment starts, its `#` included.
    pub(crate) comment: Option<usize>,
}

/// Takes any line apart; every byte lands in a token, a comment or the white space between.
pub(crate) fn line(bytes: &[u8]) -> Lexed<'_> {
    let mut lexed = Lexed::default();
    let mut rest = bytes;
    loop {
        rest = spaces(rest);
        let start = bytes.len().saturating_sub(rest.len());
        match rest.first() {
            None | Some(b'\n') => return lexed,
            Some(b'#') => {
                lexed.comment = Some(start);
                return lexed;
            }
            Some(_) => {}
        }
        // A token takes at least one byte here, so this ends.
        let Ok((after, raw)) = token(rest) else { return lexed };
        let end = start.saturating_add(raw.len());
        lexed.tokens.push(describe(raw, start..end));
        rest = after;
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

const fn is_plain(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'\n' | b'#' | b'"')
}

fn spaces(input: &[u8]) -> &[u8] {
    let run: IResult<&[u8], &[u8]> = take_while(is_space)(input);
    run.map_or(input, |(rest, _)| rest)
}

/// A word with an optional quoted tail, or a quoted string alone.
fn token(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize(alt((recognize(pair(take_while1(is_plain), opt(quoted))), quoted))).parse(input)
}

/// From a quote to the next one; a missing one is supplied at the end of the line.
fn quoted(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let inside = take_while(|byte| byte != b'"' && byte != b'\n');
    let (rest, (raw, _)) = consumed(preceded(tag("\""), terminated(inside, opt(tag("\""))))).parse(input)?;
    Ok((rest, raw))
}

fn describe(raw: &[u8], span: Range<usize>) -> Token<'_> {
    let strange = raw.iter().any(|byte| !byte.is_ascii() || byte.is_ascii_control());
    let quoted = raw.contains(&b'"');
    let text = match std::str::from_utf8(raw) {
        Ok(text) if !strange && !quoted => Cow::Borrowed(text),
        _ => {
            let kept = raw.iter().copied().filter(|byte| byte.is_ascii() && *byte != b'"');
            Cow::Owned(kept.take_while(|byte| *byte != 0).map(char::from).collect())
        }
    };
    Token { span, text, quoted, strange }
}

/// Where each line of a file ends, its terminator included.
pub(crate) fn line_ends(source: &[u8]) -> Vec<usize> {
    let newlines = source.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let mut ends: Vec<usize> = newlines.map(|(index, _)| index.saturating_add(1)).collect();
    // The last line may have no newline; a file that ends in one has no further, empty line.
    if ends.last().copied().unwrap_or(0) < source.len() {
        ends.push(source.len());
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(input: &[u8]) -> Vec<String> {
        line(input).tokens.into_iter().map(|token| token.text.into_owned()).collect()
    }

    fn lines(source: &[u8]) -> Vec<&[u8]> {
        let ends = line_ends(source);
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, end)| &source[start..*end]).collect()
    }

    #[test]
    fn a_hash_glued_to_a_word_starts_a_comment() {
        let lexed = line(b"server 10.0.0.1 iburst#c\n");
        assert_eq!(lexed.comment, Some(22));
        assert_eq!(texts(b"server 10.0.0.1 iburst#c\n"), ["server", "10.0.0.1", "iburst"]);
    }

    #[test]
    fn quotes_join_the_word_they_begin_in_and_end_with_the_line() {
        assert_eq!(texts(b"driftfile /tmp/\"a b\"c\n"), ["driftfile", "/tmp/a b", "c"]);
        assert_eq!(texts(b"driftfile \"a #b\n"), ["driftfile", "a #b"]);
        assert!(line(b"\"server\" x").tokens[0].quoted);
    }

    #[test]
    fn carriage_returns_are_white_space() {
        assert_eq!(texts(b"server\x0b10.0.0.1\r\n"), ["server", "10.0.0.1"]);
    }

    #[test]
    fn high_bytes_are_dropped_and_noted() {
        let lexed = line("server 127.0.0.1é\n".as_bytes());
        assert_eq!(lexed.tokens[1].text, "127.0.0.1");
        assert!(lexed.tokens[1].strange);
        // The daemons' strings end at a NUL, their words do not.
        assert_eq!(texts(b"server 127.0.0.1\0x iburst"), ["server", "127.0.0.1", "iburst"]);
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_within_the_line(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for text in lines(&bytes) {
                let mut last = 0;
                for token in line(text).tokens {
                    prop_assert!(token.span.start >= last && token.span.end > token.span.start);
                    last = token.span.end;
                }
                prop_assert!(last <= text.len());
            }
        }

        #[test]
        fn lines_cover_every_byte_once(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(lines(&bytes).concat(), bytes);
        }
    }
}
