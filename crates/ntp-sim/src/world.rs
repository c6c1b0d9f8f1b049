//! One client, its servers, and the paths between them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ntp_proto::association::{AssociationId, AssociationOptions};
use ntp_proto::discipline::{DisciplineConfig, Timescale};
use ntp_proto::server::{AccessList, Request, Verdict, respond, stamp};
use ntp_proto::system::{
    Action, ClockReport, ClockRequest, ClockStart, Event, Family, Outcome, Received, Reference, Snapshot,
    SourceConfig, SourceKind, System, SystemConfig, Target,
};
use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Precision, Reading};
use ntp_proto::wire::{ReferenceId, Stratum};

use crate::{SimulatedClock, SplitMix};

/// The address of the simulated client.
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 200)), 40_000);

/// A path, the same both ways: a constant delay and exponential queueing on top of it.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// One way, without queues.
    pub delay: Duration,
    /// Mean of the queueing, each way.
    pub queueing: Duration,
    /// Share of packets lost, each way.
    pub loss: f64,
}

/// A server that answers as an NTP server does, from a clock that may be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// How far its clock is ahead of true time.
    pub ahead: NtpDuration,
    /// Its stratum.
    pub stratum: Stratum,
    /// The way to it.
    pub path: Path,
    /// It answers.
    pub alive: bool,
}

#[derive(Debug)]
enum Happening {
    AtServer { association: AssociationId, server: IpAddr, request: Vec<u8> },
    AtClient { association: AssociationId, answer: Vec<u8> },
}

/// A deterministic world: the same seed and the same calls give the same history.
#[derive(Debug)]
pub struct World {
    now: MonoTime,
    rng: SplitMix,
    clock: SimulatedClock,
    servers: BTreeMap<IpAddr, Server>,
    names: BTreeMap<String, Vec<IpAddr>>,
    happenings: BTreeMap<(MonoTime, u64), Happening>,
    sequence: u64,
    held_up: Option<Duration>,
    system: System,
    /// What the client reported, in order.
    pub events: Vec<Event>,
    /// How the client ended, if it has.
    pub outcome: Option<Outcome>,
    /// The last frequency it asked to be remembered.
    pub drift: Option<Frequency>,
    /// How many requests it has sent.
    pub requests: u64,
}

impl World {
    /// A world in which a client with this clock and these sources starts.
    pub fn new(
        seed: u64,
        clock: SimulatedClock,
        servers: BTreeMap<IpAddr, Server>,
        sources: Vec<SourceConfig>,
        discipline: DisciplineConfig,
    ) -> Self {
        let now = MonoTime::from_nanos(1_000_000_000);
        let config = SystemConfig { sources, discipline, minsane: 1, precision: Precision::new(-24) };
        let start = ClockStart {
            reading: clock.read(now),
            timescale: Timescale::Kept,
            frequency: Frequency::ZERO,
            drift: None,
        };
        let mut rng = SplitMix::new(seed);
        let nonces = SplitMix::new(ntp_proto::random::Rng::next_u64(&mut rng));
        let system = System::new(config, start, Box::new(nonces));
        let mut world = Self {
            now,
            rng,
            clock,
            servers,
            names: BTreeMap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            held_up: None,
            system,
            events: Vec::new(),
            outcome: None,
            drift: None,
            requests: 0,
        };
        world.perform();
        world
    }

    /// A source for an ntp.conf that says `server ADDRESS iburst`.
    pub fn source(address: IpAddr) -> SourceConfig {
        SourceConfig {
            kind: SourceKind::Server(Target::Address(address)),
            port: 123,
            family: Family::Any,
            options: AssociationOptions { iburst: true, ..AssociationOptions::default() },
        }
    }

    /// Makes a name resolve to these addresses from now on.
    pub fn publish(&mut self, name: &str, addresses: Vec<IpAddr>) {
        self.names.insert(name.to_owned(), addresses);
    }

