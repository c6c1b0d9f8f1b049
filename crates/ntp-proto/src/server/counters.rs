//! What became of every datagram, counted by the thread that it came to.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It got the time.
    Answered,
    /// It was told that it comes too often.
    Kissed,
    /// It was told that its key is no good.
    Refused,
    /// It went to the control responder.
    Control,
    /// Restricted: no answer.
    Restricted,
    /// No NTP packet: no answer.
    Malformed,
    /// No request: no answer.
    NotRequest,
    /// Too often: no answer.
    Limited,
    /// Not authenticated where that is asked for: no answer.
    Unauthentic,
    /// Not of the present version where that is asked for: no answer.
    OldVersion,
    /// It had waited too long: no answer.
    Stale,
}

/// How many outcomes there are.
const OUTCOMES: usize = Outcome::Stale as usize + 1;

/// Counters with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; OUTCOMES]);

/// What the counters showed, of one thread or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts([u64; OUTCOMES]);

impl Counters {
    /// Counts one datagram. Only the thread that owns the counters may do so.
    pub fn note(&self, outcome: Outcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            // With one writer, no locked instruction is needed.
            counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    /// What they show.
    pub fn read(&self) -> Counts {
        let mut counts = Counts::default();
        for (count, counter) in counts.0.iter_mut().zip(&self.0) {
            *count = counter.load(Relaxed);
        }
        counts
    }
}

impl Counts {
    /// The sum.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count = count.wrapping_add(*more);
        }
        self
    }

    /// How many had this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome as usize).copied().unwrap_or(0)
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}
