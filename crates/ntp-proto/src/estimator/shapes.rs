//! Which likelihood fits a path: learnt from how well each has foretold its samples.

use super::likelihood::{Belief, Interval, Jitter, SHAPES, Shape, posterior};

/// Number of shapes.
pub(super) const SHAPE_COUNT: usize = SHAPES.len();

/// Weight of the plain interval at the start and after a change of route, which teaches a false tilt.
const UNIFORM_AT_FIRST: f64 = 0.7;

/// Probability that a path's shape is another one at the next sample.
const TRANSITION: f64 = 0.002;

/// Prior probability that a sample means nothing at all.
const OUTLIER: f64 = 1e-3;

/// The least share of a sample in the variance of the residuals.
const RESIDUAL_GAIN_MIN: f64 = 0.03;

/// A residual counts for no more than this many times the variance, once that is known.
const RESIDUAL_CLIP: f64 = 20.0;

/// Samples before residuals are clipped.
const RESIDUAL_FREE: u32 = 8;

/// A path's shapes with their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PathShapes {
    weights: [f64; SHAPE_COUNT],
    /// Which of them take part.
    active: [bool; SHAPE_COUNT],
    residual: f64,
    samples: u32,
}

/// What a belief becomes under all shapes together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) prior: Belief,
    pub(super) belief: Belief,
    /// Natural logarithm of each shape's evidence; the least number for one that takes no part.
    pub(super) ln_evidence: [f64; SHAPE_COUNT],
    /// Natural logarithm of the evidence of all together, outliers included.
    pub(super) ln_total: f64,
    /// Posterior probability that the sample means nothing.
    pub(super) outlier: f64,
}

impl PathShapes {
    /// All shapes, as the joint filter weighs them.
    pub(super) const fn all() -> Self {
        Self::with([true; SHAPE_COUNT])
    }

    /// The plain interval and the Gaussian, as the solo filters weigh them.
    pub(super) fn plain() -> Self {
        Self::with(SHAPES.map(|shape| matches!(shape, Shape::Uniform | Shape::Residual)))
    }

    const fn with(active: [bool; SHAPE_COUNT]) -> Self {
        let mut shapes = Self { weights: [0.0; SHAPE_COUNT], active, residual: 0.0, samples: 0 };
        shapes.start_over();
        shapes
    }

    /// As after a change of route: the plain interval is the most likely.
    pub(super) const fn start_over(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "ten")]
        let others = (1.0 - UNIFORM_AT_FIRST) / (SHAPE_COUNT - 1) as f64;
        self.weights = [others; SHAPE_COUNT];
        self.weights[0] = UNIFORM_AT_FIRST;
    }

    /// Variance of the residuals.
    pub(super) const fn residual(&self) -> f64 {
        self.residual
    }

    /// The weights, in the order of [`SHAPES`].
    pub(super) const fn weights(&self) -> &[f64; SHAPE_COUNT] {
        &self.weights
    }

    /// The name of the shape with the most weight.
    pub(super) fn likeliest(&self) -> &'static str {
        let best = self.weights.iter().zip(SHAPES).max_by(|(a, _), (b, _)| a.total_cmp(b));
        match best.map(|(_, shape)| shape) {
            Some(Shape::Soft(_)) => "soft",
            Some(Shape::Tilted(times)) if times > 0.0 => "back",
            Some(Shape::Tilted(_)) => "there",
            Some(Shape::Residual) => "normal",
            Some(Shape::Uniform) | None => "even",
        }
    }

    /// Takes over what an earlier run of the daemon has learnt.
    pub(super) const fn remember(&mut self, weights: [f64; SHAPE_COUNT], residual: f64) {
        self.weights = weights;
        self.residual = residual;
        self.samples = RESIDUAL_FREE;
    }

    /// Weighs a sample. While the path is `suspect` of having changed, only the plain interval counts.
    pub(super) fn weigh(
        &self,
        prior: Belief,
        interval: &Interval,
        jitter: &Jitter,
        suspect: bool,
    ) -> Verdict {
        let mut ln_evidence = [f64::MIN; SHAPE_COUNT];
        let mut ln_shares = [f64::MIN; SHAPE_COUNT];
        let mut beliefs = [prior; SHAPE_COUNT];
        let spread = 10.0 * interval.width + 20.0 * (prior.variance + interval.edge_variance).sqrt();
        let ln_outlier = (OUTLIER / spread).ln();
        let mut highest = ln_outlier;
        for (index, shape) in SHAPES.into_iter().enumerate() {
            let weight = match (suspect, index) {
                (true, 0) => 1.0,
                (true, _) => 0.0,
                (false, _) => self.weights[index],
            };
            if !self.active[index] || weight <= 0.0 {
                continue;
            }
            let one = posterior(shape, prior, interval, jitter);
            ln_evidence[index] = one.ln_evidence;
            ln_shares[index] = one.ln_evidence + (weight * (1.0 - OUTLIER)).ln();
            beliefs[index] = one.belief;
            highest = highest.max(ln_shares[index]);
        }
        let shares = ln_shares.map(|ln_share| (ln_share - highest).exp());
        let outlier = (ln_outlier - highest).exp();
        let total = shares.iter().sum::<f64>() + outlier;
        let belief = mixture(prior, outlier / total, &beliefs, &shares.map(|share| share / total));
        Verdict { prior, belief, ln_evidence, ln_total: highest + total.ln(), outlier: outlier / total }
    }

    /// Learns from the evidence for each shape, from the residual, and from the variance of what was
    /// measured: how much of the residual is not the path's.
    pub(super) fn learn(&mut self, evidence: &[f64; SHAPE_COUNT], residual: f64, variance: f64) {
        let joined =
            |index: usize| if self.active[index] { self.weights[index] * evidence[index] } else { 0.0 };
        let total: f64 = (0..SHAPE_COUNT).map(joined).sum();
        if total > 0.0 && total.is_finite() {
            #[expect(clippy::cast_precision_loss, reason = "ten")]
            let floor = TRANSITION / SHAPE_COUNT as f64;
            self.weights = core::array::from_fn(|index| (1.0 - TRANSITION) * joined(index) / total + floor);
        }
        let seen = residual.powi(2) + variance;
        let seen = if self.samples < RESIDUAL_FREE { seen } else { seen.min(RESIDUAL_CLIP * self.residual) };
        self.samples = self.samples.saturating_add(1);
        let gain = RESIDUAL_GAIN_MIN.max(1.0 / f64::from(self.samples));
        self.residual += gain * (seen - self.residual);
    }
}

/// Mean and variance of a mixture of beliefs, and of the prior for the share that means nothing.
fn mixture(
    prior: Belief,
    outlier: f64,
    beliefs: &[Belief; SHAPE_COUNT],
    shares: &[f64; SHAPE_COUNT],
) -> Belief {
    let parts = || beliefs.iter().zip(shares).chain([(&prior, &outlier)]);
    let mean: f64 = parts().map(|(belief, share)| share * belief.mean).sum();
    let variance =
        parts().map(|(belief, share)| share * (belief.variance + (belief.mean - mean).powi(2))).sum();
    Belief { mean, variance }
}
