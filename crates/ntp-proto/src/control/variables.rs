//! The variables of mode 6 and how their values are written (RFC 9327 §4, names as ntpd's).
//!
//! Milliseconds carry six decimals, because Debian's ntpq chooses its wider columns by that.

use core::fmt::Write as _;

use crate::association::STAGES;
use crate::auth::KeyId;
use crate::server::{Counts, Outcome};
use crate::system::{PeerKind, PeerSnapshot, Snapshot};
use crate::time::{MonoTime, NtpDuration, NtpTimestamp};
use crate::wire::{Leap, ReferenceId, Stratum};

use super::respond::Identity;

/// The variables sent when none are named, in their order.
pub(super) const SYSTEM_DEFAULTS: &[&str] = &[
    "leap",
    "stratum",
    "precision",
    "rootdelay",
    "rootdisp",
    "refid",
    "reftime",
    "tc",
    "peer",
    "offset",
    "frequency",
    "sys_jitter",
    "clk_jitter",
    "clock",
    "processor",
    "system",
    "version",
    "clk_wander",
    "mintc",
];

/// Variables sent only when named.
const SYSTEM_EXTRAS: &[&str] = &[
    "rootdist",
    "peeradr",
    "peermode",
    "ss_uptime",
    "ss_reset",
    "ss_received",
    "ss_processed",
    "ss_badformat",
    "ss_badauth",
    "ss_declined",
    "ss_restricted",
    "ss_limited",
    "ss_kodsent",
    "ib_sigw",
    "ib_weights",
    "sys_var_list",
];

/// The variables of a peer sent when none are named, in their order.
pub(super) const PEER_DEFAULTS: &[&str] = &[
    "srcadr",
    "srcport",
    "srchost",
    "dstadr",
    "dstport",
    "leap",
    "hmode",
    "stratum",
    "ppoll",
    "hpoll",
    "precision",
    "rootdelay",
    "rootdisp",
    "refid",
    "reftime",
    "rec",
    "reach",
    "unreach",
    "delay",
    "offset",
    "jitter",
    "dispersion",
    "keyid",
    "filtdelay",
    "filtoffset",
    "pmode",
    "filtdisp",
    "flash",
    "headway",
];

/// Variables of a peer sent only when named.
const PEER_EXTRAS: &[&str] = &[
    "config",
    "sent",
    "received",
    "bogusorg",
    "badauth",
    "ib_dmin",
    "ib_scale",
    "ib_bias",
    "ib_shape",
    "peer_var_list",
];

/// The mode of a client and of a server as numbers.
const CLIENT: &str = "3";
const SERVER: &str = "4";

/// The longest poll exponent that a server is believed to mean; chrony sends more.
const POLL_SHOWN_MAX: i8 = 17;

/// A system variable; `None` if there is no such name. An empty value is not sent by default.
pub(super) fn system(
    name: &str,
    snapshot: &Snapshot,
    identity: &Identity<'_>,
    counts: &Counts,
) -> Option<String> {
    let variables = &snapshot.system;
    let reference = &variables.reference;
    let now = identity.now;
    let leader = || variables.system_peer.and_then(|id| snapshot.peers.iter().find(|peer| peer.id == id));
    Some(match name {
        "leap" => reference.leap.to_bits().to_string(),
        "stratum" => reference.stratum.value().to_string(),
        "precision" => reference.precision.exponent().to_string(),
        "rootdelay" => millis(reference.root_delay, 3),
        "rootdisp" => millis(reference.root_dispersion(now.mono), 3),
        "rootdist" => millis(reference.root_distance(now.mono), 3),
        "refid" => system_refid(reference.reference_id, reference.stratum),
        "reftime" => timestamp(reference.reference_timestamp),
        "tc" => variables.time_constant.exponent().to_string(),
        "peer" => variables.system_peer.map_or(0, crate::association::AssociationId::number).to_string(),
        "offset" => millis(variables.offset, 6),
        "frequency" => format!("{:.6}", variables.frequency.as_ppm()),
        "sys_jitter" => millis(variables.jitter, 6),
        "clk_jitter" => millis(variables.clock_jitter, 6),
        "clock" => timestamp(now.system),
        "processor" => quoted(identity.processor),
        "system" => quoted(identity.system),
        "version" => quoted(identity.version),
        "clk_wander" => format!("{:.6}", variables.clock_wander.as_ppm()),
        "mintc" => variables.time_constant_min.exponent().to_string(),
        "peeradr" => leader().map_or_else(|| "0.0.0.0".to_owned(), |peer| peer.remote.ip().to_string()),
        "peermode" => leader().map_or("0", |_| SERVER).to_owned(),
        "ss_uptime" | "ss_reset" => uptime(now.mono, variables.started),
        "ss_received" => counts.total().to_string(),
        "ss_processed" => counts.of(Outcome::Answered).to_string(),
        "ss_badformat" => counts.of(Outcome::Malformed).to_string(),
        "ss_badauth" => counts.of(Outcome::Refused).wrapping_add(counts.of(Outcome::Unauthentic)).to_string(),
        "ss_declined" => counts.of(Outcome::NotRequest).wrapping_add(counts.of(Outcome::Stale)).to_string(),
        "ss_restricted" => {
            counts.of(Outcome::Restricted).wrapping_add(counts.of(Outcome::OldVersion)).to_string()
        }
        "ss_limited" => counts.of(Outcome::Limited).wrapping_add(counts.of(Outcome::Kissed)).to_string(),
        "ss_kodsent" => counts.of(Outcome::Kissed).to_string(),
        "ib_sigw" => learnt(variables.oscillator.as_ref(), |one| format!("{:.6}", one.wander.as_ppm())),
        "ib_weights" => learnt(variables.oscillator.as_ref(), |one| {
            quoted(&one.models.map(|percent| percent.to_string()).join(" "))
        }),
        "sys_var_list" => quoted(&[SYSTEM_DEFAULTS, SYSTEM_EXTRAS].concat().join(",")),
        _ => return None,
    })
}

