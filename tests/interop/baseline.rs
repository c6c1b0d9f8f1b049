//! The simulator's baseline against what it stands for: a real chronyd measures, and its measurements
//! give the same statistics in both.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use ntp_sim::baseline::{Sample, SourceStats};
use ntp_tests::{Daemon, Net, Peer, peer, skip, start_chronyd, until};

/// Measurements that are waited for, two seconds apart.
const MEASUREMENTS: usize = 24;

/// Statistics are compared from this many samples on: before, a regression says nothing.
const SAMPLES_MIN: usize = 8;

/// How far a statistic may be off for the times in the log being whole seconds and its numbers having
/// four digits.
const TOLERANCE: f64 = 0.15;

/// Per cent of the statistics that must agree where both rest on as many samples.
const AGREEMENT: usize = 90;

/// Per cent of the statistics that must rest on as many samples: where the runs test is close, four
/// digits may decide otherwise, and the next ones follow from that.
const SAME_SAMPLES: usize = 60;

/// How often two chronyds may measure until one run is clear enough to be compared: on a busy machine the
/// runs test is close most of the time.
const ATTEMPTS: usize = 4;

/// One line of chronyd's measurements log.
#[derive(Debug)]
struct Measured {
    sample: Sample,
    /// It passed chronyd's test of delays.
    accepted: bool,
}

/// One line of chronyd's statistics log.
#[derive(Debug)]
struct Statistics {
    deviation: f64,
    offset: f64,
    offset_deviation: f64,
    skew: f64,
    samples: usize,
    asymmetry: f64,
}

/// The rows of a log, split into words: they begin with a year.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().filter(|line| line.starts_with("20")).map(words).collect()
}

fn number(word: &str) -> f64 {
    word.parse().unwrap()
}

/// Seconds since the month began; the middle of the second that is shown.
fn seconds(date: &str, clock: &str) -> f64 {
    let day = number(date.rsplit('-').next().unwrap());
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + number(part)) + 86_400.0 * day + 0.5
}

fn measured(row: &[String]) -> Measured {
    // Date, time, address, leap, stratum, three groups of tests, polls, score, and then the numbers.
    let sample = Sample {
        time: seconds(&row[0], &row[1]),
        // What chronyd logs is how far the local clock is behind.
        offset: -number(&row[11]),
        delay: number(&row[12]),
        dispersion: number(&row[13]),
        root_distance: number(&row[14]) / 2.0 + number(&row[15]),
    };
    Measured { sample, accepted: row[7] == "1111" }
}

fn statistics(row: &[String]) -> Statistics {
    Statistics {
        deviation: number(&row[3]),
        offset: number(&row[4]),
        offset_deviation: number(&row[5]),
        skew: number(&row[7]),
        samples: row[9].parse().unwrap(),
        asymmetry: number(&row[12]),
    }
}

/// Has a chronyd measure another one, and returns its two logs. With `noselect` it does not follow what it
/// measures: otherwise it would correct the older samples whenever it corrects its clock.
fn logs(folder: &Path) -> Result<(Vec<Measured>, Vec<Statistics>), String> {
    let program = peer(Peer::Chronyd)?;
    let net = Net::new()?;
    let _server = start_chronyd(&program, &net.server, folder);
    let conf = folder.join("client.conf");
    let text = format!(
        "server 10.77.0.1 minpoll 1 maxpoll 1 noselect\ncmdport 0\nbindcmdaddress /\npidfile {0}/client.pid\n\
         logdir {0}\nlog rawmeasurements statistics\n",
        folder.display()
    );
    fs::write(&conf, text).map_err(|error| error.to_string())?;
    let conf = conf.display().to_string();
    let log = folder.join("client.log");
    let words = ["-x", "-d", "-u", "root", "-f", &conf];
    let _client = Daemon::start(Some(&net.client), &program, &words, &log);
    let enough = || rows(&folder.join("measurements.log")).len() >= MEASUREMENTS;
    let measuring = until(Duration::from_mins(2), enough);
    assert!(measuring, "{}", fs::read_to_string(&log).unwrap_or_default());
    let measurements = rows(&folder.join("measurements.log"));
    let statistics_rows = rows(&folder.join("statistics.log"));
    Ok((
        measurements.iter().map(|row| measured(row)).collect(),
        statistics_rows.iter().map(|row| statistics(row)).collect(),
    ))
}

fn close(ours: f64, theirs: f64) -> bool {
    (ours / theirs - 1.0).abs() < TOLERANCE
}

fn agrees(stats: &SourceStats, theirs: &Statistics) -> bool {
    let Some(line) = stats.line() else { return false };
    close(line.variance.sqrt().max(1e-9), theirs.deviation)
        && close(line.offset_deviation, theirs.offset_deviation)
        && close(line.skew, theirs.skew)
        && (line.offset - theirs.offset).abs() < 0.5 * theirs.offset_deviation
        && (stats.asymmetry() - theirs.asymmetry).abs() < 0.02
}

/// What came of following one run of chronyd's logs.
#[derive(Debug, Default)]
struct Comparison {
    /// Samples that chronyd dropped, and those of them that would have been taken here.
    dropped: usize,
    admitted: usize,
    /// Statistics of chronyd's, those that rest on as many samples, and those of them that agree.
    all: usize,
    compared: usize,
    agreed: usize,
    report: Vec<String>,
}

impl Comparison {
    /// Takes chronyd's samples one by one, and compares after each.
    fn of(measurements: Vec<Measured>, theirs: Vec<Statistics>) -> Self {
        let mut result = Self::default();
        let mut stats = SourceStats::default();
        let mut accepted_so_far = Vec::new();
        let mut theirs = theirs.into_iter();
        for Measured { sample, accepted } in measurements {
            if !accepted {
                result.dropped += 1;
                result.admitted += usize::from(stats.admits(&sample));
                continue;
            }
            stats.accumulate(sample);
            accepted_so_far.push(sample);
            // chronyd writes no line before it has three samples.
            if stats.len() < 3 {
                continue;
            }
            let Some(theirs) = theirs.next() else { break };
            if theirs.samples < SAMPLES_MIN {
                continue;
            }
            result.all += 1;
            result.report.push(format!("{theirs:?}\n{:?} {}", stats.line(), stats.len()));
            if stats.len() == theirs.samples {
                result.compared += 1;
                result.agreed += usize::from(agrees(&stats, &theirs));
                continue;
            }
            // Which old samples the runs test drops can hang by the last digit of the log: from here on
            // both rest on the same ones again.
            let from = accepted_so_far.len().saturating_sub(theirs.samples);
            stats = SourceStats::default();
            accepted_so_far.iter().skip(from).for_each(|sample| stats.accumulate(*sample));
        }
        result
    }

    /// At the edge of chronyd's test of delays one sample may fall on the other side.
    fn holds(&self) -> bool {
        self.admitted <= 1 + self.dropped / 4
            && self.all >= 10
            && 100 * self.compared >= SAME_SAMPLES * self.all
            && 100 * self.agreed >= AGREEMENT * self.compared
    }
}

#[test]
fn chronyds_measurements_give_chronyds_statistics() {
    let test = "chronyds_measurements_give_chronyds_statistics";
    let mut unclear = Vec::new();
    for _ in 0..ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let (measurements, theirs) = match logs(folder.path()) {
            Ok(logs) => logs,
            Err(reason) => return skip(test, &reason),
        };
        let comparison = Comparison::of(measurements, theirs);
        if comparison.holds() {
            return;
        }
        unclear.push(comparison);
    }
    assert!(unclear.is_empty(), "in {ATTEMPTS} runs: {unclear:#?}");
}
