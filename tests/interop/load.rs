//! A server under load, while its configuration and its addresses change.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ntp_tests::{Daemon, Net, ours, run, skip, until};

/// How long, where nothing else is said in `NTP_SOAK_SECONDS`.
const SECONDS: u64 = 60;

/// So many clients take turns that none of them is beyond its rate.
const ADDRESSES: &str = "8000000";

/// Requests a second, where nothing else is said in `NTP_SOAK_RATE`: enough to keep threads busy, and not all
/// that a debug build can do.
const RATE: u64 = 5000;

fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs `ip` in the server's namespace.
fn ip(net: &Net, words: &str) {
    let done = run(net.on_server(Path::new("ip")).args(words.split(' ')));
    assert_eq!(done.status, 0, "ip {words}: {}", done.stderr);
}

/// A whole network of addresses that are the client's.
fn give_addresses(net: &Net) {
    for (namespace, words) in [
        (&net.client, "route add local 10.128.0.0/9 dev lo"),
        (&net.server, "route add 10.128.0.0/9 via 10.77.0.20"),
    ] {
        let mut ip = Command::new("ip");
        assert!(ip.args(["-n", namespace]).args(words.split(' ')).status().unwrap().success(), "{words}");
    }
}

#[test]
fn reloads_and_vanishing_addresses_stop_nobody() {
    let test = "reloads_and_vanishing_addresses_stop_nobody";
    let net = match Net::new() {
        Ok(net) => net,
        Err(reason) => return skip(test, &reason),
    };
    let (time, rate) = (setting("NTP_SOAK_SECONDS", SECONDS), setting("NTP_SOAK_RATE", RATE));
    give_addresses(&net);
    ip(&net, "link add spare type veth peer name other");
    ip(&net, "addr add 10.78.0.1/24 dev spare");
    run(net.on_client(Path::new("ip")).args(["route", "add", "10.78.0.0/24", "via", "10.77.0.1"]));
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    let text = |flags: &str| {
        format!(
            "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\nserver-threads 1\ninterface ignore all\n\
             interface listen 10.77.0.0/24\ninterface listen 10.78.0.0/24\n\
             interface listen 127.0.0.1\n\
             restrict default limited kod nomodify noquery {flags}\nrestrict 127.0.0.1\n"
        )
    };
    fs::write(&conf, text("")).unwrap();
    let log = folder.path().join("ntpd.log");
    let arguments = ["-n", "-c", &conf.display().to_string(), "--clock=none"];
    let server = Daemon::start(Some(&net.server), &ours("ntpd"), &arguments, &log);
    let load = |seconds: u64| {
        let mut command = net.on_client(&ours("server-load"));
        let seconds = seconds.to_string();
        command.args(["ask", "10.77.0.1:123", &seconds, "64", &rate.to_string(), ADDRESSES]);
        command
    };
    let answered =
        |text: &str| -> Vec<f64> { text.split_whitespace().filter_map(|word| word.parse().ok()).collect() };
    assert!(
        until(Duration::from_secs(10), || answered(&run(&mut load(1)).stdout)
            .get(1)
            .is_some_and(|count| *count > 0.0)),
        "{:?}",
        fs::read_to_string(&log)
    );
    // What is allocated once has been by then: the list of clients is full, the file has been read again.
    run(&mut load(5));
    for _ in 0..8 {
        signal(server.id(), "HUP");
        thread::sleep(Duration::from_millis(200));
    }
    let before = resident(server.id());
    let reloads = || fs::read_to_string(&log).unwrap().matches("has been read anew and is in force").count();
    let (reloads_before, mut reloaded) = (reloads(), 0);
    let running = thread::scope(|scope| {
        let asking = scope.spawn(|| run(&mut load(time)).stdout);
        let end = Instant::now() + Duration::from_secs(time);
        let mut number = 0;
        while Instant::now() < end {
            thread::sleep(Duration::from_secs(5).min(end.saturating_duration_since(Instant::now())));
            number += 1;
            // An address and an interface come and go; the rules change with them.
            let (action, state, flags) =
                if number % 2 == 1 { ("add", "up", "notrap") } else { ("del", "down", "") };
            ip(&net, &format!("addr {action} 10.77.0.9/24 dev cable"));
            ip(&net, &format!("link set spare {state}"));
            fs::write(&conf, text(flags)).unwrap();
            signal(server.id(), "HUP");
            reloaded += 1;
            for address in ["10.77.0.9", "10.78.0.1"].iter().filter(|_| number % 2 == 1) {
                let query = || run(net.on_client(&ours("ntpctl")).args(["query", address]));
                assert!(
                    until(Duration::from_secs(5), || query().status == 0),
                    "{address}: {}",
                    query().both()
                );
            }
        }
        asking.join().unwrap()
    });
    let [sent, answered, wrong, ..] = answered(&running)[..] else { panic!("{running}") };
    assert!(sent > 0.0 && wrong == 0.0, "{running}");
    // A machine that has other things to do may lose a few, but no socket.
    assert!(answered >= 0.97 * sent, "{running}\n{:?}", fs::read_to_string(&log));
    let after = resident(server.id());
    assert!(after < before + 1024, "{before} kB before, {after} kB after");
    let all = until(Duration::from_secs(5), || reloads() - reloads_before == reloaded);
    let said = fs::read_to_string(&log).unwrap();
    assert!(all, "{} of {reloaded}: {said}", reloads() - reloads_before);
    assert!(!said.contains("panicked"), "{said}");
    let figures = format!("soak: {running} (sent, answered, wrong, seconds, legs); {before} to {after} kB");
    drop(writeln!(std::io::stdout().lock(), "{figures}"));
}
