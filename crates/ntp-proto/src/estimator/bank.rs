//! A bank of Kalman filters, alike but for how fast they let the frequency wander; what fits best
//! has the most say.
//!
//! The state is the clock's lead, its frequency, and a bias for each path that takes part. Each
//! model assumes another wander, from an oven's to that of a crystal in a draught; between samples
//! the truth may pass from one model to another (an interacting multiple model filter).

use crate::time::{Frequency, MonoTime};

use super::likelihood::{Belief, Interval, Jitter};
use super::path::PathView;
use super::shapes::{PathShapes, SHAPE_COUNT, Verdict};

/// Models in the bank.
pub(super) const MODELS: usize = 8;

/// Wander of each model's frequency, in s/s per square root of a second.
const WANDER: [f64; MODELS] = [1e-10, 3.16e-10, 1e-9, 3.16e-9, 1e-8, 3.16e-8, 1e-7, 1e-6];

/// White frequency noise, s^2/s.
const WHITE_FREQUENCY: f64 = 1e-18;

/// Probability that the truth passes to a neighbouring model between two samples, and to any other.
const TO_NEIGHBOUR: f64 = 0.003;
const TO_ANY: f64 = 2e-5;

/// The least weight of a model: it must be able to come back.
const WEIGHT_MIN: f64 = 1e-9;

/// A model that contributes less than this to another is not mixed into it.
const SHARE_MIN: f64 = 1e-12;

/// Posterior probability above which a sample is not what was expected.
const OUTLIER_FROM: f64 = 0.5;

/// The same by the models as they were weighted before: beyond it, only a wander that nobody has
/// suspected so far accounts for the sample.
const SURPRISING_FROM: f64 = 0.5;

/// The smallest variance that a state may have.
const VARIANCE_MIN: f64 = 1e-30;

/// Index of the lead in the state.
const LEAD: usize = 0;
/// Index of the frequency in the state.
const RATE: usize = 1;
/// Where the biases begin.
pub(super) const BIASES: usize = 2;

/// How many standard deviations what is known from elsewhere may lie from what is measured.
const BELIEVED_MAX: f64 = 4.0;

/// Mean and covariance of (lead, frequency).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    pub(super) lead: f64,
    pub(super) rate: f64,
    pub(super) lead_variance: f64,
    pub(super) covariance: f64,
    pub(super) rate_variance: f64,
}

/// What an exchange says, ready for a bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    pub(super) at: MonoTime,
    /// The lead that it suggests, were the path symmetric and idle.
    pub(super) middle: f64,
    pub(super) view: PathView,
}

/// What a bank made of an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lesson {
    /// Posterior probability that the sample means nothing.
    pub(super) outlier: f64,
    /// It may mean that the oscillator wanders faster than was thought.
    pub(super) wanders: bool,
    /// How far the sample lay from what was expected.
    pub(super) residual: f64,
    /// Variance of the quantity measured, before and after.
    pub(super) variance_before: f64,
    pub(super) variance_after: f64,
}

/// The bank.
#[derive(Clone, Debug)]
pub(super) struct Bank {
    at: MonoTime,
    dimension: usize,
    /// One mean after the other.
    means: Vec<f64>,
    /// One covariance after the other, each by rows.
    covariances: Vec<f64>,
    weights: [f64; MODELS],
    /// Lead and frequency as they were last known to be numbers.
    last: (f64, f64),
    /// Room for mixing, so that no sample allocates.
    mixed_means: Vec<f64>,
    mixed_covariances: Vec<f64>,
}

impl Lesson {
    /// Whether the sample lay where it was expected.
    pub(super) const fn was_expected(&self) -> bool {
        self.outlier < OUTLIER_FROM
    }
}

impl Moments {
    /// Standard deviation of the frequency.
    pub(super) fn rate_deviation(&self) -> Frequency {
        Frequency::from_ratio(self.rate_variance.max(0.0).sqrt())
    }
}

impl Bank {
    /// A bank whose models all believe the same, and of which none is likelier than another.
    pub(super) fn new(at: MonoTime, moments: &Moments) -> Self {
        let Moments { lead, rate, lead_variance, covariance, rate_variance } = *moments;
        let mut bank = Self {
            at,
            dimension: BIASES,
            means: [lead, rate].repeat(MODELS),
            covariances: [lead_variance, covariance, covariance, rate_variance].repeat(MODELS),
            weights: [1.0; MODELS],
            last: (lead, rate),
            mixed_means: vec![0.0; MODELS * BIASES],
            mixed_covariances: vec![0.0; MODELS * BIASES * BIASES],
        };
        bank.normalise();
        bank
    }

