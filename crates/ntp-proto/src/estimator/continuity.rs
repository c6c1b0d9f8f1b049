//! A clock that has run on between two runs of the daemon is as right as it was, but for what its frequency has cost
//! it: the next run need not learn that from its first, noisy samples.

use core::time::Duration;

use crate::time::{Frequency, MonoTime, NtpDuration, Reading};

/// After a longer pause there is little left to know.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// How far both clocks may have run apart beyond what the frequency accounts for: what two readings are worth, and the
/// grain of the kernel's frequency. More, and somebody has set the clock; or the machine has slept, or was booted.
const APART_MAX: NtpDuration = NtpDuration::from_nanos(5_000);
const APART_RATE: f64 = 1e-8;

/// The clock as a run has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockMemory {
    /// Both clocks at that moment.
    pub at: Reading,
    /// How far the system clock was ahead of true time.
    pub error: NtpDuration,
    /// Standard deviation of that.
    pub deviation: NtpDuration,
}

/// How far the undisciplined clock is ahead at the start of a run, which begins with it at the system clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Inherited {
    pub(super) at: Reading,
    pub(super) lead: NtpDuration,
    pub(super) deviation: NtpDuration,
    /// How far its frequency may have taken it in the pause, in seconds.
    drifted: f64,
}

/// How long after its start a run may begin with what it has inherited.
const YOUTH: Duration = Duration::from_mins(10);

impl Inherited {
    pub(super) fn is_young(&self, now: MonoTime) -> bool {
        now.since(self.at.mono) < YOUTH
    }

    /// The lead at a later moment of a clock that gains at `rate`, which may be off by `deviation`; and how far that
    /// may have taken it, in seconds.
    pub(super) fn at(&self, now: MonoTime, rate: Frequency, deviation: Frequency) -> (NtpDuration, f64) {
        let run = now.since(self.at.mono);
        let drifted = self.drifted + deviation.over(run).as_seconds_f64();
        (self.lead + rate.over(run), drifted)
    }
}

impl ClockMemory {
    /// What of it holds at the first reading of the next run; `None` if anything but this frequency, which may be off
    /// by `deviation`, has moved the clock meanwhile.
    pub(super) fn carry(
        &self,
        now: Reading,
        frequency: Frequency,
        deviation: Frequency,
    ) -> Option<Inherited> {
        let pause = now.mono.since(self.at.mono);
        if now.mono < self.at.mono || pause > PAUSE_MAX {
            return None;
        }
        let passed = NtpDuration::from_std(pause) + frequency.over(pause);
        let apart = (now.system - self.at.system) - passed;
        if apart.abs() > APART_MAX + Frequency::from_ratio(APART_RATE).over(pause) {
            return None;
        }
        let drifted = deviation.over(pause).as_seconds_f64();
        Some(Inherited { at: now, lead: self.error, deviation: self.deviation, drifted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NtpTimestamp;

    const PPM: f64 = 1e-6;

    fn memory() -> ClockMemory {
        ClockMemory {
            at: Reading {
                mono: MonoTime::from_nanos(5_000_000_000),
                system: NtpTimestamp::from_bits(7 << 32),
            },
            error: NtpDuration::from_micros(30),
            deviation: NtpDuration::from_micros(40),
        }
    }

    /// The clocks after so many seconds at 50 ppm, and a step.
    fn later(seconds: u64, step: NtpDuration) -> Reading {
        let pause = Duration::from_secs(seconds);
        let at = memory().at;
        let gained = Frequency::from_ppm(50.0).over(pause);
        Reading { mono: at.mono + pause, system: at.system + NtpDuration::from_std(pause) + gained + step }
    }

    fn carried(now: Reading) -> Option<Inherited> {
        memory().carry(now, Frequency::from_ppm(50.0), Frequency::from_ratio(0.1 * PPM))
    }

    #[test]
    fn a_clock_that_ran_on_is_as_right_as_its_frequency() {
        let inherited = carried(later(300, NtpDuration::ZERO)).unwrap();
        assert_eq!(inherited.lead, NtpDuration::from_micros(30));
        let frequency = Frequency::from_ratio(0.1 * PPM);
        let (lead, drifted) = inherited.at(inherited.at.mono, frequency, frequency);
        assert_eq!((lead, inherited.deviation), (NtpDuration::from_micros(30), NtpDuration::from_micros(40)));
        // 0.1 ppm for 300 s.
        assert!((drifted - 30e-6).abs() < 1e-8, "{inherited:?}");
    }

    #[test]
    fn a_clock_that_was_set_or_stood_still_or_is_another_one_is_measured_anew() {
        assert_eq!(carried(later(300, NtpDuration::from_micros(100))), None);
        assert_eq!(carried(later(300, NtpDuration::from_seconds(-3600))), None);
        assert_eq!(carried(later(2 * 3600, NtpDuration::ZERO)), None);
        // The raw clock does not count a sleep, and begins at nothing with each boot.
        let slept =
            Reading { mono: memory().at.mono + Duration::from_secs(1), ..later(300, NtpDuration::ZERO) };
        assert_eq!(carried(slept), None);
        let booted = Reading { mono: MonoTime::from_nanos(1_000_000), ..later(300, NtpDuration::ZERO) };
        assert_eq!(carried(booted), None);
        // Another frequency was in force.
        assert_eq!(memory().carry(later(300, NtpDuration::ZERO), Frequency::ZERO, Frequency::ZERO), None);
    }
}
