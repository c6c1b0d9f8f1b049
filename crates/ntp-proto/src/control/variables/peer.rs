//! The variables of an association.

use core::fmt::Write as _;

use crate::association::STAGES;
use crate::auth::KeyId;
use crate::system::{PeerKind, PeerSnapshot};
use crate::time::{NtpDuration, NtpTimestamp, Reading};
use crate::wire::Leap;

use super::super::schema;
use super::{CLIENT, SERVER, learnt, millis, quoted, reference, seconds, timestamp};

/// The longest poll exponent that a server is believed to mean; chrony sends more.
const POLL_SHOWN_MAX: i8 = 17;

/// A variable of an association; `None` if there is no such name.
pub(in super::super) fn peer(name: &str, peer: &PeerSnapshot, now: Reading) -> Option<String> {
    let name = schema::find(schema::PEER, name)?.name;
    values(name, peer).or_else(|| more(name, peer, now))
}

/// What is sent by default.
fn values(name: &str, peer: &PeerSnapshot) -> Option<String> {
    Some(match name {
        "srcadr" => peer.remote.ip().to_string(),
        "srcport" => peer.remote.port().to_string(),
        "srchost" => peer.host.as_deref().map(quoted).unwrap_or_default(),
        "dstadr" => peer.local.ip().to_string(),
        "dstport" => peer.local.port().to_string(),
        "leap" => peer.leap.to_bits().to_string(),
        "hmode" => CLIENT.to_owned(),
        "pmode" => if peer.leap == Leap::Unknown && peer.reach == 0 { "0" } else { SERVER }.to_owned(),
        "stratum" => peer.stratum.value().to_string(),
        "ppoll" => peer.peer_poll.clamp(0, POLL_SHOWN_MAX).to_string(),
        "hpoll" => peer.host_poll.exponent().to_string(),
        "precision" => peer.precision.exponent().to_string(),
        "rootdelay" => millis(peer.root_delay, 3),
        "rootdisp" => millis(peer.root_dispersion, 3),
        "refid" => refid(peer),
        "reftime" => timestamp(peer.reference_timestamp),
        "rec" => timestamp(peer.received),
        "reach" => format!("{:#x}", peer.reach),
        "unreach" => peer.unreach.to_string(),
        "delay" => millis(peer.delay, 6),
        "offset" => millis(peer.offset, 6),
        "jitter" => millis(peer.jitter, 6),
        "dispersion" => millis(peer.dispersion, 6),
        "keyid" => peer.key.map_or(0, KeyId::number).to_string(),
        "headway" => "0".to_owned(),
        "flash" => format!("{:#x}", peer.flash),
        "filtdelay" => filter(peer, |(delay, _, _)| delay, NtpDuration::ZERO),
        "filtoffset" => filter(peer, |(_, offset, _)| offset, NtpDuration::ZERO),
        "filtdisp" => filter(peer, |(_, _, dispersion)| dispersion, NtpDuration::from_seconds(16)),
        _ => return None,
    })
}

/// What is sent by name.
fn more(name: &str, peer: &PeerSnapshot, now: Reading) -> Option<String> {
    let path = peer.path.as_ref();
    Some(match name {
        "config" => "1".to_owned(),
        "authenable" => u8::from(peer.key.is_some()).to_string(),
        "authentic" => u8::from(peer.authentic).to_string(),
        "org" | "xmt" => timestamp(NtpTimestamp::ZERO),
        "mode" | "oldpkt" | "selbroken" => "0".to_owned(),
        "bias" => "0.000".to_owned(),
        "timer" => peer.next_poll.map_or_else(|| "0".to_owned(), |next| seconds(next, now.mono)),
        "timerec" => since(peer.received, now).to_string(),
        "timereach" => peer.reach_changed.map_or_else(|| "0".to_owned(), |since| seconds(now.mono, since)),
        "sent" => peer.counters.sent.to_string(),
        "received" => peer.counters.received.to_string(),
        "badauth" => peer.counters.unauthentic.to_string(),
        "bogusorg" => peer.counters.bogus.to_string(),
        "seldisp" => peer.counters.failed.to_string(),
        "candidate" => peer.standing.code().to_string(),
        "ntscookies" => "-1".to_owned(),
        "ib_dmin" => learnt(path, |path| millis(path.shortest, 6)),
        "ib_scale" => learnt(path, |path| millis(path.scale, 6)),
        "ib_bias" => learnt(path.and_then(|path| path.bias.as_ref()), |bias| millis(*bias, 6)),
        "ib_shape" => learnt(path, |path| quoted(path.shape)),
        "peer_var_list" => quoted(&schema::names(schema::PEER)),
        _ => return None,
    })
}

/// Whole seconds since a moment; 0 if it never was.
#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap")]
fn since(moment: NtpTimestamp, now: Reading) -> u64 {
    if moment.is_zero() { 0 } else { (now.system - moment).to_std().as_secs() }
}

/// What a peer follows. Stratum 1 has a clock's code; stratum 16 one of ours.
fn refid(peer: &PeerSnapshot) -> String {
    match peer.reference_id.code() {
        Some(code) if peer.kind != PeerKind::Server => code,
        _ => reference(peer.reference_id, peer.stratum),
    }
}

/// Eight milliseconds, the newest first.
fn filter(
    peer: &PeerSnapshot,
    pick: impl Fn((NtpDuration, NtpDuration, NtpDuration)) -> NtpDuration,
    empty: NtpDuration,
) -> String {
    let mut text = String::with_capacity(STAGES.saturating_mul(8));
    for stage in &peer.filter {
        let value = stage.map_or(empty, &pick).as_millis_f64();
        let separator = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{separator}{value:.2}");
    }
    text
}
