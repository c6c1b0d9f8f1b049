//! System calls that have no safe wrapper in nix.
#![expect(unsafe_code, reason = "the one place for it")]

#[cfg(target_env = "gnu")]
pub(crate) mod memory;
pub(crate) mod mmsg;
pub(crate) mod names;
pub(crate) mod terminal;
pub(crate) mod timex;
pub(crate) mod trap;
