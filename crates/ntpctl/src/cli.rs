//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

/// Edits ntp.conf without disturbing it, restarts ntpd, and checks that the edit works.
#[derive(Clone, Debug, Parser)]
#[command(name = "ntpctl", version, disable_version_flag = true, after_help = AFTER_HELP)]
pub struct Options {
    /// Settings of this tool, instead of /etc/ntpctl.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub settings: Option<PathBuf>,
    /// Print the version
    #[arg(short = 'V', long = "version", action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "Exit status: 0 done or nothing to do, 1 usage (check: errors), 2 refused \
(check --strict: warnings), 3 could not write, 4 written but not restarted, 5 restart failed and rolled back, \
6 the new server did not answer and was rolled back, 10 --dry-run would change the file.";

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Add a server: edit, show the difference, write, restart, wait for its answer; roll back if
    /// none comes
    AddServer(AddServer),
    /// Say what is wrong with a configuration
    Check(Check),
    /// Run a configuration in a simulated world, and show how well the clock would be kept
    Simulate(Simulate),
}

/// `simulate`
#[derive(Clone, Debug, Args)]
pub struct Simulate {
    /// The world: clock, servers and paths (see the scenarios under tests/sim)
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Configuration to run; without it, a `server` line for each server of the world
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The same seed gives the same world
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Draw the offset over time
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// `add-server`
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub struct AddServer {
    /// Name or address of the server
    #[arg(value_name = "NAME")]
    pub host: String,
    /// Eight quick packets at the start (the default)
    #[arg(long, conflicts_with = "no_iburst")]
    pub iburst: bool,
    /// No quick packets at the start
    #[arg(long)]
    pub no_iburst: bool,
    /// Prefer this server over the others
    #[arg(long)]
    pub prefer: bool,
    /// Its UDP port, if not 123
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Write, but do not restart
    #[arg(long)]
    pub no_restart: bool,
    /// Configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "/etc/ntp.conf")]
    pub config: PathBuf,
}

/// `check`
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Warnings count as well
    #[arg(long)]
    pub strict: bool,
    /// Configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "/etc/ntp.conf")]
    pub config: PathBuf,
}
