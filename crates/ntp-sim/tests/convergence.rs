//! The whole client, from the first packet to a settled clock, in virtual time.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::net::IpAddr;
use std::time::Duration;

use ntp_proto::discipline::DisciplineConfig;
use ntp_proto::select::Standing;
use ntp_proto::system::{
    Event, Family, Outcome, PeerKind, Snapshot, SourceConfig, SourceKind, System, SystemConfig, Target, Unfit,
};
use ntp_proto::time::NtpDuration;
use ntp_proto::wire::{Leap, ReferenceId, Stratum};
use ntp_sim::{Scenario, World, ours, system_config};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

/// A server behind a path with this delay and this queueing, in microseconds.
fn server(delay: u32, queueing: u32) -> String {
    format!("[[server]]\npath = {{ base = [{delay}e-6, {delay}e-6], jitter = \"exp {queueing}e-6\" }}\n")
}

/// The same, whose clock is ahead.
fn liar(seconds: f64, delay: u32, queueing: u32) -> String {
    format!("{}offset = {seconds:?}\n", server(delay, queueing))
}

/// A world in which the clock is wrong by so many milliseconds and ppm.
fn scenario(millis: i64, ppm: f64, servers: &[String]) -> Scenario {
    let text = format!(
        "description = \"\"\n[client]\niburst = true\nkept_timescale = true\n[clock]\n\
         initial_offset = {millis}e-3\ninitial_frequency = {ppm:?}e-6\n{}",
        servers.concat()
    );
    Scenario::parse(&text).unwrap()
}

fn world_with(seed: u64, scenario: &Scenario, config: DisciplineConfig) -> World<System> {
    ours(scenario, seed, SystemConfig { discipline: config, ..system_config(scenario) })
}

fn world(seed: u64, scenario: &Scenario) -> World<System> {
    ours(scenario, seed, system_config(scenario))
}

/// A world whose client has these sources instead of the scenario's servers.
fn world_of(seed: u64, scenario: &Scenario, sources: Vec<SourceConfig>) -> World<System> {
    ours(scenario, seed, SystemConfig { sources, ..system_config(scenario) })
}

fn first_source(scenario: &Scenario) -> SourceConfig {
    system_config(scenario).sources.remove(0)
}

fn snapshot(world: &World<System>) -> Snapshot {
    world.client.snapshot(world.mono())
}

fn shut_down(world: &mut World<System>) {
    let now = world.mono();
    world.client.shut_down(now);
    world.perform();
}

fn micros(seconds: f64) -> f64 {
    seconds * 1e6
}

#[test]
fn half_a_second_and_100_ppm_are_gone_within_a_minute_on_a_lan() {
    for seed in 0..20 {
        let mut world = world(seed, &scenario(500, 100.0, &[server(100, 20)]));
        world.run(MINUTE);
        assert!(world.error().abs() < 200e-6, "seed {seed}: {} us", micros(world.error()));
        let snapshot = snapshot(&world);
        assert_eq!(snapshot.peers[0].standing, Standing::SystemPeer);
        assert_eq!(snapshot.system.reference.stratum, Stratum::new(2));
        assert_eq!(snapshot.system.reference.leap, Leap::None);
    }
}

#[test]
fn a_settled_clock_stays_within_the_jitter_of_its_path() {
    for seed in 0..5 {
        let mut world = world(seed, &scenario(-30, -20.0, &[server(5000, 1000)]));
        world.run(HOUR);
        let mut squares = 0.0;
        for _ in 0..120 {
            world.run(MINUTE);
            squares += (world.error() * 1e3).powi(2);
        }
        let rms = (squares / 120.0).sqrt();
        assert!(rms < 0.75, "seed {seed}: {rms} ms");
        assert!((snapshot(&world).system.frequency.as_ppm() - 20.0).abs() < 0.5);
    }
}

#[test]
fn polls_become_rare_once_the_clock_is_settled() {
    let mut world = world(3, &scenario(10, 10.0, &[server(5000, 500)]));
    world.run(6 * HOUR);
    let before = world.requests;
    world.run(6 * HOUR);
    assert!(world.requests - before <= 60, "{} packets in six hours", world.requests - before);
}

