//! The kernel's clock. `CLOCK_MONOTONIC_RAW` is its undisciplined timescale.

use std::time::Duration;

use ntp_os::clock::Pair;
use ntp_os::timex::{self, LeapSecond};
use ntp_proto::discipline::{LeapArm, SLEW_MAX_STARTING, Timescale};
use ntp_proto::system::{ClockReport, ClockRequest, ClockStart};
use ntp_proto::time::{Frequency, NtpDuration, Reading};

use super::{ClockError, STAMP_AGE_MAX, age, mono, timestamp};

/// A step, for as long as stamps taken before it may still be waiting in a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecentStep {
    /// When, on the raw clock.
    raw: Duration,
    /// By how many nanoseconds.
    nanos: i64,
}

/// The kernel's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemClock {
    frequency: Frequency,
    stepped: Option<RecentStep>,
}

impl SystemClock {
    pub(super) fn open(adjusted: bool) -> Result<Self, ClockError> {
        if adjusted {
            timex::probe().map_err(ClockError::Refused)?;
        }
        // Where even reading is forbidden and nothing will be adjusted, no correction is assumed.
        let frequency = timex::read().map_or(0, |state| state.frequency);
        Ok(Self { frequency: Frequency::from_scaled_ppm(frequency), stepped: None })
    }

    pub(super) const fn start(&self, reading: Reading, drift: Option<Frequency>) -> ClockStart {
        ClockStart { reading, timescale: Timescale::Observed, frequency: self.frequency, drift, memory: None }
    }

    pub(super) fn reading(pair: Pair) -> Reading {
        Reading { mono: mono(pair.raw), system: timestamp(pair.realtime) }
    }

    /// The moment of a stamp. Shortly after a step, a stamp may still be from before it: of the two
    /// readings the younger one that does not lie in the future is right.
    pub(super) fn at_stamp(&self, pair: Pair, stamp: Duration) -> Reading {
        let recent = self.stepped.filter(|step| pair.raw.saturating_sub(step.raw) < STAMP_AGE_MAX);
        let shifted = recent.map(|step| shift(stamp, step.nanos));
        let candidates = [Some(stamp), shifted];
        let youngest = candidates.into_iter().flatten().filter(|stamp| *stamp <= pair.realtime).max();
        let stamp = youngest.unwrap_or(pair.realtime);
        let age = age(pair, stamp);
        Reading {
            mono: mono(pair.raw.saturating_sub(age)),
            system: timestamp(pair.realtime.saturating_sub(age)),
        }
    }

    /// The narrow gate to the kernel: bounds are checked again where the capability is.
    pub(super) fn apply(&mut self, request: ClockRequest) -> Result<Option<ClockReport>, ClockError> {
        match request {
            ClockRequest::SetFrequency(wanted) => {
                if wanted.abs() > SLEW_MAX_STARTING {
                    return Err(ClockError::OutOfBounds(request));
                }
                let set = timex::set_frequency(wanted.scaled_ppm()).map_err(ClockError::Refused)?;
                self.frequency = Frequency::from_scaled_ppm(set);
                let at = super::now()?;
                Ok(Some(ClockReport::FrequencySet { frequency: self.frequency, at }))
            }
            ClockRequest::Step(offset) => {
                let nanos = offset.as_nanos();
                timex::step(nanos).map_err(ClockError::Refused)?;
                self.stepped = Some(RecentStep { raw: ntp_os::clock::read_raw()?, nanos });
                Ok(Some(ClockReport::Stepped { offset: NtpDuration::from_nanos(nanos) }))
            }
            ClockRequest::SetStatus { estimated_error, maximum_error, synchronized } => {
                timex::set_status(estimated_error.to_std(), maximum_error.to_std(), synchronized)
                    .map_err(ClockError::Refused)?;
                Ok(None)
            }
            ClockRequest::SetLeap(armed) => {
                let leap = match armed {
                    LeapArm::None => None,
                    LeapArm::Insert => Some(LeapSecond::Insert),
                    LeapArm::Delete => Some(LeapSecond::Delete),
                };
                timex::set_leap(leap).map_err(ClockError::Refused)?;
                Ok(None)
            }
        }
    }
}

/// A time moved by so many nanoseconds, not before 1970.
fn shift(time: Duration, nanos: i64) -> Duration {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { time.saturating_sub(distance) } else { time.saturating_add(distance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(realtime_ms: u64, raw_ms: u64) -> Pair {
        Pair { realtime: Duration::from_millis(realtime_ms), raw: Duration::from_millis(raw_ms) }
    }

    fn raw_of(reading: Reading) -> u64 {
        reading.mono.as_nanos() / 1_000_000
    }

    #[test]
    fn stamps_from_before_a_step_keep_their_place_on_the_raw_clock() {
        for nanos in [500_000_000, -500_000_000] {
            let step = RecentStep { raw: Duration::from_secs(1), nanos };
            let clock = SystemClock { frequency: Frequency::ZERO, stepped: Some(step) };
            let now = pair(10_000, 1010);
            let age_of = |stamp| 1010 - raw_of(clock.at_stamp(now, stamp));
            // Taken 10 ms ago, before the step: on the old clock.
            assert_eq!(age_of(shift(Duration::from_millis(9990), -nanos)), 10);
            // Taken 5 ms ago, after it.
            assert_eq!(age_of(Duration::from_millis(9995)), 5);
        }
    }

    #[test]
    fn a_stamp_from_another_age_counts_as_now() {
        let clock = SystemClock { frequency: Frequency::ZERO, stepped: None };
        for stamp in [0, 5_000, 99_000] {
            assert_eq!(raw_of(clock.at_stamp(pair(10_000, 1000), Duration::from_millis(stamp))), 1000);
        }
    }
}
