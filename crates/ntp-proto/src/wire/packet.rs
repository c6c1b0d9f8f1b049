//! Header, extension fields and MAC, told apart by RFC 7822's rules.

use super::{HEADER_LEN, Header, Version, WireError, take};

/// The longest MAC trailer of an NTPv4 packet: a key identifier and 20 bytes of digest
/// (RFC 7822 §3).
pub const MAC_LEN_MAX: usize = 24;

/// The longest MAC trailer accepted after a header of version 1 to 3, which has no extension
/// fields to confuse it with: a key identifier and 64 bytes of digest.
pub const LEGACY_MAC_LEN_MAX: usize = 68;

/// The shortest extension field, header included (RFC 7822 §3).
const FIELD_LEN_MIN: usize = 16;

/// A time packet, borrowed from the datagram it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed fields.
    pub header: Header,
    fields: &'a [u8],
    /// The trailer, if there is one. Not verified: that is the authenticator's work.
    pub mac: Option<Mac<'a>>,
}

/// A message authentication code (RFC 5905 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac<'a> {
    /// Which shared key.
    pub key_id: u32,
    /// The digest; empty in a crypto-NAK.
    pub digest: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram whole: every byte belongs to the header, a field or the MAC.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let header = Header::parse(bytes)?;
        let mac_start = if header.version == Version::V4 { end_of_fields(bytes)? } else { HEADER_LEN };
        let mac = trailer(bytes, mac_start, header.version)?;
        let fields = bytes.get(HEADER_LEN..mac_start).unwrap_or_default();
        Ok(Self { header, fields, mac })
    }

    /// Where the MAC stands: a code is about everything before it.
    pub const fn mac_offset(&self) -> usize {
        HEADER_LEN.saturating_add(self.fields.len())
    }

    /// The extension fields in order, known or not.
    pub const fn extension_fields(&self) -> ExtensionFields<'a> {
        ExtensionFields { rest: self.fields }
    }

    /// Writes the packet as it was read, unknown fields included.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header.to_bytes());
        out.extend_from_slice(self.fields);
        if let Some(mac) = self.mac {
            out.extend_from_slice(&mac.key_id.to_be_bytes());
            out.extend_from_slice(mac.digest);
        }
    }
}

/// Where the extension fields end and the MAC, if any, begins.
///
/// RFC 7822 §3: more than 24 remaining bytes are an extension field; 24, 20 or 4 are a MAC. The
/// same rule makes a last field shorter than 28 bytes without a MAC unreadable, as it says.
fn end_of_fields(bytes: &[u8]) -> Result<usize, WireError> {
    let mut offset = HEADER_LEN;
    loop {
        let length = bytes.len().saturating_sub(offset);
        if length <= MAC_LEN_MAX {
            return Ok(offset);
        }
        offset = field_len(bytes, offset)
            .and_then(|field| offset.checked_add(field))
            .ok_or(WireError::Trailer { offset, length })?;
    }
}

/// The length of the extension field at `offset`, if it is well-formed.
fn field_len(bytes: &[u8], offset: usize) -> Option<usize> {
    let [_, _, high, low] = take(bytes, offset)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let remaining = bytes.len().checked_sub(offset)?;
    (length >= FIELD_LEN_MIN && length.is_multiple_of(4) && length <= remaining).then_some(length)
}

/// The MAC that fills the datagram from `offset` to its end.
fn trailer(bytes: &[u8], offset: usize, version: Version) -> Result<Option<Mac<'_>>, WireError> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let length = rest.len();
    let fits = match length {
        0 => return Ok(None),
        4 | 20 | 24 => true,
        _ => {
            version != Version::V4 && (12..=LEGACY_MAC_LEN_MAX).contains(&length) && length.is_multiple_of(4)
        }
    };
    match rest.split_first_chunk() {
        Some((key_id, digest)) if fits => Ok(Some(Mac { key_id: u32::from_be_bytes(*key_id), digest })),
        _ => Err(WireError::Trailer { offset, length }),
    }
}

/// One extension field (RFC 7822 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionField<'a> {
    /// The field type as registered with IANA.
    pub field_type: u16,
    /// The body, padding included.
    pub body: &'a [u8],
}

