//! Reading clocks.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getres, clock_gettime};

/// `CLOCK_REALTIME` and `CLOCK_MONOTONIC_RAW`, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The system clock: time since 1970.
    pub realtime: Duration,
    /// The clock that nobody adjusts: time since some moment at boot, that spent asleep included.
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
    let asleep = asleep()?;
    let awake = best.map(|(_, pair)| Pair { raw: pair.raw + asleep, ..pair });
    awake.ok_or_else(|| io::Error::other("no clock could be read"))
}

/// Reads both clocks once each, for whoever reads them for every packet: they may be some hundred
/// nanoseconds apart, and a machine that has just woken is noticed by others.
pub fn read_pair_quickly() -> io::Result<Pair> {
    let realtime = read(ClockId::CLOCK_REALTIME)?;
    let raw = read(ClockId::CLOCK_MONOTONIC_RAW)? + Duration::from_nanos(ASLEEP.load(Ordering::Relaxed));
    Ok(Pair { realtime, raw })
}

/// Reads the clock that nobody adjusts alone.
pub fn read_raw() -> io::Result<Duration> {
    Ok(read(ClockId::CLOCK_MONOTONIC_RAW)? + asleep()?)
}

/// How long the machine has been suspended, in nanoseconds, as last seen.
static ASLEEP: AtomicU64 = AtomicU64::new(0);

/// A smaller difference between the two clocks is the time between reading one and the other.
const SLEEP_MIN: u64 = 10_000_000;

/// How long the machine has been suspended since it booted; what is less than 10 ms more than last time
/// does not count. `CLOCK_MONOTONIC_RAW` stands still then and the system clock does not: without this a
/// night's sleep would look like an error of a night.
pub fn asleep() -> io::Result<Duration> {
    let awake = read(ClockId::CLOCK_MONOTONIC)?;
    let since_boot = read(ClockId::CLOCK_BOOTTIME)?;
    let seen = u64::try_from(since_boot.saturating_sub(awake).as_nanos()).unwrap_or(u64::MAX);
    let known = settled(ASLEEP.load(Ordering::Relaxed), seen);
    ASLEEP.store(known, Ordering::Relaxed);
    Ok(Duration::from_nanos(known))
}

/// What is known of the time asleep, after `seen`: it changes only when the machine has slept, so
/// that reading noise does not become noise of the clock.
const fn settled(known: u64, seen: u64) -> u64 {
    if seen.abs_diff(known) < SLEEP_MIN { known } else { seen }
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
    fn a_nap_counts_and_reading_noise_does_not() {
        assert_eq!(settled(0, 900), 0);
        assert_eq!(settled(0, 7_200_000_000_000), 7_200_000_000_000);
        assert_eq!(settled(7_200_000_000_000, 7_200_000_000_500), 7_200_000_000_000);
    }

    #[test]
    fn both_clocks_advance() {
        let first = read_pair().unwrap();
        let second = read_pair().unwrap();
        assert!(second.raw > first.raw);
        assert!(precision().unwrap() < Duration::from_millis(20));
    }
}
