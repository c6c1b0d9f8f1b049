//! The samples of one source and the line through them.

use std::collections::VecDeque;

use super::regression::{Line, Point, fit, slope_on_delay};

/// Samples kept for the line.
const SAMPLES_MAX: usize = 64;

/// The median of distances above the least one, in deviations.
const MEDIAN_DEVIATIONS: f64 = 0.7;

/// Distances that differ by less than the clock's resolution count as equal.
const PRECISION: f64 = 30e-9;

/// From this slope of offset on delay the path is taken for lopsided, if it lasts.
const ASYMMETRY_MIN: f64 = 0.45;
const ASYMMETRY_MAX: f64 = 0.5;

/// How many samples in a row must say so, and how many are counted.
const ASYMMETRY_RUN: i32 = 10;
const ASYMMETRY_RUN_MAX: i32 = 1000;

/// A sample whose delay has grown by more than this many deviations is dropped, unless its offset
/// says that something else has happened.
const DELAY_DEVIATIONS_MAX: f64 = 10.0;

/// One exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds on the undisciplined clock.
    pub time: f64,
    /// How far that clock is ahead.
    pub offset: f64,
    /// Round trip.
    pub delay: f64,
    /// What resolution and drift during the round trip add.
    pub dispersion: f64,
    /// The server's own distance from its reference.
    pub root_distance: f64,
}

impl Sample {
    fn distance(&self) -> f64 {
        self.delay / 2.0 + self.dispersion
    }
}

/// Samples and line.
#[derive(Clone, Debug, Default)]
pub struct SourceStats {
    /// The oldest ones take part in the runs test only.
    samples: VecDeque<Sample>,
    before: usize,
    line: Option<Line>,
    asymmetry: f64,
    asymmetry_run: i32,
}

impl SourceStats {
    /// Whether a sample may be taken in.
    pub fn admits(&self, sample: &Sample) -> bool {
        let (Some(line), true) = (self.line, self.len() >= 3) else { return true };
        let allowed = DELAY_DEVIATIONS_MAX * line.variance.sqrt();
        let grown = (sample.delay - self.delay_min()) / 2.0;
        grown < allowed || (sample.offset - self.predict(sample.time)).abs() - grown > allowed
    }

    /// Takes a sample in and draws the line anew.
    pub fn accumulate(&mut self, sample: Sample) {
        if self.samples.back().is_some_and(|last| last.time >= sample.time) {
            *self = Self::default();
        }
        self.samples.push_back(sample);
        if self.len() > SAMPLES_MAX {
            self.drop_oldest(1);
        }
        self.regress();
    }

    fn regress(&mut self) {
        let Some(last) = self.samples.back().copied() else { return };
        let main = || self.samples.iter().skip(self.before);
        let least = main().map(Sample::distance).fold(f64::INFINITY, f64::min);
        let deviation = ((self.median_distance() - least) / MEDIAN_DEVIATIONS).min(least).max(PRECISION);
        let mut offsets: Vec<f64> = self.samples.iter().map(|sample| sample.offset).collect();
        self.straighten(last.time, &mut offsets);
        let points: Vec<Point> = self
            .samples
            .iter()
            .zip(offsets)
            .map(|(sample, offset)| Point {
                time: sample.time - last.time,
                offset,
                variance: (1.0 + (sample.distance() - least - PRECISION).max(0.0) / deviation).powi(2),
            })
            .collect();
        self.line = fit(&points, self.before);
        if let Some(line) = self.line {
            self.drop_oldest(line.start);
        }
    }

    fn median_distance(&self) -> f64 {
        let mut distances: Vec<f64> = self.samples.iter().skip(self.before).map(Sample::distance).collect();
        distances.sort_by(f64::total_cmp);
        let (low, high) = ((distances.len() - 1) / 2, distances.len() / 2);
        f64::midpoint(distances[low], distances[high])
    }

    /// Takes out of the offsets what delays explain, where one leg alone queues for long enough.
    fn straighten(&mut self, now: f64, offsets: &mut [f64]) {
        let least = self.delay_min();
        let times: Vec<f64> = self.samples.iter().map(|sample| sample.time - now).collect();
        let delays: Vec<f64> = self.samples.iter().map(|sample| sample.delay - least).collect();
        let slope = slope_on_delay(&times, &delays, offsets)
            .filter(|slope| slope * f64::from(self.asymmetry_run) >= 0.0);
        let Some(slope) = slope else {
            self.asymmetry = 0.0;
            self.asymmetry_run = 0;
            return;
        };
        if slope <= -ASYMMETRY_MIN {
            self.asymmetry_run = (self.asymmetry_run - 1).max(-ASYMMETRY_RUN_MAX);
        } else if slope >= ASYMMETRY_MIN {
            self.asymmetry_run = (self.asymmetry_run + 1).min(ASYMMETRY_RUN_MAX);
        }
        if self.asymmetry_run.abs() < ASYMMETRY_RUN {
            return;
        }
        self.asymmetry = slope.clamp(-ASYMMETRY_MAX, ASYMMETRY_MAX);
        for (offset, delay) in offsets.iter_mut().zip(delays) {
            *offset -= self.asymmetry * delay;
        }
    }

    /// The oldest samples of the line go to the runs test, which takes no more than the line has.
    fn drop_oldest(&mut self, count: usize) {
        self.before += count;
        while self.before > self.samples.len() - self.before {
            self.samples.pop_front();
            self.before -= 1;
        }
    }

    /// The line.
    pub const fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    /// How many samples the line rests on.
    pub fn len(&self) -> usize {
        self.samples.len() - self.before
    }

    /// Whether nothing has been taken in.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The slope of offset on delay that is corrected for.
    pub const fn asymmetry(&self) -> f64 {
        self.asymmetry
    }

    /// What the offset is at a time.
    pub fn predict(&self, time: f64) -> f64 {
        let Some(last) = self.samples.back() else { return 0.0 };
        self.line.map_or(last.offset, |line| line.offset + line.frequency * (time - last.time))
    }

    /// The least distance of a sample from the reference clock.
    pub fn root_distance(&self) -> f64 {
        let main = self.samples.iter().skip(self.before);
        main.map(|sample| sample.distance() + sample.root_distance).fold(f64::INFINITY, f64::min)
    }

    fn delay_min(&self) -> f64 {
        self.samples.iter().map(|sample| sample.delay).fold(f64::INFINITY, f64::min)
    }
}
