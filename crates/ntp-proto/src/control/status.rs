//! Status words: four facts in sixteen bits (RFC 9327 §3).

use crate::system::{PeerKind, PeerSnapshot, Snapshot};
use crate::wire::Leap;

/// A peer was configured.
const CONFIGURED: u16 = 0x80;
/// A peer is reachable.
const REACHABLE: u16 = 0x10;
/// What is called a peer is a network that is broadcast to.
const BROADCAST: u16 = 0x08;
/// A peer needs authentication.
const AUTHENABLE: u16 = 0x40;
/// A peer's last packet was authentic.
const AUTHENTIC: u16 = 0x20;
/// The clock follows the local clock.
const SOURCE_LOCAL: u16 = 5;
/// The clock follows a server.
const SOURCE_NTP: u16 = 6;

/// System events, by number.
const SYSTEM_EVENTS: [&str; 16] = [
    "unspecified",
    "freq_not_set",
    "freq_set",
    "spike_detect",
    "freq_mode",
    "clock_sync",
    "restart",
    "panic_stop",
    "no_sys_peer",
    "leap_armed",
    "leap_disarmed",
    "leap_event",
    "clock_step",
    "kern",
    "TAI",
    "stale_leapsecond_values",
];

/// Peer events, by number (RFC 9327 §3.2).
const PEER_EVENTS: [&str; 16] = [
    "",
    "mobilize",
    "demobilize",
    "unreachable",
    "reachable",
    "restart",
    "no_reply",
    "rate_exceeded",
    "access_denied",
    "leap_armed",
    "sys_peer",
    "clock_alarm",
    "bad_auth",
    "popcorn",
    "interleave_mode",
    "interleave_error",
];

/// The word for a number of a system event.
pub fn system_event_word(code: u16) -> &'static str {
    SYSTEM_EVENTS.get(usize::from(code)).copied().unwrap_or("unknown")
}

/// The word for a number of a peer event; empty for none.
pub fn peer_event_word(code: u16) -> &'static str {
    PEER_EVENTS.get(usize::from(code)).copied().unwrap_or("unknown")
}

/// The system status word (RFC 9327 §3.1).
pub fn system_status(snapshot: &Snapshot) -> u16 {
    let system = &snapshot.system;
    let leader = system.system_peer.and_then(|id| snapshot.peers.iter().find(|peer| peer.id == id));
    let source = match leader.map(|peer| peer.kind) {
        Some(PeerKind::LocalClock) => SOURCE_LOCAL,
        Some(PeerKind::Server | PeerKind::Pool) => SOURCE_NTP,
        None => 0,
    };
    let leap = u16::from(system.reference.leap.to_bits());
    (leap << 14) | (source << 8) | (system.events.count.min(15) << 4) | system.events.last.code()
}

/// The peer status word (RFC 9327 §3.2).
pub fn peer_status(peer: &PeerSnapshot) -> u16 {
    let reachable = if peer.reach == 0 { 0 } else { REACHABLE };
    let authenable = if peer.key.is_some() { AUTHENABLE } else { 0 };
    let authentic = if peer.authentic { AUTHENTIC } else { 0 };
    let high = CONFIGURED | authenable | authentic | reachable | peer.standing.code();
    (high << 8) | (peer.events.count.min(15) << 4) | peer.events.last.code()
}

/// A system status word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemStatus {
    /// Leap indicator.
    pub leap: Leap,
    /// Which kind of source is followed.
    pub source: u16,
    /// How many events.
    pub event_count: u16,
    /// The last one.
    pub event: u16,
}

impl SystemStatus {
    /// From the word on the wire.
    pub fn of(word: u16) -> Self {
        let [high, low] = word.to_be_bytes();
        Self {
            leap: Leap::from_bits(high >> 6),
            source: u16::from(high & 0x3f),
            event_count: u16::from(low >> 4),
            event: u16::from(low & 0x0f),
        }
    }
}

/// A peer status word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the bits of the status word, each independent")]
pub struct PeerStatus {
    /// It stands in the configuration.
    pub configured: bool,
    /// It must authenticate.
    pub authenable: bool,
    /// Its last packet did.
    pub authentic: bool,
    /// It answers.
    pub reachable: bool,
    /// It is a network that is broadcast to, which never answers.
    pub broadcast: bool,
    /// Its standing in the vote, 0..=7.
    pub selection: u8,
    /// How many events.
    pub event_count: u16,
    /// The last one.
    pub event: u16,
}

impl PeerStatus {
    /// From the word on the wire.
    pub fn of(word: u16) -> Self {
        let [high, low] = word.to_be_bytes();
        let bit = |mask: u16| u16::from(high) & mask != 0;
        Self {
            configured: bit(CONFIGURED),
            authenable: bit(AUTHENABLE),
            authentic: bit(AUTHENTIC),
            reachable: bit(REACHABLE),
            broadcast: bit(BROADCAST),
            selection: high & 0b111,
            event_count: u16::from(low >> 4),
            event: u16::from(low & 0x0f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_real_daemons_sent_come_apart() {
        let peer = PeerStatus::of(0x963a);
        assert!(peer.configured && peer.reachable && !peer.authenable && !peer.authentic);
        assert_eq!((peer.selection, peer.event_count, peer.event), (6, 3, 10));
        let system = SystemStatus::of(0x0615);
        assert_eq!((system.leap, system.source, system.event_count, system.event), (Leap::None, 6, 1, 5));
    }
}
