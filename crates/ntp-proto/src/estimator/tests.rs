use core::time::Duration;

use proptest::prelude::*;

use super::likelihood::{Belief, Interval, Jitter, SHAPES, posterior};
use super::path::PathTracker;
use super::*;

const PRECISION: Precision = Precision::new(-24);

fn id(number: u16) -> AssociationId {
    AssociationId::new(number).unwrap()
}

fn exchange(at: MonoTime, forward: f64, backward: f64) -> Measurement {
    Measurement {
        at,
        forward: NtpDuration::from_seconds_f64(forward),
        backward: NtpDuration::from_seconds_f64(backward),
        precision: PRECISION,
    }
}

fn estimator() -> Estimator {
    Estimator::new(Frequency::ZERO, Frequency::from_ppm(100.0), PRECISION)
}

fn feed(estimator: &mut Estimator, source: u16, exchange: &Measurement) -> Option<Fit> {
    let sample = estimator.observe(id(source), [192, 0, 2, 1].into(), UnixTime::default(), exchange)?;
    let voters: Vec<AssociationId> = estimator.tracks.keys().copied().collect();
    estimator.follow(id(source), &sample, &voters, &voters)
}

/// Numbers that replay; the simulator's generator is not within reach here.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Anything between two powers of ten.
    fn scale(&mut self, least: f64, most: f64) -> f64 {
        10_f64.powf(least + (most - least) * self.unit())
    }
}

/// Every covariance is finite, has a positive diagonal, and no negative direction beyond rounding.
fn assert_sane(bank: &Bank, sample: u32) {
    assert!(bank.is_finite(), "sample {sample}");
    for model in 0..MODELS {
        let worst = bank.least_pivot(model);
        assert!(worst > -1e-9, "sample {sample}, model {model}: a relative pivot of {worst}");
    }
}

/// Samples that no network would give: legs from nanoseconds to centuries, gaps from a millisecond to a
/// week, sources that come and go.
fn hostile(samples: u32) {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let mut estimator = estimator();
    let mut at = MonoTime::from_nanos(1);
    for sample in 0..samples {
        at = at + Duration::from_secs_f64(numbers.scale(-3.0, 5.8));
        let source = 1 + u16::try_from(numbers.next() % 5).unwrap();
        let sign = |numbers: &mut Numbers| if numbers.next().is_multiple_of(2) { 1.0 } else { -1.0 };
        let lead = sign(&mut numbers) * numbers.scale(-9.0, 9.3);
        let lead = if numbers.next().is_multiple_of(4) { lead } else { 1e-3 * numbers.unit() };
        let trip = if numbers.next().is_multiple_of(8) { 0.0 } else { numbers.scale(-9.0, 1.0) };
        let _fit = feed(&mut estimator, source, &exchange(at, trip / 2.0 - lead, trip / 2.0 + lead));
        match numbers.next() % 1000 {
            0 => estimator.forget(id(source)),
            1 => estimator.leave(id(source)),
            2 => estimator.restart(),
            3 => estimator.widen(NtpDuration::from_seconds_f64(numbers.scale(-9.0, 6.0))),
            _ => {}
        }
        if sample % 64 == 0 {
            for bank in estimator.tracks.values().map(|track| &track.solo).chain(&estimator.joint) {
                assert_sane(bank, sample);
            }
        }
    }
}

#[test]
fn covariances_survive_hostile_samples() {
    hostile(5_000);
}

#[test]
#[cfg(not(debug_assertions))]
fn covariances_survive_a_million_hostile_samples() {
    hostile(1_000_000);
}

/// A run of a few sources over honest paths with exponential queues.
fn run(seed: u64, rounds: u32, mut legs: impl FnMut(f64, f64) -> (f64, f64)) -> Estimate {
    let mut numbers = Numbers(seed);
    let mut estimator = estimator();
    let mut at = MonoTime::from_nanos(1);
    for round in 0..rounds {
        at = at + Duration::from_secs(16);
        let mut queue = || -1e-3 * (1.0 - numbers.unit()).ln();
        let drift = 20e-6 * f64::from(round) * 16.0;
        let (forward, backward) = legs(10e-3 + queue() - drift, 10e-3 + queue() + drift);
        feed(&mut estimator, 1 + u16::try_from(round % 3).unwrap(), &exchange(at, forward, backward));
    }
    estimator.estimate(at).unwrap()
}

#[test]
fn swapping_the_legs_turns_the_signs() {
    for seed in 1..20 {
        let (there, back) = (run(seed, 300, |f, b| (f, b)), run(seed, 300, |f, b| (b, f)));
        assert!((there.lead + back.lead).abs() < NtpDuration::from_nanos(20), "{there:?} {back:?}");
        assert!(
            (there.frequency + back.frequency).abs() <= Frequency::from_scaled_ppm(2),
            "{there:?} {back:?}"
        );
        assert!((there.uncertainty - back.uncertainty).abs() < NtpDuration::from_nanos(20));
    }
}

