//! Quick packets at the start and after an outage.

/// The seconds between the packets of a burst that are still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Burst(&'static [u64]);

impl Burst {
    /// At the start: packets at 0, 2, 4, 6, 8, 12, 20, 32, 48, 68 and 92 s. The later ones stretch the
    /// span over which frequency is visible: with the poll at 156 s they are as many in the first two
    /// minutes as a burst of eight and the polls after it would be.
    pub(super) const START: Self = Self(&[2, 2, 2, 2, 4, 8, 12, 16, 20, 24]);
    /// When a server answers again after eight missed polls: seven more, two seconds apart.
    pub(super) const RETURN: Self = Self(&[2, 2, 2, 2, 2, 2, 2]);
    /// With `burst`, at every poll: the same.
    pub(super) const EACH: Self = Self::RETURN;
    /// When the clock was out of sight: three more.
    pub(super) const ANEW: Self = Self(&[2, 2, 2]);
    /// None.
    pub(super) const OVER: Self = Self(&[]);

    /// Whether no packet of it is left.
    pub(super) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The time to the next packet, if the burst goes on.
    pub(super) fn next_gap(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}
