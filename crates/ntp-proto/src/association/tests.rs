use super::*;
use crate::auth::{Algorithm, Key, SharedKey};
use crate::random::Rng;
use crate::time::NtpShort;
use crate::wire::{Datagram, Mode};
use core::time::Duration;
use proptest::prelude::*;

/// A counter dressed as randomness: every nonce is different and known.
#[derive(Debug)]
struct Counting(u64);

impl Rng for Counting {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }
}

const LOCAL: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1)), 40000);
const START: u64 = 1_000_000_000_000;

/// A sample that taught next to nothing, and one that came late.
const IDLE: Worth = Worth { gain: 1.5, looseness: 0.5, jumped: false, suspect: false };
const LATE: Worth = Worth { gain: 50.0, looseness: 3.0, jumped: false, suspect: false };

fn at(seconds: u64) -> MonoTime {
    MonoTime::from_nanos(START) + Duration::from_secs(seconds)
}

fn wall(seconds: u64) -> NtpTimestamp {
    NtpTimestamp::from_bits((3_900_000_000 + seconds) << 32)
}

fn association(options: AssociationOptions) -> Association {
    let id = AssociationId::new(7).unwrap();
    Association::new(id, "192.0.2.9:123".parse().unwrap(), options, at(0))
}

fn iburst() -> AssociationOptions {
    AssociationOptions { iburst: true, ..AssociationOptions::default() }
}

/// Polls at `seconds` and returns the request's header.
fn poll(association: &mut Association, seconds: u64) -> Header {
    let request = association.handle_timeout(at(seconds), &mut Counting(seconds)).expect("a poll is due");
    association.handle_sent(wall(seconds));
    Header::parse(&request).unwrap()
}

/// An honest answer to `request`, 10 ms each way, from a clock that agrees with ours.
fn answer(request: &Header, seconds: u64) -> Header {
    let half_way = wall(seconds) + NtpDuration::from_millis(10);
    Header {
        leap: Leap::None,
        mode: Mode::Server,
        stratum: Stratum::new(2),
        precision: Precision::new(-20),
        root_delay: NtpShort::from_duration(NtpDuration::from_millis(3)),
        root_dispersion: NtpShort::from_duration(NtpDuration::from_millis(2)),
        reference_id: ReferenceId::from_code("GPS"),
        reference_timestamp: half_way - NtpDuration::from_seconds(5),
        origin: request.transmit,
        receive: half_way,
        transmit: half_way,
        ..*request
    }
}

fn receive(association: &mut Association, header: &Header, seconds: u64) -> Result<Measurement, Rejection> {
    let arrived = wall(seconds) + NtpDuration::from_millis(20);
    let reading = Reading { mono: at(seconds) + Duration::from_millis(20), system: arrived };
    association.handle_answer(reading, arrived, LOCAL, &header.to_bytes(), Protection::Open)
}

#[test]
fn a_request_gives_nothing_away_but_its_nonce() {
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    let expected = Header::request(Version::V4, 6, request.transmit);
    assert_eq!(request, expected);
    assert_ne!(request.transmit, NtpTimestamp::ZERO);
}

#[test]
fn an_honest_answer_is_measured_and_marks_the_server_reachable() {
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    let measured = receive(&mut source, &answer(&request, 0), 0).unwrap();
    assert_eq!(measured.delay(), NtpDuration::from_millis(20));
    assert!(measured.lead().abs() < NtpDuration::from_micros(1));
    assert_eq!(source.state().reach().bits(), 1);
    assert_eq!(source.state().server().unwrap().stratum, Stratum::new(2));
}

#[test]
fn a_second_copy_of_an_answer_changes_nothing() {
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    let good = answer(&request, 0);
    receive(&mut source, &good, 0).unwrap();
    let before = source.state().clone();
    assert_eq!(receive(&mut source, &good, 0), Err(Rejection::Duplicate));
    // A replay after the next poll has the old nonce.
    poll(&mut source, 2);
    let polled = source.state().clone();
    let replay = Header { transmit: good.transmit + NtpDuration::from_millis(1), ..good };
    assert_eq!(receive(&mut source, &replay, 2), Err(Rejection::NotOurs));
    assert_eq!(*source.state(), polled);
    assert_ne!(before, polled);
}

#[test]
fn a_hundred_thousand_forgeries_leave_the_state_equal() {
    // CVE-2015-8138, 2015-7979, 2016-1548, 2016-7431, 2018-7185: an answer that answers nothing.
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    let before = source.state().clone();
    let mut rng = Counting(99);
    for round in 0..100_000_u32 {
        let kind = round % 4;
        let forged = Header {
            origin: NtpTimestamp::from_bits(if kind == 0 { 0 } else { rng.next_u64() }),
            stratum: Stratum::new(u8::from(kind != 1)),
            reference_id: ReferenceId::from_code(if round % 8 == 1 { "DENY" } else { "RATE" }),
            transmit: NtpTimestamp::from_bits(rng.next_u64()),
            ..answer(&request, 0)
        };
        assert!(receive(&mut source, &forged, 0).is_err());
    }
    assert_eq!(*source.state(), before);
    assert_eq!(source.counters().bogus, 100_000);
    receive(&mut source, &answer(&request, 0), 0).unwrap();
}

