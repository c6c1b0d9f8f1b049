//! One daemon, asked over UDP: requests, fragments, timeouts and one retry.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ntp_proto::control::{
    ControlHeader, ControlMessage, ErrorCode, Item, Opcode, Reassembly, ReassemblyError, Response,
    parse_items,
};

/// How long the first packet of an answer may take, as the originals have it.
const FIRST_PACKET: Duration = Duration::from_secs(5);

/// How long each further packet may take.
const NEXT_PACKET: Duration = Duration::from_secs(3);

/// How long all of an answer may take, however many packets it has.
const WHOLE_ANSWER: Duration = Duration::from_secs(20);

/// On this machine nothing takes long.
const FIRST_PACKET_LOCAL: Duration = Duration::from_secs(1);

/// How often a question is asked.
const ATTEMPTS: u32 = 2;

/// The longest datagram that is read.
const DATAGRAM_LEN_MAX: usize = 2048;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing came in time.
    #[error("Request timed out")]
    TimedOut,
    /// The machine says that nobody listens there.
    #[error("nothing listens on {0} (is ntpd running there?)")]
    NobodyListens(SocketAddr),
    /// The daemon refused.
    #[error("Server error code {}", error_name(*.0))]
    Refused(ErrorCode),
    /// The answer's fragments do not fit together.
    #[error("the answer's packets do not fit together")]
    Inconsistent,
    /// The socket does not work.
    #[error("cannot ask: {0}")]
    Socket(#[from] io::Error),
}

/// The name of an error code as ntpd's header files have it.
const fn error_name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Permission => "PERMISSION",
        ErrorCode::BadFormat => "BADFMT",
        ErrorCode::BadOpcode => "BADOP",
        ErrorCode::BadAssociation => "BADASSOC",
        ErrorCode::UnknownVariable => "UNKNOWNVAR",
        ErrorCode::BadValue => "BADVALUE",
        ErrorCode::Restricted => "RESTRICT",
        ErrorCode::Other(_) => "UNSPEC",
    }
}

/// An association's number and status word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssociationStatus {
    /// Its number.
    pub id: u16,
    /// Its status word.
    pub status: u16,
}

/// A conversation with one daemon.
#[derive(Debug)]
pub struct Client {
    socket: UdpSocket,
    remote: SocketAddr,
    sequence: u16,
    patience: Duration,
}

impl Client {
    /// Opens a socket to one daemon; nothing is sent yet.
    pub fn connect(remote: SocketAddr) -> Result<Self, ClientError> {
        let any: IpAddr =
            if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(remote)?;
        let random = getrandom::u32().map_err(io::Error::other)?;
        let [first, second, ..] = random.to_be_bytes();
        let patience = if remote.ip().is_loopback() { FIRST_PACKET_LOCAL } else { FIRST_PACKET };
        Ok(Self { socket, remote, sequence: u16::from_be_bytes([first, second]), patience })
    }

    /// Waits at most this long for the first packet of an answer.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The daemon's associations, by number.
    pub fn associations(&mut self) -> Result<Vec<AssociationStatus>, ClientError> {
        let response = self.ask(Opcode::ReadStatus, 0, &[])?;
        let (pairs, _) = response.data.as_chunks::<4>();
        let mut found: Vec<AssociationStatus> = pairs
            .iter()
            .map(|[a, b, c, d]| AssociationStatus {
                id: u16::from_be_bytes([*a, *b]),
                status: u16::from_be_bytes([*c, *d]),
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// Variables of an association (0: of the system), all or those named; with the status word.
    pub fn variables(&mut self, association: u16, names: &[&str]) -> Result<(u16, Vec<Item>), ClientError> {
        let response = self.ask(Opcode::ReadVariables, association, names.join(",").as_bytes())?;
        Ok((response.status, parse_items(&response.data)))
    }

    fn ask(&mut self, opcode: Opcode, association: u16, data: &[u8]) -> Result<Response, ClientError> {
        let mut outcome = Err(ClientError::TimedOut);
        for _ in 0..ATTEMPTS {
            self.sequence = self.sequence.wrapping_add(1);
            let request = ControlHeader::request(opcode, self.sequence, association);
            self.socket.send(&ControlMessage::write(&request, data)).map_err(|error| self.explain(error))?;
            outcome = self.collect(request);
            if !matches!(outcome, Err(ClientError::TimedOut)) {
                break;
            }
        }
        outcome
    }

    /// Reads packets until the answer is whole.
    fn collect(&self, request: ControlHeader) -> Result<Response, ClientError> {
        let mut reassembly = Reassembly::new(request);
        let last = Instant::now() + WHOLE_ANSWER;
        let mut deadline = Instant::now() + self.patience;
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        loop {
            let left = deadline.min(last).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::TimedOut);
            }
            self.socket.set_read_timeout(Some(left))?;
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.explain(error)),
            };
            let before = reassembly.received();
            match reassembly.accept(buffer.get(..length).unwrap_or_default()) {
                Ok(Some(response)) => return Ok(response),
                // Only progress buys time: foreign packets do not.
                Ok(None) if reassembly.received() > before => {
                    deadline = Instant::now() + NEXT_PACKET.min(self.patience * 3);
                }
                Ok(None) => {}
                Err(ReassemblyError::Refused(code)) => return Err(ClientError::Refused(code)),
                Err(_) => return Err(ClientError::Inconsistent),
            }
        }
    }

    fn explain(&self, error: io::Error) -> ClientError {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            ClientError::NobodyListens(self.remote)
        } else {
            ClientError::Socket(error)
        }
    }
}
