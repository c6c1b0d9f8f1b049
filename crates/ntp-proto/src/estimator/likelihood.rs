//! What one exchange says: the posterior of a Gaussian belief under each likelihood that a path may
//! have.

use core::f64::consts::PI;

use super::tails::truncated;

/// A belief or what has become of it: mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Belief {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// A posterior with the evidence for the shape that led to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Posterior {
    /// Natural logarithm of the probability density of what was seen.
    pub(super) ln_evidence: f64,
    pub(super) belief: Belief,
}

/// An interval with blurred edges in which the lead must lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) middle: f64,
    pub(super) width: f64,
    pub(super) edge_variance: f64,
}

/// How likely the truth is where in the interval, which is a matter of how the two legs queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Equally everywhere: both legs queue alike, with exponential delays.
    Uniform,
    /// Equally everywhere, with edges softened by this share of the median excess: queues that
    /// seldom drain.
    Soft(f64),
    /// Falling from one edge with this many times the jitter scale's rate: positive if the way back
    /// queues more than the way there, negative for the opposite.
    Tilted(f64),
    /// A Gaussian around the middle, as wide as residuals have been, and no wider than queues explain: anything else.
    Residual,
}

/// The bank's shapes, in the order of their weights.
pub(super) const SHAPES: [Shape; 10] = [
    Shape::Uniform,
    Shape::Tilted(2.0),
    Shape::Tilted(-2.0),
    Shape::Tilted(7.0),
    Shape::Tilted(-7.0),
    Shape::Tilted(20.0),
    Shape::Tilted(-20.0),
    Shape::Soft(0.12),
    Shape::Soft(0.3),
    Shape::Residual,
];

/// How far residuals are taken to scatter at the most, in widths and scales: queues cannot have done
/// more. What is more is an error of the estimate, such as a frequency that is wrong, and must not be
/// explained away.
const RESIDUAL_MAX: f64 = 1.0;

/// What the shapes need to know of their path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jitter {
    /// Scale of one leg's queueing.
    pub(super) scale: f64,
    /// Median excess of the last round trips over the shortest.
    pub(super) median: f64,
    /// Variance of the residuals.
    pub(super) residual: f64,
}

/// An interval narrower than this share of the belief's deviation acts as a point.
const POINT: f64 = 0.3;

/// A tilted interval narrower than this share does.
const TILTED_POINT: f64 = 1e-3;

/// A tilt does not fall by more than this exponent over the interval.
const TILT_MAX: f64 = 60.0;

/// A posterior is never this much surer than its prior from one exchange.
const SHRINK_MAX: f64 = 1e-3;

/// The posterior of `prior` under `shape`.
pub(super) fn posterior(shape: Shape, prior: Belief, interval: &Interval, jitter: &Jitter) -> Posterior {
    match shape {
        Shape::Uniform => uniform(prior, interval),
        Shape::Soft(share) => {
            let edge_variance = interval.edge_variance + (share * jitter.median).powi(2);
            uniform(prior, &Interval { edge_variance, ..*interval })
        }
        Shape::Tilted(times) => tilted(prior, interval, times / jitter.scale),
        Shape::Residual => {
            let most = (RESIDUAL_MAX * (interval.width + jitter.scale)).powi(2);
            gaussian(prior, interval.middle, jitter.residual.min(most) + interval.edge_variance)
        }
    }
}

fn uniform(prior: Belief, interval: &Interval) -> Posterior {
    let total = prior.variance + interval.edge_variance;
    let deviation = total.sqrt();
    if interval.width < POINT * deviation || interval.width <= 1e-12 {
        return gaussian(prior, interval.middle, interval.width.powi(2) / 12.0 + interval.edge_variance);
    }
    let lower = (interval.middle - interval.width / 2.0 - prior.mean) / deviation;
    let cut = truncated(lower, lower + interval.width / deviation);
    let variance = prior.variance + prior.variance.powi(2) / total * cut.shrink;
    Posterior {
        ln_evidence: cut.ln_mass - interval.width.ln(),
        belief: Belief {
            mean: prior.mean + prior.variance / deviation * cut.mean,
            variance: variance.max(SHRINK_MAX * prior.variance),
        },
    }
}

