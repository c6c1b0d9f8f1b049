//! The sum of all corrections to the clock, and the timescale that remains when it is taken away.

use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading};

/// Where the undisciplined timescale comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timescale {
    /// `MonoTime` itself is undisciplined (Linux: `CLOCK_MONOTONIC_RAW`): the corrections are the
    /// difference between the two clocks, and a step by somebody else shows in it too.
    Observed,
    /// `MonoTime` is another, better clock than the one disciplined (a virtual or simulated one):
    /// the corrections are what was reported as applied.
    Kept,
}

/// Keeps C, the exact sum of frequency corrections, slews and steps: system = undisciplined + C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorrectionLedger {
    timescale: Timescale,
    /// The undisciplined time of some moment: the first one if it is observed, else the last.
    anchor: Reading,
    /// Steps until now, and everything before `at` where it is observed.
    correction: NtpDuration,
    /// What slews and frequency corrections have added since then and until `at`, in units of 2^-16 ppm
    /// times a nanosecond, in which nothing need be rounded.
    slewed: i128,
    at: MonoTime,
    rate: Frequency,
    /// A change of the system clock that nobody reported, not yet asked for.
    surprise: Option<NtpDuration>,
}

/// A smaller change that nobody reported may be the noise of readings; whoever follows us allows for it.
const SURPRISE_MIN: NtpDuration = NtpDuration::from_millis(1);

impl CorrectionLedger {
    /// Starts with no corrections; `rate` is the one that the clock already runs with.
    pub const fn new(timescale: Timescale, anchor: Reading, rate: Frequency) -> Self {
        Self {
            timescale,
            anchor,
            correction: NtpDuration::ZERO,
            slewed: 0,
            at: anchor.mono,
            rate,
            surprise: None,
        }
    }

    /// The undisciplined time of a moment at which both clocks were read, which also brings the
    /// ledger up to date.
    pub fn undisciplined(&mut self, reading: Reading) -> NtpTimestamp {
        if self.timescale == Timescale::Observed {
            let raw = self.anchor.system + reading.mono.diff(self.anchor.mono);
            if reading.mono >= self.at {
                let correction = reading.system - raw;
                let change = correction - self.correction(reading.mono);
                if change.abs() > SURPRISE_MIN {
                    self.surprise = Some(change);
                }
                self.correction = correction;
                self.slewed = 0;
                self.at = reading.mono;
            }
            return raw;
        }
        let raw = reading.system - self.correction(reading.mono);
        self.anchor = Reading { mono: reading.mono, system: raw };
        raw
    }

    /// C at `now`: what was recorded, carried forward at the rate in force.
    pub fn correction(&self, now: MonoTime) -> NtpDuration {
        self.correction + gained(self.slewed_until(now))
    }

    /// The frequency correction changed to `rate` at `at`.
    pub fn frequency_applied(&mut self, rate: Frequency, at: MonoTime) {
        self.slewed = self.slewed_until(at);
        self.at = at;
        self.rate = rate;
    }

    fn slewed_until(&self, now: MonoTime) -> i128 {
        let span = i128::from(now.as_nanos()) - i128::from(self.at.as_nanos());
        self.slewed.saturating_add(span.saturating_mul(self.rate.scaled_ppm().into()))
    }

    /// The clock was stepped by `offset`.
    pub fn stepped(&mut self, offset: NtpDuration) {
        self.correction += offset;
    }

    /// A change of the system clock that nobody reported, once.
    pub const fn take_surprise(&mut self) -> Option<NtpDuration> {
        self.surprise.take()
    }

    /// UTC has leapt, and the system clock with it by `offset`: the undisciplined timescale follows.
    pub fn leapt(&mut self, offset: NtpDuration) {
        self.anchor.system = self.anchor.system + offset;
        self.correction -= offset;
    }

    /// What the system clock shows at `now`, reckoned from the last reading.
    pub fn system(&self, now: MonoTime) -> NtpTimestamp {
        self.anchor.system + now.diff(self.anchor.mono) + self.correction(now)
    }

    /// The frequency correction in force.
    pub const fn rate(&self) -> Frequency {
        self.rate
    }
}

/// The time that so many units of 2^-16 ppm times a nanosecond amount to.
fn gained(units: i128) -> NtpDuration {
    // One of them is 2^-16 * 1e-15 s, or 2^16 * 1e-15 units of 2^-32 s.
    let divisor = 1_000_000_000_000_000_i128;
    let scaled = units.saturating_mul(1 << 16);
    let half = if scaled < 0 { -divisor / 2 } else { divisor / 2 };
    let rounded = scaled.saturating_add(half) / divisor;
    let clamped = rounded.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    NtpDuration::from_units(i64::try_from(clamped).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use proptest::prelude::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_applied_is_subtracted_again() {
        let anchor = Reading { mono: at(0), system: NtpTimestamp::from_bits(1 << 40) };
        let mut ledger = CorrectionLedger::new(Timescale::Kept, anchor, Frequency::ZERO);
        ledger.frequency_applied(Frequency::from_ppm(100.0), at(10));
        ledger.stepped(NtpDuration::from_millis(250));
        let system = anchor.system + NtpDuration::from_seconds(20) + NtpDuration::from_millis(251);
        let raw = ledger.undisciplined(Reading { mono: at(20), system });
        assert_eq!((raw - (anchor.system + NtpDuration::from_seconds(20))).as_nanos(), 0);
    }

    #[test]
    fn an_observed_timescale_sees_a_step_that_nobody_reported() {
        let anchor = Reading { mono: at(0), system: NtpTimestamp::from_bits(1 << 40) };
        let mut ledger = CorrectionLedger::new(Timescale::Observed, anchor, Frequency::ZERO);
        let system = anchor.system + NtpDuration::from_seconds(3600);
        let raw = ledger.undisciplined(Reading { mono: at(5), system });
        assert_eq!(raw, anchor.system + NtpDuration::from_seconds(5));
        assert_eq!(ledger.correction(at(5)), NtpDuration::from_seconds(3595));
    }

    proptest! {
        #[test]
        fn any_schedule_of_corrections_cancels_to_a_nanosecond(
            schedule in proptest::collection::vec((1_u64..100_000, -500.0_f64..500.0, -1_000_000_i32..1_000_000), 1..50),
        ) {
            let anchor = Reading { mono: at(0), system: NtpTimestamp::from_bits(1 << 40) };
            let mut ledger = CorrectionLedger::new(Timescale::Kept, anchor, Frequency::ZERO);
            let mut now = MonoTime::ZERO;
            // A clock that runs true but for what is applied to it.
            let (mut stepped, mut slewed) = (NtpDuration::ZERO, 0_i128);
            for (millis, ppm, step) in schedule {
                let span = Duration::from_millis(millis);
                slewed += i128::from(ledger.rate().scaled_ppm()) * i128::try_from(span.as_nanos()).unwrap();
                now = now + span;
                ledger.frequency_applied(Frequency::from_ppm(ppm), now);
                ledger.stepped(NtpDuration::from_micros(step));
                stepped += NtpDuration::from_micros(step);
                let truth = anchor.system + now.diff(MonoTime::ZERO);
                let raw = ledger.undisciplined(Reading { mono: now, system: truth + stepped + gained(slewed) });
                prop_assert!((raw - truth).as_nanos().abs() <= 1);
            }
        }
    }
}
