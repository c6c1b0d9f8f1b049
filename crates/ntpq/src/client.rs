//! One daemon, asked over UDP: requests, fragments, timeouts and one retry.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ntp_proto::control::{
    ControlHeader, ControlMessage, ErrorCode, Item, Opcode, Reassembly, ReassemblyError, Response,
    parse_items,
};
use ntp_proto::time::NtpTimestamp;

use crate::values::Variables;

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

/// One client of a daemon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientRow {
    /// Its address and port.
    pub remote: SocketAddr,
    /// When it was first seen.
    pub first: NtpTimestamp,
    /// When it was last seen.
    pub last: NtpTimestamp,
    /// Requests counted.
    pub count: u32,
    /// Version and mode of the last one, as in the first byte of a packet.
    pub mode_version: u32,
    /// The restrictions that held for it, as ntp 4.2.8 numbers them.
    pub restrictions: u32,
}

/// The clients of a daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRows {
    /// In the order in which they were last seen.
    pub rows: Vec<ClientRow>,
    /// The daemon's time.
    pub now: NtpTimestamp,
}

/// Rows by which a list that is not finished goes on.
const RESUMED: usize = 8;

/// More clients than any daemon remembers.
const CLIENTS_MAX: usize = 1 << 22;

/// The rows of one answer, each with its `last` as it was written.
fn rows_of(items: &[Item]) -> Vec<(ClientRow, String)> {
    let variables = Variables(items);
    let row = |item: &Item| {
        let index = item.name.strip_prefix("addr.")?;
        let name = |name: &str| format!("{name}.{index}");
        let number = |field: &str| u32::try_from(variables.integer(&name(field))?).ok();
        let row = ClientRow {
            remote: item.value.parse().ok()?,
            first: variables.timestamp(&name("first"))?,
            last: variables.timestamp(&name("last"))?,
            count: number("ct")?,
            mode_version: number("mv")?,
            restrictions: number("rs")?,
        };
        Some((row, variables.text(&name("last"))?.to_owned()))
    };
    items.iter().filter_map(row).collect()
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

    /// The clients that the daemon remembers, in the order in which they were last seen.
    pub fn clients(&mut self) -> Result<ClientRows, ClientError> {
        let mut rows: Vec<ClientRow> = Vec::new();
        let (mut known, mut seen) = (String::new(), BTreeSet::new());
        loop {
            // The daemon proves that we are who we seem to be, before it says much.
            let nonce = self.ask(Opcode::RequestNonce, 0, &[])?;
            let nonce = parse_items(&nonce.data);
            let nonce = Variables(&nonce).text("nonce").ok_or(ClientError::Inconsistent)?;
            let question = format!("nonce={nonce}, frags=32{known}");
            let items = parse_items(&self.ask(Opcode::ReadClients, 0, question.as_bytes())?.data);
            let part = rows_of(&items);
            known = part.iter().rev().take(RESUMED).enumerate().fold(
                String::new(),
                |text, (index, (row, last))| {
                    text + &format!(", addr.{index}={}, last.{index}={last}", row.remote)
                },
            );
            // Whoever asked again meanwhile comes again, with another moment.
            let fresh: Vec<ClientRow> = part
                .into_iter()
                .map(|(row, _)| row)
                .filter(|row| seen.insert((row.remote, row.last.to_bits())))
                .collect();
            let progress = !fresh.is_empty();
            rows.extend(fresh);
            if let Some(now) = Variables(&items).timestamp("now") {
                return Ok(ClientRows { rows, now });
            }
            if !progress || rows.len() > CLIENTS_MAX {
                return Err(ClientError::Inconsistent);
            }
        }
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
