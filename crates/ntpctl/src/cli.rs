//! The command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use ntp_conf::edit::SETTABLE;
use ntp_conf::schema;

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
(check --strict: warnings), 3 could not write, 4 written but not restarted (reload: no answer), \
5 restart failed and rolled back, 6 the change did not work and was rolled back (status, query: no time), 10 --dry-run would change the file.";

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Add a server: edit, show the difference, write, restart, wait for its answer; roll back if
    /// none comes
    AddServer(AddServer),
    /// Remove a server
    RemoveServer(RemoveServer),
    /// Take the comment sign off a server
    EnableServer(EnableServer),
    /// Comment a server out
    DisableServer(DisableServer),
    /// Put another server in the place of one; its options stay
    ReplaceServer(ReplaceServer),
    /// Have these servers and no others
    SetServers(SetServers),
    /// Give a server an option
    SetOption(SetOption),
    /// Take an option from a server
    UnsetOption(UnsetOption),
    /// Set a value: `driftfile FILE`, `tinker panic 0`, `tos minsane 3`
    Set(SetValue),
    /// Take a value back, so that its default holds
    Unset(SetValue),
    /// Show the servers, and where each of them stands
    List(List),
    /// Say what is wrong with a configuration
    Check(Check),
    /// Say what a directive or a line means; without one, what the whole configuration comes to
    Explain(Explain),
    /// Show what has changed since an older version of the file
    Diff(Version),
    /// List the older versions of the file
    Log(Log),
    /// Go back to an older version of the file
    Rollback(Rollback),
    /// Turn the configuration of chrony, systemd-timesyncd or ntpd-rs into an ntp.conf
    Import(Import),
    /// Ask ntpd whether the clock is right
    Status(Status),
    /// Ask any server for the time, without setting anything
    Query(Query),
    /// Have ntpd read its configuration anew without a restart, and say what came of it
    Reload(Reload),
    /// Restart ntpd, and wait until it serves
    Restart,
    /// Make a symmetric key, for a `keys` file here and on the other machine
    Keygen(Keygen),
    /// Take over the servers that DHCP names: for the hooks of DHCP clients
    Dhcp(Dhcp),
    /// Print the manual page ntp.conf(5), for `man -l -`
    Manual,
    /// Print the completions of a shell
    Completions(Completions),
    /// Run a configuration in a simulated world, and show how well the clock would be kept
    Simulate(Simulate),
}

/// The command line with the words that may stand in an ntp.conf, for completions: the commands
/// themselves take any word and say what is wrong with it.
pub(crate) fn with_the_words_of_ntp_conf() -> clap::Command {
    let options = || {
        let server = schema::entry("server");
        server.into_iter().flat_map(|entry| entry.settings).map(|setting| setting.name)
    };
    let directives = || schema::entries().map(|entry| entry.name).collect();
    let mut command = Options::command();
    for (name, argument, words) in [
        ("add-server", "options", options().collect()),
        ("set-option", "option", options().collect()),
        ("unset-option", "option", options().collect()),
        ("set", "words", SETTABLE.to_vec()),
        ("unset", "words", SETTABLE.to_vec()),
        ("explain", "words", directives()),
    ] {
        command = command.mut_subcommand(name, |command| {
            command.mut_args(|given| {
                let is_it = given.get_id() == argument;
                if is_it { given.value_parser(PossibleValuesParser::new(words.clone())) } else { given }
            })
        });
    }
    command
}

impl Command {
    /// Whether it shows something and changes nothing.
    pub(crate) const fn only_shows(&self) -> bool {
        match self {
            Self::List(_)
            | Self::Check(_)
            | Self::Explain(_)
            | Self::Diff(_)
            | Self::Log(_)
            | Self::Status(_)
            | Self::Query(_)
            | Self::Manual
            | Self::Completions(_)
            | Self::Simulate(_) => true,
            Self::AddServer(_)
            | Self::RemoveServer(_)
            | Self::EnableServer(_)
            | Self::DisableServer(_)
            | Self::ReplaceServer(_)
            | Self::SetServers(_)
            | Self::SetOption(_)
            | Self::UnsetOption(_)
            | Self::Set(_)
            | Self::Unset(_)
            | Self::Rollback(_)
            | Self::Import(_)
            | Self::Reload(_)
            | Self::Restart
            | Self::Keygen(_)
            | Self::Dhcp(_) => false,
        }
    }

    /// Whether the unit has called it, and no person.
    pub(crate) const fn is_for_unit(&self) -> bool {
        matches!(self, Self::Reload(Reload { or_signal: Some(_), .. }))
    }

