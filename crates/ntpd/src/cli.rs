//! The command line: classic ntpd's letters keep their meaning.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser};
use ntp_conf::directive::{InterfaceAction, InterfaceRule, InterfaceTarget};
use ntp_conf::{At, Configuration, Placed};
use ntp_proto::time::{Frequency, NtpDuration};

/// Keeps the system clock right, and gives time to others.
#[derive(Clone, Debug, Parser)]
#[command(name = "ntpd", version, disable_version_flag = true, after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub struct Options {
    /// Configuration file
    #[arg(short = 'c', long = "configfile", value_name = "FILE", default_value = "/etc/ntp.conf")]
    pub config: PathBuf,
    /// Stay in the foreground
    #[arg(short = 'n', long = "nofork")]
    pub foreground: bool,
    /// Log more, and stay in the foreground; twice for every packet
    #[arg(short = 'd', long = "debug", action = ArgAction::Count)]
    pub debug: u8,
    /// Allow the first correction to be of any size
    #[arg(short = 'g', long = "panicgate")]
    pub panic_gate: bool,
    /// Set the clock once and exit
    #[arg(short = 'q', long = "quit")]
    pub quit: bool,
    /// Slew errors up to 600 s instead of stepping them
    #[arg(short = 'x', long = "slew")]
    pub slew: bool,
    /// Resolve names to IPv4 addresses
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Resolve names to IPv6 addresses
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    /// Frequency file, instead of the one in the configuration
    #[arg(short = 'f', long = "driftfile", value_name = "FILE")]
    pub drift_file: Option<PathBuf>,
    /// Write the process number there
    #[arg(short = 'p', long = "pidfile", value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Log into this file
    #[arg(short = 'l', long = "logfile", value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Listen on this port instead of 123
    #[arg(long, value_name = "N", default_value_t = 123, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Which clock: `system`, `none` (leave the system's alone), or
    /// `virtual[:offset=S,frequency=PPM]` (one of our own that starts wrong)
    #[arg(long, value_name = "CLOCK", default_value = "system", value_parser = parse_clock)]
    pub clock: ClockChoice,
    /// Listen on the addresses of this interface, or on this address; may be given again
    #[arg(short = 'I', long = "interface", value_name = "INTERFACE")]
    pub interfaces: Vec<String>,
    /// File of symmetric keys, instead of the one in the configuration
    #[arg(short = 'k', long = "keyfile", value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Record statistics in this folder, whatever ntp.conf says
    #[arg(short = 's', long = "statsdir", value_name = "DIR")]
    pub statistics: Option<PathBuf>,
    /// Answer programs on this machine there, in JSON, instead of at /run/ntp/control.sock
    #[arg(long = "control-socket", value_name = "PATH")]
    pub control_socket: Option<PathBuf>,
    /// Keep access to all files and system calls: to find out whether the sandbox is in the way
    #[arg(long = "no-sandbox")]
    pub no_sandbox: bool,
    /// Once the port is open, become this user, who keeps the right to set the clock
    #[arg(short = 'u', long = "user", value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Where the program was started: names in files are relative to it, whenever they are read
    #[arg(skip)]
    pub(crate) folder: PathBuf,
    /// Trust this key as well; may be given again
    #[arg(short = 't', long = "trustedkey", value_name = "KEY")]
    pub trusted_keys: Vec<u32>,
    /// Print the version
    #[arg(short = 'V', long = "version", action = ArgAction::Version)]
    version: Option<bool>,
    /// Letters that nothing follows from
    #[command(flatten)]
    pub ignored: Ignored,
}

const AFTER_HELP: &str = "\
Classic ntpd's -a -i -L -N -U are taken too, and nothing follows from them.
SIGHUP reads the configuration anew: who may ask, the keys and where to listen, without a pause.
SIGTERM and SIGINT end it cleanly. With -q it gives up after a minute.

Exit status: 0 ended as asked, 1 usage or configuration, 2 could not listen, \
3 clock control refused, 4 clock beyond the panic threshold, 5 no time obtained (-q).";

/// In the unit's runtime directory.
pub const CONTROL_SOCKET: &str = "/run/ntp/control.sock";

impl Options {
    /// Where programs on this machine ask.
    pub(crate) fn control_socket(&self) -> &Path {
        self.control_socket.as_deref().unwrap_or_else(|| Path::new(CONTROL_SOCKET))
    }

    /// Has every path begin at the root: the daemon may leave the folder that it was started in.
    pub(crate) fn settle_in(&mut self, folder: PathBuf) {
        self.config = folder.join(&self.config);
        for path in [
            &mut self.drift_file,
            &mut self.pid_file,
            &mut self.log_file,
            &mut self.keys,
            &mut self.statistics,
            &mut self.control_socket,
        ] {
            *path = path.take().map(|path| folder.join(path));
        }
        self.folder = folder;
    }

