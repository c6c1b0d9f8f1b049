//! Leap seconds: the table of them (`leap-seconds.list`), and on which days one may come.

use sha1::{Digest as _, Sha1};

use crate::time::{Date, UnixTime};

/// Seconds from 1900, from which the table counts, to 1970.
const TABLE_EPOCH: i64 = 2_208_988_800;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// No table speaks of times this late: the year 5000, seconds since 1900.
const TIME_MAX: i64 = 97_800_000_000;

/// The largest table: there have been 28 leap seconds in 50 years.
const ENTRIES_MAX: usize = 512;

/// The longest table, bytes; the published one has 10 kB.
const LENGTH_MAX: usize = 1 << 18;

/// What happens to the clock at the end of a UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LeapArm {
    /// Nothing.
    #[default]
    None,
    /// A second is inserted: 23:59:60.
    Insert,
    /// One is deleted: no 23:59:59.
    Delete,
}

/// Why a table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeapTableError {
    /// Nobody would have published it.
    #[error("it is too long for a table of leap seconds")]
    TooLong,
    /// A line makes no sense.
    #[error("line {line} is neither a comment nor two numbers")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// The times do not go up, or the offsets change by more than a second.
    #[error("line {line} does not follow from the one before it")]
    Order {
        /// Counted from 1.
        line: usize,
    },
    /// No entries.
    #[error("it holds no leap seconds")]
    Empty,
    /// No line `#@`.
    #[error("it does not say when it expires (a line that begins with #@)")]
    NoExpiry,
    /// It has been damaged or edited.
    #[error("its hash (the line that begins with #h) is not that of its numbers")]
    Hash,
}

/// The table of leap seconds, as the IERS and NIST publish it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapTable {
    expires: UnixTime,
    /// Since when TAI has been ahead by how many seconds, in order; seconds since 1970.
    entries: Vec<(i64, i64)>,
    hashed: bool,
}

impl LeapTable {
    /// Reads a table. Its hash, if it has one, must be right unless `check_hash` is false.
    ///
    /// # Errors
    /// If it is damaged, in any way that shows.
    pub fn parse(text: &str, check_hash: bool) -> Result<Self, LeapTableError> {
        if text.len() > LENGTH_MAX {
            return Err(LeapTableError::TooLong);
        }
        let (mut expires, mut hash, mut digest) = (None, None, Sha1::new());
        let mut entries: Vec<(i64, i64)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let number = index + 1;
            if let Some(stamp) = line.strip_prefix("#@") {
                digest.update(digits(stamp));
                expires = stamp.trim().parse::<i64>().ok();
            } else if let Some(stamp) = line.strip_prefix("#$") {
                digest.update(digits(stamp));
            } else if let Some(words) = line.strip_prefix("#h") {
                hash = Some(read_hash(words));
            } else if !line.is_empty() && !line.starts_with('#') {
                let data = line.split('#').next().unwrap_or_default();
                let entry = read_entry(data).ok_or(LeapTableError::Line { line: number })?;
                let follows =
                    entries.last().is_none_or(|last| entry.0 > last.0 && (entry.1 - last.1).abs() == 1);
                if !follows || entries.len() >= ENTRIES_MAX {
                    return Err(LeapTableError::Order { line: number });
                }
                digest.update(digits(data));
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Err(LeapTableError::Empty);
        }
        if check_hash && hash.is_some_and(|hash| hash != Some(digest.finalize().into())) {
            return Err(LeapTableError::Hash);
        }
        let expires = expires.ok_or(LeapTableError::NoExpiry)?;
        let expires = UnixTime::new(expires.saturating_sub(TABLE_EPOCH), 0);
        Ok(Self { expires, entries, hashed: hash.is_some() })
    }

    /// Until when it is to be believed.
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Whether it had a hash at all.
    pub const fn is_hashed(&self) -> bool {
        self.hashed
    }

    /// By how many seconds TAI is ahead of UTC at `time`, and the change that comes next, or the last one
    /// where none is known to come. `None` before the first entry.
    pub fn at(&self, time: UnixTime) -> Option<(i64, UnixTime)> {
        let ahead = |(since, _): &&(i64, i64)| *since <= time.seconds();
        let (last, offset) = self.entries.iter().rev().find(ahead)?;
        let next = self.entries.iter().find(|(since, _)| *since > time.seconds());
        Some((*offset, UnixTime::new(next.map_or(*last, |(since, _)| *since), 0)))
    }

    /// What happens at the end of the UTC day in which `time` lies.
    pub fn at_end_of_day(&self, time: UnixTime) -> LeapArm {
        let midnight = end_of_day(time);
        let index = self.entries.iter().position(|(at, _)| *at == midnight);
        let Some(index) = index.filter(|index| *index > 0) else { return LeapArm::None };
        match (self.entries.get(index), self.entries.get(index - 1)) {
            (Some((_, after)), Some((_, before))) if after > before => LeapArm::Insert,
            (Some(_), Some(_)) => LeapArm::Delete,
            _ => LeapArm::None,
        }
    }
}

