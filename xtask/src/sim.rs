//! The simulator: our client beside one of chrony's kind.

use crate::process::{self, cargo};

/// Runs scenarios, optimised: a simulated day takes milliseconds then.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    process::run(cargo().args(["build", "--quiet", "--release", "-p", "ntp-sim"]))?;
    process::run(cargo().args(["run", "--quiet", "--release", "-p", "ntp-sim", "--"]).args(arguments))
}
