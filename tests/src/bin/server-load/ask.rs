//! The load: many clients in one process.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ntp_os::batch::{Arrivals, Departures};
use ntp_os::clock::read_pair_quickly;
use ntp_os::udp::Socket;
use ntp_proto::auth::{Algorithm, CodeLength, Key, KeyId, SharedKey};
use ntp_proto::time::{NtpTimestamp, UnixTime};
use ntp_proto::wire::{Datagram, Header, Leap, Mode, Packet, Version};

/// Requests that leave together.
const BATCH: usize = 32;

/// The first address that asks; the others follow.
const FIRST: u32 = 0x0a80_0000;

/// Return legs that are kept for the quantiles.
const LEGS_MAX: usize = 200_000;

/// After so long an answer is lost, and another request takes its place.
const PATIENCE: Duration = Duration::from_millis(200);

/// Makes nonces of numbers, and numbers of nonces again: their product is 1.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX_INVERSE: u64 = 0xf1de_83e1_9937_733d;

/// The number of the key that signed requests name.
const KEY_ID: u32 = 10;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    server: SocketAddr,
    time: Duration,
    outstanding: usize,
    /// Requests a second; 0 for a closed loop.
    rate: f64,
    addresses: u32,
    key: Option<SharedKey>,
}

impl Plan {
    pub(crate) fn read(words: [&str; 5], secret: Option<&str>) -> Result<Self, String> {
        let [server, seconds, outstanding, rate, addresses] = words;
        let bad = |what: &str| format!("{what:?} is no number");
        let key = |secret: &str| {
            let key = Key::new(Algorithm::Aes128Cmac, secret.as_bytes());
            KeyId::new(KEY_ID).map(|id| SharedKey { id, key, from: Vec::new(), trusted: true })
        };
        Ok(Self {
            server: server.parse().map_err(|_| format!("{server:?} is no address with a port"))?,
            time: Duration::from_secs_f64(seconds.parse().map_err(|_| bad(seconds))?),
            outstanding: outstanding.parse().map_err(|_| bad(outstanding))?,
            rate: rate.parse().map_err(|_| bad(rate))?,
            addresses: addresses.parse().map_err(|_| bad(addresses))?,
            key: secret.and_then(key),
        })
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    answered: u64,
    wrong: u64,
    legs: Vec<f64>,
}

struct Load<'p> {
    plan: &'p Plan,
    socket: Socket,
    arrivals: Arrivals,
    departures: Departures,
    /// The requests that await their answers, by nonce.
    waiting: HashMap<u64, Instant>,
    next: u64,
    /// When lost requests were last looked for.
    looked: Instant,
    tally: Tally,
}

pub(crate) fn run(plan: &Plan) -> Result<String, String> {
    let io = |error: std::io::Error| error.to_string();
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let socket = Socket::listen(any).map_err(io)?;
    socket.wait_at_most(Duration::from_millis(2)).map_err(io)?;
    socket.make_room(8 << 20);
    let mut load = Load {
        plan,
        socket,
        arrivals: Arrivals::new(64),
        departures: Departures::new(BATCH),
        waiting: HashMap::new(),
        next: 0,
        looked: Instant::now(),
        tally: Tally::default(),
    };
    let started = Instant::now();
    while started.elapsed() < plan.time {
        load.ask(started);
        load.listen().map_err(io)?;
        load.give_up();
    }
    let spent = started.elapsed().as_secs_f64();
    // What is under way may still arrive, and counts.
    let end = Instant::now() + plan.time.clamp(Duration::from_millis(3), Duration::from_millis(300));
    while Instant::now() < end && !load.waiting.is_empty() {
        load.listen().map_err(io)?;
    }
    let Tally { sent, answered, wrong, mut legs } = load.tally;
    legs.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let quantile = |part: f64| legs.get((part * legs.len() as f64) as usize).copied().unwrap_or(f64::NAN);
    Ok(format!(
        "{sent} {answered} {wrong} {spent:.3} {:.3} {:.3} {:.3}",
        quantile(0.1),
        quantile(0.5),
        quantile(0.9)
    ))
}

