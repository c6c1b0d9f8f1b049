//! Which sources to believe, and which of them to name as ours (RFC 5905 §11.2).
//!
//! `intersection.rs` finds what a majority agrees on, `cluster.rs` sets aside those of the majority
//! that scatter; here they make a vote. Who may vote, and how soon a source is followed or left after
//! a vote, is `system/follow.rs`'s matter.

mod cluster;
mod intersection;

use core::time::Duration;

use crate::association::AssociationId;
use crate::estimator::FOLLOWED_MAX;
use crate::time::NtpDuration;
use crate::wire::Stratum;

use cluster::cluster;
use intersection::{Interval, intersection};

/// What a source brings to the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which source.
    pub id: AssociationId,
    /// How far it says the undisciplined clock is ahead, projected to now.
    pub lead: NtpDuration,
    /// How far that may be from the truth (RFC 5905 §11.2.1 lambda).
    pub root_distance: NtpDuration,
    /// How much its own samples scatter (RFC 5905 §10 psi).
    pub jitter: NtpDuration,
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

/// What ntp.conf says about the vote (`tos`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectionConfig {
    /// Survivors needed to follow any (`minsane`).
    pub survivors_min: usize,
    /// Survivors that clustering leaves (`minclock`).
    pub cluster_min: usize,
    /// The most survivors, and the most members of pools (`maxclock`).
    pub survivors_max: usize,
    /// The most root distance of a source that may be followed (`maxdist`, RFC 5905 §7.2 MAXDIST).
    pub distance_max: NtpDuration,
    /// The least root distance that is reckoned with (`mindist`).
    pub distance_min: NtpDuration,
    /// Sources of a lower stratum are not followed (`floor`).
    pub stratum_min: u8,
    /// Nor those of this or a higher one (`ceiling`).
    pub stratum_limit: u8,
    /// The stratum at which this machine serves its own time if nobody gives it any; 16 for never
    /// (`orphan`).
    pub orphan_stratum: u8,
    /// After how long that is (`orphanwait`).
    pub orphan_wait: Duration,
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self {
            survivors_min: 1,
            cluster_min: 3,
            survivors_max: 10,
            distance_max: NtpDuration::from_millis(1500),
            distance_min: NtpDuration::from_millis(1),
            stratum_min: 0,
            stratum_limit: 15,
            orphan_stratum: 16,
            orphan_wait: Duration::from_mins(5),
        }
    }
}

impl SelectionConfig {
    /// Whether `tos floor` and `tos ceiling` let a source be followed.
    pub fn admits(&self, stratum: Stratum) -> bool {
        (self.stratum_min..self.stratum_limit).contains(&stratum.value())
    }
}

/// The outcome of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selection {
    standings: Vec<(AssociationId, Standing)>,
    system_peer: Option<AssociationId>,
    hindrance: Option<Hindrance>,
}

/// Why nobody is followed although there are voters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// No majority of them agrees.
    Split,
    /// Only so many survive, fewer than `tos minsane`.
    TooFew(usize),
}

