//! Medians over the seeds, what they must be, and how they are shown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::run::{Comparison, quotient};
use crate::scenario::{Group, Scenario};

/// One scenario, in medians over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub scenario: String,
    /// How many seeds.
    pub seeds: usize,
    /// RMS offset of our client, seconds.
    pub ours_rms_s: f64,
    /// RMS offset of the baseline, seconds.
    pub baseline_rms_s: f64,
    /// The one over the other.
    pub ratio: f64,
    /// What `ratio` may be, if that is limited.
    pub gate: Option<f64>,
    /// RMS frequency error over the baseline's.
    pub frequency_ratio: f64,
    /// Packets over the baseline's.
    pub packets_ratio: f64,
    /// Largest offset of our client, seconds.
    pub max_error_s: f64,
    /// Seconds at which true time lay outside what our client admitted, in all seeds.
    pub bound_violations: u64,
    /// What it is summed up with.
    #[serde(skip)]
    pub group: Group,
    /// What does not hold.
    #[serde(skip)]
    pub failures: Vec<String>,
}

impl Row {
    /// Sums up a scenario's runs.
    pub fn new(name: &str, scenario: &Scenario, runs: &[Comparison]) -> Self {
        let of = |pick: &dyn Fn(&Comparison) -> f64| median(runs.iter().map(pick).collect());
        let mut row = Self {
            scenario: name.to_owned(),
            seeds: runs.len(),
            ours_rms_s: of(&|run| run.ours.rms),
            baseline_rms_s: of(&|run| run.baseline.rms),
            ratio: of(&Comparison::ratio),
            gate: scenario.limits.ratio,
            frequency_ratio: of(&|run| quotient(run.ours.frequency_rms, run.baseline.frequency_rms)),
            packets_ratio: of(&|run| quotient(as_f64(run.ours.packets), as_f64(run.baseline.packets))),
            max_error_s: of(&|run| run.ours.max_error),
            bound_violations: runs.iter().map(|run| run.ours.bound_violations).sum(),
            group: scenario.group,
            failures: Vec::new(),
        };
        row.failures = row.judge(scenario, runs);
        row
    }

    fn judge(&self, scenario: &Scenario, runs: &[Comparison]) -> Vec<String> {
        let limits = &scenario.limits;
        let mut failures = Vec::new();
        let mut hold = |what: &str, value: f64, limit: Option<f64>| {
            if let Some(limit) = limit.filter(|limit| value.is_nan() || value > *limit) {
                failures.push(format!("{what} {value:.3e} is above {limit:.3e}"));
            }
        };
        hold("the ratio", self.ratio, limits.ratio);
        hold("the frequency ratio", self.frequency_ratio, limits.frequency_ratio);
        hold("the ratio of packets", self.packets_ratio, limits.packets_ratio);
        hold("the RMS offset", self.ours_rms_s, limits.rms);
        if let Some(real) = limits.baseline_rms {
            hold(
                "the baseline's distance from the real chronyd",
                (self.baseline_rms_s / real - 1.0).abs(),
                Some(0.1),
            );
        }
        for (index, (by, below)) in limits.settles.iter().enumerate() {
            let settled =
                median(runs.iter().filter_map(|run| run.ours.settled.get(index).copied()).collect());
            hold(&format!("the time after which the error stays below {below:e} s:"), settled, Some(*by));
        }
        for run in runs {
            let seed = run.seed;
            hold(&format!("seed {seed}: the ratio"), run.ratio(), limits.ratio_worst);
            hold(&format!("seed {seed}: the largest error"), run.ours.max_error, limits.max_error);
            let violations = as_f64(run.ours.bound_violations);
            hold(&format!("seed {seed}: seconds outside the error bound:"), violations, Some(0.0));
            let packets = as_f64(run.ours.packets_at_start);
            hold(
                &format!("seed {seed}: packets in two minutes:"),
                packets,
                limits.packets_at_start.map(as_f64),
            );
        }
        for run in runs {
            // Nothing that a client shows by leaving counts for it.
            if let Some(seconds) = run.ours.gave_up {
                failures.push(format!("seed {}: the client gave up after {seconds:.0} s", run.seed));
            }
        }
        let worst = runs.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        if let Some(worst) = worst.filter(|_| !failures.is_empty()) {
            failures.push(format!("the worst ratio has seed {0}: replay it with --seed {0}", worst.seed));
        }
        failures
    }
}

/// What must hold of the scenarios together: a name, the value, and what it may be.
pub(crate) fn summary(rows: &[Row]) -> Vec<(&'static str, f64, f64)> {
    let of = |wanted: &dyn Fn(Group) -> bool, pick: &dyn Fn(&Row) -> f64| -> Vec<f64> {
        rows.iter().filter(|row| wanted(row.group)).map(pick).collect()
    };
    let adaptive = |group| group == Group::Adaptive;
    let all = [
        (
            "adaptive polls: offset ratio, geometric mean",
            geometric_mean(&of(&adaptive, &|row| row.ratio)),
            0.55,
        ),
        ("adaptive polls: packets, median", median(of(&adaptive, &|row| row.packets_ratio)), 1.05),
        (
            "frequency ratio, geometric mean",
            geometric_mean(&of(&|group| group != Group::None, &|row| row.frequency_ratio)),
            1.0,
        ),
    ];
    // A folder of scenarios need not have any of a group.
    all.into_iter().filter(|(_, value, _)| !value.is_nan()).collect()
}

fn geometric_mean(values: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let count = values.len() as f64;
    (values.iter().map(|value| value.ln()).sum::<f64>() / count).exp()
}

/// The rows for a person.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<26} {:>5} {:>11} {:>11} {:>6} {:>6} {:>6} {:>7} {:>10} {:>6}\n",
        "scenario", "seeds", "ours us", "chrony us", "ratio", "gate", "freq", "packets", "max us", "bound"
    );
    for row in rows {
        let gate = row.gate.map_or_else(|| "-".to_owned(), |gate| format!("{gate:.2}"));
        let verdict = if row.failures.is_empty() { "" } else { "  FAILS" };
        let _infallible = writeln!(
            text,
            "{:<26} {:>5} {:>11.2} {:>11.2} {:>6.2} {:>6} {:>6.2} {:>7.2} {:>10.1} {:>6}{verdict}",
            row.scenario,
            row.seeds,
            row.ours_rms_s * 1e6,
            row.baseline_rms_s * 1e6,
            row.ratio,
            gate,
            row.frequency_ratio,
            row.packets_ratio,
            row.max_error_s * 1e6,
            row.bound_violations,
        );
        for failure in &row.failures {
            let _infallible = writeln!(text, "    {failure}");
        }
    }
    text
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Counts of packets and seconds.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}
