//! The client's side: fragments in any order become one response.

use super::message::{ControlHeader, ControlMessage, ErrorCode};

/// More fragments than any honest daemon sends.
const FRAGMENTS_MAX: usize = 96;

/// More data than any honest daemon sends.
const LENGTH_MAX: usize = 65_536;

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status word.
    pub status: u16,
    /// All of the data.
    pub data: Vec<u8>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReassemblyError {
    /// The server refused.
    #[error("the server refused with code {}", .0.code())]
    Refused(ErrorCode),
    /// Fragments overlap, or there are too many of them.
    #[error("the server's fragments do not fit together")]
    Inconsistent,
}

/// Collects the fragments of the answer to one request.
#[derive(Clone, Debug)]
pub struct Reassembly {
    request: ControlHeader,
    fragments: Vec<(usize, Vec<u8>)>,
    /// Where the data end, once the last fragment is there.
    end: Option<usize>,
    status: u16,
}

impl Reassembly {
    /// For the answer to `request`.
    pub const fn new(request: ControlHeader) -> Self {
        Self { request, fragments: Vec::new(), end: None, status: 0 }
    }

    /// Takes in a datagram. `Ok(None)` while more are needed; foreign datagrams are passed over.
    pub fn accept(&mut self, datagram: &[u8]) -> Result<Option<Response>, ReassemblyError> {
        let Some(message) = ControlMessage::parse(datagram) else { return Ok(None) };
        let header = &message.header;
        let ours = header.response
            && header.opcode == self.request.opcode
            && header.sequence == self.request.sequence
            && (header.association == self.request.association || header.error);
        if !ours || !message.complete {
            return Ok(None);
        }
        if header.error {
            let [code, _] = header.status.to_be_bytes();
            return Err(ReassemblyError::Refused(ErrorCode::from_code(code)));
        }
        self.insert(header, message.data)?;
        Ok(self.assemble())
    }

    /// How many bytes have come in.
    pub fn received(&self) -> usize {
        self.fragments.iter().map(|(_, data)| data.len()).sum()
    }

    fn insert(&mut self, header: &ControlHeader, data: &[u8]) -> Result<(), ReassemblyError> {
        let start = usize::from(header.offset);
        let end = start.saturating_add(data.len());
        if self.fragments.iter().any(|(known, part)| *known == start && part == data) {
            return Ok(());
        }
        let overlaps =
            |(known, part): &(usize, Vec<u8>)| start < known.saturating_add(part.len()) && *known < end;
        let beyond = self.end.is_some_and(|last| end > last) || end > LENGTH_MAX;
        // The last one is the last in every sense, and there is one only.
        let behind = |(known, part): &(usize, Vec<u8>)| known.saturating_add(part.len()) > end;
        let contradicts = !header.more && (self.end.is_some() || self.fragments.iter().any(behind));
        let too_many = self.fragments.len() >= FRAGMENTS_MAX;
        if self.fragments.iter().any(overlaps) || beyond || contradicts || too_many {
            return Err(ReassemblyError::Inconsistent);
        }
        if !header.more {
            self.end = Some(end);
        }
        self.status = header.status;
        self.fragments.push((start, data.to_vec()));
        Ok(())
    }

    /// Without overlaps, and with nothing behind the last one, as many bytes as that are all of them.
    fn assemble(&mut self) -> Option<Response> {
        if self.end? != self.received() {
            return None;
        }
        self.fragments.sort();
        let data = self.fragments.iter().flat_map(|(_, part)| part.iter().copied()).collect();
        Some(Response { status: self.status, data })
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Opcode;
    use super::*;
    use crate::wire::Leap;
    use proptest::prelude::*;

    fn request() -> ControlHeader {
        ControlHeader::request(Opcode::ReadVariables, 9, 5)
    }

    fn fragment(offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
        let header = ControlHeader { more, offset, ..request().reply(Leap::None, 0x9614) };
        ControlMessage::write(&header, data)
    }

    #[test]
    fn fragments_may_come_in_any_order_and_twice() {
        let mut reassembly = Reassembly::new(request());
        assert_eq!(reassembly.accept(&fragment(4, false, b"efg")), Ok(None));
        assert_eq!(reassembly.accept(&fragment(4, false, b"efg")), Ok(None));
        let whole = reassembly.accept(&fragment(0, true, b"abcd")).unwrap().unwrap();
        assert_eq!((whole.status, whole.data.as_slice()), (0x9614, b"abcdefg".as_slice()));
    }

    #[test]
    fn what_has_a_hole_or_two_ends_is_no_answer() {
        let parts = |parts: &[(u16, bool, &[u8])]| {
            let mut reassembly = Reassembly::new(request());
            let outcomes =
                parts.iter().map(|(at, more, data)| reassembly.accept(&fragment(*at, *more, data)));
            outcomes.last().unwrap()
        };
        let ten = b"0123456789".as_slice();
        assert_eq!(
            parts(&[(0, true, ten), (30, true, ten), (20, false, b"01234")]),
            Err(ReassemblyError::Inconsistent)
        );
        assert_eq!(parts(&[(10, false, ten), (5, false, b"01")]), Err(ReassemblyError::Inconsistent));
        assert_eq!(parts(&[(10, true, ten), (20, false, ten)]), Ok(None));
    }

    #[test]
    fn overlapping_fragments_are_refused() {
        let mut reassembly = Reassembly::new(request());
        assert_eq!(reassembly.accept(&fragment(0, true, b"abcd")), Ok(None));
        assert_eq!(reassembly.accept(&fragment(2, false, b"efg")), Err(ReassemblyError::Inconsistent));
    }

    #[test]
    fn a_foreign_datagram_is_passed_over() {
        let mut reassembly = Reassembly::new(ControlHeader { sequence: 10, ..request() });
        assert_eq!(reassembly.accept(&fragment(0, false, b"abcd")), Ok(None));
        assert_eq!(reassembly.received(), 0);
    }

    proptest! {
        #[test]
        fn any_datagrams_are_survived(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..20)) {
            let mut reassembly = Reassembly::new(request());
            for datagram in datagrams {
                let _outcome = reassembly.accept(&datagram);
            }
            prop_assert!(reassembly.received() <= LENGTH_MAX);
        }
    }
}
