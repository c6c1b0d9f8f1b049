//! `ntpq verify` by its exit status, JSON of every command, and commands typed at a terminal.
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ntp_tests::{Daemon, Following, ours, run, skip, until};
use serde_json::Value;

/// Commands that ask something, each with what its object has.
const COMMANDS: [(&str, &str); 22] = [
    ("peers", "peers"),
    ("opeers", "peers"),
    ("associations", "associations"),
    ("passociations", "associations"),
    ("rv", "variables"),
    ("rv &1", "variables"),
    ("mrv &1 &1", "variables"),
    ("rv 0 offset,stratum", "variables"),
    ("sysinfo", "variables"),
    ("sysstats", "variables"),
    ("kerninfo", "variables"),
    ("iostats", "variables"),
    ("timerstats", "variables"),
    ("monstats", "variables"),
    ("authinfo", "variables"),
    ("ntsinfo", "variables"),
    ("pstats &1", "variables"),
    ("mrulist sort=count", "clients"),
    ("why", "sources"),
    ("verify", "good"),
    ("help offset", "said"),
    ("showvars", "said"),
];

#[test]
fn how_good_the_clock_is_shows_in_the_exit_status() {
    let test = "how_good_the_clock_is_shows_in_the_exit_status";
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    let verify = |words: &[&str]| run(following.net.on_client(&ours("ntpq")).arg("verify").args(words));
    // Nobody has mode 6 there, and nothing listens here.
    for (words, status) in [
        (&["127.0.0.1"][..], 0),
        (&["--max-offset", "1000", "--min-sources", "1", "--max-distance", "5000", "127.0.0.1"], 0),
        (&["--max-distance", "0", "127.0.0.1"], 5),
        (&["--min-sources", "9", "127.0.0.1"], 5),
        (&["127.0.0.1:124"], 2),
        (&["--max-offset", "nan", "127.0.0.1"], 1),
        (&["-c", "peers", "127.0.0.1"], 1),
    ] {
        let outcome = verify(words);
        assert_eq!(outcome.status, status, "{words:?}: {}", outcome.both());
    }
    let program = verify(&["--json", "127.0.0.1"]).stdout;
    let object: Value = serde_json::from_str(&program).unwrap();
    assert!(object["good"] == true && object["root_distance_ms"].is_f64(), "{object}");
    for (command, field) in COMMANDS {
        let outcome =
            run(following.net.on_client(&ours("ntpq")).args(["--json", "-c", command, "127.0.0.1"]));
        assert_eq!(outcome.stdout.lines().count(), 1, "{command}: {}", outcome.both());
        let object: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert!(object.get("host").is_some() && object.get("command").is_some(), "{object}");
        assert!(object.get(field).is_some(), "{command}: {object}");
    }
    let failed =
        run(following.net.on_client(&ours("ntpq")).args(["--json", "-c", "rv 0 nosuch", "127.0.0.1"]));
    let object: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert!(failed.status == 3 && object["error"].is_string(), "{object}");
}

#[test]
fn a_unit_can_wait_for_the_clock() {
    let test = "a_unit_can_wait_for_the_clock";
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    let start = |text: &str| {
        fs::write(&conf, text).unwrap();
        let words = ["-n", "--port", "124", "--clock=virtual:offset=0.01", "-c", &conf.display().to_string()];
        Daemon::start(Some(&following.net.client), &ours("ntpd"), &words, &folder.path().join("log"))
    };
    let verify = |words: &[&str]| {
        run(following.net.on_client(&ours("ntpq")).arg("verify").args(words).arg("127.0.0.1:124"))
    };
    {
        let _daemon = start("server 10.77.0.99\n");
        assert!(until(Duration::from_secs(10), || verify(&[]).status == 4), "{}", verify(&[]).both());
    }
    // It waits for a daemon that is not there yet, and for the clock.
    let _daemon = start("server 10.77.0.1 iburst\n");
    let outcome = verify(&["--wait", "60"]);
    assert_eq!(outcome.status, 0, "{}", outcome.both());
}

#[test]
fn commands_can_be_typed() {
    let test = "commands_can_be_typed";
    let following = match Following::new() {
        Ok(following) => following,
        Err(reason) => return skip(test, &reason),
    };
    let home = tempfile::tempdir().unwrap();
    // `script` gives a terminal.
    let line = format!("{} -n 127.0.0.1", ours("ntpq").display());
    let mut command = following.net.on_client(Path::new("/usr/bin/script"));
    command.args(["-qec", &line, "/dev/null"]).env("HOME", home.path()).env("TERM", "xterm");
    let mut child =
        command.env_remove("XDG_STATE_HOME").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A beginning is completed, a secret is not kept, and a mistake ends nothing.
    for typed in ["addv\t stratum\r", "rl\r", "passwd hidden\r", "frobnicate\r", "quit\r"] {
        std::thread::sleep(Duration::from_millis(500));
        stdin.write_all(typed.as_bytes()).unwrap();
    }
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(said.contains("stratum=2") && said.contains("unknown"), "{said:?}");
    let history = fs::read_to_string(home.path().join(".ntpq_history")).unwrap();
    assert!(history.contains("addvars stratum") && !history.contains("hidden"), "{history}");
}
