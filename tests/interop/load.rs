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

/// A server of ours in a network where addresses come and go, and what loads it.
struct Soak {
    net: Net,
    folder: tempfile::TempDir,
    server: Daemon,
    rate: u64,
}

impl Soak {
    fn new(rate: u64) -> Result<Self, String> {
        let net = Net::new()?;
        give_addresses(&net);
        ip(&net, "link add spare type veth peer name other");
        ip(&net, "addr add 10.78.0.1/24 dev spare");
        run(net.on_client(Path::new("ip")).args(["route", "add", "10.78.0.0/24", "via", "10.77.0.1"]));
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        configure(folder.path(), "");
        let conf = folder.path().join("ntp.conf").display().to_string();
        let log = folder.path().join("ntpd.log");
        let arguments = ["-n", "-c", &conf, "--clock=none"];
        let server = Daemon::start(Some(&net.server), &ours("ntpd"), &arguments, &log);
        Ok(Self { net, folder, server, rate })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("ntpd.log")).unwrap()
    }

    fn reloads(&self) -> usize {
        self.log().matches("has been read anew and is in force").count()
    }

    /// What the generator counted: requests, answers, wrong ones, seconds and return legs.
    fn load(&self, seconds: u64) -> Vec<f64> {
        let mut command = self.net.on_client(&ours("server-load"));
        let (seconds, rate) = (seconds.to_string(), self.rate.to_string());
        command.args(["ask", "10.77.0.1:123", &seconds, "64", &rate, ADDRESSES]);
        let text = run(&mut command).stdout;
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// Has an address and an interface come or go, and the rules change with them; whoever asks them when they are
    /// there is answered.
    fn change(&self, come: bool) {
        let (action, state, flags) = if come { ("add", "up", "notrap") } else { ("del", "down", "") };
        ip(&self.net, &format!("addr {action} 10.77.0.9/24 dev cable"));
        ip(&self.net, &format!("link set spare {state}"));
        configure(self.folder.path(), flags);
        signal(self.server.id(), "HUP");
        for address in ["10.77.0.9", "10.78.0.1"].iter().filter(|_| come) {
            let query = || run(self.net.on_client(&ours("ntpctl")).args(["query", address]));
            let answered = until(Duration::from_secs(5), || query().status == 0);
            assert!(answered, "{address}: {}", query().both());
        }
    }
}

fn configure(folder: &Path, flags: &str) {
    let text = format!(
        "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\nserver-threads 1\ninterface ignore all\n\
         interface listen 10.77.0.0/24\ninterface listen 10.78.0.0/24\ninterface listen 127.0.0.1\n\
         restrict default limited kod nomodify noquery {flags}\nrestrict 127.0.0.1\n"
    );
    fs::write(folder.join("ntp.conf"), text).unwrap();
}

#[test]
fn reloads_and_vanishing_addresses_stop_nobody() {
    let test = "reloads_and_vanishing_addresses_stop_nobody";
    let (time, rate) = (setting("NTP_SOAK_SECONDS", SECONDS), setting("NTP_SOAK_RATE", RATE));
    let soak = match Soak::new(rate) {
        Ok(soak) => soak,
        Err(reason) => return skip(test, &reason),
    };
    let serves = || soak.load(1).get(1).is_some_and(|count| *count > 0.0);
    assert!(until(Duration::from_secs(10), serves), "{}", soak.log());
    // What is allocated once has been by then: the list of clients is full, the file has been read again.
    soak.load(5);
    for _ in 0..8 {
        signal(soak.server.id(), "HUP");
        thread::sleep(Duration::from_millis(200));
    }
    for come in [true, false] {
        soak.change(come);
        // Threads end within a second.
        thread::sleep(Duration::from_secs(2));
    }
    let (before, reloads_before) = (resident(soak.server.id()), soak.reloads());
    let mut changes = 0;
    let figures = thread::scope(|scope| {
        let asking = scope.spawn(|| soak.load(time));
        let end = Instant::now() + Duration::from_secs(time);
        while Instant::now() < end {
            thread::sleep(Duration::from_secs(5).min(end.saturating_duration_since(Instant::now())));
            soak.change(changes % 2 == 0);
            changes += 1;
        }
        asking.join().unwrap()
    });
    if changes % 2 == 1 {
        soak.change(false);
        changes += 1;
    }
    thread::sleep(Duration::from_secs(2));
    let after = resident(soak.server.id());
    let line = format!("soak: {figures:?} (sent, answered, wrong, seconds, legs); {before} to {after} kB");
    drop(writeln!(std::io::stdout().lock(), "{line}"));
    let all = until(Duration::from_secs(5), || soak.reloads() - reloads_before == changes);
    let said = soak.log();
    assert!(all, "{} of {changes}: {said}", soak.reloads() - reloads_before);
    let [sent, answered, wrong, ..] = figures[..] else { panic!("{figures:?}") };
    assert!(sent > 0.0 && wrong == 0.0, "{figures:?}\n{said}");
    assert!(after < before + 512, "{before} kB before, {after} kB after");
    assert!(!said.contains("panicked"), "{said}");
    // A machine that has other things to do may lose a few, but no socket.
    assert!(answered >= 0.97 * sent, "{figures:?}\n{said}");
}
