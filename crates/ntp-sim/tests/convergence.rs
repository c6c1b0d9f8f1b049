//! The whole client, from the first packet to a settled clock, in virtual time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ntp_proto::discipline::DisciplineConfig;
use ntp_proto::select::Standing;
use ntp_proto::system::{Event, Family, Outcome, PeerKind, SourceConfig, SourceKind, Target};
use ntp_proto::time::{Frequency, NtpDuration};
use ntp_proto::wire::{Leap, ReferenceId, Stratum};
use ntp_sim::{Path, Server, SimulatedClock, World};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn server(delay_micros: u64, queueing_micros: u64) -> Server {
    Server {
        ahead: NtpDuration::ZERO,
        stratum: Stratum::new(1),
        path: Path {
            delay: Duration::from_micros(delay_micros),
            queueing: Duration::from_micros(queueing_micros),
            loss: 0.0,
        },
        alive: true,
    }
}

fn wrong_clock(millis: i32, ppm: f64) -> SimulatedClock {
    SimulatedClock::new(NtpDuration::from_millis(millis), Frequency::from_ppm(ppm))
}

fn world_with(seed: u64, clock: SimulatedClock, servers: &[(u8, Server)], config: DisciplineConfig) -> World {
    let sources = servers.iter().map(|(last, _)| World::source(address(*last))).collect();
    let servers: BTreeMap<IpAddr, Server> =
        servers.iter().map(|(last, server)| (address(*last), *server)).collect();
    World::new(seed, clock, servers, sources, config)
}

fn world(seed: u64, clock: SimulatedClock, servers: &[(u8, Server)]) -> World {
    world_with(seed, clock, servers, DisciplineConfig::default())
}

#[test]
fn half_a_second_and_100_ppm_are_gone_within_a_minute_on_a_lan() {
    for seed in 0..20 {
        let mut world = world(seed, wrong_clock(500, 100.0), &[(1, server(100, 20))]);
        world.run(MINUTE);
        assert!(world.error().abs() < NtpDuration::from_micros(200), "seed {seed}: {}", world.error());
        let snapshot = world.snapshot();
        assert_eq!(snapshot.peers[0].standing, Standing::SystemPeer);
        assert_eq!(snapshot.system.reference.stratum, Stratum::new(2));
        assert_eq!(snapshot.system.reference.leap, Leap::None);
    }
}

#[test]
fn a_settled_clock_stays_within_the_jitter_of_its_path() {
    for seed in 0..5 {
        let mut world = world(seed, wrong_clock(-30, -20.0), &[(1, server(5000, 1000))]);
        world.run(HOUR);
        let mut squares = 0.0;
        for _ in 0..120 {
            world.run(MINUTE);
            squares += world.error().as_millis_f64().powi(2);
        }
        let rms = (squares / 120.0).sqrt();
        assert!(rms < 0.75, "seed {seed}: {rms} ms");
        assert!((world.snapshot().system.frequency.as_ppm() - 20.0).abs() < 0.5);
    }
}

#[test]
fn polls_become_rare_once_the_clock_is_settled() {
    let mut world = world(3, wrong_clock(10, 10.0), &[(1, server(5000, 500))]);
    world.run(6 * HOUR);
    let before = world.requests;
    world.run(6 * HOUR);
    assert!(world.requests - before <= 60, "{} packets in six hours", world.requests - before);
}

#[test]
fn a_lying_minority_does_not_move_the_clock() {
    for seed in 0..10 {
        let liar = Server { ahead: NtpDuration::from_seconds(3), ..server(200, 50) };
        let honest = server(2000, 300);
        let mut world =
            world(seed, wrong_clock(40, 5.0), &[(1, honest), (2, liar), (3, honest), (4, honest)]);
        world.run(10 * MINUTE);
        assert!(world.error().abs() < NtpDuration::from_millis(2), "seed {seed}: {}", world.error());
        assert_eq!(
            world.snapshot().peers.iter().filter(|peer| peer.standing == Standing::Falseticker).count(),
            1
        );
    }
}

#[test]
fn a_liar_that_answers_first_does_not_get_to_step_the_clock() {
    for seed in 0..10 {
        let liar = Server { ahead: NtpDuration::from_seconds(3), ..server(200, 50) };
        let honest = server(20_000, 300);
        for order in [[1, 2, 3, 4], [2, 3, 4, 1]] {
            let servers = [(1, liar), (2, honest), (3, honest), (4, honest)];
            let servers = order.map(|last| servers[last - 1]);
            for millis in [40, 700] {
                let mut world = world(seed, wrong_clock(millis, 5.0), &servers);
                for _ in 0..120 {
                    world.run(Duration::from_millis(500));
                    assert!(
                        world.error().abs() < NtpDuration::from_millis(millis + 10),
                        "seed {seed}: {}",
                        world.error()
                    );
                }
                assert!(world.error().abs() < NtpDuration::from_millis(5), "seed {seed}: {}", world.error());
            }
        }
    }
}

