//! Runs scenarios and prints our client beside the baseline.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match ntp_sim::command::run(&arguments, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            drop(writeln!(io::stderr(), "sim: {reason}"));
            ExitCode::from(2)
        }
    }
}
