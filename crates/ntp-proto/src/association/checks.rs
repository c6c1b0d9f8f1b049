//! RFC 5905 §9.2's packet tests: whether an answer may be used, judged once and by name.

use crate::auth::Protection;
use crate::time::{MonoTime, NtpDuration, NtpTimestamp};
use crate::wire::{KissCode, Leap, Mode, Packet, Stratum, WireError};

use super::{Measurement, State};

/// The most that a server may be away from its reference clock (RFC 5905 §7.2 MAXDISP).
const ROOT_DISTANCE_MAX: NtpDuration = NtpDuration::from_seconds(16);

/// Why an answer was not used. `ntpq` shows it as a flash bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not an NTP packet.
    #[error("not an NTP packet: {0}")]
    Malformed(WireError),
    /// Not an answer to a client.
    #[error("not a server's answer")]
    NotAnswer,
    /// It does not return the nonce of the request that is waiting.
    #[error("not an answer to our request")]
    NotOurs,
    /// It repeats an earlier answer.
    #[error("a repeated answer")]
    Duplicate,
    /// It is not signed with the key that its line in ntp.conf asks for.
    #[error("the answer is not signed with our key, or wrongly")]
    Unauthentic,
    /// The server does not know the key, or has another one of that number.
    #[error("the server does not accept our key")]
    CryptoNak,
    /// A Kiss-o'-Death.
    #[error("the server sent a kiss code")]
    Kiss(KissCode),
    /// The server has no time to give.
    #[error("the server is not synchronized")]
    Unsynchronized,
    /// The header contradicts itself, or the server is absurdly far from its reference.
    #[error("the header makes no sense")]
    BadHeader,
    /// The round trip is negative or not finite.
    #[error("the round trip is impossible")]
    Implausible,
}

impl Rejection {
    /// The bit `ntpq` shows for it in `flash` (the numbers are ntpd's, of which RFC 5905 §13 has
    /// the names).
    pub const fn flash(self) -> u16 {
        match self {
            Self::Duplicate => 0x0001,
            Self::NotOurs | Self::NotAnswer | Self::Malformed(_) => 0x0002,
            Self::Implausible => 0x0004,
            Self::Kiss(_) => 0x0008,
            Self::Unauthentic | Self::CryptoNak => 0x0010,
            Self::Unsynchronized => 0x0020,
            Self::BadHeader => 0x0040,
        }
    }
}

impl State {
    /// Whether a packet answers the request that is waiting; if so, when that request left on the
    /// undisciplined timescale. Has no side effect.
    pub(super) fn admit(&self, packet: &Packet<'_>) -> Result<NtpTimestamp, Rejection> {
        let header = &packet.header;
        if header.mode != Mode::Server {
            return Err(Rejection::NotAnswer);
        }
        // RFC 5905 §9.2 test 1; a zero transmit timestamp can be no answer (test 3).
        if self.last_transmit == Some(header.transmit) && !header.transmit.is_zero() {
            return Err(Rejection::Duplicate);
        }
        // RFC 5905 §9.2 test 2. The nonce is used up by its first answer, so a replay ends here.
        let outstanding = self.outstanding.as_ref().ok_or(Rejection::NotOurs)?;
        if header.origin != outstanding.nonce {
            return Err(Rejection::NotOurs);
        }
        outstanding.departed.ok_or(Rejection::NotOurs)
    }
}

/// Whether an answer is signed as it must be. A crypto-NAK is news for the administrator, and takes nothing
/// back: anybody can send one (CVE-2015-7871, CVE-2016-1547).
pub(super) fn authenticate(
    packet: &Packet<'_>,
    bytes: &[u8],
    protection: Protection<'_>,
) -> Result<(), Rejection> {
    let Protection::Key(key) = protection else { return Ok(()) };
    let mac = packet.mac.ok_or(Rejection::Unauthentic)?;
    if mac.key_id == 0 && mac.digest.is_empty() {
        return Err(Rejection::CryptoNak);
    }
    let message = bytes.get(..packet.mac_offset()).unwrap_or_default();
    if key.signs(message, &mac) { Ok(()) } else { Err(Rejection::Unauthentic) }
}

/// Judges what an admitted answer says: tests 3 to 7 of RFC 5905 §9.2.
pub(super) fn judge(
    packet: &Packet<'_>,
    departed: NtpTimestamp,
    arrived: NtpTimestamp,
    at: MonoTime,
) -> Result<Measurement, Rejection> {
    let header = &packet.header;
    if header.stratum == Stratum::UNSPECIFIED
        && let Some(code) = KissCode::of(header.reference_id)
    {
        return Err(Rejection::Kiss(code));
    }
    if header.leap == Leap::Unknown || !header.stratum.is_synchronized() {
        return Err(Rejection::Unsynchronized);
    }
    if header.receive.is_zero() || header.transmit.is_zero() {
        return Err(Rejection::Unsynchronized);
    }
    let root_distance = header.root_delay.to_duration().half() + header.root_dispersion.to_duration();
    let reference_age = header.transmit - header.reference_timestamp;
    let reference_in_future = reference_age.is_negative() && !header.reference_timestamp.is_zero();
    let residence = header.transmit - header.receive;
    if root_distance >= ROOT_DISTANCE_MAX || reference_in_future || residence.is_negative() {
        return Err(Rejection::BadHeader);
    }
    let measurement = Measurement {
        at,
        forward: header.receive - departed,
        backward: arrived - header.transmit,
        precision: header.precision,
    };
    // Time stamps are taken at different layers on each side, so a round trip on one machine can
    // come out a little below zero; the server's tick is the honest allowance for that.
    let allowance = header.precision.to_duration() + NtpDuration::from_micros(100);
    let travelled = (arrived - departed) - residence;
    if travelled < -allowance || travelled >= ROOT_DISTANCE_MAX {
        return Err(Rejection::Implausible);
    }
    Ok(measurement)
}