/// An exponential that falls from the lower edge (`rate` positive) or from the upper one.
fn tilted(prior: Belief, interval: &Interval, rate: f64) -> Posterior {
    let total = prior.variance + interval.edge_variance;
    let deviation = total.sqrt();
    let width = interval.width;
    if width < TILTED_POINT * deviation || width <= 1e-12 {
        return gaussian(prior, interval.middle, width.powi(2) / 12.0 + interval.edge_variance);
    }
    let rate = rate.clamp(-TILT_MAX / width, TILT_MAX / width);
    let low = interval.middle - width / 2.0;
    // The exponential turns the Gaussian into another one, whose mean it shifts.
    let shifted = prior.mean - rate * total;
    let lower = (low - shifted) / deviation;
    let cut = truncated(lower, lower + width / deviation);
    let ln_norm =
        if (rate * width).abs() < 1e-6 { -width.ln() } else { (rate / -(-rate * width).exp_m1()).ln() };
    let ln_tilt = -rate * (prior.mean - low) + rate.powi(2) * total / 2.0;
    let share = prior.variance / total;
    let blurred = Belief { mean: shifted + deviation * cut.mean, variance: total * (1.0 + cut.shrink) };
    let variance = prior.variance * (1.0 - share) + share.powi(2) * blurred.variance;
    Posterior {
        ln_evidence: ln_norm + cut.ln_mass + ln_tilt,
        belief: Belief {
            mean: prior.mean + share * (blurred.mean - prior.mean),
            variance: variance.max(SHRINK_MAX * prior.variance),
        },
    }
}

/// A measurement with Gaussian noise.
fn gaussian(prior: Belief, measured: f64, noise: f64) -> Posterior {
    let total = prior.variance + noise;
    let gain = prior.variance / total;
    let distance = measured - prior.mean;
    Posterior {
        ln_evidence: -distance.powi(2) / (2.0 * total) - (2.0 * PI * total).ln() / 2.0,
        belief: Belief { mean: prior.mean + gain * distance, variance: prior.variance * noise / total },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JITTER: Jitter = Jitter { scale: 1e-3, median: 1.7e-3, residual: 1e-6 };

    #[test]
    fn a_wide_interval_around_the_mean_teaches_nothing_new_about_its_middle() {
        let prior = Belief { mean: 1.0, variance: 1e-6 };
        let wide = Interval { middle: 1.0, width: 1.0, edge_variance: 1e-12 };
        let posterior = uniform(prior, &wide).belief;
        assert!((posterior.mean - 1.0).abs() < 1e-12);
        assert!((posterior.variance / prior.variance - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_narrow_interval_replaces_a_vague_belief() {
        let prior = Belief { mean: 0.0, variance: 1.0 };
        let narrow = Interval { middle: 0.3, width: 1e-4, edge_variance: 1e-14 };
        let posterior = uniform(prior, &narrow).belief;
        assert!((posterior.mean - 0.3).abs() < 1e-4);
        assert!((posterior.variance.sqrt() / (1e-4 / 12_f64.sqrt()) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_tilt_pulls_to_the_edge_whose_leg_does_not_queue() {
        let prior = Belief { mean: 0.0, variance: 1e-4 };
        let interval = Interval { middle: 0.0, width: 10e-3, edge_variance: 1e-12 };
        let back = posterior(Shape::Tilted(2.0), prior, &interval, &JITTER).belief;
        let there = posterior(Shape::Tilted(-2.0), prior, &interval, &JITTER).belief;
        assert!((back.mean + 4.5e-3).abs() < 1e-4, "{back:?}");
        assert!((back.mean + there.mean).abs() < 1e-12);
    }

    #[test]
    fn each_evidence_is_a_density_of_what_can_be_seen() {
        let prior = Belief { mean: 0.0, variance: 1e-6 };
        for shape in SHAPES {
            let step = 1e-5;
            let density = |index: i32| {
                let interval = Interval { middle: f64::from(index) * step, width: 4e-3, edge_variance: 1e-8 };
                posterior(shape, prior, &interval, &JITTER).ln_evidence.exp() * step
            };
            let total: f64 = (-2000..2000).map(density).sum();
            assert!((total - 1.0).abs() < 1e-3, "{shape:?}: {total}");
        }
    }

    proptest! {
        #[test]
        fn any_posterior_is_finite_and_never_less_certain_than_the_prior(
            mean in -10.0_f64..10.0, variance in 1e-18_f64..1e3,
            middle in -10.0_f64..10.0, width in 0.0_f64..1.0, edge in 1e-16_f64..1e-6,
            scale in 1e-9_f64..1.0, index in 0_usize..SHAPES.len(),
        ) {
            let prior = Belief { mean, variance };
            let jitter = Jitter { scale, median: 1.7 * scale, residual: scale * scale };
            let interval = Interval { middle, width, edge_variance: edge };
            let posterior = posterior(SHAPES[index], prior, &interval, &jitter);
            prop_assert!(posterior.ln_evidence.is_finite());
            prop_assert!(posterior.belief.mean.is_finite());
            prop_assert!(posterior.belief.variance > 0.0);
            prop_assert!(posterior.belief.variance <= variance * (1.0 + 1e-9));
        }
    }
}
