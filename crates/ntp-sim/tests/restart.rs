//! What a restart of the daemon costs the clock, which ran on meanwhile.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::path::Path;
use std::time::Duration;

use ntp_sim::{Scenario, ours, restart, system_config};

const HOUR: Duration = Duration::from_hours(1);

/// How long after a restart the clock is looked at.
const WINDOW: Duration = Duration::from_mins(30);

/// From the end of one window to the beginning of the next.
const PAUSE: Duration = Duration::from_mins(330);

/// The errors in the windows, in seconds: root of the mean square, and the largest.
struct Windows {
    rms: f64,
    largest: f64,
}

fn scenario(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sim");
    ntp_sim::load(&folder.join(format!("{name}.toml"))).unwrap()
}

/// A day to settle, then twelve windows, six hours apart.
fn windows(scenario: &Scenario, seed: u64, restarts: bool) -> Windows {
    let config = || system_config(scenario);
    let mut world = ours(scenario, seed, config());
    world.run(24 * HOUR);
    let (mut sum, mut count, mut largest) = (0.0, 0.0, 0.0_f64);
    for round in 0..12 {
        if restarts {
            restart(&mut world, scenario, seed + 100 + round, config());
        }
        world.run_with(WINDOW, |world| {
            sum += world.error().powi(2);
            count += 1.0;
            largest = largest.max(world.error().abs());
        });
        world.run(PAUSE);
    }
    Windows { rms: f64::sqrt(sum / count), largest }
}

/// Over all seeds: what the windows after restarts show, over what the same windows of a run without one do.
#[test]
fn a_restart_disturbs_the_clock_no_more_than_a_quiet_half_hour() {
    let seeds = 1..=2;
    for name in [
        "adaptive_lan_10us",
        "adaptive_lan_100us",
        "adaptive_internet_10ms",
        "internet_1ms",
        "adaptive_four_servers",
    ] {
        let scenario = scenario(name);
        let sum = |restarts: bool| {
            let all = seeds.clone().map(|seed| windows(&scenario, seed, restarts));
            all.fold((0.0, 0.0), |sum, one| (sum.0 + one.rms, sum.1 + one.largest))
        };
        let (without, with) = (sum(false), sum(true));
        let (rms, largest) = (with.0 / without.0, with.1 / without.1);
        assert!(
            rms < 1.3 && largest < 1.3,
            "{name}: RMS {rms:.2}, largest {largest:.2} of the undisturbed clock's"
        );
    }
}
