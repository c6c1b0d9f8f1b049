//! The 48-byte header common to versions 1 to 4 (RFC 5905 §7.3, RFC 1305 appendix A, RFC 1059).

use crate::time::{NtpShort, NtpTimestamp, Precision};

use super::{ReferenceId, WireError, take};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 48;

/// The leap indicator (RFC 5905 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Leap {
    /// No leap second is coming.
    #[default]
    None,
    /// The last minute of the day has 61 seconds.
    Insert,
    /// The last minute of the day has 59 seconds.
    Delete,
    /// The clock is not synchronized.
    Unknown,
}

impl Leap {
    /// From the two bits on the wire; higher bits are ignored.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::None,
            1 => Self::Insert,
            2 => Self::Delete,
            _ => Self::Unknown,
        }
    }

    /// The two bits on the wire.
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Insert => 1,
            Self::Delete => 2,
            Self::Unknown => 3,
        }
    }
}

/// A protocol version from 1 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

impl Version {
    /// RFC 5905.
    pub const V4: Self = Self(4);
    /// RFC 1305.
    pub const V3: Self = Self(3);
    /// What mode 6 clients send.
    pub const V2: Self = Self(2);
    /// RFC 1059.
    pub const V1: Self = Self(1);

    /// Any of 1..=4.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            1..=4 => Some(Self(number)),
            _ => None,
        }
    }

    /// 1..=4.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// The association mode (RFC 5905 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 0: what a version 1 client sends.
    Reserved,
    /// 1
    SymmetricActive,
    /// 2
    SymmetricPassive,
    /// 3
    Client,
    /// 4
    Server,
    /// 5
    Broadcast,
    /// 6
    Control,
    /// 7
    Private,
}

impl Mode {
    /// From the three bits on the wire; higher bits are ignored.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b111 {
            0 => Self::Reserved,
            1 => Self::SymmetricActive,
            2 => Self::SymmetricPassive,
            3 => Self::Client,
            4 => Self::Server,
            5 => Self::Broadcast,
            6 => Self::Control,
            _ => Self::Private,
        }
    }

    /// The three bits on the wire.
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Reserved => 0,
            Self::SymmetricActive => 1,
            Self::SymmetricPassive => 2,
            Self::Client => 3,
            Self::Server => 4,
            Self::Broadcast => 5,
            Self::Control => 6,
            Self::Private => 7,
        }
    }
}

/// Distance from a reference clock, in servers (RFC 5905 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stratum(u8);

impl Stratum {
    /// Unspecified; carries a kiss code.
    pub const UNSPECIFIED: Self = Self(0);
    /// Unsynchronized (RFC 5905 §7.2 MAXSTRAT).
    pub const UNSYNCHRONIZED: Self = Self(16);

    /// From the byte on the wire.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The byte on the wire.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether a clock of this stratum can be followed: 1..=15.
    pub const fn is_synchronized(self) -> bool {
        self.0 >= 1 && self.0 < 16
    }

    /// The stratum of who follows this one, at most 16.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1).min(16))
    }
}

/// The fields of the header, in the order of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Leap indicator.
    pub leap: Leap,
    /// Protocol version.
    pub version: Version,
    /// Association mode.
    pub mode: Mode,
    /// Stratum.
    pub stratum: Stratum,
    /// log2 seconds between polls, as sent: peers put anything here.
    pub poll: i8,
    /// log2 seconds of the sender's clock precision.
    pub precision: Precision,
    /// RFC 5905 §7.3 rootdelay.
    pub root_delay: NtpShort,
    /// RFC 5905 §7.3 rootdisp.
    pub root_dispersion: NtpShort,
    /// RFC 5905 §7.3 refid.
    pub reference_id: ReferenceId,
    /// When the sender's clock was last set or corrected.
    pub reference_timestamp: NtpTimestamp,
    /// The transmit timestamp of the packet this one answers.
    pub origin: NtpTimestamp,
    /// When that packet arrived.
    pub receive: NtpTimestamp,
    /// When this packet left.
    pub transmit: NtpTimestamp,
}

impl Header {
    /// A client's request that gives away nothing: every field that a server has no use for is
    /// zero, and the transmit timestamp is the nonce that its answer must return.
    pub fn request(version: Version, poll: i8, nonce: NtpTimestamp) -> Self {
        Self {
            leap: Leap::None,
            version,
            // RFC 1059 has no modes: a version 1 client sends zero.
            mode: if version == Version::V1 { Mode::Reserved } else { Mode::Client },
            stratum: Stratum::UNSPECIFIED,
            poll,
            precision: Precision::new(0),
            root_delay: NtpShort::ZERO,
            root_dispersion: NtpShort::ZERO,
            reference_id: ReferenceId::default(),
            reference_timestamp: NtpTimestamp::ZERO,
            origin: NtpTimestamp::ZERO,
            receive: NtpTimestamp::ZERO,
            transmit: nonce,
        }
    }

    /// Reads the first 48 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Self::fields(bytes).ok_or(WireError::TooShort { length: bytes.len() })?
    }

    /// `None` where bytes run out.
    fn fields(bytes: &[u8]) -> Option<Result<Self, WireError>> {
        if bytes.len() < HEADER_LEN {
            return None;
        }
        let [first, stratum, poll, precision] = take(bytes, 0)?;
        let number = (first >> 3) & 0b111;
        let Some(version) = Version::new(number) else {
            return Some(Err(WireError::Version(number)));
        };
        let mode = Mode::from_bits(first);
        if matches!(mode, Mode::Control | Mode::Private) {
            return Some(Err(WireError::Mode(mode.to_bits())));
        }
        let timestamp = |at| take(bytes, at).map(|raw| NtpTimestamp::from_bits(u64::from_be_bytes(raw)));
        let short = |at| take(bytes, at).map(|raw| NtpShort::from_bits(u32::from_be_bytes(raw)));
        Some(Ok(Self {
            leap: Leap::from_bits(first >> 6),
            version,
            mode,
            stratum: Stratum::new(stratum),
            poll: i8::from_be_bytes([poll]),
            precision: Precision::new(i8::from_be_bytes([precision])),
            root_delay: short(4)?,
            root_dispersion: short(8)?,
            reference_id: ReferenceId::from_bytes(take(bytes, 12)?),
            reference_timestamp: timestamp(16)?,
            origin: timestamp(24)?,
            receive: timestamp(32)?,
            transmit: timestamp(40)?,
        }))
    }

    /// The 48 bytes of the wire.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let first = (self.leap.to_bits() << 6) | (self.version.number() << 3) | self.mode.to_bits();
        let parts: [&[u8]; 8] = [
            &[
                first,
                self.stratum.value(),
                self.poll.to_be_bytes()[0],
                self.precision.exponent().to_be_bytes()[0],
            ],
            &self.root_delay.to_bits().to_be_bytes(),
            &self.root_dispersion.to_bits().to_be_bytes(),
            &self.reference_id.to_bytes(),
            &self.reference_timestamp.to_bits().to_be_bytes(),
            &self.origin.to_bits().to_be_bytes(),
            &self.receive.to_bits().to_be_bytes(),
            &self.transmit.to_bits().to_be_bytes(),
        ];
        let mut bytes = [0; HEADER_LEN];
        for (slot, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *slot = *byte;
        }
        bytes
    }
}