#[test]
fn a_slow_first_packet_is_forgotten() {
    for (extra, millis) in [(100, 0), (10, 0), (100, 400), (900, 60)] {
        let mut world = world(3, wrong_clock(millis, 20.0), &[(1, server(10_000, 100))]);
        world.hold_up_next(Duration::from_millis(extra));
        world.run(10 * MINUTE);
        assert!(world.error().abs() < NtpDuration::from_millis(2), "{extra} ms: {}", world.error());
        world.run(HOUR);
        assert!(world.error().abs() < NtpDuration::from_millis(1), "{extra} ms: {}", world.error());
    }
}

#[test]
fn only_a_frequency_that_is_known_is_remembered() {
    let config = DisciplineConfig::default();
    let mut world = world_with(1, wrong_clock(300, 50.0), &[(1, server(5_000, 500))], config);
    world.run(Duration::from_secs(5));
    world.shut_down();
    assert_eq!(world.drift, None);
    world.run(2 * HOUR);
    assert!(world.drift.is_some_and(|drift| (drift.as_ppm() + 50.0).abs() < 0.5), "{:?}", world.drift);
}

#[test]
fn without_any_answer_the_machine_says_it_has_no_time() {
    let mute = Server { alive: false, ..server(100, 10) };
    let mut world = world(1, wrong_clock(0, 0.0), &[(1, mute)]);
    world.run(HOUR);
    let snapshot = world.snapshot();
    assert_eq!(snapshot.system.reference.leap, Leap::Unknown);
    assert_eq!(snapshot.system.reference.stratum, Stratum::UNSYNCHRONIZED);
    assert!(world.requests < 40, "{} requests to a dead server in an hour", world.requests);
}

#[test]
fn after_an_outage_the_clock_has_held_and_the_server_is_found_again() {
    let mut world = world(5, wrong_clock(100, 30.0), &[(1, server(1000, 100))]);
    world.run(HOUR);
    world.server(address(1)).unwrap().alive = false;
    let start = world.now();
    let reference = world.snapshot().system.reference;
    world.run(3 * HOUR);
    // 15 ppm of three hours: what our clients are told we may be off by.
    let grown = reference.root_dispersion(world.now()) - reference.root_dispersion(start);
    assert!((grown.as_millis_f64() - 162.0).abs() < 1.0, "{grown}");
    assert_eq!(world.snapshot().system.reference.stratum, Stratum::new(2));
    assert!(world.events.iter().any(|event| matches!(event, Event::Unreachable(_))));
    assert!(world.error().abs() < NtpDuration::from_millis(5), "{}", world.error());
    world.server(address(1)).unwrap().alive = true;
    world.run(2 * HOUR);
    assert_ne!(world.snapshot().peers[0].reach, 0);
    assert!(world.error().abs() < NtpDuration::from_micros(500), "{}", world.error());
}

#[test]
fn beyond_a_thousand_seconds_it_ends_unless_g_allows_it_once() {
    let mut strict = world(1, wrong_clock(2_000_000, 0.0), &[(1, server(100, 10))]);
    strict.run(MINUTE);
    assert!(matches!(strict.outcome, Some(Outcome::Panic(_))), "{:?}", strict.outcome);

    let config = DisciplineConfig { allow_first_panic: true, ..DisciplineConfig::default() };
    let mut lenient = world_with(1, wrong_clock(2_000_000, 0.0), &[(1, server(100, 10))], config);
    lenient.run(MINUTE);
    assert_eq!(lenient.outcome, None);
    assert!(lenient.error().abs() < NtpDuration::from_millis(1));
}

#[test]
fn a_machine_that_booted_in_1970_gets_to_today_with_g() {
    let config = DisciplineConfig { allow_first_panic: true, ..DisciplineConfig::default() };
    for seconds in [-1_795_000_000, 900_000_000, -1_200_000_000, 2_000_000_000] {
        let clock = SimulatedClock::new(NtpDuration::from_seconds(seconds), Frequency::from_ppm(20.0));
        let mut world = world_with(1, clock, &[(1, server(5000, 100))], config);
        world.run(MINUTE);
        assert_eq!(world.outcome, None);
        assert!(world.error().abs() < NtpDuration::from_millis(3), "{seconds}: {}", world.error());
    }
}

