//! Addresses to names, as the machine's own resolver does it.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::socket::SockaddrStorage;

/// The name of an address, if the resolver knows it within `patience`. A resolver that hangs is
/// left behind on its thread.
pub fn name_of(address: IpAddr, patience: Duration) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    let storage = SockaddrStorage::from(SocketAddr::new(address, 0));
    thread::spawn(move || sender.send(crate::sys::names::name_of(&storage)));
    receiver.recv_timeout(patience).ok().flatten()
}

/// The user that this program acts as.
pub fn user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_address_has_a_name_or_none_but_no_crash() {
        if let Some(name) = name_of(IpAddr::from([127, 0, 0, 1]), Duration::from_secs(5)) {
            assert!(!name.is_empty());
        }
    }
}
