//! `ntpctl simulate` and the simulator's own command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ntp_tests::{Outcome, ours, run};

const SCENARIO: &str = "\
description = \"Three servers, one of which lies\"
duration = 7200.0
skip = 1800.0
[clock]
initial_offset = 0.2
initial_frequency = 3e-5
[[server]]
name = \"a.example\"
path = { base = [5e-3, 5e-3], jitter = \"exp 1e-4\" }
[[server]]
name = \"b.example\"
path = { base = [8e-3, 8e-3], jitter = \"exp 1e-4\" }
[[server]]
name = \"c.example\"
offset = 1.5
path = { base = [8e-3, 8e-3], jitter = \"exp 1e-4\" }
";

fn simulate(folder: &Path, words: &[&str]) -> Outcome {
    run(Command::new(ours("ntpctl")).current_dir(folder).arg("simulate").args(words))
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_configuration_runs_in_a_described_world() {
    let conf =
        "server a.example iburst\nserver b.example iburst\nserver c.example iburst\nserver d.example\n";
    let folder = folder_with(&[("world.toml", SCENARIO), ("ntp.conf", conf)]);
    let outcome = simulate(folder.path(), &["world.toml", "-c", "ntp.conf", "--plot", "offset.svg"]);
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    let said = |words: &str| assert!(outcome.stdout.contains(words), "{words}\n{}", outcome.stdout);
    said("warning: d.example is not in the scenario: it will not answer");
    said("Three servers, one of which lies");
    said("outside its own bound   never");
    said("steps of the clock      1");
    let row = |name: &str| {
        outcome.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
    };
    assert!(row("c.example").ends_with("x outvoted"), "{}", outcome.stdout);
    assert!(row("a.example").contains(" 100 %"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains('\u{2588}'), "no sparkline\n{}", outcome.stdout);
    let picture = fs::read_to_string(folder.path().join("offset.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("polyline"), "{picture}");
    // The same seed gives the same world.
    let again = simulate(folder.path(), &["world.toml", "-c", "ntp.conf", "--plot", "offset.svg"]);
    assert_eq!(again.stdout, outcome.stdout);
    let other = simulate(folder.path(), &["world.toml", "-c", "ntp.conf", "--seed", "2"]);
    assert_ne!(other.stdout, outcome.stdout);
}

#[test]
fn without_a_configuration_every_server_of_the_world_is_asked() {
    let folder =
        folder_with(&[("world.toml", SCENARIO), ("more.toml", "extends = \"world\"\nduration = 3600.0\n")]);
    let outcome = simulate(folder.path(), &["more.toml"]);
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    assert!(outcome.stdout.contains("192.0.2.3"), "{}", outcome.stdout);
}

#[test]
fn what_is_no_scenario_is_refused_with_its_place() {
    let long = "#".repeat(1 << 19);
    let cases: &[(&str, &str)] = &[
        ("description = \"x\"\nduratoin = 5.0\n", "duratoin"),
        ("description = \"x\"\nduration = -5.0\n", "duration = -5 is not within"),
        ("description = \"x\"\nduration = 1e300\n", "duration ="),
        ("description = \"x\"\nduration = nan\n", "duration ="),
        ("description = \"x\"\n[clock]\nwander = 1.0\n", "clock.wander = 1 is not within"),
        ("description = \"x\"\n[[server]]\npath = { jitter = \"exp fast\" }\n", "\"exp fast\" is no jitter"),
        ("description = \"x\"\n[[server]]\npath = { loss = 2.0 }\n", "path.loss = 2 is not within"),
        ("description = \"x\"\n[client]\npolls = [9, 3]\n", "poll exponents"),
        ("extends = \"world\"\n[client]\npolls = [1, 99]\n", "poll exponents"),
        ("extends = \"case\"\n", "extends another one itself"),
        ("description = \"x\"\n[limits]\nratio = nan\n", "a limit ="),
        ("description = \"x\"\n[limits]\nsettles = [[-5.0, 1e-3]]\n", "limits.settles ="),
        ("extends = 5\n", "no name of a file"),
        ("extends = \"mistyped\"\n", "mistyped: TOML parse error at line 2"),
        ("extends = \"v1.2\"\n", "v1.2.toml"),
        (
            "description = \"x\"\n[[server]]\naddress = \"192.0.2.2\"\npath = {}\n[[server]]\npath = {}\n",
            "two [[server]] tables have the address 192.0.2.2",
        ),
        ("extends = \"nowhere\"\n", "nowhere.toml"),
        ("\u{1}\u{2}", "TOML parse error"),
        ("description = \"x\"\n[[server]]\npath = { jitter = \"\\u001b[2J\" }\n", "is no jitter"),
        ("extends = \"\\u001b[2J\"\n", "[2J.toml"),
        (&long, "is this a scenario?"),
        ("", "description"),
        ("description = \"x\\u001b[2J\"\n", "description holds the control character"),
        (
            "description = \"x\"\n[[server]]\nname = \"a\\tb\"\npath = {}\n",
            "name holds the control character",
        ),
    ];
    for (text, expected) in cases {
        let mistyped = "description = \"x\"\nduration = \"long\"\n";
        let folder =
            folder_with(&[("case.toml", text), ("world.toml", SCENARIO), ("mistyped.toml", mistyped)]);
        let outcome = simulate(folder.path(), &["case.toml"]);
        assert_eq!(outcome.status, 1, "{expected}: {}", outcome.both());
        assert!(outcome.stderr.contains(expected), "{expected}: {}", outcome.both());
        assert!(outcome.stderr.contains("case.toml"), "{expected}: {}", outcome.both());
        let harmless = |c: char| c == '\n' || !c.is_control();
        assert!(outcome.stderr.chars().all(harmless), "{expected}: {:?}", outcome.stderr);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}

#[test]
fn other_mistakes_have_words_too() {
    let folder = folder_with(&[
        ("world.toml", SCENARIO),
        ("ntp.conf", "server z.example\n"),
        ("right.conf", "server a.example\n"),
        ("nobody.conf", "driftfile /var/lib/ntp/ntp.drift\n"),
    ]);
    let refused = |words: &[&str], status: i32, expected: &str| {
        let outcome = simulate(folder.path(), words);
        assert_eq!(outcome.status, status, "{words:?}: {}", outcome.both());
        assert!(outcome.stderr.contains(expected), "{words:?}: {}", outcome.both());
    };
    refused(&["nowhere.toml"], 1, "nowhere.toml");
    refused(&["."], 1, "directory");
    refused(&["world.toml", "-c", "nowhere.conf"], 2, "nowhere.conf");
    refused(&["world.toml", "-c", "ntp.conf"], 1, "say `name = \"z.example\"`");
    refused(&["world.toml", "--plot", "no/such/folder/x.svg"], 3, "no/such/folder/x.svg");
    refused(&["world.toml", "--seed", "many"], 1, "many");
    // A picture replaces no more than a picture.
    let untouched = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let (world, conf) = (untouched("world.toml"), untouched("right.conf"));
    refused(&["world.toml", "--plot", "world.toml"], 1, "is no SVG picture");
    refused(&["world.toml", "--plot", "./world.toml"], 1, "is no SVG picture");
    refused(&["world.toml", "-c", "right.conf", "--plot", "right.conf"], 1, "is no SVG picture");
    refused(&["world.toml", "--plot", "."], 1, "is no SVG picture");
    refused(&["world.toml", "--plot", "/dev/null"], 1, "is no SVG picture");
    refused(&["world.toml", "--plot", "nobody.conf"], 1, "is no SVG picture");
    refused(&["world.toml", "-c", "nobody.conf"], 1, "names no server that could be asked");
    assert_eq!((untouched("world.toml"), untouched("right.conf")), (world, conf));
}

#[test]
fn what_keeps_the_clock_from_being_set_is_said() {
    let client = "[client]\npanic_gate = true\npolls = [4, 6]\n";
    let servers = "server a.example iburst\nserver b.example iburst\n";
    let files = [
        ("world.toml", SCENARIO.to_owned() + client),
        ("few.conf", servers.to_owned() + "tos minsane 10\n"),
        ("ceiling.conf", servers.to_owned() + "tos ceiling 0\n"),
        ("off.conf", servers.to_owned() + "disable ntp\n"),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = folder_with(&files);
    for (conf, expected) in [
        ("few.conf", "too few survive         2, and `tos minsane` asks for 10"),
        ("ceiling.conf", "`tos floor` and `tos ceiling` exclude its stratum, 1"),
        ("off.conf", "warning: `disable ntp`: the clock is watched and never set"),
    ] {
        let outcome = simulate(folder.path(), &["world.toml", "-c", conf]);
        assert_eq!(outcome.status, 0, "{conf}: {}", outcome.both());
        assert!(outcome.stdout.contains(expected), "{conf}: {}", outcome.stdout);
        assert!(outcome.stdout.contains("note: how to ask is said by"), "{conf}: {}", outcome.stdout);
        let never = "synchronized            never: the figures are of a clock left to itself";
        assert_eq!(outcome.stdout.contains(never), conf != "off.conf", "{conf}: {}", outcome.stdout);
        assert!(!outcome.stdout.contains("within 1 ms after"), "{conf}: {}", outcome.stdout);
    }
}

fn simulator(words: &[&str]) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    run(Command::new(ours("ntp-sim")).current_dir(root).args(words))
}

#[test]
fn the_simulator_prints_a_table_or_objects_and_replays_a_seed() {
    let table = simulator(&["stepped_from_outside", "--seeds", "1"]);
    assert_eq!(table.status, 0, "{}", table.both());
    assert!(
        table.stdout.starts_with("scenario ") && table.stdout.contains("simulated seconds in a second"),
        "{}",
        table.stdout
    );
    let object = |words: &[&str]| -> serde_json::Value {
        let outcome = simulator(words);
        assert_eq!(outcome.status, 0, "{}", outcome.both());
        serde_json::from_str(outcome.stdout.trim()).unwrap()
    };
    let first = object(&["stepped_from_outside", "--seed", "5", "--json"]);
    assert_eq!(first, object(&["stepped_from_outside", "--seed", "5", "--json"]));
    for key in ["ours_rms_s", "baseline_rms_s", "ratio", "frequency_ratio", "packets_ratio", "max_error_s"] {
        assert!(first[key].as_f64().is_some_and(|value| value > 0.0), "{key}: {first}");
    }
    assert!(first["gate"].is_null() && first["bound_violations"] == 0 && first["seeds"] == 1, "{first}");
}

#[test]
fn the_simulators_mistakes_have_words() {
    let file: PathBuf = std::env::temp_dir().join(format!("ntp-sim-case-{}.toml", std::process::id()));
    fs::write(&file, SCENARIO.to_owned() + "[limits]\nmax_error = 1e-9\n").unwrap();
    let failing = simulator(&[&file.display().to_string(), "--seeds", "1"]);
    assert_eq!(failing.status, 1, "{}", failing.both());
    assert!(
        failing.stdout.contains("FAILS") && failing.stdout.contains("the largest error"),
        "{}",
        failing.stdout
    );
    // What a client shows by leaving counts for nothing, whatever the limits say.
    let far = SCENARIO.replace("initial_offset = 0.2", "initial_offset = 5000.0");
    fs::write(&file, far + "[limits]\nratio = 1e9\n").unwrap();
    let left = simulator(&[&file.display().to_string(), "--seeds", "1"]);
    assert_eq!(left.status, 1, "{}", left.both());
    assert!(left.stdout.contains("the client gave up after"), "{}", left.stdout);
    fs::remove_file(&file).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let nothing = simulator(&["--in", &empty.path().display().to_string()]);
    assert_eq!(nothing.status, 2, "{}", nothing.both());
    assert!(nothing.stderr.contains("holds no scenario"), "{}", nothing.stderr);
    for words in [
        &["nowhere"][..],
        &["--seeds", "0"],
        &["--seeds"],
        &["--seeds", "x"],
        &["--fast"],
        &["--in", "/nowhere"],
        &["start", "--seeds", "3", "--seed", "1"],
    ] {
        let outcome = simulator(words);
        assert_eq!(outcome.status, 2, "{words:?}: {}", outcome.both());
        assert!(!outcome.stderr.is_empty() && !outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}
