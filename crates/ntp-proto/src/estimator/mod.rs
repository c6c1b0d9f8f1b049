//! From exchanges to one estimate of the undisciplined clock.
//!
//! An exchange says two things: the clock cannot be further ahead than T4 - T3 minus the shortest
//! way back, and not further behind than T2 - T1 minus the shortest way there, because queues only
//! ever add. Between these bounds, for queues of exponential length, every offset is equally
//! likely; that *interval* is the likelihood used here, not a Gaussian around its middle.
//!
//! `path.rs` learns each path's shortest round trip and jitter, `likelihood.rs` turns bounds into
//! a posterior (`tails.rs` has the numerics), `shapes.rs` learns which likelihood fits a path,
//! `bank.rs` learns how the oscillator wanders, `track.rs` holds what is known of one source,
//! `doubt.rs` says what an outlier may mean, `memory.rs` is what a later run may start from, `continuity.rs` whether
//! the clock itself has run on. Here they
//! become one joint filter over all sources that are followed, with a bias for each path.
//! Estimates are `f64` seconds in this folder only.

mod bank;
mod continuity;
mod doubt;
mod likelihood;
mod memory;
mod path;
mod shapes;
mod tails;
#[cfg(test)]
mod tests;
mod track;

use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

use crate::association::{AssociationId, Measurement};
use crate::time::{Frequency, MonoTime, NtpDuration, Precision, Reading, UnixTime};

use bank::{BIASES, Bank, Evidence, MODELS, Moments};
pub use continuity::ClockMemory;
use continuity::Inherited;
use doubt::{Doubt, Outlier, doubt};
use memory::PathMemory;
pub use memory::{Memory, MemoryError};
use path::Recent;
use track::{JUMP_SHARE_ONE, RouteChange, Track, worth};

/// Prior standard deviation of a path's bias, as a share of its round trip.
const BIAS_SHARE: f64 = 0.03;

/// How long a source that could know better is waited for.
const HEARING: Duration = Duration::from_secs(16);

/// How many standard deviations a new source may differ from the others without surprise.
const SURPRISE: f64 = 4.0;

/// The most that a path can be lopsided, seconds: what is further away is not followed.
const BIAS_MAX: f64 = 2.0;

/// How much older than the newest sample another may be; its error is what drifts in that time.
/// Answers that arrive together are read in the order of their sockets, not of their stamps.
const LATENESS_MAX: Duration = Duration::from_millis(100);

/// The most sources in the joint filter; its cost grows with their square.
pub const FOLLOWED_MAX: usize = 24;

/// What is known of the undisciplined clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// How far it is ahead of true time.
    pub lead: NtpDuration,
    /// How fast it gains on true time.
    pub frequency: Frequency,
    /// Standard deviation of `lead`, the unknowable asymmetry of the paths included.
    pub uncertainty: NtpDuration,
    /// Standard deviation of what can be measured: of `lead` plus the bias of the best path.
    pub noise: NtpDuration,
    /// Standard deviation of `frequency`.
    pub frequency_uncertainty: Frequency,
}

/// How a sample compared with what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The sample lay where the estimate and the path's jitter let expect it.
    pub expected: bool,
    /// How far it lay from there.
    pub residual: NtpDuration,
    /// It did not, and nobody knows yet whether the clock has gone wrong or the sample was bad.
    pub doubtful: bool,
    /// The sample was so far off that another should confirm or refute it soon.
    pub verify: Verify,
    /// The clock has jumped, as a second sample confirms: there is an error to be taken out fast.
    pub jumped: bool,
    /// What the sample was worth, for the poll law.
    pub worth: Worth,
}

impl Fit {
    /// The sample that the joint filter begins with.
    const fn first(sample: &Sample) -> Self {
        Self {
            expected: sample.expected,
            residual: NtpDuration::ZERO,
            doubtful: false,
            verify: Verify::Nobody,
            jumped: false,
            worth: sample.worth,
        }
    }
}

/// Whose next sample should come soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nobody's.
    Nobody,
    /// The same source's: there is no other.
    Same,
    /// The others': only they can tell a jump of the clock from a jump of this source.
    Others,
}

/// What a sample was worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// Variance of the measured quantity before the sample over that after it: how much the interval
    /// before it has cost.
    pub gain: f64,
    /// Standard deviation before it, in units of what the path's jitter allows.
    pub looseness: f64,
    /// The path's route has just changed.
    pub jumped: bool,
    /// It may be changing: the next samples will tell.
    pub suspect: bool,
}

