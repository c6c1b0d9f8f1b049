//! An answer, but for its transmit timestamp: whoever sends it stamps it at the last moment.

use crate::auth::{CodeLength, KeyId, KeyTable};
use crate::time::NtpTimestamp;
use crate::wire::{Datagram, Header};

use super::Proof;
use super::counters::{Outcome, Trait};

/// Where the transmit timestamp stands.
const TRANSMIT_OFFSET: usize = 40;

/// An answer in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    datagram: Datagram,
    key: Option<(KeyId, CodeLength)>,
    /// What it is.
    pub outcome: Outcome,
    /// What the request's MAC was.
    pub(super) signed: Option<Trait>,
}

impl Reply {
    /// An answer, to be signed if there is a key.
    pub(super) fn new(header: &Header, proof: Proof, outcome: Outcome) -> Self {
        Self {
            datagram: Datagram::new(header.to_bytes()),
            key: proof.key(),
            outcome,
            signed: proof.is_counted_as(),
        }
    }

    /// An answer with a crypto-NAK, a MAC of key 0 without a code (RFC 5905 §7.3).
    pub(super) fn refusal(header: &Header, proof: Proof) -> Self {
        let mut reply = Self::new(header, proof, Outcome::Refused);
        reply.datagram.push(&[0; size_of::<u32>()]);
        reply
    }

    /// Fills in when it leaves, T3, and signs it.
    pub fn seal(&mut self, transmit: NtpTimestamp, keys: &KeyTable) {
        self.datagram.put(TRANSMIT_OFFSET, &transmit.to_bits().to_be_bytes());
        // A key that is gone since signs nothing: the client will not take the answer, and ask again.
        if let Some((id, length)) = self.key
            && let Some(key) = keys.trusted(id)
        {
            key.sign(&mut self.datagram, length);
        }
    }

    /// What goes onto the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.datagram.as_bytes()
    }
}
