//! All that is known of one source: its path, its own filter, and the routes that it had before.

use crate::time::MonoTime;

use super::bank::{Bank, Evidence, Lesson, Moments};
use super::doubt::{Doubt, Outlier, doubt};
use super::memory::PathMemory;
use super::path::{PathTracker, PathView, Recent};
use super::shapes::PathShapes;
use super::{Sample, Worth};

/// Routes remembered.
const ROUTES: usize = 8;

/// A route is an earlier one if its shortest round trip is within this share of the jump.
const ROUTE_MATCH: f64 = 0.1;

/// How much of a route's jump its bias may have taken, if the samples say that it was not one leg's.
const JUMP_SHARE_BOTH: f64 = 0.005;

/// How much, if they say that it was.
pub(super) const JUMP_SHARE_ONE: f64 = 0.5;

/// What remains unknown of the bias of a route that has come back.
const JUMP_SHARE_RECALLED: f64 = 0.02;

/// Round trips by which a path is recognised, and how many jitter scales their least may be off.
const MEMORY_TRIPS: u32 = 8;
const MEMORY_MATCH: f64 = 3.0;

/// One source.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) path: PathTracker,
    /// Judges the source by itself, so that it cannot drag what judges it.
    pub(super) solo: Bank,
    pub(super) solo_shapes: PathShapes,
    /// An outlier that awaits confirmation, and the last one that found it.
    solo_suspicion: Option<Outlier>,
    solo_jump: Option<Outlier>,
    /// The likelihoods of the joint filter for this path.
    pub(super) shapes: PathShapes,
    /// An outlier of the joint filter that awaits confirmation.
    pub(super) suspicion: Option<Outlier>,
    /// When a sample was last where the joint filter expected it.
    pub(super) last_inlier: Option<MonoTime>,
    /// How far off its answers may be for all that can be known: half of the round trip, and what the
    /// server admits.
    pub(super) distance: f64,
    routes: Vec<Route>,
    /// What an earlier run has learnt, until the path shows whether it is still the same.
    remembered: Option<PathMemory>,
    /// The same, if the clock has run on since: then it is the same path.
    pub(super) inherited: Option<PathMemory>,
}

/// A route that the path had.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Route {
    minimum: f64,
    bias: f64,
}

/// What a change of route may have done to a bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RouteChange {
    /// It has become the one that it was when this route was last in use, within so much.
    Recalled { bias: f64, deviation: f64 },
    /// It has moved by something of this deviation.
    Moved { deviation: f64 },
}

impl Track {
    /// A source that is heard for the first time.
    pub(super) fn new(
        at: MonoTime,
        prior: &Moments,
        remembered: Option<PathMemory>,
        continued: bool,
    ) -> Self {
        let (inherited, remembered) = if continued { (remembered, None) } else { (None, remembered) };
        let mut track = Self {
            path: PathTracker::default(),
            solo: Bank::new(at, prior),
            solo_shapes: PathShapes::plain(),
            solo_suspicion: None,
            solo_jump: None,
            shapes: PathShapes::all(),
            suspicion: None,
            last_inlier: None,
            distance: f64::INFINITY,
            routes: Vec::with_capacity(ROUTES),
            remembered,
            inherited,
        };
        if let Some(path) = inherited {
            track.path.remember(path.minimum, path.scale);
            track.shapes.remember(path.shapes, path.residual);
        }
        track
    }

    /// Takes an exchange into the path and into the source's own filter.
    pub(super) fn observe(&mut self, exchange: Recent, floor: f64) -> Option<Sample> {
        let view = self.path.observe(exchange, floor)?;
        self.compare_with_memory();
        let evidence = Evidence { at: exchange.at, middle: exchange.middle, view };
        self.solo.advance(exchange.at);
        if view.jump > 0.0 {
            self.solo.widen_lead(JUMP_SHARE_ONE * view.jump);
            self.solo_shapes.start_over();
        }
        let lesson = self.solo.learn(None, &evidence, &mut self.solo_shapes, false);
        self.follow_jump(&evidence, &lesson);
        let worth = worth(&evidence, &lesson, &self.solo_shapes);
        Some(Sample { evidence, worth, expected: lesson.was_expected() })
    }

