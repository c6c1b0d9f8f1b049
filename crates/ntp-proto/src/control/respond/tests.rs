use super::super::{Reassembly, ReassemblyError, parse_items, service_counter};
use super::*;
use crate::auth::{Algorithm, Key};
use crate::server::{AccessList, Outcome, Prefix, Rule, RuleRow, RuleTarget, Trait, Verdict};
use crate::system::{ClockStart, SourceConfig, SourceKind, System, SystemConfig, Target};
use crate::time::{Frequency, MonoTime, NtpTimestamp, Precision};
use proptest::prelude::*;

#[derive(Debug)]
struct Fixed;
impl crate::random::Rng for Fixed {
    fn next_u64(&mut self) -> u64 {
        0x1234_5678_9abc_def0
    }
}

fn now() -> Reading {
    Reading { mono: MonoTime::from_nanos(5), system: NtpTimestamp::from_bits(0xeeae_4cbc_857e_427b) }
}

fn snapshot_of(servers: u8) -> Snapshot {
    let server = |last: u8| SourceConfig {
        kind: SourceKind::Server(Target::Address([192, 0, 2, last].into())),
        port: 123,
        family: crate::system::Family::Any,
        options: crate::association::AssociationOptions::default(),
    };
    let config = SystemConfig {
        sources: (0..servers).map(server).collect(),
        discipline: crate::discipline::DisciplineConfig::default(),
        selection: crate::select::SelectionConfig::default(),
        leap_table: None,
        keys: Arc::default(),
        precision: Precision::new(-20),
    };
    let start = ClockStart {
        reading: now(),
        timescale: crate::discipline::Timescale::Kept,
        frequency: Frequency::ZERO,
        drift: None,
        memory: None,
    };
    System::new(config, start, Box::new(Fixed)).snapshot(now().mono)
}

#[derive(Debug)]
struct Two;
impl Lists for Two {
    fn interfaces(&self) -> Vec<ordered::InterfaceRow> {
        let row = |address: &str, name: &str| ordered::InterfaceRow {
            address: address.parse().unwrap(),
            name: name.to_owned(),
            flags: 0x81,
            received: 5,
            sent: 4,
            unsent: 1,
            peers: 2,
            since: MonoTime::ZERO,
        };
        vec![row("0.0.0.0:123", "v4wildcard"), row("[fe80::1%2]:123", "et\"h\x1b0")]
    }
    fn rules(&self) -> Vec<RuleRow> {
        let rule = |address: &str, length, restrictions| Rule {
            target: RuleTarget::Prefix(Prefix::of_length(address.parse().unwrap(), length).unwrap()),
            restrictions,
        };
        let closed = Restrictions::KOD | Restrictions::LIMITED | Restrictions::NOQUERY;
        AccessList::new(&[
            rule("::", 0, closed),
            rule("0.0.0.0", 0, closed),
            rule("127.0.0.1", 32, Restrictions::NONE),
        ])
        .rows()
    }
}

/// Key 1 is for changes; key 2 is known as well.
fn keys() -> Arc<KeyTable> {
    let key = |number| SharedKey {
        id: KeyId::new(number).unwrap(),
        key: Key::new(Algorithm::Sha1, b"secret"),
        from: Vec::new(),
        trusted: true,
    };
    Arc::new(KeyTable::new(vec![key(1), key(2)]))
}

fn cipher_key() -> SharedKey {
    let key = Key::new(Algorithm::Aes128Cmac, b"0123456789abcdef");
    SharedKey { id: KeyId::new(3).unwrap(), key, from: Vec::new(), trusted: true }
}

fn ask(snapshot: &Snapshot, datagram: &[u8]) -> Vec<Vec<u8>> {
    match react(snapshot, &mut Gate::new(MonoTime::ZERO), "127.0.0.1:5000", Restrictions::NONE, datagram) {
        Reaction::Answer(packets) => packets,
        Reaction::Configure(line) => panic!("{line:?}"),
    }
}

fn react_with(statistics: &Statistics, snapshot: &Snapshot, datagram: &[u8]) -> Reaction {
    let asker = ("127.0.0.1:2000", Restrictions::NONE, Caution::default());
    react_as(asker, statistics, snapshot, &mut Gate::new(MonoTime::ZERO), datagram)
}

