//! Differences between timestamps.

use core::fmt;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use core::time::Duration;

/// Units of an [`NtpDuration`] in one second.
const UNITS: i64 = 1 << 32;

/// A difference between two timestamps, in units of 2^-32 s (about 233 ps).
///
/// Saturates at about ±68 years instead of wrapping: a duration that wrapped would silently change
/// sign, and everything downstream of a sign error looks plausible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct NtpDuration(i64);

impl NtpDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest duration, about 68 years.
    pub const MAX: Self = Self(i64::MAX);

    /// From raw units of 2^-32 s.
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// Raw units of 2^-32 s.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Whole seconds.
    pub const fn from_seconds(seconds: i32) -> Self {
        // An i32 shifted by 32 bits always fits.
        Self((seconds as i64) << 32)
    }

    /// Milliseconds.
    pub const fn from_millis(millis: i32) -> Self {
        Self((millis as i64) * UNITS / 1000)
    }

    /// Microseconds.
    pub const fn from_micros(micros: i32) -> Self {
        Self((micros as i64) * UNITS / 1_000_000)
    }

    /// Nanoseconds, rounded to the nearest unit; saturates beyond ±68 years.
    pub const fn from_nanos(nanos: i64) -> Self {
        let scaled = (nanos as i128) << 32;
        let half = if nanos < 0 { -500_000_000 } else { 500_000_000 };
        saturate((scaled + half) / 1_000_000_000)
    }

    /// Nanoseconds, rounded to the nearest; at most ±2^31 s, which fits.
    #[expect(clippy::cast_possible_truncation, reason = "2^31 s is 2^61 ns")]
    pub const fn as_nanos(self) -> i64 {
        let scaled = (self.0 as i128) * 1_000_000_000;
        ((scaled + (1 << 31)) >> 32) as i64
    }

    /// Seconds from estimator arithmetic; saturates, and turns a NaN into zero.
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 4_294_967_296.0).round() as i64)
    }

    /// Seconds for estimator arithmetic and for printing.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are ample for a difference")]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 4_294_967_296.0
    }

    /// Milliseconds, the unit of `ntpq`.
    pub fn as_millis_f64(self) -> f64 {
        self.as_seconds_f64() * 1e3
    }

    /// The length without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Half of a round trip: the most by which an asymmetric path can mislead us
    /// (RFC 5905 §11.1).
    #[must_use]
    pub const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// Whether the duration points backwards.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// As a duration of the standard library; a negative one becomes zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.as_nanos()).unwrap_or(0))
    }

    /// From a duration of the standard library; saturates at about 68 years.
    pub fn from_std(duration: Duration) -> Self {
        Self::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Clamps a wide intermediate result into range.
#[expect(clippy::cast_possible_truncation, reason = "clamped just above")]
const fn saturate(units: i128) -> NtpDuration {
    if units > i64::MAX as i128 {
        NtpDuration(i64::MAX)
    } else if units < i64::MIN as i128 {
        NtpDuration(i64::MIN)
    } else {
        NtpDuration(units as i64)
    }
}

impl Add for NtpDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for NtpDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for NtpDuration {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for NtpDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for NtpDuration {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl fmt::Debug for NtpDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.9} s", self.as_seconds_f64())
    }
}

impl fmt::Display for NtpDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.6} s", self.as_seconds_f64())
    }
}

/// The 32-bit short format of root delay and root dispersion: unsigned, units of 2^-16 s
/// (RFC 5905 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NtpShort(u32);

impl NtpShort {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// From the bits on the wire.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits on the wire.
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// Rounds up, because both fields are bounds; negative becomes zero, long saturates.
    pub fn from_duration(duration: NtpDuration) -> Self {
        let units = duration.units().max(0);
        let rounded = (units >> 16) + i64::from(units & 0xffff != 0);
        Self(u32::try_from(rounded).unwrap_or(u32::MAX))
    }

    /// The same length as a duration; always exact.
    pub fn to_duration(self) -> NtpDuration {
        NtpDuration(i64::from(self.0) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arithmetic_saturates_instead_of_changing_sign() {
        assert_eq!(NtpDuration::MAX + NtpDuration::from_seconds(1), NtpDuration::MAX);
        assert!((-NtpDuration::MAX - NtpDuration::from_seconds(9)).is_negative());
    }

    #[test]
    fn named_constructors_agree() {
        assert_eq!(NtpDuration::from_millis(1500), NtpDuration::from_micros(1_500_000));
        assert_eq!(NtpDuration::from_millis(-250), NtpDuration::from_seconds_f64(-0.25));
        assert_eq!(NtpDuration::from_std(Duration::from_secs(3)), NtpDuration::from_seconds(3));
    }

    proptest! {
        #[test]
        fn nanoseconds_survive_a_round_trip(nanos in -2_000_000_000_000_000_000_i64..2_000_000_000_000_000_000) {
            prop_assert_eq!(NtpDuration::from_nanos(nanos).as_nanos(), nanos);
        }

        #[test]
        fn short_format_rounds_up_by_less_than_one_unit(units in 0..(i64::from(u32::MAX) << 16)) {
            let long = NtpDuration::from_units(units);
            let short = NtpShort::from_duration(long).to_duration();
            prop_assert!(short >= long);
            prop_assert!(short.units() - units < 1 << 16);
        }

        #[test]
        fn short_bits_survive_a_round_trip(bits: u32) {
            let short = NtpShort::from_bits(bits);
            prop_assert_eq!(NtpShort::from_duration(short.to_duration()), short);
        }
    }
}
