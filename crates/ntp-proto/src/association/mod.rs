//! One source of time: the peer and poll processes of RFC 5905 §9 and §13 for a client.
//!
//! `checks.rs` judges an answer, `poll.rs` decides when to ask, `burst.rs` how often at first,
//! `kiss.rs` obeys a Kiss-o'-Death, `reach.rs` remembers who answered, `register.rs` keeps the
//! last eight measurements.

mod burst;
mod checks;
mod kiss;
mod poll;
mod reach;
mod register;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;

use crate::auth::{KeyId, Protection};
use crate::estimator::Worth;
use crate::random::Rng;
use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, PollExponent, Precision, Reading};
use crate::wire::{Header, KissCode, Leap, Packet, ReferenceId, Stratum, Version};

pub use checks::Rejection;
pub use poll::PollProcess;
pub use reach::Reach;
pub use register::{Register, RegisterEntry, STAGES};

/// The frequency tolerance by which every dispersion grows: 15 ppm (RFC 5905 §7.2 PHI).
pub fn aging(span: core::time::Duration) -> NtpDuration {
    Frequency::from_scaled_ppm(15 << 16).over(span)
}

/// The number by which mode 6 names an association; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(u16);

impl AssociationId {
    /// Any number but 0, which means the system itself.
    pub const fn new(number: u16) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// What ntp.conf says about one source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the options of the configuration language, each independent"
)]
pub struct AssociationOptions {
    /// Protocol version of the requests.
    pub version: Version,
    /// Eight quick packets at the start and after an outage.
    pub iburst: bool,
    /// Eight quick packets at every poll of a server that answers.
    pub burst: bool,
    /// The shortest poll interval.
    pub minpoll: PollExponent,
    /// The longest poll interval.
    pub maxpoll: PollExponent,
    /// Wins among the survivors.
    pub prefer: bool,
    /// Measured and shown, never followed.
    pub noselect: bool,
    /// Believed whatever the others say.
    pub truechimer: bool,
    /// The key that its packets are signed with, both ways.
    pub key: Option<KeyId>,
}

impl Default for AssociationOptions {
    fn default() -> Self {
        Self {
            version: Version::V4,
            iburst: false,
            burst: false,
            minpoll: PollExponent::DEFAULT_MIN,
            maxpoll: PollExponent::DEFAULT_MAX,
            prefer: false,
            noselect: false,
            truechimer: false,
            key: None,
        }
    }
}

/// What the server said of itself in its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// Its leap indicator.
    pub leap: Leap,
    /// Its stratum.
    pub stratum: Stratum,
    /// Its poll field, as sent.
    pub poll: i8,
    /// Its precision.
    pub precision: Precision,
    /// Its root delay.
    pub root_delay: NtpDuration,
    /// Its root dispersion.
    pub root_dispersion: NtpDuration,
    /// Its reference.
    pub reference_id: ReferenceId,
    /// When it was last corrected.
    pub reference_timestamp: NtpTimestamp,
    /// When its answer arrived here, on the system clock.
    pub received: NtpTimestamp,
    /// When its answer arrived here, for ages.
    pub received_mono: MonoTime,
    /// The address here that it was sent to.
    pub local: SocketAddr,
}

/// One exchange, measured against the undisciplined timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// When the answer arrived.
    pub at: MonoTime,
    /// T2 - T1: the way there, plus how far the server is ahead.
    pub forward: NtpDuration,
    /// T4 - T3: the way back, minus how far the server is ahead.
    pub backward: NtpDuration,
    /// The server's precision.
    pub precision: Precision,
}

impl Measurement {
    /// Round trip time (RFC 5905 §8 delta).
    pub fn delay(&self) -> NtpDuration {
        self.forward + self.backward
    }

    /// How far the undisciplined clock is ahead of the server, if the path is symmetric
    /// (RFC 5905 §8 theta with its sign turned).
    pub fn lead(&self) -> NtpDuration {
        // Halved before they are combined: the sum of two legs that are each decades long, on a
        // machine that booted in 1970, would saturate.
        self.backward.half() - self.forward.half()
    }
}

/// Counts for `ntpq`; they decide nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Requests sent.
    pub sent: u64,
    /// Datagrams received.
    pub received: u64,
    /// Answers that carried no nonce of ours.
    pub bogus: u64,
    /// Answers with our nonce that failed a test.
    pub failed: u64,
    /// Answers with our nonce whose MAC is missing or no good (mode 6 `badauth`).
    pub unauthentic: u64,
}

/// A request that awaits its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outstanding {
    nonce: NtpTimestamp,
    /// T1 on the undisciplined timescale; unknown until the shell has sent.
    departed: Option<NtpTimestamp>,
    /// What it was before this poll, should the request not leave at all.
    before: (Reach, PollProcess),
}

/// Everything that may decide something. Forged answers leave it equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    reach: Reach,
    poll: PollProcess,
    outstanding: Option<Outstanding>,
    send_failures: u32,
    last_transmit: Option<NtpTimestamp>,
    server: Option<ServerReport>,
    register: Register,
    rejection: Option<Rejection>,
    kiss: Option<KissCode>,
}

