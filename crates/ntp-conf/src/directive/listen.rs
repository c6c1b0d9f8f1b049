//! `interface` and `nic`: which addresses to listen on. The last line that matches wins.

use std::net::IpAddr;

use super::{Words, address};

/// What to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceAction {
    /// Listen on it.
    Listen,
    /// Do not.
    Ignore,
    /// Listen and drop what comes: the same as not listening, but for the error a sender gets.
    Drop,
}

/// Which addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceTarget {
    /// All.
    All,
    /// All of IPv4.
    V4,
    /// All of IPv6.
    V6,
    /// The wildcard addresses.
    Wildcard,
    /// The addresses of an interface.
    Name(String),
    /// A range of addresses.
    Network(IpAddr, u8),
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRule {
    /// What to do.
    pub action: InterfaceAction,
    /// With which addresses.
    pub target: InterfaceTarget,
}

pub(super) fn read(words: &Words<'_, '_>) -> Option<InterfaceRule> {
    let action = match words.argument(0)? {
        "listen" => InterfaceAction::Listen,
        "ignore" => InterfaceAction::Ignore,
        _ => InterfaceAction::Drop,
    };
    let target = match words.argument(1)? {
        "all" => InterfaceTarget::All,
        "ipv4" => InterfaceTarget::V4,
        "ipv6" => InterfaceTarget::V6,
        "wildcard" => InterfaceTarget::Wildcard,
        text => match network(text) {
            Some((address, length)) => InterfaceTarget::Network(address, length),
            None => InterfaceTarget::Name(text.to_owned()),
        },
    };
    Some(InterfaceRule { action, target })
}

/// `ADDRESS` or `ADDRESS/LENGTH`.
pub(crate) fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (host, length) = text.split_once('/').map_or((text, None), |(host, length)| (host, Some(length)));
    let address = address(host)?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(bits), |length| length.parse().ok().filter(|length| *length <= bits))?;
    Some((address, length))
}
