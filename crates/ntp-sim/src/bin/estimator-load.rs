//! Feeds samples to an estimator and nothing else, so that a profiler can count what each one costs.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use ntp_proto::association::{Association, AssociationId, Measurement};
use ntp_proto::estimator::Estimator;
use ntp_proto::time::{Frequency, MonoTime, NtpDuration, Precision, UnixTime};
use ntp_sim::SplitMix;
use ntp_sim::baseline::{Sample, SourceStats};

const USAGE: &str = "usage: estimator-load ours|baseline|size SAMPLES SOURCES";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| words.get(index).and_then(|word| word.parse::<u16>().ok());
    let (Some(samples), Some(sources)) = (number(1), number(2)) else {
        drop(writeln!(io::stderr(), "{USAGE}"));
        return ExitCode::FAILURE;
    };
    match words.first().map(String::as_str) {
        Some("ours") => drop(black_box(ours(samples, sources))),
        Some("baseline") => drop(black_box(baseline(samples))),
        Some("size") => {
            let estimator = ours(samples, sources);
            let bytes = size_of::<Association>() + estimator.bytes_per_source();
            drop(writeln!(io::stdout(), "{bytes} {}", estimator.bytes_shared()));
        }
        _ => {
            drop(writeln!(io::stderr(), "{USAGE}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Each sample goes into its source's own filter, into the joint one, and out as an estimate.
fn ours(samples: u16, sources: u16) -> Estimator {
    let precision = Precision::new(-24);
    let mut estimator = Estimator::new(Frequency::ZERO, Frequency::from_ppm(100.0), precision);
    let mut rng = SplitMix::new(7);
    let mut at = MonoTime::from_nanos(1_000_000_000);
    let voters: Vec<AssociationId> = (1..=sources).filter_map(AssociationId::new).collect();
    for round in 0..samples {
        at = at + Duration::from_secs(64) / u32::from(sources);
        let Some(id) = AssociationId::new(1 + round % sources) else { continue };
        let mut leg = || NtpDuration::from_seconds_f64(10e-3 + rng.exponential(1e-3));
        let exchange = Measurement { at, forward: leg(), backward: leg(), precision };
        let sample = estimator.observe(id, [192, 0, 2, 1].into(), UnixTime::default(), &exchange);
        if let Some(sample) = sample {
            black_box(estimator.follow(id, &sample, &voters, &voters));
        }
        black_box(estimator.estimate(at));
    }
    estimator
}

fn baseline(samples: u16) -> SourceStats {
    let mut stats = SourceStats::default();
    let mut rng = SplitMix::new(7);
    for round in 0..samples {
        let (up, down) = (rng.exponential(1e-3), rng.exponential(1e-3));
        stats.accumulate(Sample {
            time: f64::from(round) * 64.0,
            offset: (down - up) / 2.0,
            delay: 20e-3 + up + down,
            dispersion: 1e-7,
            root_distance: 0.0,
        });
    }
    stats
}
