//! From exchanges to one estimate of the undisciplined clock.
//!
//! An exchange says two things: the clock cannot be further ahead than T4 - T3 minus the shortest
//! way back, and not further behind than T2 - T1 minus the shortest way there, because queues only
//! ever add. Between these bounds, for queues of exponential length, every offset is equally
//! likely; that *interval* is the likelihood used here, not a Gaussian around its middle.
//!
//! `path.rs` learns each path's shortest round trip and jitter, `likelihood.rs` turns bounds into
//! a posterior, `joint.rs` holds one filter over all sources with a bias for each path.
//! Estimates are `f64` seconds in this folder only.

mod joint;
mod likelihood;
mod path;

use alloc::collections::BTreeMap;

use crate::association::{AssociationId, Measurement};
use crate::time::{Frequency, MonoTime, NtpDuration, Precision};

use joint::{JointFilter, Observation};
use path::PathTracker;

/// What is known of the undisciplined clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// How far it is ahead of true time.
    pub lead: NtpDuration,
    /// How fast it gains on true time.
    pub frequency: Frequency,
    /// Standard deviation of `lead`, the unknowable asymmetry of the paths included.
    pub uncertainty: NtpDuration,
    /// Standard deviation of `frequency`.
    pub frequency_uncertainty: Frequency,
}

/// How a sample compared with what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The sample lay where the estimate and the path's jitter let expect it.
    pub expected: bool,
    /// The sample was so far off that another should confirm or refute it soon.
    pub verify: bool,
}

/// The joint estimate over all sources that are fed to it.
#[derive(Clone, Debug)]
pub struct Estimator {
    filter: Option<JointFilter>,
    /// Subtracted from every lead before it becomes an `f64`, so that microseconds keep their
    /// digits on a clock that is years off.
    origin: NtpDuration,
    paths: BTreeMap<AssociationId, PathTracker>,
    prior: Frequency,
    prior_deviation: Frequency,
    precision: Precision,
}

impl Estimator {
    /// Before any sample. `prior` is the frequency believed so far and `prior_deviation` how much
    /// it may be off; `precision` is the local clock's.
    pub const fn new(prior: Frequency, prior_deviation: Frequency, precision: Precision) -> Self {
        Self {
            filter: None,
            origin: NtpDuration::ZERO,
            paths: BTreeMap::new(),
            prior,
            prior_deviation,
            precision,
        }
    }

    /// Takes in one exchange with `source`. `None` if it could not be used: its time did not
    /// advance, or its numbers were not finite.
    pub fn observe(&mut self, source: AssociationId, sample: &Measurement) -> Option<Fit> {
        let filter = self.filter.get_or_insert_with(|| {
            self.origin = sample.lead();
            JointFilter::new(sample.at, self.prior.as_ratio(), self.prior_deviation.as_ratio())
        });
        let forward = (sample.forward + self.origin).as_seconds_f64();
        let backward = (sample.backward - self.origin).as_seconds_f64();
        let path = self.paths.entry(source).or_default();
        let floor = resolution_variance(self.precision, sample.precision);
        let view = path.observe(forward + backward, floor)?;
        let fit = filter.observe(&Observation {
            source,
            at: sample.at,
            middle: (backward - forward) / 2.0,
            view,
        })?;
        self.rebase();
        Some(fit)
    }

    /// The estimate, carried forward to `now`. `None` before the first sample.
    pub fn estimate(&self, now: MonoTime) -> Option<Estimate> {
        let (lead, frequency, variance, frequency_variance) = self.filter.as_ref()?.project(now);
        Some(Estimate {
            lead: NtpDuration::from_seconds_f64(lead) + self.origin,
            frequency: Frequency::from_ratio(frequency),
            uncertainty: NtpDuration::from_seconds_f64(variance.sqrt()),
            frequency_uncertainty: Frequency::from_ratio(frequency_variance.sqrt()),
        })
    }

    /// A source is no longer followed: what it taught stays, its path is forgotten.
    pub fn forget(&mut self, source: AssociationId) {
        self.paths.remove(&source);
        if let Some(filter) = &mut self.filter {
            filter.forget(source);
        }
    }

    /// Forgets everything but the frequency believed at first.
    pub fn restart(&mut self) {
        self.filter = None;
        self.paths.clear();
    }

    /// The lead may be off by `doubt`.
    pub fn widen(&mut self, doubt: NtpDuration) {
        if let Some(filter) = &mut self.filter {
            filter.widen(doubt.as_seconds_f64());
        }
    }

    /// Moves the origin along once the lead has grown past a second.
    fn rebase(&mut self) {
        if let Some(filter) = &mut self.filter
            && filter.lead().abs() > 1.0
        {
            let shift = NtpDuration::from_seconds_f64(filter.lead());
            filter.shift_lead(-shift.as_seconds_f64());
            self.origin += shift;
        }
    }
}

/// The variance that two clocks' resolutions add to an exchange, at least that of 50 ns.
fn resolution_variance(local: Precision, remote: Precision) -> f64 {
    let tick = |precision: Precision| precision.to_duration().as_seconds_f64().powi(2) / 12.0;
    (tick(local) + tick(remote)).max(50e-9_f64.powi(2))
}