fn react(
    snapshot: &Snapshot,
    gate: &mut Gate,
    from: &str,
    restrictions: Restrictions,
    datagram: &[u8],
) -> Reaction {
    react_as((from, restrictions, Caution::default()), &Statistics::default(), snapshot, gate, datagram)
}

fn react_as(
    (from, restrictions, caution): (&str, Restrictions, Caution),
    statistics: &Statistics,
    snapshot: &Snapshot,
    gate: &mut Gate,
    datagram: &[u8],
) -> Reaction {
    let identity = Identity { version: "ntpd 5", processor: "x86_64", system: "Linux/6", now: now() };
    let rules = ServerRules { keys: keys(), ..ServerRules::default() };
    let asker = Asker {
        from: from.parse().unwrap(),
        restrictions,
        clients: &[],
        rules: &rules,
        statistics,
        buffers: 1,
        caution,
        nonce_keys: NonceKeys::new((1, 2)),
        control_key: KeyId::new(1),
        lists: &Two,
    };
    respond(snapshot, &identity, &asker, gate, datagram)
}

fn whole(
    snapshot: &Snapshot,
    opcode: Opcode,
    association: u16,
    data: &[u8],
) -> Result<Vec<u8>, ReassemblyError> {
    let request = ControlHeader::request(opcode, 7, association);
    let mut reassembly = Reassembly::new(request);
    for packet in ask(snapshot, &ControlMessage::write(&request, data)) {
        if let Some(response) = reassembly.accept(&packet)? {
            return Ok(response.data);
        }
    }
    panic!("no whole answer");
}

#[test]
fn the_default_system_variables_fit_one_packet() {
    let snapshot = snapshot_of(1);
    let request = ControlHeader::request(Opcode::ReadVariables, 1, 0);
    assert_eq!(ask(&snapshot, &ControlMessage::write(&request, &[])).len(), 1);
    let data = whole(&snapshot, Opcode::ReadVariables, 0, &[]).unwrap();
    let names: Vec<String> = parse_items(&data).into_iter().map(|item| item.name).collect();
    let sent = schema::SYSTEM.iter().filter(|variable| variable.by_default);
    // Without a table of leap seconds, nothing is said of it.
    let leap = ["tai", "leapsec", "expire"];
    let expected: Vec<&str> = sent.map(|one| one.name).filter(|name| !leap.contains(name)).collect();
    assert_eq!(names, expected);
    for line in String::from_utf8(data).unwrap().lines() {
        assert!(line.len() <= 76, "{line}");
    }
}

#[test]
fn every_name_has_a_value() {
    let snapshot = snapshot_of(1);
    let id = snapshot.peers[0].id.number();
    for (table, association) in [(schema::SYSTEM, 0), (schema::PEER, id)] {
        for variable in table {
            let found = whole(&snapshot, Opcode::ReadVariables, association, variable.name.as_bytes());
            assert!(found.is_ok(), "{}", variable.name);
        }
    }
    let refused = Err(ReassemblyError::Refused(ErrorCode::UnknownVariable));
    for name in ["ss_received_r", "ss_reset_r"] {
        assert!(whole(&snapshot, Opcode::ReadVariables, 0, name.as_bytes()).is_ok(), "{name}");
    }
    for name in ["leap_r", "filtdelay", "ss_", "_r"] {
        assert_eq!(whole(&snapshot, Opcode::ReadVariables, 0, name.as_bytes()), refused, "{name}");
    }
}

#[test]
fn counters_of_the_hour_begin_when_it_does() {
    let counters = crate::server::Counters::default();
    let ignored = Verdict::Silence(Outcome::Malformed);
    counters.note(&ignored, &[]);
    let before = (MonoTime::ZERO, counters.read());
    counters.note(&ignored, &[]);
    counters.note(&ignored, &[]);
    let statistics = Statistics { counts: counters.read(), before, ..Statistics::default() };
    let of = |name: &str| service_counter(name, &statistics.counts);
    assert_eq!(of("ss_badformat"), Some(3));
    let request = ControlHeader::request(Opcode::ReadVariables, 7, 0);
    let packet = ControlMessage::write(&request, b"ss_badformat,ss_badformat_r,ss_reset_r");
    let Reaction::Answer(packets) = react_with(&statistics, &snapshot_of(1), &packet) else { unreachable!() };
    let items = parse_items(ControlMessage::parse(&packets[0]).unwrap().data);
    let values: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
    assert_eq!(values, ["3", "2", "0"]);
}

