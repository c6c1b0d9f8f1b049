//! What the suite asks of Linux, and nothing about NTP.
//!
//! All `unsafe` code of the workspace is in `sys/`, one operation a block.

pub mod atomic_file;
pub mod batch;
pub mod clock;
pub mod config_files;
pub mod interfaces;
pub mod memory;
pub mod names;
pub mod notify;
pub mod sandbox;
pub mod spread;
mod sys;
pub mod terminal;
pub mod timex;
pub mod udp;
pub mod unit;
pub mod user;