/// A variable of a peer; `None` if there is no such name.
pub(super) fn peer(name: &str, peer: &PeerSnapshot) -> Option<String> {
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
        "refid" => peer_refid(peer),
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
        "badauth" => peer.counters.unauthentic.to_string(),
        "config" => "1".to_owned(),
        "sent" => peer.counters.sent.to_string(),
        "received" => peer.counters.received.to_string(),
        "bogusorg" => peer.counters.bogus.to_string(),
        "flash" => format!("{:#x}", peer.flash),
        "filtdelay" => filter(peer, |(delay, _, _)| delay, NtpDuration::ZERO),
        "filtoffset" => filter(peer, |(_, offset, _)| offset, NtpDuration::ZERO),
        "filtdisp" => filter(peer, |(_, _, dispersion)| dispersion, NtpDuration::from_seconds(16)),
        "ib_dmin" => learnt(peer.path.as_ref(), |path| millis(path.shortest, 6)),
        "ib_scale" => learnt(peer.path.as_ref(), |path| millis(path.scale, 6)),
        "ib_bias" => learnt(peer.path.and_then(|path| path.bias).as_ref(), |bias| millis(*bias, 6)),
        "ib_shape" => learnt(peer.path.as_ref(), |path| quoted(path.shape)),
        "peer_var_list" => quoted(&[PEER_DEFAULTS, PEER_EXTRAS].concat().join(",")),
        _ => return None,
    })
}

/// A value that is empty until it has been learnt.
fn learnt<T>(known: Option<&T>, write: impl Fn(&T) -> String) -> String {
    known.map(write).unwrap_or_default()
}

fn uptime(now: MonoTime, started: MonoTime) -> String {
    now.since(started).as_secs().to_string()
}

fn millis(duration: NtpDuration, decimals: usize) -> String {
    format!("{:.decimals$}", duration.as_millis_f64())
}

fn timestamp(time: NtpTimestamp) -> String {
    format!("0x{time:?}")
}

/// Text between quotes: printable ASCII without quotes and backslashes, whatever it held.
fn quoted(text: &str) -> String {
    let harmless = |c: char| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' };
    format!("\"{}\"", text.chars().map(harmless).collect::<String>())
}

/// The identifier of what we follow: a code at stratum 0, 1 and 16, an address in between.
fn system_refid(refid: ReferenceId, stratum: Stratum) -> String {
    let code = refid.code().filter(|_| !stratum.is_synchronized() || stratum.value() <= 1);
    code.unwrap_or_else(|| refid.to_string())
}

/// The identifier of what a peer follows. Stratum 1 has a clock's code; stratum 16 one of ours.
fn peer_refid(peer: &PeerSnapshot) -> String {
    let is_code =
        peer.kind != PeerKind::Server || !peer.stratum.is_synchronized() || peer.stratum.value() <= 1;
    peer.reference_id.code().filter(|_| is_code).unwrap_or_else(|| peer.reference_id.to_string())
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
