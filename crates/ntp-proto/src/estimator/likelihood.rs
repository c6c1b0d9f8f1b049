//! What one exchange says: the posterior of a Gaussian belief under a uniform likelihood.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

/// A belief or what has become of it: mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Belief {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// A posterior with the evidence for the shape that led to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Posterior {
    pub(super) evidence: f64,
    pub(super) belief: Belief,
}

/// An interval with blurred edges in which the lead must lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) middle: f64,
    pub(super) width: f64,
    pub(super) edge_variance: f64,
}

/// Beyond this many standard deviations the tails of the normal distribution are left to the
/// Gaussian approximation.
const TAIL: f64 = 7.0;

/// The posterior of `prior` given that the truth is uniformly likely within `interval`.
pub(super) fn uniform(prior: Belief, interval: &Interval) -> Posterior {
    let total = prior.variance + interval.edge_variance;
    let deviation = total.sqrt();
    let lower = (interval.middle - interval.width / 2.0 - prior.mean) / deviation;
    let upper = (interval.middle + interval.width / 2.0 - prior.mean) / deviation;
    let noise = interval.width.powi(2) / 12.0 + interval.edge_variance;
    if interval.width < 0.3 * deviation || interval.width <= 1e-12 {
        return gaussian(prior, interval.middle, noise);
    }
    if lower > TAIL || upper < -TAIL {
        let far = gaussian(prior, interval.middle, noise);
        return Posterior { evidence: far.evidence * 1e-3, ..far };
    }
    let mass = mass_between(lower, upper).max(1e-300);
    let shift = (density(lower) - density(upper)) / mass;
    let spread = (lower * density(lower) - upper * density(upper)) / mass - shift.powi(2);
    let variance = prior.variance + prior.variance.powi(2) / total * spread;
    Posterior {
        evidence: mass / interval.width,
        belief: Belief {
            mean: prior.mean + prior.variance / deviation * shift,
            variance: variance.max(1e-3 * prior.variance),
        },
    }
}

/// The posterior of `prior` given a measurement with Gaussian noise.
fn gaussian(prior: Belief, measured: f64, noise: f64) -> Posterior {
    let total = prior.variance + noise;
    let gain = prior.variance / total;
    let distance = measured - prior.mean;
    Posterior {
        evidence: (-distance.powi(2) / (2.0 * total)).exp() / (2.0 * PI * total).sqrt(),
        belief: Belief { mean: prior.mean + gain * distance, variance: prior.variance * noise / total },
    }
}

/// The standard normal density.
fn density(z: f64) -> f64 {
    (-z.powi(2) / 2.0).exp() / (2.0 * PI).sqrt()
}

/// The standard normal probability between two points, from whichever tail loses no digits.
fn mass_between(lower: f64, upper: f64) -> f64 {
    let above = |z: f64| 0.5 * libm::erfc(z * FRAC_1_SQRT_2);
    if lower > 0.0 { above(lower) - above(upper) } else { above(-upper) - above(-lower) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_posterior_is_finite_and_never_less_certain_than_the_prior(
            mean in -10.0_f64..10.0, variance in 1e-18_f64..1e3,
            middle in -10.0_f64..10.0, width in 0.0_f64..1.0, edge in 1e-16_f64..1e-6,
        ) {
            let prior = Belief { mean, variance };
            let posterior = uniform(prior, &Interval { middle, width, edge_variance: edge });
            prop_assert!(posterior.evidence.is_finite() && posterior.evidence >= 0.0);
            prop_assert!(posterior.belief.mean.is_finite());
            prop_assert!(posterior.belief.variance > 0.0);
            prop_assert!(posterior.belief.variance <= variance * (1.0 + 1e-9));
        }
    }
}
