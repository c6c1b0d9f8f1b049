//! The system process: owns every association and the discipline, and is driven by four verbs.
//!
//! `sources.rs` turns lines of ntp.conf into associations, `follow.rs` goes from a sample to a
//! correction, `fitness.rs` says who may vote at all, `reference.rs` says what we are to our clients, `snapshot.rs` what we look like.

mod action;
mod config;
mod fight;
mod fitness;
mod follow;
mod leap;
mod record;
mod reference;
mod snapshot;
mod sources;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::association::{Association, AssociationId, Rejection};
use crate::auth::{CodeLength, KeyTable, Protection};
use crate::discipline::{CorrectionLedger, Discipline, SLEW_MAX};
use crate::estimator::{ClockMemory, Estimate, Estimator};
use crate::random::Rng;
use crate::select::{Selection, SelectionConfig, Standing};
use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading};
use crate::wire::Datagram;

pub use action::{Action, ClockReport, ClockRequest, Event, Outcome, Received, SourceId};
pub use config::{ClockStart, Family, HostAddress, SourceConfig, SourceKind, SystemConfig, Target};
pub use fitness::Unfit;
pub use record::{Exchange, Record, Recording};
pub use reference::{Reference, SystemEvent};
pub use snapshot::{EventLog, LeapFacts, PeerEvent, PeerKind, PeerSnapshot, Snapshot, SystemVariables};
pub use sources::SourceChanges;

use fight::Fight;
use leap::LeapState;
use record::Journal;
use sources::Source;

/// How often the frequency is remembered if it has changed.
const DRIFT_INTERVAL: Duration = Duration::from_hours(1);

/// How long `-q` waits for a source.
const ONCE_PATIENCE: Duration = Duration::from_mins(1);

/// Requests in a row that could not leave, after which a name is resolved again.
const SEND_FAILURES: u32 = 3;

/// The standard deviation of a frequency that nobody has measured.
const FREQUENCY_UNKNOWN: Frequency = Frequency::from_scaled_ppm(100 << 16);

/// The standard deviation of a frequency from a drift file.
const FREQUENCY_REMEMBERED: Frequency = Frequency::from_scaled_ppm(1 << 16);

/// A frequency less certain than this is not worth remembering: the next start would believe it.
const FREQUENCY_KNOWN: Frequency = Frequency::from_scaled_ppm(2 << 16);

/// A frequency that differs from the remembered one by more has been edited: 0.01 ppm.
const FREQUENCY_EDITED: Frequency = Frequency::from_scaled_ppm(655);

/// How far a clock may be off of which nothing is known, as the kernel has it: 16 s.
const UNKNOWN_ERROR: NtpDuration = NtpDuration::from_seconds(16);

/// How far the clock may have gone wrong while the machine slept: by more than any battery clock does,
/// so that the first answer is believed.
const SLEEP_DOUBT: NtpDuration = NtpDuration::from_seconds(3600);

/// And its frequency, for the machine has cooled down: 1 ppm.
const SLEEP_FREQUENCY_DOUBT: Frequency = Frequency::from_scaled_ppm(1 << 16);

/// One association with its place in the system.
#[derive(Debug)]
struct Member {
    association: Association,
    source: SourceId,
    /// The name it was resolved from, for display.
    host: Option<String>,
    events: Journal<PeerEvent>,
    /// Votes in a row that it has won, and lost, with a sample of its own.
    agreements: u32,
    disagreements: u32,
    /// How many of its samples have been taken in.
    samples: u32,
    /// What has kept it from voting since it was last followed, as far as the administrator has been
    /// told: bits of `flash`.
    unfit_told: u16,
    /// Why its last answer proved nothing, where one must: no state of the association, which such an answer
    /// does not change.
    distrust: Option<Rejection>,
    /// It was said that it cannot be asked, and not yet that it can.
    cut_off: bool,
    /// Since when it is asked.
    mobilized: MonoTime,
    /// Since when it has been reachable, or not.
    reach_changed: MonoTime,
}

