//! Measurements that print ours beside the peer's, and bounds that they must keep.

use std::process::Command;

use crate::process::{self, cargo, target};
use crate::say;

/// The most instructions for one sample, of one source and of four: a tenth above what was measured
/// when these were set (x86-64).
const INSTRUCTIONS_MAX: [(u32, f64); 2] = [(1, 205_000.0), (4, 275_000.0)];

/// The most bytes for one association, its path's history included.
const BYTES_MAX: u64 = 16_384;

/// Samples that are fed, and then as many again: the difference leaves out the start.
const SAMPLES: u32 = 1_000;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [what] if what == "estimator" => estimator(),
        [what] if what == "conf" => conf(),
        [what, rest @ ..] if what == "server" => server(rest),
        _ => {
            Err("usage: cargo xtask bench estimator|conf|server [--json] [--rounds N] [--seconds S]"
                .to_owned())
        }
    }
}

/// Our server and others, side by side. Needs root, for network namespaces.
fn server(arguments: &[String]) -> Result<(), String> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "-p", "ntpd", "-p", "ntp-tests"]);
    process::run(build.args(["--bin", "ntpd", "--bin", "server-load", "--bin", "server-bench"]))?;
    process::run(Command::new(target().join("release/server-bench")).args(arguments))
}

/// Lines of the longest configuration, and of shorter ones to compare it with.
const LINES: [u32; 3] = [10_000, 100_000, 1_000_000];

/// The most memory for each byte of a file, the program's own included.
const MEMORY_MAX: f64 = 10.0;

/// How much more a line of the longest file may cost than one of the shortest.
const GROWTH_MAX: f64 = 2.0;

/// What reading an ntp.conf costs.
fn conf() -> Result<(), String> {
    process::run(cargo().args(["build", "--quiet", "--release", "-p", "ntp-tests", "--bin", "conf-load"]))?;
    say(&format!("{:>9} {:>12} {:>12} {:>16}", "lines", "ns a line", "bytes", "memory / bytes"));
    let mut costs = Vec::new();
    for lines in LINES {
        let text = process::output(Command::new(target().join("release/conf-load")).arg(lines.to_string()))?;
        let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [nanos, bytes, peak, understood] = figures[..] else {
            return Err(format!("no figures in {text:?}"));
        };
        if understood < f64::from(lines) / 2.0 {
            return Err(format!("only {understood} of {lines} lines were read"));
        }
        say(&format!("{lines:>9} {nanos:>12.0} {bytes:>12.0} {:>16.1}", peak / bytes));
        costs.push((nanos, peak / bytes));
    }
    let (Some((first, _)), Some((last, memory))) = (costs.first(), costs.last()) else { return Ok(()) };
    if *memory > MEMORY_MAX {
        return Err(format!("{memory:.1} bytes of memory for each byte, more than {MEMORY_MAX}"));
    }
    if last / first > GROWTH_MAX {
        return Err(format!("a line of the longest file costs {:.1} times as much", last / first));
    }
    Ok(())
}

fn estimator() -> Result<(), String> {
    process::run(cargo().args(["build", "--quiet", "--release", "-p", "ntp-sim"]))?;
    say(&format!("{:<34} {:>9} {:>12} {:>12}", "for each sample", "sources", "instructions", "allocations"));
    let mut failures = Vec::new();
    for (sources, limit) in INSTRUCTIONS_MAX {
        let instructions = marginal("ours", sources, instructions)?;
        let allocations = marginal("ours", sources, allocations)?;
        say(&format!(
            "{:<34} {sources:>9} {instructions:>12.0} {allocations:>12.2}",
            "ours: solo, joint and estimate"
        ));
        if instructions > limit {
            failures
                .push(format!("{instructions:.0} instructions with {sources} sources, more than {limit:.0}"));
        }
        if allocations > 0.0 {
            failures.push(format!("{allocations} allocations for each sample"));
        }
    }
    let peer = marginal("baseline", 1, instructions)?;
    let allocations = marginal("baseline", 1, allocations)?;
    say(&format!("{:<34} {:>9} {peer:>12.0} {allocations:>12.2}", "chrony's kind: regression", 1));
    let (mut program, arguments) = load("size", 2 * SAMPLES, 4);
    let size = process::output(program.args(arguments))?;
    let mut sizes = size.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let (Some(own), Some(shared)) = (sizes.next(), sizes.next()) else {
        return Err(format!("no sizes in {size:?}"));
    };
    say(&format!("\nbytes: {own} for each association, {shared} for a joint filter of four"));
    if own > BYTES_MAX {
        failures.push(format!("{own} bytes for an association, more than {BYTES_MAX}"));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

/// The program that feeds samples, and its arguments.
fn load(what: &str, samples: u32, sources: u32) -> (Command, Vec<String>) {
    let program = Command::new(target().join("release/estimator-load"));
    (program, vec![what.to_owned(), samples.to_string(), sources.to_string()])
}

/// What one more sample costs.
fn marginal(what: &str, sources: u32, count: fn(&[String]) -> Result<f64, String>) -> Result<f64, String> {
    let (_, few) = load(what, SAMPLES, sources);
    let (_, many) = load(what, 2 * SAMPLES, sources);
    Ok((count(&many)? - count(&few)?) / f64::from(SAMPLES))
}

fn instructions(arguments: &[String]) -> Result<f64, String> {
    valgrind(&["--tool=callgrind", "--callgrind-out-file=/dev/null"], arguments, "Collected")
}

fn allocations(arguments: &[String]) -> Result<f64, String> {
    valgrind(&["--tool=memcheck"], arguments, "total heap usage")
}

/// Runs the load under valgrind and reads the first number behind a word of its summary.
fn valgrind(options: &[&str], arguments: &[String], word: &str) -> Result<f64, String> {
    let (program, _) = load("", 0, 0);
    let output = Command::new("valgrind").args(options).arg(program.get_program()).args(arguments).output();
    let output = output.map_err(|error| format!("needs valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains(word));
    let number = line.and_then(|line| line.split_once(word)).and_then(|(_, rest)| {
        let digits = rest.trim_start_matches([' ', ':']);
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(digits.len());
        digits.get(..end)?.replace(',', "").parse::<f64>().ok()
    });
    number.ok_or_else(|| format!("valgrind says nothing of {word}: {text}"))
}
