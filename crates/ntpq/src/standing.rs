//! What `why` and `verify` both decide: whether the clock is synchronized, and which sources are used.

use ntp_proto::control::{PeerStatus, SystemStatus, Variables};

/// What the status word says of a system that follows its own clock (RFC 9327 §3.1).
const LOCAL_CLOCK: u16 = 5;

/// The selections that are used: candidate, system peer, pulse; a backup (5) is not.
const USED: [u8; 3] = [4, 6, 7];

/// Whether the system has the time, be it its own.
pub(crate) fn has_time(variables: Variables<'_>) -> bool {
    let stratum = variables.integer("stratum").unwrap_or(16);
    variables.integer("leap").is_some_and(|leap| leap != 3) && (1..16).contains(&stratum)
}

/// Whether that is its own: nobody's time but that.
pub(crate) fn follows_itself(status: u16) -> bool {
    SystemStatus::of(status).source == LOCAL_CLOCK
}

/// Whether a source with this status word is used.
pub(crate) fn is_used(status: u16) -> bool {
    USED.contains(&PeerStatus::of(status).selection)
}
