//! When each of several answers that are sent in one call will leave.
//!
//! A call takes a time by itself, and then some for each answer; the mean of both would show in every stamp.
//! They are told apart by sending now and then in two calls what would otherwise go in one.

use ntp_proto::time::NtpDuration;

/// Answers that leave together.
pub(super) const SUB_BATCH: usize = 8;

/// Half of them.
pub(super) const HALF_BATCH: usize = SUB_BATCH / 2;

/// One in so many full sub-batches is sent in halves.
const HALVED: u32 = 32;

/// Longer than a call ever takes by itself: whoever was interrupted has learnt nothing about the next time.
/// 100 us, in nanoseconds.
const SPAN_MAX: i64 = 100_000;

/// What has been learnt, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// From the reading of the clock to the call, for a sub-batch.
    sealing: i64,
    /// How long a call takes that sends a sub-batch: of late, for that changes with the load of the machine.
    whole: i64,
    /// The same, the last time.
    last: i64,
    /// What of it is the call's own: the mean of a long time.
    own: i64,
    /// What the first half took, if the second is still to come.
    first_half: Option<i64>,
    batches: u32,
}

impl Pace {
    /// How long after the reading of the clock an answer leaves, of so many.
    pub(super) fn leaves(&self, index: usize, count: usize) -> NtpDuration {
        let step = (self.whole - self.own).max(0) / signed(SUB_BATCH);
        let sealing = self.sealing * signed(count) / signed(SUB_BATCH);
        NtpDuration::from_nanos(sealing + step * signed(index))
    }

    /// Whether a sub-batch should be sent in halves this time.
    pub(super) const fn is_halved(&mut self, count: usize) -> bool {
        if count < SUB_BATCH {
            return false;
        }
        self.first_half = None;
        self.batches = self.batches.wrapping_add(1);
        self.batches % HALVED == 2
    }

    /// So many were sent in one call, which took this long after so long a preparation.
    pub(super) fn learn(&mut self, sealing: NtpDuration, sending: NtpDuration, count: usize) {
        let (sealing, sending) = (sealing.as_nanos(), sending.as_nanos());
        if sealing > SPAN_MAX || sending > SPAN_MAX || sealing < 0 || sending < 0 {
            self.first_half = None;
            return;
        }
        if count == SUB_BATCH {
            follow(&mut self.sealing, sealing, 4);
            follow(&mut self.whole, sending, 4);
            self.last = sending;
        } else if count == HALF_BATCH && self.last > 0 {
            match self.first_half.take() {
                None => self.first_half = Some(sending),
                // Two calls instead of one, with as many answers.
                Some(first) => follow(&mut self.own, first + sending - self.last, 32),
            }
        }
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A mean of about the last so many values; the first one counts whole.
const fn follow(mean: &mut i64, seen: i64, values: i64) {
    *mean = if *mean == 0 { seen } else { *mean + (seen - *mean) / values };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_takes_by_itself_is_nobodys() {
        let mut pace = Pace::default();
        let nanos = NtpDuration::from_nanos;
        assert_eq!(pace.leaves(5, 8), NtpDuration::ZERO);
        let halved = (0..64).filter(|_| pace.is_halved(SUB_BATCH)).count();
        assert!(halved == 2 && !pace.is_halved(7));
        // 3 us for the call, 2 us for each answer, and 0.4 us for their stamps.
        for _ in 0..50 {
            pace.learn(nanos(400), nanos(19_000), 8);
            pace.learn(nanos(200), nanos(11_000), 4);
            pace.learn(nanos(200), nanos(11_000), 4);
            pace.learn(nanos(150), nanos(9_000), 3);
        }
        assert_eq!((pace.leaves(0, 8), pace.leaves(7, 8)), (nanos(400), nanos(14_400)));
        assert_eq!(pace.leaves(1, 2), nanos(2100));
        // An interruption teaches nothing.
        pace.learn(nanos(400), nanos(5_000_000), 8);
        assert_eq!(pace.leaves(7, 8), nanos(14_400));
    }
}