impl Member {
    fn new(association: Association, source: SourceId, host: Option<String>, now: MonoTime) -> Self {
        let events = Journal::new(PeerEvent::Mobilize);
        Self {
            association,
            source,
            host,
            events,
            agreements: 0,
            disagreements: 0,
            samples: 0,
            unfit_told: 0,
            distrust: None,
            cut_off: false,
            mobilized: now,
            reach_changed: now,
        }
    }

    /// Starts over with another address, of which nothing is known.
    fn restart(&mut self, remote: SocketAddr, now: MonoTime) {
        self.association.rebind(remote, now);
        self.events.note(PeerEvent::Restart);
        self.agreements = 0;
        self.disagreements = 0;
        self.samples = 0;
        self.unfit_told = 0;
        self.cut_off = false;
        self.distrust = None;
        self.mobilized = now;
        self.reach_changed = now;
    }
}

/// A client of some sources and the discipline of one clock.
#[derive(Debug)]
pub struct System {
    config: SystemConfig,
    rng: Box<dyn Rng>,
    sources: BTreeMap<SourceId, Source>,
    next_source: usize,
    members: BTreeMap<AssociationId, Member>,
    next_id: u16,
    ledger: CorrectionLedger,
    estimator: Estimator,
    discipline: Discipline,
    selection: Selection,
    keys: Arc<KeyTable>,
    reference: Reference,
    events: Journal<SystemEvent>,
    started: MonoTime,
    stored_drift: Option<Frequency>,
    store_due: MonoTime,
    local_due: MonoTime,
    /// When a source led last.
    led_at: MonoTime,
    leap: LeapState,
    /// Since when samples have lain where the frequency in force lets expect them.
    steady: Option<MonoTime>,
    fight: Fight,
    /// Whether the administrator knows that too few sources agree.
    too_few_told: bool,
    finished: bool,
    /// What is to be recorded.
    recording: Recording,
    actions: VecDeque<Action>,
}

impl System {
    /// Takes over a clock.
    pub fn new(config: SystemConfig, clock: ClockStart, mut rng: Box<dyn Rng>) -> Self {
        let now = clock.reading.mono;
        // A daemon that was killed in the middle of a slew leaves a frequency that nobody measured.
        let correction = clock.drift.unwrap_or_else(|| clock.frequency.clamp_to(SLEW_MAX));
        let date = clock.reading.system.to_unix(leap::PIVOT);
        // The memory is about the frequency in the drift file, unless somebody has edited that.
        let memory = clock.memory.filter(|memory| {
            clock.drift.is_some_and(|drift| (drift - memory.frequency).abs() < FREQUENCY_EDITED)
        });
        let deviation = match (&memory, clock.drift) {
            (Some(memory), _) => memory.deviation_at(date),
            (None, Some(_)) => FREQUENCY_REMEMBERED,
            (None, None) => FREQUENCY_UNKNOWN,
        };
        let mut estimator = Estimator::new(-correction, deviation, config.precision);
        if let Some(memory) = memory {
            estimator.remember(memory, clock.reading, clock.frequency);
        }
        let next_id = u16::try_from(rng.next_u64() >> 48).unwrap_or(1);
        let mut system = Self {
            sources: BTreeMap::new(),
            next_source: 0,
            members: BTreeMap::new(),
            next_id,
            ledger: CorrectionLedger::new(clock.timescale, clock.reading, clock.frequency),
            estimator,
            discipline: Discipline::new(config.discipline, correction),
            selection: Selection::default(),
            keys: Arc::clone(&config.keys),
            reference: Reference::unsynchronized(config.precision, now),
            events: Journal::new(SystemEvent::Restart),
            started: now,
            stored_drift: clock.drift,
            store_due: now + DRIFT_INTERVAL,
            local_due: now,
            led_at: now,
            leap: LeapState::default(),
            steady: None,
            fight: Fight::new(now),
            too_few_told: false,
            finished: false,
            recording: Recording::default(),
            actions: VecDeque::new(),
            config,
            rng,
        };
        if correction != clock.frequency {
            system.steer(ClockRequest::SetFrequency(correction));
        }
        // Until somebody gives the time, the clock is not kept, whatever the kernel was told before.
        system.steer(ClockRequest::SetStatus {
            estimated_error: UNKNOWN_ERROR,
            maximum_error: UNKNOWN_ERROR,
            synchronized: false,
        });
        system.disarm();
        let sources = core::mem::take(&mut system.config.sources);
        system.declare_sources(now, sources);
        system
    }

