//! Harnesses of mode 6: any question to the daemon, and any answer to ntpq.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ntp_proto::auth::{Algorithm, Key, KeyId, KeyTable, SharedKey};
use ntp_proto::control::{
    Asker, Caution, ControlMessage, Exchange, Gate, Identity, InterfaceRow, Lists, NonceKeys, Opcode,
    Patience, Question, Reaction, Statistics, parse_items, respond, sign,
};
use ntp_proto::random::Rng;
use ntp_proto::server::{AccessList, ClientTable, RateLimit, Restrictions, RuleRow, ServerRules};
use ntp_proto::system::{
    ClockStart, Family, Snapshot, SourceConfig, SourceKind, System, SystemConfig, Target,
};
use ntp_proto::time::{Frequency, MonoTime, NtpTimestamp, Precision, Reading};

/// The most that one question may bring back: the lists of sockets and rules aside, no answer has more packets.
const PACKETS_MAX: usize = 64;

/// The longest packet of an answer: header, data, padding and a code.
const PACKET_LEN_MAX: usize = 12 + 468 + 8 + 4 + 64;

/// Sources of the daemon that is asked.
const SOURCES: u8 = 9;

/// Questions that one input asks.
const QUESTIONS_MAX: usize = 24;

#[derive(Debug)]
struct Fixed;

impl Rng for Fixed {
    fn next_u64(&mut self) -> u64 {
        0x1234_5678_9abc_def0
    }
}

#[derive(Debug)]
pub(crate) struct Empty;

impl Lists for Empty {
    fn interfaces(&self) -> Vec<InterfaceRow> {
        Vec::new()
    }

    fn rules(&self) -> Vec<RuleRow> {
        Vec::new()
    }
}

const NOW: Reading =
    Reading { mono: MonoTime::from_nanos(5), system: NtpTimestamp::from_bits(0xeeae_4cbc_857e_427b) };

pub(crate) fn snapshot() -> Snapshot {
    let server = |last: u8| SourceConfig {
        kind: SourceKind::Server(Target::Address([192, 0, 2, last].into())),
        port: 123,
        family: Family::Any,
        options: ntp_proto::association::AssociationOptions::default(),
    };
    let config = SystemConfig {
        sources: (0..SOURCES).map(server).collect(),
        discipline: ntp_proto::discipline::DisciplineConfig::default(),
        selection: ntp_proto::select::SelectionConfig::default(),
        leap_table: None,
        keys: Arc::default(),
        precision: Precision::new(-20),
    };
    let start = ClockStart {
        reading: NOW,
        timescale: ntp_proto::discipline::Timescale::Kept,
        frequency: Frequency::ZERO,
        drift: None,
        memory: None,
    };
    System::new(config, start, Box::new(Fixed)).snapshot(NOW.mono)
}

fn key() -> Option<SharedKey> {
    let key = Key::new(Algorithm::Sha1, b"secret");
    Some(SharedKey { id: KeyId::new(1)?, key, from: Vec::new(), trusted: true })
}

/// A daemon that is asked, always the same one.
struct Asked {
    snapshot: Snapshot,
    rules: ServerRules,
    clients: ClientTable,
    statistics: Statistics,
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::new(Asked {
        snapshot: snapshot(),
        rules: ServerRules {
            access: AccessList::default(),
            keys: Arc::new(KeyTable::new(key().into_iter().collect())),
            limit: RateLimit::default(),
            monitor: true,
        },
        clients: ClientTable::new(1 << 12, None, (1, 2), 3, MonoTime::ZERO),
        statistics: Statistics::default(),
    });
}

/// The pieces of an input that are packets: a byte says how long each is, and whether it is signed.
fn pieces(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let (piece, after) = after.split_at(usize::from(*first).min(after.len()));
        rest = after;
        Some((*first, piece))
    })
}

/// Whatever is asked: an answer has few packets, none too long, all of them readable and answers to what was asked;
/// nobody who has not proven who they are gets lists or changes anything; and an answer is not answered.
pub(crate) fn control(input: &[u8]) {
    ASKED.with_borrow(|asked| ask(asked, input));
}

