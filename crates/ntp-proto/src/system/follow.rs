//! From a sample to a correction: select, estimate, correct.

use core::time::Duration;

use crate::association::{Association, AssociationId, Measurement};
use crate::discipline::{Pace, Remedy};
use crate::estimator::Estimate;
use crate::select::{Candidate, DISTANCE_MAX, Selection, Standing};
use crate::time::{Frequency, MonoTime, NtpDuration, Reading};
use crate::wire::Leap;

use super::System;
use super::action::{ClockRequest, Event, Outcome};
use super::reference::{Reference, SystemEvent};
use super::snapshot::PeerEvent;

/// How soon a sample far from expectation is asked to be confirmed.
const VERIFY_SECONDS: u64 = 4;

/// The samples of a source during which the clock is not taken for settled.
const STARTING_SAMPLES: u32 = 12;

/// How soon a source that answered too early is asked again.
const AGAIN_SECONDS: u64 = 2;

/// How long a new source gets to answer before others are believed without it.
const PATIENCE_AT_START: Duration = Duration::from_secs(1);

impl System {
    /// A good sample has come in.
    pub(super) fn follow(
        &mut self,
        now: MonoTime,
        id: AssociationId,
        sample: &Measurement,
        arrived: Reading,
    ) {
        self.select(now);
        if !self.standing(id).survives() || self.finished {
            return;
        }
        if self.awaits_others(now) {
            if let Some(member) = self.members.get_mut(&id) {
                member.association.verify_within(now, AGAIN_SECONDS);
            }
            return;
        }
        let fit = self.estimator.observe(id, sample);
        let Some(member) = self.members.get_mut(&id) else { return };
        member.followed = true;
        member.samples = member.samples.saturating_add(1);
        let Some(fit) = fit else { return };
        member.association.judge_poll(fit.expected);
        if fit.verify {
            member.association.verify_within(now, VERIFY_SECONDS);
        }
        if let Some(estimate) = self.estimator.estimate(now) {
            self.correct(now, id, &estimate, fit.expected, arrived);
        }
    }

    /// Whether it is too early to believe anybody: before the clock has ever been right, sources that
    /// have just been asked get a moment to answer, or the first to do so could step the clock alone.
    fn awaits_others(&self, now: MonoTime) -> bool {
        let awaited = self.members.values().filter(|member| {
            let unheard = member.association.state().register().latest().is_none();
            unheard && now.since(member.mobilized) < PATIENCE_AT_START
        });
        !self.discipline.is_synchronized() && self.selection.survivors() <= awaited.count()
    }

    /// Votes anew, because something has been learnt or time has passed.
    pub(super) fn select(&mut self, now: MonoTime) {
        let candidates: Vec<Candidate> =
            self.members.values().filter_map(|member| self.candidate(&member.association, now)).collect();
        let before = self.selection.system_peer();
        let mut left = false;
        self.selection = Selection::vote(&candidates, self.config.minsane);
        let leader = self.selection.system_peer();
        for (id, member) in &mut self.members {
            // A falseticker's path must not go on pulling at the others.
            if member.followed && self.selection.standing(*id) == Standing::Falseticker {
                member.followed = false;
                left = true;
                self.estimator.forget(*id);
            }
        }
        if left {
            self.doubt_estimate(now, &candidates);
        }
        if leader != before {
            self.announce(leader);
        }
    }

    /// A liar was followed until now. Before the clock has ever been right, nothing of what it taught
    /// stays; later the estimate may be off by as much as it now disagrees with the new leader.
    fn doubt_estimate(&mut self, now: MonoTime, candidates: &[Candidate]) {
        if !self.discipline.is_synchronized() {
            self.estimator.restart();
            return;
        }
        let leader = candidates.iter().find(|candidate| Some(candidate.id) == self.selection.system_peer());
        if let (Some(leader), Some(estimate)) = (leader, self.estimator.estimate(now)) {
            self.estimator.widen(leader.lead - estimate.lead);
        }
    }

    /// What a source brings to the vote, if it may vote at all (RFC 5905 §11.2's fitness tests).
    fn candidate(&self, association: &Association, now: MonoTime) -> Option<Candidate> {
        let state = association.state();
        let options = association.options();
        let server = state.server()?;
        let best = state.register().best()?;
        let rate = self.drift_rate();
        let root_distance = state.root_distance(now, rate)?;
        let fit = !options.noselect
            && !state.reach().is_unreachable()
            && state.kiss().is_none_or(|_| association.next_timeout().is_some())
            && server.leap != Leap::Unknown
            && server.stratum.is_synchronized()
            && !state.is_loop()
            && root_distance < DISTANCE_MAX;
        fit.then_some(Candidate {
            id: association.id(),
            lead: best.lead_at(now, rate),
            root_distance,
            stratum: server.stratum,
            prefer: options.prefer,
            truechimer: options.truechimer,
        })
    }

