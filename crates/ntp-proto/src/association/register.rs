//! The last eight measurements of a source (RFC 5905 §10, the clock filter's register).
//!
//! They are what `ntpq` shows and what the majority check compares; the clock itself is steered by
//! the joint estimator.

use crate::time::{Frequency, MonoTime, NtpDuration};

use super::{Measurement, aging};

/// Stages of the register (RFC 5905 §7.2 NSTAGE).
pub const STAGES: usize = 8;

/// The dispersion of a stage that has no sample (RFC 5905 §7.2 MAXDISP).
const EMPTY_DISPERSION: NtpDuration = NtpDuration::from_seconds(16);

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterEntry {
    /// How far the undisciplined clock is ahead of the server.
    pub lead: NtpDuration,
    /// Round trip.
    pub delay: NtpDuration,
    /// The resolution of both clocks and what drifted during the round trip.
    pub dispersion: NtpDuration,
    /// When the answer arrived.
    pub at: MonoTime,
}

impl RegisterEntry {
    /// The lead carried to another moment, for a clock that gains at `rate`.
    pub fn lead_at(&self, moment: MonoTime, rate: Frequency) -> NtpDuration {
        if moment >= self.at {
            self.lead + rate.over(moment.since(self.at))
        } else {
            self.lead - rate.over(self.at.since(moment))
        }
    }
}

/// A ring of eight, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Register {
    entries: [Option<RegisterEntry>; STAGES],
}

impl Register {
    pub(super) fn push(&mut self, measurement: &Measurement) {
        self.entries.rotate_right(1);
        let delay = measurement.delay();
        if let Some(first) = self.entries.first_mut() {
            *first = Some(RegisterEntry {
                lead: measurement.lead(),
                delay,
                dispersion: measurement.precision.to_duration() + aging(delay.to_std()),
                at: measurement.at,
            });
        }
    }

    /// Empties every stage.
    pub(super) const fn clear(&mut self) {
        self.entries = [None; STAGES];
    }

    /// The entries, the newest first; `None` for stages not filled yet.
    pub const fn entries(&self) -> &[Option<RegisterEntry>; STAGES] {
        &self.entries
    }

    /// The newest entry.
    pub fn latest(&self) -> Option<&RegisterEntry> {
        self.entries.first().and_then(Option::as_ref)
    }

    /// The entry with the shortest round trip: the one least disturbed on its way.
    pub fn best(&self) -> Option<&RegisterEntry> {
        self.entries.iter().flatten().min_by_key(|entry| entry.delay)
    }

    /// RMS difference of the others from the best (RFC 5905 §10 psi); zero with fewer than two.
    /// `rate` is how fast the undisciplined clock gains: what it gained between two entries is
    /// drift, not jitter.
    pub fn jitter(&self, rate: Frequency) -> NtpDuration {
        let Some(best) = self.best() else { return NtpDuration::ZERO };
        let mut sum = 0.0;
        let mut others = -1.0;
        for entry in self.entries.iter().flatten() {
            sum += (entry.lead_at(best.at, rate) - best.lead).as_seconds_f64().powi(2);
            others += 1.0;
        }
        if others < 1.0 {
            return NtpDuration::ZERO;
        }
        NtpDuration::from_seconds_f64((sum / others).sqrt())
    }

    /// The filter dispersion (RFC 5905 §10 epsilon): stages by distance, weights halving; an empty
    /// stage counts 16 s.
    pub fn dispersion(&self, now: MonoTime) -> NtpDuration {
        let mut stages: [(NtpDuration, NtpDuration); STAGES] = [(NtpDuration::MAX, EMPTY_DISPERSION); STAGES];
        for (stage, entry) in stages.iter_mut().zip(self.entries.iter()) {
            if let Some(entry) = entry {
                let dispersion = entry.dispersion + aging(now.since(entry.at));
                *stage = (entry.delay.half() + dispersion, dispersion.min(EMPTY_DISPERSION));
            }
        }
        stages.sort_by_key(|(distance, _)| *distance);
        stages.iter().rev().fold(NtpDuration::ZERO, |sum, (_, dispersion)| (sum + *dispersion).half())
    }
}