    /// Begins a joint filter with what one source's own filter has learnt: that measures lead plus bias,
    /// of which the bias is unknown within `deviation`. Returns the bias's index.
    pub(super) fn split_bias(&mut self, deviation: f64) -> usize {
        let bias = self.add_bias(deviation);
        let variance = deviation.powi(2);
        for model in 0..MODELS {
            *self.covariance_mut(model, LEAD, LEAD) += variance;
            *self.covariance_mut(model, LEAD, bias) = -variance;
            *self.covariance_mut(model, bias, LEAD) = -variance;
        }
        bias
    }

    /// Tempers the models' weights with what an earlier run has learnt of them.
    pub(super) fn weigh(&mut self, weights: &[f64; MODELS]) {
        for (own, remembered) in self.weights.iter_mut().zip(weights) {
            *own *= remembered;
        }
        self.normalise();
    }

    /// Adds a path's bias to the state, unknown within `deviation`; returns its index.
    pub(super) fn add_bias(&mut self, deviation: f64) -> usize {
        let (old, new) = (self.dimension, self.dimension + 1);
        let mut means = vec![0.0; MODELS * new];
        let mut covariances = vec![0.0; MODELS * new * new];
        for model in 0..MODELS {
            for row in 0..old {
                means[model * new + row] = self.means[model * old + row];
                for column in 0..old {
                    covariances[(model * new + row) * new + column] =
                        self.covariances[(model * old + row) * old + column];
                }
            }
            covariances[(model * new + old) * new + old] = deviation.powi(2).max(1e-18);
        }
        self.resize(new, means, covariances);
        old
    }

    /// Takes a path's bias out of the state: what it taught of the others stays.
    pub(super) fn remove_bias(&mut self, bias: usize) {
        let (old, new) = (self.dimension, self.dimension - 1);
        let keep: Vec<usize> = (0..old).filter(|index| *index != bias).collect();
        let mut means = Vec::with_capacity(MODELS * new);
        let mut covariances = Vec::with_capacity(MODELS * new * new);
        for model in 0..MODELS {
            means.extend(keep.iter().map(|row| self.means[model * old + row]));
            for row in &keep {
                let start = (model * old + row) * old;
                covariances.extend(keep.iter().map(|column| self.covariances[start + column]));
            }
        }
        self.resize(new, means, covariances);
    }

    fn resize(&mut self, dimension: usize, means: Vec<f64>, covariances: Vec<f64>) {
        self.dimension = dimension;
        self.mixed_means = vec![0.0; means.len()];
        self.mixed_covariances = vec![0.0; covariances.len()];
        self.means = means;
        self.covariances = covariances;
    }

    /// Lets time pass, up to `to`; does nothing if that is not later.
    pub(super) fn advance(&mut self, to: MonoTime) {
        let span = to.since(self.at).as_secs_f64();
        if span > 0.0 {
            self.at = to;
            self.mix();
            self.propagate(span);
        }
    }

