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

/// Requests a second: enough to keep threads busy, and not all that a debug build can do.
const RATE: u32 = 5000;

fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
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
    let time = std::env::var("NTP_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    give_addresses(&net);
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    let text = |flags: &str| {
        format!(
            "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\nserver-threads 1\ninterface ignore all\n\
             interface listen 10.77.0.0/24\ninterface listen 127.0.0.1\n\
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
        command.args(["ask", "10.77.0.1:123", &seconds, "64", &RATE.to_string(), "1000000"]);
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
    let running = thread::scope(|scope| {
        let asking = scope.spawn(|| run(&mut load(time)).stdout);
        let end = Instant::now() + Duration::from_secs(time);
        let mut number = 0;
        while Instant::now() < end {
            thread::sleep(Duration::from_secs(5).min(end.saturating_duration_since(Instant::now())));
            number += 1;
            // An address that nobody asks comes and goes; the rules change with it.
            let action = if number % 2 == 1 { "add" } else { "del" };
            run(net.on_server(Path::new("ip")).args(["addr", action, "10.77.0.9/24", "dev", "cable"]));
            fs::write(&conf, text(if number % 2 == 1 { "notrap" } else { "" })).unwrap();
            signal(server.id(), "HUP");
        }
        asking.join().unwrap()
    });
    let [sent, answered, wrong, ..] = answered(&running)[..] else { panic!("{running}") };
    assert!(sent > 0.0 && wrong == 0.0, "{running}");
    // A machine that has other things to do may lose a few, but no socket.
    assert!(answered >= 0.97 * sent, "{running}\n{:?}", fs::read_to_string(&log));
    let after = resident(server.id());
    assert!(after < before + 1024, "{before} kB before, {after} kB after");
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("has been read anew and is in force"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let figures = format!("soak: {running} (sent, answered, wrong, seconds, legs); {before} to {after} kB");
    drop(writeln!(std::io::stdout().lock(), "{figures}"));
}
