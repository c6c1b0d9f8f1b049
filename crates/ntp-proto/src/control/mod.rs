//! Mode 6, the control protocol (RFC 9327), both ends of it.
//!
//! `message.rs` is the packet, `authentication.rs` its code, `status.rs` the status words, `schema.rs` the names of
//! the variables, `variables/` their values, `statistics.rs` what is counted. `respond/` is the daemon's side, with
//! `gate.rs` and `caution.rs` how much it says, `clients.rs` and `nonce.rs` the list of clients, `ordered.rs`
//! other lists, and `lines.rs` how text is broken; `exchange.rs`, `reassembly.rs`, `items.rs`, `values.rs` and
//! `walk.rs` are the client's.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod authentication;
mod caution;
mod clients;
mod exchange;
mod gate;
mod items;
mod lines;
mod message;
mod nonce;
mod ordered;
mod reassembly;
mod respond;
pub mod schema;
mod statistics;
mod status;
mod values;
mod variables;
mod walk;

pub use authentication::{is_signed, sign};
pub use caution::Caution;
pub use exchange::{Exchange, Patience, Question, Unanswered};
pub use gate::Gate;
pub use items::{Item, Typed, escaped, parse_items};
pub use message::{CONTROL_HEADER_LEN, ControlHeader, ControlMessage, ErrorCode, FRAGMENT_LEN_MAX, Opcode};
pub use nonce::NonceKeys;
pub use ordered::{InterfaceRow, Lists, listing};
pub use reassembly::{Reassembly, ReassemblyError, Response};
pub use respond::{Asker, Configure, Identity, Reaction, respond};
pub use statistics::{Kernel, Pulse, Statistics, Traffic};
pub use status::{PeerStatus, SystemStatus, peer_event_word, peer_status, system_event_word, system_status};
pub use values::{Variables, integer, timestamp};
pub use variables::service_counter;
pub use walk::{ClientRow, ClientRows, Walk};