impl Selection {
    /// Holds a vote. `before` is the source that led until now.
    pub fn vote(candidates: &[Candidate], config: &SelectionConfig, before: Option<AssociationId>) -> Self {
        let shared = intersection(candidates);
        let honest = |candidate: &&Candidate| {
            candidate.truechimer || shared.is_some_and(|shared| shared.meets(&Interval::of(candidate)))
        };
        let merit = |candidate: &Candidate| merit(candidate, config);
        let (mut survivors, liars): (Vec<&Candidate>, Vec<&Candidate>) = candidates.iter().partition(honest);
        survivors.sort_by_key(|survivor| (!survivor.prefer, merit(survivor)));
        let excess = survivors.split_off(survivors.len().min(config.survivors_max.clamp(1, FOLLOWED_MAX)));
        let outliers = cluster(&mut survivors, config.cluster_min.max(config.survivors_min));
        let sane = survivors.len() >= config.survivors_min.max(1);
        let best = survivors.first().copied().filter(|_| sane);
        // RFC 5905 §11.2.3: no hopping between survivors that are as good as each other.
        let stays = survivors.iter().copied().find(|survivor| {
            let equal = |best: &Candidate| best.stratum == survivor.stratum && best.prefer == survivor.prefer;
            Some(survivor.id) == before && best.is_some_and(equal)
        });
        let leader = stays.or(best).map(|leader| leader.id);
        let of_survivor = |survivor: &Candidate| match leader {
            None => Standing::Reject,
            Some(leader) if leader == survivor.id => Standing::SystemPeer,
            Some(_) => Standing::Candidate,
        };
        let standings = liars
            .into_iter()
            .map(|liar| (liar.id, Standing::Falseticker))
            .chain(excess.into_iter().map(|extra| (extra.id, Standing::Excess)))
            .chain(outliers.into_iter().map(|outlier| (outlier.id, Standing::Outlier)))
            .chain(survivors.iter().map(|survivor| (survivor.id, of_survivor(survivor))))
            .collect();
        let hindrance = match shared {
            _ if leader.is_some() => None,
            None if !candidates.is_empty() => Some(Hindrance::Split),
            _ if !sane && !survivors.is_empty() => Some(Hindrance::TooFew(survivors.len())),
            _ => None,
        };
        Self { standings, system_peer: leader, hindrance }
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

    /// Who survived.
    pub fn surviving(&self) -> Vec<AssociationId> {
        let survives = |(id, standing): &(AssociationId, Standing)| standing.survives().then_some(*id);
        self.standings.iter().filter_map(survives).collect()
    }

    /// How many survived.
    pub fn survivors(&self) -> usize {
        self.standings.iter().filter(|(_, standing)| standing.survives()).count()
    }

    /// Who voted.
    pub fn voters(&self) -> Vec<AssociationId> {
        self.standings.iter().map(|(voter, _)| *voter).collect()
    }

    /// Why nobody is followed although there are voters.
    pub const fn hindrance(&self) -> Option<Hindrance> {
        self.hindrance
    }
}

/// The lower, the better: stratum first, then root distance.
fn merit(candidate: &Candidate, config: &SelectionConfig) -> NtpDuration {
    let step = config.distance_max;
    (0..candidate.stratum.value()).fold(candidate.root_distance, |sum, _| sum + step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u16, lead_ms: i32, distance_ms: i32) -> Candidate {
        Candidate {
            id: AssociationId::new(id).unwrap(),
            lead: NtpDuration::from_millis(lead_ms),
            root_distance: NtpDuration::from_millis(distance_ms),
            jitter: NtpDuration::from_millis(2),
            stratum: Stratum::new(2),
            prefer: false,
            truechimer: false,
        }
    }

    fn vote(candidates: &[Candidate]) -> Selection {
        Selection::vote(candidates, &SelectionConfig::default(), None)
    }

    fn standings(selection: &Selection, ids: impl IntoIterator<Item = u16>) -> Vec<Standing> {
        ids.into_iter().map(|id| selection.standing(AssociationId::new(id).unwrap())).collect()
    }

    #[test]
    fn three_agreeing_servers_outvote_a_liar() {
        let voters = [candidate(1, 0, 5), candidate(2, 1, 5), candidate(3, 100, 5), candidate(4, -1, 5)];
        let selection = vote(&voters);
        let expected =
            [Standing::SystemPeer, Standing::Candidate, Standing::Falseticker, Standing::Candidate];
        assert_eq!(standings(&selection, 1..=4), expected);
    }

    #[test]
    fn two_servers_that_disagree_leave_nobody_to_follow() {
        let selection = vote(&[candidate(1, 0, 5), candidate(2, 100, 5)]);
        assert_eq!(selection.system_peer(), None);
        assert_eq!(standings(&selection, 1..=2), [Standing::Falseticker, Standing::Falseticker]);
    }

    #[test]
    fn a_lower_stratum_wins_and_prefer_wins_over_it() {
        let near = Candidate { stratum: Stratum::new(3), ..candidate(1, 0, 1) };
        let low = Candidate { stratum: Stratum::new(1), ..candidate(2, 0, 9) };
        assert_eq!(vote(&[near, low]).system_peer(), AssociationId::new(2));
        let preferred = Candidate { prefer: true, ..near };
        assert_eq!(vote(&[preferred, low]).system_peer(), AssociationId::new(1));
    }

    #[test]
    fn fewer_survivors_than_minsane_are_no_survivors() {
        let config = SelectionConfig { survivors_min: 3, ..SelectionConfig::default() };
        let selection = Selection::vote(&[candidate(1, 0, 5), candidate(2, 0, 5)], &config, None);
        assert_eq!(selection.survivors(), 0);
        assert_eq!(selection.system_peer(), None);
    }

    #[test]
    fn nobody_voting_is_no_vote() {
        assert_eq!(vote(&[]), Selection::default());
    }

    #[test]
    fn the_one_that_scatters_most_is_set_aside_while_enough_remain() {
        let voters = [
            candidate(1, 0, 50),
            candidate(2, 1, 50),
            candidate(3, -1, 50),
            candidate(4, 0, 50),
            candidate(5, 40, 50),
        ];
        let selection = vote(&voters);
        assert_eq!(standings(&selection, [5]), [Standing::Outlier]);
        assert_eq!(selection.survivors(), 4);
        let selection = vote(&voters[2..]);
        assert_eq!(selection.survivors(), 3);
    }

    #[test]
    fn the_leader_stays_as_long_as_it_is_as_good_as_the_best() {
        let (near, far) = (candidate(1, 0, 5), candidate(2, 0, 9));
        let vote = |candidates: &[Candidate], before| {
            Selection::vote(candidates, &SelectionConfig::default(), AssociationId::new(before)).system_peer()
        };
        assert_eq!(vote(&[near, far], 2), AssociationId::new(2));
        let lower = Candidate { stratum: Stratum::new(1), ..near };
        assert_eq!(vote(&[lower, far], 2), AssociationId::new(1));
    }

    #[test]
    fn more_than_maxclock_are_more_than_are_needed() {
        let voters: Vec<Candidate> = (1..=14).map(|id| candidate(id, 0, i32::from(id))).collect();
        let selection = vote(&voters);
        assert_eq!(selection.survivors(), 10);
        assert_eq!(standings(&selection, [10, 11, 14])[1..], [Standing::Excess, Standing::Excess]);
    }

    #[test]
    fn a_majority_must_share_a_point_and_hold_the_middles() {
        // Three intervals of which each two overlap, but whose middles lie outside of what they share.
        let wide = [candidate(1, 0, 10), candidate(2, 15, 10), candidate(3, 100, 1)];
        assert_eq!(vote(&wide).hindrance(), Some(Hindrance::Split));
        // Two of three that agree are a majority.
        let agreeing = [candidate(1, 0, 10), candidate(2, 5, 10), candidate(3, 100, 1)];
        assert_eq!(standings(&vote(&agreeing), [3]), [Standing::Falseticker]);
        assert_eq!(vote(&agreeing).survivors(), 2);
    }
}
