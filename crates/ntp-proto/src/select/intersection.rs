//! The intersection algorithm: the smallest interval that a majority can share (RFC 5905 §11.2.1).

use crate::time::NtpDuration;

use super::Candidate;

/// An interval of leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) low: NtpDuration,
    pub(super) high: NtpDuration,
}

impl Interval {
    /// What a candidate vouches for.
    pub(super) fn of(candidate: &Candidate) -> Self {
        Self { low: candidate.lead - candidate.root_distance, high: candidate.lead + candidate.root_distance }
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// The end points and the middle of an interval, in the order in which they are met going up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Low,
    Middle,
    High,
}

/// The interval that all but fewer than half of the candidates share, and which holds the middles of
/// those; the one that needs the fewest falsetickers. `None` without a majority.
///
/// DEVIATION(RFC 5905 §11.2.1): where all intervals meet, nobody contradicts anybody, wherever the
/// middles lie: of a near server and one far away both are right.
pub(super) fn intersection(candidates: &[Candidate]) -> Option<Interval> {
    let mut edges: Vec<(NtpDuration, Edge)> = Vec::with_capacity(3 * candidates.len());
    for candidate in candidates {
        let interval = Interval::of(candidate);
        edges.extend([
            (interval.low, Edge::Low),
            (candidate.lead, Edge::Middle),
            (interval.high, Edge::High),
        ]);
    }
    edges.sort();
    let total = candidates.len();
    let share = |allowed: usize, middles_count: bool| {
        let needed = total - allowed;
        let (low, below) = reach(edges.iter().copied(), Edge::Low, needed)?;
        let (high, above) = reach(edges.iter().rev().copied(), Edge::High, needed)?;
        // A middle outside belongs to a falseticker.
        let holds = !middles_count || below + above <= allowed;
        (low <= high && holds).then_some(Interval { low, high })
    };
    // RFC 5905 §11.2.1: allow more and more falsetickers, as long as they are a minority.
    (0..total.div_ceil(2)).find_map(|allowed| share(allowed, true)).or_else(|| share(0, false))
}

/// Where, going on from one end, `needed` intervals have been entered; with the middles passed on the
/// way.
fn reach(
    edges: impl Iterator<Item = (NtpDuration, Edge)>,
    entry: Edge,
    needed: usize,
) -> Option<(NtpDuration, usize)> {
    let (mut depth, mut middles) = (0_usize, 0);
    for (point, edge) in edges {
        if edge == Edge::Middle {
            middles += 1;
        } else if edge == entry {
            depth += 1;
            if depth >= needed {
                return Some((point, middles));
            }
        } else {
            depth = depth.saturating_sub(1);
        }
    }
    None
}
