//! One client, its servers, the paths between them, and what happens to them all.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ntp_proto::association::AssociationId;
use ntp_proto::discipline::LeapArm;
use ntp_proto::estimator::Memory;
use ntp_proto::system::{Action, ClockReport, ClockRequest, Event, Outcome, Received, SourceId};
use ntp_proto::time::{Frequency, Reading};

use crate::client::Client;
use crate::oscillator::Oscillator;
use crate::path::Leg;
use crate::scenario::Scenario;
use crate::server::{Arrival, RESIDENCE, Server, leap_shift};
use crate::{SplitMix, TrueTime};

/// The address of the simulated client.
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200)), 40_000);

/// Events that are kept; a client that says more is noisy, and the first ones say why.
const EVENTS_MAX: usize = 10_000;

#[derive(Clone, Debug)]
enum Happening {
    AtServer { association: AssociationId, server: IpAddr, request: Vec<u8>, stamp_error: f64 },
    AtClient { association: AssociationId, answer: Vec<u8>, stamp_error: f64, sent: TrueTime },
    Resolved { source: SourceId, name: String },
    Jump(f64),
    Step(f64),
    Sleep { length: f64, misjudged: f64 },
}

/// A deterministic world: the same scenario and seed give the same history.
#[derive(Debug)]
pub struct World<C> {
    scenario: Scenario,
    now: TrueTime,
    second: u64,
    oscillator: Oscillator,
    servers: BTreeMap<IpAddr, Server>,
    names: BTreeMap<String, Vec<(f64, Vec<IpAddr>)>>,
    residence: SplitMix,
    happenings: BTreeMap<(TrueTime, u64), Happening>,
    sequence: u64,
    leap_armed: LeapArm,
    leap_passed: bool,
    /// The client.
    pub client: C,
    /// What the client reported, in order.
    pub events: Vec<Event>,
    /// How the client ended, if it has.
    pub outcome: Option<Outcome>,
    /// The last frequency it asked to be remembered.
    pub drift: Option<Frequency>,
    /// And what else.
    pub memory: Option<Memory>,
    /// How many requests it has sent.
    pub requests: u64,
}

impl<C: Client> World<C> {
    /// A world in which a client starts that is made from the first reading of its clock.
    pub fn new(scenario: &Scenario, seed: u64, client: impl FnOnce(Reading) -> C) -> Self {
        let mut oscillator = Oscillator::new(&scenario.clock, scenario.beginning, seed);
        let mut names: BTreeMap<String, Vec<(f64, Vec<IpAddr>)>> = BTreeMap::new();
        let addresses = scenario.addresses();
        for (server, address) in scenario.servers.iter().zip(&addresses) {
            if let Some(name) = &server.name {
                names.entry(name.clone()).or_insert_with(|| vec![(0.0, Vec::new())])[0].1.push(*address);
            }
        }
        for entry in &scenario.names {
            names.entry(entry.name.clone()).or_default().push((entry.from, entry.addresses.clone()));
        }
        let servers = scenario.servers.iter().zip(addresses).zip(0..);
        let servers =
            servers.map(|((server, address), index)| (address, Server::new(server, seed, index))).collect();
        let client = client(oscillator.read());
        let mut world = Self {
            scenario: scenario.clone(),
            now: TrueTime::default(),
            second: 0,
            oscillator,
            servers,
            names,
            residence: SplitMix::stream(seed, 3),
            happenings: BTreeMap::new(),
            sequence: 0,
            leap_armed: LeapArm::None,
            leap_passed: false,
            client,
            events: Vec::new(),
            outcome: None,
            drift: None,
            memory: None,
            requests: 0,
        };
        world.foresee();
        world.perform();
        world
    }

    /// Enters what the scenario says will happen.
    fn foresee(&mut self) {
        let clock = self.scenario.clock.clone();
        for (at, by) in clock.jumps {
            self.enter(TrueTime::from_seconds(at), Happening::Jump(by));
        }
        for (at, by) in clock.steps {
            self.enter(TrueTime::from_seconds(at), Happening::Step(by));
        }
        for (at, length, misjudged) in clock.sleeps {
            self.enter(TrueTime::from_seconds(at), Happening::Sleep { length, misjudged });
        }
    }

