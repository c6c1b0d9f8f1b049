//! Answering clients (RFC 5905 §9.2 and §11.1, the server's side), without clock, lock or
//! allocation.

mod access;

use core::net::SocketAddr;

use crate::system::Reference;
use crate::time::{MonoTime, NtpShort, NtpTimestamp};
use crate::wire::{HEADER_LEN, Header, Mode, Packet, Version};

pub use access::{AccessList, Prefix, Restrictions, Rule, RuleTarget};

/// Length of an answer.
pub const ANSWER_LEN: usize = HEADER_LEN;

/// Where the transmit timestamp stands in an answer.
const TRANSMIT_OFFSET: usize = 40;

/// A datagram that arrived on the service port.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The datagram.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// When it arrived, on the clock that is served: T2.
    pub received: NtpTimestamp,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer, but for its transmit timestamp, which the caller stamps just before sending.
    Answer([u8; ANSWER_LEN]),
    /// A mode 6 request that may be answered: the control responder's work.
    Control,
    /// Nothing.
    Silence(Silence),
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// `restrict ... ignore`, or `noserve` for time and `noquery` for mode 6.
    Restricted,
    /// Not an NTP packet.
    Malformed,
    /// An answer, a broadcast or mode 7: never answered, or two servers could be made to talk to
    /// each other for ever.
    NotRequest,
}

/// Decides about one datagram.
pub fn respond(reference: &Reference, now: MonoTime, access: &AccessList, request: &Request<'_>) -> Verdict {
    let restrictions = access.restrictions(request.from);
    if restrictions.ignore {
        return Verdict::Silence(Silence::Restricted);
    }
    let Some(first) = request.bytes.first() else { return Verdict::Silence(Silence::Malformed) };
    match Mode::from_bits(*first) {
        Mode::Control if restrictions.noquery => Verdict::Silence(Silence::Restricted),
        Mode::Control => Verdict::Control,
        Mode::Private => Verdict::Silence(Silence::NotRequest),
        Mode::Reserved
        | Mode::SymmetricActive
        | Mode::SymmetricPassive
        | Mode::Client
        | Mode::Server
        | Mode::Broadcast => {
            if restrictions.noserve {
                Verdict::Silence(Silence::Restricted)
            } else {
                answer(reference, now, request)
            }
        }
    }
}

/// Fills in when an answer leaves: T3.
pub fn stamp(answer: &mut [u8; ANSWER_LEN], transmit: NtpTimestamp) {
    if let Some(field) = answer.get_mut(TRANSMIT_OFFSET..) {
        field.copy_from_slice(&transmit.to_bits().to_be_bytes());
    }
}

fn answer(reference: &Reference, now: MonoTime, request: &Request<'_>) -> Verdict {
    let Ok(packet) = Packet::parse(request.bytes) else { return Verdict::Silence(Silence::Malformed) };
    let Some(mode) = answering_mode(&packet.header) else { return Verdict::Silence(Silence::NotRequest) };
    let header = Header {
        leap: reference.leap,
        version: packet.header.version,
        mode,
        stratum: reference.stratum,
        poll: packet.header.poll,
        precision: reference.precision,
        root_delay: NtpShort::from_duration(reference.root_delay),
        root_dispersion: NtpShort::from_duration(reference.root_dispersion(now)),
        reference_id: reference.reference_id,
        reference_timestamp: reference.reference_timestamp,
        origin: packet.header.transmit,
        receive: request.received,
        transmit: NtpTimestamp::ZERO,
    };
    Verdict::Answer(header.to_bytes())
}

/// The mode of the answer to a request; `None` for what is not one (RFC 5905 §9.1).
fn answering_mode(request: &Header) -> Option<Mode> {
    match request.mode {
        Mode::Client => Some(Mode::Server),
        // A version 1 packet has no mode; its client is known by its port only, so all are clients.
        Mode::Reserved if request.version == Version::V1 => Some(Mode::Server),
        // Old Windows and routers: answered like a client, without an association.
        Mode::SymmetricActive => Some(Mode::SymmetricPassive),
        Mode::Reserved
        | Mode::SymmetricPassive
        | Mode::Server
        | Mode::Broadcast
        | Mode::Control
        | Mode::Private => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Precision;
    use crate::wire::{Leap, Stratum};
    use proptest::prelude::*;

    fn reference() -> Reference {
        Reference::unsynchronized(Precision::new(-20), MonoTime::ZERO)
    }

    fn ask(bytes: &[u8]) -> Verdict {
        let request = Request {
            bytes,
            from: "192.0.2.3:5000".parse().unwrap(),
            received: NtpTimestamp::from_bits(77 << 32),
        };
        respond(&reference(), MonoTime::ZERO, &AccessList::default(), &request)
    }

    fn request(version: u8, mode: Mode) -> [u8; HEADER_LEN] {
        let version = Version::new(version).unwrap();
        Header { mode, ..Header::request(version, 6, NtpTimestamp::from_bits(5)) }.to_bytes()
    }

    #[test]
    fn every_version_is_answered_in_its_own() {
        for version in 1..=4 {
            let mode = if version == 1 { Mode::Reserved } else { Mode::Client };
            let Verdict::Answer(mut bytes) = ask(&request(version, mode)) else { panic!("v{version}") };
            stamp(&mut bytes, NtpTimestamp::from_bits(78 << 32));
            let header = Header::parse(&bytes).unwrap();
            assert_eq!(header.version.number(), version);
            assert_eq!(header.mode, Mode::Server);
            assert_eq!(header.origin, NtpTimestamp::from_bits(5));
            assert_eq!(header.receive, NtpTimestamp::from_bits(77 << 32));
            assert_eq!(header.transmit, NtpTimestamp::from_bits(78 << 32));
        }
    }

    #[test]
    fn without_time_it_says_so() {
        let Verdict::Answer(bytes) = ask(&request(4, Mode::Client)) else { panic!() };
        let header = Header::parse(&bytes).unwrap();
        assert_eq!((header.leap, header.stratum), (Leap::Unknown, Stratum::UNSYNCHRONIZED));
    }

    #[test]
    fn an_answer_is_never_answered() {
        for mode in [Mode::Server, Mode::SymmetricPassive, Mode::Broadcast, Mode::Private] {
            assert_eq!(ask(&request(4, mode)), Verdict::Silence(Silence::NotRequest), "{mode:?}");
        }
    }

    proptest! {
        #[test]
        fn answers_never_outgrow_requests_nor_provoke_answers(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Verdict::Answer(answer) = ask(&bytes) {
                prop_assert!(answer.len() <= bytes.len());
                prop_assert!(matches!(ask(&answer), Verdict::Silence(_)));
            }
        }
    }
}
