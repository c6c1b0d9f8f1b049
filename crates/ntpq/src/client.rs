//! One daemon, asked over UDP: requests, fragments, timeouts and one retry.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ntp_proto::auth::SharedKey;
use ntp_proto::control::{
    ClientRows, ControlMessage, ErrorCode, Exchange, FRAGMENT_LEN_MAX, Item, Opcode, Patience, Question,
    ReassemblyError, Response, Unanswered, Walk, escaped, is_signed, parse_items, sign,
};
use ntp_proto::time::{MonoTime, NtpTimestamp};
use ntp_proto::wire::{Header, Version};

/// How long answers may take, as the originals have it; and how many questions are under way.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(5),
    next: Duration::from_secs(3),
    whole: Duration::from_secs(20),
    attempts: 2,
    window: 8,
};

/// On this machine nothing takes long.
const FIRST_PACKET_LOCAL: Duration = Duration::from_secs(1);

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
    #[error("nothing listens on {0} (is ntpd running there? systemctl status ntp)")]
    NobodyListens(SocketAddr),
    /// The daemon refused.
    #[error("Server error code {}{}", error_name(*.0), error_hint(*.0))]
    Refused(ErrorCode),
    /// The question does not fit into a packet.
    #[error(
        "the question is longer than the {FRAGMENT_LEN_MAX} bytes that one may have: ask for less at once"
    )]
    TooLong,
    /// The answer's fragments do not fit together.
    #[error("the answer's packets do not fit together")]
    Inconsistent,
    /// What came was not signed as the question was.
    #[error("the answer is not signed with key {0}: it is somebody else's, or the daemon has another secret")]
    Unsigned(u32),
    /// The socket does not work.
    #[error("cannot ask: {0}")]
    Socket(#[from] io::Error),
}

impl From<Unanswered> for ClientError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::TimedOut => Self::TimedOut,
            Unanswered::Bad(ReassemblyError::Refused(code)) => Self::Refused(code),
            Unanswered::Bad(_) => Self::Inconsistent,
        }
    }
}

