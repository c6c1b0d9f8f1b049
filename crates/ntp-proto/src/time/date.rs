//! Dates of the Gregorian calendar, in UTC.

use core::fmt;

use super::UnixTime;

/// Seconds of a day without a leap second.
const DAY: i64 = 86_400;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year, astronomical: 0 is 1 BC.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

impl Date {
    /// The day in which a moment lies.
    pub fn of(time: UnixTime) -> Self {
        Self::from_days(time.seconds().div_euclid(DAY))
    }

    /// The week in which a moment lies, and the year that the week belongs to (ISO 8601: that of its Thursday).
    pub fn week_of(time: UnixTime) -> (i64, u8) {
        let days = time.seconds().div_euclid(DAY);
        // 1970-01-01 was a Thursday, and weeks begin on Monday.
        let mut thursday = days - (days + 3).rem_euclid(7) + 3;
        let year = Self::from_days(thursday).year;
        let mut week = 1;
        while Self::from_days(thursday - 7).year == year {
            thursday -= 7;
            week += 1;
        }
        (year, week)
    }

    /// So many days after 1970-01-01: whole 400-year cycles first, then years that begin in March, so
    /// that the leap day comes last.
    const fn from_days(days: i64) -> Self {
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
        Self { year, month, day }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(Date::from_days(59).to_string(), "1970-03-01");
        assert_eq!(Date::from_days(11_016).to_string(), "2000-02-29");
        assert_eq!(Date::of(UnixTime::new(-1, 0)).to_string(), "1969-12-31");
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        let week = |days: i64| Date::week_of(UnixTime::new(days * DAY + 5, 0));
        assert_eq!(week(0), (1970, 1));
        assert_eq!(week(-4), (1969, 52));
        // 2021-01-03 was the last day of 2020's week 53, 2026-11-26 lies in week 48.
        assert_eq!(week(18_630), (2020, 53));
        assert_eq!(week(20_783), (2026, 48));
    }
}