    /// Updates on one exchange over the path with that bias; the solo filters have none. Where outliers
    /// are `refused`, one leaves everything as it was: even the share of it that might mean something
    /// would let the next one in.
    pub(super) fn learn(
        &mut self,
        bias: Option<usize>,
        evidence: &Evidence,
        shapes: &mut PathShapes,
        refused: bool,
    ) -> Lesson {
        let view = &evidence.view;
        let interval =
            Interval { middle: evidence.middle, width: view.width, edge_variance: view.edge_variance };
        let jitter = Jitter { scale: view.scale, median: view.median, residual: shapes.residual() };
        let verdicts = core::array::from_fn::<Verdict, MODELS, _>(|model| {
            shapes.weigh(self.measured(model, bias), &interval, &jitter, view.suspect)
        });
        let shape_evidence = shape_evidence(&verdicts, &self.weights);
        let averaged = |pick: fn(&Verdict) -> f64, weights: &[f64; MODELS]| -> f64 {
            verdicts.iter().zip(weights).map(|(verdict, weight)| weight * pick(verdict)).sum()
        };
        let expected = averaged(|verdict| verdict.prior.mean, &self.weights);
        let variance_before = averaged(|verdict| verdict.prior.variance, &self.weights);
        let weights_before = self.weights;
        let surprise = averaged(|verdict| verdict.outlier, &weights_before);
        let highest = verdicts.iter().map(|verdict| verdict.ln_total).fold(f64::MIN, f64::max);
        for (weight, verdict) in self.weights.iter_mut().zip(&verdicts) {
            *weight *= (verdict.ln_total - highest).exp();
        }
        self.normalise();
        let outlier = averaged(|verdict| verdict.outlier, &self.weights);
        let residual = evidence.middle - expected;
        let wanders = outlier <= OUTLIER_FROM;
        if refused && (!wanders || surprise > SURPRISING_FROM) {
            self.weights = weights_before;
            let outlier = outlier.max(surprise);
            return Lesson { outlier, wanders, residual, variance_before, variance_after: variance_before };
        }
        for (model, verdict) in verdicts.iter().enumerate() {
            self.correct(model, bias, verdict.prior, verdict.belief);
        }
        let after = self.measured_mixture(bias);
        if !view.suspect {
            shapes.learn(&shape_evidence, evidence.middle - after.mean, after.variance);
        }
        self.repair();
        Lesson { outlier, wanders, residual, variance_before, variance_after: after.variance }
    }

    /// The lead may be off by `deviation`, for a reason that has nothing to do with its past.
    pub(super) fn widen_lead(&mut self, deviation: f64) {
        self.widen(LEAD, deviation);
    }

    /// The lead cannot be off by more than `deviation`.
    pub(super) fn narrow_lead(&mut self, deviation: f64) {
        for model in 0..MODELS {
            let share = (deviation.powi(2) / *self.covariance_mut(model, LEAD, LEAD)).sqrt();
            if share < 1.0 {
                // Rows and columns alike, so that it stays a covariance.
                for other in 0..self.dimension {
                    *self.covariance_mut(model, LEAD, other) *= share;
                    *self.covariance_mut(model, other, LEAD) *= share;
                }
            }
        }
    }

    /// The lead is known from elsewhere, within `deviation`; unless what has been measured speaks against it.
    pub(super) fn believe_lead(&mut self, mean: f64, deviation: f64) {
        let moments = self.moments();
        let spread = (moments.lead_variance + deviation.powi(2)).sqrt();
        if (mean - moments.lead).abs() > BELIEVED_MAX * spread {
            return;
        }
        for model in 0..MODELS {
            let variance = *self.covariance_mut(model, LEAD, LEAD) + deviation.powi(2);
            let innovation = mean - self.means[model * self.dimension + LEAD];
            let row: Vec<f64> =
                (0..self.dimension).map(|other| *self.covariance_mut(model, LEAD, other)).collect();
            for (one, gain) in row.iter().enumerate() {
                self.means[model * self.dimension + one] += gain / variance * innovation;
                for (other, covariance) in row.iter().enumerate() {
                    *self.covariance_mut(model, one, other) -= gain / variance * covariance;
                }
            }
        }
    }

    /// The frequency may be off by `deviation`.
    pub(super) fn widen_rate(&mut self, deviation: f64) {
        self.widen(RATE, deviation);
    }

    /// A path's bias may be off by `deviation`.
    pub(super) fn widen(&mut self, state: usize, deviation: f64) {
        for model in 0..MODELS {
            *self.covariance_mut(model, state, state) += deviation.powi(2);
        }
    }

    /// A path has gone back to a route that was known: its bias is what it was then, and what was
    /// learnt of it since counts half.
    pub(super) fn recall_bias(&mut self, bias: usize, mean: f64) {
        for model in 0..MODELS {
            self.means[model * self.dimension + bias] = mean;
            for other in 0..self.dimension {
                *self.covariance_mut(model, bias, other) *= 0.5;
                *self.covariance_mut(model, other, bias) *= 0.5;
            }
        }
    }

    /// So much of what was taken for lead is the path's bias.
    pub(super) fn move_to_bias(&mut self, bias: usize, by: f64) {
        self.shift_bias(bias, by);
        self.shift_lead(-by);
    }

