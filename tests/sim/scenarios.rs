//! The scenarios themselves: each can be read, and those that the design was measured with say what it
//! said.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use ntp_sim::scenario::{Group, Jitter, PathScenario};
use ntp_sim::{Scenario, load};
use ntp_tests::{shared, skip};
use toml::{Table, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sim")
}

fn scenario(name: &str) -> Scenario {
    load(&folder().join(name).with_extension("toml")).unwrap()
}

#[test]
fn every_scenario_can_be_read_and_says_what_it_is_for() {
    let files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let scenarios: Vec<&PathBuf> =
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(scenarios.len() > 60, "{}", scenarios.len());
    for path in scenarios {
        let scenario = load(path).unwrap_or_else(|error| panic!("{error}"));
        assert!(scenario.description.ends_with('.'), "{}", path.display());
        assert!(!scenario.servers.is_empty(), "{}", path.display());
    }
}

fn float(value: &Value) -> f64 {
    let integer = value.as_integer().and_then(|integer| i32::try_from(integer).ok()).map(f64::from);
    value.as_float().or(integer).unwrap()
}

fn pair(value: &Value) -> (f64, f64) {
    let list = value.as_array().unwrap();
    assert_eq!(list.len(), 2);
    (float(&list[0]), float(&list[1]))
}

/// Reads jitter as a scenario does.
fn jitter(words: &Value) -> Jitter {
    let words = words.as_str().unwrap();
    let text = format!("description = \"\"\n[[server]]\npath = {{ jitter = {words:?} }}\n");
    Scenario::parse(&text).unwrap().servers[0].path.jitter
}

fn assert_path(name: &str, path: &PathScenario, design: &Table, noise: f64) {
    let base = pair(&design["base"]);
    assert_eq!((path.base[0], path.base[1]), base, "{name}");
    assert!((path.timestamp_noise - noise).abs() < 1e-12, "{name}");
    let none = Jitter::None;
    assert_eq!(path.jitter, design.get("jitter").map_or(none, jitter), "{name}");
    assert_eq!(path.jitter_up, design.get("jitter_up").map(jitter), "{name}");
    assert_eq!(path.jitter_down, design.get("jitter_down").map(jitter), "{name}");
    assert_eq!(path.spike, design.get("spike").map(pair), "{name}");
    assert!((path.loss - design.get("loss").map_or(0.0, float)).abs() < 1e-12, "{name}");
    let burst = path.burst_down.map(|burst| [burst.amp, burst.period, burst.length]);
    let wanted =
        design.get("burst_down").map(|burst| ["amp", "period", "length"].map(|key| float(&burst[key])));
    assert_eq!(burst, wanted, "{name}");
    let route = path.route_up.map(|route| [route.step, route.period]);
    assert_eq!(
        route,
        design.get("route_up").map(|route| ["step", "period"].map(|key| float(&route[key]))),
        "{name}"
    );
}

#[test]
fn the_designs_scenarios_have_the_designs_parameters() {
    let Some(data) = shared("sim") else {
        skip(
            "the_designs_scenarios_have_the_designs_parameters",
            "needs the design's data beside the checkout",
        );
        return;
    };
    let design: Table = toml::from_str(&fs::read_to_string(data.join("scenarios.toml")).unwrap()).unwrap();
    let defaults = design["default"].as_table().unwrap();
    for (name, own) in design["scenario"].as_table().unwrap() {
        let own = own.as_table().unwrap();
        let value = |key: &str| own.get(key).or_else(|| defaults.get(key));
        let number = |key: &str| value(key).map_or(0.0, float);
        let ours = scenario(name);
        assert_eq!(ours.group, Group::Fixed, "{name}");
        let poll = f64::from(1 << ours.client.polls.0);
        assert_eq!((ours.client.polls.0, poll), (ours.client.polls.1, number("poll")), "{name}");
        let clock = &ours.clock;
        let same = [
            (ours.duration, "duration"),
            (ours.skip, "skip"),
            (clock.wander, "wander"),
            (clock.white_fm, "white_fm"),
            (clock.initial_frequency, "initial_frequency"),
            (clock.initial_offset, "initial_offset"),
        ];
        for (given, key) in same {
            assert!((given - number(key)).abs() < 1e-15, "{name}: {key} = {given}");
        }
        let swing = clock.temperature.map(|swing| [swing.amplitude, swing.period]);
        let wanted = value("temperature").map(|swing| ["amplitude", "period"].map(|key| float(&swing[key])));
        assert_eq!(swing, wanted, "{name}");
        assert_eq!(clock.jumps.first().copied(), value("clock_jump").map(pair), "{name}");
        assert_eq!(clock.frequency_jumps.first().copied(), value("frequency_jump").map(pair), "{name}");
        let paths = own["paths"].as_array().unwrap();
        assert_eq!(paths.len(), ours.servers.len(), "{name}");
        for (server, path) in ours.servers.iter().zip(paths) {
            assert_path(name, &server.path, path.as_table().unwrap(), number("timestamp_noise"));
            assert_eq!(server.path.outages.first().copied(), value("outage").map(pair), "{name}");
        }
    }
}
