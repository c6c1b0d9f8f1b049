//! How a known error is taken out: by running the clock a little faster or slower for a while.

use core::time::Duration;

use crate::time::{Frequency, MonoTime, NtpDuration};

/// The fastest slew, as the kernel's own limit and classic ntpd's: 500 ppm (RFC 5905 §11.3).
pub const SLEW_MAX: Frequency = Frequency::from_scaled_ppm(500 << 16);

/// The fastest slew at the start, while the clock is not right yet: 5 %.
pub const SLEW_MAX_STARTING: Frequency = Frequency::from_scaled_ppm(50_000 << 16);

/// The shortest time over which an error is taken out.
const SHORTEST: Duration = Duration::from_secs(4);

/// The longest time for which a slew may run without a new sample.
const LONGEST: Duration = Duration::from_hours(24);

/// Feed-forward steering: the base frequency cancels the clock's own, a slew on top of it removes
/// the error and ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Steering {
    base: Frequency,
    slew_ends: Option<MonoTime>,
}

impl Steering {
    /// Starts from the frequency correction in force.
    pub const fn new(base: Frequency) -> Self {
        Self { base, slew_ends: None }
    }

    /// Plans to remove `error` (system minus true time) over `length`, with `base` as the
    /// frequency correction that holds the clock true. Returns the frequency to set now.
    pub fn slew(
        &mut self,
        now: MonoTime,
        error: NtpDuration,
        base: Frequency,
        length: Duration,
        limit: Frequency,
    ) -> Frequency {
        self.base = base.clamp_to(SLEW_MAX);
        let length = length.max(SHORTEST);
        let wanted = Frequency::from_ratio(-error.as_seconds_f64() / length.as_secs_f64());
        let total = (self.base + wanted).clamp_to(limit);
        let rate = total - self.base;
        if rate == Frequency::ZERO {
            self.slew_ends = None;
            return self.base;
        }
        // Where the limit cut the rate, the slew takes correspondingly longer.
        let needed = (error.as_seconds_f64() / rate.as_ratio()).abs().min(LONGEST.as_secs_f64());
        self.slew_ends = Some(now + Duration::from_secs_f64(needed));
        total
    }

    /// Stops any slew and holds the base frequency.
    pub fn hold(&mut self, base: Frequency) -> Frequency {
        self.base = base.clamp_to(SLEW_MAX);
        self.slew_ends = None;
        self.base
    }

    /// If the slew has run its time: the frequency to return to.
    pub fn handle_timeout(&mut self, now: MonoTime) -> Option<Frequency> {
        if self.slew_ends? > now {
            return None;
        }
        self.slew_ends = None;
        Some(self.base)
    }

    /// When the slew ends.
    pub const fn next_timeout(&self) -> Option<MonoTime> {
        self.slew_ends
    }

    /// The frequency correction without any slew (RFC 5905 §11.3 freq).
    pub const fn base(&self) -> Frequency {
        self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_millisecond_leaves_over_four_seconds_at_250_ppm() {
        let mut steering = Steering::default();
        let start = MonoTime::from_nanos(1);
        let rate =
            steering.slew(start, NtpDuration::from_millis(1), Frequency::ZERO, Duration::ZERO, SLEW_MAX);
        assert!((rate.as_ppm() + 250.0).abs() < 0.01);
        let end = steering.next_timeout().unwrap();
        assert!((end.since(start).as_secs_f64() - 4.0).abs() < 1e-3);
        assert_eq!(steering.handle_timeout(end), Some(Frequency::ZERO));
        assert_eq!(steering.next_timeout(), None);
    }

    proptest! {
        #[test]
        fn a_slew_removes_what_it_was_asked_to(
            micros in -128_000_i32..128_000, base in -400.0_f64..400.0, seconds in 1_u64..1024,
        ) {
            let mut steering = Steering::default();
            let start = MonoTime::from_nanos(1);
            let error = NtpDuration::from_micros(micros);
            let base = Frequency::from_ppm(base);
            let total = steering.slew(start, error, base, Duration::from_secs(seconds), SLEW_MAX);
            prop_assert!(total.abs() <= SLEW_MAX);
            if let Some(end) = steering.next_timeout() {
                let removed = (total - base).over(end.since(start));
                prop_assert!((removed + error).abs() < NtpDuration::from_micros(20));
            }
        }
    }
}
