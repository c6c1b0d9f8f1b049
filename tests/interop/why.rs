//! `ntpq why` says what is the matter: each fault is made for real, and has its sentence, its code and its exit
//! status.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use ntp_tests::{Daemon, Net, Outcome, Peer, ours, peer, run, skip, start_chronyd, until};
use serde_json::Value;

/// How long a state may take to come about.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts a daemon of ours in a namespace, on a clock of its own.
fn start(namespace: &str, folder: &Path, name: &str, text: &str, clock: &str) -> Daemon {
    let conf = folder.join(format!("{name}.conf"));
    fs::write(&conf, text).unwrap();
    let arguments = ["-n", "-c", &conf.display().to_string(), clock];
    Daemon::start(Some(namespace), &ours("ntpd"), &arguments, &folder.join(format!("{name}.log")))
}

/// A server of ours at one address of the server's.
fn serve(net: &Net, folder: &Path, last: u8, more: &str, clock: &str) -> Daemon {
    let address = format!("10.77.0.{last}/24");
    run(net.on_server(Path::new("ip")).args(["addr", "add", &address, "dev", "cable"]));
    let text = format!("interface ignore all\ninterface ignore lo\ninterface listen 10.77.0.{last}\n{more}");
    start(&net.server, folder, &format!("server{last}"), &text, clock)
}

fn why(net: &Net, words: &[&str]) -> Outcome {
    run(net.on_client(&ours("ntpq")).args(words))
}

/// What `ntpq why --json` says.
fn report(net: &Net) -> (Value, i32) {
    let said = why(net, &["why", "--json"]);
    (serde_json::from_str(&said.stdout).unwrap_or(Value::Null), said.status)
}

/// The code of a source, by its name or address.
fn code<'r>(report: &'r Value, source: &str) -> &'r str {
    let sources = report["sources"].as_array().map_or(&[][..], Vec::as_slice);
    let found = sources.iter().find(|one| one["source"] == source);
    found.and_then(|one| one["code"].as_str()).unwrap_or_default()
}

/// Servers of many kinds, beside three good ones; and what is to be said of each.
const SOURCES: [(&str, &str, &str); 15] = [
    ("server 10.77.0.1 iburst minpoll 3 maxpoll 3 prefer", "10.77.0.1", "leader candidate outlier"),
    ("server 10.77.0.2 iburst minpoll 3 maxpoll 3", "10.77.0.2", "leader candidate outlier"),
    ("server 10.77.0.3 iburst minpoll 3 maxpoll 3", "10.77.0.3", "leader candidate outlier"),
    ("server 10.77.0.99 iburst minpoll 3 maxpoll 3", "10.77.0.99", "unreachable"),
    ("server 203.0.113.7 iburst minpoll 3", "203.0.113.7", "no_route"),
    ("server nosuch.invalid", "nosuch.invalid", "unresolved"),
    ("server good.test", "good.test", "duplicate"),
    ("pool pool.test", "pool.test", "pool"),
    ("server 127.127.1.0", "LOCAL(0)", "local_clock"),
    ("server 10.77.0.4 key 5 iburst minpoll 3 maxpoll 3", "10.77.0.4", "unreachable"),
    ("server 10.77.1.6 key 5 iburst minpoll 3 maxpoll 3", "10.77.1.6", "authentication"),
    ("server 10.77.1.5 iburst minpoll 3 maxpoll 3", "10.77.1.5", "unsynchronized"),
    ("server 10.77.1.7 iburst minpoll 3 maxpoll 3", "10.77.1.7", "falseticker"),
    ("server 10.77.1.8 iburst minpoll 3 maxpoll 3", "10.77.1.8", "stratum"),
    ("server 10.77.1.9 iburst minpoll 3 maxpoll 3", "10.77.1.9", "loop"),
];

