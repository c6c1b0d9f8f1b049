//! Variables by name, and values as numbers.

use std::time::SystemTime;

use ntp_proto::control::Item;
use ntp_proto::time::{Date, NtpTimestamp, UnixTime};

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
    let (day, second) = (Date::of(unix), unix.seconds().rem_euclid(86_400));
    let millis = unix.subsec_nanos() / 1_000_000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The same as `Mon, Nov 23 2026  5:25:16.521`, in UTC.
pub(crate) fn classic_date(time: NtpTimestamp, pivot: UnixTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let unix = time.to_unix(pivot);
    let named = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("???")
    };
    let Date { year, month, day } = Date::of(unix);
    let weekday = named(&DAYS, unix.seconds().div_euclid(86_400).rem_euclid(7));
    let (second, millis) = (unix.seconds().rem_euclid(86_400), unix.subsec_nanos() / 1_000_000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let month = named(&MONTHS, month - 1);
    format!("{weekday}, {month} {day:2} {year} {hour:2}:{minute:02}:{second:02}.{millis:03}")
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
    }

    #[test]
    fn nonsense_is_no_number() {
        assert_eq!(timestamp("0x123"), None);
        assert_eq!(timestamp("x.y"), None);
        assert_eq!(integer("0xff"), Some(255));
        assert_eq!(integer("3.5"), None);
    }
}
