//! Answering clients (RFC 5905 §9.2 and §11.1, the server's side), without clock, lock or
//! allocation.
//!
//! `access/` says who may ask what, `clients/` how often, `reply.rs` is an answer, `counters.rs` what
//! became of every datagram.

mod access;
mod clients;
mod counters;
mod reply;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use crate::auth::{Algorithm, CodeLength, KeyId, KeyTable};
use crate::system::Reference;
use crate::time::{MonoTime, NtpDuration, NtpShort, NtpTimestamp};
use crate::wire::{Header, KissCode, Leap, Mode, Packet, Stratum, Version};

pub use access::{AccessList, Prefix, Restrictions, Rule, RuleRow, RuleTarget};
pub use clients::{ClientList, ClientRecord, ClientTable, Occupancy, RateLimit};
pub use counters::{Counters, Counts, Outcome, Trait};
pub use reply::Reply;

use clients::{Admission, Visit};

/// One request in so many is dropped by `restrict ... flake`.
const FLAKE: u64 = 10;

/// What ntp.conf says about clients.
#[derive(Clone, Debug, Default)]
pub struct ServerRules {
    /// Who may ask what.
    pub access: AccessList,
    /// The keys that clients may use.
    pub keys: Arc<KeyTable>,
    /// How often they may ask, where they are limited.
    pub limit: RateLimit,
    /// Whether those who are not limited are remembered as well.
    pub monitor: bool,
}

/// A datagram that arrived on the service port.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The datagram.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// When it arrived, on the clock that is served: T2.
    pub received: NtpTimestamp,
    /// When it arrived, for spans of time.
    pub at: MonoTime,
    /// For how long it has waited since.
    pub waited: Duration,
}

/// The longest request that is looked at: what fits into a packet on any IPv6 link.
pub const REQUEST_LEN_MAX: usize = 1232;

/// Requests that have waited longer get no answer: their clients have given up, or would measure the queue.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer, but for its transmit timestamp, which the caller fills in just before sending.
    Answer(Reply),
    /// A mode 6 request that may be answered by the control responder, within these restrictions.
    Control(Restrictions),
    /// Nothing, for this reason.
    Silence(Outcome),
}

impl Verdict {
    /// What to count.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Answer(reply) => reply.outcome,
            Self::Control(_) => Outcome::Control,
            Self::Silence(reason) => *reason,
        }
    }
}

/// Decides about one datagram. The work is bounded by the length of a request, and by that of the longest list of
/// addresses that a key is bound to; it does not grow with the number of clients, of keys, or of rules with an
/// ordinary mask.
pub fn respond(
    reference: &Reference,
    rules: &ServerRules,
    clients: &mut ClientTable,
    request: &Request<'_>,
) -> Verdict {
    let restrictions = rules.access.decide(request.from, clients.lane());
    if restrictions.has(Restrictions::IGNORE) {
        return Verdict::Silence(Outcome::Restricted);
    }
    if request.waited > WAIT_MAX {
        return Verdict::Silence(Outcome::Stale);
    }
    let whole = request.bytes.len() <= REQUEST_LEN_MAX;
    let Some(first) = request.bytes.first().filter(|_| whole) else {
        return Verdict::Silence(Outcome::Malformed);
    };
    match Mode::from_bits(*first) {
        Mode::Control if restrictions.has(Restrictions::NOQUERY) => Verdict::Silence(Outcome::Restricted),
        Mode::Control => Verdict::Control(restrictions),
        Mode::Private => Verdict::Silence(Outcome::NotRequest),
        Mode::Reserved
        | Mode::SymmetricActive
        | Mode::SymmetricPassive
        | Mode::Client
        | Mode::Server
        | Mode::Broadcast => {
            if restrictions.has(Restrictions::NOSERVE) {
                return Verdict::Silence(Outcome::Restricted);
            }
            match answer(reference, rules, restrictions, clients, request) {
                Ok(reply) => Verdict::Answer(reply),
                Err(silence) => Verdict::Silence(silence),
            }
        }
    }
}

