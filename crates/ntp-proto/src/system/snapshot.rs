//! What the system looks like, by value: for the server, for mode 6, for whoever asks.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::association::{AssociationId, AssociationOptions, Counters, RegisterEntry, STAGES};
use crate::auth::KeyId;
use crate::estimator::{Oscillator, Path};
use crate::select::{SelectionConfig, Standing};
use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, PollExponent, Precision, UnixTime};
use crate::wire::{KissCode, Leap, ReferenceId, Stratum};

use super::config::{SourceKind, Target};
use super::reference::{Reference, SystemEvent};
use super::sources::Source;
use super::{Member, System, fitness};

/// The last event and how many there have been, as status words show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLog<E> {
    /// The last one.
    pub last: E,
    /// How many; stays at 15, because four bits show it.
    pub count: u16,
}

impl<E> EventLog<E> {
    pub(super) const fn new(first: E) -> Self {
        Self { last: first, count: 1 }
    }

    pub(super) fn note(&mut self, event: E) {
        self.last = event;
        self.count = (self.count + 1).min(15);
    }
}

/// What happened to a source last (RFC 9327 §3.2 event codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// Its association was set up.
    Mobilize,
    /// It stopped answering.
    Unreachable,
    /// It answered.
    Reachable,
    /// It got another address.
    Restart,
    /// It asked us to slow down.
    RateExceeded,
    /// It asked us to go away.
    AccessDenied,
    /// Its answer was not signed with the key that was agreed on.
    AuthFailed,
    /// It became the system peer.
    SystemPeer,
}

impl PeerEvent {
    /// The number in a status word.
    pub const fn code(self) -> u16 {
        match self {
            Self::Mobilize => 1,
            Self::Unreachable => 3,
            Self::Reachable => 4,
            Self::Restart => 5,
            Self::AuthFailed => 6,
            Self::RateExceeded => 7,
            Self::AccessDenied => 8,
            Self::SystemPeer => 10,
        }
    }
}

impl PeerEvent {
    pub(super) const fn of_kiss(code: KissCode) -> Self {
        match code {
            KissCode::Rate => Self::RateExceeded,
            KissCode::Deny | KissCode::Restrict => Self::AccessDenied,
        }
    }
}

/// What a row of `ntpq -p` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A server, asked as a client.
    Server,
    /// A pool line; its members have rows of their own.
    Pool,
    /// The local clock.
    LocalClock,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerSnapshot {
    /// Its number.
    pub id: AssociationId,
    /// What it is.
    pub kind: PeerKind,
    /// Where it is; unspecified if it has no address (yet).
    pub remote: SocketAddr,
    /// The address here that it answers to; unspecified before the first answer.
    pub local: SocketAddr,
    /// The name it was resolved from, or a clock's name.
    pub host: Option<String>,
    /// How it stands in the vote.
    pub standing: Standing,
    /// What happened to it last.
    pub events: EventLog<PeerEvent>,
    /// Which of the last eight polls were answered.
    pub reach: u8,
    /// Polls since the last answer.
    pub unreach: u32,
    /// Why the last answer was not used, or why it is not followed: ntpd's flash bits.
    pub flash: u16,
    /// Its leap indicator.
    pub leap: Leap,
    /// Its stratum.
    pub stratum: Stratum,
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
    /// When it last answered.
    pub received: NtpTimestamp,
    /// Our poll exponent for it.
    pub host_poll: PollExponent,
    /// Its poll field.
    pub peer_poll: i8,
    /// How far it is ahead of the system clock.
    pub offset: NtpDuration,
    /// Round trip.
    pub delay: NtpDuration,
    /// Filter dispersion.
    pub dispersion: NtpDuration,
    /// RMS of the register around its best entry.
    pub jitter: NtpDuration,
    /// The register: delay, offset and dispersion, the newest first.
    pub filter: [Option<(NtpDuration, NtpDuration, NtpDuration)>; STAGES],
    /// Its counters.
    pub counters: Counters,
    /// What has been learnt of the way to it.
    pub path: Option<Path>,
    /// The key that its packets are signed with.
    pub key: Option<KeyId>,
    /// Whether its last answer was signed with it.
    pub authentic: bool,
    /// When it is asked next.
    pub next_poll: Option<MonoTime>,
    /// Since when it has been reachable, or not.
    pub reach_changed: Option<MonoTime>,
}

