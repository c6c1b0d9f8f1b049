//! Moments as text.

use std::time::SystemTime;

use ntp_proto::time::{Date, NtpTimestamp, UnixTime};

/// This machine's time, against which ages and eras are reckoned.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
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
    use ntp_proto::control::timestamp;

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
}
