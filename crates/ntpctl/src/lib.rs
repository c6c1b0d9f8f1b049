//! The administrator's tool: one command for each change to ntp.conf, which cannot go wrong halfway.
//!
//! `edit.rs` plans, `change.rs` is the order of events; `file.rs` reads and judges, `apply.rs` writes
//! and restores, `service.rs` restarts, `verify.rs` asks the daemon whether it works. `check.rs`,
//! `list.rs`, `explain.rs` and `history.rs` only look, `import/` reads what other daemons left,
//! `status.rs` and `query.rs` ask over the network, `reload.rs` over the socket of this machine, `dhcp.rs` takes over
//! what a network offers. `simulate/` shows beforehand what would become of a configuration.
#![forbid(unsafe_code)]

mod advice;
mod apply;
mod change;
mod check;
pub mod cli;
mod dhcp;
mod edit;
pub mod exit;
mod explain;
mod file;
mod history;
mod import;
mod interrupt;
mod keygen;
mod list;
mod query;
mod reload;
mod service;
mod settings;
mod simulate;
mod status;
mod verify;

use std::io::{self, Write};
use std::path::Path;

pub use import::import_text;

use cli::{Command, Options};
use edit::Context;
use exit::{Exit, Failure};
use service::Manager;
use settings::Settings;

/// Runs one command.
pub fn run(options: &Options) -> Exit {
    let mut out = io::stdout().lock();
    let mut err = io::stderr().lock();
    let settings = match Settings::load(options.settings.as_deref()) {
        Ok(settings) => settings,
        // The unit's reload must reach its process all the same.
        Err(_) if options.command.is_for_unit() => Settings::default(),
        Err(reason) => {
            drop(writeln!(err, "ntpctl: {reason}"));
            return Exit::Usage;
        }
    };
    let mut command = options.command.clone();
    // Who names no file means the settings' one.
    if let Some(config) = command.config_mut().filter(|config| *config == Path::new(settings::CONFIG)) {
        config.clone_from(&settings.config);
    }
    let outcome = obey(&command, &settings, &mut out);
    drop(out.flush());
    match outcome {
        Ok(exit) => exit,
        // As with `| head`: whoever reads has seen enough.
        Err(Failure::Output(reason))
            if reason.kind() == io::ErrorKind::BrokenPipe && command.only_shows() =>
        {
            Exit::Done
        }
        Err(failure) => {
            drop(writeln!(err, "ntpctl: {}", printable(&failure.to_string())));
            failure.exit()
        }
    }
}

/// Text that a terminal does not take for commands: much of it comes from files.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c }).collect()
}

fn obey(command: &Command, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let context = &mut Context { settings, out };
    match command {
        Command::AddServer(request) => edit::add_server(request, context),
        Command::RemoveServer(request) => edit::remove_server(request, context),
        Command::EnableServer(request) => edit::enable_server(request, context),
        Command::DisableServer(request) => edit::disable_server(request, context),
        Command::ReplaceServer(request) => edit::replace_server(request, context),
        Command::SetServers(request) => edit::set_servers(request, context),
        Command::SetOption(request) => edit::set_option(request, context),
        Command::UnsetOption(request) => edit::unset_option(request, context),
        Command::Set(request) => edit::set(request, context),
        Command::Unset(request) => edit::unset(request, context),
        Command::List(request) => list::run(request, settings, context.out),
        Command::Check(request) => check::run(request, settings, context.out),
        Command::Explain(request) => explain::run(request, context.out),
        Command::Diff(request) => history::diff(request, settings, context.out),
        Command::Log(request) => history::log(request, settings, context.out),
        Command::Rollback(request) => history::rollback(request, settings, context.out),
        Command::Import(request) => import::run(request, context.out),
        Command::Status(request) => status::run(request, settings, context.out),
        Command::Query(request) => query::run(request, context.out),
        Command::Reload(request) => reload::run(request, settings, context.out),
        Command::Restart => restart(settings, context.out),
        Command::Keygen(request) => keygen::run(request, context.out),
        Command::Dhcp(request) => dhcp::run(request, settings, context.out),
        Command::Manual => {
            context.out.write_all(ntp_conf::manual(env!("CARGO_PKG_VERSION")).as_bytes())?;
            Ok(Exit::Done)
        }
        Command::Completions(request) => {
            // In memory first: it does not expect that writing can fail.
            let mut script = Vec::new();
            clap_complete::generate(
                request.shell,
                &mut cli::with_the_words_of_ntp_conf(),
                "ntpctl",
                &mut script,
            );
            context.out.write_all(&script)?;
            Ok(Exit::Done)
        }
        Command::Simulate(request) => simulate::run(request, context.out),
    }
}

/// Restarts the daemon, and waits until it answers.
fn restart(settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let manager = Manager::detect(settings);
    if manager == Manager::None {
        return Err(Failure::NotRestarted("no service manager was found; restart ntpd by hand".to_owned()));
    }
    manager.restart().map_err(Failure::RestartFailed)?;
    verify::wait_until_it_serves(settings).map_err(Failure::NoAnswer)?;
    writeln!(out, "ntpd runs")?;
    Ok(Exit::Done)
}
