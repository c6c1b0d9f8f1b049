//! Which of the last eight polls were answered.

/// The reachability register (RFC 5905 §13 reach): one bit a poll, the newest lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reach {
    bits: u8,
    /// Polls without an answer since the last one.
    unanswered: u32,
}

impl Reach {
    /// A poll goes out.
    pub(super) fn shift(&mut self) {
        self.bits <<= 1;
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// Its answer has come.
    pub(super) fn mark(&mut self) {
        self.bits |= 1;
        self.unanswered = 0;
    }

    /// The register as mode 6 shows it.
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Whether none of the last eight polls was answered.
    pub const fn is_unreachable(self) -> bool {
        self.bits == 0
    }

    /// Polls sent since the last answer, the one under way included.
    pub const fn unanswered(self) -> u32 {
        self.unanswered
    }
}
