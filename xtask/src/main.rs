//! Development tasks: `cargo xtask bench | demo | dist | e2e | fuzz | sim | test | tidy`.
#![forbid(unsafe_code)]

mod bench;
mod demo;
mod dist;
mod e2e;
mod fuzz;
mod process;
mod sim;
mod test;
mod tidy;

use std::io::{self, Write as _};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

bench  measure: `bench estimator`, instructions for each sample and bytes for each association;
       `bench conf`, the cost of each line of a long ntp.conf
demo   build, and run the tutorial offline and unprivileged: a server, an ntp.conf, ntpctl, ntpd, ntpq
fuzz   attack a parser with changed inputs: `fuzz parse|edits|import|request|keys|control|answer [--time SECONDS] [--seed S]`
sim    run scenarios with our client beside chrony's kind: [SCENARIO..] [--seeds N] [--seed S] [--json]
test   run every test, and list what was skipped and why
tidy   check what the compiler does not: dependencies, sizes, stray printing, paths
dist   build target/dist/ntp_VERSION_ARCH.deb; --static: a tarball for any Linux
e2e    `e2e --packaging [SCENARIO..]`: what apt and systemctl make of it, on Debian machines in containers
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match task.as_str() {
        "demo" => demo::run(),
        "bench" => bench::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "sim" => sim::run(&rest),
        "test" => test::run(&rest),
        "tidy" => tidy::run(),
        "dist" => dist::run(&rest),
        "e2e" => e2e::run(&rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            drop(writeln!(io::stderr(), "xtask {task}: {reason}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for the person who waits.
fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}