/// An exchange that has been taken in by its source's own filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    evidence: Evidence,
    /// What it was worth to that filter.
    pub worth: Worth,
    /// Whether it lay where that filter expected it.
    expected: bool,
}

/// What has been learnt of the oscillator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oscillator {
    /// How far its frequency wanders in a second, one standard deviation.
    pub wander: Frequency,
    /// How much each model of its wander has to say, in percent, the steadiest first.
    pub models: [u8; MODELS],
}

/// What has been learnt of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Its shortest round trip.
    pub shortest: NtpDuration,
    /// The scale of one leg's queueing.
    pub scale: NtpDuration,
    /// How far ahead it makes the clock seem, as far as other paths tell; `None` if it is not followed.
    pub bias: Option<NtpDuration>,
    /// The likelihood that fits it best.
    pub shape: &'static str,
}

/// Filters over all sources: one for each, and one joint.
#[derive(Clone, Debug)]
pub struct Estimator {
    joint: Option<Bank>,
    /// The sources in the joint filter, in the order of their biases.
    followed: Vec<AssociationId>,
    /// Subtracted from every lead before it becomes an `f64`, so that microseconds keep their
    /// digits on a clock that is years off.
    origin: Option<NtpDuration>,
    tracks: BTreeMap<AssociationId, Track>,
    /// The last jump of the clock.
    jumped: Option<Outlier>,
    prior: Frequency,
    prior_deviation: Frequency,
    precision: Precision,
    memory: Option<Memory>,
    /// The clock as an earlier run left it, until the joint filter begins with it.
    inherited: Option<Inherited>,
}

impl Estimator {
    /// Before any sample. `prior` is the frequency believed so far and `prior_deviation` how much
    /// it may be off; `precision` is the local clock's.
    pub const fn new(prior: Frequency, prior_deviation: Frequency, precision: Precision) -> Self {
        Self {
            joint: None,
            followed: Vec::new(),
            origin: None,
            tracks: BTreeMap::new(),
            jumped: None,
            prior,
            prior_deviation,
            precision,
            memory: None,
            inherited: None,
        }
    }

    /// Takes over what an earlier run has learnt of models and paths; and of the clock, if `now` shows that it has run on
    /// at `frequency` alone.
    pub fn remember(&mut self, memory: Memory, now: Reading, frequency: Frequency) {
        let clock = memory.clock.as_ref();
        self.inherited = clock.and_then(|clock| clock.carry(now, frequency, self.prior_deviation));
        self.memory = Some(memory);
    }

    /// What has been learnt, for the next run. `None` before the first sample.
    pub fn memory(
        &self,
        now: MonoTime,
        date: UnixTime,
        address: impl Fn(AssociationId) -> Option<IpAddr>,
    ) -> Option<Memory> {
        let bank = self.joint.as_ref()?;
        let moments = bank.project(now);
        let paths = self.followed.iter().zip(BIASES..).filter_map(|(id, bias)| {
            let track = self.tracks.get(id)?;
            Some(PathMemory {
                address: address(*id)?,
                minimum: track.path.minimum(),
                scale: track.path.scale(),
                residual: track.shapes.residual(),
                bias: bank.bias(bias),
                bias_deviation: bank.bias_deviation(bias),
                noise: bank.measured_mixture(Some(bias)).variance.sqrt(),
                shapes: *track.shapes.weights(),
            })
        });
        Some(Memory {
            written: date,
            frequency: -Frequency::from_ratio(moments.rate),
            deviation: moments.rate_deviation(),
            wander: bank.wander_variance().sqrt(),
            clock: None,
            weights: *bank.weights(),
            paths: paths.collect(),
        })
    }

    /// Takes one exchange into its source's own filter. The address and the date are for what an earlier
    /// run may have learnt of its path. `None` if it cannot be used: its numbers are
    /// not finite, or it is older than what is known already.
    pub fn observe(
        &mut self,
        source: AssociationId,
        address: IpAddr,
        date: UnixTime,
        exchange: &Measurement,
    ) -> Option<Sample> {
        let origin = *self.origin.get_or_insert_with(|| exchange.lead());
        let forward = (exchange.forward + origin).as_seconds_f64();
        let backward = (exchange.backward - origin).as_seconds_f64();
        let middle = (backward - forward) / 2.0;
        if !middle.is_finite() {
            return None;
        }
        let prior = self.prior_moments(middle);
        let known = || self.memory.as_ref().and_then(|memory| memory.path(address, date)).copied();
        let continued = self.inherited.as_ref().is_some_and(|inherited| inherited.is_young(exchange.at));
        let track = self.tracks.entry(source);
        let track = track.or_insert_with(|| Track::new(exchange.at, &prior, known(), continued));
        if exchange.at + LATENESS_MAX < track.solo.at() {
            return None;
        }
        let floor = resolution_variance(self.precision, exchange.precision);
        let recent = Recent { at: exchange.at, middle, round_trip: forward + backward };
        track.observe(recent, floor)
    }

