//! Where to listen: everywhere, or where `interface` lines say.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use ntp_conf::directive::{InterfaceAction, InterfaceRule, InterfaceTarget};
use ntp_os::interfaces::{InterfaceAddress, addresses};
use ntp_os::udp::Socket;
use ntp_proto::server::Prefix;

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Somebody else has the port.
    #[error("{0} is taken: is another ntpd, chronyd or systemd-timesyncd running?")]
    Taken(SocketAddr),
    /// Ports below 1024 are for root.
    #[error("{0} may not be used by this user: start as root, or with --port N above 1023")]
    Forbidden(SocketAddr),
    /// Where to listen depends on it.
    #[error("the addresses of this machine cannot be read: {0}")]
    Unknown(io::Error),
    /// Anything else.
    #[error("{address} cannot be used: {source}")]
    Other { address: SocketAddr, source: io::Error },
}

/// Room for a burst of requests: 10^4 of them.
const BUFFER: usize = 4 << 20;

/// Where to listen now: on the wildcard addresses, or on those that `interface` lines allow.
///
/// # Errors
/// If the addresses of this machine cannot be read: which is no reason to leave one.
pub(crate) fn wanted(rules: &[InterfaceRule], port: u16) -> io::Result<Vec<SocketAddr>> {
    if rules.is_empty() {
        let wildcards: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        return Ok(wildcards.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let known = addresses()?;
    let allowed = known.iter().filter(|known| allowed(rules, known));
    let mut all: Vec<SocketAddr> = allowed.map(|known| with_port(known, port)).collect();
    // Two interfaces may have the same address.
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Opens one listening socket; `None` where the address cannot be had now, or there is no IPv6.
pub(crate) fn open(address: SocketAddr) -> Result<Option<Socket>, ListenError> {
    match Socket::listen(address) {
        Ok(socket) => {
            socket.make_room(BUFFER);
            Ok(Some(socket))
        }
        Err(error) if is_unavailable(&error) => Ok(None),
        Err(error) => Err(explain(address, error)),
    }
}

/// The same for a thread, where another thread of ours may be about to leave the address.
pub(crate) fn open_shared(address: SocketAddr) -> Result<Socket, ListenError> {
    let socket = Socket::listen_shared(address).map_err(|error| explain(address, error))?;
    socket.make_room(BUFFER);
    Ok(socket)
}

/// The last line that matches decides; without one, an address is listened on.
fn allowed(rules: &[InterfaceRule], candidate: &InterfaceAddress) -> bool {
    let decisive = rules.iter().rev().find(|rule| matches(&rule.target, candidate));
    decisive.is_none_or(|rule| rule.action == InterfaceAction::Listen)
}

fn matches(target: &InterfaceTarget, candidate: &InterfaceAddress) -> bool {
    match target {
        // As in classic and NTPsec: `ntpq` must reach a daemon that listens nowhere else.
        InterfaceTarget::All => !candidate.address.is_loopback(),
        InterfaceTarget::V4 => candidate.address.is_ipv4(),
        InterfaceTarget::V6 => candidate.address.is_ipv6(),
        // Wildcard addresses belong to no interface; with rules they are not listened on at all.
        InterfaceTarget::Wildcard => false,
        InterfaceTarget::Name(name) => *name == candidate.interface,
        InterfaceTarget::Network(address, length) => {
            Prefix::of_length(*address, *length).is_some_and(|prefix| prefix.holds(candidate.address))
        }
    }
}

const fn with_port(known: &InterfaceAddress, port: u16) -> SocketAddr {
    match known.address {
        IpAddr::V4(_) => SocketAddr::new(known.address, port),
        IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, known.scope)),
    }
}

fn is_unavailable(error: &io::Error) -> bool {
    let code = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
    matches!(code, nix::errno::Errno::EAFNOSUPPORT | nix::errno::Errno::EADDRNOTAVAIL)
}

fn explain(address: SocketAddr, source: io::Error) -> ListenError {
    if source.kind() == io::ErrorKind::AddrInUse {
        ListenError::Taken(address)
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        ListenError::Forbidden(address)
    } else {
        ListenError::Other { address, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: InterfaceAction, target: InterfaceTarget) -> InterfaceRule {
        InterfaceRule { action, target }
    }

    fn on(interface: &str, address: &str) -> InterfaceAddress {
        InterfaceAddress { interface: interface.to_owned(), address: address.parse().unwrap(), scope: 0 }
    }

    #[test]
    fn the_last_line_that_matches_wins() {
        let rules = [
            rule(InterfaceAction::Ignore, InterfaceTarget::All),
            rule(InterfaceAction::Listen, InterfaceTarget::Name("eth0".to_owned())),
            rule(InterfaceAction::Ignore, InterfaceTarget::V6),
            rule(InterfaceAction::Listen, InterfaceTarget::Network("10.0.0.0".parse().unwrap(), 8)),
        ];
        assert!(allowed(&rules, &on("eth0", "192.0.2.1")));
        assert!(!allowed(&rules, &on("eth0", "2001:db8::1")));
        assert!(!allowed(&rules, &on("eth1", "192.0.2.2")));
        assert!(allowed(&rules, &on("eth1", "10.7.0.1")));
        assert!(allowed(&rules[..0], &on("eth1", "192.0.2.2")));
        // Loopback is left out by its name or address alone.
        assert!(allowed(&rules, &on("lo", "127.0.0.1")) && allowed(&rules[..2], &on("lo", "::1")));
        let rules = [rule(InterfaceAction::Ignore, InterfaceTarget::Name("lo".to_owned()))];
        assert!(!allowed(&rules, &on("lo", "127.0.0.1")));
    }
}
