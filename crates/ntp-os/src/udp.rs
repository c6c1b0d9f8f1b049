//! UDP sockets that know when a datagram arrived and which of our addresses it was sent to.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::sockopt::{
    Ipv4PacketInfo, Ipv4Tos, Ipv6RecvPacketInfo, Ipv6TClass, Ipv6V6Only, RcvBuf, RcvBufForce,
    ReceiveTimestampns, ReusePort, SndBuf, SndBufForce, Timestamping,
};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockFlag, SockType,
    SockaddrStorage, TimestampingFlag, bind, getpeername, getsockname, recvmsg, send, sendmsg, setsockopt,
    socket,
};
use nix::sys::time::TimeSpec;

use crate::clock::duration;

/// Who takes the receive stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampSource {
    /// `SO_TIMESTAMPING`, in software.
    Timestamping,
    /// `SO_TIMESTAMPNS`.
    Timestampns,
    /// Nobody: the reader looks at the clock itself.
    Reader,
}

/// A socket of ours, not blocking; as the standard library's or as an event loop's.
#[derive(Debug)]
pub struct Socket<S = UdpSocket> {
    socket: S,
    stamps: StampSource,
}

/// What is known of a datagram besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// How long it is.
    pub length: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// To which of our addresses, and over which interface; where the kernel says so.
    pub to: Option<(IpAddr, u32)>,
    /// When the kernel received it, on the system clock.
    pub stamp: Option<Duration>,
}

impl Socket {
    /// Listens on an address. An IPv6 wildcard does not take IPv4 as well.
    pub fn listen(address: SocketAddr) -> io::Result<Self> {
        let socket = Self::bound(address, false)?;
        // Only now: an address that anybody else listens on, ourselves included, is refused.
        setsockopt(&socket.socket, ReusePort, &true)?;
        Ok(socket)
    }

    /// Listens on an address on which another socket of this process may still listen.
    pub fn listen_shared(address: SocketAddr) -> io::Result<Self> {
        Self::bound(address, true)
    }

    /// Listens on the same address as another socket of this process: the kernel spreads what comes by
    /// sender over them.
    pub fn listen_beside(&self) -> io::Result<Self> {
        Self::bound(self.local_address()?, true)
    }

    fn bound(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None)?;
        if address.is_ipv4() {
            setsockopt(&fd, Ipv4PacketInfo, &true)?;
        } else {
            setsockopt(&fd, Ipv6V6Only, &true)?;
            setsockopt(&fd, Ipv6RecvPacketInfo, &true)?;
        }
        if shared {
            setsockopt(&fd, ReusePort, &true)?;
        }
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        Ok(Self::stamped(UdpSocket::from(fd)))
    }

    /// Makes receiving wait, but for no longer than this.
    pub fn wait_at_most(&self, limit: Duration) -> io::Result<()> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(limit))
    }

    /// Makes room for a burst of datagrams: as much as is asked for where that is allowed, else as much as
    /// the kernel gives.
    pub fn make_room(&self, bytes: usize) {
        let forced = setsockopt(&self.socket, RcvBufForce, &bytes);
        // If neither is allowed, what there is will do.
        let _outcome = forced.or_else(|_| setsockopt(&self.socket, RcvBuf, &bytes));
        let forced = setsockopt(&self.socket, SndBufForce, &bytes);
        let _outcome = forced.or_else(|_| setsockopt(&self.socket, SndBuf, &bytes));
    }

    /// Marks what is sent with a code point of differentiated services (RFC 2474), 0 to 63.
    pub fn set_code_point(&self, code: u8) -> io::Result<()> {
        let class = i32::from(code & 0x3f) << 2;
        if self.local_address()?.is_ipv4() {
            setsockopt(&self.socket, Ipv4Tos, &class)?;
        } else {
            setsockopt(&self.socket, Ipv6TClass, &class)?;
        }
        Ok(())
    }

    /// Connected to one remote, from a port that the kernel picks at random (RFC 9109).
    pub fn connect(remote: SocketAddr) -> io::Result<Self> {
        let any: IpAddr =
            if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(remote)?;
        Ok(Self::stamped(socket))
    }

    /// Asks for receive stamps, the best that the kernel offers.
    fn stamped(socket: UdpSocket) -> Self {
        let flags =
            TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        let stamps = if setsockopt(&socket, Timestamping, &flags).is_ok() {
            StampSource::Timestamping
        } else if setsockopt(&socket, ReceiveTimestampns, &true).is_ok() {
            StampSource::Timestampns
        } else {
            StampSource::Reader
        };
        Self { socket, stamps }
    }
}

impl<S> Socket<S> {
    /// Hands the socket over to an event loop, or takes it back from one.
    pub fn register<T>(self, register: impl FnOnce(S) -> io::Result<T>) -> io::Result<Socket<T>> {
        Ok(Socket { socket: register(self.socket)?, stamps: self.stamps })
    }
}

impl<S: AsRawFd> Socket<S> {
    /// The socket itself, for its readiness.
    pub const fn inner(&self) -> &S {
        &self.socket
    }