#[test]
fn a_lying_minority_does_not_move_the_clock() {
    for seed in 0..10 {
        let honest = server(2000, 300);
        let servers = [honest.clone(), liar(3.0, 200, 50), honest.clone(), honest];
        let mut world = world(seed, &scenario(40, 5.0, &servers));
        world.run(10 * MINUTE);
        assert!(world.error().abs() < 2e-3, "seed {seed}: {} us", micros(world.error()));
        let liars = snapshot(&world);
        let liars = liars.peers.iter().filter(|peer| peer.standing == Standing::Falseticker);
        assert_eq!(liars.count(), 1);
    }
}

#[test]
fn a_liar_that_answers_first_does_not_get_to_step_the_clock() {
    for seed in 0..10 {
        let (liar, honest) = (liar(3.0, 200, 50), server(20_000, 300));
        for order in [[0, 1, 1, 1], [1, 1, 1, 0]] {
            let servers = order.map(|which| [liar.clone(), honest.clone()][which].clone());
            for millis in [40, 700] {
                let mut world = world(seed, &scenario(millis, 5.0, &servers));
                for _ in 0..120 {
                    world.run(Duration::from_millis(500));
                    let limit = f64::from(u16::try_from(millis).unwrap() + 10) * 1e-3;
                    assert!(world.error().abs() < limit, "seed {seed}: {} us", micros(world.error()));
                }
                assert!(world.error().abs() < 5e-3, "seed {seed}: {} us", micros(world.error()));
            }
        }
    }
}

#[test]
fn a_lying_majority_of_one_is_named_and_the_clock_holds_over() {
    let honest = server(2000, 100);
    let servers = [honest.clone(), honest.clone(), honest.clone(), honest.clone(), honest];
    let mut world = world(7, &scenario(40, 5.0, &servers));
    world.run(6 * HOUR);
    assert!(!world.events.iter().any(|event| matches!(event, Event::NoMajority { .. })));
    for (last, seconds) in [(1, 0.3), (2, -0.4), (3, 5.0)] {
        world.set_offset(address(last), seconds);
    }
    world.run(6 * HOUR);
    assert!(world.events.iter().any(|event| matches!(event, Event::NoMajority { .. })), "{:?}", world.events);
    assert_eq!(snapshot(&world).system.system_peer, None);
    assert!(world.error().abs() < 1e-3, "{} us", micros(world.error()));
}

#[test]
fn a_slow_first_packet_is_forgotten() {
    for (extra, millis) in [(100, 0), (10, 0), (100, 400), (900, 60)] {
        let mut scenario = scenario(millis, 20.0, &[server(10_000, 100)]);
        scenario.servers[0].path.hold_up_first = f64::from(extra) * 1e-3;
        let mut world = world(3, &scenario);
        world.run(10 * MINUTE);
        assert!(world.error().abs() < 2e-3, "{extra} ms: {} us", micros(world.error()));
        world.run(HOUR);
        assert!(world.error().abs() < 1e-3, "{extra} ms: {} us", micros(world.error()));
    }
}

#[test]
fn only_a_frequency_that_is_known_is_remembered() {
    let mut world = world(1, &scenario(300, 50.0, &[server(5_000, 500)]));
    world.run(Duration::from_secs(5));
    shut_down(&mut world);
    assert_eq!(world.drift, None);
    world.run(2 * HOUR);
    assert!(world.drift.is_some_and(|drift| (drift.as_ppm() + 50.0).abs() < 0.5), "{:?}", world.drift);
}

#[test]
fn without_any_answer_the_machine_says_it_has_no_time() {
    let mut world = world(1, &scenario(0, 0.0, &[server(100, 10)]));
    world.set_alive(address(1), false);
    world.run(HOUR);
    let snapshot = snapshot(&world);
    assert_eq!(snapshot.system.reference.leap, Leap::Unknown);
    assert_eq!(snapshot.system.reference.stratum, Stratum::UNSYNCHRONIZED);
    assert!(world.requests < 40, "{} requests to a dead server in an hour", world.requests);
}

#[test]
fn after_an_outage_the_clock_has_held_and_the_server_is_found_again() {
    let mut world = world(5, &scenario(100, 30.0, &[server(1000, 100)]));
    world.run(HOUR);
    world.set_alive(address(1), false);
    let start = world.mono();
    let reference = snapshot(&world).system.reference;
    world.run(3 * HOUR);
    // At least 15 ppm of three hours: what our clients are told we may be off by.
    let grown = reference.root_dispersion(world.mono()) - reference.root_dispersion(start);
    assert!((162.0..200.0).contains(&grown.as_millis_f64()), "{grown}");
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::new(2));
    assert!(world.events.iter().any(|event| matches!(event, Event::Unreachable(_))));
    assert!(world.error().abs() < 5e-3, "{} us", micros(world.error()));
    world.set_alive(address(1), true);
    world.run(2 * HOUR);
    assert_ne!(snapshot(&world).peers[0].reach, 0);
    assert!(world.error().abs() < 500e-6, "{} us", micros(world.error()));
}

