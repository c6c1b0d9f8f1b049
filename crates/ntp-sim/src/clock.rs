//! A clock that runs wrong by a constant, until it is corrected.

use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading, UnixTime};

/// Seconds since 1970 at which every world begins: 2026-11-23.
const BEGINNING: i64 = 1_795_000_000;

/// A system clock with an error of its own and the corrections applied to it.
#[derive(Clone, Debug)]
pub struct SimulatedClock {
    /// What the oscillator does by itself.
    own: Frequency,
    /// What it has been told to do.
    correction: Frequency,
    /// System minus true time at `at`.
    error: NtpDuration,
    at: MonoTime,
}

impl SimulatedClock {
    /// A clock that is `error` ahead and gains `own`.
    pub const fn new(error: NtpDuration, own: Frequency) -> Self {
        Self { own, correction: Frequency::ZERO, error, at: MonoTime::ZERO }
    }

    /// True time at `now`.
    pub fn true_time(now: MonoTime) -> NtpTimestamp {
        NtpTimestamp::from_unix(UnixTime::new(BEGINNING, 0)) + now.diff(MonoTime::ZERO)
    }

    /// System minus true time at `now`.
    pub fn error(&self, now: MonoTime) -> NtpDuration {
        self.error + (self.own + self.correction).over(now.since(self.at))
    }

    /// Both clocks at `now`.
    pub fn read(&self, now: MonoTime) -> Reading {
        Reading { mono: now, system: Self::true_time(now) + self.error(now) }
    }

    /// Runs with another correction from `now` on.
    pub fn set_frequency(&mut self, correction: Frequency, now: MonoTime) {
        self.error = self.error(now);
        self.at = now;
        self.correction = correction;
    }

    /// Steps.
    pub fn step(&mut self, offset: NtpDuration) {
        self.error += offset;
    }
}