#[test]
fn many_associations_arrive_in_fragments() {
    let snapshot = snapshot_of(200);
    let data = whole(&snapshot, Opcode::ReadStatus, 0, &[]).unwrap();
    assert_eq!(data.len(), 800);
    let request = ControlHeader::request(Opcode::ReadStatus, 1, 0);
    assert_eq!(ask(&snapshot, &ControlMessage::write(&request, &[])).len(), 2);
}

#[test]
fn named_variables_come_in_the_order_asked() {
    let data = whole(&snapshot_of(1), Opcode::ReadVariables, 0, b"stratum, leap=3,refid").unwrap();
    assert_eq!(data, b"stratum=16, leap=3, refid=INIT\r\n");
}

#[test]
fn refusals_are_twelve_bytes_and_name_the_reason() {
    let snapshot = snapshot_of(1);
    for (opcode, association, data, code) in [
        (2, 0, b"nosuch".as_slice(), ErrorCode::UnknownVariable),
        (2, 1, b"".as_slice(), ErrorCode::BadAssociation),
        (3, 0, b"".as_slice(), ErrorCode::Permission),
        (6, 0, b"".as_slice(), ErrorCode::BadOpcode),
        (4, 0, b"".as_slice(), ErrorCode::BadAssociation),
    ] {
        let request = ControlHeader::request(Opcode::from_bits(opcode), 7, association);
        let replies = ask(&snapshot, &ControlMessage::write(&request, data));
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].len(), 12);
        assert_eq!(ControlMessage::parse(&replies[0]).unwrap().header.status, u16::from(code.code()) << 8);
    }
}

#[test]
fn a_count_beyond_the_data_is_bad_format_and_padding_is_not() {
    let snapshot = snapshot_of(1);
    let mut lying = ControlMessage::write(&ControlHeader::request(Opcode::ReadVariables, 7, 0), &[]);
    lying[11] = 40;
    let reply = ask(&snapshot, &lying).remove(0);
    assert_eq!(ControlMessage::parse(&reply).unwrap().header.status, 0x0200);
    // ntpstat sends 576 bytes with a count of 0.
    let mut padded = ControlMessage::write(&ControlHeader::request(Opcode::ReadVariables, 7, 0), &[]);
    padded.resize(576, 0);
    assert!(ask(&snapshot, &padded)[0].len() > 12);
}

fn signed(opcode: Opcode, data: &[u8], number: u32) -> Vec<u8> {
    let mut packet = ControlMessage::write(&ControlHeader::request(opcode, 7, 0), data);
    authentication::sign(&mut packet, keys().trusted(KeyId::new(number).unwrap()).unwrap());
    packet
}

#[test]
fn lists_are_for_who_signs_with_the_right_key() {
    let (snapshot, keys) = (snapshot_of(1), keys());
    let text = |packets: Vec<Vec<u8>>| {
        // Signed as well, after being filled up.
        let message = ControlMessage::parse(&packets[0]).unwrap();
        let count = message.data.len();
        let from = [127, 0, 0, 1].into();
        let signature = Signature::of(&packets[0], count, &keys, KeyId::new(1), from);
        assert!(matches!(signature, Signature::Good(..)));
        String::from_utf8(message.data.to_vec()).unwrap()
    };
    let rows = text(ask(&snapshot, &signed(Opcode::ReadOrdered, b"", 1)));
    for part in ["addr.0=0.0.0.0:123, bcast.0=,", "name.1=\"eth0\"", "rx.1=5", "addr.1=[fe80::1%2]:123"] {
        assert!(rows.contains(part), "{part}: {rows}");
    }
    let rules = text(ask(&snapshot, &signed(Opcode::ReadOrdered, b"addr_restrictions", 1)));
    for part in ["addr.0=127.0.0.1,", "flags.0=,", "mask.1=0.0.0.0,", "flags.2=noquery limited kod\r\n"] {
        assert!(rules.contains(part), "{part}: {rules}");
    }
    let refused = |packet: &[u8]| ControlMessage::parse(&ask(&snapshot, packet)[0]).unwrap().header.status;
    assert_eq!(refused(&signed(Opcode::ReadOrdered, b"ifstats", 2)), 0x0100);
    assert_eq!(refused(&signed(Opcode::ReadOrdered, b"nosuch", 1)), 0x0500);
    let unsigned = ControlMessage::write(&ControlHeader::request(Opcode::ReadOrdered, 7, 0), b"ifstats");
    assert_eq!(refused(&unsigned), 0x0100);
}