#[test]
fn beyond_a_thousand_seconds_it_ends_unless_g_allows_it_once() {
    let far = scenario(2_000_000, 0.0, &[server(100, 10)]);
    let mut strict = world(1, &far);
    strict.run(MINUTE);
    assert!(matches!(strict.outcome, Some(Outcome::Panic(_))), "{:?}", strict.outcome);

    let config = DisciplineConfig { allow_first_panic: true, ..DisciplineConfig::default() };
    let mut lenient = world_with(1, &far, config);
    lenient.run(MINUTE);
    assert_eq!(lenient.outcome, None);
    assert!(lenient.error().abs() < 1e-3);
    // The gate is closed now, whatever happens to the clock.
    lenient.set_offset(address(1), 5000.0);
    lenient.run(2 * HOUR);
    assert!(matches!(lenient.outcome, Some(Outcome::Panic(_))), "{:?}", lenient.outcome);
}

#[test]
fn a_machine_that_booted_in_1970_gets_to_today_with_g() {
    let config = DisciplineConfig { allow_first_panic: true, ..DisciplineConfig::default() };
    for seconds in [-1_795_000_000, 900_000_000, -1_200_000_000, 2_000_000_000] {
        let mut world = world_with(1, &scenario(seconds * 1000, 20.0, &[server(5000, 100)]), config);
        world.run(MINUTE);
        assert_eq!(world.outcome, None);
        assert!(world.error().abs() < 3e-3, "{seconds}: {} us", micros(world.error()));
    }
}

#[test]
fn q_sets_the_clock_once_and_reports_it() {
    let config = DisciplineConfig { once: true, ..DisciplineConfig::default() };
    for millis in [700, 30] {
        let mut world = world_with(2, &scenario(millis, 10.0, &[server(100, 10)]), config);
        world.run(MINUTE);
        assert_eq!(world.outcome, Some(Outcome::Set));
        assert!(world.error().abs() < 1e-3, "{} us", micros(world.error()));
    }
    let mut world = world_with(2, &scenario(700, 10.0, &[server(100, 10)]), config);
    world.set_alive(address(1), false);
    world.run(2 * MINUTE);
    assert_eq!(world.outcome, Some(Outcome::NoTime));
}

#[test]
fn a_server_that_goes_silent_is_looked_up_again() {
    let scenario = scenario(0, 0.0, &[server(1000, 10), server(1000, 10)]);
    let named = SourceConfig {
        kind: SourceKind::Server(Target::Name("time.example".to_owned())),
        ..first_source(&scenario)
    };
    let mut world = world_of(4, &scenario, vec![named]);
    // The resolver comes late.
    world.run(10 * Duration::from_secs(1));
    assert_eq!(snapshot(&world).peers[0].reference_id, ReferenceId::from_code("DNS"));
    world.publish("time.example", vec![address(1)]);
    world.run(10 * MINUTE);
    assert_eq!(snapshot(&world).peers[0].remote.ip(), address(1));
    world.set_alive(address(1), false);
    world.publish("time.example", vec![address(1), address(2)]);
    world.run(12 * HOUR);
    assert_eq!(snapshot(&world).peers[0].remote.ip(), address(2));
    assert_ne!(snapshot(&world).peers[0].reach, 0);
}

fn pool(scenario: &Scenario) -> SourceConfig {
    SourceConfig { kind: SourceKind::Pool("pool.example".to_owned()), ..first_source(scenario) }
}

fn reachable_members(world: &World<System>) -> usize {
    let peers = snapshot(world).peers;
    peers.iter().filter(|peer| peer.kind == PeerKind::Server && peer.reach != 0).count()
}

#[test]
fn a_pool_grows_to_maxclock_as_its_name_shows_other_addresses() {
    let scenario = scenario(5, 5.0, &vec![server(1000, 10); 20]);
    let mut world = world_of(4, &scenario, vec![pool(&scenario)]);
    for round in 0..5 {
        world.publish("pool.example", (1 + 4 * round..5 + 4 * round).map(address).collect());
        world.run(20 * MINUTE);
        assert_eq!(reachable_members(&world), usize::from(4 * (round + 1)).min(10), "{round}");
    }
    assert_eq!(snapshot(&world).peers.iter().filter(|peer| peer.kind == PeerKind::Pool).count(), 1);
}