impl Load<'_> {
    /// Sends what is due.
    fn ask(&mut self, started: Instant) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let due = if self.plan.rate > 0.0 {
            let planned = (self.plan.rate * started.elapsed().as_secs_f64()) as u64;
            usize::try_from(planned.saturating_sub(self.tally.sent)).unwrap_or(0).min(4 * BATCH)
        } else {
            self.plan.outstanding.saturating_sub(self.waiting.len())
        };
        for _ in 0..due {
            self.request();
            if self.departures.is_full() {
                self.departures.send_all(self.socket.inner());
            }
        }
        self.departures.send_all(self.socket.inner());
    }

    fn request(&mut self) {
        self.next += 1;
        // Any number that differs from all others, and looks like none of them.
        let nonce = self.next.wrapping_mul(MIX);
        let header = Header::request(Version::V4, 6, NtpTimestamp::from_bits(nonce));
        let mut datagram = Datagram::new(header.to_bytes());
        if let Some(key) = &self.plan.key {
            key.sign(&mut datagram, CodeLength::Cut);
        }
        let number = u32::try_from(self.next % u64::from(self.plan.addresses.max(1))).unwrap_or(0);
        self.departures.push(self.plan.server, IpAddr::V4(Ipv4Addr::from(FIRST + number)));
        self.departures.put(self.departures.len() - 1, datagram.as_bytes());
        self.waiting.insert(nonce, Instant::now());
        self.tally.sent += 1;
    }

    /// Takes what has come.
    fn listen(&mut self) -> std::io::Result<()> {
        let count = match self.arrivals.receive(self.socket.inner(), 64) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let now = read_pair_quickly()?.realtime;
        for index in 0..count {
            let Some((arrival, bytes)) = self.arrivals.get(index) else { continue };
            let Some(header) = right(bytes, self.plan.key.as_ref()) else {
                self.tally.wrong += 1;
                continue;
            };
            if self.waiting.remove(&header.origin.to_bits()).is_none() {
                // Late, if it was asked at all.
                let number = header.origin.to_bits().wrapping_mul(MIX_INVERSE);
                self.tally.wrong += u64::from(number == 0 || number > self.next);
                continue;
            }
            self.tally.answered += 1;
            let leg = (timestamp(arrival.stamp.unwrap_or(now)) - header.transmit).as_seconds_f64() * 1e6;
            // An echo stamps nothing.
            if self.tally.legs.len() < LEGS_MAX && leg.abs() < 1e6 {
                self.tally.legs.push(leg);
            }
        }
        Ok(())
    }

    /// Forgets requests whose answers are lost.
    fn give_up(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.looked) >= PATIENCE / 10 {
            self.looked = now;
            self.waiting.retain(|_, asked| now.duration_since(*asked) < PATIENCE);
        }
    }
}

/// The header of a good answer: one that gives the time.
fn right(bytes: &[u8], key: Option<&SharedKey>) -> Option<Header> {
    let packet = Packet::parse(bytes).ok()?;
    if let Some(key) = key {
        let message = bytes.get(..packet.mac_offset())?;
        key.signs(message, &packet.mac?).then_some(())?;
    }
    let header = packet.header;
    let answers = header.mode == Mode::Server && header.version == Version::V4;
    let knows = header.leap != Leap::Unknown && (1..16).contains(&header.stratum.value());
    (answers && knows && !header.transmit.is_zero()).then_some(header)
}

fn timestamp(realtime: Duration) -> NtpTimestamp {
    let seconds = i64::try_from(realtime.as_secs()).unwrap_or(i64::MAX);
    NtpTimestamp::from_unix(UnixTime::new(seconds, realtime.subsec_nanos()))
}