    /// Lets time pass; `observe` sees the world at every full second.
    pub fn run_with(&mut self, span: Duration, mut observe: impl FnMut(&Self)) {
        let end = self.now + span;
        while self.now < end && self.outcome.is_none() {
            let boundary = TrueTime::default() + Duration::from_secs(self.second + 1);
            let timer = self.client.next_timeout().map(|timer| self.oscillator.when(timer).max(self.now));
            let happening = self.happenings.keys().next().map(|(at, _)| *at);
            let next = [timer, happening].into_iter().flatten().fold(boundary.min(end), TrueTime::min);
            self.advance(next);
            if next == boundary {
                self.second += 1;
                self.pass_leap();
                self.oscillator.start_second();
                observe(self);
            } else if happening == Some(next) {
                if let Some((_, happening)) = self.happenings.pop_first() {
                    self.happen(happening);
                }
            } else if timer == Some(next) {
                // As the daemon's loop does, which reads the clock whenever it wakes up.
                let at = self.oscillator.read();
                self.client.handle_clock(at.mono, ClockReport::Read { at });
                self.client.handle_timeout(at.mono);
            }
            self.perform();
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        self.run_with(span, |_| ());
    }

    /// Another client starts where the one before has left the clock; what is under way to that one is lost.
    pub fn exchange_client(&mut self, next: impl FnOnce(Reading, Frequency) -> C) {
        self.lose_packets();
        self.client = next(self.oscillator.read(), self.oscillator.correction());
        self.perform();
    }

    fn lose_packets(&mut self) {
        self.happenings.retain(|_, happening| {
            !matches!(happening, Happening::AtServer { .. } | Happening::AtClient { .. })
        });
    }

    fn advance(&mut self, to: TrueTime) {
        self.oscillator.advance(to);
        self.now = self.now.max(to);
    }

    /// The server at an address answers or does not, from now on.
    pub fn set_alive(&mut self, address: IpAddr, alive: bool) {
        if let Some(server) = self.servers.get_mut(&address) {
            server.alive = alive;
        }
    }

    /// The clock of the server at an address is ahead by so many seconds, from now on.
    pub fn set_offset(&mut self, address: IpAddr, seconds: f64) {
        if let Some(server) = self.servers.get_mut(&address) {
            server.set_offset(seconds);
        }
    }

    /// Makes a name resolve to these addresses from now on.
    pub fn publish(&mut self, name: &str, addresses: Vec<IpAddr>) {
        self.names.entry(name.to_owned()).or_default().push((self.now.seconds(), addresses));
    }

    /// System minus true time (UTC), seconds.
    pub fn error(&self) -> f64 {
        let leapt = self.scenario.leap.map_or(0.0, |leap| leap_shift(leap, self.now.seconds()));
        self.oscillator.error() + leapt
    }

    /// Whether the kernel still holds a flag for a leap second.
    pub fn is_leap_pending(&self) -> bool {
        self.leap_armed != LeapArm::None
    }

    /// How fast the system clock gains on true time, now.
    pub fn rate_error(&self) -> f64 {
        self.oscillator.rate_error()
    }

    /// When it is.
    pub const fn now(&self) -> TrueTime {
        self.now
    }

    /// When it is for the client.
    pub fn mono(&self) -> ntp_proto::time::MonoTime {
        self.oscillator.mono()
    }

    /// Performs what the client asks for, as the daemon's loop does.
    pub fn perform(&mut self) {
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Send { association, remote, packet } => {
                    self.send(association, remote.ip(), packet.as_bytes());
                }
                Action::Steer(request) => self.steer(request),
                Action::Resolve { source, name } => {
                    self.enter(self.now + Duration::from_millis(20), Happening::Resolved { source, name });
                }
                Action::StoreDrift(frequency, memory) => {
                    self.drift = Some(frequency);
                    self.memory = Some(memory);
                }
                Action::Report(event) => {
                    if self.events.len() < EVENTS_MAX {
                        self.events.push(event);
                    }
                }
                Action::Finish(outcome) => self.outcome = Some(outcome),
                // A simulated machine has no folder for statistics, and turns no recording on.
                Action::Close(_) | Action::Record(_) => {}
            }
        }
    }

    fn send(&mut self, association: AssociationId, server: IpAddr, packet: &[u8]) {
        self.requests += 1;
        let at = self.oscillator.read();
        self.client.handle_clock(at.mono, ClockReport::Sent { association, at });
        let request = packet.to_vec();
        let Some(path) = self.servers.get_mut(&server).map(|server| &mut server.path) else { return };
        let passage = path.send(Leg::Up, self.now.seconds());
        for delay in passage.delays {
            let request = request.clone();
            let stamp_error = passage.stamp_error;
            let arrival = self.now + Duration::from_secs_f64(delay);
            self.enter(arrival, Happening::AtServer { association, server, request, stamp_error });
        }
    }

    fn steer(&mut self, request: ClockRequest) {
        let now = self.oscillator.mono();
        let report = match request {
            ClockRequest::SetFrequency(frequency) => {
                let frequency = self.oscillator.set_frequency(frequency);
                ClockReport::FrequencySet { frequency, at: now }
            }
            ClockRequest::Step(offset) => ClockReport::Stepped { offset: self.oscillator.step(offset) },
            ClockRequest::SetLeap(armed) => {
                // After a leap the kernel obeys no other flag until that one has been taken back.
                self.leap_passed &= armed != LeapArm::None;
                self.leap_armed = armed;
                return;
            }
            ClockRequest::SetStatus { .. } => return,
        };
        self.client.handle_clock(now, report);
    }

    /// The kernel inserts or deletes the second that it was told of, at midnight.
    fn pass_leap(&mut self) {
        let Some(leap) = self.scenario.leap else { return };
        let passes = (self.now.seconds() - leap.at).abs() < 0.5;
        let by = match self.leap_armed {
            LeapArm::None => return,
            LeapArm::Insert => -1.0,
            LeapArm::Delete => 1.0,
        };
        if passes && !self.leap_passed {
            self.leap_passed = true;
            self.oscillator.step_from_outside(by);
        }
    }

    fn enter(&mut self, at: TrueTime, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((at, self.sequence), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtServer { association, server, request, stamp_error } => {
                self.serve(association, server, &request, stamp_error);
            }
            Happening::AtClient { association, answer, stamp_error, sent } => {
                let rebound = self.scenario.client.rebinding.map(TrueTime::from_seconds);
                if rebound.is_some_and(|rebound| sent < rebound && rebound <= self.now) {
                    return;
                }
                let arrived = self.oscillator.read_early(-stamp_error);
                let received = Received { association, bytes: &answer, local: CLIENT, arrived };
                self.client.handle_datagram(arrived.mono, received);
            }
            Happening::Resolved { source, name } => {
                let seconds = self.now.seconds();
                let known = self.names.get(&name).into_iter().flatten();
                let answer = known.rev().find(|(from, _)| *from <= seconds).map(|(_, found)| found.clone());
                let answer = answer.filter(|found| !found.is_empty());
                let answer = answer.ok_or_else(|| "no such name".to_owned());
                self.client.handle_resolved(self.oscillator.mono(), source, answer);
            }
            Happening::Jump(by) => self.oscillator.jump(by),
            Happening::Step(by) => {
                self.oscillator.step_from_outside(by);
                let at = self.oscillator.read();
                self.client.handle_clock(at.mono, ClockReport::Read { at });
            }
            Happening::Sleep { length, misjudged } => self.sleep(length, misjudged),
        }
    }

    /// The machine is suspended: what is under way to it is lost.
    fn sleep(&mut self, length: f64, misjudged: f64) {
        let until = self.now + Duration::from_secs_f64(length);
        self.lose_packets();
        self.oscillator.sleep(until, misjudged);
        self.now = until;
        self.second = until.nanos() / 1_000_000_000;
        let at = self.oscillator.read();
        self.client.handle_clock(at.mono, ClockReport::Resumed { at });
    }

    fn serve(&mut self, association: AssociationId, address: IpAddr, request: &[u8], stamp_error: f64) {
        let residence = self.residence.exponential(RESIDENCE);
        let arrival = Arrival { request, from: CLIENT, stamp_error, residence };
        let (now, leap) = (self.now, self.scenario.leap);
        let Some(server) = self.servers.get_mut(&address) else { return };
        let Some(answer) = server.answer(&arrival, now, self.scenario.beginning, leap) else { return };
        let departure = now + Duration::from_secs_f64(residence);
        let passage = server.path.send(Leg::Down, departure.seconds());
        for delay in passage.delays {
            let answer = answer.clone();
            let stamp_error = passage.stamp_error;
            let arrival = departure + Duration::from_secs_f64(delay);
            self.enter(arrival, Happening::AtClient { association, answer, stamp_error, sent: now });
        }
    }
}
