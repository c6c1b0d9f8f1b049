//! When a source is asked: the poll process of RFC 5905 §13.

use core::time::Duration;

use crate::random::{Rng, below};
use crate::time::{MonoTime, PollExponent};

use super::burst::Burst;
use super::{AssociationOptions, Reach};

/// From this many unanswered polls on, each further one lengthens the interval.
const UNANSWERED_MAX: u32 = 8;

/// Where the jiggle counter tips over (RFC 5905 §11.3 LIMIT).
const JIGGLE_LIMIT: i32 = 30;

/// How soon a request that could not leave is tried again, at first and at last: a machine whose
/// network comes up late should not wait out a poll interval.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LONGEST: Duration = Duration::from_secs(64);

/// Extra packets in any such span of time.
const VERIFICATIONS_MAX: u32 = 2;
const VERIFY_WINDOW: Duration = Duration::from_secs(64);

/// Interval, floor, burst and the time of the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollProcess {
    interval: PollExponent,
    /// Raised by RATE kisses.
    floor: PollExponent,
    burst: Burst,
    jiggle: i32,
    /// Since when extra packets are counted, and how many there were.
    verified: (Option<MonoTime>, u32),
    next: MonoTime,
}

impl PollProcess {
    pub(super) const fn starting(options: &AssociationOptions, start: MonoTime) -> Self {
        Self {
            interval: options.minpoll,
            floor: options.minpoll,
            burst: if options.iburst { Burst::START } else { Burst::OVER },
            jiggle: 0,
            verified: (None, 0),
            next: start,
        }
    }

    /// A poll goes out now: decides when the next one does.
    pub(super) fn advance(
        &mut self,
        now: MonoTime,
        reach: Reach,
        options: &AssociationOptions,
        rng: &mut dyn Rng,
    ) {
        if reach.unanswered() > UNANSWERED_MAX {
            self.interval = self.interval.longer().min(self.longest(options));
        }
        self.next = match self.burst.next_gap() {
            Some(seconds) => now + Duration::from_secs(seconds),
            None => now + randomised(self.interval.interval(), rng),
        };
    }

    /// An answer has come, after `missed` polls counting the one it answers. After an outage the
    /// interval starts over, and `iburst` makes up for what was missed.
    pub(super) fn answered(&mut self, now: MonoTime, missed: u32, options: &AssociationOptions) {
        if missed <= UNANSWERED_MAX {
            return;
        }
        self.interval = self.floor;
        self.burst = if options.iburst { Burst::RETURN } else { Burst::OVER };
        let gap = self.burst.next_gap().map_or_else(|| self.interval.interval(), Duration::from_secs);
        self.next = self.next.min(now + gap);
    }

    /// RATE: asks half as often from now on, and ends any burst (RFC 5905 §7.4).
    pub(super) fn raise_floor(&mut self, options: &AssociationOptions, now: MonoTime) {
        self.floor = self.interval.max(self.floor).longer();
        self.interval = self.floor;
        self.burst = Burst::OVER;
        self.jiggle = 0;
        self.next = now + self.interval.interval().max(options.minpoll.interval());
    }

    /// A request could not leave, for the `failures`th time in a row: tries again, ever later.
    pub(super) fn retry(&mut self, now: MonoTime, failures: u32) {
        let wait = RETRY_FIRST.saturating_mul(1 << failures.min(8)).min(RETRY_LONGEST);
        self.next = now + wait;
    }

    /// Brings the next poll forward to confirm something; rarely, and not after the server has asked
    /// us to slow down.
    pub(super) fn verify_within(&mut self, now: MonoTime, seconds: u64, options: &AssociationOptions) {
        let wanted = now + Duration::from_secs(seconds);
        if self.floor > options.minpoll || wanted >= self.next {
            return;
        }
        let (since, count) = self.verified;
        let fresh = since.is_none_or(|since| now.since(since) >= VERIFY_WINDOW);
        if fresh {
            self.verified = (Some(now), 1);
        } else if count < VERIFICATIONS_MAX {
            self.verified = (since, count + 1);
        } else {
            return;
        }
        self.next = wanted;
    }

    /// The jiggle counter of RFC 5905 §11.3: samples that fit lengthen the interval slowly, samples
    /// that do not shorten it twice as fast. The poll law of the full discipline takes its place.
    pub(super) fn judge(&mut self, fits: bool, options: &AssociationOptions) {
        let weight = i32::from(self.interval.exponent().max(1));
        self.jiggle += if fits { weight } else { -2 * weight };
        if self.jiggle > JIGGLE_LIMIT {
            self.jiggle = 0;
            self.interval = self.interval.longer().min(self.longest(options));
        } else if self.jiggle < -JIGGLE_LIMIT {
            self.jiggle = 0;
            self.interval = self.interval.shorter().max(self.floor);
        }
    }

    /// `maxpoll`, unless the server has asked for more.
    fn longest(&self, options: &AssociationOptions) -> PollExponent {
        options.maxpoll.max(self.floor)
    }

    /// The interval in force (RFC 5905 §13 hpoll).
    pub const fn interval(&self) -> PollExponent {
        self.interval
    }

    /// When the next poll is due.
    pub const fn next(&self) -> MonoTime {
        self.next
    }
}

/// Spreads polls by ±1 %, so that the clients of a server do not fall into step.
fn randomised(interval: Duration, rng: &mut dyn Rng) -> Duration {
    let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let spread = below(rng, nanos / 50);
    Duration::from_nanos(nanos - nanos / 100 + spread)
}
