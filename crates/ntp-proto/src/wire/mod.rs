//! Bytes on the wire: the NTP header, extension fields and MAC trailers (RFC 5905 §7, RFC 7822).
//!
//! Parsing borrows, allocates nothing, never panics, and accepts nothing shorter than a header.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod datagram;
mod header;
mod packet;
mod refid;

pub use datagram::{DATAGRAM_LEN_MAX, Datagram};
pub use header::{HEADER_LEN, Header, Leap, Mode, Stratum, Version};
pub use packet::{ExtensionField, ExtensionFields, LEGACY_MAC_LEN_MAX, MAC_LEN_MAX, Mac, Packet};
pub use refid::{KissCode, ReferenceId};

/// Why bytes are not an NTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Shorter than the 48 bytes of a header.
    #[error("{length} bytes are too few for an NTP header")]
    TooShort {
        /// How many there were.
        length: usize,
    },
    /// A version outside 1..=4.
    #[error("NTP version {0} is not spoken here")]
    Version(u8),
    /// Mode 6 or 7, which have formats of their own.
    #[error("mode {0} is not a time packet")]
    Mode(u8),
    /// What follows the header is neither extension fields nor a MAC.
    #[error("the {length} bytes at offset {offset} are neither an extension field nor a MAC")]
    Trailer {
        /// Where the unreadable part starts.
        offset: usize,
        /// How long it is.
        length: usize,
    },
}

/// Reads `N` bytes at `offset`.
pub(crate) fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    let end = offset.checked_add(N)?;
    bytes.get(offset..end)?.try_into().ok()
}
