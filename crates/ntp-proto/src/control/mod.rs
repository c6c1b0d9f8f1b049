//! Mode 6, the control protocol (RFC 9327), both ends of it.
//!
//! `message.rs` is the packet, `status.rs` the status words, `variables.rs` the names and their
//! values, `respond.rs` the daemon's side, `clients.rs` its list of clients, `reassembly.rs` and `items.rs` the client's.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod clients;
mod items;
mod message;
mod nonce;
mod reassembly;
mod respond;
pub mod schema;
mod statistics;
mod status;
mod variables;

pub use items::{Item, parse_items};
pub use message::{CONTROL_HEADER_LEN, ControlHeader, ControlMessage, ErrorCode, FRAGMENT_LEN_MAX, Opcode};
pub use reassembly::{Reassembly, ReassemblyError, Response};
pub use respond::{Asker, Identity, respond};
pub use statistics::{Kernel, Pulse, Statistics, Traffic};
pub use status::{PeerStatus, SystemStatus, peer_status, system_status};
