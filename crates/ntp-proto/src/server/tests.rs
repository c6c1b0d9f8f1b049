use super::*;
use crate::auth::{Algorithm, Key, SharedKey};
use crate::time::Precision;
use crate::wire::HEADER_LEN;
use core::time::Duration;
use proptest::prelude::*;

fn reference() -> Reference {
    Reference::unsynchronized(Precision::new(-20), MonoTime::ZERO)
}

/// A server with one key, and one rule for everybody.
struct Server {
    rules: ServerRules,
    clients: ClientTable,
    waited: Duration,
}

fn key() -> Key {
    Key::new(Algorithm::Aes128Cmac, b"sixteen bytes ok")
}

impl Server {
    fn new(restrictions: Restrictions) -> Self {
        let target = RuleTarget::Prefix(Prefix::everything(true));
        let shared = SharedKey { id: KeyId::new(5).unwrap(), key: key(), from: Vec::new(), trusted: true };
        let rules = ServerRules {
            access: AccessList::new(&[Rule { target, restrictions }]),
            keys: Arc::new(KeyTable::new(vec![shared])),
            limit: RateLimit::default(),
            monitor: true,
        };
        let clients = ClientTable::new(1 << 16, None, (3, 4), 5, MonoTime::ZERO);
        Self { rules, clients, waited: Duration::ZERO }
    }

    fn ask_at(&mut self, bytes: &[u8], millis: u64) -> Verdict {
        let request = Request {
            bytes,
            from: "192.0.2.3:5000".parse().unwrap(),
            received: NtpTimestamp::from_bits(77 << 32),
            at: MonoTime::ZERO + Duration::from_millis(millis),
            waited: self.waited,
        };
        respond(&reference(), &self.rules, &mut self.clients, &request)
    }

    fn ask(&mut self, bytes: &[u8]) -> Verdict {
        self.ask_at(bytes, 1000)
    }

    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Verdict::Answer(mut reply) = self.ask(bytes) else { panic!("no answer") };
        reply.seal(NtpTimestamp::from_bits(78 << 32), &self.rules.keys);
        reply.as_bytes().to_vec()
    }
}

fn open() -> Server {
    Server::new(Restrictions::NONE)
}

fn request(version: u8, mode: Mode) -> [u8; HEADER_LEN] {
    let version = Version::new(version).unwrap();
    Header { mode, ..Header::request(version, 6, NtpTimestamp::from_bits(5)) }.to_bytes()
}

/// A request signed with some key under some number.
fn signed(id: u32, key: &Key) -> Vec<u8> {
    let mut bytes = request(4, Mode::Client).to_vec();
    let code = key.code(&bytes);
    bytes.extend(id.to_be_bytes());
    bytes.extend(code.bytes(CodeLength::Cut));
    bytes
}

#[test]
fn every_version_is_answered_in_its_own() {
    for version in 1..=4 {
        let mode = if version == 1 { Mode::Reserved } else { Mode::Client };
        let header = Header::parse(&open().answer(&request(version, mode))).unwrap();
        assert_eq!(header.version.number(), version);
        assert_eq!(header.mode, Mode::Server);
        assert_eq!(header.origin, NtpTimestamp::from_bits(5));
        assert_eq!(header.receive, NtpTimestamp::from_bits(77 << 32));
        assert_eq!(header.transmit, NtpTimestamp::from_bits(78 << 32));
    }
}

#[test]
fn a_code_that_came_whole_is_answered_with_a_whole_one() {
    // chrony's clients do so in version 3, with keys of SHA-2.
    let secret = || Key::new(Algorithm::Sha512, b"secret");
    let shared = SharedKey { id: KeyId::new(7).unwrap(), key: secret(), from: Vec::new(), trusted: true };
    let keys = Arc::new(KeyTable::new(vec![shared]));
    let mut bytes = request(3, Mode::Client).to_vec();
    let code = secret().code(&bytes);
    bytes.extend(7_u32.to_be_bytes());
    let cut = [&bytes[..], code.bytes(CodeLength::Cut)].concat();
    let whole = [&bytes[..], code.bytes(CodeLength::Whole)].concat();
    for asked in [cut, whole] {
        let mut server = open();
        server.rules.keys = Arc::clone(&keys);
        let answer = server.answer(&asked);
        assert_eq!(answer.len(), asked.len());
        let packet = Packet::parse(&answer).unwrap();
        assert!(secret().verifies(&answer[..HEADER_LEN], packet.mac.unwrap().digest));
    }
}

#[test]
fn without_time_it_says_so() {
    let header = Header::parse(&open().answer(&request(4, Mode::Client))).unwrap();
    assert_eq!((header.leap, header.stratum), (Leap::Unknown, Stratum::UNSYNCHRONIZED));
}

#[test]
fn an_old_peer_is_answered_without_an_association() {
    // CVE-2016-1549, CVE-2018-7170: what asks as a peer never becomes one.
    for version in 1..=4 {
        let header = Header::parse(&open().answer(&request(version, Mode::SymmetricActive))).unwrap();
        assert_eq!((header.mode, header.version.number()), (Mode::SymmetricPassive, version));
    }
}

#[test]
fn an_answer_is_never_answered() {
    for mode in [Mode::Server, Mode::SymmetricPassive, Mode::Broadcast, Mode::Private] {
        assert_eq!(open().ask(&request(4, mode)), Verdict::Silence(Outcome::NotRequest), "{mode:?}");
    }
    // CVE-2015-7871: nor is a crypto-NAK.
    let nak = [&request(4, Mode::Client)[..], &[0; 4]].concat();
    assert_eq!(open().ask(&nak), Verdict::Silence(Outcome::NotRequest));
}

