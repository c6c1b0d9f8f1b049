//! Rates at which one clock runs against another.

use core::fmt;
use core::ops::{Add, Neg, Sub};
use core::time::Duration;

use super::NtpDuration;

/// Units of a [`Frequency`] in one part per million.
const PER_PPM: f64 = 65_536.0;

/// A relative frequency, in units of 2^-16 ppm, the kernel's own (about 1.5e-11).
///
/// Holding it as the kernel quantises it is what makes the ledger of corrections exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Frequency(i64);

impl Frequency {
    /// As fast as true time.
    pub const ZERO: Self = Self(0);

    /// From units of 2^-16 ppm (`timex.freq`).
    pub const fn from_scaled_ppm(units: i64) -> Self {
        Self(units)
    }

    /// Units of 2^-16 ppm (`timex.freq`).
    pub const fn scaled_ppm(self) -> i64 {
        self.0
    }

    /// Parts per million; saturates, and turns a NaN into zero.
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    pub fn from_ppm(ppm: f64) -> Self {
        Self((ppm * PER_PPM).round() as i64)
    }

    /// Parts per million.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 53 bits are in use")]
    pub fn as_ppm(self) -> f64 {
        self.0 as f64 / PER_PPM
    }

    /// Seconds per second, for estimator arithmetic.
    pub fn from_ratio(ratio: f64) -> Self {
        Self::from_ppm(ratio * 1e6)
    }

    /// Seconds per second, for estimator arithmetic.
    pub fn as_ratio(self) -> f64 {
        self.as_ppm() * 1e-6
    }

    /// The time gained at this frequency over `span`, rounded to 2^-32 s.
    pub fn over(self, span: Duration) -> NtpDuration {
        let nanos = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
        // units * 2^-16 * 1e-6 * nanos * 1e-9 s, in units of 2^-32 s.
        let scaled = i128::from(self.0).saturating_mul(nanos).saturating_mul(1 << 16);
        let divisor = 1_000_000_000_000_000_i128;
        let half = if scaled < 0 { -divisor / 2 } else { divisor / 2 };
        let units = scaled.saturating_add(half) / divisor;
        let clamped = units.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        NtpDuration::from_units(i64::try_from(clamped).unwrap_or(0))
    }

    /// Limits the magnitude to `limit`.
    #[must_use]
    pub fn clamp_to(self, limit: Self) -> Self {
        Self(self.0.clamp(-limit.0.abs(), limit.0.abs()))
    }

    /// The magnitude.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
}

impl Add for Frequency {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Frequency {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Frequency {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Debug for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.6} ppm", self.as_ppm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fifty_ppm_gain_three_milliseconds_a_minute() {
        let gained = Frequency::from_ppm(50.0).over(Duration::from_mins(1));
        assert_eq!(gained.as_nanos(), 3_000_000);
    }

    proptest! {
        #[test]
        fn ppm_survive_a_round_trip_within_half_a_unit(ppm in -1e5_f64..1e5) {
            let back = Frequency::from_ppm(ppm).as_ppm();
            prop_assert!((back - ppm).abs() <= 0.5 / PER_PPM + 1e-9);
        }

        #[test]
        fn gains_add_up(units in -40_000_000_i64..40_000_000, a in 0_u64..1_000_000_000_000, b in 0_u64..1_000_000_000_000) {
            let frequency = Frequency::from_scaled_ppm(units);
            let (a, b) = (Duration::from_nanos(a), Duration::from_nanos(b));
            let apart = frequency.over(a) + frequency.over(b);
            prop_assert!((apart - frequency.over(a + b)).units().abs() <= 2);
        }
    }
}
