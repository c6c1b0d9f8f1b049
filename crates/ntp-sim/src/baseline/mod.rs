//! A client of chrony's kind, to be measured beside ours: a robust regression for each source, a
//! weighted mean of the sources, slews of a chosen area, and a poll interval that keeps the number of
//! samples near a target. Written from its documentation and from the comments of its source.
//!
//! `regression.rs` draws a line, `stats.rs` keeps a source's samples, `clock.rs` corrects the clock;
//! here they become a client. It is used by the simulator only.

mod clock;
mod regression;
mod stats;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ntp_proto::association::AssociationId;
use ntp_proto::random::Rng as _;
use ntp_proto::system::{Action, ClockReport, Received, SourceId};
use ntp_proto::time::{MonoTime, NtpDuration, NtpTimestamp, Reading};
use ntp_proto::wire::{Datagram, Header, Stratum, Version};

use crate::SplitMix;
use crate::client::Client;
use clock::{BaselineClock, Update};
pub use regression::Line;
pub use stats::{Sample, SourceStats};

/// Samples that the poll interval aims at.
const POLL_TARGET: f64 = 8.0;

/// Good answers of a burst, its packets, and the seconds between them.
const BURST: u32 = 4;
const BURST_TRIES: u32 = 8;
const BURST_GAP: Duration = Duration::from_secs(2);

/// The resolution of both clocks together, and how fast an error grows during a round trip.
const PRECISION: f64 = 1e-7;
const DRIFT_MAX: f64 = 1e-6;

/// What every distance is taken to be longer by, when sources are compared.
const RESELECT_DISTANCE: f64 = 1e-4;

/// A source that is so many times further away than the selected one does not take part.
const COMBINE_LIMIT: f64 = 3.0;

/// For so many updates.
const DISTANT_UPDATES: u32 = 32;

/// A source.
#[derive(Clone, Debug)]
struct Source {
    id: AssociationId,
    remote: SocketAddr,
    stats: SourceStats,
    poll: i8,
    score: f64,
    next: MonoTime,
    burst: u32,
    tries: u32,
    outstanding: Option<(NtpTimestamp, Option<Reading>)>,
    distant: u32,
}

/// The client.
#[derive(Debug)]
pub struct Baseline {
    sources: Vec<Source>,
    polls: (i8, i8),
    clock: BaselineClock,
    selected: Option<usize>,
    rng: SplitMix,
    actions: VecDeque<Action>,
}

impl Baseline {
    /// A client of these servers with poll exponents within `polls`.
    pub fn new(start: Reading, servers: &[IpAddr], polls: (u8, u8), iburst: bool, seed: u64) -> Self {
        let exponent = |poll: u8| i8::try_from(poll).unwrap_or(17);
        let polls = (exponent(polls.0), exponent(polls.1));
        let source = |(index, address): (u16, &IpAddr)| {
            Some(Source {
                id: AssociationId::new(index + 1)?,
                remote: SocketAddr::new(*address, 123),
                stats: SourceStats::default(),
                poll: polls.0,
                score: 0.0,
                next: start.mono,
                burst: if iburst { BURST } else { 0 },
                tries: BURST_TRIES,
                outstanding: None,
                distant: 0,
            })
        };
        Self {
            sources: (0..).zip(servers).filter_map(source).collect(),
            polls,
            clock: BaselineClock::new(start),
            selected: None,
            rng: SplitMix::stream(seed, 4),
            actions: VecDeque::new(),
        }
    }

    /// An answer with the nonce that was waited for.
    fn measure(&mut self, index: usize, answer: &Header, departed: Reading, arrived: Reading) {
        let (raw_departed, raw_arrived) = (self.clock.raw(departed), self.clock.raw(arrived));
        let forward = (answer.receive - raw_departed).as_seconds_f64();
        let backward = (raw_arrived - answer.transmit).as_seconds_f64();
        let time = f64::midpoint(self.clock.seconds(departed.mono), self.clock.seconds(arrived.mono));
        let delay = forward + backward;
        let sample = Sample {
            time,
            offset: (backward - forward) / 2.0,
            delay,
            dispersion: PRECISION + DRIFT_MAX * delay.abs(),
            root_distance: answer.root_delay.to_duration().as_seconds_f64() / 2.0
                + answer.root_dispersion.to_duration().as_seconds_f64(),
        };
        let now = arrived.mono;
        let Some(source) = self.sources.get_mut(index) else { return };
        if !source.stats.admits(&sample) {
            source.adjust_poll(0.1, self.polls);
            return;
        }
        let miss = (sample.offset - source.stats.predict(time)).abs();
        let had = !source.stats.is_empty();
        source.stats.accumulate(sample);
        source.burst = source.burst.saturating_sub(1);
        let distance = sample.dispersion + sample.delay / 2.0;
        let adjustment = source.poll_adjustment(if had { miss } else { 0.0 }, distance);
        source.adjust_poll(adjustment, self.polls);
        self.select(index, now);
    }

    /// Follows the nearest source, together with those that are nearly as good.
    fn select(&mut self, updated: usize, now: MonoTime) {
        let near = |source: &Source| source.stats.root_distance() + RESELECT_DISTANCE;
        let heard = || self.sources.iter().enumerate().filter(|(_, source)| !source.stats.is_empty());
        let best = heard().min_by(|(_, a), (_, b)| near(a).total_cmp(&near(b))).map(|(index, _)| index);
        // The one in use stays, unless another is clearly nearer.
        let stays = self.selected.filter(|current| {
            best.is_some_and(|best| near(&self.sources[*current]) < 1.2 * near(&self.sources[best]))
        });
        self.selected = stays.or(best);
        if self.selected != Some(updated) {
            return;
        }
        let seconds = self.clock.seconds(now);
        if let Some(update) = self.combine(updated, seconds) {
            let frequency = self.clock.update(now, &update);
            self.actions.push_back(frequency);
        }
    }

