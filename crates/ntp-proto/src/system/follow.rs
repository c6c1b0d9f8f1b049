//! From a sample to a correction: judge, vote, follow, estimate, correct.

use core::time::Duration;

use crate::association::{Association, AssociationId, Measurement};
use crate::discipline::{Pace, Remedy, SLEW_MAX};
use crate::estimator::{Estimate, Fit, Verify};
use crate::select::{Candidate, Hindrance, Selection, Standing};
use crate::time::{Frequency, MonoTime, NtpDuration, Reading};
use crate::wire::Leap;

use super::System;
use super::action::{ClockRequest, Event, Outcome};
use super::fitness::faults;
use super::reference::{Reference, SystemEvent};
use super::snapshot::PeerEvent;

/// How soon a sample far from expectation is asked to be confirmed.
const VERIFY_SECONDS: u64 = 4;

/// With several sources, how far the clock may stray before they are asked again, at least.
const STRAYED: NtpDuration = NtpDuration::from_micros(500);

/// Samples of a source that tell nothing of the frequency: the first ones place the clock.
const STEADY_FROM: u32 = 3;

/// How many spreads of the samples the clock may drift while they seem to agree.
const SPREADS: f64 = 4.0;

/// The samples of a source during which the clock is not taken for settled.
const STARTING_SAMPLES: u32 = 12;

/// Over how long an error is taken out that is known to have come at once: fast, but not so fast that
/// the frequency is wrong by more than the error was worth.
const JUMP_LENGTH: Duration = Duration::from_secs(64);

/// How soon a source that answered too early is asked again.
const AGAIN_SECONDS: u64 = 2;

/// How long a new source gets to answer before others are believed without it.
const PATIENCE_AT_START: Duration = Duration::from_secs(1);

/// How long sources get to answer before it is said that too few of them agree.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(16);

/// How long after the start every survivor is followed at once: whoever answered first is no better.
const STARTING: Duration = Duration::from_secs(3);

/// Votes in a row that a source must win before it is followed, once the clock is right.
const AGREEMENTS: u32 = 4;

/// Votes in a row that a source that is followed may lose.
const DISAGREEMENTS: u32 = 1;

/// What a correction leaves: an error that is being slewed away, and one that nobody is sure of.
#[derive(Clone, Copy, Debug)]
struct Remaining {
    error: NtpDuration,
    doubt: NtpDuration,
}

impl System {
    /// A good sample has come in.
    pub(super) fn follow(
        &mut self,
        now: MonoTime,
        id: AssociationId,
        sample: &Measurement,
        arrived: Reading,
    ) {
        let Some(address) = self.members.get(&id).map(|member| member.association.remote().ip()) else {
            return;
        };
        let taken_in = self.estimator.observe(id, address, self.date(now), sample);
        self.estimator.trust(id, self.distance(now, id));
        self.select(now);
        self.tell_hindrance(now, id);
        let Some(sample) = taken_in else { return };
        if !self.count_vote(now, id) {
            if let Some(member) = self.members.get_mut(&id) {
                member.association.judge_poll(now, &sample.worth);
            }
            return;
        }
        if self.awaits_others(now) {
            if let Some(member) = self.members.get_mut(&id) {
                member.association.verify_within(now, AGAIN_SECONDS);
            }
            return;
        }
        let voters = self.selection.voters();
        let fit = self.estimator.follow(id, &sample, &voters, &self.selection.surviving());
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(fit) = fit else {
            member.association.judge_poll(now, &sample.worth);
            return;
        };
        member.samples = member.samples.saturating_add(1);
        member.association.judge_poll(now, &fit.worth);
        self.verify(now, id, fit.verify);
        if let Some(estimate) = self.estimator.estimate(now) {
            if voters.len() > 1 {
                self.ask_before_it_strays(now, id, &estimate);
            }
            self.correct(now, id, &estimate, &fit, arrived);
        }
    }

