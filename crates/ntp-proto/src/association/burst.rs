//! Quick packets at the start and after an outage.

/// The seconds between the packets of a burst that are still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Burst(&'static [u64]);

impl Burst {
    /// At the start: packets at 0, 2, 4, 6, 8, 12, 20 and 36 s. The later ones stretch the span
    /// over which frequency is visible at the same number of packets.
    pub(super) const START: Self = Self(&[2, 2, 2, 2, 4, 8, 16]);
    /// When a server answers again after eight missed polls: seven more, two seconds apart.
    pub(super) const RETURN: Self = Self(&[2, 2, 2, 2, 2, 2, 2]);
    /// None.
    pub(super) const OVER: Self = Self(&[]);

    /// The time to the next packet, if the burst goes on.
    pub(super) fn next_gap(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}
