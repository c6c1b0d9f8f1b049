//! `restrict`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lex::Token;

use super::source::AddressFamily;
use super::source::is_name;
use super::{Words, address};

/// Whom a `restrict` line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestrictTarget {
    /// Everybody, of one family or of both.
    Default(AddressFamily),
    /// The servers that we ask.
    Source,
    /// A range of addresses.
    Network {
        /// An address in it.
        address: IpAddr,
        /// Which bits must agree.
        mask: IpAddr,
    },
    /// The hosts that have this name.
    Name {
        /// The name, to be looked up.
        host: String,
        /// Which bits must agree; all of them where there is none.
        mask: Option<IpAddr>,
    },
}

/// The flags that something follows from. Others are kept: they forbid what this daemon never
/// does (`nomodify`, `nopeer`, `notrap`), or nothing follows from them yet (`kod`, `limited`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the language, each independent")]
pub struct RestrictFlags {
    /// Answer nothing.
    pub ignore: bool,
    /// Answer no time requests.
    pub noserve: bool,
    /// Answer no queries.
    pub noquery: bool,
    /// Only for senders on port 123.
    pub ntpport: bool,
}

/// One `restrict` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restrict {
    /// Whom it is about.
    pub target: RestrictTarget,
    /// What they may not do.
    pub flags: RestrictFlags,
}

/// Flags that forbid what is never done here anyway.
const SATISFIED: &[&str] = &[
    "epeer",
    "lowpriotrap",
    "lptrap",
    "noepeer",
    "nomodify",
    "nomrulist",
    "nopeer",
    "notrap",
    "serverresponse",
];

/// Flags kept without effect.
const ACCEPTED: &[&str] = &["flake", "kod", "limited", "mssntp", "version"];

/// Flags that something follows from.
const ACTED: &[&str] = &["ignore", "noquery", "noserve", "ntpport"];

pub(super) fn read(words: &mut Words<'_>) -> Option<Restrict> {
    let family = super::family(words);
    let token = words.argument("an address, `default` or `source`")?;
    let target = match token.text.as_str() {
        "default" if !token.quoted => Some(RestrictTarget::Default(family)),
        "source" if !token.quoted => Some(RestrictTarget::Source),
        text => network(text, token, words),
    };
    let flags = read_flags(words);
    Some(Restrict { target: target?, flags })
}

/// An address or name with its mask or prefix length.
fn network(text: &str, token: &Token, words: &mut Words<'_>) -> Option<RestrictTarget> {
    let (host, length) = match text.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (text, None),
    };
    // The mask is read before the address is judged, so that a bad address is one error, not three.
    let mask = if words.take("mask") { Some(mask(words)?) } else { None };
    let Some(address) = address(host) else {
        if length.is_none() && is_name(host) {
            return Some(RestrictTarget::Name { host: host.to_owned(), mask });
        }
        let message = format!("\"{host}\" is neither an address nor a name");
        words.error("E007", token, &message).note("the line is ignored", "");
        return None;
    };
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match length.map(|length| length.parse::<u32>().ok().filter(|length| *length <= bits)) {
        None => bits,
        Some(Some(length)) => length,
        Some(None) => {
            let message = format!("the prefix length must be a number from 0 to {bits}");
            words.error("E004", token, &message).note("the line is ignored", "");
            return None;
        }
    };
    match mask {
        Some(mask) if mask.is_ipv4() != address.is_ipv4() => {
            let message = format!("{mask} is no mask for {address}: one is IPv4, the other IPv6");
            words.error("E007", token, &message).note("the line is ignored", "");
            None
        }
        Some(mask) => Some(RestrictTarget::Network { address, mask }),
        None => Some(RestrictTarget::Network { address, mask: mask_of(prefix, address.is_ipv4()) }),
    }
}

fn mask(words: &mut Words<'_>) -> Option<IpAddr> {
    let token = words.argument("a mask")?;
    let mask = address(&token.text);
    if mask.is_none() {
        let message = format!("\"{}\" is no mask", token.text);
        words
            .error("E007", token, &message)
            .note("the line is ignored", "write it as an address: 255.255.255.0");
    }
    mask
}

fn mask_of(length: u32, v4: bool) -> IpAddr {
    if v4 {
        IpAddr::V4(Ipv4Addr::from(u32::MAX.checked_shl(32 - length).unwrap_or(0)))
    } else {
        IpAddr::V6(Ipv6Addr::from(u128::MAX.checked_shl(128 - length).unwrap_or(0)))
    }
}

fn read_flags(words: &mut Words<'_>) -> RestrictFlags {
    let mut flags = RestrictFlags::default();
    while let Some(token) = words.next() {
        match token.text.as_str() {
            "ignore" => flags.ignore = true,
            "noserve" => flags.noserve = true,
            "noquery" => flags.noquery = true,
            "ntpport" => flags.ntpport = true,
            "ippeerlimit" => {
                words.number("ippeerlimit", -1_i64..=i64::from(u32::MAX));
            }
            "-4" | "-6" | "mask" => {
                let message = format!("`{}` stands too late in the line", token.text);
                words.error("E008", token, &message).note(
                    "the line's other flags",
                    "write it right behind `restrict` (-4, -6) or the address (mask)",
                );
            }
            "notrust" => {
                let message = "`notrust` is not acted on: whoever it keeps out elsewhere gets time here";
                words
                    .warning("W006", token, message)
                    .note("the line without it", "write `noserve` to keep them out");
            }
            text if SATISFIED.contains(&text) => {}
            text if ACCEPTED.contains(&text) => {
                let message = format!("`restrict ... {text}` is accepted but not acted on");
                words.report(crate::Severity::Note, "N002", token, &message).note("the line without it", "");
            }
            _ => {
                let known = [ACTED, SATISFIED, ACCEPTED, &["notrust"]].concat();
                words.unknown_option(token, "restrict", &known, "all other flags of the line");
            }
        }
    }
    flags
}