#[test]
fn who_signs_gets_a_signed_answer() {
    let bytes = open().answer(&signed(5, &key()));
    let packet = Packet::parse(&bytes).unwrap();
    let mac = packet.mac.unwrap();
    assert_eq!(mac.key_id, 5);
    assert!(key().verifies(&bytes[..packet.mac_offset()], mac.digest));
}

#[test]
fn who_signs_wrongly_gets_a_crypto_nak_and_no_more() {
    let other = Key::new(Algorithm::Aes128Cmac, b"another secret..");
    for bytes in [signed(5, &other), signed(6, &key()), signed(0, &key())] {
        let answer = open().answer(&bytes);
        assert_eq!(answer.len(), HEADER_LEN + 4);
        assert_eq!(answer[HEADER_LEN..], [0; 4]);
        assert!(answer.len() <= bytes.len());
    }
}

#[test]
fn where_trust_is_asked_for_nobody_else_is_answered() {
    let mut server = Server::new(Restrictions::NOTRUST);
    let other = Key::new(Algorithm::Aes128Cmac, b"another secret..");
    // Not even a crypto-NAK, which has the time in its header.
    for asked in [request(4, Mode::Client).to_vec(), signed(5, &other), signed(6, &key())] {
        assert_eq!(server.ask(&asked), Verdict::Silence(Outcome::Unauthentic));
    }
    assert_eq!(server.answer(&signed(5, &key())).len(), 68);
}

#[test]
fn what_has_waited_too_long_or_is_too_long_gets_nothing() {
    let mut server = Server { waited: Duration::from_millis(501), ..open() };
    assert_eq!(server.ask(&request(4, Mode::Client)), Verdict::Silence(Outcome::Stale));
    let mut long = request(4, Mode::Client).to_vec();
    long.resize(REQUEST_LEN_MAX + 4, 0);
    assert_eq!(open().ask(&long), Verdict::Silence(Outcome::Malformed));
}

#[test]
fn other_restrictions_do_what_they_say() {
    let ask = |restrictions, bytes: &[u8]| Server::new(restrictions).ask(bytes);
    let v3 = request(3, Mode::Client);
    assert_eq!(ask(Restrictions::VERSION, &v3), Verdict::Silence(Outcome::OldVersion));
    assert_eq!(ask(Restrictions::IGNORE, &v3), Verdict::Silence(Outcome::Restricted));
    assert_eq!(ask(Restrictions::NOSERVE, &v3), Verdict::Silence(Outcome::Restricted));
    let query = [0x16; 12];
    assert_eq!(ask(Restrictions::NOSERVE, &query), Verdict::Control(Restrictions::NOSERVE));
    assert_eq!(ask(Restrictions::NOQUERY, &query), Verdict::Silence(Outcome::Restricted));
    let mut flaky = Server::new(Restrictions::FLAKE);
    let lost = (0..1000).filter(|_| matches!(flaky.ask(&v3), Verdict::Silence(_))).count();
    assert!((60..140).contains(&lost), "{lost}");
}

#[test]
fn a_kiss_gives_no_time_and_is_no_longer_than_what_it_answers() {
    let mut server = Server::new(Restrictions::LIMITED | Restrictions::KOD);
    let asked = request(4, Mode::Client);
    let kissed = (0..400).find_map(|number| match server.ask_at(&asked, 1000 + number) {
        Verdict::Answer(reply) if reply.outcome == Outcome::Kissed => Some(reply),
        Verdict::Answer(_) | Verdict::Control(_) | Verdict::Silence(_) => None,
    });
    let header = Header::parse(kissed.unwrap().as_bytes()).unwrap();
    assert_eq!((header.leap, header.stratum), (Leap::Unknown, Stratum::UNSPECIFIED));
    assert_eq!(KissCode::of(header.reference_id), Some(KissCode::Rate));
    // With our client's nonce in it, without which nobody believes it (CVE-2015-7704).
    assert_eq!(header.origin, NtpTimestamp::from_bits(5));
    assert_eq!(kissed.unwrap().as_bytes().len(), asked.len());
}

#[test]
fn a_flood_in_a_victims_name_leaves_it_its_service() {
    let mut server = Server::new(Restrictions::LIMITED | Restrictions::KOD);
    let asked = request(4, Mode::Client);
    let (mut polls, mut reflected, mut flood) = (Vec::new(), 0_u32, 0_u32);
    // 10^5 a second for 24 s, in which the victim asks every 10 ms: its chance is that of any other packet.
    for step in 0..2_400_000_u64 {
        let millis = 1000 + step / 100;
        let verdict = server.ask_at(&asked, millis);
        let answered = matches!(verdict, Verdict::Answer(reply) if reply.outcome == Outcome::Answered);
        if step % 1000 == 0 {
            polls.push(answered);
        } else {
            flood += 1;
            reflected += u32::from(answered);
        }
    }
    assert!(reflected * 100 < flood * 26, "{reflected} of {flood}");
    // 1 - 0.75^8 = 0.8999 of all eights of polls; 0.85 is three standard deviations below, of 300.
    let eights = polls.chunks(8);
    let reached = eights.clone().filter(|eight| eight.contains(&true)).count();
    assert!(reached * 100 >= eights.len() * 85, "{reached} of {}", eights.len());
}

proptest! {
    #[test]
    fn answers_never_outgrow_requests_nor_provoke_answers(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut server = open();
        if let Verdict::Answer(mut reply) = server.ask(&bytes) {
            reply.seal(NtpTimestamp::from_bits(9), &server.rules.keys);
            prop_assert!(reply.as_bytes().len() <= bytes.len());
            prop_assert!(matches!(server.ask(reply.as_bytes()), Verdict::Silence(_)));
        }
    }
}