    /// Receives one datagram; `WouldBlock` if there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        let mut control = cmsg_space!([TimeSpec; 3], TimeSpec, libc::in_pktinfo, libc::in6_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let message: RecvMsg<'_, '_, SockaddrStorage> =
            recvmsg(self.socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
        let from = match message.address.as_ref().and_then(socket_address) {
            Some(from) => from,
            None => getpeername::<SockaddrStorage>(self.socket.as_raw_fd())
                .ok()
                .as_ref()
                .and_then(socket_address)
                .ok_or(io::ErrorKind::NotConnected)?,
        };
        let mut arrival = Arrival { length: message.bytes, from, to: None, stamp: None };
        for part in message.cmsgs()? {
            note(&mut arrival, &part);
        }
        Ok(arrival)
    }

    /// Sends on a connected socket.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// Sends a reply, from the address (and over the interface) that was asked.
    pub fn reply(&self, bytes: &[u8], arrival: &Arrival) -> io::Result<()> {
        let slices = [IoSlice::new(bytes)];
        let to = SockaddrStorage::from(arrival.from);
        let send_with = |control: &[ControlMessage<'_>]| {
            sendmsg(self.socket.as_raw_fd(), &slices, control, MsgFlags::MSG_DONTWAIT, Some(&to))
        };
        match arrival.to {
            Some((IpAddr::V4(v4), _)) => {
                let mut info = empty_v4();
                info.ipi_spec_dst.s_addr = u32::from(v4).to_be();
                send_with(&[ControlMessage::Ipv4PacketInfo(&info)])
            }
            Some((IpAddr::V6(v6), interface)) => {
                let address = libc::in6_addr { s6_addr: v6.octets() };
                // Elsewhere the routes decide, which may lead out by another interface.
                let interface = if v6.is_unicast_link_local() { interface } else { 0 };
                let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: interface };
                send_with(&[ControlMessage::Ipv6PacketInfo(&info)])
            }
            None => send_with(&[]),
        }?;
        Ok(())
    }

    /// Our end.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let name: SockaddrStorage = getsockname(self.socket.as_raw_fd())?;
        socket_address(&name).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Who takes the receive stamps.
    pub const fn stamps(&self) -> StampSource {
        self.stamps
    }
}

const fn empty_v4() -> libc::in_pktinfo {
    let nowhere = libc::in_addr { s_addr: 0 };
    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: nowhere, ipi_addr: nowhere }
}

fn note(arrival: &mut Arrival, part: &ControlMessageOwned) {
    if let ControlMessageOwned::ScmTimestampsns(stamps) = part {
        let system = duration(stamps.system);
        arrival.stamp = (!system.is_zero()).then_some(system);
    } else if let ControlMessageOwned::ScmTimestampns(stamp) = part {
        arrival.stamp = Some(duration(*stamp));
    } else if let ControlMessageOwned::Ipv4PacketInfo(info) = part {
        let address = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
        arrival.to = Some((address.into(), u32::try_from(info.ipi_ifindex).unwrap_or(0)));
    } else if let ControlMessageOwned::Ipv6PacketInfo(info) = part {
        arrival.to = Some((Ipv6Addr::from(info.ipi6_addr.s6_addr).into(), info.ipi6_ifindex));
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &Socket, buffer: &mut [u8]) -> Arrival {
        for _ in 0..200 {
            match socket.receive(buffer) {
                Ok(arrival) => return arrival,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("nothing arrived");
    }

    fn ask_and_answer(listen: &str, ask: &str) {
        let server = Socket::listen(listen.parse().unwrap()).unwrap();
        let port = server.local_address().unwrap().port();
        let client = Socket::connect(SocketAddr::new(ask.parse().unwrap(), port)).unwrap();
        let mut buffer = [0; 64];
        client.send(b"question").unwrap();
        let arrival = receive(&server, &mut buffer);
        assert_eq!(&buffer[..arrival.length], b"question");
        assert_eq!(arrival.to.unwrap().0, ask.parse::<IpAddr>().unwrap());
        assert_eq!(arrival.from.port(), client.local_address().unwrap().port());
        server.reply(b"answer", &arrival).unwrap();
        // The connected client takes an answer only from the address that it asked.
        let arrival = receive(&client, &mut buffer);
        assert_eq!(&buffer[..arrival.length], b"answer");
        if client.stamps() != StampSource::Reader {
            let now = crate::clock::read_pair().unwrap().realtime;
            // The very first stamps may be missing: the kernel switches them on in its own time.
            if let Some(stamp) = arrival.stamp {
                assert!(now.abs_diff(stamp) < Duration::from_secs(5));
            }
        }
    }

    #[test]
    fn what_is_sent_is_marked() {
        let server = Socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = Socket::connect(server.local_address().unwrap()).unwrap();
        for socket in [&server, &client] {
            socket.set_code_point(46).unwrap();
            assert_eq!(nix::sys::socket::getsockopt(socket.inner(), Ipv4Tos).unwrap(), 46 << 2);
        }
    }

    #[test]
    fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
        ask_and_answer("0.0.0.0:0", "127.0.0.7");
        ask_and_answer("127.0.0.1:0", "127.0.0.1");
        if UdpSocket::bind("[::1]:0").is_ok() {
            ask_and_answer("[::]:0", "::1");
        }
    }
}
