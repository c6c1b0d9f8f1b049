//! Weighted linear regression over the longest stretch of samples that a straight line explains.
//!
//! Whether it does is judged by a runs test: residuals of a line that fits change their sign often.
//! The test also looks at samples from before the stretch, up to as many again. Described in the
//! comments of chrony's `regress.c`; critical values and the t distribution's are tables there.

/// Samples below which nothing is dropped any more.
const SAMPLES_MIN: usize = 6;

/// Numbers of runs that are too few, 5 % at one end, for 0 to 129 residuals.
const TOO_FEW_RUNS: [u8; 130] = [
    0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 3, 3, 4, 4, 5, 5, 5, 6, 6, 7, 7, 7, 8, 8, 9, 9, 9, 10, 10, 11, 11, 11, 12,
    12, 13, 13, 14, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 18, 19, 19, 20, 20, 21, 21, 21, 22, 22, 23, 23,
    24, 24, 25, 25, 26, 26, 26, 27, 27, 28, 28, 29, 29, 30, 30, 30, 31, 31, 32, 32, 33, 33, 34, 34, 35, 35,
    35, 36, 36, 37, 37, 38, 38, 39, 39, 40, 40, 40, 41, 41, 42, 42, 43, 43, 44, 44, 45, 45, 46, 46, 46, 47,
    47, 48, 48, 49, 49, 50, 50, 51, 51, 52, 52, 52, 53, 53, 54, 54, 55, 55, 56,
];

/// Student's t for 99.9 %, two-sided, from one degree of freedom on.
const STUDENT_T: [f64; 40] = [
    636.6, 31.6, 12.92, 8.61, 6.869, 5.959, 5.408, 5.041, 4.781, 4.587, 4.437, 4.318, 4.221, 4.140, 4.073,
    4.015, 3.965, 3.922, 3.883, 3.850, 3.819, 3.792, 3.768, 3.745, 3.725, 3.707, 3.690, 3.674, 3.659, 3.646,
    3.633, 3.622, 3.611, 3.601, 3.591, 3.582, 3.574, 3.566, 3.558, 3.551,
];

/// A sample to be explained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Seconds from the newest sample: zero or less.
    pub(super) time: f64,
    pub(super) offset: f64,
    /// The larger, the less it counts.
    pub(super) variance: f64,
}

/// The line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Offset at the newest sample.
    pub offset: f64,
    /// Its standard deviation.
    pub offset_deviation: f64,
    /// Slope.
    pub frequency: f64,
    /// Its standard deviation.
    pub frequency_deviation: f64,
    /// The slope's bound, 99.9 %.
    pub skew: f64,
    /// Variance of the residuals.
    pub variance: f64,
    /// Runs among the residuals.
    pub runs: usize,
    /// How many of the oldest samples are not explained.
    pub start: usize,
}

/// Fits a line to the last samples of `points`, of which the first `before` take part in the runs
/// test only. `None` with fewer than three.
pub(super) fn fit(points: &[Point], before: usize) -> Option<Line> {
    let total = points.len() - before;
    if total < 3 {
        return None;
    }
    let mut start = 0;
    loop {
        let used = &points[before + start..];
        let sums = Sums::of(used);
        // As many again before the stretch, as far as there are some.
        let earlier = used.len().min(before + start);
        let residual = |point: &Point| point.offset - sums.offset - sums.frequency * point.time;
        let tested = &points[before + start - earlier..];
        let runs = runs(tested.iter().map(residual));
        let few = TOO_FEW_RUNS.get(tested.len()).copied().unwrap_or(u8::MAX);
        if runs > usize::from(few) || used.len() <= SAMPLES_MIN {
            let runs = self::runs(used.iter().map(residual));
            return Some(sums.line(used, runs, start));
        }
        start += 1;
    }
}

/// Weighted sums and the line through them.
struct Sums {
    weight: f64,
    mean_time: f64,
    spread: f64,
    offset: f64,
    frequency: f64,
}