    /// The path's bias is larger by so much than it was taken for.
    pub(super) fn shift_bias(&mut self, bias: usize, by: f64) {
        for model in 0..MODELS {
            self.means[model * self.dimension + bias] += by;
        }
    }

    /// Standard deviation of a path's bias.
    pub(super) fn bias_deviation(&self, bias: usize) -> f64 {
        let place = bias * self.dimension + bias;
        let size = self.dimension * self.dimension;
        let variance = |model: usize| self.covariances[model * size + place] * self.weights[model];
        (0..MODELS).map(variance).sum::<f64>().max(0.0).sqrt()
    }

    /// The mean of a path's bias.
    pub(super) fn bias(&self, bias: usize) -> f64 {
        (0..MODELS).map(|model| self.weights[model] * self.means[model * self.dimension + bias]).sum()
    }

    /// Moves the origin that leads are counted from.
    pub(super) fn shift_lead(&mut self, by: f64) {
        self.last.0 += by;
        for model in 0..MODELS {
            self.means[model * self.dimension + LEAD] += by;
        }
    }

    /// Lead and frequency now, as the models together see them.
    pub(super) fn moments(&self) -> Moments {
        let mean = |state: usize| -> f64 {
            (0..MODELS).map(|model| self.weights[model] * self.means[model * self.dimension + state]).sum()
        };
        let (lead, rate) = (mean(LEAD), mean(RATE));
        let mut moments = Moments { lead, rate, lead_variance: 0.0, covariance: 0.0, rate_variance: 0.0 };
        for model in 0..MODELS {
            let weight = self.weights[model];
            let off_lead = self.means[model * self.dimension + LEAD] - lead;
            let off_rate = self.means[model * self.dimension + RATE] - rate;
            moments.lead_variance += weight * (self.covariance(model, LEAD, LEAD) + off_lead * off_lead);
            moments.covariance += weight * (self.covariance(model, LEAD, RATE) + off_lead * off_rate);
            moments.rate_variance += weight * (self.covariance(model, RATE, RATE) + off_rate * off_rate);
        }
        moments
    }

    /// The same carried forward to `now`.
    pub(super) fn project(&self, now: MonoTime) -> Moments {
        let span = now.since(self.at).as_secs_f64();
        let here = self.moments();
        let wander = self.wander_variance();
        Moments {
            lead: here.lead + here.rate * span,
            rate: here.rate,
            lead_variance: here.lead_variance
                + 2.0 * span * here.covariance
                + span.powi(2) * here.rate_variance
                + wander * span.powi(3) / 3.0,
            covariance: here.covariance + span * here.rate_variance + wander * span.powi(2) / 2.0,
            rate_variance: here.rate_variance + wander * span,
        }
    }

    /// What is measured over a path, as the models together see it.
    pub(super) fn measured_mixture(&self, bias: Option<usize>) -> Belief {
        let beliefs = core::array::from_fn::<Belief, MODELS, _>(|model| self.measured(model, bias));
        let mean: f64 = beliefs.iter().zip(&self.weights).map(|(belief, weight)| weight * belief.mean).sum();
        let spread = |belief: &Belief| belief.variance + (belief.mean - mean).powi(2);
        let variance =
            beliefs.iter().zip(&self.weights).map(|(belief, weight)| weight * spread(belief)).sum();
        Belief { mean, variance }
    }

    /// The variance of the frequency's wander in a second that the models together believe in.
    pub(super) fn wander_variance(&self) -> f64 {
        self.weights.iter().zip(&WANDER).map(|(weight, wander)| weight * wander * wander).sum()
    }

    /// How much each model has to say.
    pub(super) const fn weights(&self) -> &[f64; MODELS] {
        &self.weights
    }

    /// Until when time has passed.
    pub(super) const fn at(&self) -> MonoTime {
        self.at
    }

    /// Whether every number is one.
    pub(super) fn is_finite(&self) -> bool {
        let all = [self.means.as_slice(), &self.covariances, &self.weights];
        all.iter().all(|numbers| numbers.iter().all(|number| number.is_finite()))
    }

    /// Bytes on the heap.
    pub(super) const fn heap_size(&self) -> usize {
        let numbers = self.means.capacity()
            + self.covariances.capacity()
            + self.mixed_means.capacity()
            + self.mixed_covariances.capacity();
        numbers * size_of::<f64>()
    }