/// One source: state machine and counters.
#[derive(Clone, Debug)]
pub struct Association {
    id: AssociationId,
    remote: SocketAddr,
    options: AssociationOptions,
    state: State,
    counters: Counters,
}

impl Association {
    /// A source that is asked for the first time at `start`.
    pub fn new(id: AssociationId, remote: SocketAddr, options: AssociationOptions, start: MonoTime) -> Self {
        let state = State {
            reach: Reach::default(),
            poll: PollProcess::starting(&options, start),
            outstanding: None,
            send_failures: 0,
            last_transmit: None,
            server: None,
            register: Register::default(),
            rejection: None,
            kiss: None,
        };
        Self { id, remote, options, state, counters: Counters::default() }
    }

    /// When [`Self::handle_timeout`] wants to be called; `None` once a server has sent us away.
    pub fn next_timeout(&self) -> Option<MonoTime> {
        if self.state.kiss.is_some_and(kiss::is_final) { None } else { Some(self.state.poll.next()) }
    }

    /// If a poll is due: counts the last one as missed where it was not answered, and returns the
    /// request to send.
    pub fn handle_timeout(&mut self, now: MonoTime, rng: &mut dyn Rng) -> Option<[u8; 48]> {
        if self.next_timeout()? > now {
            return None;
        }
        let before = (self.state.reach, self.state.poll);
        self.state.reach.shift();
        let poll = &mut self.state.poll;
        poll.advance(now, self.state.reach, &self.options, rng);
        // RFC 5905 §9.2 lets the transmit timestamp be any nonce; a random one tells an off-path
        // attacker nothing, and the observer nothing about our clock. Zero means "unknown".
        let nonce = NtpTimestamp::from_bits(rng.next_u64().max(1));
        self.state.outstanding = Some(Outstanding { nonce, departed: None, before });
        self.counters.sent += 1;
        let exponent = i8::try_from(poll.interval().exponent()).unwrap_or(0);
        Some(Header::request(self.options.version, exponent, nonce).to_bytes())
    }

    /// The request has left, at `departed` on the undisciplined timescale.
    pub fn handle_sent(&mut self, departed: NtpTimestamp) {
        if let Some(outstanding) = &mut self.state.outstanding {
            outstanding.departed = Some(departed);
            self.state.send_failures = 0;
        }
    }

    /// The request could not leave (no route, no network): it counts as not sent, and is tried again
    /// soon. Returns how often in a row that has happened.
    pub fn handle_send_failed(&mut self, now: MonoTime) -> u32 {
        if let Some(outstanding) = self.state.outstanding.take() {
            (self.state.reach, self.state.poll) = outstanding.before;
            self.state.poll.retry(now, self.state.send_failures);
            self.state.send_failures = self.state.send_failures.saturating_add(1);
            self.counters.sent -= 1;
        }
        self.state.send_failures
    }

    /// Judges an answer and, if it is good, remembers it. `arrived` is T4, once on the system
    /// clock and once (`raw`) on the undisciplined timescale. What is not signed as `protection` demands
    /// changes nothing, not even whether an answer is awaited (CVE-2015-7979).
    pub fn handle_answer(
        &mut self,
        arrived: Reading,
        raw: NtpTimestamp,
        local: SocketAddr,
        bytes: &[u8],
        protection: Protection<'_>,
    ) -> Result<Measurement, Rejection> {
        self.counters.received += 1;
        let packet = Packet::parse(bytes).map_err(Rejection::Malformed)?;
        let authentic = |departed| checks::authenticate(&packet, bytes, protection).map(|()| departed);
        let departed = match self.state.admit(&packet).and_then(authentic) {
            Ok(departed) => departed,
            Err(rejection @ (Rejection::Unauthentic | Rejection::CryptoNak)) => {
                self.counters.unauthentic += 1;
                return Err(rejection);
            }
            Err(rejection) => {
                self.counters.bogus += 1;
                return Err(rejection);
            }
        };
        let report = ServerReport::of(&packet.header, arrived, local);
        let verdict = checks::judge(&packet, departed, raw, arrived.mono);
        self.state.remember(&packet, report, &verdict, &self.options, arrived.mono);
        if verdict.is_err() {
            self.counters.failed += 1;
        }
        verdict
    }

    /// The source now lives elsewhere: starts over with another address.
    pub fn rebind(&mut self, remote: SocketAddr, now: MonoTime) {
        *self = Self::new(self.id, remote, self.options.clone(), now);
    }

    /// What is under way says nothing: UTC has leapt, or the clock was out of sight.
    pub fn abandon_request(&mut self) {
        self.state.outstanding = None;
    }

    /// Asks again at once, and a few times in a row.
    pub fn measure_anew(&mut self, now: MonoTime) {
        self.abandon_request();
        self.state.poll.measure_anew(now, &self.options);
    }

