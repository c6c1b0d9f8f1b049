//! Points on a wall clock: eras, pivots and wrap-around.

use core::fmt;
use core::ops::{Add, Sub};

use super::NtpDuration;

/// Seconds from the first NTP era (1900-01-01) to the Unix epoch (1970-01-01), RFC 5905 §6.
const UNIX_EPOCH: i64 = 2_208_988_800;

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;

/// A 64-bit NTP timestamp: 32 bits of seconds and 32 of fraction (RFC 5905 §6).
///
/// It says nothing about its era and wraps every 136 years (next on 2036-02-07T06:28:16Z), so it
/// has no order; differences are right as long as they are below 68 years. Use
/// [`NtpTimestamp::to_unix`] with a pivot to know the date.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTimestamp(u64);

impl NtpTimestamp {
    /// The wire's way to say "unknown" (RFC 5905 §7.3).
    pub const ZERO: Self = Self(0);

    /// From the 64 bits on the wire.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits on the wire.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether the timestamp is the wire's "unknown".
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The timestamp of a date; the era is dropped.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "dropping the upper bits is dropping the era"
    )]
    pub const fn from_unix(time: UnixTime) -> Self {
        let shifted = (time.nanos + (UNIX_EPOCH as i128) * NANOS) << 32;
        let half = NANOS / 2;
        Self((shifted + half).div_euclid(NANOS) as u64)
    }

    /// The date nearest to `pivot` that has this timestamp: right for any date within 68 years of
    /// it, in whatever era.
    pub const fn to_unix(self, pivot: UnixTime) -> UnixTime {
        let distance = self.wrapping_diff(Self::from_unix(pivot));
        let scaled = (distance as i128) * NANOS;
        let nearest = (scaled + (1 << 31)) >> 32;
        UnixTime { nanos: pivot.nanos + nearest }
    }

    /// `self - other` in units of 2^-32 s, across era boundaries.
    #[expect(clippy::cast_possible_wrap, reason = "reinterpretation is the point")]
    const fn wrapping_diff(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

impl Sub for NtpTimestamp {
    type Output = NtpDuration;
    fn sub(self, other: Self) -> NtpDuration {
        NtpDuration::from_units(self.wrapping_diff(other))
    }
}

impl Add<NtpDuration> for NtpTimestamp {
    type Output = Self;
    fn add(self, duration: NtpDuration) -> Self {
        Self(self.0.wrapping_add_signed(duration.units()))
    }
}

impl Sub<NtpDuration> for NtpTimestamp {
    type Output = Self;
    fn sub(self, duration: NtpDuration) -> Self {
        Self(self.0.wrapping_sub(0_u64.wrapping_add_signed(duration.units())))
    }
}

impl fmt::Debug for NtpTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{:08x}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// A date: nanoseconds since 1970-01-01T00:00:00Z, not counting leap seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime {
    nanos: i128,
}

impl UnixTime {
    /// Seconds since 1970, and nanoseconds within the second.
    pub const fn new(seconds: i64, nanos: u32) -> Self {
        Self { nanos: (seconds as i128) * NANOS + (nanos as i128) }
    }

    /// Whole seconds since 1970, rounded down; saturates far outside any calendar.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.nanos.div_euclid(NANOS)).unwrap_or(i64::MAX)
    }

    /// Nanoseconds within the second, 0..=999 999 999.
    pub fn subsec_nanos(self) -> u32 {
        u32::try_from(self.nanos.rem_euclid(NANOS)).unwrap_or(0)
    }

    /// Nanoseconds since 1970.
    pub const fn nanos(self) -> i128 {
        self.nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2036-02-07T06:28:16Z, the first second of era 1.
    const ERA_ONE: UnixTime = UnixTime::new(2_085_978_496, 0);

    #[test]
    fn known_dates_have_their_published_values() {
        // RFC 5905 figure 4: the Unix epoch, and the first day of era 1.
        assert_eq!(NtpTimestamp::from_unix(UnixTime::new(0, 0)).to_bits() >> 32, 2_208_988_800);
        assert_eq!(NtpTimestamp::from_unix(ERA_ONE).to_bits(), 0);
        assert_eq!(NtpTimestamp::from_unix(UnixTime::new(0, 500_000_000)).to_bits() & 0xffff_ffff, 1 << 31);
    }

    #[test]
    fn the_era_boundary_is_an_ordinary_second() {
        let before = NtpTimestamp::from_unix(UnixTime::new(2_085_978_495, 0));
        let after = NtpTimestamp::from_unix(UnixTime::new(2_085_978_497, 0));
        assert_eq!(after - before, NtpDuration::from_seconds(2));
        assert_eq!(before + NtpDuration::from_seconds(2), after);
        assert_eq!(after - NtpDuration::from_seconds(2), before);
    }

    #[test]
    fn a_pivot_before_the_boundary_finds_a_date_after_it() {
        let pivot = UnixTime::new(1_795_000_000, 0); // November 2026
        for later in [2_085_978_496, 2_085_978_497, 2_147_483_648, 2_840_140_800] {
            let date = UnixTime::new(later, 250_000_000);
            assert_eq!(NtpTimestamp::from_unix(date).to_unix(pivot), date);
        }
    }

    proptest! {
        #[test]
        fn any_date_within_68_years_of_the_pivot_comes_back(
            pivot in -5_000_000_000_i64..20_000_000_000,
            distance in -2_147_000_000_i64..2_147_000_000,
            nanos in 0_u32..1_000_000_000,
        ) {
            let date = UnixTime::new(pivot + distance, nanos);
            let back = NtpTimestamp::from_unix(date).to_unix(UnixTime::new(pivot, 0));
            prop_assert_eq!(back, date);
        }

        #[test]
        fn adding_a_difference_arrives(a: u64, b: u64) {
            let (a, b) = (NtpTimestamp::from_bits(a), NtpTimestamp::from_bits(b));
            prop_assert_eq!(a + (b - a), b);
        }

        #[test]
        fn subtracting_undoes_adding(a: u64, d: i64) {
            let (a, d) = (NtpTimestamp::from_bits(a), NtpDuration::from_units(d));
            prop_assert_eq!((a + d) - d, a);
        }
    }
}
