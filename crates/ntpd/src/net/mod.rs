//! The daemon's sockets: those it listens on, and one for each source.

mod listen;

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use ntp_os::udp::{Arrival, Socket};
use ntp_proto::association::AssociationId;
use tokio::io::Interest;
use tokio::net::UdpSocket;

pub(crate) use listen::{ListenError, open, open_shared, wanted};

/// The longest datagram that is read; longer ones are cut, and then refused.
pub(crate) const DATAGRAM_LEN_MAX: usize = 2048;

/// Which socket a datagram came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A listening one, by its address.
    Service(SocketAddr),
    /// A source's own.
    Source(AssociationId),
}

/// Addresses on which listening has failed, so that it is said once for each.
#[derive(Debug, Default)]
pub(crate) struct Complaints(BTreeSet<SocketAddr>);

impl Complaints {
    /// Says what came of listening on an address, if that is new.
    pub(crate) fn hear(
        &mut self,
        address: SocketAddr,
        outcome: Result<Option<Socket>, ListenError>,
    ) -> Option<Socket> {
        match outcome {
            Ok(Some(socket)) => {
                tracing::info!("listening on {address}");
                self.0.remove(&address);
                return Some(socket);
            }
            Ok(None) if self.0.insert(address) => {
                tracing::info!("not listening on {address}, which this machine does not have");
            }
            Err(reason) if self.0.insert(address) => tracing::warn!("{reason}"),
            Ok(None) | Err(_) => {}
        }
        None
    }
}

/// All sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    service: BTreeMap<SocketAddr, Socket<UdpSocket>>,
    sources: BTreeMap<AssociationId, (SocketAddr, Socket<UdpSocket>)>,
    /// How what is sent is marked (DSCP).
    code_point: u8,
}

impl Sockets {
    /// Takes over the listening sockets; must be called within the runtime.
    pub(crate) fn new(service: Vec<(SocketAddr, Socket)>, code_point: u8) -> io::Result<Self> {
        let watch = |(address, socket)| Ok((address, watched(socket, code_point)?));
        let service = service.into_iter().map(watch).collect::<io::Result<_>>()?;
        Ok(Self { service, sources: BTreeMap::new(), code_point })
    }

    /// The addresses that are listened on.
    pub(crate) fn served(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.service.keys().copied()
    }

    /// Whether an address is listened on.
    pub(crate) fn serves(&self, address: SocketAddr) -> bool {
        self.service.contains_key(&address)
    }

    /// Gives the listening sockets away.
    pub(crate) fn take_service(&mut self) -> Vec<(SocketAddr, Socket)> {
        let sockets = std::mem::take(&mut self.service);
        let plain = |(address, socket): (SocketAddr, Socket<UdpSocket>)| {
            Some((address, socket.register(UdpSocket::into_std).ok()?))
        };
        sockets.into_iter().filter_map(plain).collect()
    }

    /// Takes listening sockets over.
    pub(crate) fn put_service(&mut self, sockets: Vec<(SocketAddr, Socket)>) -> io::Result<()> {
        let mut failure = Ok(());
        for (address, socket) in sockets {
            match watched(socket, self.code_point) {
                Ok(socket) => drop(self.service.insert(address, socket)),
                Err(error) => failure = Err(error),
            }
        }
        failure
    }

    /// Addresses come and go: listens on those wanted now, and no longer on others.
    pub(crate) fn listen_on(&mut self, wanted: &[SocketAddr], complaints: &mut Complaints) {
        self.service.retain(|address, _| wanted.contains(address));
        for address in wanted {
            if self.service.contains_key(address) {
                continue;
            }
            match complaints.hear(*address, open(*address)).map(|socket| watched(socket, self.code_point)) {
                Some(Ok(socket)) => drop(self.service.insert(*address, socket)),
                Some(Err(error)) => tracing::warn!("not listening on {address}: {error}"),
                None => {}
            }
        }
    }

    /// Sees to it that a source has a socket connected to `remote`, so that sending takes no time.
    pub(crate) fn prepare(&mut self, id: AssociationId, remote: SocketAddr) -> io::Result<()> {
        if self.sources.get(&id).is_none_or(|(known, _)| *known != remote) {
            let socket = watched(Socket::connect(remote)?, self.code_point)?;
            self.sources.insert(id, (remote, socket));
        }
        Ok(())
    }

    /// Sends a request from the source's own socket. After an error the socket is closed: the error
    /// may be about an earlier packet, or about an address that is gone.
    pub(crate) fn send(&mut self, id: AssociationId, packet: &[u8]) -> io::Result<()> {
        let sent = match self.sources.get(&id) {
            Some((_, socket)) => socket.send(packet),
            None => Err(io::Error::from(io::ErrorKind::NotConnected)),
        };
        if sent.is_err() {
            self.close(id);
        }
        sent
    }

    /// Closes a source's socket.
    pub(crate) fn close(&mut self, id: AssociationId) {
        self.sources.remove(&id);
    }

    /// Waits until some socket has something to read.
    pub(crate) async fn readable(&self) -> Origin {
        poll_fn(|context| {
            // Our own servers first: a flood of questions must not keep their answers waiting.
            for (id, (_, socket)) in &self.sources {
                if let Poll::Ready(Ok(())) = socket.inner().poll_recv_ready(context) {
                    return Poll::Ready(Origin::Source(*id));
                }
            }
            for (address, socket) in &self.service {
                if let Poll::Ready(Ok(())) = socket.inner().poll_recv_ready(context) {
                    return Poll::Ready(Origin::Service(*address));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Reads one datagram; `None` once there are no more.
    pub(crate) fn receive(&self, origin: Origin, buffer: &mut [u8]) -> Option<io::Result<Arrival>> {
        let socket = self.socket(origin)?;
        let read = socket.inner().try_io(Interest::READABLE, || socket.receive(buffer));
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            other => Some(other),
        }
    }

    /// Answers on the socket that the question came in on.
    pub(crate) fn reply(&self, origin: Origin, packet: &[u8], arrival: &Arrival) -> io::Result<()> {
        match self.socket(origin) {
            Some(socket) => socket.reply(packet, arrival),
            None => Err(io::Error::from(io::ErrorKind::NotConnected)),
        }
    }

    /// The address here that a source's answers come to.
    pub(crate) fn local_address(&self, id: AssociationId) -> Option<SocketAddr> {
        self.sources.get(&id).and_then(|(_, socket)| socket.local_address().ok())
    }

    fn socket(&self, origin: Origin) -> Option<&Socket<UdpSocket>> {
        match origin {
            Origin::Service(address) => self.service.get(&address),
            Origin::Source(id) => self.sources.get(&id).map(|(_, socket)| socket),
        }
    }
}

/// A socket in the event loop. What it sends is marked; a mark that the kernel does not take is no reason not
/// to send.
fn watched(socket: Socket, code_point: u8) -> io::Result<Socket<UdpSocket>> {
    drop(socket.set_code_point(code_point));
    socket.register(UdpSocket::from_std)
}
