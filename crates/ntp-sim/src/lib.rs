//! A seeded world around real [`ntp_proto`] state machines: a clock that runs wrong, servers, and
//! paths that delay. Time is virtual; a simulated day takes a moment and replays from its seed.
//!
//! It drives [`ntp_proto::system::System`] through the same four verbs as the daemon does, and
//! knows nothing of NTP that is not already in `ntp-proto`.
#![forbid(unsafe_code)]

mod clock;
mod random;
mod world;

pub use clock::SimulatedClock;
pub use random::SplitMix;
pub use world::{Path, Server, World};
