//! The control packet (RFC 9327 §2).

use crate::wire::{Leap, Mode, Version, take};

/// Length of the header.
pub const CONTROL_HEADER_LEN: usize = 12;

/// The most data in one packet (RFC 9327 §2).
pub const FRAGMENT_LEN_MAX: usize = 468;

const RESPONSE: u8 = 0x80;
const ERROR: u8 = 0x40;
const MORE: u8 = 0x20;

/// What is asked (RFC 9327 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// 1: association numbers and status words.
    ReadStatus,
    /// 2: variables.
    ReadVariables,
    /// 4: variables of a reference clock.
    ReadClock,
    /// 8: a line of configuration.
    Configure,
    /// 11: interfaces, or the access list.
    ReadOrdered,
    /// 10: the list of clients.
    ReadClients,
    /// 12: a nonce for it.
    RequestNonce,
    /// Any other.
    Other(u8),
}

impl Opcode {
    /// From the five bits on the wire.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0x1f {
            1 => Self::ReadStatus,
            2 => Self::ReadVariables,
            4 => Self::ReadClock,
            8 => Self::Configure,
            10 => Self::ReadClients,
            11 => Self::ReadOrdered,
            12 => Self::RequestNonce,
            other => Self::Other(other),
        }
    }

    /// The five bits on the wire.
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::ReadStatus => 1,
            Self::ReadVariables => 2,
            Self::ReadClock => 4,
            Self::Configure => 8,
            Self::ReadClients => 10,
            Self::ReadOrdered => 11,
            Self::RequestNonce => 12,
            Self::Other(bits) => bits & 0x1f,
        }
    }
}

/// Why a request was refused (RFC 9327 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 1: it needs authentication that is not there.
    Permission,
    /// 2: the packet makes no sense.
    BadFormat,
    /// 3: no such operation here.
    BadOpcode,
    /// 4: no such association.
    BadAssociation,
    /// 5: no such variable.
    UnknownVariable,
    /// 6: no such value.
    BadValue,
    /// 7: forbidden to this client.
    Restricted,
    /// Anything else.
    Other(u8),
}

impl ErrorCode {
    /// From the code on the wire.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Permission,
            2 => Self::BadFormat,
            3 => Self::BadOpcode,
            4 => Self::BadAssociation,
            5 => Self::UnknownVariable,
            6 => Self::BadValue,
            7 => Self::Restricted,
            other => Self::Other(other),
        }
    }

    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Permission => 1,
            Self::BadFormat => 2,
            Self::BadOpcode => 3,
            Self::BadAssociation => 4,
            Self::UnknownVariable => 5,
            Self::BadValue => 6,
            Self::Restricted => 7,
            Self::Other(code) => code,
        }
    }
}

/// The twelve bytes before the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlHeader {
    /// The sender's leap indicator.
    pub leap: Leap,
    /// Protocol version.
    pub version: Version,
    /// A reply, not a request.
    pub response: bool,
    /// A refusal; its code is in the upper half of `status`.
    pub error: bool,
    /// More fragments follow this one.
    pub more: bool,
    /// What is asked.
    pub opcode: Opcode,
    /// Pairs replies with requests.
    pub sequence: u16,
    /// A status word, or an error code.
    pub status: u16,
    /// Which association; 0 is the system.
    pub association: u16,
    /// Where in the whole reply this fragment's data belong.
    pub offset: u16,
    /// How many bytes of data there are.
    pub count: u16,
}

impl ControlHeader {
    /// A request without data.
    pub const fn request(opcode: Opcode, sequence: u16, association: u16) -> Self {
        Self {
            leap: Leap::None,
            version: Version::V2,
            response: false,
            error: false,
            more: false,
            opcode,
            sequence,
            status: 0,
            association,
            offset: 0,
            count: 0,
        }
    }

    /// The reply to this request, empty as yet.
    #[must_use]
    pub const fn reply(&self, leap: Leap, status: u16) -> Self {
        Self { leap, response: true, status, offset: 0, count: 0, ..*self }
    }

    /// The refusal of this request.
    #[must_use]
    pub fn refusal(&self, leap: Leap, code: ErrorCode) -> Self {
        let status = u16::from_be_bytes([code.code(), 0]);
        Self { error: true, ..self.reply(leap, status) }
    }

    fn to_bytes(self) -> [u8; CONTROL_HEADER_LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let first = (self.leap.to_bits() << 6) | (self.version.number() << 3) | Mode::Control.to_bits();
        let second = flag(self.response, RESPONSE)
            | flag(self.error, ERROR)
            | flag(self.more, MORE)
            | self.opcode.to_bits();
        let mut bytes = [0; CONTROL_HEADER_LEN];
        let words = [self.sequence, self.status, self.association, self.offset, self.count];
        let content = [first, second].into_iter().chain(words.into_iter().flat_map(u16::to_be_bytes));
        for (slot, byte) in bytes.iter_mut().zip(content) {
            *slot = byte;
        }
        bytes
    }
}

/// A control packet, borrowed from its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlMessage<'a> {
    /// The header.
    pub header: ControlHeader,
    /// `count` bytes of data, or fewer if the sender lied about it.
    pub data: &'a [u8],
    /// Whether all the data that the header promises are there.
    pub complete: bool,
}

impl<'a> ControlMessage<'a> {
    /// Reads a datagram; `None` if it is no control packet of a version spoken here.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [first, second, tail @ ..] = take::<CONTROL_HEADER_LEN>(bytes, 0)?;
        let version = Version::new((first >> 3) & 0b111)?;
        if Mode::from_bits(first) != Mode::Control {
            return None;
        }
        let word = |at| take(&tail, at).map(u16::from_be_bytes);
        let count = word(8)?;
        let header = ControlHeader {
            leap: Leap::from_bits(first >> 6),
            version,
            response: second & RESPONSE != 0,
            error: second & ERROR != 0,
            more: second & MORE != 0,
            opcode: Opcode::from_bits(second),
            sequence: word(0)?,
            status: word(2)?,
            association: word(4)?,
            offset: word(6)?,
            count,
        };
        let rest = bytes.get(CONTROL_HEADER_LEN..).unwrap_or_default();
        let data = rest.get(..usize::from(count));
        Some(Self { header, data: data.unwrap_or(rest), complete: data.is_some() })
    }

    /// Writes header and data, padded to a multiple of four bytes. Data beyond what a packet can
    /// count are cut.
    pub fn write(header: &ControlHeader, data: &[u8]) -> Vec<u8> {
        let count = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let data = data.get(..usize::from(count)).unwrap_or(data);
        let header = ControlHeader { count, ..*header };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_readvar_request_is_byte_for_byte_what_ntpq_sends() {
        let header = ControlHeader::request(Opcode::ReadVariables, 2, 0xcfc8);
        let bytes = ControlMessage::write(&header, &[]);
        assert_eq!(bytes, [0x16, 2, 0, 2, 0, 0, 0xcf, 0xc8, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(message) = ControlMessage::parse(&bytes) {
                prop_assert!(message.data.len() <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(opcode: u8, sequence: u16, status: u16, association: u16, data in proptest::collection::vec(any::<u8>(), 0..468)) {
            let request = ControlHeader::request(Opcode::from_bits(opcode), sequence, association);
            let header = ControlHeader { count: u16::try_from(data.len()).unwrap(), ..request.reply(Leap::None, status) };
            let bytes = ControlMessage::write(&header, &data);
            prop_assert_eq!(bytes.len() % 4, 0);
            let message = ControlMessage::parse(&bytes).unwrap();
            prop_assert_eq!(message, ControlMessage { header, data: &data, complete: true });
        }
    }
}
