//! Asks an NTP daemon how it is doing.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use ntpq::cli::Options;
use ntpq::exit::Exit;

fn main() -> ExitCode {
    match Options::try_parse() {
        Ok(options) => ntpq::run(&options).into(),
        Err(error) => {
            // Help and version are no mistakes, and go to standard output.
            let asked = !error.use_stderr();
            let printed = error.print();
            if asked && printed.is_ok() { Exit::Done.into() } else { Exit::Usage.into() }
        }
    }
}
