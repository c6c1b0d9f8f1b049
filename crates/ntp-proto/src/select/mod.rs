//! Which sources to believe: a majority whose error bounds share a point (RFC 5905 §11.2.1), and
//! which of them to name as ours (RFC 5905 §11.2.3).
//!
//! Clustering and hysteresis come with the full discipline; the interface is already theirs.

use crate::association::AssociationId;
use crate::time::NtpDuration;
use crate::wire::Stratum;

/// The most root distance of a source that may be followed (RFC 5905 §7.2 MAXDIST, which ntp.conf
/// calls `tos maxdist`).
pub const DISTANCE_MAX: NtpDuration = NtpDuration::from_millis(1500);

/// What a source brings to the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which source.
    pub id: AssociationId,
    /// How far it says the undisciplined clock is ahead, projected to now.
    pub lead: NtpDuration,
    /// How far that may be from the truth (RFC 5905 §11.2.1 lambda).
    pub root_distance: NtpDuration,
    /// Its stratum.
    pub stratum: Stratum,
    /// `prefer` in ntp.conf.
    pub prefer: bool,
    /// `true` in ntp.conf: believed whatever the others say.
    pub truechimer: bool,
}

/// The standing of a source, with the numbers that mode 6 gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Standing {
    /// Not considered.
    #[default]
    Reject,
    /// Outvoted.
    Falseticker,
    /// More than are needed.
    Excess,
    /// Thrown out by clustering.
    Outlier,
    /// A survivor.
    Candidate,
    /// A survivor held in reserve.
    Backup,
    /// The survivor whose variables become ours.
    SystemPeer,
    /// The same, with a pulse-per-second signal.
    PpsPeer,
}

impl Standing {
    /// The selection code of a peer status word (RFC 9327 §3.2).
    pub const fn code(self) -> u16 {
        match self {
            Self::Reject => 0,
            Self::Falseticker => 1,
            Self::Excess => 2,
            Self::Outlier => 3,
            Self::Candidate => 4,
            Self::Backup => 5,
            Self::SystemPeer => 6,
            Self::PpsPeer => 7,
        }
    }

    /// Whether the source has a say in the time.
    pub const fn survives(self) -> bool {
        matches!(self, Self::Candidate | Self::Backup | Self::SystemPeer | Self::PpsPeer)
    }
}

/// The outcome of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selection {
    standings: Vec<(AssociationId, Standing)>,
    system_peer: Option<AssociationId>,
}

impl Selection {
    /// Holds a vote. `minsane` survivors are needed for any to survive.
    pub fn vote(candidates: &[Candidate], minsane: usize) -> Self {
        let agreed = majority(candidates);
        let holds = |candidate: &Candidate| {
            candidate.truechimer
                || agreed.is_some_and(|point| (candidate.lead - point).abs() <= candidate.root_distance)
        };
        let survivors: Vec<&Candidate> = candidates.iter().filter(|candidate| holds(candidate)).collect();
        let sane = survivors.len() >= minsane.max(1);
        let system_peer = survivors
            .iter()
            .min_by_key(|survivor| (!survivor.prefer, merit(survivor)))
            .map(|survivor| survivor.id)
            .filter(|_| sane);
        let standing = |candidate: &Candidate| {
            if !holds(candidate) {
                Standing::Falseticker
            } else if !sane {
                Standing::Reject
            } else if system_peer == Some(candidate.id) {
                Standing::SystemPeer
            } else {
                Standing::Candidate
            }
        };
        let standings = candidates.iter().map(|candidate| (candidate.id, standing(candidate))).collect();
        Self { standings, system_peer }
    }

    /// The standing of a source; those that did not vote are rejected.
    pub fn standing(&self, id: AssociationId) -> Standing {
        self.standings
            .iter()
            .find(|(voter, _)| *voter == id)
            .map_or(Standing::Reject, |(_, standing)| *standing)
    }

    /// The source whose variables become ours.
    pub const fn system_peer(&self) -> Option<AssociationId> {
        self.system_peer
    }

