//! Somebody else sets the clock: everything is measured anew, but ever less often while they go on.

use core::time::Duration;

use crate::time::{MonoTime, NtpDuration};

/// How often at most everything is measured anew, at first; each time that happens soon after the last,
/// the wait doubles.
const WAIT_FIRST: Duration = Duration::from_secs(64);
const WAIT_LONGEST: Duration = Duration::from_mins(17);

/// A change that is smaller is within what we admit to anyway.
const CHANGE_MIN: NtpDuration = NtpDuration::from_millis(10);

/// What others have done to the clock and nobody has seen to yet.
#[derive(Debug)]
pub(super) struct Fight {
    change: NtpDuration,
    last: MonoTime,
    wait: Duration,
}

impl Fight {
    pub(super) const fn new(now: MonoTime) -> Self {
        Self { change: NtpDuration::ZERO, last: now, wait: Duration::ZERO }
    }

    /// Somebody has set the clock ahead by `change`.
    pub(super) fn notice(&mut self, change: NtpDuration) {
        if change.abs() >= CHANGE_MIN {
            self.change += change;
        }
    }

    /// Everything is measured anew for another reason.
    pub(super) const fn forget(&mut self) {
        self.change = NtpDuration::ZERO;
    }

    /// When it is time to measure anew, if it is to be done.
    pub(super) fn due(&self) -> Option<MonoTime> {
        (self.change.abs() >= CHANGE_MIN).then(|| self.last + self.wait)
    }

    /// By how much the clock was set ahead, once that is due.
    pub(super) fn take(&mut self, now: MonoTime) -> Option<NtpDuration> {
        if self.due()? > now {
            return None;
        }
        let calm = now.since(self.last) >= 2 * self.wait;
        self.wait = if calm { WAIT_FIRST } else { (2 * self.wait).min(WAIT_LONGEST) };
        self.last = now;
        Some(core::mem::replace(&mut self.change, NtpDuration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::from_nanos(seconds * 1_000_000_000)
    }

    fn twenty() -> NtpDuration {
        NtpDuration::from_millis(20)
    }

    #[test]
    fn the_first_change_is_seen_to_at_once_and_the_next_ones_later_together() {
        let mut fight = Fight::new(at(0));
        fight.notice(twenty());
        assert_eq!(fight.take(at(100)), Some(twenty()));
        fight.notice(twenty());
        fight.notice(twenty());
        assert_eq!(fight.take(at(110)), None);
        assert_eq!(fight.due(), Some(at(164)));
        assert_eq!(fight.take(at(164)), Some(twenty() + twenty()));
        fight.notice(twenty());
        assert_eq!(fight.due(), Some(at(164 + 128)), "twice as long");
    }

    #[test]
    fn after_a_calm_time_it_is_quick_again() {
        let mut fight = Fight::new(at(0));
        for _ in 0..20 {
            fight.notice(twenty());
            let due = fight.due().unwrap();
            assert!(due.since(fight.last) <= WAIT_LONGEST);
            assert_eq!(fight.take(due), Some(twenty()));
        }
        let much_later = fight.last + 3 * WAIT_LONGEST;
        fight.notice(twenty());
        assert_eq!(fight.take(much_later), Some(twenty()));
        assert_eq!(fight.wait, WAIT_FIRST);
    }

    #[test]
    fn what_is_small_or_undone_is_left_alone() {
        let mut fight = Fight::new(at(0));
        fight.notice(NtpDuration::from_millis(9));
        assert_eq!(fight.due(), None);
        fight.notice(twenty());
        fight.notice(-twenty());
        assert_eq!(fight.due(), None);
    }
}
