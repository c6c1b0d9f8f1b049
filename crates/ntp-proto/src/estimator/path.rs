//! One path: its shortest round trip, its jitter, and whether its route has changed.

use alloc::collections::VecDeque;

use crate::time::MonoTime;

/// Round trips remembered.
const RING: usize = 512;
/// Excesses over the minimum from which the jitter scale is taken.
const SCALE_WINDOW: usize = 64;
/// Round trips that must agree before a path is believed to have become longer. Eight were too
/// few: queues that stand for minutes then look like a new route.
const ROUTE_CHANGE: usize = 12;
/// Round trips after which such a change is suspected.
const SUSPICION: usize = 4;
/// A round trip that exceeds the shortest by so many scales is one of a hundred and forty, if the route
/// is the same.
const ODD: f64 = 7.0;

/// Round trips within which a shorter one says that the earlier ones were queued.
const NEW_PATH: u32 = 16;
/// Median of the sum of two exponentials of mean one: turns a median excess into a scale.
const MEDIAN_OF_TWO: f64 = 1.678;

/// What one exchange looks like on its path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PathView {
    /// Round trip of this exchange.
    pub(super) round_trip: f64,
    /// Width of the interval in which the lead must lie.
    pub(super) width: f64,
    /// Variance that blurs the interval's edges.
    pub(super) edge_variance: f64,
    /// How far the shortest round trip has just moved; zero if it has not.
    pub(super) jump: f64,
    /// The shortest round trip before it moved.
    pub(super) minimum_before: f64,
    /// The path is so new that a jump shows how little was known of it, not that it has changed.
    pub(super) new_path: bool,
    /// The path may just have changed.
    pub(super) suspect: bool,
    /// This round trip alone is so long that another should tell whether it was a straggler.
    pub(super) odd: bool,
    /// Scale of one leg's queueing.
    pub(super) scale: f64,
    /// Median excess of the last round trips over the shortest.
    pub(super) median: f64,
}

/// An exchange of the newest few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recent {
    pub(super) at: MonoTime,
    pub(super) middle: f64,
    pub(super) round_trip: f64,
}

/// Remembers round trips.
#[derive(Clone, Debug)]
pub(super) struct PathTracker {
    ring: VecDeque<f64>,
    /// The newest exchanges, as far as they have the same route.
    recent: VecDeque<Recent>,
    minimum: f64,
    scale: Option<f64>,
    scale_before_jump: f64,
    since_jump: u32,
    /// Round trips ever taken in.
    seen: u32,
}

impl Default for PathTracker {
    fn default() -> Self {
        Self {
            ring: VecDeque::with_capacity(RING + 1),
            recent: VecDeque::with_capacity(ROUTE_CHANGE + 1),
            minimum: 0.0,
            scale: None,
            scale_before_jump: 0.0,
            since_jump: 0,
            seen: 0,
        }
    }
}

impl PathTracker {
    /// Takes in an exchange; `floor` is the variance of the clocks' resolution. `None` if its round
    /// trip is not finite, or more negative than the clocks' resolution explains.
    pub(super) fn observe(&mut self, exchange: Recent, floor: f64) -> Option<PathView> {
        let round_trip = exchange.round_trip;
        if !round_trip.is_finite() || round_trip < -100e-6 - 10.0 * floor.sqrt() {
            return None;
        }
        self.seen = self.seen.saturating_add(1);
        let minimum_before = self.minimum;
        let jump = self.push(exchange);
        let suspect = jump > 0.0 || self.has_grown(SUSPICION, 2.0).is_some();
        let (scale, median) = self.update_scale(round_trip);
        let count = as_f64(self.ring.len());
        let minimum_error = scale / count.sqrt() * (1.0 + 0.6 / count);
        Some(PathView {
            round_trip,
            width: (round_trip - (self.minimum - 1.25 * minimum_error)).max(0.0),
            edge_variance: floor + (0.33 * minimum_error).powi(2),
            jump,
            minimum_before,
            new_path: self.seen <= NEW_PATH,
            suspect,
            odd: self.ring.len() > ROUTE_CHANGE && round_trip - self.minimum > ODD * scale,
            scale,
            median,
        })
    }

    /// The shortest round trip of the route in force.
    pub(super) const fn minimum(&self) -> f64 {
        self.minimum
    }

    /// The exchanges that the route in force has been judged by, the newest last.
    pub(super) fn recent(&self) -> impl Iterator<Item = &Recent> {
        self.recent.iter()
    }

