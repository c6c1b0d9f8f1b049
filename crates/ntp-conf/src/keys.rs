//! The file of symmetric keys, as classic ntpd, NTPsec and chrony write it.
//!
//! A line is `NUMBER TYPE SECRET [ADDRESS[/LENGTH],...]`. A secret of more than 20 characters is
//! hexadecimal, a shorter one is taken as it stands; `HEX:` and `ASCII:` before it say which, as in chrony.
//! One bad line costs that key and no other.

use std::fmt;
use std::net::IpAddr;

use crate::cst::Line;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::directive::network;

/// The most keys that are kept.
const KEYS_MAX: usize = 65_536;

/// A secret that is longer is hexadecimal.
const PLAIN_LEN_MAX: usize = 20;

/// Before a secret that is taken as it stands, whatever its length (chrony).
const PLAIN: &str = "ASCII:";

/// The longest secret, in bytes: no algorithm uses more.
const SECRET_LEN_MAX: usize = 64;

/// The most findings worth keeping.
const FINDINGS_MAX: usize = 100;

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// Its number, not 0.
    pub id: u32,
    /// The algorithm, as the file names it.
    pub algorithm: String,
    /// The secret.
    pub secret: Vec<u8>,
    /// Who may use it; everybody where there is none.
    pub from: Vec<(IpAddr, u8)>,
    /// The line, from 1.
    pub line: usize,
}

/// Secrets are not printed.
impl fmt::Debug for KeyLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("KeyLine");
        shown.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Reads a file of keys. `is_algorithm` says which names are known. What is said of a line never shows the
/// secret in it.
pub fn read_keys(
    file: &str,
    bytes: &[u8],
    is_algorithm: &dyn Fn(&str) -> bool,
) -> (Vec<KeyLine>, Vec<Diagnostic>) {
    let (mut keys, mut findings) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let words = words(line);
        if words.is_empty() {
            continue;
        }
        let read = if keys.len() < KEYS_MAX {
            read_line(&words, index + 1, is_algorithm)
        } else {
            Err((0, format!("there are {KEYS_MAX} keys before this one, which are all that are kept")))
        };
        match read {
            Ok(key) => keys.push(key),
            Err((word, message)) if findings.len() < FINDINGS_MAX => {
                let column = words.get(word).map_or(0, |word| word.start);
                findings.push(finding(file, index + 1, column, &message));
            }
            Err(_) => {}
        }
    }
    (keys, findings)
}

/// A word and where it begins.
struct Word<'l> {
    start: usize,
    bytes: &'l [u8],
}

/// The words of a line, apart by blanks and tabs, up to a `#`. Nothing is a quote or an escape: a secret may have
/// any other byte. In chrony's `ASCII:` words a `#` is part of the secret.
fn words(line: &[u8]) -> Vec<Word<'_>> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let mut words = Vec::new();
    let mut start = 0;
    while let Some(blanks) = line.get(start..).and_then(|rest| rest.iter().position(|byte| !is_blank(byte))) {
        start += blanks;
        let rest = line.get(start..).unwrap_or_default();
        let ends = |byte: &u8| is_blank(byte) || *byte == b'#' && !rest.starts_with(PLAIN.as_bytes());
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        if length > 0 {
            words.push(Word { start, bytes: rest.get(..length).unwrap_or_default() });
        }
        start += length;
        if line.get(start) == Some(&b'#') {
            break;
        }
    }
    words
}

/// About a place in a line, of which nothing is shown.
fn finding(file: &str, number: usize, column: usize, message: &str) -> Diagnostic {
    let place = Place { file, number, line: &Line::parse(b"") };
    let mut found = Diagnostic::new(Severity::Error, "E020", place, &(0..0), message)
        .in_force("all other keys")
        .remedy("write `NUMBER TYPE SECRET`, or see `ntpctl keygen`");
    found.location.column = column + 1;
    found
}