impl From<ReassemblyError> for ClientError {
    fn from(error: ReassemblyError) -> Self {
        Unanswered::Bad(error).into()
    }
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

/// What usually is the matter.
const fn error_hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Permission => " (it takes this only signed, with the key that its `controlkey` names)",
        ErrorCode::BadAssociation => " (it has no such association: see `associations`)",
        ErrorCode::UnknownVariable => " (it has no variable of that name)",
        ErrorCode::Restricted => " (its access list forbids it)",
        ErrorCode::BadFormat | ErrorCode::BadOpcode | ErrorCode::BadValue | ErrorCode::Other(_) => "",
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
    patience: Patience,
    /// What questions are signed with.
    key: Option<SharedKey>,
    /// The version that questions claim.
    version: Version,
    /// Packets are told of, on standard error or in a file.
    debug: bool,
    log: Option<Arc<File>>,
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
        let first_packet = if remote.ip().is_loopback() { FIRST_PACKET_LOCAL } else { PATIENCE.first };
        let patience = Patience { first: first_packet, ..PATIENCE };
        Ok(Self {
            socket,
            remote,
            sequence: u16::from_be_bytes([first, second]),
            patience,
            key: None,
            version: Version::V2,
            debug: false,
            log: None,
        })
    }

    /// Waits at most this long for the first packet of an answer.
    #[must_use]
    pub const fn with_patience(mut self, first: Duration) -> Self {
        self.patience.first = first;
        self
    }

    /// Signs every question from now on, or none.
    pub fn set_key(&mut self, key: Option<SharedKey>) {
        self.key = key;
    }

    /// How long the first packet of an answer may take.
    pub const fn patience(&self) -> Duration {
        self.patience.first
    }

    /// Waits at most this long for it from now on.
    pub const fn set_patience(&mut self, first: Duration) {
        self.patience.first = first;
    }

    /// The version that questions claim.
    pub const fn version(&self) -> u8 {
        self.version.number()
    }

    /// Claims another one, 1 to 4; nothing changes for any other.
    pub fn set_version(&mut self, number: u8) {
        self.version = Version::new(number).unwrap_or(self.version);
    }

    /// Tells of packets in this file.
    pub fn set_log(&mut self, log: Option<Arc<File>>) {
        self.log = log;
    }

    /// Tells of every packet, or of none.
    pub const fn set_debug(&mut self, debug: bool) {
        self.debug = debug;
    }

    /// Asks another daemon from now on, in the same way.
    pub fn move_to(&mut self, other: Self) {
        let Self { patience, version, debug, .. } = *self;
        *self = Self { patience, version, debug, log: self.log.take(), ..other };
    }

    fn tell(&self, what: &str, packet: &[u8]) {
        if self.debug {
            let line = format!("{what} {}: {} bytes\n", self.remote, packet.len());
            // Nobody to tell if that fails.
            drop(match self.log.as_deref() {
                Some(mut log) => log.write_all(line.as_bytes()),
                None => io::stderr().write_all(line.as_bytes()),
            });
        }
    }

    /// Whether the daemon is on this machine.
    pub fn is_here(&self) -> bool {
        self.remote().ip().to_canonical().is_loopback()
    }

    /// The daemon's address.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether it answers a request for the time, which tells a daemon that answers no queries from a dead one.
    pub fn gives_time(&self) -> bool {
        let nonce = NtpTimestamp::from_bits(getrandom::u64().unwrap_or(1));
        let request = Header::request(Version::V4, 6, nonce);
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        let mut answer = || {
            self.socket.set_read_timeout(Some(self.patience.first)).ok()?;
            self.socket.send(&request.to_bytes()).ok()?;
            let length = self.socket.recv(&mut buffer).ok()?;
            Header::parse(buffer.get(..length)?).ok()
        };
        answer().is_some_and(|answer| answer.origin == nonce)
    }

    /// A list in an order of its own: `ifstats` or `addr_restrictions`. Needs a key.
    pub fn ordered(&mut self, name: &str) -> Result<Vec<Item>, ClientError> {
        Ok(parse_items(&self.ask(Opcode::ReadOrdered, 0, name.as_bytes())?.data))
    }

    /// Puts a line of configuration in force; what the daemon says of it. Needs a key.
    pub fn configure(&mut self, line: &str) -> Result<String, ClientError> {
        let answer = self.ask(Opcode::Configure, 0, line.as_bytes())?;
        let text = String::from_utf8_lossy(&answer.data).replace("\r\n", "\n");
        let lines: Vec<String> = text.trim_end().lines().map(|line| escaped(line.as_bytes())).collect();
        Ok(lines.join("\n"))
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

    /// The same as it came.
    pub fn variables_data(
        &mut self,
        association: u16,
        names: &[&str],
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let response = self.ask(Opcode::ReadVariables, association, names.join(",").as_bytes())?;
        Ok((response.status, response.data))
    }

    /// The same of a reference clock.
    pub fn clock_data(&mut self, association: u16, names: &[&str]) -> Result<(u16, Vec<u8>), ClientError> {
        let response = self.ask(Opcode::ReadClock, association, names.join(",").as_bytes())?;
        Ok((response.status, response.data))
    }

    /// The clients that the daemon remembers, in the order in which they were last seen; those that meet the
    /// conditions, which are options of `READ_MRU` (ntp 4.2.8, `ntp_control.c`).
    pub fn clients(&mut self, conditions: &[(String, String)]) -> Result<ClientRows, ClientError> {
        let mut walk = Walk::new(conditions);
        loop {
            let answer = self.ask_all(vec![walk.question()])?.pop();
            match answer.unwrap_or(Err(Unanswered::TimedOut)) {
                Ok(response) => {
                    if let Some(rows) = walk.accept(&response.data)? {
                        return Ok(rows);
                    }
                }
                Err(Unanswered::Bad(ReassemblyError::Refused(code))) if walk.refused(code) => {}
                Err(Unanswered::TimedOut) if walk.lost() => {}
                Err(unanswered) => return Err(unanswered.into()),
            }
        }
    }

    /// Variables of many associations, all or those named, asked for at once.
    #[expect(clippy::type_complexity, reason = "the answers of `variables`, in a row")]
    pub fn variables_of(
        &mut self,
        associations: &[u16],
        names: &[&str],
    ) -> Result<Vec<Result<(u16, Vec<Item>), ClientError>>, ClientError> {
        let question = |association: &u16| Question {
            opcode: Opcode::ReadVariables,
            association: *association,
            data: names.join(",").into_bytes(),
        };
        let answers = self.ask_all(associations.iter().map(question).collect())?;
        let read = |answer: Result<Response, Unanswered>| {
            answer.map(|response| (response.status, parse_items(&response.data))).map_err(ClientError::from)
        };
        Ok(answers.into_iter().map(read).collect())
    }

    fn ask(&mut self, opcode: Opcode, association: u16, data: &[u8]) -> Result<Response, ClientError> {
        let question = Question { opcode, association, data: data.to_vec() };
        let answer = self.ask_all(vec![question])?.pop();
        Ok(answer.unwrap_or(Err(Unanswered::TimedOut))?)
    }

    fn ask_all(
        &mut self,
        questions: Vec<Question>,
    ) -> Result<Vec<Result<Response, Unanswered>>, ClientError> {
        if questions.iter().any(|question| question.data.len() > FRAGMENT_LEN_MAX) {
            return Err(ClientError::TooLong);
        }
        let began = Instant::now();
        let now = || MonoTime::ZERO + began.elapsed();
        let mut exchange = Exchange::new(questions, self.sequence, self.patience);
        exchange.set_version(self.version);
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        let mut unsigned = false;
        while !exchange.is_done() {
            while let Some(mut packet) = exchange.poll_packet(now()) {
                if let Some(key) = &self.key {
                    sign(&mut packet, key);
                }
                self.tell("to", &packet);
                self.socket.send(&packet).map_err(|error| self.explain(error))?;
            }
            let left = exchange.next_timeout().map_or(Duration::ZERO, |at| at.since(now()));
            if left.is_zero() {
                exchange.handle_timeout(now());
                continue;
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let packet = buffer.get(..length).unwrap_or_default();
                    self.tell("from", packet);
                    if self.may_believe(packet) {
                        exchange.handle_datagram(now(), packet);
                    } else {
                        unsigned = true;
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(self.explain(error)),
            }
        }
        self.sequence = exchange.sequence();
        let answers = exchange.into_answers();
        match &self.key {
            Some(key) if unsigned && answers.contains(&Err(Unanswered::TimedOut)) => {
                Err(ClientError::Unsigned(key.id.number()))
            }
            _ => Ok(answers),
        }
    }

    /// Whether a packet can be the daemon's: what answers a signed question is signed as well. A refusal need not be,
    /// as the daemon may not know the key.
    fn may_believe(&self, packet: &[u8]) -> bool {
        let is_refusal = || ControlMessage::parse(packet).is_some_and(|message| message.header.error);
        self.key.as_ref().is_none_or(|key| is_signed(packet, key) || is_refusal())
    }

    fn explain(&self, error: io::Error) -> ClientError {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            ClientError::NobodyListens(self.remote)
        } else {
            ClientError::Socket(error)
        }
    }
}