    /// A datagram arrived on an association's socket.
    pub fn handle_datagram(&mut self, now: MonoTime, received: Received<'_>) {
        let raw = self.undisciplined(now, received.arrived);
        let Some(member) = self.members.get_mut(&received.association) else { return };
        let remote = member.association.remote();
        let was_unreachable = member.association.state().reach().is_unreachable();
        let before = member.association.state().rejection();
        // A key that is gone since protects nothing: nothing is believed.
        let Some(protection) = self.keys.protection(member.association.options().key) else { return };
        let Received { arrived, local, bytes, .. } = received;
        let verdict = member.association.handle_answer(arrived, raw, local, bytes, protection);
        match verdict {
            Ok(measurement) => {
                member.distrust = None;
                if was_unreachable {
                    member.events.note(PeerEvent::Reachable);
                    member.reach_changed = now;
                }
                // Who could not be asked for a while has not been unreachable for as long as that takes.
                if std::mem::take(&mut member.cut_off) || was_unreachable {
                    self.report(Event::Reachable(remote));
                }
                self.follow(now, received.association, &measurement, received.arrived);
                self.record_exchange(now, &received, &measurement);
            }
            Err(Rejection::Kiss(code)) => {
                member.events.note(PeerEvent::of_kiss(code));
                let sent_away = member.association.next_timeout().is_none();
                self.report(Event::Kissed { remote, code });
                self.select(now);
                if sent_away {
                    self.look_up_again(received.association, now);
                }
            }
            Err(reason @ (Rejection::Unauthentic | Rejection::CryptoNak)) => {
                let known = member.distrust.replace(reason);
                member.events.note(PeerEvent::AuthFailed);
                if known != Some(reason) {
                    self.report(Event::Rejected { remote, reason });
                }
            }
            // What is not ours or not new is counted and forgotten.
            Err(
                Rejection::NotOurs | Rejection::Duplicate | Rejection::NotAnswer | Rejection::Malformed(_),
            ) => {}
            Err(reason) => {
                // Once for each reason, not at every poll.
                if before != Some(reason) {
                    self.report(Event::Rejected { remote, reason });
                }
                self.select(now);
            }
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        if let Some(frequency) = self.discipline.handle_timeout(now) {
            self.steer(ClockRequest::SetFrequency(frequency));
        }
        self.resolve_due(now);
        self.consider_fight(now);
        self.poll_due(now);
        self.remember_drift(now);
        self.consider_local_clock(now);
        self.consider_leap(now);
        let patience_over = now.since(self.started) >= ONCE_PATIENCE;
        if self.config.discipline.once && patience_over && !self.finished {
            self.finish(Outcome::NoTime);
        }
        self.record_events(now);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<MonoTime> {
        let polls = self.members.values().filter_map(|member| member.association.next_timeout());
        let resolutions = self.sources.values().filter_map(Source::next_timeout);
        let once = self.config.discipline.once.then(|| self.started + ONCE_PATIENCE);
        polls
            .chain(resolutions)
            .chain(self.discipline.next_timeout())
            .chain(self.local_clock_due())
            .chain(self.fight.due())
            .chain(once.filter(|_| !self.finished))
            .chain([self.store_due, self.leap_due()])
            .min()
    }

    /// The next thing for the shell to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What is to be recorded from now on.
    pub const fn set_recording(&mut self, recording: Recording) {
        self.recording = recording;
    }

    /// The shell has sent something or done something to the clock.
    pub fn handle_clock(&mut self, now: MonoTime, report: ClockReport) {
        match report {
            ClockReport::Sent { association, at } => {
                let departed = self.undisciplined(now, at);
                if let Some(member) = self.members.get_mut(&association) {
                    member.association.handle_sent(departed);
                }
            }
            ClockReport::SendFailed { association } => {
                let failures = self
                    .members
                    .get_mut(&association)
                    .map(|member| member.association.handle_send_failed(now));
                // The name may have an address that can be reached from here.
                if failures.is_some_and(|failures| failures % SEND_FAILURES == 0) {
                    self.look_up_again(association, now);
                }
                if failures == Some(SEND_FAILURES)
                    && let Some(member) = self.members.get_mut(&association)
                {
                    member.cut_off = true;
                    let remote = member.association.remote();
                    self.report(Event::NoRoute(remote));
                }
            }
            ClockReport::FrequencySet { frequency, at } => self.ledger.frequency_applied(frequency, at),
            ClockReport::Read { at } => {
                self.undisciplined(now, at);
            }
            ClockReport::Stepped { offset } => self.ledger.stepped(offset),
            ClockReport::Resumed { at } => {
                self.ledger.undisciplined(at);
                self.ledger.take_surprise();
                self.fight.forget();
                self.report(Event::Resumed);
                self.estimator.lose_sight(SLEEP_DOUBT, SLEEP_FREQUENCY_DOUBT);
                // The battery clock may have run on by any time: nobody should believe us until a
                // server has answered.
                self.reference = Reference::unsynchronized(self.config.precision, now);
                for member in self.members.values_mut() {
                    member.association.forget_samples();
                }
                self.measure_anew(now, UNKNOWN_ERROR);
            }
        }
    }

    /// What is known of the undisciplined clock, before any correction.
    pub fn estimate(&self, now: MonoTime) -> Option<Estimate> {
        self.estimator.estimate(now)
    }

    /// What we are to our clients now.
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The keys have been read anew.
    pub fn set_keys(&mut self, keys: Arc<KeyTable>) {
        self.keys = keys;
    }

    /// What ntp.conf says about the vote from now on (`tos`).
    pub fn set_selection(&mut self, now: MonoTime, selection: SelectionConfig) {
        if selection != self.config.selection {
            self.config.selection = selection;
            self.select(now);
            self.follow_no_absent_clock(now);
        }
    }

    /// The addresses of the servers that are asked.
    pub fn source_addresses(&self) -> Vec<IpAddr> {
        self.members.values().map(|member| member.association.remote().ip().to_canonical()).collect()
    }

    /// The addresses here that sources answer to, once for each that has answered.
    pub fn local_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let servers = self.members.values().filter_map(|member| member.association.state().server());
        servers.map(|server| server.local.ip().to_canonical())
    }

    /// The daemon is about to end: remembers the frequency, and leaves the clock running with it
    /// rather than in the middle of a slew.
    pub fn shut_down(&mut self, now: MonoTime) {
        let frequency = self.discipline.frequency();
        if self.discipline.is_synchronized() {
            self.steer(ClockRequest::SetFrequency(frequency));
        }
        if self.is_frequency_known(now) {
            self.store(now, frequency);
        }
    }

    fn store(&mut self, now: MonoTime, frequency: Frequency) {
        let address = |id| self.members.get(&id).map(|member| member.association.remote().ip());
        if let Some(mut memory) = self.estimator.memory(now, self.date(now), address) {
            memory.frequency = frequency;
            memory.clock = self.clock_memory(now);
            self.actions.push_back(Action::StoreDrift(frequency, memory));
        }
    }

    /// The clock as the next run may find it, if it is kept.
    fn clock_memory(&self, now: MonoTime) -> Option<ClockMemory> {
        let estimate = self.estimator.estimate(now).filter(|_| self.discipline.is_synchronized())?;
        Some(ClockMemory {
            at: Reading { mono: now, system: self.ledger.system(now) },
            error: estimate.lead + self.ledger.correction(now),
            deviation: estimate.uncertainty,
        })
    }

    /// The undisciplined time of a reading. If somebody else has moved the system clock since the last
    /// one, everything is measured anew: what is known of the undisciplined clock is as good as ever,
    /// but whoever stepped may know something.
    fn undisciplined(&mut self, now: MonoTime, reading: Reading) -> NtpTimestamp {
        let raw = self.ledger.undisciplined(reading);
        let Some(change) = self.ledger.take_surprise() else { return raw };
        if self.absorb_leap(now, change) {
            return self.ledger.undisciplined(reading);
        }
        if self.config.discipline.disabled {
            return raw;
        }
        self.reference.doubt(change.abs());
        if self.reference.is_synchronized() {
            self.tell_kernel(now, change.abs());
        }
        self.fight.notice(change);
        self.consider_fight(now);
        raw
    }

    /// Puts right what others have done to the clock, if that is due.
    fn consider_fight(&mut self, now: MonoTime) {
        if let Some(change) = self.fight.take(now) {
            self.report(Event::SteppedFromOutside(change));
            self.measure_anew(now, change.abs());
        }
    }

    /// The clock may be wrong by anything: asks everybody at once, and corrects as at the start.
    fn measure_anew(&mut self, now: MonoTime, estimated_error: NtpDuration) {
        self.steady = None;
        let frequency = self.discipline.reopen();
        self.steer(ClockRequest::SetFrequency(frequency));
        for member in self.members.values_mut() {
            member.association.measure_anew(now);
        }
        self.tell_kernel(now, estimated_error);
    }

    fn poll_due(&mut self, now: MonoTime) {
        let mut due = Vec::new();
        for (id, member) in &mut self.members {
            let was_reachable = !member.association.state().reach().is_unreachable();
            let Some(header) = member.association.handle_timeout(now, &mut *self.rng) else { continue };
            let mut packet = Datagram::new(header);
            match self.keys.protection(member.association.options().key) {
                Some(Protection::Open) => {}
                Some(Protection::Key(key)) => key.sign(&mut packet, CodeLength::Cut),
                // Without its key it is not asked at all.
                None => {
                    member.association.handle_send_failed(now);
                    continue;
                }
            }
            let lost = was_reachable && member.association.state().reach().is_unreachable();
            if lost {
                member.events.note(PeerEvent::Unreachable);
                member.reach_changed = now;
            }
            due.push((*id, member.association.remote(), packet, lost));
        }
        let any = !due.is_empty();
        for (association, remote, packet, lost) in due {
            if lost {
                self.report(Event::Unreachable(remote));
            }
            self.replace_if_silent(now, association);
            self.actions.push_back(Action::Send { association, remote, packet });
        }
        if any {
            self.select(now);
            if self.reference.is_synchronized() {
                let noise = self.estimator.estimate(now).map_or(NtpDuration::ZERO, |estimate| estimate.noise);
                self.tell_kernel(now, noise);
            }
        }
    }

    fn remember_drift(&mut self, now: MonoTime) {
        if now < self.store_due {
            return;
        }
        self.store_due = now + DRIFT_INTERVAL;
        let frequency = self.discipline.frequency();
        if self.is_frequency_known(now) && self.stored_drift != Some(frequency) {
            self.stored_drift = Some(frequency);
            self.store(now, frequency);
        }
    }

    /// Whether the frequency in force is known well enough to be remembered.
    fn is_frequency_known(&self, now: MonoTime) -> bool {
        let known = |estimate: Estimate| estimate.frequency_uncertainty < FREQUENCY_KNOWN;
        let measured = self.estimator.estimate(now).is_some_and(known);
        measured && self.discipline.is_synchronized() && !self.config.discipline.disabled
    }

    fn standing(&self, id: AssociationId) -> Standing {
        self.selection.standing(id)
    }

    fn report(&mut self, event: Event) {
        self.actions.push_back(Action::Report(event));
    }

    /// Asks the shell to do something to the clock; with `disable ntp` nothing is ever asked.
    fn steer(&mut self, request: ClockRequest) {
        if !self.config.discipline.disabled {
            self.actions.push_back(Action::Steer(request));
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        self.finished = true;
        self.actions.push_back(Action::Finish(outcome));
    }
}
