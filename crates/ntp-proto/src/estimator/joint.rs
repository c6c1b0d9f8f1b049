//! One filter over all sources: lead, frequency, and a bias for each path.

use core::time::Duration;

use crate::association::AssociationId;
use crate::time::MonoTime;

use super::Fit;
use super::likelihood::{Belief, Interval, uniform};
use super::path::PathView;

/// Wander of the oscillator's frequency, in s/s per square root of a second: that of a computer's
/// crystal in a room. A bank of models learns it in the full discipline.
const WANDER: f64 = 1e-8;
/// White frequency noise, s^2/s.
const WHITE_FREQUENCY: f64 = 1e-18;
/// Prior standard deviation of a path's bias, as a share of its round trip.
const BIAS_SHARE: f64 = 0.03;
/// How much of a route's jump its bias may have taken.
const JUMP_SHARE: f64 = 0.5;
/// Prior probability that a sample means nothing at all.
const OUTLIER: f64 = 1e-3;
/// How much older than the newest sample another may be; its error is what drifts in that time.
const LATENESS_MAX: Duration = Duration::from_millis(100);
/// Index of the lead in the state.
const LEAD: usize = 0;
/// Index of the frequency in the state.
const RATE: usize = 1;
/// Where the biases begin.
const BIASES: usize = 2;

/// One exchange, ready for the filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    pub(super) source: AssociationId,
    pub(super) at: MonoTime,
    /// The lead it suggests, were the path symmetric and idle.
    pub(super) middle: f64,
    pub(super) view: PathView,
}

/// Mean and covariance of (lead, frequency, bias of each source).
#[derive(Clone, Debug)]
pub(super) struct JointFilter {
    at: MonoTime,
    mean: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    sources: Vec<AssociationId>,
    /// The residual and time of an outlier that awaits confirmation.
    suspicion: Option<(f64, MonoTime)>,
}

impl JointFilter {
    pub(super) fn new(at: MonoTime, frequency: f64, frequency_deviation: f64) -> Self {
        Self {
            at,
            mean: vec![0.0, frequency],
            covariance: vec![vec![1.0, 0.0], vec![0.0, frequency_deviation.powi(2)]],
            sources: Vec::new(),
            suspicion: None,
        }
    }

    /// Updates on one exchange. `None` if it is older than what is known already, or not finite.
    pub(super) fn observe(&mut self, observation: &Observation) -> Option<Fit> {
        // Answers that arrive together are read in the order of their sockets, not of their stamps:
        // what is only a little late counts as simultaneous.
        if observation.at + LATENESS_MAX < self.at || !observation.middle.is_finite() {
            return None;
        }
        self.propagate(observation.at.max(self.at));
        let bias = self.bias_index(observation);
        let doubt = (JUMP_SHARE * observation.view.jump).powi(2);
        if observation.view.new_path {
            // The earlier packets were queued, and by up to this much the lead was misjudged.
            self.covariance[LEAD][LEAD] += doubt;
        } else {
            self.covariance[bias][bias] += doubt;
        }
        // Covariance of the state with lead + bias, the quantity that is measured.
        let gain: Vec<f64> = self.covariance.iter().map(|row| row[LEAD] + row[bias]).collect();
        let variance = (gain[LEAD] + gain[bias]).max(1e-30);
        let prior = Belief { mean: self.mean[LEAD] + self.mean[bias], variance };
        let (posterior, outlier) = mixture(prior, observation);
        self.correct(&gain, prior, posterior);
        self.repair();
        Some(self.react(observation, prior, outlier))
    }

    /// Drops a source: its bias is marginalised away.
    pub(super) fn forget(&mut self, source: AssociationId) {
        if let Some(position) = self.sources.iter().position(|known| *known == source) {
            self.sources.remove(position);
            self.mean.remove(BIASES + position);
            self.covariance.remove(BIASES + position);
            for row in &mut self.covariance {
                row.remove(BIASES + position);
            }
        }
    }

    /// Lead, frequency and their variances, carried forward to `now`.
    pub(super) fn project(&self, now: MonoTime) -> (f64, f64, f64, f64) {
        let span = now.since(self.at).as_secs_f64();
        let (lead_variance, rate_variance) = (self.covariance[LEAD][LEAD], self.covariance[RATE][RATE]);
        let projected = lead_variance
            + 2.0 * span * self.covariance[LEAD][RATE]
            + span.powi(2) * rate_variance
            + WANDER.powi(2) * span.powi(3) / 3.0;
        let lead = self.mean[LEAD] + self.mean[RATE] * span;
        (lead, self.mean[RATE], projected.max(0.0), rate_variance.max(0.0))
    }

    /// The lead may be off by `doubt`, for a reason that has nothing to do with its past.
    pub(super) fn widen(&mut self, doubt: f64) {
        self.covariance[LEAD][LEAD] += doubt.powi(2);
    }