    /// The weighted mean: offsets by distance, frequencies by their variances.
    fn combine(&mut self, selected: usize, now: f64) -> Option<Update> {
        let chosen = self.sources.get(selected)?;
        let own = Update::of(&chosen.stats, now);
        let reach = COMBINE_LIMIT * (chosen.stats.root_distance() + RESELECT_DISTANCE);
        let (mut offset, mut offset_weight, mut offset_square) = (0.0, 0.0, 0.0);
        let (mut frequency, mut frequency_weight, mut skew_weight) = (0.0, 0.0, 0.0);
        for (index, source) in self.sources.iter_mut().enumerate() {
            if source.stats.is_empty() {
                continue;
            }
            let each = Update::of(&source.stats, now);
            let apart = (own.frequency - each.frequency).abs();
            let far = source.stats.root_distance() > reach
                || apart > COMBINE_LIMIT * (own.skew + each.skew + DRIFT_MAX);
            if index != selected && far {
                source.distant = DISTANT_UPDATES;
            } else {
                source.distant = source.distant.saturating_sub(1);
            }
            if source.distant > 0 {
                continue;
            }
            let weight = 1.0 / source.stats.root_distance();
            offset_weight += weight;
            offset += weight * each.offset;
            offset_square += weight * (each.offset_deviation.powi(2) + (each.offset - own.offset).powi(2));
            let weight = 1.0 / each.frequency_deviation.powi(2);
            frequency_weight += weight;
            frequency += weight * each.frequency;
            skew_weight += 1.0 / each.skew.powi(2);
        }
        if offset_weight <= 0.0 || self.sources.len() == 1 {
            return Some(own);
        }
        Some(Update {
            offset: offset / offset_weight,
            offset_deviation: (offset_square / offset_weight).sqrt(),
            frequency: frequency / frequency_weight,
            frequency_deviation: frequency_weight.sqrt().recip(),
            skew: skew_weight.sqrt().recip(),
        })
    }
}

impl Source {
    fn poll_adjustment(&self, miss: f64, distance: f64) -> f64 {
        if miss > distance {
            return -(miss / distance).log2();
        }
        let samples = f64::from(u16::try_from(self.stats.len()).unwrap_or(u16::MAX));
        let adjustment = (samples / POLL_TARGET - 1.0) / POLL_TARGET;
        if adjustment < 0.0 { 2.0 * adjustment } else { adjustment }
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped to a poll exponent just after")]
    fn adjust_poll(&mut self, adjustment: f64, (least, most): (i8, i8)) {
        self.score += adjustment;
        let whole = self.score.floor().clamp(-32.0, 32.0);
        self.score -= whole;
        let wanted = i16::from(self.poll) + whole as i16;
        if wanted < i16::from(least) {
            self.score = 0.0;
        } else if wanted > i16::from(most) {
            self.score = 1.0 - f64::EPSILON;
        }
        self.poll = i8::try_from(wanted.clamp(least.into(), most.into())).unwrap_or(most);
    }
}

impl Client for Baseline {
    fn handle_datagram(&mut self, _: MonoTime, received: Received<'_>) {
        let Ok(answer) = Header::parse(received.bytes) else { return };
        let asked = self.sources.iter().position(|source| source.id == received.association);
        let Some(index) = asked else { return };
        let Some((nonce, Some(departed))) = self.sources[index].outstanding else { return };
        if answer.origin != nonce {
            return;
        }
        self.sources[index].outstanding = None;
        if answer.stratum != Stratum::UNSPECIFIED && answer.stratum.is_synchronized() {
            self.measure(index, &answer, departed, received.arrived);
        }
    }

    fn handle_timeout(&mut self, now: MonoTime) {
        if let Some(action) = self.clock.handle_timeout(now) {
            self.actions.push_back(action);
        }
        for source in self.sources.iter_mut().filter(|source| source.next <= now) {
            let nonce = NtpTimestamp::from_bits(self.rng.next_u64().max(1));
            let packet = Datagram::new(Header::request(Version::V4, source.poll, nonce).to_bytes());
            source.outstanding = Some((nonce, None));
            let interval = Duration::from_secs(1 << source.poll.clamp(0, 17));
            let spread = 0.99 + 0.02 * self.rng.unit();
            source.tries = source.tries.saturating_sub(1);
            source.next =
                now + if source.burst > 0 && source.tries > 0 { BURST_GAP } else { interval.mul_f64(spread) };
            self.actions.push_back(Action::Send { association: source.id, remote: source.remote, packet });
        }
    }

    fn next_timeout(&self) -> Option<MonoTime> {
        self.sources.iter().map(|source| source.next).chain(self.clock.next_timeout()).min()
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn handle_clock(&mut self, _: MonoTime, report: ClockReport) {
        match report {
            ClockReport::Sent { association, at } => {
                let source = self.sources.iter_mut().find(|source| source.id == association);
                if let Some((_, departed)) = source.and_then(|source| source.outstanding.as_mut()) {
                    *departed = Some(at);
                }
            }
            ClockReport::FrequencySet { frequency, .. } => self.clock.applied(frequency),
            ClockReport::Stepped { .. }
            | ClockReport::SendFailed { .. }
            | ClockReport::Read { .. }
            | ClockReport::Resumed { .. } => {}
        }
    }

    fn handle_resolved(&mut self, _: MonoTime, _: SourceId, _: Result<Vec<IpAddr>, String>) {}

    fn last_update(&self) -> Option<NtpTimestamp> {
        None
    }

    fn error_bound(&self, _: MonoTime) -> Option<NtpDuration> {
        None
    }
}