#[test]
fn a_pool_replaces_members_that_lie_or_fall_silent() {
    let scenario = scenario(5, 5.0, &vec![server(1000, 10); 12]);
    let mut world = world_of(4, &scenario, vec![pool(&scenario)]);
    for round in 0..3_u8 {
        world.publish("pool.example", (1 + 4 * round..5 + 4 * round).map(address).collect());
        world.run(20 * MINUTE);
    }
    world.set_offset(address(1), 0.5);
    world.set_alive(address(2), false);
    world.run(12 * HOUR);
    let members: Vec<IpAddr> = world.client.source_addresses();
    assert_eq!(reachable_members(&world), 10);
    assert!(!members.contains(&address(1)) && !members.contains(&address(2)), "{members:?}");
    assert!(world.error().abs() < 1e-3);
}

#[test]
fn burst_asks_eight_times_at_every_poll_of_a_server_that_answers() {
    let scenario = scenario(5, 5.0, &[server(1000, 10)]);
    let mut source = first_source(&scenario);
    source.options.burst = true;
    source.options.maxpoll = source.options.minpoll;
    let mut world = world_of(4, &scenario, vec![source]);
    world.run(HOUR);
    let before = world.requests;
    world.run(HOUR);
    // A burst takes 14 s, and then comes the interval of 64 s.
    let expected = 8 * 3600 / 78;
    assert!((world.requests - before).abs_diff(expected) < 20, "{}", world.requests - before);
    world.set_alive(address(1), false);
    world.run(HOUR);
    let before = world.requests;
    world.run(HOUR);
    assert!(world.requests - before < 60, "{}", world.requests - before);
}

#[test]
fn a_preferred_server_is_followed_alone() {
    let scenario = scenario(5, 5.0, &[liar(0.002, 5000, 10), server(5000, 10), server(5000, 10)]);
    let mut config = system_config(&scenario);
    config.sources[0].options.prefer = true;
    let mut world = ours(&scenario, 4, config);
    world.run(2 * HOUR);
    assert!((world.error() - 2e-3).abs() < 100e-6, "{} us", micros(world.error()));
    world.set_alive(address(1), false);
    world.run(12 * HOUR);
    // The others are believed now, as far as paths may be lopsided.
    assert!(world.error().abs() < 1e-3, "{} us", micros(world.error()));
}

#[test]
fn tos_says_who_may_be_followed() {
    let scenario = scenario(5, 5.0, &[server(5000, 10)]);
    // Whether it is followed, what the administrator is told, and the flash bits.
    let outcome = |change: &dyn Fn(&mut SystemConfig)| {
        let mut config = system_config(&scenario);
        change(&mut config);
        let mut world = ours(&scenario, 4, config);
        world.run(10 * MINUTE);
        let told: Vec<Event> = world.events.drain(..).filter(is_about_selection).collect();
        let snapshot = snapshot(&world);
        (snapshot.system.system_peer.is_some(), told, snapshot.peers[0].flash)
    };
    assert_eq!(outcome(&|_| ()), (true, vec![], 0));
    let remote = (address(1), 123).into();
    let unfit = |reason| vec![Event::Unfit { remote, reason }];
    let stratum = || unfit(Unfit::Stratum(Stratum::new(1)));
    assert_eq!(outcome(&|config| config.selection.stratum_min = 2), (false, stratum(), 0x200));
    assert_eq!(outcome(&|config| config.selection.stratum_limit = 1), (false, stratum(), 0x200));
    let too_few = vec![Event::TooFew { agreeing: 1, needed: 2 }];
    assert_eq!(outcome(&|config| config.selection.survivors_min = 2), (false, too_few, 0));
    for (most, least) in [(2, 1), (1500, 4000)] {
        let (leads, told, flash) = outcome(&|config| {
            config.selection.distance_max = NtpDuration::from_millis(most);
            config.selection.distance_min = NtpDuration::from_millis(least);
        });
        let [Event::Unfit { reason: Unfit::Distance(distance), .. }] = told[..] else { panic!("{told:?}") };
        assert!(!leads && flash == 0x400 && distance > NtpDuration::from_millis(2), "{distance}");
    }
}