#[test]
fn every_source_has_its_reason() {
    let test = "every_source_has_its_reason";
    let (chronyd, net) = match peer(Peer::Chronyd).and_then(|chronyd| Ok((chronyd, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    net.name_hosts(&[("10.77.0.1", "good.test"), ("10.77.0.1", "pool.test"), ("10.77.0.2", "pool.test")]);
    // Servers of ours on port 123 beside chronyd's need a machine of their own.
    let other = Net::new().unwrap();
    join(&net, &other);
    let _good = start_chronyd(&chronyd, &net.server, folder.path());
    let local = "server 127.127.1.0\nfudge 127.127.1.0 stratum";
    let secrets = folder.path().join("other-keys");
    fs::write(&secrets, "5 AES128CMAC ffffffffffffffffffffffffffffffff\n").unwrap();
    let locked = format!("{local} 1\nkeys {}\ntrustedkey 5\n", secrets.display());
    let _servers = [
        serve_there(&other, folder.path(), 5, "", "--clock=none"),
        serve_there(&other, folder.path(), 6, &locked, "--clock=none"),
        serve_there(
            &other,
            folder.path(),
            7,
            &format!("{local} 1\n"),
            "--clock=virtual:offset=0.3,frequency=0",
        ),
        serve_there(&other, folder.path(), 8, &format!("{local} 12\n"), "--clock=none"),
        serve_there(&other, folder.path(), 9, "server 10.77.1.20 iburst minpoll 3\n", "--clock=none"),
    ];
    fs::write(folder.path().join("keys"), "5 AES128CMAC 000102030405060708090a0b0c0d0e0f\n").unwrap();
    let lines: Vec<&str> = SOURCES.iter().map(|(line, ..)| *line).collect();
    let text = format!(
        "keys {}/keys\ntrustedkey 5\ntos ceiling 10\n{}\n",
        folder.path().display(),
        lines.join("\n")
    );
    let _ours = start(&net.client, folder.path(), "ours", &text, "--clock=virtual:offset=0.05,frequency=20");
    let mut last = Value::Null;
    let explained = until(PATIENCE, || {
        last = report(&net).0;
        SOURCES.iter().all(|(_, source, codes)| codes.split(' ').any(|wanted| code(&last, source) == wanted))
    });
    let log = fs::read_to_string(folder.path().join("ours.log")).unwrap();
    assert!(explained, "{last:#}\n{log}");
    assert_eq!((last["synchronized"].as_bool(), last["code"].as_str()), (Some(true), Some("synchronized")));
    // In words, and of one alone, with its own exit status.
    let all = why(&net, &["why"]);
    assert_eq!(all.status, 0, "{}", all.both());
    assert!(all.stdout.starts_with("This machine is synchronized to 10.77.0."), "{}", all.stdout);
    assert!(all.stdout.contains("! 10.77.0.99 has never answered: no reply to"), "{}", all.stdout);
    let one = why(&net, &["why", "10.77.1.7"]);
    assert!(one.status == 4 && one.stdout.contains("a majority of the others agrees"), "{}", one.both());
    assert_eq!(why(&net, &["why", "nobody.example"]).status, 1);
}

/// Another network beside the first one: its server end has 10.77.1.5 to 10.77.1.9, and the first one's client has
/// 10.77.1.20.
fn join(net: &Net, other: &Net) {
    let ip = |words: &str| {
        let done = run(std::process::Command::new("ip").args(words.split(' ')));
        assert_eq!(done.status, 0, "ip {words}: {}", done.stderr);
    };
    ip(&format!("-n {} link add second type veth peer name second netns {}", net.client, other.server));
    for (namespace, address) in [(&net.client, "10.77.1.20/24"), (&other.server, "10.77.1.1/24")] {
        ip(&format!("-n {namespace} addr add {address} dev second"));
        ip(&format!("-n {namespace} link set second up"));
    }
}

fn serve_there(other: &Net, folder: &Path, last: u8, more: &str, clock: &str) -> Daemon {
    let address = format!("10.77.1.{last}/24");
    run(other.on_server(Path::new("ip")).args(["addr", "add", &address, "dev", "second"]));
    let text = format!("interface ignore all\ninterface ignore lo\ninterface listen 10.77.1.{last}\n{more}");
    start(&other.server, folder, &format!("there{last}"), &text, clock)
}

#[test]
fn every_state_of_the_clock_has_its_reason() {
    let test = "every_state_of_the_clock_has_its_reason";
    let (chronyd, net) = match peer(Peer::Chronyd).and_then(|chronyd| Ok((chronyd, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let _good = start_chronyd(&chronyd, &net.server, folder.path());
    let _mute = serve(&net, folder.path(), 30, "restrict default ignore\n", "--clock=none");
    // The table that expired in June 2026 (its hash is not needed).
    let table = folder.path().join("leap-seconds.list");
    fs::write(&table, "#@ 3991593600\n2272060800 10\n2287785600 11\n").unwrap();
    let expired = format!("server 10.77.0.1 iburst minpoll 3\nleapfile {}\n", table.display());
    for (text, clock, wanted, status, note) in [
        ("# nobody\n", "--clock=none", "no_sources", 4, ""),
        ("server 127.127.1.0\n", "--clock=none", "local_clock", 4, ""),
        (
            "server 10.77.0.98 iburst minpoll 3\nserver 10.77.0.99 iburst minpoll 3\n",
            "--clock=none",
            "no_answers",
            4,
            "",
        ),
        ("server nosuch.invalid\n", "--clock=none", "no_names", 4, ""),
        (&*expired, "--clock=none", "synchronized", 0, "has expired on 2026-06-2"),
        (
            "server 10.77.0.1 iburst minpoll 3\n",
            "--clock=virtual:offset=0,frequency=495",
            "synchronized",
            0,
            "almost 500 ppm",
        ),
        ("server 10.77.0.1 iburst minpoll 3\n", "--clock=none", "synchronized", 0, "one server only"),
    ] {
        let _ours = start(&net.client, folder.path(), "ours", text, clock);
        let mut last = (Value::Null, -1);
        let explained = until(PATIENCE, || {
            last = report(&net);
            last.0["code"] == wanted && last.0["notes"].to_string().contains(note)
        });
        let log = fs::read_to_string(folder.path().join("ours.log")).unwrap();
        assert!(explained && last.1 == status, "{text}: {last:?}\n{log}");
    }
}

#[test]
fn silence_is_told_apart() {
    let test = "silence_is_told_apart";
    let net = match Net::new() {
        Ok(net) => net,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let closed = "server 127.127.1.0\nrestrict default noquery\n";
    let _closed = start(&net.server, folder.path(), "closed", closed, "--clock=none");
    let serves = || run(net.on_client(&ours("ntpctl")).args(["query", "10.77.0.1"])).status == 0;
    assert!(until(Duration::from_secs(10), serves));
    let ask = |host: &str| why(&net, &["-c", "why", host]);
    // Alive, but answers no queries; not there; nobody listens.
    let alive = ask("10.77.0.1");
    assert!(
        alive.status == 2 && alive.stderr.contains("10.77.0.1 is alive and gives the time"),
        "{}",
        alive.both()
    );
    let dead = ask("10.77.0.99");
    assert!(dead.status == 2 && !dead.stderr.contains("alive"), "{}", dead.both());
    let deaf = why(&net, &["why"]);
    assert!(deaf.status == 2 && deaf.stderr.contains("nothing listens on"), "{}", deaf.both());
}
