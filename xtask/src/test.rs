//! Every test, and a list of what was skipped.

use std::fs;
use std::thread;
use std::time::Instant;

use crate::process::{self, cargo, target};
use crate::say;

/// Where tests note what they skip and why (see `tests/src/skip.rs`).
const SKIP_LOG: &str = "NTP_TEST_SKIP_LOG";

/// By this the tests of a program are told how many of them run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// At least so many run at once: most of them wait for a network.
const AT_ONCE: usize = 4;

/// Runs the tests. With `--no-skips`, or where `CI` is set, a skipped test is a failed one.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let strict =
        arguments.iter().any(|argument| argument == "--no-skips") || std::env::var_os("CI").is_some();
    let passed_on: Vec<&String> = arguments.iter().filter(|argument| *argument != "--no-skips").collect();
    let log = target().join("skipped-tests.txt");
    drop(fs::remove_file(&log));
    let started = Instant::now();
    // The tests run these programs; building them is no part of building the tests.
    process::run(cargo().args(["build", "-p", "ntpd", "-p", "ntpctl", "-p", "ntpq", "-p", "ntp-sim"]))?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut all = cargo();
    all.args(["test", "--workspace", "--no-fail-fast"]).args(passed_on).env(SKIP_LOG, &log);
    if std::env::var_os(THREADS).is_none() {
        all.env(THREADS, processors.max(AT_ONCE).to_string());
    }
    process::run(&mut all)?;
    // A million samples take minutes if they are not optimised.
    let million = ["test", "--release", "-p", "ntp-proto", "--lib", "a_million"];
    process::run(cargo().args(million))?;
    say("\nEvery scenario of the simulator, seven seeds each:\n");
    crate::sim::run(&[])?;
    let skipped = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<&str> = skipped.lines().collect();
    say(&format!(
        "\nAll tests that ran have passed, in {} s; skipped: {}",
        started.elapsed().as_secs(),
        lines.len()
    ));
    for line in &lines {
        say(&format!("  {line}"));
    }
    if strict && !lines.is_empty() {
        return Err("a skipped test counts as failed here".to_owned());
    }
    Ok(())
}
