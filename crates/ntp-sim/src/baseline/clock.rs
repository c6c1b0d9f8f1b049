//! How the clock is corrected: the frequency by a weighted step, the offset by a slew whose area under
//! the curve is chosen, so that offsets of the estimate's own size take one and a half updates.

use std::time::Duration;

use ntp_proto::system::{Action, ClockRequest};
use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading};

use super::stats::SourceStats;

/// How long a correction of one deviation takes, in updates, doubled.
const CORRECTION_TIME_RATIO: f64 = 3.0;

/// The fastest slew, s/s.
const SLEW_MAX: f64 = 1.0 / 12.0;

/// The shortest and the longest slew, seconds.
const SLEW_TIME: (f64, f64) = (1.0, 1e4);

/// A frequency with a larger bound is not believed, s/s.
const SKEW_MAX: f64 = 1e-3;

/// What is assumed where no line can be drawn yet.
const SKEW_WORST: f64 = 2e-3;
const OFFSET_DEVIATION_WORST: f64 = 4.0;

/// The least that frequency and offset can be known to.
const SKEW_MIN: f64 = 1e-12;

/// Errors beyond this are stepped at the start (the usual `makestep 1 3`).
const STEP: f64 = 1.0;
const STEP_UPDATES: u32 = 3;

/// What the sources say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Update {
    /// How far the undisciplined clock is ahead, now.
    pub(super) offset: f64,
    pub(super) offset_deviation: f64,
    pub(super) frequency: f64,
    pub(super) frequency_deviation: f64,
    pub(super) skew: f64,
}

impl Update {
    /// What one source says.
    pub(super) fn of(stats: &SourceStats, now: f64) -> Self {
        let offset = stats.predict(now);
        stats.line().map_or(
            Self {
                offset,
                offset_deviation: OFFSET_DEVIATION_WORST,
                frequency: 0.0,
                frequency_deviation: SKEW_WORST,
                skew: SKEW_WORST,
            },
            |line| Self {
                offset,
                offset_deviation: line.offset_deviation,
                frequency: line.frequency,
                frequency_deviation: line.frequency_deviation.max(SKEW_MIN),
                skew: line.skew.max(SKEW_MIN),
            },
        )
    }
}

/// The corrections.
#[derive(Clone, Debug)]
pub(super) struct BaselineClock {
    /// The undisciplined clock when it began.
    anchor: Reading,
    /// The last moment at which both clocks were read.
    last: Reading,
    applied: Frequency,
    /// The frequency correction without slews, s/s.
    base: f64,
    skew: f64,
    updated: Option<MonoTime>,
    updates: u32,
    slew_ends: Option<MonoTime>,
}

impl BaselineClock {
    pub(super) const fn new(start: Reading) -> Self {
        Self {
            anchor: start,
            last: start,
            applied: Frequency::ZERO,
            base: 0.0,
            skew: 1.0,
            updated: None,
            updates: 0,
            slew_ends: None,
        }
    }

    /// The undisciplined time of a reading.
    pub(super) fn raw(&mut self, reading: Reading) -> NtpTimestamp {
        self.last = reading;
        self.anchor.system + reading.mono.diff(self.anchor.mono)
    }

    /// Seconds since the start on the undisciplined clock.
    pub(super) fn seconds(&self, at: MonoTime) -> f64 {
        at.diff(self.anchor.mono).as_seconds_f64()
    }

    /// Corrects; returns what to ask of the clock.
    pub(super) fn update(&mut self, now: MonoTime, update: &Update) -> Action {
        let raw = self.anchor.system + self.last.mono.diff(self.anchor.mono);
        let correction = (self.last.system - raw).as_seconds_f64()
            + self.applied.over(now.since(self.last.mono)).as_seconds_f64();
        let interval = self.updated.map_or(0.0, |updated| now.since(updated).as_secs_f64());
        self.updated = Some(now);
        self.updates = self.updates.saturating_add(1);
        self.correct_frequency(update);
        let error = update.offset + correction;
        if error.abs() > STEP && self.updates <= STEP_UPDATES {
            self.slew_ends = None;
            return Action::Steer(ClockRequest::Step(NtpDuration::from_seconds_f64(-error)));
        }
        let area = CORRECTION_TIME_RATIO * 0.5 * update.offset_deviation * interval;
        let length = (area / error.abs().max(1e-9)).clamp(SLEW_TIME.0, SLEW_TIME.1);
        let slew = (-error / length).clamp(-SLEW_MAX, SLEW_MAX);
        let needed =
            if slew == 0.0 { SLEW_TIME.1 } else { (error / slew).abs().clamp(SLEW_TIME.0, SLEW_TIME.1) };
        self.slew_ends = Some(now + Duration::from_secs_f64(needed));
        Action::Steer(ClockRequest::SetFrequency(Frequency::from_ratio(self.base + slew)))
    }

    /// The frequency moves by as much of what is measured as its bound is tighter than ours.
    fn correct_frequency(&mut self, update: &Update) {
        let measured = update.frequency + self.base;
        let gain = if update.skew > SKEW_MAX {
            0.0
        } else {
            let own = 3.0 * self.skew.powi(2);
            own / (own + update.skew.powi(2))
        };
        let step = gain * measured;
        let extra = (step.powi(2) * (1.0 - gain) + (measured - step).powi(2) * gain).sqrt();
        self.skew += gain * (update.skew - self.skew) + extra;
        self.base -= step;
    }

    /// If a slew has run its time: back to the frequency without it.
    pub(super) fn handle_timeout(&mut self, now: MonoTime) -> Option<Action> {
        self.slew_ends.filter(|end| *end <= now)?;
        self.slew_ends = None;
        Some(Action::Steer(ClockRequest::SetFrequency(Frequency::from_ratio(self.base))))
    }

    pub(super) const fn next_timeout(&self) -> Option<MonoTime> {
        self.slew_ends
    }

    /// The correction in force has changed.
    pub(super) const fn applied(&mut self, frequency: Frequency) {
        self.applied = frequency;
    }
}
