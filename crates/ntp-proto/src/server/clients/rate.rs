//! How much one client may ask: a token bucket in whole units of time.
//!
//! What a client has had stands in its entry as *debt*, which time pays off. The unit is a power of
//! two of ticks, so that paying off never loses a remainder however often the client asks.

use core::time::Duration;

/// Ticks in a second.
const TICKS_PER_SECOND: u64 = 256;

/// The greatest debt that an entry can hold.
const DEBT_MAX: u64 = u16::MAX as u64;

/// Of the requests beyond the limit, one in 2^2 is answered all the same: whoever floods us in the
/// name of a victim cannot make us silent to the victim, and gets no more than a quarter reflected.
const LEAK_BITS: u32 = 2;

/// What `discard` and `limit` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// A request must be this long after the one before, whatever else.
    minimum_ticks: u32,
    /// A power of two: the unit of debt, in ticks.
    unit_bits: u32,
    /// What a request costs, in units.
    cost: u16,
    /// The debt up to which requests are answered.
    ceiling: u16,
    /// Whoever asks too often hears so once in this many ticks.
    kod_ticks: u32,
}

impl Default for RateLimit {
    /// One request in 8 s, and 8 at once: enough for every client that follows RFC 5905.
    fn default() -> Self {
        Self::new(Duration::from_secs(8), 8, Duration::ZERO, None)
    }
}

impl RateLimit {
    /// One request in `interval` on average, `burst` at once; none sooner than `minimum` after the
    /// last. `kod` is the least time between two words about it, else the average interval.
    pub fn new(interval: Duration, burst: u16, minimum: Duration, kod: Option<Duration>) -> Self {
        let interval_ticks = ticks(interval).max(1);
        let burst = u64::from(burst.max(1));
        let mut unit_bits = 0;
        // One request beyond the ceiling must still fit.
        while (interval_ticks >> unit_bits).saturating_mul(burst + 1) > DEBT_MAX {
            unit_bits += 1;
        }
        // Rounded up: nobody gets more than was said.
        let cost = interval_ticks.div_ceil(1 << unit_bits).max(1);
        let small = |units: u64| u16::try_from(units).unwrap_or(u16::MAX);
        let narrow = |ticks: u64| u32::try_from(ticks).unwrap_or(u32::MAX);
        Self {
            minimum_ticks: narrow(ticks(minimum)),
            unit_bits,
            cost: small(cost),
            ceiling: small(cost.saturating_mul(burst).min(DEBT_MAX)),
            kod_ticks: narrow(ticks(kod.unwrap_or(interval)).max(1)),
        }
    }

    /// A request at `now` by a client that was last seen at `last` (both in ticks, wrapping) with this
    /// debt: the debt from now on, and whether the request is within the limit.
    pub(super) fn charge(&self, debt: u16, last: u32, now: u32) -> (u16, bool) {
        let elapsed = elapsed(last, now);
        // Units passed are counted from marks that all clients share, so that nothing is rounded away.
        let begun = u64::from(last) & ((1 << self.unit_bits) - 1);
        let paid = (begun + u64::from(elapsed)) >> self.unit_bits;
        let left = u64::from(debt).saturating_sub(paid);
        let wanted = left + u64::from(self.cost);
        let fits = wanted <= u64::from(self.ceiling) && (elapsed >= self.minimum_ticks);
        (u16::try_from(if fits { wanted } else { left }).unwrap_or(u16::MAX), fits)
    }

    /// When a client that is not known may as well have been here last.
    pub(super) const fn long_before(&self, now: u32) -> u32 {
        now.wrapping_sub(self.minimum_ticks)
    }

    /// Whether a mark lies between two moments, from which on a client that asks too often may hear so again.
    pub(super) const fn is_past_mark(&self, last: u32, now: u32) -> bool {
        last / self.kod_ticks != now / self.kod_ticks
    }

    /// Whether a request beyond the limit is answered all the same.
    pub(super) const fn leaks(random: u64) -> bool {
        random.trailing_zeros() >= LEAK_BITS
    }
}

/// The ticks from one moment to another. Stamps of several queues come out of order: what lies up to a minute
/// in the future is now.
pub(super) const fn elapsed(last: u32, now: u32) -> u32 {
    let elapsed = now.wrapping_sub(last);
    if elapsed > u32::MAX - OUT_OF_ORDER { 0 } else { elapsed }
}

/// A minute, in ticks.
const OUT_OF_ORDER: u32 = 1 << 14;

/// A span in ticks.
pub(super) fn ticks(span: Duration) -> u64 {
    let whole = span.as_secs().saturating_mul(TICKS_PER_SECOND);
    whole.saturating_add(u64::from(span.subsec_nanos()) * TICKS_PER_SECOND / 1_000_000_000)
}

/// The span of so many ticks.
pub(super) const fn span(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(limit: &RateLimit, every: f64, seconds: f64) -> u32 {
        let (mut debt, mut last, mut count, mut at) = (0, 0_u32, 0, 1000.0);
        while at < 1000.0 + seconds {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
            let now = (at * 256.0) as u32;
            let (after, fits) = limit.charge(debt, last, now);
            (debt, last) = (after, now);
            count += u32::from(fits);
            at += every;
        }
        count
    }

    #[test]
    fn a_burst_and_the_average_are_served_whatever_the_flood() {
        let limit = RateLimit::default();
        assert_eq!(served(&limit, 0.0001, 0.5), 8);
        // 8 at once, then one in 8 s: a flood does not starve its own name for ever.
        for every in [0.0001, 0.01, 0.5] {
            let count = served(&limit, every, 80.0);
            assert!((17..=18).contains(&count), "{every}: {count}");
        }
        assert_eq!(served(&limit, 8.0, 800.0), 100);
    }

    #[test]
    fn long_intervals_lose_nothing_to_rounding() {
        let hour = RateLimit::new(Duration::from_secs(4096), 8, Duration::ZERO, None);
        let count = served(&hour, 0.05, 40_960.0);
        assert!((17..=18).contains(&count), "{count}");
        let quick = RateLimit::new(Duration::from_millis(1), 20, Duration::ZERO, None);
        let all = served(&quick, 0.01, 10.0);
        assert!((1000..=1001).contains(&all), "{all}");
    }

    #[test]
    fn what_comes_out_of_order_pays_nothing() {
        let limit = RateLimit::default();
        let (debt, _) = limit.charge(0, 1000, 1000);
        let (more, fits) = limit.charge(debt, 1000, 999);
        assert!(fits && more == 2 * debt, "{debt} {more}");
        assert!(!limit.charge(8 * debt, 1000, 999).1);
    }

    #[test]
    fn the_least_interval_holds_by_itself() {
        let limit = RateLimit::new(Duration::from_secs(8), 8, Duration::from_secs(2), None);
        assert_eq!(served(&limit, 1.0, 8.0), 1);
        assert_eq!(served(&limit, 2.0, 16.0), 8);
    }

    #[test]
    fn a_real_client_gets_through_a_flood_in_its_name() {
        // A flood leaves no debt unpaid for the client: only the leak does.
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let rounds = 20_000;
        let reached = (0..rounds).filter(|_| (0..8).any(|_| RateLimit::leaks(draw()))).count();
        // 1 - 0.75^8 = 0.8999: as good as it gets with no more than a quarter reflected.
        assert!((17_800..18_200).contains(&reached), "{reached} of {rounds}");
    }
}
