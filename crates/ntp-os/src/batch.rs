//! Many datagrams at once, on a socket that a thread of its own waits on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::sys::mmsg::{Ancillary, Messages};
use crate::udp::Arrival;

/// The longest request that is read whole: what fits into a packet on any IPv6 link.
pub const REQUEST_LEN_MAX: usize = 1232;

/// The longest reply that is sent in a batch.
const REPLY_LEN_MAX: usize = 116;

/// Datagrams that have arrived.
#[derive(Debug)]
pub struct Arrivals {
    messages: Messages<REQUEST_LEN_MAX>,
    count: usize,
}

/// Datagrams that leave together.
#[derive(Debug)]
pub struct Departures {
    messages: Messages<REPLY_LEN_MAX>,
    count: usize,
    room: usize,
}

impl Arrivals {
    /// Room for so many.
    pub fn new(room: usize) -> Self {
        Self { messages: Messages::new(room), count: 0 }
    }

    /// Waits for one, and takes as many more as are there. The socket must be one that blocks; it may have
    /// a time limit, which shows as `WouldBlock`.
    pub fn receive(&mut self, socket: &impl AsRawFd, room: usize) -> io::Result<usize> {
        self.count = 0;
        self.count = self.messages.receive(socket.as_raw_fd(), room)?;
        Ok(self.count)
    }

    /// One of them: what is known of it, and its bytes. `None` beyond the last, and for one that was longer
    /// than any request.
    pub fn get(&self, index: usize) -> Option<(Arrival, &[u8])> {
        if index >= self.count {
            return None;
        }
        let (bytes, cut) = self.messages.bytes(index);
        let from = socket_address(&self.messages.name(index)?)?;
        let ancillary = self.messages.ancillary(index);
        let arrival = Arrival { length: bytes.len(), from, to: to(&ancillary), stamp: stamp(&ancillary) };
        (!cut).then_some((arrival, bytes))
    }
}

impl Departures {
    /// Room for so many.
    pub fn new(room: usize) -> Self {
        Self { messages: Messages::new(room), count: 0, room }
    }