    /// Adds to a configuration what the command line says beside it.
    pub(crate) fn complete(&self, found: &mut Configuration) {
        let at = At { file: 0, line: 0 };
        if !self.interfaces.is_empty() && found.interfaces.is_empty() {
            // What is named is all that is listened on, and this machine's own addresses.
            for (action, target) in [
                (InterfaceAction::Ignore, InterfaceTarget::All),
                (InterfaceAction::Listen, InterfaceTarget::Name("lo".to_owned())),
            ] {
                found.interfaces.push(Placed { value: InterfaceRule { action, target }, at });
            }
        }
        for name in &self.interfaces {
            let target = match name.parse::<IpAddr>() {
                Ok(address) => InterfaceTarget::Network(address, if address.is_ipv4() { 32 } else { 128 }),
                Err(_) => InterfaceTarget::Name(name.clone()),
            };
            let value = InterfaceRule { action: InterfaceAction::Listen, target };
            found.interfaces.push(Placed { value, at });
        }
        if let Some(path) = &self.keys {
            found.keys = Some(Placed { value: path.clone(), at });
        }
        if let Some(folder) = &self.statistics {
            found.statistics.folder = Some(folder.clone());
        }
        let files = [&mut found.keys, &mut found.drift_file, &mut found.log_file, &mut found.pid_file];
        for file in files.into_iter().flatten() {
            file.value = self.folder.join(&file.value);
        }
        if let Some(file) = &mut found.leap_file {
            file.value.path = self.folder.join(&file.value.path).display().to_string();
        }
        if let Some(folder) = &mut found.statistics.folder {
            *folder = self.folder.join(&*folder);
        }
        found.trusted_keys.extend(self.trusted_keys.iter().map(|key| Placed { value: (*key, *key), at }));
    }
}

/// Letters of classic ntpd that nothing follows from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Ignored {
    #[arg(short = 'a', hide = true)]
    authreq: bool,
    #[arg(short = 'i', hide = true, value_name = "DIR")]
    jail: Option<String>,
    #[arg(short = 'L', hide = true)]
    no_virtual: bool,
    #[arg(short = 'N', hide = true)]
    nice: bool,
    #[arg(short = 'U', hide = true, value_name = "SECONDS")]
    update: Option<String>,
}

impl Ignored {
    /// Those that were given.
    pub fn given(&self) -> Vec<&'static str> {
        [
            ("-a", self.authreq),
            ("-i", self.jail.is_some()),
            ("-L", self.no_virtual),
            ("-N", self.nice),
            ("-U", self.update.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

/// Which clock is disciplined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChoice {
    /// The kernel's.
    System,
    /// None: the corrected time is served, the kernel's clock is left alone.
    None,
    /// One of our own, which starts this wrong.
    Virtual {
        /// How far it starts ahead of the system clock.
        offset: NtpDuration,
        /// How fast it gains on the system clock.
        frequency: Frequency,
    },
}

/// How wrong a virtual clock may start, in seconds: 66 years. Beyond 68, eras cannot be told apart.
const OFFSET_MAX: f64 = 2.1e9;

/// How wrong a virtual clock may run, in ppm: more than the kernel could correct.
const FREQUENCY_MAX: f64 = 1e5;

fn parse_clock(text: &str) -> Result<ClockChoice, String> {
    let right = ClockChoice::Virtual { offset: NtpDuration::ZERO, frequency: Frequency::ZERO };
    let (kind, settings) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
    match (kind, settings) {
        ("system", None) => Ok(ClockChoice::System),
        ("none", None) => Ok(ClockChoice::None),
        ("virtual", None) => Ok(right),
        ("virtual", Some(settings)) => parse_virtual(settings),
        _ => Err("expected system, none, or virtual[:offset=S,frequency=PPM]".to_owned()),
    }
}

fn parse_virtual(settings: &str) -> Result<ClockChoice, String> {
    let (mut offset, mut frequency) = (NtpDuration::ZERO, Frequency::ZERO);
    for setting in settings.split(',') {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}` is no NAME=VALUE"))?;
        let value: f64 = value.parse().map_err(|_| format!("`{value}` is no number"))?;
        match name {
            "offset" if value.abs() <= OFFSET_MAX => offset = NtpDuration::from_seconds_f64(value),
            "frequency" if value.abs() <= FREQUENCY_MAX => frequency = Frequency::from_ppm(value),
            "offset" => return Err(format!("`{setting}` is not within {OFFSET_MAX:e} s")),
            "frequency" => return Err(format!("`{setting}` is not within {FREQUENCY_MAX:e} ppm")),
            _ => return Err(format!("`{name}` is neither offset (seconds) nor frequency (ppm)")),
        }
    }
    Ok(ClockChoice::Virtual { offset, frequency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_chosen_by_name() {
        assert_eq!(parse_clock("system"), Ok(ClockChoice::System));
        assert_eq!(parse_clock("none"), Ok(ClockChoice::None));
        let wrong = ClockChoice::Virtual {
            offset: NtpDuration::from_seconds_f64(-0.25),
            frequency: Frequency::from_ppm(50.0),
        };
        assert_eq!(parse_clock("virtual:offset=-0.25,frequency=50"), Ok(wrong));
        for bad in [
            "",
            "sundial",
            "virtual:",
            "virtual:offset",
            "virtual:offset=x",
            "virtual:tilt=1",
            "none:offset=1",
            "virtual:offset=nan",
            "virtual:frequency=1e9",
        ] {
            assert!(parse_clock(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debians_options_and_all_of_classics_letters_are_taken() {
        let options = Options::try_parse_from(["ntpd", "-g", "-N"]).unwrap();
        assert!(options.panic_gate);
        assert_eq!(options.ignored.given(), ["-N"]);
        let all = "ntpd -4 -c f -d -f d -g -I eth0 -i /j -k k -L -l log -n -N -p pid -q -s s -t 1 -u ntp:ntp -U 5 -x";
        let options = Options::try_parse_from(all.split(' ')).unwrap();
        assert_eq!(options.ignored.given().len(), 4);
    }
}
