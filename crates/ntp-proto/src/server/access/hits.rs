//! How often each rule decided about a datagram.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Threads count in lanes of their own, or each would wait for the others at every datagram.
const LANES: usize = 8;

/// Where there are more rules, threads share one lane: it takes memory for every rule.
const RULES_MAX: usize = 4096;

/// Counters in a cache line, of any processor.
const LINE: usize = 8;

/// Counters of rules; copies of it count together.
#[derive(Clone, Debug)]
pub(super) struct Hits {
    counters: Arc<[AtomicU64]>,
    /// From one lane to the next: so far that no two lanes are in one cache line.
    stride: usize,
    lanes: usize,
}

impl Hits {
    /// For so many rules, none of which has decided yet.
    pub(super) fn new(rules: usize) -> Self {
        let lanes = if rules > RULES_MAX { 1 } else { LANES };
        let stride = rules.next_multiple_of(LINE) + LINE;
        let counters: Box<[AtomicU64]> = (0..stride * lanes).map(|_| AtomicU64::new(0)).collect();
        Self { counters: counters.into(), stride, lanes }
    }

    /// Counts what a rule has decided.
    pub(super) fn count(&self, rule: usize, lane: usize) {
        self.add(rule, lane, 1);
    }

    pub(super) fn add(&self, rule: usize, lane: usize, hits: u64) {
        if let Some(counter) = self.counters.get(lane % self.lanes * self.stride + rule) {
            counter.fetch_add(hits, Relaxed);
        }
    }

    /// How often a rule has decided.
    pub(super) fn of(&self, rule: usize) -> u64 {
        let lanes = (0..self.lanes).filter_map(|lane| self.counters.get(lane * self.stride + rule));
        lanes.fold(0, |sum, counter| sum.wrapping_add(counter.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_add_up_and_rules_do_not_mix() {
        for rules in [1, 7, 8, 9, RULES_MAX + 1] {
            let hits = Hits::new(rules);
            let copy = hits.clone();
            for lane in 0..20 {
                copy.count(0, lane);
                hits.count(rules - 1, lane);
            }
            let expected = if rules == 1 { 40 } else { 20 };
            assert_eq!((hits.of(0), copy.of(rules - 1)), (expected, expected), "{rules} rules");
        }
    }
}
