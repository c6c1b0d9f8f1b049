//! Variables by name, and values as numbers.

use std::time::SystemTime;

use ntp_proto::control::Item;
use ntp_proto::time::{NtpTimestamp, UnixTime};

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

/// This machine's time, against which ages and eras are reckoned.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// `0x1f` or `31`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `0xeeae4cbc.857e427b`
pub(crate) fn timestamp(text: &str) -> Option<NtpTimestamp> {
    let (seconds, fraction) = text.strip_prefix("0x").unwrap_or(text).split_once('.')?;
    let seconds = u32::from_str_radix(seconds, 16).ok()?;
    let fraction = u32::from_str_radix(fraction, 16).ok()?;
    Some(NtpTimestamp::from_bits(u64::from(seconds) << 32 | u64::from(fraction)))
}

/// The date of a timestamp as `2026-11-23T05:25:16.521Z`, in the era nearest to `pivot`.
pub(crate) fn date(time: NtpTimestamp, pivot: UnixTime) -> String {
    let unix = time.to_unix(pivot);
    let (days, second) = (unix.seconds().div_euclid(86_400), unix.seconds().rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let millis = unix.subsec_nanos() / 1_000_000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Days since 1970-01-01 as a date of the Gregorian calendar: whole 400-year cycles first, then
/// years that begin in March, so that the leap day comes last.
const fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0000 = days + 719_468;
    let cycle = since_march_0000.div_euclid(146_097);
    let day_of_cycle = since_march_0000.rem_euclid(146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_cycle + cycle * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_that_debians_ntpq_prints() {
        let pivot = UnixTime::new(1_795_000_000, 0);
        for (text, expected) in [
            ("0xeeae4cbc.857e427b", "2026-11-23T05:25:16.521Z"),
            ("0x00000000.00000000", "2036-02-07T06:28:16.000Z"),
            ("0x83aa7e80.00000000", "1970-01-01T00:00:00.000Z"),
            ("0xbc17c200.80000000", "2000-01-01T00:00:00.500Z"),
        ] {
            assert_eq!(date(timestamp(text).unwrap(), pivot), expected);
        }
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
    }

    #[test]
    fn nonsense_is_no_number() {
        assert_eq!(timestamp("0x123"), None);
        assert_eq!(timestamp("x.y"), None);
        assert_eq!(integer("0xff"), Some(255));
        assert_eq!(integer("3.5"), None);
    }
}