    /// How far off a source may be at the most: its root distance.
    pub fn trust(&mut self, source: AssociationId, distance: NtpDuration) {
        if let Some(track) = self.tracks.get_mut(&source) {
            track.distance = distance.as_seconds_f64();
        }
    }

    /// Takes a sample of a source that is followed into the joint filter. `voters` are all that are heard
    /// and have a say, this one among them, whether they are followed or set aside; the `survivors` of
    /// them are believed.
    pub fn follow(
        &mut self,
        source: AssociationId,
        sample: &Sample,
        voters: &[AssociationId],
        survivors: &[AssociationId],
    ) -> Option<Fit> {
        let evidence = &sample.evidence;
        if self.joint.is_none() {
            let nearest = self.nearest(survivors).unwrap_or(source);
            self.begin(nearest, survivors.len() > 1);
            if nearest == source {
                return Some(Fit::first(sample));
            }
        }
        if !self.followed.contains(&source) {
            self.introduce(source, evidence, survivors)?;
        }
        let track = self.tracks.get_mut(&source)?;
        let bank = self.joint.as_mut()?;
        if evidence.at + LATENESS_MAX < bank.at() {
            return None;
        }
        bank.advance(evidence.at);
        let bias = BIASES + self.followed.iter().position(|known| *known == source)?;
        if evidence.view.jump > 0.0 {
            jump(bank, bias, evidence, track);
        }
        let alone = voters.len() <= 1;
        let lesson = bank.learn(Some(bias), evidence, &mut track.shapes, !alone);
        let worth = worth(evidence, &lesson, &track.shapes);
        let doubt = doubt(evidence, &lesson);
        let reaction = self.react(source, evidence, doubt, voters);
        match reaction {
            Reaction::None | Reaction::Verify => {}
            Reaction::Confirmed => {
                let outlier = Outlier { residual: lesson.residual, at: evidence.at };
                let ramp = outlier.ramp_doubt(self.jumped.replace(outlier));
                self.learn_again(source, bias, evidence, |bank| {
                    if alone || !lesson.wanders {
                        bank.widen_lead(outlier.residual.abs());
                    }
                    // With others to ask, no few seconds between two samples need tell the frequency.
                    bank.widen_rate(if alone { ramp.max(outlier.rate_doubt()) } else { ramp });
                });
            }
            Reaction::Alone => self.learn_again(source, bias, evidence, |bank| {
                bank.widen(bias, lesson.residual.abs());
            }),
        }
        self.rebase();
        Some(Fit {
            expected: lesson.was_expected(),
            residual: NtpDuration::from_seconds_f64(lesson.residual),
            doubtful: !lesson.was_expected() && matches!(reaction, Reaction::None | Reaction::Verify),
            verify: match (reaction, voters.len()) {
                (Reaction::None | Reaction::Alone, _) => Verify::Nobody,
                (Reaction::Verify | Reaction::Confirmed, 0 | 1) => Verify::Same,
                (Reaction::Verify | Reaction::Confirmed, _) => Verify::Others,
            },
            jumped: reaction == Reaction::Confirmed,
            worth,
        })
    }

    /// Takes a source into the joint filter. Where the two differ by more than paths usually are
    /// lopsided, it is this source's path, unless it is too near for that and all the others are not:
    /// then they were wrong so far, and what they taught of the lead is given up.
    fn introduce(
        &mut self,
        source: AssociationId,
        evidence: &Evidence,
        survivors: &[AssociationId],
    ) -> Option<()> {
        if self.followed.len() >= FOLLOWED_MAX {
            return None;
        }
        let bank = self.joint.as_ref()?;
        // Once only: who comes back later may come by another route.
        let inherited = self.tracks.get_mut(&source).and_then(|track| track.inherited.take());
        let unknown = BIAS_SHARE * evidence.view.round_trip;
        let (mean, usual) = inherited.map_or((0.0, unknown), |path| (path.bias, path.bias_deviation));
        let expected = bank.project(evidence.at);
        let gap = (evidence.middle - expected.lead - mean).abs();
        let doubt = SURPRISE * (usual.powi(2) + evidence.view.width.powi(2) + expected.lead_variance).sqrt();
        let distance = |id: &AssociationId| self.tracks.get(id).map_or(0.0, |track| track.distance);
        // Nobody stands for what somebody has taught who is gone.
        let is_vouched_for = self.followed.iter().any(|other| survivors.contains(other));
        let is_nearer = distance(&source) < gap && self.followed.iter().all(|other| gap < distance(other));
        if is_nearer {
            self.give_up_lead(gap);
        }
        self.followed.push(source);
        let is_lopsided = gap > doubt && is_vouched_for && !is_nearer;
        let bank = self.joint.as_mut()?;
        let bias = bank.add_bias(if is_lopsided { gap.min(BIAS_MAX) } else { usual });
        bank.shift_bias(bias, mean);
        Some(())
    }