impl Sums {
    fn of(points: &[Point]) -> Self {
        let weight: f64 = points.iter().map(|point| 1.0 / point.variance).sum();
        let mean_time = points.iter().map(|point| point.time / point.variance).sum::<f64>() / weight;
        let (mut offsets, mut product, mut spread) = (0.0, 0.0, 0.0);
        for point in points {
            let distance = point.time - mean_time;
            offsets += point.offset / point.variance;
            product += point.offset * distance / point.variance;
            spread += distance * distance / point.variance;
        }
        let frequency = product / spread;
        Self { weight, mean_time, spread, offset: offsets / weight - frequency * mean_time, frequency }
    }

    fn line(&self, points: &[Point], runs: usize, start: usize) -> Line {
        let square = |point: &Point| {
            (point.offset - self.offset - self.frequency * point.time).powi(2) / point.variance
        };
        let freedom = points.len() - 2;
        let chi = points.iter().map(square).sum::<f64>() / as_f64(freedom);
        let frequency_deviation = (chi / self.spread).sqrt();
        let lever = self.mean_time * frequency_deviation;
        Line {
            offset: self.offset,
            offset_deviation: (chi / self.weight + lever * lever).sqrt(),
            frequency: self.frequency,
            frequency_deviation,
            skew: frequency_deviation * student_t(freedom),
            variance: chi * as_f64(points.len()) / self.weight,
            runs,
            start,
        }
    }
}

/// Stretches of residuals with the same sign.
fn runs(residuals: impl Iterator<Item = f64>) -> usize {
    let mut count = 0;
    let mut previous = 0.0;
    for residual in residuals {
        if count == 0 || residual * previous <= 0.0 {
            count += 1;
        }
        previous = residual;
    }
    count
}

fn student_t(freedom: usize) -> f64 {
    match freedom {
        0 => STUDENT_T[0],
        1..=40 => STUDENT_T[freedom - 1],
        41..=100 => 3.5,
        _ => 3.39,
    }
}

/// How much of the offset each unit of delay explains, beside a straight line in time: a path that
/// queues on one leg only gives a half. `None` where the delays do not differ.
pub(super) fn slope_on_delay(times: &[f64], delays: &[f64], offsets: &[f64]) -> Option<f64> {
    if times.len() < 4 {
        return None;
    }
    let count = as_f64(times.len());
    let centred = |values: &[f64]| -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / count;
        values.iter().map(|value| value - mean).collect()
    };
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let (times, delays, offsets) = (centred(times), centred(delays), centred(offsets));
    let (tt, td, dd) = (dot(&times, &times), dot(&times, &delays), dot(&delays, &delays));
    let determinant = tt * dd - td * td;
    // Below this the two explain the same.
    if determinant <= 1e-10 * tt * dd {
        return None;
    }
    Some((tt * dot(&delays, &offsets) - td * dot(&times, &offsets)) / determinant)
}

/// Counts of at most a few hundred.
#[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
const fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_a_bend_cuts_the_stretch() {
        let wobble = |index: u32| if index.is_multiple_of(2) { 1e-6 } else { -1e-6 };
        let point = |index: u32, offset: f64| Point {
            time: f64::from(index) - 39.0,
            offset: offset + wobble(index),
            variance: 1.0,
        };
        let straight: Vec<Point> = (0..40).map(|index| point(index, f64::from(index) * 1e-3)).collect();
        let line = fit(&straight, 0).unwrap();
        assert_eq!(line.start, 0);
        assert!((line.frequency - 1e-3).abs() < 1e-6 && (line.offset - 39e-3).abs() < 2e-6, "{line:?}");
        let bent: Vec<Point> = (0..40).map(|index| point(index, f64::from(index.max(20)) * 1e-3)).collect();
        let line = fit(&bent, 0).unwrap();
        assert!(line.start >= 18, "{line:?}");
    }

    #[test]
    fn one_leg_explains_half_of_each_delay() {
        let times: Vec<f64> = (0..20).map(f64::from).collect();
        let delays: Vec<f64> = (0..20).map(|index| f64::from(index * 7 % 20) * 1e-3).collect();
        let offsets: Vec<f64> =
            times.iter().zip(&delays).map(|(time, delay)| 1e-5 * time + delay / 2.0).collect();
        assert!((slope_on_delay(&times, &delays, &offsets).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(slope_on_delay(&times, &[1.0; 20], &offsets), None);
    }
}