#[test]
fn a_signed_line_is_put_in_force_once() {
    // CVE-2015-5196, 2015-7703, 2017-6463: nobody else's, and nowhere that forbids it.
    let snapshot = snapshot_of(1);
    let mut gate = Gate::new(MonoTime::ZERO);
    let packet = signed(Opcode::Configure, b"restrict 192.0.2.1 ignore", 1);
    let (here, none) = ("127.0.0.1:5000", Restrictions::NONE);
    let Reaction::Configure(line) = react(&snapshot, &mut gate, here, none, &packet) else { panic!() };
    assert_eq!((line.text.as_str(), line.key.number()), ("restrict 192.0.2.1 ignore", 1));
    let answer = &line.answer("Config Succeeded", &keys())[0];
    let message = ControlMessage::parse(answer).unwrap();
    assert_eq!((message.data, message.header.opcode), (&b"Config Succeeded\r\n"[..], Opcode::Configure));
    let refused = |gate: &mut Gate, from: &str, restrictions, packet: &[u8]| match react(
        &snapshot,
        gate,
        from,
        restrictions,
        packet,
    ) {
        Reaction::Answer(packets) => ControlMessage::parse(&packets[0]).unwrap().header.status,
        Reaction::Configure(line) => panic!("{line:?}"),
    };
    // Replayed; where nothing may be changed; with another key.
    assert_eq!(refused(&mut gate, here, none, &packet), 0x0100);
    let other = signed(Opcode::Configure, b"restrict 192.0.2.2 ignore", 1);
    assert_eq!(refused(&mut gate, "192.0.2.9:5", Restrictions::NOMODIFY, &other), 0x0100);
    let wrong = signed(Opcode::Configure, b"restrict 192.0.2.3 ignore", 2);
    assert_eq!(refused(&mut gate, here, none, &wrong), 0x0100);
}

#[test]
fn strangers_get_no_more_than_their_share() {
    let snapshot = snapshot_of(1);
    let mut gate = Gate::new(MonoTime::ZERO);
    let asked = ControlMessage::write(&ControlHeader::request(Opcode::ReadStatus, 1, 0), &[]);
    let mut answers = |from: &str| {
        let reactions = (0..100).map(|_| react(&snapshot, &mut gate, from, Restrictions::NONE, &asked));
        reactions.filter(|reaction| *reaction != Reaction::Answer(Vec::new())).count()
    };
    assert_eq!(answers("192.0.2.9:5"), 64);
    assert_eq!(answers("127.0.0.1:5"), 100);
}

#[test]
fn strangers_get_one_packet_or_fewer_words_where_the_administrator_says_so() {
    let snapshot = snapshot_of(200);
    let strict = Caution { strict: true, terse: false };
    let terse = Caution { strict: false, terse: true };
    let (there, here) = ("192.0.2.9:5", "127.0.0.1:5");
    let answers = |from: &str, caution, packet: &[u8]| {
        let asker = (from, Restrictions::NONE, caution);
        let mut gate = Gate::new(MonoTime::ZERO);
        match react_as(asker, &Statistics::default(), &snapshot, &mut gate, packet) {
            Reaction::Answer(packets) => packets,
            Reaction::Configure(line) => panic!("{line:?}"),
        }
    };
    let plain = |opcode, id, data: &[u8]| ControlMessage::write(&ControlHeader::request(opcode, 7, id), data);
    let peer = snapshot.peers[0].id.number();
    let names = schema::names(schema::PEER);
    for question in [
        plain(Opcode::ReadStatus, 0, b""),
        plain(Opcode::ReadVariables, peer, b""),
        plain(Opcode::ReadVariables, peer, names.as_bytes()),
        plain(Opcode::ReadVariables, 0, schema::names(schema::SYSTEM).as_bytes()),
    ] {
        let one = answers(there, strict, &question);
        let message = ControlMessage::parse(&one[0]).unwrap();
        assert!(one.len() == 1 && one[0].len() <= 480 && !message.header.more, "{message:?}");
        let whole = answers(here, Caution::default(), &question);
        assert!(answers(here, strict, &question) == whole);
        // Without it two will do, unless it is the list of all sources.
        let usual = answers(there, Caution::default(), &question);
        assert_eq!(usual.len(), whole.len().min(2));
    }
    let version = plain(Opcode::ReadVariables, 0, b"version,processor,system");
    let said = |from, caution| {
        let packets = answers(from, caution, &version);
        String::from_utf8(ControlMessage::parse(&packets[0]).unwrap().data.to_vec()).unwrap()
    };
    assert_eq!(said(there, terse), "version=\"ntpd\", processor=\"\", system=\"\"\r\n");
    assert!(said(here, terse).contains("ntpd 5") && said(there, strict).contains("x86_64"));
    // A nonce that came back shows that the address is the asker's own.
    let mut gate = Gate::new(MonoTime::ZERO);
    gate.prove("192.0.2.9".parse().unwrap(), now().mono);
    let asker = (there, Restrictions::NONE, strict);
    let list = plain(Opcode::ReadStatus, 0, b"");
    let Reaction::Answer(packets) = react_as(asker, &Statistics::default(), &snapshot, &mut gate, &list)
    else {
        unreachable!()
    };
    assert_eq!(packets.len(), 2);
}

