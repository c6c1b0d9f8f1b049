//! Everything that is NTP, and nothing that is I/O.
//!
//! Bytes and time go in, [`system::Action`]s come out. The four verbs of [`system::System`] are
//! `handle_datagram`, `handle_timeout`, `next_timeout` and `poll_action`; the daemon is one loop
//! around them, the simulator another. Nothing here reads a clock, opens a socket, draws a random
//! number, locks or logs.
#![forbid(unsafe_code)]

extern crate alloc;

pub mod association;
pub mod auth;
pub mod control;
pub mod discipline;
pub mod estimator;
pub mod random;
pub mod records;
pub mod select;
pub mod server;
pub mod system;
pub mod time;
pub mod wire;
