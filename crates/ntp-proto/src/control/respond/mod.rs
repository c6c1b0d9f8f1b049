//! The daemon's side: one request in, a bounded number of packets out.
//!
//! What makes no sense as a request gets no answer; what makes sense and cannot be had gets an
//! error of twelve bytes.

use alloc::sync::Arc;
use core::net::SocketAddr;

use crate::association::AssociationId;
use crate::auth::{KeyId, KeyTable, SharedKey};
use crate::server::{ClientList, Restrictions, ServerRules};
use crate::system::{PeerKind, PeerSnapshot, Snapshot};
use crate::time::Reading;
use crate::wire::Leap;

use super::authentication::{self, Signature};
use super::caution::{self, Caution};
use super::clients::{self, Refused};
use super::gate::Gate;
use super::lines::Lines;
use super::message::{ControlHeader, ControlMessage, ErrorCode, FRAGMENT_LEN_MAX, Opcode};
use super::nonce::{self, NonceKeys};
use super::ordered::{self, Lists};
use super::schema::{self, Variable};
use super::statistics::Statistics;
use super::status::{peer_status, system_status};
use super::variables::{self, Facts};

/// What the length of a datagram is a multiple of (ntp 4.2.8, `ntp_control.c`).
const WORD_LEN: usize = 4;

/// More names than anyone has reason to ask for at once.
const NAMES_MAX: usize = 256;

/// What the responder says of the program and machine it runs on.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Program and version.
    pub version: &'a str,
    /// The machine's architecture.
    pub processor: &'a str,
    /// The operating system and its release.
    pub system: &'a str,
    /// Both clocks, now.
    pub now: Reading,
}

/// Who asks, and what there is to say about clients.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its address.
    pub from: SocketAddr,
    /// What it may not ask.
    pub restrictions: Restrictions,
    /// The clients of all threads.
    pub clients: &'a [Arc<ClientList>],
    /// What holds for clients.
    pub rules: &'a ServerRules,
    /// How little it is told, if it is a stranger.
    pub caution: Caution,
    /// What has been counted.
    pub statistics: &'a Statistics,
    /// Buffers for datagrams.
    pub buffers: u64,
    /// What nonces are made with.
    pub nonce_keys: NonceKeys,
    /// The key that changes must be signed with (`controlkey`).
    pub control_key: Option<KeyId>,
    /// What else can be listed.
    pub lists: &'a dyn Lists,
}

/// What comes of a datagram of mode 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// These packets; none is silence.
    Answer(Vec<Vec<u8>>),
    /// Somebody who may do so wants a line of configuration in force.
    Configure(Configure),
}

/// A line of configuration to put in force, and whom to tell what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configure {
    /// The line.
    pub text: String,
    /// The key that it was signed with.
    pub key: KeyId,
    header: ControlHeader,
    leap: Leap,
    status: u16,
}

impl Configure {
    /// The answer, which says in words what came of it.
    pub fn answer(&self, words: &str, keys: &KeyTable) -> Vec<Vec<u8>> {
        let ascii = |c: char| if matches!(c, ' '..='~' | '\n') { c } else { '?' };
        let text: String = words.chars().map(ascii).collect::<String>().replace('\n', "\r\n") + "\r\n";
        let data = text.as_bytes();
        let data = data.get(..FRAGMENT_LEN_MAX).unwrap_or(data);
        finish(fragments(&self.header.reply(self.leap, self.status), data), keys.trusted(self.key))
    }
}

