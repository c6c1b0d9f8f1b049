//! The command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

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
    /// Answer in JSON (`why`)
    #[arg(long = "json")]
    pub json: bool,
    /// Sign questions with the key of this number
    #[arg(short = 'a', long = "authentication", value_name = "NUMBER")]
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
Commands: `ntpq -c help`. Without -p and -c, commands are read from standard input.
Exit status: 0 every question was answered, 1 usage, 2 no answer, 3 the daemon refused, 4 (why) the clock is
not synchronized, or the source is not used.";

/// A daemon to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was named.
    pub name: String,
    /// Where it is, in the order of preference.
    pub addresses: Vec<SocketAddr>,
}

impl Target {
    /// Resolves `HOST`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address.
    pub fn resolve(text: &str, ipv4: bool, ipv6: bool) -> Result<Self, String> {
        let (host, port) =
            split_port(text).ok_or_else(|| format!("\"{}\" is no HOST[:PORT]", text.escape_debug()))?;
        // Always this machine, whatever a resolver says or fails to say (RFC 6761 §6.3).
        let found: Vec<SocketAddr> = if host.eq_ignore_ascii_case("localhost") {
            let [v6, v4] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            [v6, v4].map(|address: IpAddr| SocketAddr::new(address, port)).to_vec()
        } else {
            let found = (host, port).to_socket_addrs();
            found.map_err(|error| format!("{}: {error}", host.escape_debug()))?.collect()
        };
        let wanted = |address: &SocketAddr| !(ipv4 && address.is_ipv6() || ipv6 && address.is_ipv4());
        let addresses: Vec<SocketAddr> = found.into_iter().filter(wanted).collect();
        if addresses.is_empty() {
            return Err(format!("{}: has no address of this family", host.escape_debug()));
        }
        Ok(Self { name: host.to_owned(), addresses })
    }
}

/// Port 123 unless the text names another.
fn split_port(text: &str) -> Option<(&str, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, port.parse().ok()?)),
            None if after.is_empty() => Some((host, 123)),
            None => None,
        };
    }
    match text.split_once(':') {
        // More than one colon is a bare IPv6 address.
        Some((_, rest)) if rest.contains(':') => Some((text, 123)),
        Some((host, port)) if !host.is_empty() => Some((host, port.parse().ok()?)),
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
            ("a:99999", None),
            ("[::1", None),
            ("[::1]x", None),
        ] {
            assert_eq!(split_port(text), expected, "{text}");
        }
    }
}
