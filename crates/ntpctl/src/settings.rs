//! `/etc/ntpctl.toml`: how this machine restarts its daemon and where it can be asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ntp_os::config_files::{self, ReadError};
use serde::Deserialize;

/// Where the settings are.
const PATH: &str = "/etc/ntpctl.toml";

/// The machine's configuration file.
pub(crate) const CONFIG: &str = "/etc/ntp.conf";

/// How many older versions of a file may be kept.
const BACKUPS_RANGE: RangeInclusive<usize> = 1..=1000;

/// The longest settings file.
const LENGTH_MAX: usize = 65_536;

/// How long a new server may be waited for.
const TIMEOUT_RANGE: RangeInclusive<u64> = 1..=3600;

/// The settings; every one has a default that suits Debian.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The unit to restart.
    pub(crate) unit: String,
    /// A command that restarts the daemon and returns when it serves, instead of systemctl.
    pub(crate) restart_command: Option<Vec<String>>,
    /// Where the daemon answers mode 6.
    pub(crate) daemon: SocketAddr,
    /// Where the daemon answers programs on this machine.
    pub(crate) control_socket: PathBuf,
    /// How many seconds a new server has to answer.
    pub(crate) answer_timeout: u64,
    /// The configuration file that is meant where none is named.
    pub(crate) config: PathBuf,
    /// Where old files are kept.
    pub(crate) backup_dir: PathBuf,
    /// How many of each.
    pub(crate) backups_kept: usize,
    /// Copies of the configuration with DHCP's servers, which go before it while they exist.
    pub(crate) dhcp_files: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unit: "ntp.service".to_owned(),
            restart_command: None,
            daemon: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 123),
            control_socket: PathBuf::from(ntpd::cli::CONTROL_SOCKET),
            answer_timeout: 20,
            config: PathBuf::from(CONFIG),
            backup_dir: PathBuf::from("/var/backups/ntp"),
            backups_kept: 10,
            dhcp_files: ["/run/ntp.conf.dhcp", "/run/ntpsec/ntp.conf.dhcp"].map(PathBuf::from).to_vec(),
        }
    }
}

impl Settings {
    /// Reads a file; the usual one need not exist.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, String> {
        let wanted = path.unwrap_or_else(|| Path::new(PATH));
        match config_files::load_file(wanted, LENGTH_MAX) {
            Ok((_, content)) if content.len() > LENGTH_MAX => {
                Err(format!("{}: is too long", wanted.display()))
            }
            Ok((_, content)) => {
                let text = String::from_utf8_lossy(&content);
                Self::parse(&text).map_err(|error| format!("{}: {error}", wanted.display()))
            }
            Err(ReadError::Missing) if path.is_none() => Ok(Self::default()),
            Err(error) => Err(format!("{}: cannot be read: {error}", wanted.display())),
        }
    }

    /// A word about each of those that exist, if `config` is the machine's own.
    pub(crate) fn warnings_of_dhcp(&self, config: &Path) -> impl Iterator<Item = String> {
        let own = config == Path::new(CONFIG);
        self.dhcp_files.iter().filter(move |file| own && file.exists()).map(|file| {
            format!("{} is in force as long as it exists: DHCP's servers come first", file.display())
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match &settings.restart_command {
            Some(words) if words.first().is_none_or(String::is_empty) => {
                Err("restart-command is empty".to_owned())
            }
            _ if !settings.backup_dir.is_absolute() || !settings.config.is_absolute() => {
                Err("backup-dir and config must be whole paths, from /".to_owned())
            }
            _ if !TIMEOUT_RANGE.contains(&settings.answer_timeout) => {
                Err("answer-timeout must be 1 to 3600 seconds".to_owned())
            }
            _ if !BACKUPS_RANGE.contains(&settings.backups_kept) => {
                Err("backups-kept must be 1 to 1000".to_owned())
            }
            _ if settings.unit.starts_with('-') => Err(format!("\"{}\" is no unit's name", settings.unit)),
            _ => Ok(settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_default_and_an_unknown_one_is_named() {
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
        let settings = Settings::parse("unit = \"ntpd.service\"\ndaemon = \"[::1]:1123\"\n").unwrap();
        assert_eq!((settings.unit.as_str(), settings.daemon.port()), ("ntpd.service", 1123));
        for (text, named) in [
            ("unti = \"x\"", "unti"),
            ("daemon = \"nowhere\"", "daemon"),
            ("restart-command = []", "restart-command"),
            ("unit = \"--force\"", "--force"),
            ("answer-timeout = 9223372036854775807", "3600"),
            ("answer-timeout = 0", "3600"),
            ("backups-kept = 0", "1000"),
            ("backup-dir = \"rel\"", "whole paths"),
            ("restart-command = [\"\"]", "restart-command"),
            ("= 5", "TOML"),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
