//! `server`, `pool` and `peer`.

use std::net::{IpAddr, Ipv4Addr};

use super::{IGNORED, Words, address, scoped_address};

/// The shortest poll exponent: 8 s, as in classic ntpd.
pub const POLL_MIN: u8 = 3;

/// The longest poll exponent: 36 h.
pub const POLL_MAX: u8 = 17;

/// Which of the three it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One server.
    Server,
    /// A name with many servers behind it.
    Pool,
    /// A symmetric peer; treated as a server, as NTPsec does.
    Peer,
}

impl Role {
    /// The keyword.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Pool => "pool",
            Self::Peer => "peer",
        }
    }
}

/// `-4`, `-6` or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum AddressFamily {
    /// Either.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// The options of a source.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the options of the language, each independent")]
pub struct SourceOptions {
    /// Eight quick packets at the start.
    pub iburst: bool,
    /// Eight quick packets at every poll.
    pub burst: bool,
    /// Wins among the survivors.
    pub prefer: bool,
    /// Measured, never followed.
    pub noselect: bool,
    /// Believed whatever the others say.
    pub truechimer: bool,
    /// Shortest poll exponent.
    pub minpoll: Option<u8>,
    /// Longest poll exponent.
    pub maxpoll: Option<u8>,
    /// Protocol version, 1..=4.
    pub version: Option<u8>,
    /// UDP port; our extension.
    pub port: Option<u16>,
    /// The number of the key that its packets are signed with.
    pub key: Option<u32>,
}

/// One source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which keyword.
    pub role: Role,
    /// Which address family.
    pub family: AddressFamily,
    /// Name or address, as it was written.
    pub host: String,
    /// Options.
    pub options: SourceOptions,
}

impl Source {
    /// The address, if the host is one that needs no interface.
    pub fn address(&self) -> Option<IpAddr> {
        address(&self.host)
    }

    /// The name to resolve, if the host is none of those addresses: that of an interface behind an address
    /// is resolved as well.
    pub fn name(&self) -> Option<&str> {
        let host = self.host.as_str();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        self.address().is_none().then_some(bare)
    }

    /// Whether the host, if it is an address, is of the family that the line asks for.
    pub fn family_fits(&self) -> bool {
        let scoped = || scoped_address(&self.host).map(|(address, _)| address.into());
        self.address().or_else(scoped).is_none_or(|address| match self.family {
            AddressFamily::Any => true,
            AddressFamily::V4 => address.is_ipv4(),
            AddressFamily::V6 => address.is_ipv6(),
        })
    }

    /// The driver and unit, if the host is a reference clock's pseudo-address 127.127.t.u.
    pub fn reference_clock(&self) -> Option<(u8, u8)> {
        match self.address()? {
            IpAddr::V4(v4) => match v4.octets() {
                [127, 127, driver, unit] => Some((driver, unit)),
                _ => None,
            },
            IpAddr::V6(_) => None,
        }
    }
}

/// What to write instead of an address and a port in one word.
fn with_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    is_host(host).then(|| format!("write {host} port {port}"))
}

pub(super) fn read(role: Role, words: &mut Words<'_, '_>) -> Option<Source> {
    let word = words.argument_word(0)?;
    let host = words.text(word).to_owned();
    if !is_host(&host) {
        let message = format!("\"{host}\" is neither an address nor a name");
        let remedy = if host.contains('%') {
            "an interface is named behind a link-local IPv6 address alone: fe80::1%eth0".to_owned()
        } else if host.ends_with(',') {
            "delete the comma; each server has a line of its own".to_owned()
        } else {
            with_port(&host).unwrap_or_default()
        };
        words.findings.error("E007", word, &message).note(IGNORED, &remedy);
        return None;
    }
    if address(&host).is_some_and(|address| !is_place(address)) {
        let message = format!("\"{host}\" is not the address of one machine");
        words.findings.error("E007", word, &message).note(IGNORED, "");
        return None;
    }
    if let Some(IpAddr::V6(v6)) = address(&host)
        && v6.is_unicast_link_local()
    {
        let message = format!("{host} is an address of every link: which one is meant is not said");
        words
            .findings
            .warning("W009", word, &message)
            .note("the server cannot be asked", &format!("write {v6}%INTERFACE"));
    }
    if role == Role::Peer {
        words
            .findings
            .warning("W002", word, "`peer` is treated as `server`: symmetric mode is not implemented")
            .note("the peer is asked like a server", "write `server`");
    }
    let family = words.reading.family;
    let source = Source { role, family, host, options: read_options(words) };
    if !source.family_fits() {
        let message = format!("{} is no address of the family that the line asks for", source.host);
        words.findings.warning("W008", word, &message).note("the address", "delete -4 or -6");
    }
    Some(source)
}

fn read_options(words: &mut Words<'_, '_>) -> SourceOptions {
    let (minpoll, maxpoll) = (poll(words, "minpoll"), poll(words, "maxpoll"));
    let mut options = SourceOptions {
        iburst: words.has("iburst"),
        burst: words.has("burst"),
        prefer: words.has("prefer"),
        noselect: words.has("noselect"),
        truechimer: words.has("true"),
        minpoll,
        maxpoll,
        version: words.integer("version"),
        port: words.integer("port"),
        key: words.integer("key").filter(|key| *key != 0),
    };
    if let (Some(min), Some(max), Some(given)) = (minpoll, maxpoll, words.setting("minpoll"))
        && min > max
    {
        words
            .findings
            .warning("W003", given.word, "minpoll is above maxpoll")
            .note("both are maxpoll, as in classic ntpd", "swap the two");
        options.minpoll = Some(max);
    }
    options
}

/// A poll exponent; what is below the minimum is raised to it, as classic ntpd does.
fn poll(words: &mut Words<'_, '_>, name: &str) -> Option<u8> {
    let value: u8 = words.integer(name)?;
    if value < POLL_MIN
        && let Some(word) = words.setting(name).and_then(|given| given.value)
    {
        let message = format!("`{name} {value}` would ask every {} s", 1 << value);
        words.findings.warning("W004", word, &message).note(&format!("{name} {POLL_MIN}"), "");
    }
    Some(value.max(POLL_MIN))
}

/// Whether an address can be one machine's.
fn is_place(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

/// Whether a word can be a host: an address or a name.
fn is_host(text: &str) -> bool {
    address(text).is_some() || scoped_address(text).is_some() || is_name(text)
}

/// Whether a word can be a host's name: letters, digits, dots, dashes and underscores, and not all
/// digits and dots, which would be a broken address.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && text.chars().any(|c| c.is_ascii_alphabetic())
        && !text.starts_with(['-', '.'])
        && !text.contains("..")
}