    /// The clock may have gone anywhere: what was measured before says nothing of it now.
    pub fn forget_samples(&mut self) {
        self.state.register.clear();
    }

    /// Asks again within `seconds`, to confirm something surprising.
    pub fn verify_within(&mut self, now: MonoTime, seconds: u64) {
        self.state.poll.verify_within(now, seconds, &self.options);
    }

    /// Lengthens or shortens the poll interval, by what the last sample was worth.
    pub fn judge_poll(&mut self, now: MonoTime, worth: &Worth) {
        self.state.poll.judge(now, worth, &self.options);
    }

    /// Its number.
    pub const fn id(&self) -> AssociationId {
        self.id
    }

    /// Where it is.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// What ntp.conf says about it.
    pub const fn options(&self) -> &AssociationOptions {
        &self.options
    }

    /// Everything about it that may decide something.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Its counters.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl ServerReport {
    fn of(header: &Header, arrived: Reading, local: SocketAddr) -> Self {
        Self {
            leap: header.leap,
            // RFC 5905 §7.3: on the wire, unsynchronized is 0.
            stratum: if header.stratum == Stratum::UNSPECIFIED {
                Stratum::UNSYNCHRONIZED
            } else {
                header.stratum
            },
            poll: header.poll,
            precision: header.precision,
            root_delay: header.root_delay.to_duration(),
            root_dispersion: header.root_dispersion.to_duration(),
            reference_id: header.reference_id,
            reference_timestamp: header.reference_timestamp,
            received: arrived.system,
            received_mono: arrived.mono,
            local,
        }
    }
}

impl State {
    /// Applies a judged answer that carried our nonce. The only place where one changes state.
    fn remember(
        &mut self,
        packet: &Packet<'_>,
        report: ServerReport,
        verdict: &Result<Measurement, Rejection>,
        options: &AssociationOptions,
        now: MonoTime,
    ) {
        self.outstanding = None;
        self.last_transmit = Some(packet.header.transmit);
        self.rejection = verdict.as_ref().err().copied();
        match verdict {
            Ok(measurement) => {
                self.server = Some(report);
                self.kiss = None;
                let missed = self.reach.unanswered();
                if self.register.latest().is_none() {
                    self.poll.begin(now, options);
                }
                self.reach.mark();
                self.register.push(measurement);
                self.poll.answered(now, missed, options);
            }
            Err(Rejection::Kiss(code)) => {
                self.kiss = Some(*code);
                kiss::obey(*code, &mut self.poll, options, now);
            }
            // An unsynchronized server is heard but does not count as reached (RFC 5905 §9.2).
            Err(_) => self.server = Some(report),
        }
    }

    /// Which of the last eight polls were answered.
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// When it is asked, and how often.
    pub const fn poll(&self) -> &PollProcess {
        &self.poll
    }

    /// What the server last said of itself.
    pub const fn server(&self) -> Option<&ServerReport> {
        self.server.as_ref()
    }

    /// The last eight measurements.
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// Why the last answer was not used.
    pub const fn rejection(&self) -> Option<Rejection> {
        self.rejection
    }

    /// The kiss code in force.
    pub const fn kiss(&self) -> Option<KissCode> {
        self.kiss
    }

    /// How far from true time this source may put us, all the way to the reference clock
    /// (RFC 5905 §11.1 root distance, with our own measured jitter in place of the startup
    /// dispersion). `rate` is how fast the undisciplined clock gains, `least` the shortest round trip
    /// that is reckoned with (`tos mindist`). `None` before the first good answer.
    pub fn root_distance(&self, now: MonoTime, rate: Frequency, least: NtpDuration) -> Option<NtpDuration> {
        self.still_distance(now, least).map(|distance| distance + self.register.jitter(rate))
    }

    /// The same for the question whether the server is near enough to be believed at all: a jump of
    /// our clock or of the server's stays in the register for eight polls, and is none of its jitter.
    pub fn usual_distance(&self, now: MonoTime, rate: Frequency, least: NtpDuration) -> Option<NtpDuration> {
        self.still_distance(now, least).map(|distance| distance + self.register.usual_step(rate))
    }

    /// The root distance without any jitter.
    fn still_distance(&self, now: MonoTime, least: NtpDuration) -> Option<NtpDuration> {
        let server = self.server.as_ref()?;
        let best = self.register.best()?;
        let latest = self.register.latest()?;
        let halfway = (server.root_delay + best.delay.abs()).max(least).half();
        Some(halfway + server.root_dispersion + best.dispersion + aging(now.since(latest.at)))
    }

    /// Whether the server has its time from us (RFC 5905 §11.2 test 12). Stratum 1 names a clock.
    pub fn is_loop(&self) -> bool {
        self.server.as_ref().is_some_and(|server| {
            let ours = ReferenceId::of_address(server.local.ip());
            let loopback = server.local.ip().is_loopback();
            server.stratum.value() > 1 && server.reference_id == ours && !loopback
        })
    }
}