/// The system's own variables.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemVariables {
    /// What we are to our clients.
    pub reference: Reference,
    /// The source that leads.
    pub system_peer: Option<AssociationId>,
    /// The poll exponent in force (mode 6 `tc`).
    pub time_constant: PollExponent,
    /// The smallest poll exponent in use (mode 6 `mintc`).
    pub time_constant_min: PollExponent,
    /// True time minus system time at the last update.
    pub offset: NtpDuration,
    /// The frequency correction, as ntpd shows it: positive where the clock is sped up.
    pub frequency: Frequency,
    /// Standard deviation of the estimate, without the unknowable asymmetry of the paths.
    pub jitter: NtpDuration,
    /// What has been learnt of the oscillator.
    pub oscillator: Option<Oscillator>,
    /// RMS of recent corrections.
    pub clock_jitter: NtpDuration,
    /// RMS of recent frequency changes.
    pub clock_wander: Frequency,
    /// What happened last.
    pub events: EventLog<SystemEvent>,
    /// When the daemon started.
    pub started: MonoTime,
    /// What the table of leap seconds says, if there is one.
    pub leap_table: Option<LeapFacts>,
}

/// What a table of leap seconds says of the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeapFacts {
    /// TAI minus UTC, seconds.
    pub tai: i64,
    /// The change that comes next, or the last one.
    pub change: UnixTime,
    /// When it expires.
    pub expires: UnixTime,
}

