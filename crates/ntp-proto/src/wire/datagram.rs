//! A packet of ours on its way out, without allocation.

use super::{HEADER_LEN, LEGACY_MAC_LEN_MAX};

/// The longest packet that is written here: a header and a MAC.
pub const DATAGRAM_LEN_MAX: usize = HEADER_LEN + LEGACY_MAC_LEN_MAX;

/// Up to [`DATAGRAM_LEN_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    bytes: [u8; DATAGRAM_LEN_MAX],
    length: usize,
}

impl Datagram {
    /// A header alone.
    pub fn new(header: [u8; HEADER_LEN]) -> Self {
        let mut datagram = Self { bytes: [0; DATAGRAM_LEN_MAX], length: 0 };
        datagram.push(&header);
        datagram
    }

    /// Appends a part; what there is no room for is cut.
    pub fn push(&mut self, part: &[u8]) {
        let length = part.len().min(DATAGRAM_LEN_MAX.saturating_sub(self.length));
        self.put(self.length, part);
        self.length = self.length.saturating_add(length);
    }

    /// Overwrites a part.
    pub fn put(&mut self, at: usize, part: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(at).zip(part) {
            *slot = *byte;
        }
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