#[test]
fn signed_questions_are_counted() {
    let snapshot = snapshot_of(1);
    let mut gate = Gate::new(MonoTime::ZERO);
    let mut forged = signed(Opcode::ReadOrdered, b"ifstats", 1);
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let unsigned = ControlMessage::write(&ControlHeader::request(Opcode::ReadStatus, 7, 0), b"");
    for packet in [
        signed(Opcode::ReadOrdered, b"ifstats", 1),
        signed(Opcode::ReadOrdered, b"", 1),
        forged,
        signed(Opcode::ReadOrdered, b"ifstats", 2),
        unsigned,
    ] {
        let _answer = react(&snapshot, &mut gate, "127.0.0.1:5", Restrictions::NONE, &packet);
    }
    let seen = |one| gate.counts().with(&[one]);
    assert_eq!([Trait::DigestGood, Trait::DigestBad, Trait::KeyUnknown].map(seen), [2, 1, 1]);
    // A code of 16 bytes, filled up to 8, reads as one of 20 filled up to 4; it is counted as what it is.
    let mut cipher = ControlMessage::write(&ControlHeader::request(Opcode::ReadOrdered, 7, 0), b"ifstats");
    authentication::sign(&mut cipher, &cipher_key());
    if let Some(last) = cipher.last_mut() {
        *last ^= 1;
    }
    let table = KeyTable::new(vec![cipher_key()]);
    let signature = Signature::of(&cipher, 7, &table, KeyId::new(3), [127, 0, 0, 1].into());
    assert_eq!(signature.seen(), Some(Trait::CmacBad));
}

#[test]
fn what_is_no_mode_6_packet_in_length_is_bad_format() {
    let snapshot = snapshot_of(1);
    let status = |packet: &[u8]| ControlMessage::parse(&ask(&snapshot, packet)[0]).unwrap().header.status;
    let header = ControlHeader::request(Opcode::ReadVariables, 7, 0);
    let mut unaligned = ControlMessage::write(&header, b"leap");
    unaligned.push(0);
    assert_eq!(status(&unaligned), 0x0200);
    assert_eq!(status(&ControlMessage::write(&header, &[b','; FRAGMENT_LEN_MAX + 4])), 0x0200);
    assert_ne!(status(&ControlMessage::write(&header, b"leap")), 0x0200);
}

#[test]
fn responses_and_fragments_are_not_requests() {
    let snapshot = snapshot_of(1);
    for bit in [0x80, 0x40, 0x20] {
        let mut bytes = ControlMessage::write(&ControlHeader::request(Opcode::ReadVariables, 7, 0), &[]);
        bytes[1] |= bit;
        assert!(ask(&snapshot, &bytes).is_empty());
    }
}

proptest! {
    #[test]
    fn any_datagram_gets_a_bounded_ascii_answer(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let snapshot = snapshot_of(3);
        let mut control = bytes;
        if let Some(first) = control.first_mut() {
            *first = 0x16;
        }
        let replies = ask(&snapshot, &control);
        prop_assert!(replies.len() <= 3);
        for reply in replies {
            prop_assert!(reply.len() <= 480);
        }
    }
}
