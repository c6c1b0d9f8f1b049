//! `server`, `pool` and `peer`.

use std::net::{IpAddr, Ipv4Addr};

use super::{Words, address};

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
    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        address(&self.host)
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

/// Options that are a word by themselves, and that something follows from.
const ACTED_FLAGS: &[&str] = &["burst", "iburst", "noselect", "prefer", "true"];

/// Options that are a word by themselves, kept without effect.
const ACCEPTED_FLAGS: &[&str] = &["autokey", "noval", "nts", "preconn", "preempt", "xleave", "xmtnonce"];

/// Options with a value that something follows from.
const ACTED_VALUES: &[&str] = &["maxpoll", "minpoll", "port", "version"];

/// Options with a value, kept without effect.
const ACCEPTED_VALUES: &[&str] = &[
    "aead", "baud", "bias", "ca", "cert", "flag1", "flag2", "flag3", "flag4", "ident", "key", "mode", "path",
    "ppspath", "refid", "stratum", "subtype", "time1", "time2", "ttl",
];

pub(super) fn read(role: Role, words: &mut Words<'_>) -> Option<Source> {
    let family = super::family(words);
    let host_token = words.argument("the name or address of a server")?;
    let host = host_token.text.clone();
    if !is_host(&host) {
        let message = format!("\"{host}\" is neither an address nor a name");
        let scoped = host.contains('%');
        let remedy = if scoped { "link-local addresses with a scope are not implemented" } else { "" };
        words.error("E007", host_token, &message).note("the line is ignored", remedy);
        return None;
    }
    if address(&host).is_some_and(|address| !is_place(address)) {
        let message = format!("\"{host}\" is not the address of one machine");
        words.error("E007", host_token, &message).note("the line is ignored", "");
        return None;
    }
    if role == Role::Peer {
        words
            .warning("W002", host_token, "`peer` is treated as `server`: symmetric mode is not implemented")
            .note("the peer is asked like a server", "write `server`");
    }
    let options = read_options(role, words);
    Some(Source { role, family, host, options })
}

fn read_options(role: Role, words: &mut Words<'_>) -> SourceOptions {
    let mut options = SourceOptions::default();
    while let Some(token) = words.next() {
        let name = if token.quoted { "" } else { token.text.as_str() };
        match name {
            "iburst" => options.iburst = true,
            "burst" => options.burst = true,
            "prefer" => options.prefer = true,
            "noselect" => options.noselect = true,
            "true" => options.truechimer = true,
            "minpoll" => options.minpoll = poll(words, name).or(options.minpoll),
            "maxpoll" => options.maxpoll = poll(words, name).or(options.maxpoll),
            "version" => options.version = words.number(name, 1..=4).or(options.version),
            "port" => options.port = words.number(name, 1..=65535).or(options.port),
            _ if ACCEPTED_FLAGS.contains(&name) => not_acted_on(words, token),
            _ if ACCEPTED_VALUES.contains(&name) => {
                not_acted_on(words, token);
                words.next();
            }
            _ => {
                let known = [ACTED_FLAGS, ACCEPTED_FLAGS, ACTED_VALUES, ACCEPTED_VALUES].concat();
                let in_force = format!("the {} is used, without this option", role.keyword());
                words.unknown_option(token, role.keyword(), &known, &in_force);
            }
        }
    }
    if let (Some(min), Some(max)) = (options.minpoll, options.maxpoll)
        && min > max
    {
        let tokens = words.place.line.tokens();
        if let Some(token) = tokens.iter().find(|token| token.text == "minpoll") {
            words
                .warning("W003", token, "minpoll is above maxpoll")
                .note("both are maxpoll, as in classic ntpd", "swap the two");
        }
        options.minpoll = Some(max);
    }
    options
}

fn not_acted_on(words: &mut Words<'_>, token: &crate::lex::Token) {
    let message = format!("option `{}` is accepted but not acted on", token.text);
    words.report(crate::Severity::Note, "N002", token, &message).note("the source without this option", "");
}

/// A poll exponent; what is below the minimum is raised to it, as classic ntpd does.
fn poll(words: &mut Words<'_>, name: &str) -> Option<u8> {
    let token = words.peek();
    let value = words.number(name, 0..=POLL_MAX)?;
    if value < POLL_MIN
        && let Some(token) = token
    {
        let message = format!("`{name} {value}` would ask every {} s", 1 << value);
        words.warning("W004", token, &message).note(&format!("{name} {POLL_MIN}"), "");
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
    address(text).is_some() || is_name(text)
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