    /// The configuration file that a command is about.
    pub(crate) const fn config_mut(&mut self) -> Option<&mut PathBuf> {
        Some(match self {
            Self::AddServer(request) => &mut request.apply.config,
            Self::RemoveServer(request) => &mut request.apply.config,
            Self::EnableServer(request) => &mut request.apply.config,
            Self::DisableServer(request) => &mut request.apply.config,
            Self::ReplaceServer(request) => &mut request.apply.config,
            Self::SetServers(request) => &mut request.apply.config,
            Self::SetOption(request) => &mut request.apply.config,
            Self::UnsetOption(request) => &mut request.apply.config,
            Self::Set(request) | Self::Unset(request) => &mut request.apply.config,
            Self::Rollback(request) => &mut request.apply.config,
            Self::List(request) => &mut request.target.config,
            Self::Explain(request) => &mut request.target.config,
            Self::Diff(request) => &mut request.target.config,
            Self::Log(request) => &mut request.target.config,
            Self::Check(_)
            | Self::Import(_)
            | Self::Status(_)
            | Self::Query(_)
            | Self::Reload(_)
            | Self::Restart
            | Self::Keygen(_)
            | Self::Dhcp(_)
            | Self::Manual
            | Self::Completions(_)
            | Self::Simulate(_) => return None,
        })
    }
}

/// Which file.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = crate::settings::CONFIG)]
    pub config: PathBuf,
}

/// How a change is made.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub struct Apply {
    /// Configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = crate::settings::CONFIG)]
    pub config: PathBuf,
    /// Write into ntp.d/ntpctl.conf beside the configuration file, not into the file itself
    #[arg(long)]
    pub drop_in: bool,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Write, but do not restart
    #[arg(long)]
    pub no_restart: bool,
    /// Leave the change in place even if it does not work
    #[arg(long)]
    pub no_rollback: bool,
    /// How long to wait until the change works, instead of the settings' answer-timeout
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub wait: Option<u64>,
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
    /// More options, as in the file: `minpoll 4 maxpoll 6`
    #[arg(value_name = "OPTION")]
    pub options: Vec<String>,
    /// It is a name with many servers behind it
    #[arg(long)]
    pub pool: bool,
    /// Use its IPv4 addresses only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use its IPv6 addresses only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Quick packets at the start (the default)
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
    /// If it is there with other options, replace them
    #[arg(long, conflicts_with = "merge")]
    pub replace: bool,
    /// If it is there with other options, add these
    #[arg(long)]
    pub merge: bool,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `remove-server`
#[derive(Clone, Debug, Args)]
pub struct RemoveServer {
    /// Name or address of the server
    #[arg(value_name = "NAME")]
    pub host: String,
    /// Comment its lines out instead
    #[arg(long)]
    pub comment: bool,
    /// A server that is not there is a failure
    #[arg(long)]
    pub strict: bool,
    /// Remove the `restrict` lines that are about it alone as well
    #[arg(long, conflicts_with = "comment")]
    pub with_restrict: bool,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `keygen`
#[derive(Clone, Debug, Args)]
pub struct Keygen {
    /// The file to add the key to; without it, its line is printed
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The algorithm: AES128CMAC, SHA256, SHA512, SHA1, MD5 ...
    #[arg(long = "type", value_name = "TYPE", default_value = "AES128CMAC")]
    pub algorithm: String,
    /// The key's number; without it, the first one that is free
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub number: Option<u32>,
}

/// What hooks of DHCP clients write.
const DHCP_EXAMPLES: &str = "\
Examples:
  ntpctl dhcp eth0 192.0.2.1 ntp.example    the servers of a new lease
  ntpctl dhcp eth0                          the lease has ended
  ntpctl dhcp --networkd                    all leases of systemd-networkd";

/// `dhcp`
#[derive(Clone, Debug, Args)]
#[command(after_help = DHCP_EXAMPLES)]
pub struct Dhcp {
    /// The interface, whose servers from before are replaced
    #[arg(value_name = "INTERFACE", required_unless_present = "networkd")]
    pub interface: Option<String>,
    /// Addresses or names, and nothing else: options go before them, for a network may name what it likes. Without one the
    /// interface's file is removed
    #[arg(value_name = "SERVER", allow_hyphen_values = true)]
    pub servers: Vec<String>,
    /// Instead, take over those of all leases of systemd-networkd, which keeps them there
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = crate::dhcp::LEASES, conflicts_with = "interface")]
    pub networkd: Option<PathBuf>,
    /// Where the files are, which ntp.conf includes
    #[arg(long, value_name = "DIR", default_value = "/run/ntp-dhcp")]
    pub folder: PathBuf,
    /// Leave ntpd alone
    #[arg(long)]
    pub no_reload: bool,
}

