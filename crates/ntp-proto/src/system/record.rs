//! What is worth a line in the statistics files, for whoever keeps them.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::association::Measurement;
use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, PollExponent};
use crate::wire::{Header, Packet};

use super::action::{Action, Received};
use super::reference::SystemEvent;
use super::snapshot::{EventLog, PeerEvent, PeerSnapshot, Snapshot};
use super::{Member, System};

/// Events that wait to be recorded; more than ever happen at once.
const FRESH_MAX: usize = 16;

/// What is to be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "files, each kept or not")]
pub struct Recording {
    /// Every correction (`loopstats`).
    pub corrections: bool,
    /// Every source's state after each answer (`peerstats`).
    pub sources: bool,
    /// The times of every exchange (`rawstats`).
    pub exchanges: bool,
    /// Events (`protostats`).
    pub events: bool,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The clock was corrected.
    Correction {
        /// How far it was off: true time minus its time.
        offset: NtpDuration,
        /// The correction of its frequency.
        frequency: Frequency,
        /// RMS of recent corrections.
        jitter: NtpDuration,
        /// RMS of recent changes of the frequency.
        wander: Frequency,
        /// The time constant, as a poll exponent.
        time_constant: PollExponent,
    },
    /// A source has answered, and this is what is known of it now.
    Source(Box<PeerSnapshot>),
    /// The times of an exchange.
    Exchange(Box<Exchange>),
    /// Something happened to a source.
    SourceEvent(Box<PeerSnapshot>, PeerEvent),
    /// Something happened to the system.
    SystemEvent(Box<Snapshot>, SystemEvent),
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Who was asked.
    pub remote: SocketAddr,
    /// The address here.
    pub local: SocketAddr,
    /// When the request left, on the system clock (T1).
    pub departed: NtpTimestamp,
    /// When the answer arrived, on the system clock (T4).
    pub arrived: NtpTimestamp,
    /// The answer's header; T2 and T3 are in it.
    pub header: Header,
}

/// A log of events, with those that have not been recorded yet.
#[derive(Debug)]
pub(super) struct Journal<E> {
    pub(super) log: EventLog<E>,
    fresh: Vec<E>,
}

impl<E: Copy> Journal<E> {
    pub(super) fn new(first: E) -> Self {
        Self { log: EventLog::new(first), fresh: vec![first] }
    }

    pub(super) fn note(&mut self, event: E) {
        self.log.note(event);
        if self.fresh.len() < FRESH_MAX {
            self.fresh.push(event);
        }
    }
}

impl System {
    /// An exchange has been measured, and learnt from.
    pub(super) fn record_exchange(
        &mut self,
        now: MonoTime,
        received: &Received<'_>,
        measurement: &Measurement,
    ) {
        let Some(member) = self.members.get(&received.association) else { return };
        if self.recording.exchanges
            && let Ok(Packet { header, .. }) = Packet::parse(received.bytes)
        {
            // Measured is the undisciplined timescale; the files are about the system clock.
            let arrived = received.arrived.system;
            let undisciplined = header.transmit + measurement.backward;
            let departed = header.receive - measurement.forward + (arrived - undisciplined);
            let remote = member.association.remote();
            let exchange = Exchange { remote, local: received.local, departed, arrived, header };
            self.actions.push_back(Action::Record(Record::Exchange(Box::new(exchange))));
        }
        if self.recording.sources {
            let snapshot = self.member_snapshot(member, now);
            self.actions.push_back(Action::Record(Record::Source(Box::new(snapshot))));
        }
    }

    /// The clock has been corrected.
    pub(super) fn record_correction(&mut self, now: MonoTime) {
        if self.recording.corrections {
            let system = self.system_variables(now);
            self.actions.push_back(Action::Record(Record::Correction {
                offset: system.offset,
                frequency: system.frequency,
                jitter: system.clock_jitter,
                wander: system.clock_wander,
                time_constant: system.time_constant,
            }));
        }
    }

    /// Records what has happened since the last time.
    pub(super) fn record_events(&mut self, now: MonoTime) {
        let of_system = core::mem::take(&mut self.events.fresh);
        let take = |member: &mut Member| core::mem::take(&mut member.events.fresh);
        let of_sources: Vec<_> = self.members.iter_mut().map(|(id, member)| (*id, take(member))).collect();
        if !self.recording.events {
            return;
        }
        for (id, events) in of_sources {
            let Some(member) = self.members.get(&id).filter(|_| !events.is_empty()) else { continue };
            let snapshot = self.member_snapshot(member, now);
            for event in events {
                let record = Record::SourceEvent(Box::new(snapshot.clone()), event);
                self.actions.push_back(Action::Record(record));
            }
        }
        for event in of_system {
            let record = Record::SystemEvent(Box::new(self.snapshot(now)), event);
            self.actions.push_back(Action::Record(record));
        }
    }
}
