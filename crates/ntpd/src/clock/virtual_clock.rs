//! A clock of our own beside the kernel's, which is left alone.
//!
//! `--clock=none` is the kernel's clock plus the corrections that would have been made to it.
//! `--clock=virtual` runs on the undisciplined raw clock with an error of its own, as wrong as it is
//! told to be. The kernel's receive stamps are mapped to either.

use std::time::Duration;

use ntp_os::clock::Pair;
use ntp_proto::discipline::{LeapArm, Timescale, end_of_day};
use ntp_proto::system::{ClockReport, ClockRequest, ClockStart};
use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading, UnixTime};

use super::{mono, timestamp, unix_seconds};

/// What the clock shows before its own error and its corrections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// What the kernel's clock shows.
    System,
    /// What it showed at this moment, and the raw clock since then.
    Raw(Pair),
}

impl Base {
    fn shows(self, pair: Pair) -> NtpTimestamp {
        match self {
            Self::System => timestamp(pair.realtime),
            Self::Raw(start) => timestamp(start.realtime) + mono(pair.raw).diff(mono(start.raw)),
        }
    }
}

/// A clock of our own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VirtualClock {
    base: Base,
    own: Frequency,
    correction: Frequency,
    /// What it has gained on its base until `since`.
    gained: NtpDuration,
    since: MonoTime,
    /// A leap second that it makes by itself, as the kernel's clock does: when, and by how much.
    leap: Option<(MonoTime, NtpDuration)>,
}

impl VirtualClock {
    /// One that starts and runs wrong.
    pub(super) fn wrong(pair: Pair, offset: NtpDuration, own: Frequency) -> Self {
        let base = Base::Raw(pair);
        Self { base, own, correction: Frequency::ZERO, gained: offset, since: mono(pair.raw), leap: None }
    }

    /// The kernel's, until it is corrected.
    pub(super) fn beside_system(pair: Pair) -> Self {
        Self { base: Base::System, ..Self::wrong(pair, NtpDuration::ZERO, Frequency::ZERO) }
    }

    pub(super) const fn start(reading: Reading, drift: Option<Frequency>) -> ClockStart {
        ClockStart { reading, timescale: Timescale::Kept, frequency: Frequency::ZERO, drift, memory: None }
    }

    /// What it shows at a moment; moments before the last change are reckoned at today's rate, as
    /// the ledger of corrections does too.
    pub(super) fn at(&self, pair: Pair) -> Reading {
        let moment = mono(pair.raw);
        Reading { mono: moment, system: self.base.shows(pair) + self.gained_at(moment) }
    }

    fn gained_at(&self, moment: MonoTime) -> NtpDuration {
        let rate = self.own + self.correction;
        let leapt = self.leap.filter(|(at, _)| moment >= *at).map_or(NtpDuration::ZERO, |(_, by)| by);
        if moment >= self.since {
            self.gained + leapt + rate.over(moment.since(self.since))
        } else {
            self.gained + leapt - rate.over(self.since.since(moment))
        }
    }

    /// Plans the leap at the end of the UTC day; the one that has passed stays.
    fn arm(&mut self, armed: LeapArm, pair: Pair) {
        let now = mono(pair.raw);
        if let Some((_, by)) = self.leap.take_if(|(at, _)| now >= *at) {
            self.gained += by;
        }
        let (by, early) = match armed {
            LeapArm::None => (NtpDuration::ZERO, 0),
            LeapArm::Insert => (NtpDuration::from_seconds(-1), 0),
            LeapArm::Delete => (NtpDuration::from_seconds(1), 1),
        };
        let date = self.at(pair).system.to_unix(UnixTime::new(unix_seconds(pair.realtime), 0));
        let wait = UnixTime::new(end_of_day(date) - early, 0).nanos() - date.nanos();
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(0));
        // The kernel's clock leaps by itself, if its own daemon has told it to.
        let own = matches!(self.base, Base::Raw(_)) && armed != LeapArm::None;
        self.leap = own.then(|| (now + wait, by));
    }

    pub(super) fn apply(&mut self, request: ClockRequest, pair: Pair) -> Option<ClockReport> {
        let now = mono(pair.raw);
        match request {
            ClockRequest::SetFrequency(frequency) => {
                self.gained = self.gained_at(now);
                self.since = now;
                self.correction = frequency;
                Some(ClockReport::FrequencySet { frequency, at: now })
            }
            ClockRequest::Step(offset) => {
                self.gained += offset;
                Some(ClockReport::Stepped { offset })
            }
            ClockRequest::SetLeap(armed) => {
                self.arm(armed, pair);
                None
            }
            ClockRequest::SetStatus { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose own clock gains a second in a hundred.
    fn pair(seconds: u64) -> Pair {
        Pair {
            realtime: Duration::from_millis(1_000_000_000 + 1010 * seconds),
            raw: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn it_runs_wrong_until_it_is_corrected() {
        let mut clock =
            VirtualClock::wrong(pair(10), NtpDuration::from_millis(250), Frequency::from_ppm(50.0));
        let truth = |seconds: u64| {
            timestamp(pair(10).realtime) + NtpDuration::from_std(Duration::from_secs(seconds - 10))
        };
        let error =
            |clock: &VirtualClock, seconds: u64| (clock.at(pair(seconds)).system - truth(seconds)).as_nanos();
        assert_eq!(error(&clock, 10), 250_000_000);
        assert_eq!(error(&clock, 110), 255_000_000);
        let now = pair(110);
        clock.apply(ClockRequest::SetFrequency(Frequency::from_ppm(-50.0)), now);
        clock.apply(ClockRequest::Step(NtpDuration::from_millis(-255)), now);
        assert_eq!(error(&clock, 110), 0);
        assert_eq!(error(&clock, 9999), 0);
    }

    #[test]
    fn a_leap_second_comes_at_the_end_of_the_day() {
        // The pair's clock shows 00:16:40 of 1970-01-01; its day ends 85400 s later.
        let day = Pair { realtime: Duration::from_secs(1000), raw: Duration::from_secs(10) };
        for (armed, by, at) in [(LeapArm::Insert, -1, 85_400), (LeapArm::Delete, 1, 85_399)] {
            let mut clock = VirtualClock::wrong(day, NtpDuration::ZERO, Frequency::ZERO);
            clock.apply(ClockRequest::SetLeap(armed), day);
            let gained = |seconds: u64| clock.gained_at(mono(Duration::from_secs(10 + seconds)));
            assert_eq!(gained(at - 1), NtpDuration::ZERO);
            assert_eq!(gained(at), NtpDuration::from_seconds(by));
        }
    }

    #[test]
    fn beside_the_systems_clock_it_follows_that_clock() {
        let mut clock = VirtualClock::beside_system(pair(10));
        let gained = |clock: &VirtualClock, seconds: u64| {
            (clock.at(pair(seconds)).system - timestamp(pair(seconds).realtime)).as_nanos()
        };
        assert_eq!((gained(&clock, 10), gained(&clock, 5000)), (0, 0));
        clock.apply(ClockRequest::Step(NtpDuration::from_millis(3)), pair(5000));
        assert_eq!(gained(&clock, 9000), 3_000_000);
    }
}