    /// How many survived.
    pub fn survivors(&self) -> usize {
        self.standings.iter().filter(|(_, standing)| standing.survives()).count()
    }
}

/// The point inside the bounds of most candidates, if these are more than half; the middle of the
/// stretch that they share.
fn majority(candidates: &[Candidate]) -> Option<NtpDuration> {
    let mut edges: Vec<(NtpDuration, i32)> = Vec::with_capacity(2 * candidates.len());
    for candidate in candidates {
        edges.push((candidate.lead - candidate.root_distance, -1));
        edges.push((candidate.lead + candidate.root_distance, 1));
    }
    // At equal points openings come first, so that bounds which only touch still agree.
    edges.sort();
    let mut depth = 0_usize;
    let mut best = (0_usize, NtpDuration::ZERO, NtpDuration::ZERO);
    for (index, (point, side)) in edges.iter().enumerate() {
        if *side < 0 {
            depth += 1;
            if depth > best.0 {
                let end = edges.get(index + 1).map_or(*point, |(end, _)| *end);
                best = (depth, *point, end);
            }
        } else {
            depth -= 1;
        }
    }
    let (agreeing, start, end) = best;
    (2 * agreeing > candidates.len()).then(|| start + (end - start).half())
}

/// The smaller, the better: stratum first, then root distance (RFC 5905 §11.2.2).
fn merit(candidate: &Candidate) -> NtpDuration {
    let strata = (0..candidate.stratum.value()).fold(NtpDuration::ZERO, |sum, _| sum + DISTANCE_MAX);
    strata + candidate.root_distance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u16, lead_ms: i32, distance_ms: i32) -> Candidate {
        Candidate {
            id: AssociationId::new(id).unwrap(),
            lead: NtpDuration::from_millis(lead_ms),
            root_distance: NtpDuration::from_millis(distance_ms),
            stratum: Stratum::new(2),
            prefer: false,
            truechimer: false,
        }
    }

    fn standings(selection: &Selection, ids: impl IntoIterator<Item = u16>) -> Vec<Standing> {
        ids.into_iter().map(|id| selection.standing(AssociationId::new(id).unwrap())).collect()
    }

    #[test]
    fn three_agreeing_servers_outvote_a_liar() {
        let voters = [candidate(1, 0, 5), candidate(2, 1, 5), candidate(3, 100, 5), candidate(4, -1, 5)];
        let selection = Selection::vote(&voters, 1);
        let expected =
            [Standing::SystemPeer, Standing::Candidate, Standing::Falseticker, Standing::Candidate];
        assert_eq!(standings(&selection, 1..=4), expected);
    }

    #[test]
    fn two_servers_that_disagree_leave_nobody_to_follow() {
        let selection = Selection::vote(&[candidate(1, 0, 5), candidate(2, 100, 5)], 1);
        assert_eq!(selection.system_peer(), None);
        assert_eq!(standings(&selection, 1..=2), [Standing::Falseticker, Standing::Falseticker]);
    }

    #[test]
    fn a_lower_stratum_wins_and_prefer_wins_over_it() {
        let near = Candidate { stratum: Stratum::new(3), ..candidate(1, 0, 1) };
        let low = Candidate { stratum: Stratum::new(1), ..candidate(2, 0, 9) };
        assert_eq!(Selection::vote(&[near, low], 1).system_peer(), AssociationId::new(2));
        let preferred = Candidate { prefer: true, ..near };
        assert_eq!(Selection::vote(&[preferred, low], 1).system_peer(), AssociationId::new(1));
    }

    #[test]
    fn fewer_survivors_than_minsane_are_no_survivors() {
        let selection = Selection::vote(&[candidate(1, 0, 5), candidate(2, 0, 5)], 3);
        assert_eq!(selection.survivors(), 0);
        assert_eq!(selection.system_peer(), None);
    }

    #[test]
    fn nobody_voting_is_no_vote() {
        assert_eq!(Selection::vote(&[], 1), Selection::default());
    }
}
