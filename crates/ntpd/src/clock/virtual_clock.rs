//! A clock of our own, which starts as wrong as it is told to, beside the kernel's.
//!
//! It runs on `CLOCK_MONOTONIC_RAW` plus its own frequency error plus the corrections applied. The
//! kernel's receive stamps are mapped to it by how long ago they were taken.

use ntp_os::clock::Pair;
use ntp_proto::discipline::Timescale;
use ntp_proto::system::{ClockReport, ClockRequest, ClockStart};
use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading};

use super::{mono, timestamp};

/// A clock of our own.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    own: Frequency,
    correction: Frequency,
    since: MonoTime,
    then: NtpTimestamp,
}

impl VirtualClock {
    pub(super) fn new(pair: Pair, offset: NtpDuration, own: Frequency) -> Self {
        let since = mono(pair.raw);
        Self { own, correction: Frequency::ZERO, since, then: timestamp(pair.realtime) + offset }
    }

    pub(super) const fn start(reading: Reading, drift: Option<Frequency>) -> ClockStart {
        ClockStart { reading, timescale: Timescale::Kept, frequency: Frequency::ZERO, drift }
    }

    /// What it shows at a moment; moments before the last change are reckoned at today's rate, as
    /// the ledger of corrections does too.
    pub(super) fn at(&self, moment: MonoTime) -> Reading {
        let rate = self.own + self.correction;
        let gained = if moment >= self.since {
            rate.over(moment.since(self.since))
        } else {
            -rate.over(self.since.since(moment))
        };
        Reading { mono: moment, system: self.then + moment.diff(self.since) + gained }
    }

    pub(super) fn apply(&mut self, request: ClockRequest, now: MonoTime) -> Option<ClockReport> {
        match request {
            ClockRequest::SetFrequency(frequency) => {
                self.then = self.at(now).system;
                self.since = now;
                self.correction = frequency;
                Some(ClockReport::FrequencySet { frequency, at: now })
            }
            ClockRequest::Step(offset) => {
                self.then = self.then + offset;
                Some(ClockReport::Stepped { offset })
            }
            ClockRequest::SetStatus { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_runs_wrong_until_it_is_corrected() {
        let pair = Pair { realtime: Duration::from_secs(1_000_000), raw: Duration::from_secs(10) };
        let mut clock = VirtualClock::new(pair, NtpDuration::from_millis(250), Frequency::from_ppm(50.0));
        let error = |clock: &VirtualClock, seconds: u64| {
            let truth = timestamp(Duration::from_secs(1_000_000 - 10 + seconds));
            (clock.at(mono(Duration::from_secs(seconds))).system - truth).as_nanos()
        };
        assert_eq!(error(&clock, 10), 250_000_000);
        assert_eq!(error(&clock, 110), 255_000_000);
        let now = mono(Duration::from_secs(110));
        clock.apply(ClockRequest::SetFrequency(Frequency::from_ppm(-50.0)), now);
        clock.apply(ClockRequest::Step(NtpDuration::from_millis(-255)), now);
        assert_eq!(error(&clock, 110), 0);
        assert_eq!(error(&clock, 9999), 0);
    }
}
