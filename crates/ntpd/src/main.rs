//! The time daemon.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use ntpd::cli::Options;
use ntpd::exit::Exit;

fn main() -> ExitCode {
    match Options::try_parse() {
        Ok(options) => ntpd::run(&options).into(),
        Err(error) => {
            // Help and version are no mistakes, and go to standard output.
            let asked = !error.use_stderr();
            let printed = error.print();
            if asked && printed.is_ok() { Exit::Done.into() } else { Exit::Usage.into() }
        }
    }
}