/// Answers one mode 6 datagram.
pub fn respond(
    snapshot: &Snapshot,
    identity: &Identity<'_>,
    asker: &Asker<'_>,
    gate: &mut Gate,
    datagram: &[u8],
) -> Reaction {
    let silence = Reaction::Answer(Vec::new());
    let Some(message) = ControlMessage::parse(datagram).filter(is_request) else { return silence };
    let (from, now) = (asker.from.ip(), identity.now.mono);
    if !gate.is_open(from, now) {
        return silence;
    }
    let header = &message.header;
    let leap = snapshot.system.reference.leap;
    let count = usize::from(header.count);
    let signature = Signature::of(datagram, count, &asker.rules.keys, asker.control_key, from);
    if let Some(seen) = signature.seen() {
        gate.note(seen);
    }
    let proof = if let Signature::Good(key, code) = signature { Some((key, code)) } else { None };
    let signer = proof.map(|(key, _)| key);
    let is_stranger = signer.is_none() && !from.to_canonical().is_loopback();
    let terse = Identity { version: "ntpd", processor: "", system: "", now: identity.now };
    let identity = if is_stranger && asker.caution.terse { &terse } else { identity };
    // As in ntpd: filled up to whole words, and no more data than one packet of mode 6 has.
    let is_whole = message.complete && count <= FRAGMENT_LEN_MAX && datagram.len().is_multiple_of(WORD_LEN);
    let answer = if is_whole {
        answer(snapshot, identity, asker, &message, signer.is_some(), gate)
    } else {
        Err(ErrorCode::BadFormat.into())
    };
    let packets = match answer {
        Ok(Answer::Data(status, data)) => {
            let is_unproven = is_stranger && !gate.is_proven(from, now);
            let data = if is_unproven { for_strangers(header, asker.caution, data) } else { data };
            fragments(&header.reply(leap, status), &data)
        }
        Ok(Answer::Configure(status)) => {
            // The same words again are somebody else's.
            if let Some((key, code)) = proof
                && gate.is_first(code, now)
            {
                let text = String::from_utf8_lossy(message.data);
                let text = text.trim_end_matches('\0').trim().to_owned();
                return Reaction::Configure(Configure { text, key: key.id, header: *header, leap, status });
            }
            vec![ControlMessage::write(&header.refusal(leap, ErrorCode::Permission), &[])]
        }
        Err(Refused::With(code)) => vec![ControlMessage::write(&header.refusal(leap, code), &[])],
        Err(Refused::Unproven) => Vec::new(),
    };
    let packets = finish(packets, signer);
    let admitted = gate.admits(from, &packets, signer.is_some(), now);
    Reaction::Answer(if admitted { packets } else { Vec::new() })
}

/// Requests are no answers, and no fragments.
const fn is_request(message: &ControlMessage<'_>) -> bool {
    let header = &message.header;
    !(header.response || header.error || header.more) && header.offset == 0
}

/// What every ntpq asks for fits two packets; whoever asks for all that there is has to prove its address first.
const STRANGERS_PACKETS: usize = 2;

/// What a stranger gets of an answer.
fn for_strangers(header: &ControlHeader, caution: Caution, data: Vec<u8>) -> Vec<u8> {
    let is_list = header.opcode == Opcode::ReadStatus && header.association == 0;
    match (is_list, caution.strict) {
        (true, true) => caution::first_associations(data),
        (true, false) => data,
        (false, true) => caution::first_packets(1, data),
        (false, false) => caution::first_packets(STRANGERS_PACKETS, data),
    }
}

/// Signs what answers a signed request.
fn finish(mut packets: Vec<Vec<u8>>, signer: Option<&SharedKey>) -> Vec<Vec<u8>> {
    if let Some(key) = signer {
        for packet in &mut packets {
            authentication::sign(packet, key);
        }
    }
    packets
}

/// What a request gets.
enum Answer {
    /// A status word and data.
    Data(u16, Vec<u8>),
    /// What comes of its words; with this status word.
    Configure(u16),
}