/// Everything anyone may ask about, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The system.
    pub system: SystemVariables,
    /// The sources, in the order of their numbers.
    pub peers: Vec<PeerSnapshot>,
}

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl System {
    /// What the system looks like at `now`.
    pub fn snapshot(&self, now: MonoTime) -> Snapshot {
        let mut peers: Vec<PeerSnapshot> =
            self.members.values().map(|member| self.member_snapshot(member, now)).collect();
        peers.extend(self.sources.values().filter_map(|source| self.source_snapshot(source, now)));
        peers.sort_by_key(|peer| peer.id);
        Snapshot { system: self.system_variables(now), peers }
    }

    pub(super) fn system_variables(&self, now: MonoTime) -> SystemVariables {
        let noise = self.estimator.estimate(now).map_or(NtpDuration::ZERO, |estimate| estimate.noise);
        let local = || self.sources.values().find(|source| is_local_clock(source)).map(|source| source.id);
        let time_constant = self
            .selection
            .system_peer()
            .and_then(|id| self.members.get(&id))
            .map_or(PollExponent::DEFAULT_MIN, |leader| leader.association.state().poll().interval());
        let shortest = self.members.values().map(|member| member.association.options().minpoll).min();
        SystemVariables {
            reference: self.reference,
            system_peer: self
                .selection
                .system_peer()
                .or_else(|| local().filter(|_| self.follows_local_clock())),
            time_constant,
            time_constant_min: shortest.unwrap_or(PollExponent::MIN),
            offset: -self.discipline.error(),
            frequency: self.discipline.frequency(),
            jitter: noise,
            oscillator: self.estimator.oscillator(),
            clock_jitter: self.discipline.clock_jitter(),
            clock_wander: self.discipline.clock_wander(),
            events: self.events.log,
            started: self.started,
            leap_table: self.config.leap_table.as_ref().and_then(|table| {
                let (tai, change) = table.at(self.date(now))?;
                Some(LeapFacts { tai, change, expires: table.expires() })
            }),
        }
    }

    pub(super) fn member_snapshot(&self, member: &Member, now: MonoTime) -> PeerSnapshot {
        let association = &member.association;
        let state = association.state();
        let register = state.register();
        let correction = self.ledger.correction(now);
        let rate = self.drift_rate();
        // The register holds leads of the undisciplined clock; `ntpq` wants offsets of this one.
        let offset = |entry: &RegisterEntry| -(entry.lead_at(now, rate) + correction);
        let best = register.best();
        let server = state.server();
        let blank = self.blank(association.id(), PeerKind::Server, association.options());
        let with_report = PeerSnapshot {
            remote: association.remote(),
            host: member.host.clone(),
            standing: self.standing(association.id()),
            events: member.events.log,
            reach: state.reach().bits(),
            unreach: state.reach().unanswered(),
            flash: flash(member, now, rate, &self.config.selection),
            host_poll: state.poll().interval(),
            offset: best.map_or(NtpDuration::ZERO, offset),
            delay: best.map_or(NtpDuration::ZERO, |entry| entry.delay),
            dispersion: register.dispersion(now),
            jitter: register.jitter(rate),
            filter: register
                .entries()
                .map(|stage| stage.as_ref().map(|entry| (entry.delay, offset(entry), entry.dispersion))),
            counters: *association.counters(),
            path: self.estimator.path(association.id()),
            authentic: association.options().key.is_some() && member.distrust.is_none() && best.is_some(),
            next_poll: association.next_timeout(),
            reach_changed: Some(member.reach_changed),
            ..blank
        };
        let shown = match server {
            None => with_report,
            Some(server) => PeerSnapshot {
                local: server.local,
                leap: server.leap,
                stratum: server.stratum,
                precision: server.precision,
                root_delay: server.root_delay,
                root_dispersion: server.root_dispersion,
                reference_id: server.reference_id,
                reference_timestamp: server.reference_timestamp,
                received: server.received,
                peer_poll: server.poll,
                ..with_report
            },
        };
        match state.kiss() {
            Some(kiss) => PeerSnapshot { reference_id: kiss.reference_id(), ..shown },
            None => shown,
        }
    }

    /// The row of a line that is not itself an association: a pool, a clock, an unresolved name.
    fn source_snapshot(&self, source: &Source, now: MonoTime) -> Option<PeerSnapshot> {
        if self.members.contains_key(&source.id) {
            return None;
        }
        let options = &source.config.options;
        let row = |kind| self.blank(source.id, kind, options);
        match &source.config.kind {
            SourceKind::Pool(name) => Some(PeerSnapshot {
                host: Some(name.clone()),
                // Whether its servers stand by themselves, or its name is not resolved (yet).
                reference_id: ReferenceId::from_code(if source.has_addresses { "POOL" } else { "DNS" }),
                ..row(PeerKind::Pool)
            }),
            SourceKind::Server(Target::Name(name)) => Some(PeerSnapshot {
                host: Some(name.clone()),
                // Resolved, but to addresses that other lines use already; or not resolved (yet).
                reference_id: ReferenceId::from_code(if source.has_addresses { "DUP" } else { "DNS" }),
                ..row(PeerKind::Server)
            }),
            SourceKind::Server(Target::Address(_)) => None,
            SourceKind::LocalClock { unit, stratum, reference_id } => Some(PeerSnapshot {
                remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 127, 1, *unit)), 123),
                local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 123),
                host: Some(format!("LOCAL({unit})")),
                standing: if self.follows_local_clock() { Standing::SystemPeer } else { Standing::Reject },
                events: EventLog::new(if self.follows_local_clock() {
                    PeerEvent::SystemPeer
                } else {
                    PeerEvent::Mobilize
                }),
                reach: 0xff,
                leap: Leap::None,
                stratum: *stratum,
                precision: self.config.precision,
                root_dispersion: super::reference::CLOCK_DISPERSION,
                reference_id: *reference_id,
                received: self.ledger.system(now),
                dispersion: NtpDuration::ZERO,
                ..row(PeerKind::LocalClock)
            }),
        }
    }

    /// A row that knows nothing yet.
    fn blank(&self, id: AssociationId, kind: PeerKind, options: &AssociationOptions) -> PeerSnapshot {
        PeerSnapshot {
            id,
            kind,
            remote: NOWHERE,
            local: NOWHERE,
            host: None,
            standing: Standing::Reject,
            events: EventLog::new(PeerEvent::Mobilize),
            reach: 0,
            unreach: 0,
            flash: 0,
            leap: Leap::Unknown,
            stratum: Stratum::UNSYNCHRONIZED,
            precision: self.config.precision,
            root_delay: NtpDuration::ZERO,
            root_dispersion: NtpDuration::ZERO,
            reference_id: ReferenceId::INIT,
            reference_timestamp: NtpTimestamp::ZERO,
            received: NtpTimestamp::ZERO,
            host_poll: options.minpoll,
            peer_poll: i8::try_from(options.minpoll.exponent()).unwrap_or(0),
            offset: NtpDuration::ZERO,
            delay: NtpDuration::ZERO,
            dispersion: NtpDuration::from_millis(15_937),
            jitter: NtpDuration::ZERO,
            filter: [None; STAGES],
            counters: Counters::default(),
            path: None,
            key: options.key,
            authentic: false,
            next_poll: None,
            reach_changed: None,
        }
    }
}

/// ntpd's flash bits: of the last answer, and of what keeps the source from voting.
fn flash(member: &Member, now: MonoTime, rate: Frequency, config: &SelectionConfig) -> u16 {
    let state = member.association.state();
    let answer = state.rejection().or(member.distrust).map_or(0, crate::association::Rejection::flash);
    fitness::faults(state, now, rate, config).fold(answer, |flash, fault| flash | fault.flash())
}

const fn is_local_clock(source: &Source) -> bool {
    matches!(source.config.kind, SourceKind::LocalClock { .. })
}
