//! The text of a variables answer, taken apart by the client.

use core::fmt::Write as _;

use super::schema::{self, Unit};
use super::values::integer;

/// One `name=value`; the value without its quotes, cleaned of anything unprintable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The name.
    pub name: String,
    /// The value, exactly as sent but for quotes and unprintable bytes.
    pub value: String,
    /// Whether it stood between quotes.
    pub quoted: bool,
}

/// A value as what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed<'a> {
    /// A whole number, decimal or hexadecimal.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// Several, as in `filtdelay`.
    Numbers(Vec<f64>),
    /// Anything else: words, addresses, timestamps.
    Text(&'a str),
    /// What should be a number, and is not.
    Missing,
}

impl Item {
    /// The value as what the table of variables says that it is; of a name that is not in it, as what it looks like.
    pub fn typed(&self) -> Typed<'_> {
        let raw = self.value.as_str();
        if self.quoted {
            return Typed::Text(raw);
        }
        match schema::unit_of(&self.name) {
            Some(Unit::Text | Unit::Address | Unit::Timestamp | Unit::Date) => Typed::Text(raw),
            Some(Unit::Filter) => {
                let numbers: Option<Vec<f64>> = raw.split_ascii_whitespace().map(finite).collect();
                numbers.map_or(Typed::Missing, Typed::Numbers)
            }
            Some(
                Unit::Number
                | Unit::Bits
                | Unit::Milliseconds
                | Unit::Seconds
                | Unit::PartsPerMillion
                | Unit::LogSeconds,
            ) => number(raw).unwrap_or(Typed::Missing),
            None => number(raw).unwrap_or(Typed::Text(raw)),
        }
    }
}

fn number(raw: &str) -> Option<Typed<'_>> {
    integer(raw).map(Typed::Whole).or_else(|| finite(raw).map(Typed::Number))
}

/// A decimal number that is one; `inf` and the like are words.
fn finite(word: &str) -> Option<f64> {
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let number: f64 = word.bytes().all(plain).then(|| word.parse().ok())??;
    number.is_finite().then_some(number)
}

/// Tells, of one byte after the other, which are commas outside quotes.
pub(super) fn separator() -> impl FnMut(&u8) -> bool {
    let mut in_quotes = false;
    move |byte| {
        in_quotes ^= *byte == b'"';
        *byte == b',' && !in_quotes
    }
}

/// Splits at commas outside quotes. Bytes that a terminal would obey, which Debian's NTPsec is
/// known to leak into its answers, come out as `\xNN`.
pub fn parse_items(data: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    for part in data.split(separator()) {
        let part = part.trim_ascii();
        if part.is_empty() {
            continue;
        }
        let mut halves = part.splitn(2, |byte| *byte == b'=');
        let name = escaped(halves.next().unwrap_or_default().trim_ascii());
        let value = halves.next().unwrap_or_default().trim_ascii();
        let inner = value.strip_prefix(b"\"").map(|rest| rest.strip_suffix(b"\"").unwrap_or(rest));
        items.push(Item { name, value: escaped(inner.unwrap_or(value)), quoted: inner.is_some() });
    }
    items
}

/// Printable ASCII as it is, everything else as `\xNN`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if matches!(byte, b' '..=b'~') {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_commas_do_not_separate() {
        let items = parse_items(b"a=1, version=\"ntpd 4,5\",\r\nflag, c=\r\n");
        let pairs: Vec<(&str, &str)> =
            items.iter().map(|item| (item.name.as_str(), item.value.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("version", "ntpd 4,5"), ("flag", ""), ("c", "")]);
    }

    #[test]
    fn leaked_bytes_come_out_harmless() {
        let items = parse_items(b"filtdelay=\x1b[2J\xc2");
        assert_eq!(items.first().unwrap().value, "\\x1b[2J\\xc2");
    }

    proptest! {
        #[test]
        fn nothing_unprintable_gets_through(data in proptest::collection::vec(any::<u8>(), 0..500)) {
            for item in parse_items(&data) {
                prop_assert!(item.name.chars().chain(item.value.chars()).all(|c| matches!(c, ' '..='~')));
            }
        }
    }
}