    /// Two outliers in a row that agree: the source, or the clock, has jumped.
    fn follow_jump(&mut self, evidence: &Evidence, lesson: &Lesson) {
        let before = self.solo_suspicion.take();
        let outlier = match doubt(evidence, lesson) {
            Doubt::None => return,
            Doubt::Vague => {
                self.solo_suspicion = before;
                return;
            }
            Doubt::Outlier(outlier) => outlier,
        };
        if before.is_some_and(|before| outlier.repeats(&before)) {
            let last = self.solo_jump.replace(outlier);
            self.solo.widen_lead(outlier.residual.abs());
            self.solo.widen_rate(outlier.rate_doubt().max(outlier.ramp_doubt(last)));
            self.solo.learn(None, evidence, &mut self.solo_shapes, false);
        } else {
            self.solo_suspicion = Some(outlier);
        }
    }

    /// Once the first round trips agree with what an earlier run saw, what it learnt counts.
    fn compare_with_memory(&mut self) {
        if self.path.seen() < MEMORY_TRIPS {
            return;
        }
        let Some(memory) = self.remembered.take() else { return };
        if (self.path.minimum() - memory.minimum).abs() < MEMORY_MATCH * memory.scale {
            self.path.remember(memory.minimum, memory.scale);
            self.shapes.remember(memory.shapes, memory.residual);
        }
    }

    /// What a change of route does to the bias that it had. `expected` tells where the middle of an
    /// exchange at a time was to be expected, `variance` how well that is known.
    pub(super) fn change_route(
        &mut self,
        view: &PathView,
        bias: f64,
        variance: f64,
        expected: impl Fn(MonoTime) -> f64,
    ) -> RouteChange {
        self.inherited = None;
        let (minimum, old_minimum) = (self.path.minimum(), view.minimum_before);
        let near = |route: &Route| (route.minimum - minimum).abs() < ROUTE_MATCH * view.jump + view.scale;
        let known = self.routes.iter().rev().find(|route| near(route)).copied();
        self.routes.retain(|route| (route.minimum - old_minimum).abs() >= view.scale);
        if self.routes.len() == ROUTES {
            self.routes.remove(0);
        }
        self.routes.push(Route { minimum: old_minimum, bias });
        if let Some(route) = known {
            let deviation = JUMP_SHARE_RECALLED * view.jump;
            return RouteChange::Recalled { bias: route.bias, deviation };
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for exchange in self.path.recent() {
            let excess = exchange.round_trip - minimum;
            let weight = 1.0 / (excess.powi(2) / 4.0 + view.scale.powi(2) / 16.0 + view.edge_variance);
            sum += weight * (exchange.middle - expected(exchange.at));
            weights += weight;
        }
        let (residual, noise) = (sum / weights, variance + 1.0 / weights);
        let ln_likelihood = |share: f64| {
            let total = noise + (share * view.jump).powi(2);
            -residual.powi(2) / (2.0 * total) - total.ln() / 2.0
        };
        let both = ln_likelihood(JUMP_SHARE_BOTH) > ln_likelihood(JUMP_SHARE_ONE);
        let share = if both { JUMP_SHARE_BOTH } else { JUMP_SHARE_ONE };
        RouteChange::Moved { deviation: share * view.jump }
    }

    /// Moves the origin that leads are counted from.
    pub(super) fn shift_lead(&mut self, by: f64) {
        self.solo.shift_lead(by);
        self.path.shift_middles(by);
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        self.solo.heap_size() + self.path.heap_size() + self.routes.capacity() * size_of::<Route>()
    }
}

/// Below this nobody polls more often for a tighter estimate, in seconds.
const LOOSENESS_FLOOR: f64 = 2e-6;

/// The scale of exponential queues on both legs over the deviation of the residuals that they cause.
const SCALE_OF_RESIDUAL: f64 = core::f64::consts::SQRT_2;

/// What a sample was worth to a filter.
pub(super) fn worth(evidence: &Evidence, lesson: &Lesson, shapes: &PathShapes) -> Worth {
    let view = &evidence.view;
    // Noise of the stamps looks like queueing in the round trips, but not in the residuals.
    let jitter = view.scale.min(SCALE_OF_RESIDUAL * shapes.residual().sqrt());
    Worth {
        gain: lesson.variance_before / lesson.variance_after,
        looseness: lesson.variance_before.sqrt() / (jitter + LOOSENESS_FLOOR),
        jumped: view.jump > 0.0,
        suspect: view.suspect || view.odd,
    }
}
