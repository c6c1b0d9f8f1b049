//! Paths: how long each packet takes, and which never arrive.

use crate::SplitMix;
use crate::scenario::{Jitter, PathScenario};

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// From the client to the server.
    Up,
    /// Back.
    Down,
}

/// What happens to a packet.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Passage {
    /// How long each copy takes, seconds; none if it is lost.
    pub delays: Vec<f64>,
    /// Error of the receive stamp, seconds.
    pub stamp_error: f64,
}

/// One path with its state.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    scenario: PathScenario,
    /// One stream for each leg.
    rng: [SplitMix; 2],
    /// Whether each leg is in a bad spell (Gilbert's model).
    bad: [bool; 2],
    /// Whether a packet has gone up already.
    begun: bool,
}

impl Path {
    pub(crate) fn new(scenario: &PathScenario, seed: u64, index: u64) -> Self {
        let rng = [SplitMix::stream(seed, 100 + 2 * index), SplitMix::stream(seed, 101 + 2 * index)];
        Self { scenario: scenario.clone(), rng, bad: [false; 2], begun: false }
    }

    /// Sends a packet at so many seconds of true time.
    pub(crate) fn send(&mut self, leg: Leg, seconds: f64) -> Passage {
        let index = usize::from(leg == Leg::Down);
        let jitter = self.queueing(index);
        let scenario = &self.scenario;
        let rng = &mut self.rng[index];
        let stamp_error = scenario.timestamp_noise * rng.normal();
        let route = scenario.routes(leg).map_or(0.0, |route| route.at(seconds));
        let burst = scenario.bursts(leg).filter(|burst| burst.covers(seconds));
        let burst = burst.map_or(0.0, |burst| rng.exponential(burst.amp));
        let spike =
            scenario.spike.filter(|_| rng.unit() < scenario.spike.map_or(0.0, |(chance, _)| chance / 2.0));
        let spike = spike.map_or(0.0, |(_, mean)| rng.exponential(mean));
        let held =
            scenario.reorder.filter(|(chance, _)| rng.unit() < *chance).map_or(0.0, |(_, extra)| extra);
        let first = if leg == Leg::Up && !self.begun { scenario.hold_up_first } else { 0.0 };
        self.begun = true;
        let delay = scenario.base[index] + jitter + route + burst + spike + held + first;
        let lost = rng.unit() < 1.0 - (1.0 - scenario.loss).sqrt();
        let out = scenario.outages.iter().any(|(from, to)| (*from..*to).contains(&seconds));
        if lost || out {
            return Passage::default();
        }
        let again = (rng.unit() < scenario.duplicate).then(|| delay + rng.exponential(1e-3));
        Passage { delays: [delay.max(0.0)].into_iter().chain(again).collect(), stamp_error }
    }

    fn queueing(&mut self, index: usize) -> f64 {
        let rng = &mut self.rng[index];
        match self.scenario.jitter(index) {
            Jitter::None => 0.0,
            Jitter::Exponential(mean) => rng.exponential(mean),
            Jitter::Gamma(shape, mean) => (0..shape).map(|_| rng.exponential(mean)).sum(),
            Jitter::Lognormal(median, sigma) => median * (sigma * rng.normal()).exp(),
            Jitter::Gaussian(deviation) => (deviation * rng.normal()).abs(),
            Jitter::Gilbert { median, sigma, amp, enter, leave } => {
                let turns = rng.unit() < if self.bad[index] { leave } else { enter };
                self.bad[index] ^= turns;
                let bad = if self.bad[index] { rng.exponential(amp) } else { 0.0 };
                median * (sigma * rng.normal()).exp() + bad
            }
        }
    }
}
