//! A seeded world around real [`ntp_proto`] state machines: an oscillator that wanders, servers that
//! may lie, and paths that delay. Time is virtual; a simulated day takes a moment and replays from
//! its seed.
//!
//! It drives [`ntp_proto::system::System`] through the same four verbs as the daemon does, and
//! knows nothing of NTP that is not already in `ntp-proto`; what stands beside it for comparison is
//! in [`baseline`].
#![forbid(unsafe_code)]

pub mod baseline;
mod bounds;
mod client;
pub mod command;
mod file;
mod jitter;
mod measure;
mod oscillator;
mod path;
mod random;
mod report;
mod run;
pub mod scenario;
mod server;
mod time;
mod what_if;
mod world;

pub use client::Client;
pub use file::load;
pub use measure::Measured;
pub use oscillator::Oscillator;
pub use random::SplitMix;
pub use report::{Row, table};
pub use run::{Comparison, compare, ours, ours_after, restart, system_config};
pub use scenario::{ClientScenario, Scenario, ScenarioError};
pub use time::TrueTime;
pub use what_if::{Point, SourceShare, WhatIf, what_if};
pub use world::World;
