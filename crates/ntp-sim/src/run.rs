//! Runs a scenario: once with our client, once with the baseline, from the same seed.

use std::time::Duration;

use ntp_proto::association::AssociationOptions;
use ntp_proto::discipline::{DisciplineConfig, Timescale};
use ntp_proto::estimator::Memory;
use ntp_proto::random::Rng as _;
use ntp_proto::select::SelectionConfig;
use ntp_proto::system::{ClockStart, Family, SourceConfig, SourceKind, System, SystemConfig, Target};
use ntp_proto::time::{Frequency, PollExponent, Precision};

use crate::baseline::Baseline;
use crate::measure::{Measured, Meter};
use crate::scenario::Scenario;
use crate::{Client, SplitMix, World};

/// Both clients from one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The seed.
    pub seed: u64,
    /// Our client.
    pub ours: Measured,
    /// The baseline.
    pub baseline: Measured,
}

impl Comparison {
    /// RMS offset of our client over the baseline's; NaN where the baseline has none.
    pub fn ratio(&self) -> f64 {
        quotient(self.ours.rms, self.baseline.rms)
    }
}

/// One figure over another; NaN where the other is none.
pub(crate) fn quotient(ours: f64, baseline: f64) -> f64 {
    if baseline > 0.0 { ours / baseline } else { f64::NAN }
}

/// Runs a scenario with both clients.
pub fn compare(scenario: &Scenario, seed: u64) -> Comparison {
    let mut world = ours(scenario, seed, system_config(scenario));
    let ours = measure(&mut world, scenario);
    let (polls, iburst) = (scenario.client.polls, scenario.client.iburst);
    let mut world =
        World::new(scenario, seed, |start| Baseline::new(start, &scenario.addresses(), polls, iburst, seed));
    Comparison { seed, ours, baseline: measure(&mut world, scenario) }
}

/// A world with our client, configured as given.
pub fn ours(scenario: &Scenario, seed: u64, config: SystemConfig) -> World<System> {
    ours_after(scenario, seed, config, None, None)
}

/// The same, of which an earlier run has left the frequency and a memory.
pub fn ours_after(
    scenario: &Scenario,
    seed: u64,
    config: SystemConfig,
    drift: Option<Frequency>,
    memory: Option<Memory>,
) -> World<System> {
    let (timescale, frequency) = (timescale(scenario), Frequency::ZERO);
    let drift = drift.or_else(|| scenario.client.drift.map(Frequency::from_ratio));
    World::new(scenario, seed, |reading| {
        start_system(seed, config, ClockStart { reading, timescale, frequency, drift, memory })
    })
}

/// Our client ends as on SIGTERM, and starts again with the files that it has left: what `systemctl restart` does.
pub fn restart(world: &mut World<System>, scenario: &Scenario, seed: u64, config: SystemConfig) {
    let now = world.mono();
    world.client.shut_down(now);
    world.perform();
    let (drift, memory, timescale) = (world.drift, world.memory.clone(), timescale(scenario));
    world.exchange_client(|reading, frequency| {
        start_system(seed, config, ClockStart { reading, timescale, frequency, drift, memory })
    });
}

const fn timescale(scenario: &Scenario) -> Timescale {
    if scenario.client.kept_timescale { Timescale::Kept } else { Timescale::Observed }
}

fn start_system(seed: u64, config: SystemConfig, start: ClockStart) -> System {
    let nonces = SplitMix::new(SplitMix::stream(seed, 5).next_u64());
    System::new(config, start, Box::new(nonces))
}

fn measure<C: Client>(world: &mut World<C>, scenario: &Scenario) -> Measured {
    let mut meter = Meter::new(scenario);
    world.run_with(Duration::from_secs_f64(scenario.duration), |world| meter.look(world));
    meter.finish(world)
}

/// The configuration that a scenario implies: a `server` line for each of its servers.
pub fn system_config(scenario: &Scenario) -> SystemConfig {
    let (least, most) = scenario.client.polls;
    let options = AssociationOptions {
        iburst: scenario.client.iburst,
        minpoll: PollExponent::new(least.into()),
        maxpoll: PollExponent::new(most.into()),
        ..AssociationOptions::default()
    };
    let usual =
        DisciplineConfig { allow_first_panic: scenario.client.panic_gate, ..DisciplineConfig::default() };
    let source = |address| SourceConfig {
        kind: SourceKind::Server(Target::Address(address)),
        port: 123,
        family: Family::Any,
        options: options.clone(),
    };
    SystemConfig {
        keys: std::sync::Arc::default(),
        sources: scenario.addresses().into_iter().map(source).collect(),
        discipline: if scenario.client.slew { usual.slew_only() } else { usual },
        selection: SelectionConfig::default(),
        precision: Precision::new(-24),
        leap_table: None,
    }
}