fn answer(
    reference: &Reference,
    rules: &ServerRules,
    restrictions: Restrictions,
    clients: &mut ClientTable,
    request: &Request<'_>,
) -> Result<Reply, Outcome> {
    let packet = Packet::parse(request.bytes).map_err(|_| Outcome::Malformed)?;
    // Answers are never answered, or two servers could be made to talk to each other for ever.
    let mode = answering_mode(&packet.header).ok_or(Outcome::NotRequest)?;
    let version = packet.header.version;
    if restrictions.has(Restrictions::VERSION) && version != Version::V4 {
        return Err(Outcome::OldVersion);
    }
    // Before any code is computed: a flood of bad ones costs no more than any other.
    let admission = if rules.monitor || restrictions.has(Restrictions::LIMITED) {
        let visit = Visit { from: request.from, mode: packet.header.mode, version, at: request.at };
        clients.visit(&visit, &rules.limit, restrictions)
    } else {
        Admission::Admitted
    };
    if admission == Admission::Limited {
        return Err(Outcome::Limited);
    }
    if restrictions.has(Restrictions::FLAKE) && clients.random().is_multiple_of(FLAKE) {
        return Err(Outcome::Restricted);
    }
    let proof = prove(&packet, rules, request)?;
    if proof.key().is_none() && restrictions.has(Restrictions::NOTRUST) {
        return Err(Outcome::Unauthentic);
    }
    let header = header(reference, mode, &packet.header, request);
    Ok(match (proof, admission) {
        // Whoever signs learns that its code is no good, from an answer no longer than the request.
        (Proof::Failed(_), _) => Reply::refusal(&header, proof),
        (proof, Admission::LimitedAloud) => {
            Reply::new(&kiss(&header, KissCode::Rate), proof, Outcome::Kissed)
        }
        (proof, Admission::Admitted | Admission::Limited) => Reply::new(&header, proof, Outcome::Answered),
    })
}

/// What a request's MAC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// There is none.
    None,
    /// It is made with this key, and so long; the answer's will be, too.
    Key(KeyId, CodeLength, Algorithm),
    /// It is no good; the algorithm of its key, if that is known.
    Failed(Option<Algorithm>),
}

impl Proof {
    const fn key(self) -> Option<(KeyId, CodeLength)> {
        match self {
            Self::Key(id, length, _) => Some((id, length)),
            Self::None | Self::Failed(_) => None,
        }
    }

    const fn is_counted_as(self) -> Option<Trait> {
        match self {
            Self::None => None,
            Self::Key(_, _, algorithm) if algorithm.is_cipher() => Some(Trait::CmacGood),
            Self::Key(..) => Some(Trait::DigestGood),
            Self::Failed(Some(algorithm)) if algorithm.is_cipher() => Some(Trait::CmacBad),
            Self::Failed(Some(_)) => Some(Trait::DigestBad),
            Self::Failed(None) => Some(Trait::KeyUnknown),
        }
    }
}

fn prove(packet: &Packet<'_>, rules: &ServerRules, request: &Request<'_>) -> Result<Proof, Outcome> {
    let Some(mac) = packet.mac else { return Ok(Proof::None) };
    // A crypto-NAK is an answer to an answer, and is never answered (CVE-2015-7871).
    if mac.digest.is_empty() {
        return Err(Outcome::NotRequest);
    }
    let message = request.bytes.get(..packet.mac_offset()).unwrap_or_default();
    if let Some(shared) = rules.keys.prove(message, &mac, request.from.ip()) {
        return Ok(Proof::Key(shared.id, CodeLength::of(mac.digest), shared.key.algorithm()));
    }
    let known = KeyId::new(mac.key_id).and_then(|id| rules.keys.trusted(id));
    Ok(Proof::Failed(known.map(|shared| shared.key.algorithm())))
}

fn header(reference: &Reference, mode: Mode, asked: &Header, request: &Request<'_>) -> Header {
    Header {
        leap: reference.leap,
        version: asked.version,
        mode,
        stratum: reference.stratum,
        poll: asked.poll,
        precision: reference.precision,
        root_delay: NtpShort::from_duration(reference.root_delay),
        root_dispersion: NtpShort::from_duration(reference.root_dispersion(request.at)),
        reference_id: reference.reference_id,
        reference_timestamp: reference.reference_timestamp,
        origin: asked.transmit,
        receive: request.received,
        transmit: NtpTimestamp::ZERO,
    }
}

/// A Kiss-o'-Death in the place of an answer (RFC 5905 §7.4): it gives no time.
fn kiss(answer: &Header, code: KissCode) -> Header {
    Header {
        leap: Leap::Unknown,
        stratum: Stratum::UNSPECIFIED,
        reference_id: code.reference_id(),
        root_delay: NtpShort::from_duration(NtpDuration::ZERO),
        root_dispersion: NtpShort::from_duration(NtpDuration::ZERO),
        reference_timestamp: NtpTimestamp::ZERO,
        ..*answer
    }
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