    /// The truth may have passed from one model to another: each takes over from the others what
    /// they would bring along.
    fn mix(&mut self) {
        let mut weights = [0.0; MODELS];
        for (into, weight) in weights.iter_mut().enumerate() {
            *weight = (0..MODELS).map(|from| self.weights[from] * transition(from, into)).sum();
        }
        self.mixed_means.fill(0.0);
        self.mixed_covariances.fill(0.0);
        for (into, weight) in weights.iter().enumerate() {
            let shares = core::array::from_fn::<f64, MODELS, _>(|from| {
                self.weights[from] * transition(from, into) / weight
            });
            for (from, share) in shares.into_iter().enumerate().filter(|(_, share)| *share > SHARE_MIN) {
                self.mix_mean(from, into, share);
            }
            for (from, share) in shares.into_iter().enumerate().filter(|(_, share)| *share > SHARE_MIN) {
                self.mix_covariance(from, into, share);
            }
        }
        core::mem::swap(&mut self.means, &mut self.mixed_means);
        core::mem::swap(&mut self.covariances, &mut self.mixed_covariances);
        self.weights = weights;
        self.normalise();
    }

    fn mix_mean(&mut self, from: usize, into: usize, share: f64) {
        let size = self.dimension;
        let source = &self.means[from * size..(from + 1) * size];
        let target = &mut self.mixed_means[into * size..(into + 1) * size];
        for (mixed, value) in target.iter_mut().zip(source) {
            *mixed += share * value;
        }
    }

    fn mix_covariance(&mut self, from: usize, into: usize, share: f64) {
        let size = self.dimension;
        let (means, mixed) = (&self.means[from * size..], &self.mixed_means[into * size..]);
        for row in 0..size {
            let off_row = means[row] - mixed[row];
            let start = row * size;
            let source = &self.covariances[from * size * size + start..];
            let target = &mut self.mixed_covariances[into * size * size + start..];
            for column in 0..size {
                target[column] += share * (source[column] + off_row * (means[column] - mixed[column]));
            }
        }
    }

    /// The lead grows with the frequency, and the frequency wanders.
    fn propagate(&mut self, span: f64) {
        for (model, wander) in WANDER.iter().enumerate() {
            let size = self.dimension;
            self.means[model * size + LEAD] += self.means[model * size + RATE] * span;
            let covariance = &mut self.covariances[model * size * size..(model + 1) * size * size];
            for column in 0..size {
                covariance[LEAD * size + column] += span * covariance[RATE * size + column];
            }
            for row in 0..size {
                covariance[row * size + LEAD] += span * covariance[row * size + RATE];
            }
            let variance = wander * wander;
            covariance[LEAD * size + LEAD] += variance * span.powi(3) / 3.0 + WHITE_FREQUENCY * span;
            covariance[LEAD * size + RATE] += variance * span.powi(2) / 2.0;
            covariance[RATE * size + LEAD] += variance * span.powi(2) / 2.0;
            covariance[RATE * size + RATE] += variance * span;
        }
    }

    /// What one model believes of the quantity that is measured over a path: lead plus bias.
    fn measured(&self, model: usize, bias: Option<usize>) -> Belief {
        let mean = self.means[model * self.dimension + LEAD];
        let variance = self.covariance(model, LEAD, LEAD);
        let belief = match bias {
            None => Belief { mean, variance },
            Some(bias) => Belief {
                mean: mean + self.means[model * self.dimension + bias],
                variance: variance
                    + 2.0 * self.covariance(model, LEAD, bias)
                    + self.covariance(model, bias, bias),
            },
        };
        Belief { variance: belief.variance.max(VARIANCE_MIN), ..belief }
    }

    /// Moves a model's state so that the measured quantity has the posterior's moments.
    fn correct(&mut self, model: usize, bias: Option<usize>, prior: Belief, posterior: Belief) {
        let size = self.dimension;
        let shift = (posterior.mean - prior.mean) / prior.variance;
        let shrink = (posterior.variance - prior.variance) / prior.variance.powi(2);
        // Covariance of each state with the measured quantity, kept beside the mixing's room.
        for row in 0..size {
            let along = self.covariance(model, row, LEAD);
            let across = bias.map_or(0.0, |bias| self.covariance(model, row, bias));
            self.mixed_means[row] = along + across;
        }
        for row in 0..size {
            self.means[model * size + row] += self.mixed_means[row] * shift;
            for column in 0..size {
                self.covariances[(model * size + row) * size + column] +=
                    self.mixed_means[row] * self.mixed_means[column] * shrink;
            }
        }
    }