    /// The sources that are followed were wrong, by so much: they are introduced anew when they are heard
    /// next.
    fn give_up_lead(&mut self, by: f64) {
        let Some(bank) = &mut self.joint else { return };
        for position in (0..self.followed.len()).rev() {
            bank.remove_bias(BIASES + position);
        }
        self.followed.clear();
        bank.widen_lead(by);
    }

    /// The survivor that can be off by least.
    fn nearest(&self, survivors: &[AssociationId]) -> Option<AssociationId> {
        let known = survivors.iter().filter_map(|id| Some((self.tracks.get(id)?.distance, *id)));
        known.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, id)| id)
    }

    /// The joint filter begins as one source's own, with a bias. A first sample alone may be a stray, and
    /// its own filter says so; one that others do not contradict is no further off than it can be.
    fn begin(&mut self, source: AssociationId, is_vouched_for: bool) {
        self.joint = self.tracks.get_mut(&source).map(|track| {
            let mut bank = track.solo.clone();
            if let Some(memory) = &self.memory {
                bank.weigh(&memory.tempered());
            }
            if is_vouched_for {
                bank.narrow_lead(track.distance);
            }
            let usual = BIAS_SHARE * track.path.minimum();
            match (&self.inherited, self.origin) {
                (Some(inherited), Some(origin)) if inherited.is_young(bank.at()) => {
                    let (lead, drifted) = inherited.at(bank.at(), self.prior, self.prior_deviation);
                    let lead = (lead - origin).as_seconds_f64();
                    if let Some(path) = track.inherited.take() {
                        bank.believe_lead(lead + path.bias, path.noise.hypot(drifted));
                        let bias = bank.split_bias(path.bias_deviation);
                        bank.move_to_bias(bias, path.bias);
                    } else {
                        bank.split_bias(usual);
                        bank.believe_lead(lead, inherited.deviation.as_seconds_f64().hypot(drifted));
                    }
                }
                _ => {
                    bank.split_bias(usual);
                }
            }
            bank
        });
        self.followed.push(source);
    }

    /// What an outlier means. Two in a row that agree mean that the clock has jumped, if there is but
    /// one voter. With more, a majority of all voters must say so, not of those that happen to be
    /// followed; if another one still sees the clock where it was, it is this source that has moved.
    fn react(
        &mut self,
        source: AssociationId,
        evidence: &Evidence,
        doubt: Doubt,
        voters: &[AssociationId],
    ) -> Reaction {
        let joint = self.joint.as_ref().map_or(0.0, |bank| bank.moments().lead);
        let Some(track) = self.tracks.get_mut(&source) else { return Reaction::None };
        let (before, distance) = (track.suspicion, track.distance);
        let outlier = match doubt {
            Doubt::None => {
                track.suspicion = None;
                track.last_inlier = Some(evidence.at);
                return Reaction::None;
            }
            Doubt::Vague => return Reaction::None,
            Doubt::Outlier(outlier) => outlier,
        };
        track.suspicion = Some(outlier);
        let repeated = before.filter(|first| outlier.repeats(first));
        if voters.len() <= 1 {
            return if repeated.is_some() { Reaction::Confirmed } else { Reaction::Verify };
        }
        let others = || {
            let others = voters.iter().filter(|other| **other != source);
            others.filter_map(|other| Some((self.followed.contains(other), self.tracks.get(other)?)))
        };
        // Of those that are not followed, their own filters tell whether they have seen the jump.
        let saw = |(followed, other): &(bool, &Track)| {
            if *followed {
                let young = |at: MonoTime| evidence.at.since(at) < SUSPICION_AGE;
                other.suspicion.is_some_and(|first| outlier.agrees(first.residual) && young(first.at))
            } else {
                outlier.agrees(other.solo.project(evidence.at).lead - joint)
            }
        };
        let agreeing = 1 + others().filter(saw).count();
        // One that is nearer than they differ by knows better than any number whose paths may have
        // changed by as much.
        let first = others().filter(saw).filter_map(|(_, other)| other.suspicion).map(|first| first.at).min();
        let since = first.unwrap_or(evidence.at).min(before.map_or(evidence.at, |before| before.at));
        let overruled = outlier.residual.abs() <= distance
            && others().any(|(followed, other)| {
                let sees_none = other.last_inlier.is_some_and(|inlier| inlier >= since);
                let is_asked = other.suspicion.is_none() && evidence.at.since(since) < HEARING;
                followed && (sees_none || is_asked) && other.distance < outlier.residual.abs()
            });
        if 2 * agreeing > voters.len() && !overruled {
            return Reaction::Confirmed;
        }
        let contradicted = |since: MonoTime| {
            others().any(|(_, other)| other.last_inlier.is_some_and(|inlier| inlier > since))
        };
        match repeated {
            Some(first) if contradicted(first.at) => Reaction::Alone,
            _ => Reaction::Verify,
        }
    }

    /// Takes a sample in once more, now that it is known what it means.
    fn learn_again(
        &mut self,
        source: AssociationId,
        bias: usize,
        evidence: &Evidence,
        prepare: impl FnOnce(&mut Bank),
    ) {
        let (Some(bank), Some(track)) = (&mut self.joint, self.tracks.get_mut(&source)) else { return };
        prepare(bank);
        bank.learn(Some(bias), evidence, &mut track.shapes, false);
        for track in self.tracks.values_mut() {
            track.suspicion = None;
        }
    }

    /// The joint estimate, carried forward to `now`. `None` before the first sample.
    pub fn estimate(&self, now: MonoTime) -> Option<Estimate> {
        let bank = self.joint.as_ref()?;
        let paths = (0..self.followed.len()).map(|position| bank.measured_mixture(Some(BIASES + position)));
        let noise = paths.map(|belief| belief.variance).fold(f64::INFINITY, f64::min);
        let projected = bank.project(now);
        let growth = (projected.lead_variance - bank.moments().lead_variance).max(0.0);
        Some(self.present(&projected, noise + growth))
    }

    /// What has been learnt of the oscillator; `None` before the first sample.
    pub fn oscillator(&self) -> Option<Oscillator> {
        let bank = self.joint.as_ref()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let percent = |weight: f64| (weight * 100.0).round() as u8;
        Some(Oscillator {
            wander: Frequency::from_ratio(bank.wander_variance().sqrt()),
            models: bank.weights().map(percent),
        })
    }

    /// What has been learnt of a source's path.
    pub fn path(&self, source: AssociationId) -> Option<Path> {
        let track = self.tracks.get(&source)?;
        let position = self.followed.iter().position(|known| *known == source);
        let bias = position.zip(self.joint.as_ref()).map(|(position, bank)| bank.bias(BIASES + position));
        Some(Path {
            shortest: NtpDuration::from_seconds_f64(track.path.minimum()),
            scale: NtpDuration::from_seconds_f64(track.path.scale()),
            bias: bias.map(NtpDuration::from_seconds_f64),
            shape: track.shapes.likeliest(),
        })
    }

    /// What one source alone says, carried forward to `now`.
    pub fn solo(&self, source: AssociationId, now: MonoTime) -> Option<Estimate> {
        let moments = self.tracks.get(&source)?.solo.project(now);
        Some(self.present(&moments, moments.lead_variance))
    }

    /// Whether a source is in the joint filter.
    pub fn follows(&self, source: AssociationId) -> bool {
        self.followed.contains(&source)
    }

    /// A source is no longer followed: what it taught stays, its bias is forgotten.
    pub fn leave(&mut self, source: AssociationId) {
        if let Some(position) = self.followed.iter().position(|known| *known == source) {
            self.followed.remove(position);
            if let Some(bank) = &mut self.joint {
                bank.remove_bias(BIASES + position);
            }
        }
    }

    /// A source is gone.
    pub fn forget(&mut self, source: AssociationId) {
        self.leave(source);
        self.tracks.remove(&source);
    }

    /// The joint filter forgets everything but the frequency believed at first.
    pub fn restart(&mut self) {
        self.joint = None;
        self.inherited = None;
        self.tracks.values_mut().for_each(|track| track.inherited = None);
        self.jumped = None;
        self.followed.clear();
        // What samples looked like to that filter means nothing to the next.
        for track in self.tracks.values_mut() {
            track.suspicion = None;
            track.last_inlier = None;
        }
    }

    /// The lead may be off by `doubt`.
    pub fn widen(&mut self, doubt: NtpDuration) {
        if let Some(bank) = &mut self.joint {
            bank.widen_lead(doubt.as_seconds_f64());
        }
    }

    /// The clock has been out of sight: whatever anybody knew of the lead may be off by `lead`, and of
    /// the frequency by `frequency`.
    pub fn lose_sight(&mut self, lead: NtpDuration, frequency: Frequency) {
        let (lead, frequency) = (lead.as_seconds_f64(), frequency.as_ratio());
        for bank in self.tracks.values_mut().map(|track| &mut track.solo).chain(self.joint.as_mut()) {
            bank.widen_lead(lead);
            bank.widen_rate(frequency);
        }
    }

    /// Bytes that one source costs here, its share of the joint filter not included.
    pub fn bytes_per_source(&self) -> usize {
        let of = |track: &Track| size_of::<Track>() + track.heap_size();
        self.tracks.values().map(of).max().unwrap_or(0)
    }

    /// Bytes that the joint filter takes, all sources together.
    pub fn bytes_shared(&self) -> usize {
        size_of::<Self>() + self.joint.as_ref().map_or(0, Bank::heap_size)
    }

    fn prior_moments(&self, lead: f64) -> Moments {
        Moments {
            lead,
            rate: self.prior.as_ratio(),
            lead_variance: 1.0,
            covariance: 0.0,
            rate_variance: self.prior_deviation.as_ratio().powi(2),
        }
    }

    fn present(&self, moments: &Moments, noise: f64) -> Estimate {
        Estimate {
            lead: NtpDuration::from_seconds_f64(moments.lead) + self.origin.unwrap_or(NtpDuration::ZERO),
            frequency: Frequency::from_ratio(moments.rate),
            uncertainty: NtpDuration::from_seconds_f64(moments.lead_variance.max(0.0).sqrt()),
            noise: NtpDuration::from_seconds_f64(noise.min(moments.lead_variance).max(0.0).sqrt()),
            frequency_uncertainty: moments.rate_deviation(),
        }
    }

    /// Moves the origin along once the lead has grown past a second.
    fn rebase(&mut self) {
        let (Some(bank), Some(origin)) = (&mut self.joint, self.origin) else { return };
        let lead = bank.moments().lead;
        if lead.abs() > 1.0 {
            let shift = NtpDuration::from_seconds_f64(lead);
            let seconds = shift.as_seconds_f64();
            bank.shift_lead(-seconds);
            for track in self.tracks.values_mut() {
                track.shift_lead(-seconds);
            }
            self.origin = Some(origin + shift);
        }
    }
}

