//! When a source is asked: the poll process of RFC 5905 §13.

use core::time::Duration;

use crate::estimator::Worth;
use crate::random::{Rng, below};
use crate::time::{MonoTime, PollExponent};

use super::burst::Burst;
use super::{AssociationOptions, Reach};

/// From this many unanswered polls on, each further one lengthens the interval.
const UNANSWERED_MAX: u32 = 8;

/// Where the score tips over, in thousandths.
const SCORE_LIMIT: i32 = 1000;

/// What a sample adds to the score, or takes away at least, in thousandths.
const SCORE_STEP: i32 = 130;

/// A sample that makes the variance less than this many times smaller was not needed so soon.
const GAIN_LOW: f64 = 4.0;

/// One that makes it more than this many times smaller came late.
const GAIN_HIGH: f64 = 6.0;

/// How many times as often a path is asked whose route may be changing.
const HURRY: u32 = 8;

/// Hurried polls in a row; each ordinary one allows another.
const HURRIED_MAX: u32 = 14;

/// The most that one late sample counts, in steps.
const LATE_MAX: f64 = 4.0;

/// How long a burst takes.
const BURST_LENGTH: Duration = Duration::from_secs(16);

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
    /// In thousandths: positive if polls could be rarer.
    score: i32,
    /// The packet before this one belonged to a burst.
    bursting: bool,
    /// The interval before it was lengthened for want of answers.
    before_silence: Option<PollExponent>,
    /// Hurried polls that are left.
    patience: u32,
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
            score: 0,
            bursting: false,
            before_silence: None,
            patience: HURRIED_MAX,
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
            self.before_silence.get_or_insert(self.interval);
            self.interval = self.interval.longer().min(self.longest(options));
        }
        // Where polls are close together anyway, more packets would only annoy.
        let roomy = self.interval.interval() > BURST_LENGTH;
        if self.burst.is_over() && !self.bursting && options.burst && !reach.is_unreachable() && roomy {
            self.burst = Burst::EACH;
        }
        self.bursting = !self.burst.is_over();
        self.next = match self.burst.next_gap() {
            Some(seconds) => now + Duration::from_secs(seconds),
            None => now + randomised(self.interval.interval(), rng),
        };
    }

    /// The first good answer has come: the quick packets count from here, for a server that was not
    /// synchronized itself has wasted those before.
    pub(super) fn begin(&mut self, now: MonoTime, options: &AssociationOptions) {
        if options.iburst && self.floor <= options.minpoll {
            self.burst = Burst::START;
            let gap = self.burst.next_gap().map_or_else(|| self.interval.interval(), Duration::from_secs);
            self.next = self.next.min(now + gap);
        }
    }

    /// An answer has come, after `missed` polls counting the one it answers. After an outage the
    /// interval is what it was before, and `iburst` makes up for what was missed.
    pub(super) fn answered(&mut self, now: MonoTime, missed: u32, options: &AssociationOptions) {
        if missed <= UNANSWERED_MAX {
            return;
        }
        if let Some(interval) = self.before_silence.take() {
            self.interval = interval.max(self.floor);
        }
        self.burst = if options.iburst { Burst::RETURN } else { Burst::OVER };
        let gap = self.burst.next_gap().map_or_else(|| self.interval.interval(), Duration::from_secs);
        self.next = self.next.min(now + gap);
    }

    /// RATE: asks half as often from now on, and ends any burst (RFC 5905 §7.4).
    pub(super) fn raise_floor(&mut self, options: &AssociationOptions, now: MonoTime) {
        self.floor = self.interval.max(self.floor).longer();
        self.interval = self.floor;
        self.burst = Burst::OVER;
        self.score = 0;
        self.next = now + self.interval.interval().max(options.minpoll.interval());
    }

    /// The clock was out of sight: a few quick polls, unless the server has asked us to slow down.
    pub(super) fn measure_anew(&mut self, now: MonoTime, options: &AssociationOptions) {
        if self.floor <= options.minpoll {
            self.burst = Burst::ANEW;
            self.next = now;
        }
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

    /// Asks less often while samples teach little, more often when each comes late. As long as the
    /// estimate is tight for this path, nothing is gained by asking more often.
    pub(super) fn judge(&mut self, now: MonoTime, worth: &Worth, options: &AssociationOptions) {
        self.hurry(now, worth.suspect);
        if worth.jumped {
            self.score -= SCORE_LIMIT;
        }
        if worth.gain < GAIN_LOW {
            self.score += SCORE_STEP;
        } else if worth.gain > GAIN_HIGH && worth.looseness > 1.0 {
            #[expect(clippy::cast_possible_truncation, reason = "at most a few hundred")]
            let late = (f64::from(SCORE_STEP) * (worth.gain / GAIN_HIGH).min(LATE_MAX)) as i32;
            self.score -= late;
        }
        if self.score > SCORE_LIMIT {
            self.score = 0;
            self.interval = self.interval.longer().min(self.longest(options));
        } else if self.score < -SCORE_LIMIT {
            self.score = 0;
            self.interval = self.interval.shorter().max(self.floor);
        }
    }

    /// While the route may be changing, the clock must not wait for slow polls to tell; but a path that
    /// is merely crowded is not worth many packets.
    fn hurry(&mut self, now: MonoTime, suspect: bool) {
        if suspect && self.patience > 0 {
            self.patience -= 1;
            let hurried = self.interval.interval() / HURRY;
            self.next = self.next.min(now + hurried.max(self.floor.interval()));
        } else if !suspect && self.patience < HURRIED_MAX {
            self.patience += 1;
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
