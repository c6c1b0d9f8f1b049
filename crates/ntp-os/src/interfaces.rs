//! The addresses of this machine.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// One address and the interface that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// The scope a link-local address needs, else 0.
    pub scope: u32,
}

/// The addresses of all interfaces that are up.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let up = getifaddrs()?.filter(|entry| entry.flags.contains(InterfaceFlags::IFF_UP));
    let found = up.filter_map(|entry| {
        let storage = entry.address?;
        if let Some(v4) = storage.as_sockaddr_in() {
            let address = IpAddr::V4(v4.ip());
            return Some(InterfaceAddress { interface: entry.interface_name, address, scope: 0 });
        }
        let v6 = storage.as_sockaddr_in6()?;
        let address = IpAddr::V6(v6.ip());
        Some(InterfaceAddress { interface: entry.interface_name, address, scope: v6.scope_id() })
    });
    Ok(found.collect())
}