fn read_line(
    words: &[Word<'_>],
    number: usize,
    is_algorithm: &dyn Fn(&str) -> bool,
) -> Result<KeyLine, (usize, String)> {
    let word = |index: usize, what: &str| {
        let word = words.get(index).map(|word| word.bytes);
        word.ok_or_else(|| (index.saturating_sub(1), format!("{what} is missing")))
    };
    let text = |index: usize, what: &str| word(index, what).map(String::from_utf8_lossy);
    let id = text(0, "the number of the key")?.parse::<u32>().ok().filter(|id| *id != 0);
    let id = id.ok_or_else(|| (0, "a key's number is 1 to 4294967295".to_owned()))?;
    let algorithm = text(1, "the type of the key")?.into_owned();
    if !is_algorithm(&algorithm) {
        let name = algorithm.escape_debug();
        return Err((1, format!("there is no type of keys called \"{name}\" here")));
    }
    let secret = secret(word(2, "the secret")?).map_err(|message| (2, message.to_owned()))?;
    let mut from = Vec::new();
    if words.len() > 3 {
        for text in text(3, "")?.split(',') {
            let network =
                network(text).ok_or_else(|| (3, format!("\"{}\" is no address", text.escape_debug())))?;
            from.push(network);
        }
    }
    if words.len() > 4 {
        return Err((4, "this is one word too many".to_owned()));
    }
    Ok(KeyLine { id, algorithm, secret, from, line: number })
}

fn secret(word: &[u8]) -> Result<Vec<u8>, &'static str> {
    let bytes = match (word.strip_prefix(b"HEX:"), word.strip_prefix(PLAIN.as_bytes())) {
        (Some(digits), _) => hexadecimal(digits)?,
        (_, Some(plain)) => plain.to_vec(),
        (None, None) if word.len() > PLAIN_LEN_MAX => hexadecimal(word)?,
        (None, None) => word.to_vec(),
    };
    if bytes.is_empty() || bytes.len() > SECRET_LEN_MAX {
        return Err("a secret has 1 to 64 bytes");
    }
    Ok(bytes)
}

fn hexadecimal(digits: &[u8]) -> Result<Vec<u8>, &'static str> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    pairs
        .collect::<Option<_>>()
        .ok_or("a secret of more than 20 characters is hexadecimal, two digits a byte")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Vec<KeyLine>, Vec<Diagnostic>) {
        read_keys("ntp.keys", text.as_bytes(), &|name| ["MD5", "M", "SHA1", "AES128CMAC"].contains(&name))
    }

    #[test]
    fn lines_of_all_three_daemons_are_read_and_a_bad_one_costs_itself() {
        let (keys, findings) = read(
            "# keys\n1 M secret\n2 SHA1 0123456789abcdef0123456789abcdef01234567 192.0.2.1,2001:db8::/32\n\
             3 AES128CMAC HEX:000102030405060708090a0b0c0d0e0f # tail\n0 MD5 x\n4 RIPEMD160 x\n5 MD5\n\
             6 MD5 0123456789abcdef0123456789abcdefg\n7 MD5 x 10.0.0.300\n8 MD5 x 10.0.0.1 y\n9 MD5 ASCII:a#b\n",
        );
        let ids: Vec<u32> = keys.iter().map(|key| key.id).collect();
        assert_eq!(ids, [1, 2, 3, 9]);
        assert_eq!((keys[0].secret.as_slice(), keys[0].line), (&b"secret"[..], 2));
        assert_eq!(keys[1].secret.len(), 20);
        assert_eq!(keys[1].from[1], ("2001:db8::".parse().unwrap(), 32));
        assert_eq!(keys[2].secret, (0..16).collect::<Vec<u8>>());
        let places: Vec<(usize, usize)> =
            findings.iter().map(|found| (found.location.line, found.location.column)).collect();
        assert_eq!(places, [(5, 1), (6, 3), (7, 3), (8, 7), (9, 9), (10, 18)]);
    }

    #[test]
    fn a_secret_is_taken_byte_for_byte() {
        // What ntp-keygen draws: any printable character but `#`.
        let lines =
            b"1 MD5 ab\"cdefghijklmnopqr  # MD5 key\n2 M a\"b\n3 M a'\\b\xffc\t#\n4 M s#x\n5 M ASCII:s#x\r\n";
        let (keys, findings) = read_keys("k", lines, &|_| true);
        assert_eq!(findings.len(), 0);
        let secrets: Vec<&[u8]> = keys.iter().map(|key| key.secret.as_slice()).collect();
        assert_eq!(secrets, [&b"ab\"cdefghijklmnopqr"[..], b"a\"b", b"a'\\b\xffc", b"s", b"s#x"]);
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let (keys, findings) = read("1 MD5 topsecret\n2 MD5 topsecret 10.0.0.1 y\nx MD5 topsecret\n");
        assert!(!format!("{keys:?}").contains("topsecret"));
        assert!(findings.iter().all(|found| !found.to_string().contains("topsecret")));
        assert_eq!(findings.len(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (keys, findings) = read_keys("k", &bytes, &|_| true);
            prop_assert!(keys.iter().all(|key| key.id != 0 && !key.secret.is_empty()));
            prop_assert!(findings.len() <= FINDINGS_MAX);
        }
    }
}
