//! What the tests of whole programs share: network namespaces, daemons that end with the test,
//! peers, and skipping with a reason.
#![forbid(unsafe_code)]

mod daemon;
mod following;
pub mod fuzz;
mod fuzz_control;
mod fuzz_server;
mod fuzz_walk;
mod net;
mod peers;
mod programs;
mod skip;
mod sntp;

pub use daemon::{Daemon, Pid, is_root, until, without_clock};
pub use following::Following;
pub use net::Net;
pub use peers::{Peer, packaged, peer, start_chronyd, start_ntpsec};
pub use programs::{Outcome, beside, free_port, ours, run, shared};
pub use skip::skip;
pub use sntp::measure;