#[test]
fn q_sets_the_clock_once_and_reports_it() {
    let config = DisciplineConfig { once: true, ..DisciplineConfig::default() };
    for millis in [700, 30] {
        let mut world = world_with(2, wrong_clock(millis, 10.0), &[(1, server(100, 10))], config);
        world.run(MINUTE);
        assert_eq!(world.outcome, Some(Outcome::Set));
        assert!(world.error().abs() < NtpDuration::from_millis(1), "{}", world.error());
    }
    let mute = Server { alive: false, ..server(100, 10) };
    let mut world = world_with(2, wrong_clock(700, 10.0), &[(1, mute)], config);
    world.run(2 * MINUTE);
    assert_eq!(world.outcome, Some(Outcome::NoTime));
}

#[test]
fn a_server_that_goes_silent_is_looked_up_again() {
    let servers = BTreeMap::from([(address(1), server(1000, 10)), (address(2), server(1000, 10))]);
    let named = SourceConfig {
        kind: SourceKind::Server(Target::Name("time.example".to_owned())),
        ..World::source(address(1))
    };
    let mut world = World::new(4, wrong_clock(0, 0.0), servers, vec![named], DisciplineConfig::default());
    // The resolver comes late.
    world.run(10 * Duration::from_secs(1));
    assert_eq!(world.snapshot().peers[0].reference_id, ReferenceId::from_code("DNS"));
    world.publish("time.example", vec![address(1)]);
    world.run(10 * MINUTE);
    assert_eq!(world.snapshot().peers[0].remote.ip(), address(1));
    world.server(address(1)).unwrap().alive = false;
    world.publish("time.example", vec![address(1), address(2)]);
    world.run(12 * HOUR);
    assert_eq!(world.snapshot().peers[0].remote.ip(), address(2));
    assert_ne!(world.snapshot().peers[0].reach, 0);
}

#[test]
fn a_pool_takes_four_addresses() {
    let servers: BTreeMap<IpAddr, Server> = (1..=9).map(|last| (address(last), server(1000, 10))).collect();
    let pool =
        SourceConfig { kind: SourceKind::Pool("pool.example".to_owned()), ..World::source(address(1)) };
    let mut world = World::new(4, wrong_clock(5, 5.0), servers, vec![pool], DisciplineConfig::default());
    world.publish("pool.example", (1..=9).map(address).collect());
    world.run(MINUTE);
    let peers = world.snapshot().peers;
    assert_eq!(peers.iter().filter(|peer| peer.kind == PeerKind::Server && peer.reach != 0).count(), 4);
    assert_eq!(peers.iter().filter(|peer| peer.kind == PeerKind::Pool).count(), 1);
}

#[test]
fn a_local_clock_leads_only_while_nobody_else_does() {
    let local = SourceConfig {
        kind: SourceKind::LocalClock { unit: 0, stratum: Stratum::new(5), reference_id: ReferenceId::LOCL },
        family: Family::Any,
        ..World::source(address(1))
    };
    let mute = Server { alive: false, ..server(100, 10) };
    let servers = BTreeMap::from([(address(1), mute)]);
    let sources = vec![World::source(address(1)), local];
    let mut world = World::new(4, wrong_clock(0, 0.0), servers, sources, DisciplineConfig::default());
    world.run(5 * MINUTE);
    assert_eq!(world.snapshot().system.reference.stratum, Stratum::new(6));
    world.server(address(1)).unwrap().alive = true;
    world.run(2 * HOUR);
    assert_eq!(world.snapshot().system.reference.stratum, Stratum::new(2));
}

#[test]
fn with_disable_ntp_the_clock_is_watched_and_never_touched() {
    let config = DisciplineConfig { disabled: true, ..DisciplineConfig::default() };
    let mut world = world_with(2, wrong_clock(700, 0.0), &[(1, server(100, 10))], config);
    world.run(HOUR);
    assert_eq!(world.error(), NtpDuration::from_millis(700));
    assert_eq!(world.drift, None);
    assert_eq!(world.snapshot().system.reference.stratum, Stratum::new(2));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || {
        let mut world = world(11, wrong_clock(77, 13.0), &[(1, server(3000, 900))]);
        world.run(HOUR);
        (world.error(), world.requests, world.snapshot())
    };
    assert_eq!(run(), run());
}
