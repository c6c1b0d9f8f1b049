//! The normal distribution cut to an interval, with all digits kept in both tails.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

/// Beyond this argument the asymptotic series of [`mills`] is as exact as an `f64`.
const SERIES_FROM: f64 = 30.0;

/// A standard normal variable known to lie between two points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Truncated {
    /// Natural logarithm of the probability of lying there.
    pub(super) ln_mass: f64,
    /// Its mean.
    pub(super) mean: f64,
    /// Its variance minus one: between -1 and 0.
    pub(super) shrink: f64,
}

/// The standard normal distribution cut to `lower..upper`.
pub(super) fn truncated(lower: f64, upper: f64) -> Truncated {
    // The left tail is the right one in a mirror, so only one of them needs care.
    if upper < -lower {
        let mirrored = truncated(-upper, -lower);
        return Truncated { mean: -mirrored.mean, ..mirrored };
    }
    if lower <= 0.0 {
        let mass = 1.0 - above(-lower) - above(upper);
        let mean = (density(lower) - density(upper)) / mass;
        let edges = lower * density(lower) - upper * density(upper);
        return Truncated { ln_mass: mass.ln(), mean, shrink: (edges / mass - mean * mean).clamp(-1.0, 0.0) };
    }
    // Both probabilities are multiples of the density at `lower`, which cancels from the moments.
    let decay = (-(upper - lower) * f64::midpoint(upper, lower)).exp();
    let mass = (mills(lower) - decay * mills(upper)).max(f64::MIN_POSITIVE);
    let mean = (1.0 - decay) / mass;
    Truncated {
        ln_mass: mass.ln() - lower * lower / 2.0 - (2.0 * PI).ln() / 2.0,
        mean,
        shrink: ((lower - upper * decay) / mass - mean * mean).clamp(-1.0, 0.0),
    }
}

/// The standard normal density.
fn density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
}

/// The standard normal probability above a point.
fn above(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// Mills' ratio, the probability above a point over the density at it; for points not below zero.
fn mills(z: f64) -> f64 {
    if z < SERIES_FROM {
        return above(z) / density(z);
    }
    let square = 1.0 / (z * z);
    (1.0 - square * (1.0 - 3.0 * square * (1.0 - 5.0 * square * (1.0 - 7.0 * square)))) / z
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        let half = truncated(0.0, 1e9);
        assert!((half.ln_mass - 0.5_f64.ln()).abs() < 1e-12);
        assert!((half.mean - (2.0 / PI).sqrt()).abs() < 1e-12);
        assert!((half.shrink + 2.0 / PI).abs() < 1e-12);
        let all = truncated(-40.0, 40.0);
        assert!(all.ln_mass.abs() < 1e-12 && all.mean.abs() < 1e-12 && all.shrink.abs() < 1e-12);
    }

    #[test]
    fn the_series_joins_without_a_jump() {
        let (before, after) = (mills(SERIES_FROM - 1e-9), mills(SERIES_FROM));
        assert!((before / after - 1.0).abs() < 1e-9, "{before} {after}");
    }

    proptest! {
        #[test]
        fn moments_lie_inside_and_mirror(lower in -200.0_f64..200.0, width in 1e-3_f64..300.0) {
            let upper = lower + width;
            let cut = truncated(lower, upper);
            let mirrored = truncated(-upper, -lower);
            prop_assert!(cut.ln_mass.is_finite() && cut.ln_mass <= 1e-12);
            let slack = 1e-6 * (1.0 + lower.abs());
            prop_assert!(cut.mean >= lower - slack && cut.mean <= upper + slack, "{:?}", cut);
            prop_assert!((cut.mean + mirrored.mean).abs() <= slack);
            prop_assert!((cut.shrink - mirrored.shrink).abs() <= 1e-6);
        }
    }
}
