//! `restrict`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::grammar::Fault;
use crate::schema::Entry;
use crate::suggest::meant;

use super::source::{AddressFamily, is_name};
use super::{IGNORED, Words, address};

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

/// The flags that something follows from. Others forbid what this daemon never does (`nopeer`, `notrap`).
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
    /// Answer no more than the rate limit allows.
    pub limited: bool,
    /// Tell now and then who asks too often.
    pub kod: bool,
    /// Answer authenticated requests only.
    pub notrust: bool,
    /// Answer requests of version 4 only.
    pub version: bool,
    /// Show no list of clients.
    pub nomrulist: bool,
    /// No changes by queries.
    pub nomodify: bool,
    /// Drop one request in ten.
    pub flake: bool,
}

/// One `restrict` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restrict {
    /// Whom it is about.
    pub target: RestrictTarget,
    /// What they may not do.
    pub flags: RestrictFlags,
}

pub(super) fn read(words: &mut Words<'_, '_>) -> Option<Restrict> {
    let word = words.argument_word(0)?;
    let quoted = words.line.tokens().get(word).is_some_and(|token| token.quoted);
    let mut closed = closed_by_damage(words);
    let target = match words.text(word) {
        "default" if !quoted => RestrictTarget::Default(words.reading.family),
        "source" if !quoted => RestrictTarget::Source,
        text => network(text, word, words, &mut closed)?,
    };
    let has = |flag: &str| words.has(flag) || closed.contains(&flag);
    let flags = RestrictFlags {
        ignore: has("ignore"),
        noserve: has("noserve"),
        noquery: has("noquery"),
        ntpport: words.has("ntpport"),
        limited: has("limited"),
        kod: has("kod"),
        notrust: has("notrust"),
        version: has("version"),
        nomrulist: has("nomrulist"),
        nomodify: has("nomodify"),
        flake: words.has("flake"),
    };
    Some(Restrict { target, flags })
}

/// The flags that hold because of words nobody understands: a damaged line must not open anything. Each
/// stands for the flag that it is probably a misspelling of, else for the strictest ones.
pub(super) fn flags_for(text: &str, entry: &Entry) -> Vec<&'static str> {
    let names: Vec<&'static str> = entry.settings.iter().map(|setting| setting.name).collect();
    meant(text, &names).map_or_else(|| STRICTEST.to_vec(), |flag| vec![flag])
}

fn closed_by_damage(words: &Words<'_, '_>) -> Vec<&'static str> {
    let unknown =
        words.reading.faults.iter().filter_map(|fault| {
            if let Fault::Setting(word) = fault { Some(words.text(*word)) } else { None }
        });
    unknown.flat_map(|text| flags_for(text, words.reading.entry)).collect()
}

/// What holds for somebody about whom a line says nothing that can be understood.
const STRICTEST: [&str; 2] = ["noserve", "noquery"];

/// An address or name with its mask or prefix length.
fn network(
    text: &str,
    word: usize,
    words: &mut Words<'_, '_>,
    closed: &mut Vec<&'static str>,
) -> Option<RestrictTarget> {
    let (host, length) = match text.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (text, None),
    };
    let mask = match words.reading.mask {
        Some(word) => Some(mask(word, words)?),
        None => None,
    };
    let Some(address) = address(host) else {
        if length.is_none() && is_name(host) {
            return Some(RestrictTarget::Name { host: host.to_owned(), mask });
        }
        let message = format!("\"{host}\" is neither an address nor a name");
        words.findings.error("E007", word, &message).note(IGNORED, "");
        return None;
    };
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match length.map(|length| length.parse::<u32>().ok().filter(|length| *length <= bits)) {
        None => bits,
        Some(Some(length)) => length,
        Some(None) => {
            let message = format!("the prefix length must be a number from 0 to {bits}");
            closed.extend(STRICTEST);
            let in_force = format!("the line for {address} alone, with `noserve` and `noquery`");
            words.findings.error("E004", word, &message).note(&in_force, "");
            bits
        }
    };
    match mask {
        Some(mask) if mask.is_ipv4() != address.is_ipv4() => {
            let message = format!("{mask} is no mask for {address}: one is IPv4, the other IPv6");
            words.findings.error("E007", word, &message).note(IGNORED, "");
            None
        }
        Some(mask) => Some(RestrictTarget::Network { address, mask }),
        None => Some(RestrictTarget::Network { address, mask: mask_of(prefix, address.is_ipv4()) }),
    }
}

fn mask(word: usize, words: &mut Words<'_, '_>) -> Option<IpAddr> {
    let text = words.text(word);
    let mask = address(text);
    if mask.is_none() {
        let message = format!("\"{text}\" is no mask");
        words.findings.error("E007", word, &message).note(IGNORED, "write it as an address: 255.255.255.0");
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
