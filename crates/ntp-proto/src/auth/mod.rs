//! Symmetric authentication (RFC 5905 §7.3, RFC 8573): shared keys and the codes they make.
//!
//! `algorithm.rs` computes a code, `table.rs` keeps the keys of this machine. Whoever checks a packet
//! compares in constant time.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod algorithm;
mod table;

pub use algorithm::{Algorithm, Code, CodeLength, Key};
pub use table::{KeyTable, Protection, SharedKey};

use core::num::NonZeroU32;

/// The number of a shared key; 0 is no key (RFC 5905 §7.3: it marks a crypto-NAK).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(NonZeroU32);

impl KeyId {
    /// Any number but 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}
