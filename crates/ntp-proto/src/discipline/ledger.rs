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
    correction: NtpDuration,
    at: MonoTime,
    rate: Frequency,
}

impl CorrectionLedger {
    /// Starts with no corrections; `rate` is the one that the clock already runs with.
    pub const fn new(timescale: Timescale, anchor: Reading, rate: Frequency) -> Self {
        Self { timescale, anchor, correction: NtpDuration::ZERO, at: anchor.mono, rate }
    }

    /// The undisciplined time of a moment at which both clocks were read, which also brings the
    /// ledger up to date.
    pub fn undisciplined(&mut self, reading: Reading) -> NtpTimestamp {
        if self.timescale == Timescale::Observed {
            let raw = self.anchor.system + reading.mono.diff(self.anchor.mono);
            if reading.mono >= self.at {
                self.correction = reading.system - raw;
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
        if now >= self.at {
            self.correction + self.rate.over(now.since(self.at))
        } else {
            self.correction - self.rate.over(self.at.since(now))
        }
    }

    /// The frequency correction changed to `rate` at `at`.
    pub fn frequency_applied(&mut self, rate: Frequency, at: MonoTime) {
        self.correction = self.correction(at);
        self.at = at;
        self.rate = rate;
    }

    /// The clock was stepped by `offset`.
    pub fn stepped(&mut self, offset: NtpDuration) {
        self.correction += offset;
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
            let mut applied = NtpDuration::ZERO;
            for (millis, ppm, step) in schedule {
                let span = Duration::from_millis(millis);
                applied += ledger.rate().over(span);
                now = now + span;
                ledger.frequency_applied(Frequency::from_ppm(ppm), now);
                ledger.stepped(NtpDuration::from_micros(step));
                applied += NtpDuration::from_micros(step);
                let truth = anchor.system + now.diff(MonoTime::ZERO);
                let raw = ledger.undisciplined(Reading { mono: now, system: truth + applied });
                prop_assert!((raw - truth).as_nanos().abs() <= 1);
            }
        }
    }
}