#[test]
fn the_frequency_is_found_and_known_to_be() {
    for seed in 1..10 {
        let estimate = run(seed, 600, |f, b| (f, b));
        let off = (estimate.frequency.as_ppm() - 20.0).abs();
        assert!(off < 4.0 * estimate.frequency_uncertainty.as_ppm() && off < 0.2, "{estimate:?}");
    }
}

#[test]
fn a_restart_keeps_the_sources_and_forgets_the_joint_estimate() {
    let mut estimator = estimator();
    feed(&mut estimator, 1, &exchange(MonoTime::from_nanos(1), 0.01, 0.03));
    estimator.restart();
    assert_eq!(estimator.estimate(MonoTime::from_nanos(2)), None);
    assert!(estimator.solo(id(1), MonoTime::from_nanos(2)).is_some());
    assert!(!estimator.follows(id(1)));
}

#[test]
fn one_of_three_sources_that_jumps_does_not_take_the_clock_along() {
    let mut estimator = estimator();
    let mut at = MonoTime::from_nanos(1);
    for round in 0..600_u16 {
        at = at + Duration::from_secs(16);
        let source = 1 + round % 3;
        let lie = if source == 1 && round > 300 { 2e-3 } else { 0.0 };
        let queue = 1e-5 * f64::from(round * 7 % 10);
        feed(&mut estimator, source, &exchange(at, 5e-3 + queue - lie, 5e-3 + lie));
        let estimate = estimator.estimate(at).unwrap();
        assert!(round < 30 || estimate.lead.abs() < NtpDuration::from_micros(150), "{round}: {estimate:?}");
    }
}

#[test]
fn all_of_three_sources_that_jump_are_followed_within_a_round() {
    let mut estimator = estimator();
    let mut at = MonoTime::from_nanos(1);
    for round in 0..606_u16 {
        at = at + Duration::from_secs(16);
        let jump = if round >= 600 { 2e-3 } else { 0.0 };
        let queue = 1e-5 * f64::from(round * 7 % 10);
        feed(&mut estimator, 1 + round % 3, &exchange(at, 5e-3 + queue - jump, 5e-3 + jump));
    }
    let off = estimator.estimate(at).unwrap().lead - NtpDuration::from_millis(2);
    assert!(off.abs() < NtpDuration::from_micros(200), "{off}");
}

#[test]
fn no_more_sources_are_followed_than_can_be_afforded() {
    let mut estimator = estimator();
    for source in 1..100 {
        let at = MonoTime::from_nanos(1) + Duration::from_secs(source.into());
        feed(&mut estimator, source, &exchange(at, 5e-3, 5e-3));
    }
    assert!(!estimator.follows(id(99)) && estimator.follows(id(1)));
}

proptest! {
    #[test]
    fn posteriors_scale_with_time(
        mean in -1e-3_f64..1e-3, deviation in 1e-6_f64..1e-2, middle in -1e-2_f64..1e-2,
        width in 1e-9_f64..1e-1, scale in 1e-6_f64..1e-2, factor in 1e-3_f64..1e3, index in 0..SHAPES.len(),
    ) {
        let with = |factor: f64| {
            let prior = Belief { mean: mean * factor, variance: (deviation * factor).powi(2) };
            let interval = Interval {
                middle: middle * factor,
                width: width * factor,
                edge_variance: (1e-7 * factor).powi(2),
            };
            let jitter = Jitter {
                scale: scale * factor,
                median: 1.7 * scale * factor,
                residual: (scale * factor).powi(2),
            };
            posterior(SHAPES[index], prior, &interval, &jitter).belief
        };
        let (one, other) = (with(1.0), with(factor));
        let slack = 1e-6 * (deviation + middle.abs());
        prop_assert!((one.mean - other.mean / factor).abs() < slack, "{:?} {:?}", one, other);
        let ratio = other.variance / factor.powi(2) / one.variance;
        prop_assert!((ratio - 1.0).abs() < 1e-4, "{:?} {:?}", one, other);
    }

    #[test]
    fn paths_scale_with_time(
        trips in proptest::collection::vec(1e-3_f64..1e-1, 1..120), factor in 1e-1_f64..1e2,
    ) {
        let (mut one, mut other) = (PathTracker::default(), PathTracker::default());
        for trip in trips {
            let recent = |factor: f64| Recent { at: MonoTime::ZERO, middle: 0.0, round_trip: trip * factor };
            let (Some(a), Some(b)) = (one.observe(recent(1.0), 0.0), other.observe(recent(factor), 0.0)) else {
                return Err(TestCaseError::fail("refused"));
            };
            prop_assert!((a.width - b.width / factor).abs() < 1e-9);
            prop_assert!((a.jump - b.jump / factor).abs() < 1e-9);
            prop_assert_eq!(a.suspect, b.suspect);
        }
    }
}