    /// How fast the undisciplined clock gains, as far as is known.
    pub(super) fn drift_rate(&self) -> Frequency {
        -self.discipline.frequency()
    }

    fn announce(&mut self, leader: Option<AssociationId>) {
        let remote = leader.and_then(|id| self.members.get_mut(&id)).map(|member| {
            member.events.note(PeerEvent::SystemPeer);
            member.association.remote()
        });
        if remote.is_none() {
            self.events.note(SystemEvent::NoSystemPeer);
        }
        self.report(Event::SystemPeer(remote));
    }

    /// Does about the error what the discipline says.
    fn correct(
        &mut self,
        now: MonoTime,
        id: AssociationId,
        estimate: &Estimate,
        confirmed: bool,
        arrived: Reading,
    ) {
        let error = estimate.lead + self.ledger.correction(now);
        let was_synchronized = self.discipline.is_synchronized();
        let was_spike = self.discipline.is_spike();
        let remedy = self.discipline.update(now, estimate, confirmed, error, self.pace(now, id));
        match remedy {
            Remedy::Wait => {}
            Remedy::Confirm(seconds) => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.association.verify_within(now, seconds);
                }
            }
            Remedy::Frequency(frequency) => self.steer(ClockRequest::SetFrequency(frequency)),
            Remedy::Step(offset, frequency) => {
                self.report(Event::Stepping(offset));
                self.events.note(SystemEvent::ClockStep);
                self.steer(ClockRequest::Step(offset));
                self.steer(ClockRequest::SetFrequency(frequency));
            }
            Remedy::Panic(error) => {
                self.events.note(SystemEvent::PanicStop);
                // Not in the middle of a slew that nobody would end.
                let frequency = self.discipline.frequency();
                self.steer(ClockRequest::SetFrequency(frequency));
                self.finish(Outcome::Panic(error));
                return;
            }
        }
        if self.discipline.is_spike() && !was_spike {
            self.events.note(SystemEvent::SpikeDetect);
            self.report(Event::Spike(error));
        }
        if !self.discipline.is_synchronized() {
            return;
        }
        let stepped = matches!(remedy, Remedy::Step(..));
        let remaining = if stepped { NtpDuration::ZERO } else { error };
        // The answer arrived on the clock as it was before the step.
        let corrected = if stepped { arrived.system - error } else { arrived.system };
        let arrived = Reading { system: corrected, ..arrived };
        if !was_synchronized {
            self.events.note(SystemEvent::ClockSync);
            self.report(Event::Synchronized { error: remaining });
        }
        self.update_reference(now, estimate, remaining, arrived);
        if self.config.discipline.once {
            self.finish(Outcome::Set);
        }
    }

    /// Our variables follow the system peer's (RFC 5905 §11.3 `clock_update`).
    fn update_reference(&mut self, now: MonoTime, estimate: &Estimate, error: NtpDuration, arrived: Reading) {
        let leader = self.selection.system_peer().and_then(|id| self.members.get(&id));
        let Some(leader) = leader else { return };
        let reference =
            Reference::of_peer(&leader.association, self.config.precision, estimate, error, arrived, now);
        if let Some(reference) = reference {
            self.reference = reference;
            self.steer(ClockRequest::SetStatus {
                estimated_error: estimate.uncertainty,
                maximum_error: reference.root_distance(now),
            });
        }
    }

    /// A settled clock is corrected over a poll interval. At the start, when polls are close together,
    /// an error is gone when the next sample comes.
    fn pace(&self, now: MonoTime, id: AssociationId) -> Pace {
        let starting = self.members.get(&id).is_some_and(|member| member.samples <= STARTING_SAMPLES);
        let survivors = self.members.iter().filter(|(id, _)| self.selection.standing(**id).survives());
        let length = survivors.map(|(_, member)| {
            let association = &member.association;
            let next = association.next_timeout().map_or(Duration::MAX, |next| next.since(now));
            let interval = association.state().poll().interval().interval();
            if starting { next.min(interval) } else { interval }
        });
        Pace { starting, length: length.min().unwrap_or_default() }
    }
}