#[test]
fn only_answers_of_a_server_count() {
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    for mode in [Mode::Client, Mode::SymmetricActive, Mode::SymmetricPassive, Mode::Broadcast, Mode::Reserved]
    {
        let wrong = Header { mode, ..answer(&request, 0) };
        assert_eq!(receive(&mut source, &wrong, 0), Err(Rejection::NotAnswer));
    }
}

#[test]
fn a_server_without_time_is_heard_but_not_reached() {
    for broken in [
        |h: Header| Header { leap: Leap::Unknown, ..h },
        |h: Header| Header { stratum: Stratum::UNSYNCHRONIZED, ..h },
        |h: Header| Header { receive: NtpTimestamp::ZERO, ..h },
    ] {
        let mut source = association(iburst());
        let request = poll(&mut source, 0);
        let header = broken(answer(&request, 0));
        assert_eq!(receive(&mut source, &header, 0), Err(Rejection::Unsynchronized));
        assert!(source.state().reach().is_unreachable());
        assert!(source.state().server().is_some());
    }
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let far = NtpShort::from_duration(NtpDuration::from_seconds(17));
    for broken in [
        Header { root_dispersion: far, ..answer(&Header::request(Version::V4, 6, wall(0)), 0) },
        Header { reference_timestamp: wall(3000), ..answer(&Header::request(Version::V4, 6, wall(0)), 0) },
    ] {
        let mut source = association(iburst());
        let request = poll(&mut source, 0);
        let header = Header { origin: request.transmit, ..broken };
        assert_eq!(receive(&mut source, &header, 0), Err(Rejection::BadHeader));
    }
}

fn kiss_for(request: &Header, code: &str) -> Header {
    Header {
        stratum: Stratum::UNSPECIFIED,
        leap: Leap::Unknown,
        reference_id: ReferenceId::from_code(code),
        ..answer(request, 0)
    }
}

#[test]
fn rate_raises_the_floor_and_ends_the_burst() {
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    assert!(matches!(
        receive(&mut source, &kiss_for(&request, "RATE"), 0),
        Err(Rejection::Kiss(KissCode::Rate))
    ));
    assert_eq!(source.state().poll().interval().exponent(), 7);
    assert!(source.next_timeout().unwrap() >= at(128));
}

#[test]
fn deny_and_rstr_stop_and_an_unknown_code_does_not() {
    for (code, stops) in [("DENY", true), ("RSTR", true), ("XYZW", false)] {
        let mut source = association(iburst());
        let request = poll(&mut source, 0);
        receive(&mut source, &kiss_for(&request, code), 0).unwrap_err();
        assert_eq!(source.next_timeout().is_none(), stops, "{code}");
    }
}

#[test]
fn a_kiss_without_our_nonce_changes_nothing() {
    // CVE-2015-7704, 2015-7705.
    let mut source = association(iburst());
    let request = poll(&mut source, 0);
    let before = source.state().clone();
    let kiss = Header { origin: wall(1), ..kiss_for(&request, "DENY") };
    assert_eq!(receive(&mut source, &kiss, 0), Err(Rejection::NotOurs));
    assert_eq!(*source.state(), before);
}

#[test]
fn iburst_asks_eleven_times_in_92_seconds_and_then_at_minpoll() {
    let mut source = association(iburst());
    let mut times = Vec::new();
    for second in 0..170 {
        if source.next_timeout().unwrap() <= at(second) {
            let request = poll(&mut source, second);
            receive(&mut source, &answer(&request, second), second).unwrap();
            times.push(second);
        }
    }
    assert_eq!(times[..11], [0, 2, 4, 6, 8, 12, 20, 32, 48, 68, 92]);
    assert_eq!(times.len(), 12);
    assert!((155..=157).contains(&times[11]), "{times:?}");
}

#[test]
fn a_mute_server_is_asked_less_and_less() {
    let mut source = association(AssociationOptions::default());
    let mut now = 0;
    for _ in 0..20 {
        poll(&mut source, now);
        now = source.next_timeout().unwrap().since(at(0)).as_secs() + 1;
    }
    assert_eq!(source.state().poll().interval(), PollExponent::DEFAULT_MAX);
    // The first answer brings it back to life.
    let request = poll(&mut source, now);
    receive(&mut source, &answer(&request, now), now).unwrap();
    assert!(!source.state().reach().is_unreachable());
}