    /// The server at an address, to be changed while the world runs.
    pub fn server(&mut self, address: IpAddr) -> Option<&mut Server> {
        self.servers.get_mut(&address)
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timer = self.system.next_timeout();
            let happening = self.happenings.keys().next().map(|(at, _)| *at);
            let Some(next) = timer.into_iter().chain(happening).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if happening.is_some_and(|at| at <= self.now) {
                if let Some((_, happening)) = self.happenings.pop_first() {
                    self.happen(happening);
                }
            } else {
                self.system.handle_timeout(self.now);
            }
            self.perform();
            if self.outcome.is_some() {
                break;
            }
        }
        self.now = self.now.max(end);
    }

    /// System minus true time, now.
    pub fn error(&self) -> NtpDuration {
        self.clock.error(self.now)
    }

    /// What the client looks like.
    pub fn snapshot(&self) -> Snapshot {
        self.system.snapshot(self.now)
    }

    /// Does what the daemon does when it is asked to end; the world may run on all the same.
    pub fn shut_down(&mut self) {
        self.system.shut_down(self.now);
        self.perform();
    }

    /// Holds up the next request on its way, once.
    pub const fn hold_up_next(&mut self, extra: Duration) {
        self.held_up = Some(extra);
    }

    /// When it is.
    pub const fn now(&self) -> MonoTime {
        self.now
    }

    /// The simulated counterpart of the daemon's loop: performs what the system asks for.
    fn perform(&mut self) {
        while let Some(action) = self.system.poll_action() {
            match action {
                Action::Send { association, remote, packet } => self.send(association, remote, &packet),
                Action::Steer(request) => self.steer(request),
                Action::Resolve { source, name } => {
                    let answer = self.names.get(&name).cloned().ok_or_else(|| "no such name".to_owned());
                    self.system.handle_resolved(self.now, source, answer);
                }
                Action::StoreDrift(frequency) => self.drift = Some(frequency),
                Action::Report(event) => self.events.push(event),
                Action::Finish(outcome) => self.outcome = Some(outcome),
                Action::Close(_) => {}
            }
        }
    }

    fn send(&mut self, association: AssociationId, remote: SocketAddr, packet: &[u8]) {
        self.requests += 1;
        let at = self.clock.read(self.now);
        self.system.handle_clock(self.now, ClockReport::Sent { association, at });
        let request = packet.to_vec();
        self.travel(remote.ip(), Happening::AtServer { association, server: remote.ip(), request });
    }

    fn steer(&mut self, request: ClockRequest) {
        let report = match request {
            ClockRequest::SetFrequency(frequency) => {
                self.clock.set_frequency(frequency, self.now);
                ClockReport::FrequencySet { frequency, at: self.now }
            }
            ClockRequest::Step(offset) => {
                self.clock.step(offset);
                ClockReport::Stepped { offset }
            }
            ClockRequest::SetStatus { .. } => return,
        };
        self.system.handle_clock(self.now, report);
    }

    /// Puts a packet on the path to or from a server; some arrive, later.
    fn travel(&mut self, server: IpAddr, happening: Happening) {
        let Some(path) = self.servers.get(&server).map(|server| server.path) else { return };
        let queued = self.rng.exponential(path.queueing.as_secs_f64());
        if self.rng.unit() < path.loss {
            return;
        }
        let held_up = self.held_up.take().unwrap_or_default();
        let arrival = self.now + path.delay + Duration::from_secs_f64(queued) + held_up;
        self.sequence += 1;
        self.happenings.insert((arrival, self.sequence), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtServer { association, server, request } => self.serve(association, server, &request),
            Happening::AtClient { association, answer } => {
                let arrived = self.clock.read(self.now);
                let received = Received { association, bytes: &answer, local: CLIENT, arrived };
                self.system.handle_datagram(self.now, received);
            }
        }
    }

    fn serve(&mut self, association: AssociationId, address: IpAddr, request: &[u8]) {
        let Some(server) = self.servers.get(&address).copied().filter(|server| server.alive) else { return };
        let system: NtpTimestamp = SimulatedClock::true_time(self.now) + server.ahead;
        let at = Reading { mono: self.now, system };
        let reference =
            Reference::of_clock(server.stratum, ReferenceId::from_code("SIM"), Precision::new(-24), at);
        let request = Request { bytes: request, from: CLIENT, received: system };
        let verdict = respond(&reference, self.now, &AccessList::default(), &request);
        if let Verdict::Answer(mut answer) = verdict {
            stamp(&mut answer, system);
            self.travel(address, Happening::AtClient { association, answer: answer.to_vec() });
        }
    }
}