    /// Moves the origin that leads are counted from.
    pub(super) fn shift_middles(&mut self, by: f64) {
        for exchange in &mut self.recent {
            exchange.middle += by;
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        self.ring.capacity() * size_of::<f64>() + self.recent.capacity() * size_of::<Recent>()
    }

    /// Takes over what an earlier run of the daemon has learnt, as if from one round trip more.
    pub(super) fn remember(&mut self, minimum: f64, scale: f64) {
        self.ring.push_front(minimum);
        self.minimum = if self.seen == 0 { minimum } else { self.minimum.min(minimum) };
        self.scale = Some(scale);
        self.scale_before_jump = scale;
    }

    /// The jitter scale.
    pub(super) fn scale(&self) -> f64 {
        self.scale.unwrap_or(0.0)
    }

    /// Round trips ever taken in.
    pub(super) const fn seen(&self) -> u32 {
        self.seen
    }

    /// Adds to the ring; returns by how much the minimum jumped, zero if it did not.
    fn push(&mut self, exchange: Recent) -> f64 {
        let round_trip = exchange.round_trip;
        self.since_jump = self.since_jump.saturating_add(1);
        if self.recent.len() == ROUTE_CHANGE {
            self.recent.pop_front();
        }
        self.recent.push_back(exchange);
        if self.ring.is_empty() {
            self.restart(1);
            return 0.0;
        }
        let old = self.minimum;
        let shorter = old - round_trip;
        let scale = self.scale.unwrap_or_else(|| 0.05 * round_trip.abs());
        let surprising = if self.since_jump < 16 {
            shorter > scale / 10.0
        } else {
            shorter > 3.0 * scale / as_f64(self.ring.len()).sqrt() + scale / 2.0
        };
        if surprising {
            self.restart(1);
            return shorter;
        }
        self.ring.push_back(round_trip);
        self.minimum = self.minimum.min(round_trip);
        if self.ring.len() > RING
            && let Some(evicted) = self.ring.pop_front()
            && evicted <= self.minimum
        {
            self.minimum = least(&self.ring);
        }
        if let Some(lowest) = self.has_grown(ROUTE_CHANGE, 3.0) {
            self.restart(ROUTE_CHANGE);
            return lowest - old;
        }
        0.0
    }

    /// Whether the last `count` round trips all lie above the minimum by more than their own
    /// spread explains; if so, the lowest of them.
    fn has_grown(&self, count: usize, spreads: f64) -> Option<f64> {
        if self.ring.len() <= count {
            return None;
        }
        let lowest = self.newest(count).fold(f64::INFINITY, f64::min);
        let spread = self.newest(count).map(|trip| trip - lowest).sum::<f64>() / as_f64(count) / 2.0;
        let growth = lowest - self.minimum;
        let scale = self.scale.unwrap_or(0.0);
        (growth > spreads * spread + 1e-7 && growth > 3.0 * scale).then_some(lowest)
    }

    fn newest(&self, count: usize) -> impl Iterator<Item = f64> + '_ {
        self.ring.iter().rev().take(count).copied()
    }

    /// Only the newest exchanges have the route in force.
    fn restart(&mut self, kept: usize) {
        while self.recent.len() > kept {
            self.recent.pop_front();
        }
        self.ring.clear();
        self.ring.extend(self.recent.iter().map(|exchange| exchange.round_trip));
        self.minimum = least(&self.ring);
        self.since_jump = 0;
        self.scale_before_jump = self.scale.unwrap_or_else(|| 0.05 * self.minimum.abs());
    }

    /// The jitter scale, which is the median excess blended with what was known before the ring began;
    /// and that excess.
    fn update_scale(&mut self, round_trip: f64) -> (f64, f64) {
        let mut excesses = [0.0; SCALE_WINDOW];
        let filled = self.ring.len().min(SCALE_WINDOW);
        for (excess, trip) in excesses.iter_mut().zip(self.ring.iter().rev()) {
            *excess = trip - self.minimum;
        }
        let (_, median, _) = excesses[..filled].select_nth_unstable_by(filled / 2, f64::total_cmp);
        let median = *median;
        let count = as_f64(self.ring.len());
        let before = if self.scale.is_none() { 0.05 * round_trip.abs() } else { self.scale_before_jump };
        let own = median / MEDIAN_OF_TWO;
        let blended = if count <= 32.0 { (count * own + 4.0 * before) / (count + 4.0) } else { own };
        let scale = blended.max(1e-9);
        self.scale = Some(scale);
        (scale, median)
    }
}

fn least(ring: &VecDeque<f64>) -> f64 {
    ring.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Counts of at most a few hundred.
#[expect(clippy::cast_precision_loss, reason = "a ring's length")]
const fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: f64 = 1e-14;

    fn trip(round_trip: f64) -> Recent {
        Recent { at: MonoTime::ZERO, middle: 0.0, round_trip }
    }

    #[test]
    fn a_longer_route_is_noticed_after_twelve_packets_and_not_before() {
        let mut path = PathTracker::default();
        for round in 0..40 {
            let wobble = f64::from(round % 5) * 10e-6;
            assert!(!path.observe(trip(0.010 + wobble), FLOOR).unwrap().suspect, "{round}");
        }
        let jumps: Vec<f64> = (0..14)
            .map(|round| path.observe(trip(0.020 + f64::from(round % 5) * 10e-6), FLOOR).unwrap().jump)
            .collect();
        assert!(jumps[..11].iter().all(|jump| *jump == 0.0), "{jumps:?}");
        assert!((jumps[11] - 0.010).abs() < 1e-4, "{jumps:?}");
    }

    #[test]
    fn the_quickest_packet_has_the_narrowest_interval() {
        let mut path = PathTracker::default();
        for round in 0..50 {
            path.observe(trip(0.010 + f64::from(round % 7) * 1e-4), FLOOR);
        }
        let quick = path.observe(trip(0.010), FLOOR).unwrap();
        let slow = path.observe(trip(0.0106), FLOOR).unwrap();
        assert!(quick.width < 1e-4 && slow.width > 5e-4);
    }

    #[test]
    fn nonsense_is_refused() {
        let mut path = PathTracker::default();
        assert!(path.observe(trip(f64::NAN), FLOOR).is_none());
        assert!(path.observe(trip(f64::INFINITY), FLOOR).is_none());
        assert!(path.observe(trip(-1.0), FLOOR).is_none());
    }
}
