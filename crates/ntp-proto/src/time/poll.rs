//! Powers of two of a second: poll intervals and clock precision.

use core::time::Duration;

use super::NtpDuration;

/// A poll interval as the exponent of two seconds, 0 (1 s) to 17 (36 h), RFC 5905 §7.3 `poll`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollExponent(u8);

impl PollExponent {
    /// 1 s.
    pub const MIN: Self = Self(0);
    /// 36 h, RFC 5905 §7.2 MAXPOLL.
    pub const MAX: Self = Self(17);
    /// 64 s, the default `minpoll`.
    pub const DEFAULT_MIN: Self = Self(6);
    /// 1024 s, the default `maxpoll`.
    pub const DEFAULT_MAX: Self = Self(10);

    /// Clamps to 0..=17.
    pub fn new(exponent: i64) -> Self {
        Self(u8::try_from(exponent.clamp(0, 17)).unwrap_or(0))
    }

    /// The exponent, 0..=17.
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// The interval itself.
    pub const fn interval(self) -> Duration {
        Duration::from_secs(1 << self.0)
    }

    /// The next longer interval, at most 36 h.
    #[must_use]
    pub fn longer(self) -> Self {
        Self::new(i64::from(self.0) + 1)
    }

    /// The next shorter interval, at least 1 s.
    #[must_use]
    pub fn shorter(self) -> Self {
        Self::new(i64::from(self.0) - 1)
    }
}

/// The precision of a clock as the exponent of two seconds, RFC 5905 §7.3 `precision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Precision(i8);

impl Precision {
    /// From the byte on the wire.
    pub const fn new(exponent: i8) -> Self {
        Self(exponent)
    }

    /// The exponent; usually between -32 and 0.
    pub const fn exponent(self) -> i8 {
        self.0
    }

    /// The smallest power of two that is not below `resolution`.
    pub fn covering(resolution: Duration) -> Self {
        let wanted = NtpDuration::from_std(resolution);
        let mut exponent = -32_i8;
        while exponent < 0 && Self(exponent).to_duration() < wanted {
            exponent += 1;
        }
        Self(exponent)
    }

    /// The length of one tick, limited to 2^-32 s .. 2^30 s.
    pub fn to_duration(self) -> NtpDuration {
        NtpDuration::from_units(1_i64 << (i32::from(self.0).clamp(-32, 30) + 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_microsecond_is_covered_by_two_to_the_minus_nineteen() {
        assert_eq!(Precision::covering(Duration::from_micros(1)).exponent(), -19);
        assert_eq!(Precision::covering(Duration::from_secs(5)).exponent(), 0);
    }

    proptest! {
        #[test]
        fn any_exponent_is_clamped_into_range(exponent: i64) {
            let poll = PollExponent::new(exponent);
            prop_assert!(poll >= PollExponent::MIN && poll <= PollExponent::MAX);
            prop_assert!(poll.shorter() <= poll && poll <= poll.longer());
        }

        #[test]
        fn any_precision_byte_has_a_positive_length(exponent: i8) {
            prop_assert!(Precision::new(exponent).to_duration() > NtpDuration::ZERO);
        }
    }
}
