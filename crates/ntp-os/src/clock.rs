//! Reading clocks.

use std::io;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getres, clock_gettime};

/// `CLOCK_REALTIME` and `CLOCK_MONOTONIC_RAW`, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The system clock: time since 1970.
    pub realtime: Duration,
    /// The clock that nobody adjusts: time since some moment at boot.
    pub raw: Duration,
}

/// How often the pair is read again for a narrower one.
const ATTEMPTS: u32 = 3;

/// Reads both clocks. Of a few attempts the one counts between whose two raw readings the least
/// time passed.
pub fn read_pair() -> io::Result<Pair> {
    let mut best: Option<(Duration, Pair)> = None;
    for _ in 0..ATTEMPTS {
        let before = read(ClockId::CLOCK_MONOTONIC_RAW)?;
        let realtime = read(ClockId::CLOCK_REALTIME)?;
        let after = read(ClockId::CLOCK_MONOTONIC_RAW)?;
        let span = after.saturating_sub(before);
        if best.is_none_or(|(least, _)| span < least) {
            best = Some((span, Pair { realtime, raw: before + span / 2 }));
        }
    }
    best.map(|(_, pair)| pair).ok_or_else(|| io::Error::other("no clock could be read"))
}

/// Reads `CLOCK_MONOTONIC_RAW` alone.
pub fn read_raw() -> io::Result<Duration> {
    read(ClockId::CLOCK_MONOTONIC_RAW)
}

/// The smallest difference that the system clock shows when it is read twice in a row, at least its
/// resolution.
pub fn precision() -> io::Result<Duration> {
    let mut least = Duration::from_secs(1);
    let mut previous = read(ClockId::CLOCK_REALTIME)?;
    for _ in 0..1000 {
        let now = read(ClockId::CLOCK_REALTIME)?;
        if now > previous {
            least = least.min(now.saturating_sub(previous));
        }
        previous = now;
    }
    Ok(least.max(duration(clock_getres(ClockId::CLOCK_REALTIME)?)))
}

fn read(clock: ClockId) -> io::Result<Duration> {
    Ok(duration(clock_gettime(clock)?))
}

/// A time before 1970 or before boot reads as zero.
pub(crate) fn duration(time: TimeSpec) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec()).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_advance() {
        let first = read_pair().unwrap();
        let second = read_pair().unwrap();
        assert!(second.raw > first.raw);
        assert!(precision().unwrap() < Duration::from_millis(20));
    }
}