/// Iterates over the extension fields of a packet.
#[derive(Clone, Debug)]
pub struct ExtensionFields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ExtensionFields<'a> {
    type Item = ExtensionField<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let [high, low] = take(self.rest, 0)?;
        let length = field_len(self.rest, 0)?;
        let (field, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(ExtensionField { field_type: u16::from_be_bytes([high, low]), body: field.get(4..)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NtpTimestamp;
    use crate::wire::Mode;
    use proptest::prelude::*;

    fn request_with(trailer: &[u8], version: u8) -> Vec<u8> {
        let version = Version::new(version).unwrap();
        let mut bytes = Header::request(version, 6, NtpTimestamp::from_bits(7)).to_bytes().to_vec();
        bytes.extend_from_slice(trailer);
        bytes
    }

    fn field(field_type: u16, length: u16) -> Vec<u8> {
        let mut bytes = field_type.to_be_bytes().to_vec();
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.resize(usize::from(length), 0xee);
        bytes
    }

    #[test]
    fn nothing_shorter_than_a_header_is_accepted() {
        let bytes = request_with(&[], 4);
        for length in 0..HEADER_LEN {
            assert_eq!(Packet::parse(&bytes[..length]), Err(WireError::TooShort { length }));
        }
        assert!(Packet::parse(&bytes).is_ok());
    }

    #[test]
    fn mac_lengths_are_those_of_rfc_7822() {
        for (length, digest) in [(4, 0), (20, 16), (24, 20)] {
            let bytes = request_with(&vec![9; length], 4);
            assert_eq!(Packet::parse(&bytes).unwrap().mac.unwrap().digest.len(), digest);
        }
        for length in [1, 3, 8, 12, 16, 22, 23] {
            assert!(Packet::parse(&request_with(&vec![9; length], 4)).is_err(), "{length}");
        }
    }

    #[test]
    fn a_field_alone_needs_28_bytes_and_16_before_a_mac() {
        assert!(Packet::parse(&request_with(&field(0x0104, 28), 4)).is_ok());
        let mut with_mac = field(0x0104, 16);
        with_mac.extend_from_slice(&[1; 20]);
        let bytes = request_with(&with_mac, 4);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.extension_fields().count(), 1);
        assert_eq!(packet.mac.unwrap().digest.len(), 16);
    }

    #[test]
    fn a_field_that_lies_about_its_length_is_refused() {
        for length in [0_u16, 4, 15, 17, 64, 0xffff] {
            let mut lying = field(0x0104, 28);
            lying[2..4].copy_from_slice(&length.to_be_bytes());
            assert!(Packet::parse(&request_with(&lying, 4)).is_err(), "{length}");
        }
    }

    #[test]
    fn old_versions_have_no_extension_fields() {
        let bytes = request_with(&[5; 36], 3);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.extension_fields().count(), 0);
        assert_eq!(packet.mac.unwrap().digest.len(), 32);
        assert!(Packet::parse(&request_with(&[5; 72], 3)).is_err());
    }

    #[test]
    fn control_and_private_modes_and_other_versions_are_named() {
        for (first, error) in [
            (0b00_100_110, WireError::Mode(6)),
            (0b00_010_111, WireError::Mode(7)),
            (0b00_000_011, WireError::Version(0)),
            (0b00_101_011, WireError::Version(5)),
        ] {
            let mut bytes = request_with(&[], 4);
            bytes[0] = first;
            assert_eq!(Packet::parse(&bytes), Err(error));
        }
        assert_eq!(Mode::from_bits(0b1111_1101), Mode::Broadcast);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_whole_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                let mut out = Vec::new();
                packet.write(&mut out);
                prop_assert_eq!(out, bytes);
            }
        }

        #[test]
        fn unknown_fields_survive_a_round_trip(
            fields in proptest::collection::vec((any::<u16>(), 7_u16..40), 1..5),
            key in proptest::option::of(any::<[u8; 24]>()),
        ) {
            let mut trailer: Vec<u8> = fields.iter().flat_map(|(kind, words)| field(*kind, words * 4)).collect();
            trailer.extend(key.iter().flatten());
            let bytes = request_with(&trailer, 4);
            let packet = Packet::parse(&bytes).unwrap();
            prop_assert_eq!(packet.extension_fields().count(), fields.len());
            prop_assert_eq!(packet.mac.is_some(), key.is_some());
            let mut out = Vec::new();
            packet.write(&mut out);
            prop_assert_eq!(out, bytes);
        }
    }
}
