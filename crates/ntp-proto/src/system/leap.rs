//! Leap seconds: who is believed about them, when the kernel is told, and what passes when one does.

use core::time::Duration;

use crate::discipline::{LeapArm, LeapTable, end_of_day, may_leap_today};
use crate::time::{MonoTime, NtpDuration, UnixTime};
use crate::wire::Leap;

use super::System;
use super::action::{ClockRequest, Event};
use super::reference::SystemEvent;

/// Any date within 68 years of this one is known from a timestamp: 2026-11-18.
pub(super) const PIVOT: UnixTime = UnixTime::new(1_795_000_000, 0);

/// How far around the moment a jump of the clock by a second is taken for the leap.
const MARGIN: Duration = Duration::from_secs(30);

/// How far from a second such a jump may be.
const JUMP_MARGIN: NtpDuration = NtpDuration::from_millis(100);

/// How long after it the clock has surely jumped.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How often the sources are asked for their opinion.
const INTERVAL: Duration = Duration::from_mins(1);

/// What is known of the next leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct LeapState {
    /// What the kernel has been told.
    armed: LeapArm,
    /// When it will happen.
    at: MonoTime,
    /// When to look again.
    due: MonoTime,
    /// One has just passed, and the system clock has not been seen to jump for it yet.
    unseen: LeapArm,
}

impl System {
    /// The table of leap seconds has been read, or read anew; `None` if there is none.
    pub fn set_leap_table(&mut self, table: Option<LeapTable>) {
        self.config.leap_table = table;
    }

    /// The date, as far as our clock knows it.
    pub fn date(&self, now: MonoTime) -> UnixTime {
        self.ledger.system(now).to_unix(PIVOT)
    }

    /// When leap seconds are next considered.
    pub(super) fn leap_due(&self) -> MonoTime {
        match (self.leap.armed, self.leap.unseen) {
            (LeapArm::None, LeapArm::None) => self.leap.due,
            (LeapArm::None, _) => self.leap.due.min(self.leap.at + LOOK_AGAIN),
            (LeapArm::Insert | LeapArm::Delete, _) => self.leap.due.min(self.leap.at),
        }
    }

    /// Tells the kernel of a leap second on its day, and takes it back if opinions change.
    pub(super) fn consider_leap(&mut self, now: MonoTime) {
        if self.leap.armed != LeapArm::None && now >= self.leap.at {
            self.pass_leap();
        }
        if self.leap.unseen != LeapArm::None && now >= self.leap.at + LOOK_AGAIN {
            self.leap.unseen = LeapArm::None;
            self.disarm();
        }
        if now < self.leap.due {
            return;
        }
        self.leap.due = now + INTERVAL;
        if !self.discipline.is_synchronized() {
            return;
        }
        let wanted = self.wanted_leap(now);
        if wanted == self.leap.armed {
            return;
        }
        let date = self.date(now);
        let early = i64::from(wanted == LeapArm::Delete);
        let wait = UnixTime::new(end_of_day(date) - early, 0).nanos() - date.nanos();
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(0));
        self.leap = LeapState { armed: wanted, at: now + wait, ..self.leap };
        self.events.note(if wanted == LeapArm::None {
            SystemEvent::LeapDisarmed
        } else {
            SystemEvent::LeapArmed
        });
        self.report(Event::LeapArmed(wanted));
        self.steer(ClockRequest::SetLeap(wanted));
    }

    /// What is to happen at the end of this UTC day. A table that has not expired knows; without one
    /// the majority of the survivors is believed, on the two days of the year on which it may be right.
    fn wanted_leap(&self, now: MonoTime) -> LeapArm {
        let date = self.date(now);
        if let Some(table) = self.config.leap_table.as_ref().filter(|table| date < table.expires()) {
            return table.at_end_of_day(date);
        }
        if !may_leap_today(date) {
            return LeapArm::None;
        }
        let announced: Vec<Leap> = self
            .members
            .iter()
            .filter(|(id, _)| self.standing(**id).survives())
            .filter_map(|(_, member)| member.association.state().server().map(|server| server.leap))
            .collect();
        if announced.is_empty() {
            // Nobody to ask does not mean that it is off.
            return self.leap.armed;
        }
        let majority = |leap: Leap| {
            announced.iter().filter(|announced| **announced == leap).count() * 2 > announced.len()
        };
        match (majority(Leap::Insert), majority(Leap::Delete)) {
            (true, _) => LeapArm::Insert,
            (_, true) => LeapArm::Delete,
            _ => LeapArm::None,
        }
    }

    /// What clients are told.
    pub(super) const fn announced_leap(&self) -> Leap {
        match self.leap.armed {
            LeapArm::None => Leap::None,
            LeapArm::Insert => Leap::Insert,
            LeapArm::Delete => Leap::Delete,
        }
    }

    /// If a sudden change of the system clock is the leap second, it has passed; whether it was.
    pub(super) fn absorb_leap(&mut self, now: MonoTime, change: NtpDuration) -> bool {
        let expected = match (self.leap.armed, self.leap.unseen) {
            (LeapArm::None, LeapArm::None) => return false,
            (LeapArm::Insert, _) | (LeapArm::None, LeapArm::Insert) => NtpDuration::from_seconds(-1),
            (LeapArm::Delete, _) | (LeapArm::None, LeapArm::Delete) => NtpDuration::from_seconds(1),
        };
        let near = now + MARGIN >= self.leap.at && now.since(self.leap.at) <= MARGIN;
        let leap = near && (change - expected).abs() <= JUMP_MARGIN;
        if leap {
            self.ledger.leapt(expected);
            if self.leap.armed != LeapArm::None {
                self.pass_leap();
            }
            self.leap.unseen = LeapArm::None;
            self.disarm();
        }
        leap
    }

    /// Takes the flag back from the kernel: it keeps it after the second, and until then obeys no other.
    pub(super) fn disarm(&mut self) {
        self.steer(ClockRequest::SetLeap(LeapArm::None));
    }

    /// The second has passed: what is under way spans it, and says nothing.
    fn pass_leap(&mut self) {
        self.leap.unseen = core::mem::take(&mut self.leap.armed);
        // In an inserted second the day is still the old one, at whose end there was a leap second.
        self.leap.due = self.leap.due.max(self.leap.at + LOOK_AGAIN);
        self.reference.leap = Leap::None;
        for member in self.members.values_mut() {
            member.association.abandon_request();
        }
        self.events.note(SystemEvent::LeapPassed);
        self.report(Event::LeapPassed);
    }
}