    fn normalise(&mut self) {
        let total: f64 = self.weights.iter().sum();
        for weight in &mut self.weights {
            *weight = (*weight / total).max(WEIGHT_MIN);
        }
    }

    /// Keeps covariances symmetric with a positive diagonal against rounding, and starts over from
    /// the frequency if any number is none.
    fn repair(&mut self) {
        for model in 0..MODELS {
            for row in 0..self.dimension {
                for column in 0..row {
                    let middle = f64::midpoint(
                        self.covariance(model, row, column),
                        self.covariance(model, column, row),
                    );
                    *self.covariance_mut(model, row, column) = middle;
                    *self.covariance_mut(model, column, row) = middle;
                }
                let variance = self.covariance_mut(model, row, row);
                *variance = variance.max(VARIANCE_MIN);
            }
        }
        if self.is_finite() {
            let moments = self.moments();
            self.last = (moments.lead, moments.rate);
        } else {
            self.reset();
        }
    }

    /// Forgets everything but the last good lead and frequency, and the room for its paths.
    fn reset(&mut self) {
        let size = self.dimension;
        self.means.fill(0.0);
        self.covariances.fill(0.0);
        self.weights = [1.0; MODELS];
        self.normalise();
        let (lead, rate) = self.last;
        for model in 0..MODELS {
            self.means[model * size + LEAD] = lead;
            self.means[model * size + RATE] = rate;
            for state in 0..size {
                *self.covariance_mut(model, state, state) = if state == RATE { 1e-10 } else { 1.0 };
            }
        }
    }

    /// The least pivot of a model's covariance, each in units of its own variance: negative if there is
    /// a direction of negative variance.
    #[cfg(test)]
    pub(super) fn least_pivot(&self, model: usize) -> f64 {
        let size = self.dimension;
        let mut rest: Vec<Vec<f64>> = (0..size)
            .map(|row| (0..size).map(|column| self.covariance(model, row, column)).collect())
            .collect();
        let mut least = f64::INFINITY;
        for pivot in 0..size {
            let value = rest[pivot][pivot];
            least = least.min(value / self.covariance(model, pivot, pivot));
            for row in pivot + 1..size {
                let factor = if value > 0.0 { rest[row][pivot] / value } else { 0.0 };
                let (above, below) = rest.split_at_mut(row);
                for (cell, over) in below[0].iter_mut().zip(&above[pivot]).skip(pivot + 1) {
                    *cell -= factor * over;
                }
            }
        }
        least
    }

    fn covariance(&self, model: usize, row: usize, column: usize) -> f64 {
        self.covariances[(model * self.dimension + row) * self.dimension + column]
    }

    fn covariance_mut(&mut self, model: usize, row: usize, column: usize) -> &mut f64 {
        let index = (model * self.dimension + row) * self.dimension + column;
        &mut self.covariances[index]
    }
}

/// Probability that the truth passes from one model to another between two samples.
const fn transition(from: usize, into: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "eight")]
    let others = (MODELS - 1) as f64;
    let ends = if from == 0 || from == MODELS - 1 { 1.0 } else { 2.0 };
    match from.abs_diff(into) {
        0 => 1.0 - ends * TO_NEIGHBOUR - others * TO_ANY,
        1 => TO_NEIGHBOUR + TO_ANY,
        _ => TO_ANY,
    }
}

/// Evidence for each shape from all models, up to a common factor.
fn shape_evidence(verdicts: &[Verdict; MODELS], weights: &[f64; MODELS]) -> [f64; SHAPE_COUNT] {
    let highest = verdicts.iter().flat_map(|verdict| verdict.ln_evidence).fold(f64::MIN, f64::max);
    core::array::from_fn(|shape| {
        let part =
            |(verdict, weight): (&Verdict, &f64)| weight * (verdict.ln_evidence[shape] - highest).exp();
        verdicts.iter().zip(weights).map(part).sum()
    })
}