/// `enable-server`
#[derive(Clone, Debug, Args)]
pub struct EnableServer {
    /// Name or address of the server
    #[arg(value_name = "NAME")]
    pub host: String,
    /// The line to enable, where several name the server
    #[arg(long, value_name = "N")]
    pub line: Option<usize>,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `disable-server`
#[derive(Clone, Debug, Args)]
pub struct DisableServer {
    /// Name or address of the server
    #[arg(value_name = "NAME")]
    pub host: String,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `replace-server`
#[derive(Clone, Debug, Args)]
pub struct ReplaceServer {
    /// The one that goes
    #[arg(value_name = "OLD")]
    pub old: String,
    /// The one that comes
    #[arg(value_name = "NEW")]
    pub new: String,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `set-servers`
#[derive(Clone, Debug, Args)]
pub struct SetServers {
    /// Their names or addresses
    #[arg(value_name = "NAME", required = true)]
    pub hosts: Vec<String>,
    /// New ones are names with many servers behind them
    #[arg(long)]
    pub pool: bool,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `set-option`
#[derive(Clone, Debug, Args)]
pub struct SetOption {
    /// Name or address of the server
    #[arg(value_name = "NAME")]
    pub host: String,
    /// The option
    #[arg(value_name = "OPTION")]
    pub option: String,
    /// Its value, if it takes one
    #[arg(value_name = "VALUE")]
    pub value: Option<String>,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `unset-option`
#[derive(Clone, Debug, Args)]
pub struct UnsetOption {
    /// Name or address of the server
    #[arg(value_name = "NAME")]
    pub host: String,
    /// The option
    #[arg(value_name = "OPTION")]
    pub option: String,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `set`, `unset`
#[derive(Clone, Debug, Args)]
pub struct SetValue {
    /// The directive, and what it is set to
    #[arg(value_name = "WORD", required = true, allow_negative_numbers = true)]
    pub words: Vec<String>,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// `list`
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Servers that are commented out as well
    #[arg(long)]
    pub all: bool,
    /// For programs
    #[arg(long)]
    pub json: bool,
    /// Which file
    #[command(flatten)]
    pub target: Target,
}

/// For whom a configuration is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Daemon {
    /// This ntpd
    Ours,
    /// Classic ntpd 4.2.8
    Classic,
    /// NTPsec 1.2
    Ntpsec,
}

/// `check`
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Warnings count as well
    #[arg(long)]
    pub strict: bool,
    /// Say at what another daemon would stumble
    #[arg(long, value_enum, default_value_t = Daemon::Ours)]
    pub target: Daemon,
    /// For programs
    #[arg(long)]
    pub json: bool,
    /// Read files of up to so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = ntp_conf::FILE_LEN_MAX)]
    pub max_size: usize,
    /// Configuration files; /etc/ntp.conf where none is named
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", conflicts_with = "files")]
    pub config: Option<PathBuf>,
}

/// `explain`
#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// A directive, or a whole line
    #[arg(value_name = "DIRECTIVE|LINE")]
    pub words: Vec<String>,
    /// Which file
    #[command(flatten)]
    pub target: Target,
}

/// `diff`
#[derive(Clone, Debug, Args)]
pub struct Version {
    /// Which of the older versions, as `log` counts them
    #[arg(value_name = "N", default_value_t = 1)]
    pub number: usize,
    /// The versions of ntp.d/ntpctl.conf, which changes with --drop-in write
    #[arg(long)]
    pub drop_in: bool,
    /// Which file
    #[command(flatten)]
    pub target: Target,
}

/// `log`
#[derive(Clone, Debug, Args)]
pub struct Log {
    /// The versions of ntp.d/ntpctl.conf, which changes with --drop-in write
    #[arg(long)]
    pub drop_in: bool,
    /// Which file
    #[command(flatten)]
    pub target: Target,
}

/// `rollback`
#[derive(Clone, Debug, Args)]
pub struct Rollback {
    /// Which of the older versions, as `log` counts them
    #[arg(value_name = "N", default_value_t = 1)]
    pub number: usize,
    /// How
    #[command(flatten)]
    pub apply: Apply,
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// chrony.conf
    Chrony,
    /// systemd's timesyncd.conf
    Timesyncd,
    /// ntpd-rs' ntp.toml
    NtpdRs,
}

/// `import`
#[derive(Clone, Debug, Args)]
pub struct Import {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What it is, if its name and content do not tell
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write the result here instead of printing it; nothing is replaced
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `status`
#[derive(Clone, Debug, Args)]
pub struct Status {
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// `query`
#[derive(Clone, Debug, Args)]
pub struct Query {
    /// Names or addresses; `HOST:PORT` for another port than 123
    #[arg(value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Packets to each address; the least delayed counts
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub samples: u8,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// `reload`
#[derive(Clone, Debug, Args)]
pub struct Reload {
    /// Where the daemon takes questions in JSON, instead of where the settings say
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// For the unit: this process is meant, which gets SIGHUP where it cannot be asked; say only whether it went wrong
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(2..))]
    pub or_signal: Option<i32>,
}

/// `completions`
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// Whose
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
