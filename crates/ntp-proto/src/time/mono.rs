//! The clock that timers run on.

use core::ops::{Add, Sub};
use core::time::Duration;

use super::NtpDuration;

/// A point on a clock that nobody steps, in nanoseconds from an arbitrary origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// Nanoseconds since the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The signed distance from `other`; saturates at about 68 years.
    pub fn diff(self, other: Self) -> NtpDuration {
        let nanos = i128::from(self.0) - i128::from(other.0);
        let clamped = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        NtpDuration::from_nanos(i64::try_from(clamped).unwrap_or(i64::MAX))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for MonoTime {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distances_are_antisymmetric(a in 0..u64::MAX / 4, b in 0..u64::MAX / 4) {
            let (a, b) = (MonoTime::from_nanos(a), MonoTime::from_nanos(b));
            prop_assert!((a.diff(b) + b.diff(a)).units().abs() <= 1);
        }

        #[test]
        fn adding_what_has_passed_arrives(a in 0..u64::MAX / 2, d in 0..u64::MAX / 2) {
            let start = MonoTime::from_nanos(a);
            let end = start + Duration::from_nanos(d);
            prop_assert_eq!(end.since(start), Duration::from_nanos(d));
            prop_assert_eq!(end - Duration::from_nanos(d), start);
        }
    }
}