/// How many questions were answered.
fn ask(asked: &Asked, input: &[u8]) -> usize {
    let mut answered = 0;
    let identity = Identity { version: "v", processor: "p", system: "s", now: NOW };
    let lists = [asked.clients.list()];
    let asker = Asker {
        from: SocketAddr::from(([192, 0, 2, 77], 5000)),
        restrictions: Restrictions::NONE,
        clients: &lists,
        rules: &asked.rules,
        statistics: &asked.statistics,
        buffers: 1,
        caution: Caution { strict: input.len() % 2 == 1, terse: input.len() % 4 > 1 },
        nonce_keys: NonceKeys::new((1, 2)),
        control_key: KeyId::new(1),
        lists: &Empty,
    };
    let mut gate = Gate::new(MonoTime::ZERO);
    for (length, piece) in pieces(input).take(QUESTIONS_MAX) {
        let mut packet = piece.to_vec();
        // Most are questions of a version that is spoken, or nothing else would be tried.
        if let ([first, second, ..], false) = (&mut packet[..], length % 11 == 0) {
            *first = 0x16;
            *second &= 0x1f;
        }
        let signed = length % 5 == 0 && packet.len() >= 12;
        if let (true, Some(key)) = (signed, key()) {
            sign(&mut packet, &key);
        }
        match respond(&asked.snapshot, &identity, &asker, &mut gate, &packet) {
            Reaction::Configure(_) => assert!(signed, "{packet:?}"),
            Reaction::Answer(answers) => {
                answered += usize::from(!answers.is_empty());
                let most = if asker.caution.strict && !signed { 1 } else { PACKETS_MAX };
                assert!(answers.len() <= most, "{packet:?}");
                for answer in answers {
                    assert!(answer.len() <= PACKET_LEN_MAX, "{packet:?}");
                    let message = ControlMessage::parse(&answer);
                    assert!(message.is_some_and(|message| message.header.response), "{packet:?}");
                    let again = respond(&asked.snapshot, &identity, &asker, &mut gate, &answer);
                    assert_eq!(again, Reaction::Answer(Vec::new()), "{packet:?}");
                }
            }
        }
    }
    answered
}

/// Whatever comes back: the conversation ends, holds no more than it may, and its items can be shown.
pub(crate) fn answer(input: &[u8]) {
    let patience = Patience {
        first: Duration::from_secs(5),
        next: Duration::from_secs(3),
        whole: Duration::from_secs(20),
        attempts: 2,
        window: 8,
    };
    let opcodes = [Opcode::ReadVariables, Opcode::ReadClients, Opcode::ReadStatus, Opcode::ReadClock];
    let question = |opcode| Question { opcode, association: 0, data: Vec::new() };
    let mut exchange = Exchange::new(opcodes.into_iter().map(question).collect(), 7, patience);
    let mut now = MonoTime::ZERO;
    let mut asked = Vec::new();
    while let Some(packet) = exchange.poll_packet(now) {
        asked.push(packet);
    }
    for (number, (length, piece)) in pieces(input).enumerate() {
        let mut packet = piece.to_vec();
        // Most answer a question that was asked: its operation, its number, its association.
        if let Some(question) = asked.get(number % asked.len().max(1)).filter(|_| length % 7 != 0) {
            for (index, byte) in
                question.iter().enumerate().take(8).filter(|(index, _)| !matches!(index, 4 | 5))
            {
                if let Some(slot) = packet.get_mut(index) {
                    *slot = if index == 1 { 0x80 | (*slot & 0x60) | (byte & 0x1f) } else { *byte };
                }
            }
        }
        exchange.handle_datagram(now, &packet);
        now = now + Duration::from_millis(u64::from(length));
        exchange.handle_timeout(now);
        while exchange.poll_packet(now).is_some() {}
    }
    for _ in 0..64 {
        now = exchange.next_timeout().unwrap_or(now);
        exchange.handle_timeout(now);
        while exchange.poll_packet(now).is_some() {}
    }
    assert!(exchange.is_done(), "{input:?}");
    for response in exchange.into_answers().into_iter().flatten() {
        assert!(response.data.len() <= 1 << 16);
        for item in parse_items(&response.data) {
            assert!(item.name.chars().chain(item.value.chars()).all(|c| !c.is_control()), "{item:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{corpus, mutant};

    /// A harness whose inputs come to nothing would find nothing.
    #[test]
    fn the_corpus_is_answered_and_so_is_much_of_what_becomes_of_it() {
        let inputs = corpus("control");
        let answered = |input: &[u8]| ASKED.with_borrow(|asked| ask(asked, input));
        assert!(inputs.iter().all(|input| answered(input) > 0));
        let mutants = (1..=1000).filter(|seed| answered(&mutant(&inputs, *seed)) > 0).count();
        assert!(mutants > 300, "{mutants}");
    }
}
