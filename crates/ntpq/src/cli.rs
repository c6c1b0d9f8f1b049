//! The command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use clap::{ArgAction, Parser};

/// Asks NTP daemons how they are doing.
#[derive(Clone, Debug, Parser)]
#[command(name = "ntpq", version, disable_version_flag = true, after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub struct Options {
    /// Show addresses, do not look up names
    #[arg(short = 'n', long = "numeric")]
    pub numeric: bool,
    /// Print the peers (same as -c peers)
    #[arg(short = 'p', long = "peers")]
    pub peers: bool,
    /// Run a command; may be given several times
    #[arg(short = 'c', long = "command", value_name = "CMD")]
    pub commands: Vec<String>,
    /// Answer in JSON, one object a line
    #[arg(long = "json")]
    pub json: bool,
    /// Ask again and again, every so many seconds; q ends it
    #[arg(
        long = "watch", value_name = "SECONDS", num_args = 0..=1, require_equals = true,
        default_missing_value = "2", value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub watch: Option<u32>,
    /// Show the last day of this machine's statistics files, in a folder if one is named
    #[arg(
        long = "history", value_name = "DIRECTORY", num_args = 0..=1, require_equals = true
    )]
    pub history: Option<Option<std::path::PathBuf>>,
    /// Show times with their units
    #[arg(short = 'u', long = "units")]
    pub units: bool,
    /// Show long names whole, on lines of their own
    #[arg(short = 'w', long = "wide")]
    pub wide: bool,
    /// Take the terminal for this wide
    #[arg(short = 'W', long = "width", value_name = "COLUMNS", value_parser = parse_width, allow_negative_numbers = true)]
    pub width: Option<usize>,
    /// Print tables in the columns of classic ntpq
    #[arg(long = "classic")]
    pub classic: bool,
    /// Exit with 0 whatever the daemons answer, as the originals do
    #[arg(long = "compat-exit")]
    pub compatible_exit: bool,
    /// `verify`: the offset may be so many milliseconds
    #[arg(long = "max-offset", value_name = "MS", value_parser = parse_millis, allow_negative_numbers = true)]
    pub offset_max: Option<f64>,
    /// `verify`: so many sources must be used
    #[arg(long = "min-sources", visible_alias = "min-peers", value_name = "N")]
    pub sources_min: Option<usize>,
    /// `verify`: the clock must be within so many milliseconds of true time
    #[arg(long = "max-distance", value_name = "MS", value_parser = parse_millis, allow_negative_numbers = true)]
    pub distance_max: Option<f64>,
    /// `verify`: wait up to so many seconds for all that to hold
    #[arg(
        long = "wait", value_name = "SECONDS", default_value = "0", value_parser = parse_wait,
        allow_negative_numbers = true
    )]
    pub wait: Duration,
    /// Read commands, even where some are given
    #[arg(short = 'i', long = "interactive")]
    pub interactive: bool,
    /// Tell of every packet
    #[arg(short = 'd', long = "debug-level", action = ArgAction::Count)]
    pub debug: u8,
    /// Tell of packets in this file instead of on standard error
    #[arg(short = 'l', long = "logfile", value_name = "FILE")]
    pub log_file: Option<std::path::PathBuf>,
    /// Show names as ntp.conf has them, and look up no others
    #[arg(short = 's', long = "srcname")]
    pub source_names: bool,
    /// The same as -d, by a number
    #[arg(short = 'D', long = "set-debug-level", value_name = "LEVEL", allow_negative_numbers = true)]
    pub debug_level: Option<u8>,
    /// Sign questions with the key of this number
    #[arg(short = 'a', long = "authentication", value_name = "NUMBER", allow_negative_numbers = true)]
    pub key: Option<std::num::NonZeroU32>,
    /// The file that has the key
    #[arg(short = 'k', long = "keyfile", value_name = "FILE")]
    pub key_file: Option<std::path::PathBuf>,
    /// Use IPv4 only
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    /// Print the version
    #[arg(short = 'V', long = "version", action = ArgAction::Version)]
    version: Option<bool>,
    /// Daemons to ask
    #[arg(value_name = "HOST[:PORT]", default_value = "localhost")]
    pub hosts: Vec<String>,
}

const AFTER_HELP: &str = "\
`ntpq why [SOURCE]` says in words whether this machine's clock is synchronized, and why not.
`ntpq verify [HOST...]` says so in one line, and by its exit status, for scripts.
Commands: `ntpq -c help`. Without -p and -c, commands are read from standard input.
Exit status: 0 every question was answered, 1 usage, 2 no answer, 3 the daemon refused, 4 (why, verify) the clock
is not synchronized, or the source is not used, 5 (verify) it is not as good as was asked for.";