#[test]
fn a_request_that_could_not_leave_counts_as_not_sent_and_is_tried_ever_later() {
    let mut source = association(iburst());
    let mut now = 0;
    let mut gaps = Vec::new();
    for _ in 0..8 {
        source.handle_timeout(at(now), &mut Counting(1)).unwrap();
        source.handle_send_failed(at(now));
        let next = source.next_timeout().unwrap().since(at(0)).as_secs();
        gaps.push(next - now);
        now = next;
    }
    assert_eq!(gaps, [2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!((source.state().reach().unanswered(), source.counters().sent), (0, 0));
    // Once there is a network, the burst is as long as ever.
    let request = poll(&mut source, now);
    receive(&mut source, &answer(&request, now), now).unwrap();
    assert_eq!(source.next_timeout().unwrap(), at(now + 2));
}

#[test]
fn extra_packets_are_rare_and_stop_when_the_server_asks() {
    let mut source = association(AssociationOptions::default());
    let mut early = 0;
    for second in 0..64 {
        if source.next_timeout().unwrap() <= at(second) {
            let request = poll(&mut source, second);
            receive(&mut source, &answer(&request, second), second).unwrap();
            early += 1;
        }
        source.verify_within(at(second), 2);
    }
    assert_eq!(early, 3);
    let request = poll(&mut source, 100);
    receive(&mut source, &kiss_for(&request, "RATE"), 100).unwrap_err();
    let next = source.next_timeout();
    source.verify_within(at(100), 2);
    assert_eq!(source.next_timeout(), next);
}

#[test]
fn steady_samples_lengthen_the_interval_up_to_maxpoll() {
    let mut source = association(AssociationOptions::default());
    for _ in 0..100 {
        source.judge_poll(at(0), &IDLE);
    }
    assert_eq!(source.state().poll().interval(), PollExponent::DEFAULT_MAX);
    for _ in 0..100 {
        source.judge_poll(at(0), &LATE);
    }
    assert_eq!(source.state().poll().interval(), PollExponent::DEFAULT_MIN);
}

/// A key of the right secret, or of another one.
fn shared(secret: &[u8]) -> SharedKey {
    let key = Key::new(Algorithm::Aes128Cmac, secret);
    SharedKey { id: KeyId::new(9).unwrap(), key, from: Vec::new(), trusted: true }
}

#[test]
fn only_a_signed_answer_counts_where_a_key_is_set() {
    let (ours, other) = (shared(b"right"), shared(b"wrong"));
    let mut source = association(AssociationOptions { key: Some(ours.id), ..iburst() });
    let request = poll(&mut source, 0);
    let plain = answer(&request, 0).to_bytes();
    let before = source.state().clone();
    let reading = Reading { mono: at(0), system: wall(0) + NtpDuration::from_millis(20) };
    let mut receive = |bytes: &[u8]| {
        source.handle_answer(reading, reading.system, LOCAL, bytes, Protection::Key(&ours)).map(drop)
    };
    let signed = |key: &SharedKey| {
        let mut datagram = Datagram::new(plain);
        key.sign(&mut datagram, crate::auth::CodeLength::Cut);
        datagram.as_bytes().to_vec()
    };
    assert_eq!(receive(&plain), Err(Rejection::Unauthentic));
    assert_eq!(receive(&signed(&other)), Err(Rejection::Unauthentic));
    // CVE-2016-4953 to 4957, CVE-2015-7979: none of them ends the wait for the true one.
    assert_eq!(receive(&[&plain[..], &[0; 4]].concat()), Err(Rejection::CryptoNak));
    let mut altered = signed(&ours);
    altered[17] ^= 1;
    assert_eq!(receive(&altered), Err(Rejection::Unauthentic));
    assert_eq!(receive(&signed(&ours)), Ok(()));
    assert_eq!(source.counters().unauthentic, 4);
    assert!(before.outstanding.is_some() && source.state().outstanding.is_none());
}

#[test]
fn an_unsigned_kiss_is_nothing_where_a_key_is_set() {
    let ours = shared(b"right");
    let mut source = association(AssociationOptions { key: Some(ours.id), ..iburst() });
    let request = poll(&mut source, 0);
    let kiss = Header {
        leap: Leap::Unknown,
        stratum: Stratum::UNSPECIFIED,
        reference_id: ReferenceId::from_code("DENY"),
        ..answer(&request, 0)
    };
    let reading = Reading { mono: at(0), system: wall(0) };
    let before = source.state().clone();
    let said = source.handle_answer(reading, wall(0), LOCAL, &kiss.to_bytes(), Protection::Key(&ours));
    assert_eq!(said, Err(Rejection::Unauthentic));
    assert_eq!(source.state(), &before);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_or_change_state(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut source = association(iburst());
        poll(&mut source, 0);
        let before = source.state().clone();
        let reading = Reading { mono: at(0), system: wall(0) };
        prop_assert!(source.handle_answer(reading, wall(0), LOCAL, &bytes, Protection::Open).is_err());
        prop_assert_eq!(source.state(), &before);
    }

    #[test]
    fn any_answer_with_our_nonce_is_survived(bytes: [u8; 48], raw: u64) {
        let mut source = association(iburst());
        let request = poll(&mut source, 0);
        let mut header = Header { version: Version::V4, mode: Mode::Server, ..answer(&request, 0) }.to_bytes();
        header[1..24].copy_from_slice(&bytes[1..24]);
        header[32..].copy_from_slice(&bytes[32..]);
        let reading = Reading { mono: at(0), system: wall(0) };
        let _verdict = source.handle_answer(reading, NtpTimestamp::from_bits(raw), LOCAL, &header, Protection::Open);
        prop_assert!(source.state().register().dispersion(at(5)) > NtpDuration::ZERO);
    }
}
