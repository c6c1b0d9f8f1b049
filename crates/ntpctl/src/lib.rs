//! The administrator's tool: one command for each change to ntp.conf, which cannot go wrong halfway.
//!
//! `add_server.rs` is the order of events; `file.rs` reads and judges, `apply.rs` writes and
//! restores, `service.rs` restarts, `verify.rs` asks the daemon whether it works. `simulate/` shows
//! beforehand what would become of a configuration.
#![forbid(unsafe_code)]

mod add_server;
mod apply;
mod check;
pub mod cli;
pub mod exit;
mod file;
mod interrupt;
mod service;
mod settings;
mod simulate;
mod verify;

use std::io::{self, Write as _};

use cli::{Command, Options};
use exit::Exit;
use settings::Settings;

/// Runs one command.
pub fn run(options: &Options) -> Exit {
    let mut out = io::stdout().lock();
    let mut err = io::stderr().lock();
    let settings = match Settings::load(options.settings.as_deref()) {
        Ok(settings) => settings,
        Err(reason) => {
            drop(writeln!(err, "ntpctl: {reason}"));
            return Exit::Usage;
        }
    };
    let outcome = match &options.command {
        Command::AddServer(request) => add_server::run(request, &settings, &mut out),
        Command::Check(request) => check::run(request, &mut out),
        Command::Simulate(request) => simulate::run(request, &mut out),
    };
    drop(out.flush());
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            drop(writeln!(err, "ntpctl: {failure}"));
            failure.exit()
        }
    }
}