    pub(super) fn lead(&self) -> f64 {
        self.mean[LEAD]
    }

    pub(super) fn shift_lead(&mut self, by: f64) {
        self.mean[LEAD] += by;
    }

    /// Lets time pass: the lead grows with the frequency, the frequency wanders.
    fn propagate(&mut self, to: MonoTime) {
        let span = to.since(self.at).as_secs_f64();
        self.at = to;
        self.mean[LEAD] += self.mean[RATE] * span;
        for column in 0..self.mean.len() {
            self.covariance[LEAD][column] += span * self.covariance[RATE][column];
        }
        for row in &mut self.covariance {
            row[LEAD] += span * row[RATE];
        }
        let wander = WANDER.powi(2);
        self.covariance[LEAD][LEAD] += wander * span.powi(3) / 3.0 + WHITE_FREQUENCY * span;
        self.covariance[LEAD][RATE] += wander * span.powi(2) / 2.0;
        self.covariance[RATE][LEAD] += wander * span.powi(2) / 2.0;
        self.covariance[RATE][RATE] += wander * span;
    }

    /// Where this source's bias stands in the state; a new source gets a place.
    fn bias_index(&mut self, observation: &Observation) -> usize {
        if let Some(position) = self.sources.iter().position(|known| *known == observation.source) {
            return BIASES + position;
        }
        self.sources.push(observation.source);
        self.mean.push(0.0);
        for row in &mut self.covariance {
            row.push(0.0);
        }
        let mut row = vec![0.0; self.mean.len()];
        if let Some(last) = row.last_mut() {
            *last = (BIAS_SHARE * observation.view.round_trip).powi(2).max(1e-18);
        }
        self.covariance.push(row);
        self.mean.len() - 1
    }

    /// Moves the state so that lead + bias has the posterior's mean and variance.
    fn correct(&mut self, gain: &[f64], prior: Belief, posterior: Belief) {
        let shift = (posterior.mean - prior.mean) / prior.variance;
        let shrink = (posterior.variance - prior.variance) / prior.variance.powi(2);
        for (value, weight) in self.mean.iter_mut().zip(gain) {
            *value += weight * shift;
        }
        for (row, left) in self.covariance.iter_mut().zip(gain) {
            for (cell, right) in row.iter_mut().zip(gain) {
                *cell += left * right * shrink;
            }
        }
    }

    /// Keeps the covariance symmetric with a positive diagonal, against rounding.
    fn repair(&mut self) {
        for row in 0..self.mean.len() {
            for column in 0..row {
                let middle = f64::midpoint(self.covariance[row][column], self.covariance[column][row]);
                self.covariance[row][column] = middle;
                self.covariance[column][row] = middle;
            }
            self.covariance[row][row] = self.covariance[row][row].max(1e-30);
        }
    }

    /// Two outliers that agree mean that the clock jumped: widens the belief so that it can follow.
    fn react(&mut self, observation: &Observation, prior: Belief, outlier: f64) -> Fit {
        if outlier < 0.7 || observation.view.suspect {
            self.suspicion = None;
            return Fit { expected: outlier < 0.5, verify: false };
        }
        let residual = observation.middle - prior.mean;
        let confirmed = self.suspicion.filter(|(first, _)| (residual - first).abs() < residual.abs() / 2.0);
        if let Some((_, since)) = confirmed {
            let span = observation.at.since(since).as_secs_f64().max(16.0);
            self.covariance[LEAD][LEAD] += residual.powi(2);
            self.covariance[RATE][RATE] += (residual / (4.0 * span)).powi(2).min(1e-8);
            self.suspicion = None;
        } else {
            self.suspicion = Some((residual, observation.at));
        }
        Fit { expected: false, verify: true }
    }
}

/// The posterior of lead + bias, weighing the interval against the chance that the sample means
/// nothing; with the posterior probability of the latter.
fn mixture(prior: Belief, observation: &Observation) -> (Belief, f64) {
    let view = &observation.view;
    let interval =
        Interval { middle: observation.middle, width: view.width, edge_variance: view.edge_variance };
    let inside = uniform(prior, &interval);
    let spread = 10.0 * view.width + 20.0 * (prior.variance + view.edge_variance).sqrt();
    let weight_out = OUTLIER / spread;
    let weight_in = (1.0 - OUTLIER) * inside.evidence;
    let outlier = weight_out / (weight_in + weight_out);
    let mean = (1.0 - outlier) * inside.belief.mean + outlier * prior.mean;
    let variance = (1.0 - outlier) * (inside.belief.variance + (inside.belief.mean - mean).powi(2))
        + outlier * (prior.variance + (prior.mean - mean).powi(2));
    (Belief { mean, variance }, outlier)
}