    /// How far off a source may be.
    fn distance(&self, now: MonoTime, id: AssociationId) -> NtpDuration {
        let least = self.config.selection.distance_min;
        let state = self.members.get(&id).map(|member| member.association.state());
        state
            .and_then(|state| state.usual_distance(now, self.drift_rate(), least))
            .unwrap_or(NtpDuration::MAX)
    }

    /// Asks again those who can tell what an outlier means.
    fn verify(&mut self, now: MonoTime, id: AssociationId, whom: Verify) {
        for (other, member) in &mut self.members {
            let asked = match whom {
                Verify::Nobody => false,
                Verify::Same => *other == id,
                Verify::Others => *other != id && self.selection.standing(*other) != Standing::Reject,
            };
            if asked {
                member.association.verify_within(now, VERIFY_SECONDS);
            }
        }
    }

    /// One of several sources has shaken what was known of the frequency: all are asked before the clock
    /// can have strayed far, not when their turn comes.
    fn ask_before_it_strays(&mut self, now: MonoTime, id: AssociationId, estimate: &Estimate) {
        let Some(member) = self.members.get(&id) else { return };
        let interval = member.association.state().poll().interval().interval();
        let scale = self.estimator.path(id).map_or(NtpDuration::ZERO, |path| path.scale);
        let far = STRAYED.max(scale + scale + scale + scale);
        let doubt = estimate.frequency_uncertainty;
        if doubt.over(interval) <= far {
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the interval")]
        let seconds = (far.as_seconds_f64() / 2.0 / doubt.as_ratio()) as u64;
        for (other, member) in &mut self.members {
            if self.selection.standing(*other) != Standing::Reject {
                member.association.verify_within(now, seconds.max(VERIFY_SECONDS));
            }
        }
    }

    /// Counts the vote that a source has just won or lost, and lets go of it after too many lost ones.
    /// Returns whether its new sample is to be learnt from: it has won for long enough that it is no
    /// visitor. Among survivors a preferred one is followed alone.
    fn count_vote(&mut self, now: MonoTime, id: AssociationId) -> bool {
        if self.finished {
            return false;
        }
        let survives = self.standing(id).survives();
        let starting = now.since(self.started) < STARTING;
        let at_once = starting || !self.discipline.is_synchronized() || !self.is_anybody_followed();
        let Some(member) = self.members.get_mut(&id) else { return false };
        if survives {
            member.agreements = member.agreements.saturating_add(1);
            if member.agreements == AGREEMENTS {
                member.unfit_told = 0;
            }
            member.disagreements = 0;
        } else {
            member.agreements = 0;
            member.disagreements = member.disagreements.saturating_add(1);
        }
        let (agreements, disagreements) = (member.agreements, member.disagreements);
        if !survives {
            if disagreements > DISAGREEMENTS {
                self.leave(now, id);
            }
            self.replace_if_liar(now, id);
            return false;
        }
        let passed_over = self.is_passed_over(id);
        if passed_over {
            self.estimator.leave(id);
        }
        !passed_over && (self.estimator.follows(id) || at_once || agreements >= AGREEMENTS)
    }

    /// Whether another survivor is preferred, and this one is not.
    fn is_passed_over(&self, id: AssociationId) -> bool {
        let prefers = |(id, member): (&AssociationId, &super::Member)| {
            member.association.options().prefer && self.standing(*id).survives()
        };
        let preferred = self.members.get(&id).is_some_and(|member| member.association.options().prefer);
        !preferred && self.members.iter().any(prefers)
    }

    fn is_anybody_followed(&self) -> bool {
        self.members.keys().any(|id| self.estimator.follows(*id) && self.standing(*id).survives())
    }

    /// Whether it is too early to believe anybody: while the clock may be wrong by anything, sources that
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
        let was_split = self.selection.hindrance() == Some(Hindrance::Split);
        self.selection = Selection::vote(&candidates, &self.config.selection, before);
        let leader = self.selection.system_peer();
        // Who is outside of everything that the majority could mean does not get a second vote.
        let followed = candidates.iter().filter(|candidate| self.estimator.follows(candidate.id));
        let liars: Vec<AssociationId> = followed
            .filter(|candidate| self.is_far_off(candidate, &candidates))
            .map(|liar| liar.id)
            .collect();
        for liar in liars {
            self.leave(now, liar);
        }
        if self.selection.hindrance() == Some(Hindrance::Split) && !was_split {
            self.report(Event::NoMajority { voters: self.selection.voters().len() });
        }
        if leader != before {
            self.announce(leader);
        }
    }

