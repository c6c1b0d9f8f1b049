//! System calls that have no safe wrapper in nix.
#![expect(unsafe_code, reason = "the one place for it")]

pub(crate) mod memory;
pub(crate) mod mmsg;
pub(crate) mod names;
pub(crate) mod terminal;
pub(crate) mod timex;
pub(crate) mod trap;
