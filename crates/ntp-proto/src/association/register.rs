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

    /// The median difference between neighbours: the jitter of a register in which a clock may have
    /// jumped once; zero with fewer than two entries.
    pub fn usual_step(&self, rate: Frequency) -> NtpDuration {
        let mut steps = [NtpDuration::MAX; STAGES];
        let mut count = 0;
        for pair in self.entries.windows(2) {
            if let [Some(newer), Some(older)] = pair
                && let Some(step) = steps.get_mut(count)
            {
                *step = (newer.lead - older.lead_at(newer.at, rate)).abs();
                count += 1;
            }
        }
        steps.sort_unstable();
        if count == 0 { NtpDuration::ZERO } else { steps.get(count / 2).copied().unwrap_or_default() }
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

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn register(leads_ms: &[i32]) -> Register {
        let mut register = Register::default();
        for (entry, lead) in register.entries.iter_mut().zip(leads_ms) {
            *entry = Some(RegisterEntry {
                lead: NtpDuration::from_millis(*lead),
                delay: NtpDuration::from_millis(10),
                dispersion: NtpDuration::ZERO,
                at: MonoTime::ZERO,
            });
        }
        register
    }

    #[test]
    fn one_jump_is_jitter_but_no_usual_step() {
        let rate = Frequency::ZERO;
        for jumped in 1..8 {
            let leads: Vec<i32> = (0..8).map(|stage| if stage < jumped { 5000 } else { stage % 2 }).collect();
            let register = register(&leads);
            assert!(register.jitter(rate) > NtpDuration::from_seconds(1), "{leads:?}");
            assert!(register.usual_step(rate) <= NtpDuration::from_millis(1), "{leads:?}");
        }
        let wild = register(&[0, 3000, 0, 3000, 0, 3000, 0, 3000]);
        assert_eq!(wild.usual_step(rate), NtpDuration::from_seconds(3));
        assert_eq!(register(&[7]).usual_step(rate), NtpDuration::ZERO);
    }

    #[test]
    fn what_the_clock_gained_is_no_step() {
        let mut register = register(&[0, 0]);
        let [Some(newer), Some(older), ..] = &mut register.entries else { panic!() };
        newer.at = MonoTime::ZERO + Duration::from_secs(1000);
        newer.lead = older.lead + NtpDuration::from_millis(100);
        assert!(register.usual_step(Frequency::from_ppm(100.0)) < NtpDuration::from_micros(1));
        assert_eq!(register.usual_step(Frequency::ZERO), NtpDuration::from_millis(100));
    }
}