/// Narrower than any table, and wider than any terminal.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=10_000;

fn parse_width(text: &str) -> Result<usize, String> {
    let found = text.parse().ok().filter(|width| WIDTHS.contains(width));
    found.ok_or_else(|| format!("expected {} to {} columns", WIDTHS.start(), WIDTHS.end()))
}

/// The longest that anybody waits, ten years; beyond it clocks cannot count.
const WAIT_MAX: f64 = 3.2e8;

fn parse_wait(text: &str) -> Result<Duration, String> {
    let found = text.parse().ok().filter(|seconds| (0.0..=WAIT_MAX).contains(seconds));
    found.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds, 0 or more".to_owned())
}

fn parse_millis(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|millis: &f64| millis.is_finite() && *millis >= 0.0);
    found.ok_or_else(|| "expected milliseconds, 0 or more".to_owned())
}

/// A daemon to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was named.
    pub name: String,
    /// Where it is, in the order of preference.
    pub addresses: Vec<SocketAddr>,
}

/// Why a daemon cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// What was written names no host and no port.
    #[error("{0}")]
    Malformed(String),
    /// The name has no address, or there is no way there.
    #[error("{0}")]
    Unresolved(String),
}

/// Text of others for a message: short, and without what a terminal would act on.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:.60}", text.escape_debug().to_string())
}

impl Target {
    /// Resolves `HOST`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address.
    pub fn resolve(text: &str, ipv4: bool, ipv6: bool) -> Result<Self, TargetError> {
        let (host, port) = split_port(text).ok_or_else(|| TargetError::Malformed(malformed(text)))?;
        // Always this machine, whatever a resolver says or fails to say (RFC 6761 §6.3).
        let found: Vec<SocketAddr> = if host.eq_ignore_ascii_case("localhost") {
            let [v6, v4] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            [v6, v4].map(|address: IpAddr| SocketAddr::new(address, port)).to_vec()
        } else {
            let found = (host, port).to_socket_addrs();
            found.map_err(|error| TargetError::Unresolved(format!("{}: {error}", quoted(host))))?.collect()
        };
        let wanted = |address: &SocketAddr| !(ipv4 && address.is_ipv6() || ipv6 && address.is_ipv4());
        let addresses: Vec<SocketAddr> = found.into_iter().filter(wanted).collect();
        if addresses.is_empty() {
            let message = format!("{}: has no address of this family", quoted(host));
            return Err(TargetError::Unresolved(message));
        }
        Ok(Self { name: host.to_owned(), addresses })
    }
}

/// What is wrong with a host and port, and what was meant, where that is clear.
fn malformed(text: &str) -> String {
    let meant = text.rsplit_once(':').filter(|(host, port)| {
        host.parse::<Ipv6Addr>().is_ok() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match meant {
        Some((host, port)) => format!("\"{}\" is no HOST[:PORT]; write [{host}]:{port}", quoted(text)),
        None => format!("\"{}\" is no HOST[:PORT]", quoted(text)),
    }
}

/// Port 123 unless the text names another.
fn split_port(text: &str) -> Option<(&str, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, port.parse().ok().filter(|port| *port > 0)?)),
            None if after.is_empty() => Some((host, 123)),
            None => None,
        };
    }
    match text.split_once(':') {
        // More than one colon is a bare IPv6 address, with its interface perhaps.
        Some((_, rest)) if rest.contains(':') => {
            let address = text.split('%').next().unwrap_or_default();
            address.parse::<Ipv6Addr>().is_ok().then_some((text, 123))
        }
        Some((host, port)) if !host.is_empty() => Some((host, port.parse().ok().filter(|port| *port > 0)?)),
        Some(_) => None,
        None => (!text.is_empty()).then_some((text, 123)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_may_carry_a_port() {
        for (text, expected) in [
            ("localhost", Some(("localhost", 123))),
            ("localhost:10123", Some(("localhost", 10123))),
            ("::1", Some(("::1", 123))),
            ("[::1]", Some(("::1", 123))),
            ("[::1]:10123", Some(("::1", 10123))),
            ("", None),
            (":5", None),
            ("a:b", None),
            ("a:0", None),
            ("a:99999", None),
            ("[::1", None),
            ("[::1]x", None),
            ("::1:11123", None),
            ("fe80::1%eth0", Some(("fe80::1%eth0", 123))),
        ] {
            assert_eq!(split_port(text), expected, "{text}");
        }
        assert!(malformed("::1:11123").ends_with("write [::1]:11123"));
        assert!(malformed(&"\u{1b}".repeat(100)).len() < 100);
    }
}
