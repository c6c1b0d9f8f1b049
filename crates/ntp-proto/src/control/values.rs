//! Variables by name, and values as numbers.

use crate::time::NtpTimestamp;

use super::items::Item;

/// The variables of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a>(pub &'a [Item]);

impl<'a> Variables<'a> {
    /// The text of a variable.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|item| item.name == name).map(|item| item.value.as_str())
    }

    /// A variable as a number of any kind.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// A variable as a whole number, decimal or hexadecimal.
    pub fn integer(&self, name: &str) -> Option<i64> {
        integer(self.text(name)?)
    }

    /// A variable as a timestamp; zero means that there is none.
    pub fn timestamp(&self, name: &str) -> Option<NtpTimestamp> {
        timestamp(self.text(name)?).filter(|time| !time.is_zero())
    }
}

/// `0x1f` or `31`.
pub fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `0xeeae4cbc.857e427b`
pub fn timestamp(text: &str) -> Option<NtpTimestamp> {
    let (seconds, fraction) = text.strip_prefix("0x").unwrap_or(text).split_once('.')?;
    let seconds = u32::from_str_radix(seconds, 16).ok()?;
    let fraction = u32::from_str_radix(fraction, 16).ok()?;
    Some(NtpTimestamp::from_bits(u64::from(seconds) << 32 | u64::from(fraction)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_no_number() {
        assert_eq!(timestamp("0x123"), None);
        assert_eq!(timestamp("x.y"), None);
        assert_eq!(timestamp("0x00000001.80000000"), Some(NtpTimestamp::from_bits(3 << 31)));
        assert_eq!(integer("0xff"), Some(255));
        assert_eq!(integer("3.5"), None);
    }
}
