//! Randomness is injected, so that a simulation replays from its seed.

use core::fmt;

/// A source of random numbers. Nonces come from it: outside a simulation it must be unpredictable.
pub trait Rng: fmt::Debug {
    /// Sixty-four random bits.
    fn next_u64(&mut self) -> u64;
}

/// A number in `0..bound`; zero if `bound` is zero. The bias is below 2^-32 for the small bounds
/// used here.
pub fn below(rng: &mut dyn Rng, bound: u64) -> u64 {
    let wide = u128::from(rng.next_u64()) * u128::from(bound);
    u64::try_from(wide >> 64).unwrap_or(0)
}