fn answer(
    snapshot: &Snapshot,
    identity: &Identity<'_>,
    asker: &Asker<'_>,
    message: &ControlMessage<'_>,
    is_signed: bool,
    gate: &mut Gate,
) -> Result<Answer, Refused> {
    let peer = match AssociationId::new(message.header.association) {
        None => None,
        Some(id) => Some(snapshot.peers.iter().find(|peer| peer.id == id).ok_or(ErrorCode::BadAssociation)?),
    };
    let now = identity.now;
    let status = peer.map_or_else(|| system_status(snapshot), peer_status);
    let data = match (message.header.opcode, peer) {
        (Opcode::ReadStatus, None) => associations(snapshot),
        (Opcode::ReadStatus, Some(peer)) => peer_variables(&[], peer, identity)?,
        (Opcode::ReadVariables, None) => {
            let facts = Facts::new(snapshot, identity, asker);
            render(&names(message.data)?, schema::SYSTEM, |name| variables::system(name, &facts))?
        }
        (Opcode::ReadVariables, Some(peer)) => peer_variables(&names(message.data)?, peer, identity)?,
        (Opcode::ReadClients, _) => {
            let list = clients::list(asker, now, message.data)?;
            gate.prove(asker.from.ip(), now.mono);
            list
        }
        (Opcode::RequestNonce, _) => format!("{}\r\n", nonce::of(asker, now.mono)).into_bytes(),
        (Opcode::Other(0), _) => Vec::new(),
        (Opcode::ReadClock, wanted) => {
            let clock = clock(snapshot, wanted).ok_or(ErrorCode::BadAssociation)?;
            let data = render(&names(message.data)?, schema::CLOCK, |name| variables::clock(name, clock))?;
            // No events, and nothing wrong.
            return Ok(Answer::Data(0, data));
        }
        (Opcode::ReadOrdered, _) if is_signed => {
            ordered::list(message.data, asker.lists, now.mono).ok_or(ErrorCode::UnknownVariable)?
        }
        (Opcode::Configure, _) if is_signed && !asker.restrictions.has(Restrictions::NOMODIFY) => {
            return Ok(Answer::Configure(status));
        }
        // These need a key, or are never done.
        (Opcode::Configure | Opcode::ReadOrdered | Opcode::Other(3 | 5 | 9), _) => {
            return Err(ErrorCode::Permission.into());
        }
        (Opcode::Other(_), _) => return Err(ErrorCode::BadOpcode.into()),
    };
    Ok(Answer::Data(status, data))
}

/// Numbers and status words of all associations.
fn associations(snapshot: &Snapshot) -> Vec<u8> {
    snapshot
        .peers
        .iter()
        .flat_map(|peer| [peer.id.number(), peer_status(peer)])
        .flat_map(u16::to_be_bytes)
        .collect()
}

/// The names in a request: separated by commas, each perhaps with a value that reading ignores.
fn names(data: &[u8]) -> Result<Vec<String>, ErrorCode> {
    let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for part in text.split(|byte| *byte == b',') {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim().to_owned();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        if names.len() > NAMES_MAX {
            return Err(ErrorCode::BadFormat);
        }
    }
    Ok(names)
}

fn peer_variables(
    names: &[String],
    peer: &PeerSnapshot,
    identity: &Identity<'_>,
) -> Result<Vec<u8>, ErrorCode> {
    render(names, schema::PEER, |name| variables::peer(name, peer, identity.now))
}

/// The reference clock that is meant: where none is named, the one that is followed, or the first.
fn clock<'s>(snapshot: &'s Snapshot, wanted: Option<&'s PeerSnapshot>) -> Option<&'s PeerSnapshot> {
    let is_clock = |peer: &&PeerSnapshot| peer.kind == PeerKind::LocalClock;
    if wanted.is_some() {
        return wanted.filter(is_clock);
    }
    let mut clocks = snapshot.peers.iter().filter(is_clock);
    let followed = clocks.clone().find(|clock| Some(clock.id) == snapshot.system.system_peer);
    followed.or_else(|| clocks.next())
}

/// The variables named, or the default ones; one unknown name refuses them all.
fn render(
    names: &[String],
    table: &'static [Variable],
    value: impl Fn(&str) -> Option<String>,
) -> Result<Vec<u8>, ErrorCode> {
    let mut lines = Lines::default();
    if names.is_empty() {
        for Variable { name, .. } in table.iter().filter(|variable| variable.by_default) {
            if let Some(value) = value(name).filter(|value| !value.is_empty()) {
                lines.push(&format!("{name}={value}"));
            }
        }
    }
    for name in names {
        let value = value(name).ok_or(ErrorCode::UnknownVariable)?;
        let value = if value.is_empty() { "\"\"" } else { &value };
        lines.push(&format!("{name}={value}"));
    }
    Ok(lines.finish())
}

/// Cuts an answer into packets.
fn fragments(header: &ControlHeader, data: &[u8]) -> Vec<Vec<u8>> {
    if data.is_empty() {
        return vec![ControlMessage::write(header, &[])];
    }
    let count = data.len().div_ceil(FRAGMENT_LEN_MAX);
    let fragment = |(index, part): (usize, &[u8])| {
        let offset = u16::try_from(index.saturating_mul(FRAGMENT_LEN_MAX)).unwrap_or(u16::MAX);
        let more = index.saturating_add(1) < count;
        ControlMessage::write(&ControlHeader { more, offset, ..*header }, part)
    };
    data.chunks(FRAGMENT_LEN_MAX).enumerate().map(fragment).collect()
}

#[cfg(test)]
mod tests;