/// The end of the UTC day in which `time` lies, seconds since 1970.
pub fn end_of_day(time: UnixTime) -> i64 {
    (time.seconds().div_euclid(DAY) + 1) * DAY
}

/// Whether a leap second may come at the end of this UTC day without any table saying so: on the last
/// of June and of December.
pub fn may_leap_today(time: UnixTime) -> bool {
    let next = Date::of(UnixTime::new(end_of_day(time), 0));
    next.day == 1 && (next.month == 1 || next.month == 7)
}

fn digits(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).collect()
}

fn read_entry(data: &str) -> Option<(i64, i64)> {
    let mut words = data.split_whitespace();
    let (at, offset) = (words.next()?.parse::<i64>().ok()?, words.next()?.parse::<i16>().ok()?);
    let sane = (0..TIME_MAX).contains(&at) && words.next().is_none();
    sane.then(|| (at - TABLE_EPOCH, i64::from(offset)))
}

/// Five words of hexadecimal digits, of which leading zeros may be missing.
fn read_hash(words: &str) -> Option<[u8; 20]> {
    let mut hash = [0; 20];
    let mut words = words.split_whitespace();
    for bytes in hash.chunks_mut(4) {
        bytes.copy_from_slice(&u32::from_str_radix(words.next()?, 16).ok()?.to_be_bytes());
    }
    words.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The last entries of the table of 2017, with the hash of just these numbers.
    const TABLE: &str =
        "#$ 3676924800\n#@ 3991593600\n3550089600 35 # 1 Jul 2012\n3644697600 36\n3692217600 37\n";

    fn noon(seconds: i64) -> UnixTime {
        UnixTime::new(seconds + DAY / 2, 0)
    }

    #[test]
    fn the_days_of_leap_seconds_are_known() {
        let table = LeapTable::parse(TABLE, true).unwrap();
        // 2016-12-31 and the days around it.
        assert_eq!(table.at_end_of_day(noon(1_483_142_400)), LeapArm::Insert);
        assert_eq!(table.at_end_of_day(noon(1_483_142_400 - DAY)), LeapArm::None);
        assert_eq!(table.at_end_of_day(noon(1_483_142_400 + DAY)), LeapArm::None);
        assert_eq!(table.expires(), UnixTime::new(3_991_593_600 - TABLE_EPOCH, 0));
    }

    #[test]
    fn a_second_less_is_deleted() {
        let text = format!("{TABLE}3723753600 36\n");
        let table = LeapTable::parse(&text, true).unwrap();
        assert_eq!(table.at_end_of_day(noon(3_723_753_600 - TABLE_EPOCH - DAY)), LeapArm::Delete);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let hashed = |hash: &str| format!("{TABLE}#h {hash}\n");
        assert_eq!(LeapTable::parse(&hashed("1 2 3 4 5"), true), Err(LeapTableError::Hash));
        assert!(LeapTable::parse(&hashed("1 2 3 4 5"), false).is_ok());
        assert_eq!(LeapTable::parse("", true), Err(LeapTableError::Empty));
        assert_eq!(LeapTable::parse("3550089600 35\n", true), Err(LeapTableError::NoExpiry));
        assert_eq!(LeapTable::parse("#@ 1\nhello\n", true), Err(LeapTableError::Line { line: 2 }));
        let backwards = "#@ 1\n3644697600 36\n3550089600 35\n";
        assert_eq!(LeapTable::parse(backwards, true), Err(LeapTableError::Order { line: 3 }));
        assert_eq!(LeapTable::parse(&"#\n".repeat(LENGTH_MAX), true), Err(LeapTableError::TooLong));
    }

    #[test]
    fn the_hash_covers_the_numbers_in_their_order() {
        let numbers =
            "3676924800".to_owned() + "3991593600" + "355008960035" + "364469760036" + "369221760037";
        let hash: Vec<String> = Sha1::digest(numbers.as_bytes())
            .chunks(4)
            .map(|word| word.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
            .collect();
        assert!(LeapTable::parse(&format!("{TABLE}#h {}\n", hash.join(" ")), true).is_ok());
    }

    #[test]
    fn only_the_last_days_of_june_and_december_qualify() {
        // 2016-12-31, 2015-06-30, 2024-02-29, 2026-11-24.
        let days =
            [(1_483_142_400, true), (1_435_622_400, true), (1_709_164_800, false), (1_795_478_400, false)];
        for (day, expected) in days {
            assert_eq!(may_leap_today(noon(day)), expected, "{day}");
        }
        let count = (0..3653).filter(|day| may_leap_today(noon(day * DAY))).count();
        assert_eq!(count, 20);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[#@$h0-9 \n]{0,300}") {
            let _verdict = LeapTable::parse(&text, true);
        }
    }
}
