//! The four bytes that say where a server has its time from.

use core::fmt;
use core::net::IpAddr;

use md5::{Digest as _, Md5};

/// A reference identifier (RFC 5905 §7.3 refid): an address, a clock's code or a kiss code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReferenceId([u8; 4]);

impl ReferenceId {
    /// Nothing known yet.
    pub const INIT: Self = Self(*b"INIT");
    /// The undisciplined local clock.
    pub const LOCL: Self = Self(*b"LOCL");

    /// From the four bytes on the wire.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes on the wire.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// From up to four characters of ASCII, padded with zeros; longer text is cut.
    pub fn from_code(code: &str) -> Self {
        let mut bytes = [0; 4];
        for (slot, byte) in bytes.iter_mut().zip(code.bytes()) {
            *slot = byte;
        }
        Self(bytes)
    }

    /// The identifier of an upstream server: its IPv4 address, or the first four bytes of the MD5
    /// digest of its IPv6 address (RFC 5905 §7.3).
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.octets()),
            IpAddr::V6(v6) => {
                let mut first = [0; 4];
                for (slot, byte) in first.iter_mut().zip(Md5::digest(v6.octets())) {
                    *slot = byte;
                }
                Self(first)
            }
        }
    }

    /// As text, if every byte up to the zero padding is printable ASCII.
    pub fn code(self) -> Option<String> {
        let used = self.0.iter().take_while(|byte| **byte != 0).count();
        let (text, padding) = self.0.split_at_checked(used)?;
        let printable = text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        (printable && used > 0 && padding.iter().all(|byte| *byte == 0))
            .then(|| text.iter().map(|byte| char::from(*byte)).collect())
    }
}

impl fmt::Debug for ReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::net::Ipv4Addr::from(self.0).fmt(f)
    }
}

/// Why a server refuses to serve: the codes of a Kiss-o'-Death that a client acts on
/// (RFC 5905 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KissCode {
    /// We ask too often.
    Rate,
    /// We are not welcome.
    Deny,
    /// We are not welcome, by the server's policy.
    Restrict,
}

impl KissCode {
    /// The code carried in the reference identifier of a packet with stratum 0; `None` for those
    /// that ask nothing of a client, such as the INIT of a server that has no time yet.
    pub const fn of(refid: ReferenceId) -> Option<Self> {
        match &refid.0 {
            b"RATE" => Some(Self::Rate),
            b"DENY" => Some(Self::Deny),
            b"RSTR" => Some(Self::Restrict),
            _ => None,
        }
    }

    /// The code as it stands on the wire.
    pub const fn reference_id(self) -> ReferenceId {
        match self {
            Self::Rate => ReferenceId(*b"RATE"),
            Self::Deny => ReferenceId(*b"DENY"),
            Self::Restrict => ReferenceId(*b"RSTR"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_become_their_octets_or_a_digest() {
        let v4: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(ReferenceId::of_address(v4).to_bytes(), [192, 0, 2, 7]);
        // echo -n of sixteen bytes ::1 | md5sum
        let v6: IpAddr = "::1".parse().unwrap();
        assert_eq!(ReferenceId::of_address(v6).to_bytes(), [0xcf, 0x40, 0x4d, 0xc8]);
        let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(ReferenceId::of_address(mapped), ReferenceId::of_address(v4));
    }

    #[test]
    fn codes_are_read_only_where_they_are_text() {
        assert_eq!(ReferenceId::from_code("GPS").code().as_deref(), Some("GPS"));
        assert_eq!(ReferenceId::from_bytes([0; 4]).code(), None);
        assert_eq!(ReferenceId::from_bytes([b'A', 0, b'B', 0]).code(), None);
        for code in [KissCode::Rate, KissCode::Deny, KissCode::Restrict] {
            assert_eq!(KissCode::of(code.reference_id()), Some(code));
        }
        assert_eq!(KissCode::of(ReferenceId::INIT), None);
    }

    proptest! {
        #[test]
        fn text_codes_survive_a_round_trip(code in "[!-~]{1,4}") {
            prop_assert_eq!(ReferenceId::from_code(&code).code(), Some(code));
        }
    }
}