    /// Tells the administrator, once for each reason, why a source that answers is not followed.
    fn tell_hindrance(&mut self, now: MonoTime, id: AssociationId) {
        let (rate, selection) = (self.drift_rate(), self.config.selection);
        let Some(member) = self.members.get_mut(&id) else { return };
        let fault = faults(member.association.state(), now, rate, &selection).next();
        if let Some(reason) = fault.filter(|reason| member.unfit_told & reason.flash() == 0) {
            member.unfit_told |= reason.flash();
            let remote = member.association.remote();
            self.report(Event::Unfit { remote, reason });
        }
        let all_heard = self.members.values().all(|member| {
            let unheard = member.association.state().register().latest().is_none();
            !unheard || now.since(member.mobilized) >= PATIENCE_FOR_ALL
        });
        match self.selection.hindrance() {
            Some(Hindrance::TooFew(agreeing)) if all_heard && !self.too_few_told => {
                self.too_few_told = true;
                self.report(Event::TooFew { agreeing, needed: selection.survivors_min });
            }
            Some(_) => {}
            None => self.too_few_told = false,
        }
    }

    /// Whether a falseticker is further from the leader than its own error bound explains.
    fn is_far_off(&self, candidate: &Candidate, candidates: &[Candidate]) -> bool {
        let leader = candidates.iter().find(|other| Some(other.id) == self.selection.system_peer());
        let off = |leader: &Candidate| (candidate.lead - leader.lead).abs() > candidate.root_distance;
        self.standing(candidate.id) == Standing::Falseticker && leader.is_some_and(off)
    }

    /// A source that was followed is not any longer. If it was a liar, what it taught is in doubt:
    /// before the clock has ever been right nothing of it stays; later the estimate may be off by as
    /// much as it now disagrees with the new leader.
    pub(super) fn leave(&mut self, now: MonoTime, id: AssociationId) {
        if !self.estimator.follows(id) {
            return;
        }
        self.estimator.leave(id);
        if self.standing(id) != Standing::Falseticker {
            return;
        }
        if !self.discipline.has_been_right() {
            self.estimator.restart();
            self.steady = None;
            return;
        }
        let leader = self.selection.system_peer().and_then(|leader| self.estimator.solo(leader, now));
        if let (Some(leader), Some(estimate)) = (leader, self.estimator.estimate(now)) {
            self.estimator.widen(leader.lead - estimate.lead);
        }
    }