/// How long one outlier may wait for another source's that agrees with it.
const SUSPICION_AGE: Duration = Duration::from_mins(75);

/// What an outlier leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// The sample was none.
    None,
    /// Other samples should confirm or refute it soon.
    Verify,
    /// The clock has jumped.
    Confirmed,
    /// The source has moved, and the clock has not.
    Alone,
}

/// The path has another route: its bias may be another.
fn jump(bank: &mut Bank, bias: usize, evidence: &Evidence, track: &mut Track) {
    let view = &evidence.view;
    track.shapes.start_over();
    if view.new_path {
        // The earlier packets were queued, and by up to this much the lead was misjudged.
        bank.widen_lead(JUMP_SHARE_ONE * view.jump);
        return;
    }
    let (here, measured) = (bank.moments(), bank.measured_mixture(Some(bias)));
    let expected = |at: MonoTime| measured.mean - here.rate * evidence.at.since(at).as_secs_f64();
    match track.change_route(view, bank.bias(bias), measured.variance, expected) {
        RouteChange::Recalled { bias: mean, deviation } => {
            bank.recall_bias(bias, mean);
            bank.widen(bias, deviation);
        }
        RouteChange::Moved { deviation } => bank.widen(bias, deviation),
    }
}

/// The variance that two clocks' resolutions add to an exchange, at least that of 50 ns.
fn resolution_variance(local: Precision, remote: Precision) -> f64 {
    let tick = |precision: Precision| precision.to_duration().as_seconds_f64().powi(2) / 12.0;
    (tick(local) + tick(remote)).max(50e-9_f64.powi(2))
}
