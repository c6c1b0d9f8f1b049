//! The daemon around [`ntp_proto::system::System`]: reads ntp.conf, opens sockets, performs what the
//! system asks for. It knows no protocol rule.
#![forbid(unsafe_code)]

pub mod cli;
mod clock;
mod config;
mod driver;
pub mod exit;
mod keys;
mod leap_file;
mod loader;
mod local;
mod log;
mod net;
mod panic_gate;
mod resolver;
pub mod sandbox;
mod serve;
mod signals;
mod start;
mod statefiles;
mod statistics;
mod unit;

pub use config::{frequency, system_config};
pub use loader::load_files;
pub use start::run;