    /// Whether there is no room left.
    pub const fn is_full(&self) -> bool {
        self.count >= self.room
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a reply to an arrival, from the address that was asked; its bytes follow with [`Self::put`]. Returns
    /// whether there was room for it, and somebody to send it to.
    pub fn reply_to(&mut self, arrivals: &Arrivals, index: usize) -> bool {
        let Some(to) = arrivals.messages.name(index).filter(|_| !self.is_full()) else { return false };
        self.messages.address(self.count, &to, &arrivals.messages.ancillary(index));
        self.count += 1;
        true
    }

    /// Adds a datagram to a remote, from one of this machine's addresses; its bytes follow with
    /// [`Self::put`].
    pub fn push(&mut self, to: SocketAddr, from: IpAddr) {
        if self.is_full() {
            return;
        }
        self.messages.address(self.count, &name(to), &Ancillary::from_address(from));
        self.count += 1;
    }

    /// Writes the bytes of a reply that waits.
    pub fn put(&mut self, index: usize, bytes: &[u8]) {
        self.messages.put(index, bytes);
    }

    /// Sends some of those that wait. What cannot be sent is skipped; returns how many that were.
    pub fn send(&mut self, socket: &impl AsRawFd, part: Range<usize>) -> usize {
        let (mut done, mut failed) = (part.start, 0);
        let end = part.end.min(self.count);
        while done < end {
            match self.messages.send(socket.as_raw_fd(), done, end) {
                Ok(sent) if sent > 0 => done += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Sent later, their stamps would be wrong; and whoever waits for one remote keeps all others
                // waiting.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return failed + (end - done),
                Ok(_) | Err(_) => {
                    done += 1;
                    failed += 1;
                }
            }
        }
        failed
    }

    /// Sends all that wait, and forgets them; returns how many could not be sent.
    pub fn send_all(&mut self, socket: &impl AsRawFd) -> usize {
        let failed = self.send(socket, 0..self.count);
        self.forget();
        failed
    }

    /// Forgets all that wait.
    pub const fn forget(&mut self) {
        self.count = 0;
    }
}

fn stamp(ancillary: &Ancillary) -> Option<Duration> {
    let stamp = ancillary.stamp?;
    let (seconds, nanos) = (u64::try_from(stamp.tv_sec).ok()?, u32::try_from(stamp.tv_nsec).ok()?);
    Some(Duration::new(seconds, nanos)).filter(|stamp| !stamp.is_zero())
}

fn to(ancillary: &Ancillary) -> Option<(IpAddr, u32)> {
    if let Some(info) = ancillary.to_v4 {
        let address = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
        return Some((address.into(), u32::try_from(info.ipi_ifindex).unwrap_or(0)));
    }
    let info = ancillary.to_v6?;
    Some((Ipv6Addr::from(info.ipi6_addr.s6_addr).into(), info.ipi6_ifindex))
}

/// An address as the kernel wrote it: of IPv4, port and address stand in the first eight bytes of either
/// structure.
fn socket_address(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    let port = u16::from_be(name.sin6_port);
    match i32::from(name.sin6_family) {
        libc::AF_INET => {
            let address = Ipv4Addr::from(u32::from_be(name.sin6_flowinfo));
            Some(SocketAddrV4::new(address, port).into())
        }
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, port, name.sin6_flowinfo, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The same the other way round.
fn name(address: SocketAddr) -> libc::sockaddr_in6 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let (flow, bytes, scope) = match address {
        SocketAddr::V4(v4) => (u32::from(*v4.ip()).to_be(), [0; 16], 0),
        SocketAddr::V6(v6) => (v6.flowinfo(), v6.ip().octets(), v6.scope_id()),
    };
    libc::sockaddr_in6 {
        sin6_family: libc::sa_family_t::try_from(family).unwrap_or_default(),
        sin6_port: address.port().to_be(),
        sin6_flowinfo: flow,
        sin6_addr: libc::in6_addr { s6_addr: bytes },
        sin6_scope_id: scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::udp::Socket;

    fn batch_goes_and_comes_back(listen: &str, ask: &str) {
        let server = Socket::listen(listen.parse().unwrap()).unwrap();
        server.wait_at_most(Duration::from_secs(5)).unwrap();
        let port = server.local_address().unwrap().port();
        let client = Socket::connect(SocketAddr::new(ask.parse().unwrap(), port)).unwrap();
        let (mut arrivals, mut departures) = (Arrivals::new(64), Departures::new(8));
        for number in 0..20_u8 {
            client.send(&[number; 48]).unwrap();
        }
        let (mut seen, mut answered) = (0, 0);
        while seen < 20 {
            let count = arrivals.receive(server.inner(), 64).unwrap();
            for index in 0..count {
                let (arrival, bytes) = arrivals.get(index).unwrap();
                assert_eq!(bytes, [u8::try_from(seen).unwrap(); 48]);
                assert_eq!(arrival.from, client.local_address().unwrap());
                assert_eq!(arrival.to.unwrap().0, ask.parse::<IpAddr>().unwrap());
                // The very first stamps may be missing: the kernel switches them on in its own time.
                if let Some(stamp) = arrival.stamp {
                    let now = crate::clock::read_pair().unwrap().realtime;
                    assert!(now.abs_diff(stamp) < Duration::from_secs(5));
                }
                assert!(departures.reply_to(&arrivals, index));
                departures.put(departures.len() - 1, &bytes[..47]);
                if departures.is_full() {
                    answered += departures.len();
                    assert_eq!(departures.send_all(server.inner()), 0);
                }
                seen += 1;
            }
            answered += departures.len();
            assert_eq!(departures.send_all(server.inner()), 0);
        }
        assert_eq!(answered, 20);
        let mut buffer = [0; 64];
        for number in 0..20_u8 {
            assert_eq!(client.receive(&mut buffer).unwrap().length, 47);
            assert_eq!(buffer[0], number);
        }
        // Too long for a request: nothing of it is looked at.
        client.send(&[7; 1300]).unwrap();
        assert_eq!(arrivals.receive(server.inner(), 64).unwrap(), 1);
        assert!(arrivals.get(0).is_none() && arrivals.get(1).is_none());
    }

    #[test]
    fn a_batch_is_answered_from_the_address_that_was_asked() {
        batch_goes_and_comes_back("0.0.0.0:0", "127.0.0.9");
        if std::net::UdpSocket::bind("[::1]:0").is_ok() {
            batch_goes_and_comes_back("[::]:0", "::1");
        }
    }
}