fn is_about_selection(event: &Event) -> bool {
    matches!(event, Event::Unfit { .. } | Event::TooFew { .. } | Event::NoMajority { .. })
}

#[test]
fn an_orphan_serves_its_own_time_after_a_while() {
    let scenario = scenario(5, 5.0, &[server(5000, 10)]);
    let mut config = system_config(&scenario);
    config.selection.orphan_stratum = 6;
    let mut world = ours(&scenario, 4, config);
    world.set_alive(address(1), false);
    world.run(4 * MINUTE);
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::UNSYNCHRONIZED);
    world.run(2 * MINUTE);
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::new(6));
    world.set_alive(address(1), true);
    world.run(2 * HOUR);
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::new(2));
}

#[test]
fn a_local_clock_leads_only_while_nobody_else_does() {
    let scenario = scenario(0, 0.0, &[server(100, 10)]);
    let local = SourceConfig {
        kind: SourceKind::LocalClock { unit: 0, stratum: Stratum::new(5), reference_id: ReferenceId::LOCL },
        family: Family::Any,
        ..first_source(&scenario)
    };
    let mut world = world_of(4, &scenario, vec![first_source(&scenario), local]);
    world.set_alive(address(1), false);
    world.run(5 * MINUTE);
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::new(6));
    world.set_alive(address(1), true);
    world.run(2 * HOUR);
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::new(2));
}

#[test]
fn with_disable_ntp_the_clock_is_watched_and_never_touched() {
    let config = DisciplineConfig { disabled: true, ..DisciplineConfig::default() };
    let mut world = world_with(2, &scenario(700, 0.0, &[server(100, 10)]), config);
    world.run(HOUR);
    assert!((world.error() - 0.7).abs() < 1e-9);
    assert_eq!(world.drift, None);
    assert_eq!(snapshot(&world).system.reference.stratum, Stratum::new(2));
}

#[test]
fn what_was_learnt_survives_a_restart() {
    let scenario = scenario(20, 40.0, &[server(5000, 500)]);
    let mut first = world(3, &scenario);
    first.run(24 * HOUR);
    shut_down(&mut first);
    let memory = first.memory.clone().unwrap();
    let text = memory.to_string();
    assert_eq!(ntp_proto::estimator::Memory::parse(&text).map(|read| read.to_string()), Ok(text.clone()));
    let next_day = Scenario { beginning: scenario.beginning + 86_400, ..scenario };
    let run = |memory: Option<ntp_proto::estimator::Memory>| {
        let mut world = ntp_sim::ours_after(
            &next_day,
            4,
            system_config(&next_day),
            memory.as_ref().map(|one| one.frequency),
            memory,
        );
        world.run(2 * MINUTE);
        let mut squares = 0.0;
        for _ in 0..60 {
            world.run(MINUTE);
            squares += world.error().powi(2);
        }
        (squares / 60.0).sqrt()
    };
    let (with, without) = (run(Some(memory)), run(None));
    assert!(with < without / 2.0, "{} us with, {} us without", micros(with), micros(without));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || {
        let mut world = world(11, &scenario(77, 13.0, &[server(3000, 900)]));
        world.run(HOUR);
        (world.error(), world.requests, snapshot(&world))
    };
    assert_eq!(run(), run());
}

#[test]
fn the_estimate_is_the_same_however_the_clock_is_steered() {
    for kept in [false, true] {
        let mut scenario = scenario(20, 40.0, &[server(5000, 500), server(9000, 300)]);
        scenario.client.kept_timescale = kept;
        let estimate = |config: DisciplineConfig| {
            let mut world = world_with(3, &scenario, config);
            world.run(6 * HOUR);
            (world.client.estimate(world.mono()).unwrap(), world.error())
        };
        let steered = estimate(DisciplineConfig::default());
        let gentle = estimate(DisciplineConfig { gentle: true, ..DisciplineConfig::default() });
        let left_alone = estimate(DisciplineConfig { disabled: true, ..DisciplineConfig::default() });
        assert!(left_alone.1 > 0.5 && steered.1.abs() < 1e-3, "{steered:?} {left_alone:?}");
        for (other, _) in [gentle, left_alone] {
            let apart = (other.lead - steered.0.lead).abs();
            assert!(apart <= NtpDuration::from_nanos(1), "kept: {kept}: {apart:?}");
        }
    }
}