    /// What a source brings to the vote, if it may vote at all (RFC 5905 §11.2's fitness tests).
    fn candidate(&self, association: &Association, now: MonoTime) -> Option<Candidate> {
        let state = association.state();
        let options = association.options();
        let server = state.server()?;
        let solo = self.estimator.solo(association.id(), now)?;
        let rate = self.drift_rate();
        let jitter = state.register().jitter(rate);
        let config = &self.config.selection;
        let distance = state.root_distance(now, rate, config.distance_min)?.max(solo.noise);
        let fit = !options.noselect
            && state.kiss().is_none_or(|_| association.next_timeout().is_some())
            && server.leap != Leap::Unknown
            && server.stratum.is_synchronized()
            && faults(state, now, rate, config).next().is_none();
        fit.then_some(Candidate {
            id: association.id(),
            lead: solo.lead,
            // After a jump jitter knows no bounds; no vote is wider than `tos maxdist`.
            root_distance: distance.min(config.distance_max),
            jitter,
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
        fit: &Fit,
        arrived: Reading,
    ) {
        self.note_steadiness(now, id, fit);
        let error = estimate.lead + self.ledger.correction(now);
        let was_synchronized = self.discipline.is_synchronized();
        let was_spike = self.discipline.is_spike();
        let pace = self.pace(now, id, fit.jumped);
        let remedy = self.discipline.update(now, estimate, fit.expected, error, pace);
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
                self.reference = Reference::unsynchronized(self.config.precision, now);
                self.tell_kernel(now, error.abs());
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
            // What is watched only will not be slewed.
            if !self.config.discipline.disabled {
                self.report(Event::Synchronized { error: remaining });
            }
        }
        // Either the sample is wrong, or the clock is, and then by so much.
        let doubt = if fit.doubtful { fit.residual.abs() } else { NtpDuration::ZERO };
        self.update_reference(now, estimate, Remaining { error: remaining, doubt }, arrived);
        if self.config.discipline.once {
            self.finish(Outcome::Set);
        }
    }

    /// Our variables follow the system peer's (RFC 5905 §11.3 `clock_update`).
    fn update_reference(&mut self, now: MonoTime, estimate: &Estimate, left: Remaining, arrived: Reading) {
        let leader = self.selection.system_peer().and_then(|id| self.members.get(&id));
        let Some(leader) = leader else { return };
        let leap = self.announced_leap();
        let reference = Reference::of_peer(
            &leader.association,
            leap,
            self.config.precision,
            estimate,
            left.error,
            arrived,
            now,
        );
        let jitter = leader.association.state().register().jitter(estimate.frequency);
        let scale = self.estimator.path(leader.association.id()).map_or(NtpDuration::ZERO, |path| path.scale);
        if let Some(reference) = reference {
            let unproven = self.unproven(now, jitter + scale);
            // A clock that is watched and not corrected drifts as it does.
            let adrift = if self.config.discipline.disabled {
                Frequency::from_ratio((estimate.frequency + self.ledger.rate()).as_ratio().abs())
            } else {
                Frequency::ZERO
            };
            self.reference = reference.growing_by(unproven + adrift);
            self.reference.doubt(left.doubt);
            self.tell_kernel(now, estimate.noise);
            self.record_correction(now);
        }
    }

    /// Whether samples go on as the frequency in force lets expect.
    fn note_steadiness(&mut self, now: MonoTime, id: AssociationId, fit: &Fit) {
        if fit.jumped {
            self.report(Event::Strayed(fit.residual));
            self.steady = None;
        } else if fit.expected && self.members.get(&id).is_some_and(|member| member.samples > STEADY_FROM) {
            self.steady.get_or_insert(now);
        }
    }

    /// How far off the frequency may be for all that samples have shown, whatever a drift file or the
    /// estimator says: they lie within `spread`, over the time for which they have come as expected.
    fn unproven(&self, now: MonoTime, spread: NtpDuration) -> Frequency {
        let Some(steady) = self.steady else { return SLEW_MAX };
        let seconds = now.since(steady).as_secs_f64().max(1.0);
        Frequency::from_ratio(SPREADS * spread.as_seconds_f64() / seconds).clamp_to(SLEW_MAX)
    }

    /// A settled clock is corrected over a poll interval. At the start, when polls are close together,
    /// an error is gone when the next sample comes; one that is known to have come at once goes as
    /// fast as it can.
    fn pace(&self, now: MonoTime, id: AssociationId, jumped: bool) -> Pace {
        if jumped {
            return Pace { starting: true, length: JUMP_LENGTH };
        }
        let new = self.members.get(&id).is_some_and(|member| member.samples <= STARTING_SAMPLES);
        let starting = new || !self.discipline.is_synchronized();
        let survivors = || self.members.iter().filter(|(id, _)| self.selection.standing(**id).survives());
        let length = survivors().map(|(_, member)| {
            let association = &member.association;
            let next = association.next_timeout().map_or(Duration::MAX, |next| next.since(now));
            let interval = association.state().poll().interval().interval();
            if starting { next.min(interval) } else { interval }
        });
        let length = length.min().unwrap_or_default();
        // Several sources are heard more often than each of them, and each time the slew starts anew.
        let alone = survivors().count() == 1;
        Pace { starting, length: if alone && !starting { length / 2 } else { length } }
    }
}
