//! What became of every datagram, counted by the thread that it came to.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::wire::Mode;

use super::Verdict;

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

/// What else is counted of packets of the time protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// Version 4.
    ThisVersion,
    /// Version 2 or 3.
    OlderVersion,
    /// Version 1, mode client.
    Version1Client,
    /// Version 1, no mode.
    Version1Reserved,
    /// Version 1, mode symmetric active.
    Version1Symmetric,
    /// Version 1, any other mode.
    Version1Other,
    /// Signed with a digest, and well.
    DigestGood,
    /// Signed with a digest, and not well.
    DigestBad,
    /// Signed with a CMAC, and well.
    CmacGood,
    /// Signed with a CMAC, and not well.
    CmacBad,
    /// Signed with a key that is not known or not trusted.
    KeyUnknown,
}

/// How many traits there are.
const TRAITS: usize = Trait::KeyUnknown as usize + 1;

/// Counters with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Counters {
    outcomes: [AtomicU64; OUTCOMES],
    traits: [AtomicU64; TRAITS],
    batches: AtomicU64,
    unsent: AtomicU64,
}

/// What the counters showed, of one thread or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    outcomes: [u64; OUTCOMES],
    traits: [u64; TRAITS],
    /// How often datagrams were fetched.
    pub batches: u64,
    /// Answers that could not be sent.
    pub unsent: u64,
}

impl Trait {
    /// What the first byte of a datagram says; nothing of modes 6 and 7.
    const fn of(first: u8) -> Option<Self> {
        match (first >> 3 & 0b111, Mode::from_bits(first)) {
            (_, Mode::Control | Mode::Private) | (0 | 5.., _) => None,
            (4, _) => Some(Self::ThisVersion),
            (1, Mode::Client) => Some(Self::Version1Client),
            (1, Mode::Reserved) => Some(Self::Version1Reserved),
            (1, Mode::SymmetricActive) => Some(Self::Version1Symmetric),
            (1, _) => Some(Self::Version1Other),
            _ => Some(Self::OlderVersion),
        }
    }
}

impl Counters {
    /// Counts one datagram. Only the thread that owns the counters may do so.
    pub fn note(&self, verdict: &Verdict, datagram: &[u8]) {
        increase(self.outcomes.get(verdict.outcome() as usize), 1);
        let signed = if let Verdict::Answer(reply) = verdict { reply.signed } else { None };
        let version = datagram.first().and_then(|first| Trait::of(*first));
        for seen in [version, signed].into_iter().flatten() {
            increase(self.traits.get(seen as usize), 1);
        }
    }

    /// Counts one fetching of datagrams.
    pub fn note_batch(&self) {
        increase(Some(&self.batches), 1);
    }

    /// Counts answers that could not be sent.
    pub fn note_unsent(&self, count: u64) {
        increase(Some(&self.unsent), count);
    }

    /// What they show.
    pub fn read(&self) -> Counts {
        let mut counts = Counts {
            batches: self.batches.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            ..Counts::default()
        };
        let outcomes = counts.outcomes.iter_mut().zip(&self.outcomes);
        for (count, counter) in outcomes.chain(counts.traits.iter_mut().zip(&self.traits)) {
            *count = counter.load(Relaxed);
        }
        counts
    }
}

/// With one writer, no locked instruction is needed.
fn increase(counter: Option<&AtomicU64>, by: u64) {
    if let Some(counter) = counter {
        counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
    }
}

impl Counts {
    /// Nothing.
    pub const ZERO: Self = Self { outcomes: [0; OUTCOMES], traits: [0; TRAITS], batches: 0, unsent: 0 };

    /// Counts one more with a trait.
    pub fn add(&mut self, seen: Trait) {
        if let Some(count) = self.traits.get_mut(seen as usize) {
            *count = count.wrapping_add(1);
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        let outcomes = self.outcomes.iter_mut().zip(&other.outcomes);
        for (count, more) in outcomes.chain(self.traits.iter_mut().zip(&other.traits)) {
            *count = count.wrapping_add(*more);
        }
        self.batches = self.batches.wrapping_add(other.batches);
        self.unsent = self.unsent.wrapping_add(other.unsent);
        self
    }

    /// What has been counted since it was `earlier`.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        let outcomes = self.outcomes.iter_mut().zip(&earlier.outcomes);
        for (count, less) in outcomes.chain(self.traits.iter_mut().zip(&earlier.traits)) {
            *count = count.wrapping_sub(*less);
        }
        self.batches = self.batches.wrapping_sub(earlier.batches);
        self.unsent = self.unsent.wrapping_sub(earlier.unsent);
        self
    }

    /// How many had one of these outcomes.
    pub fn of(&self, outcomes: &[Outcome]) -> u64 {
        let counts = outcomes.iter().filter_map(|outcome| self.outcomes.get(*outcome as usize));
        counts.fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// How many had one of these traits.
    pub fn with(&self, traits: &[Trait]) -> u64 {
        let counts = traits.iter().filter_map(|wanted| self.traits.get(*wanted as usize));
        counts.fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// All datagrams.
    pub fn total(&self) -> u64 {
        self.outcomes.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}
