//! Clients that we did not write accept our ntpd as their server, over IPv4 and IPv6.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use ntp_tests::{Daemon, Net, Outcome, Peer, ours, peer, run, skip, until};

/// Our addresses, as the client sees them; 10.77.0.3 is not the first of its interface, so an
/// answer from there shows that the server answers from where it was asked.
const ADDRESSES: [&str; 3] = ["10.77.0.1", "10.77.0.3", "fd77::1"];

/// Our ntpd on the server, at stratum 1 from the local clock.
fn start_ours(net: &Net, folder: &Path) -> Daemon {
    let conf = folder.join("ntp.conf");
    fs::write(&conf, "server 127.127.1.0\nfudge 127.127.1.0 stratum 0\n").unwrap();
    let conf = conf.display().to_string();
    Daemon::start(
        Some(&net.server),
        &ours("ntpd"),
        &["-n", "-c", &conf, "--clock=none"],
        &folder.join("ntpd.log"),
    )
}

/// Runs a client against every address until it is content.
fn is_accepted_by(
    test: &str,
    client: Peer,
    ask: impl Fn(&Net, &Path, &str) -> Outcome,
    content: impl Fn(&Outcome) -> bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let (client, net) = match peer(client).and_then(|client| Ok((client, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let _ours = start_ours(&net, folder.path());
    for address in ADDRESSES {
        let mut last = String::new();
        let accepted = until(Duration::from_secs(20), || {
            let outcome = ask(&net, &client, address);
            last = outcome.both();
            content(&outcome)
        });
        assert!(accepted, "{address}: {last}");
    }
}

#[test]
fn chronyd_accepts_us() {
    let ask = |net: &Net, chronyd: &Path, address: &str| {
        let server = format!("server {address} iburst");
        run(net.on_client(chronyd).args(["-Q", "-u", "root", "-t", "15", &server]))
    };
    is_accepted_by("chronyd_accepts_us", Peer::Chronyd, ask, |outcome| {
        let text = outcome.both();
        let wrong = text
            .split_once("System clock wrong by ")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok());
        outcome.status == 0 && wrong.is_some_and(|seconds| seconds.abs() < 0.01)
    });
}

#[test]
fn ntpdig_accepts_us() {
    let ask = |net: &Net, ntpdig: &Path, address: &str| run(net.on_client(ntpdig).arg(address));
    is_accepted_by("ntpdig_accepts_us", Peer::Ntpdig, ask, |outcome| {
        // It prints the stratum and says that no leap second is coming.
        outcome.status == 0 && outcome.stdout.contains(" s1 ") && outcome.stdout.contains("no-leap")
    });
}

#[test]
fn check_ntp_time_accepts_us() {
    let ask = |net: &Net, plugin: &Path, address: &str| {
        run(net.on_client(plugin).args(["-H", address, "-w", "0.1", "-c", "0.5"]))
    };
    is_accepted_by("check_ntp_time_accepts_us", Peer::CheckNtpTime, ask, |outcome| {
        outcome.status == 0 && outcome.stdout.starts_with("NTP OK")
    });
}

#[test]
fn chronyd_accepts_us_in_every_version() {
    let test = "chronyd_accepts_us_in_every_version";
    let folder = tempfile::tempdir().unwrap();
    let (chronyd, net) = match peer(Peer::Chronyd).and_then(|client| Ok((client, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let _ours = start_ours(&net, folder.path());
    for version in 1..=4 {
        let server = format!("server 10.77.0.1 iburst version {version}");
        let mut last = String::new();
        let accepted = until(Duration::from_secs(20), || {
            let outcome = run(net.on_client(&chronyd).args(["-Q", "-u", "root", "-t", "15", &server]));
            last = outcome.both();
            outcome.status == 0 && last.contains("System clock wrong by ")
        });
        assert!(accepted, "version {version}: {last}");
    }
}

#[test]
fn we_are_found_on_a_link_that_has_link_local_addresses_alone() {
    let test = "we_are_found_on_a_link_that_has_link_local_addresses_alone";
    let folder = tempfile::tempdir().unwrap();
    let (ntpdig, net) = match peer(Peer::Ntpdig).and_then(|client| Ok((client, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let address = net.server_link_local();
    // All addresses, those of the interface, and threads.
    for more in ["", "interface ignore all\ninterface listen cable\n", "server-threads 1\n"] {
        let conf = folder.path().join("ntp.conf");
        fs::write(&conf, format!("server 127.127.1.0\nfudge 127.127.1.0 stratum 0\n{more}")).unwrap();
        let arguments = ["-n", "-c", &conf.display().to_string(), "--clock=none"];
        let log = folder.path().join("ntpd.log");
        let _ours = Daemon::start(Some(&net.server), &ours("ntpd"), &arguments, &log);
        let server = format!("{address}%cable");
        let mut last = String::new();
        let accepted = until(Duration::from_secs(20), || {
            let outcome = run(net.on_client(&ntpdig).args(["-t", "1", &server]));
            last = outcome.both();
            outcome.status == 0 && outcome.stdout.contains(" s1 ")
        });
        assert!(accepted, "{more}: {last}\n{:?}", fs::read_to_string(&log));
        let query = run(net.on_client(&ours("ntpctl")).args(["query", &server]));
        assert_eq!(query.status, 0, "{}", query.both());
    }
}

#[test]
fn restrict_lines_decide_who_is_answered() {
    let test = "restrict_lines_decide_who_is_answered";
    let folder = tempfile::tempdir().unwrap();
    let found = peer(Peer::Ntpdig).and_then(|client| Ok((client, peer(Peer::NtpsecNtpq)?, Net::new()?)));
    let (ntpdig, ntpq, net) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let conf = folder.path().join("ntp.conf");
    // Everybody may ask for the time but nobody for the state; one network is not served at all.
    let text = "server 127.127.1.0\nrestrict default noquery\nrestrict 127.0.0.1\nrestrict fd77:: mask ffff:: ignore\n";
    fs::write(&conf, text).unwrap();
    let conf = conf.display().to_string();
    let log = folder.path().join("ntpd.log");
    let _ours = Daemon::start(Some(&net.server), &ours("ntpd"), &["-n", "-c", &conf, "--clock=none"], &log);
    let asks = |address: &str| run(net.on_client(&ntpdig).args(["-t", "1", address])).status;
    assert!(until(Duration::from_secs(10), || asks("10.77.0.1") == 0), "{:?}", fs::read_to_string(&log));
    assert_ne!(asks("fd77::1"), 0);
    let local = run(net.on_server(&ntpq).args(["-c", "rv", "127.0.0.1"]));
    assert!(local.stdout.contains("stratum=6"), "{}", local.both());
    let remote = run(net.on_client(&ours("ntpq")).args(["-c", "rv", "10.77.0.1"]));
    assert_eq!(remote.status, 2, "{}", remote.both());
}

#[test]
fn interface_lines_decide_where_we_listen_even_on_addresses_that_come_late() {
    let test = "interface_lines_decide_where_we_listen_even_on_addresses_that_come_late";
    let folder = tempfile::tempdir().unwrap();
    let (ntpdig, net) = match peer(Peer::Ntpdig).and_then(|client| Ok((client, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let conf = folder.path().join("ntp.conf");
    let text = "server 127.127.1.0\ninterface ignore all\ninterface listen 10.77.0.3\nnic listen 10.77.0.9\n";
    fs::write(&conf, text).unwrap();
    let conf = conf.display().to_string();
    let log = folder.path().join("ntpd.log");
    let _ours = Daemon::start(Some(&net.server), &ours("ntpd"), &["-n", "-c", &conf, "--clock=none"], &log);
    let answers = |address: &str| run(net.on_client(&ntpdig).args(["-t", "1", address])).status == 0;
    assert!(until(Duration::from_secs(10), || answers("10.77.0.3")), "{:?}", fs::read_to_string(&log));
    assert!(!answers("10.77.0.1") && !answers("10.77.0.9"));
    run(net.on_server(Path::new("ip")).args(["addr", "add", "10.77.0.9/24", "dev", "cable"]));
    assert!(until(Duration::from_secs(40), || answers("10.77.0.9")), "{:?}", fs::read_to_string(&log));
    assert!(!answers("10.77.0.1"));
}

#[test]
fn a_reload_from_chosen_addresses_to_all_leaves_nobody_without_an_answer() {
    let test = "a_reload_from_chosen_addresses_to_all_leaves_nobody_without_an_answer";
    let folder = tempfile::tempdir().unwrap();
    let (ntpdig, net) = match peer(Peer::Ntpdig).and_then(|client| Ok((client, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let path = folder.path().join("ntp.conf");
    let text = "server 127.127.1.0\nserver-threads 1\ninterface ignore all\ninterface listen 10.77.0.3\n";
    fs::write(&path, text).unwrap();
    let conf = path.display().to_string();
    let log = folder.path().join("ntpd.log");
    let ours = Daemon::start(Some(&net.server), &ours("ntpd"), &["-n", "-c", &conf, "--clock=none"], &log);
    let answers = |address: &str| run(net.on_client(&ntpdig).args(["-t", "1", address])).status == 0;
    assert!(until(Duration::from_secs(10), || answers("10.77.0.3")), "{:?}", fs::read_to_string(&log));
    assert!(!answers("10.77.0.1"));
    fs::write(&path, "server 127.127.1.0\nserver-threads 1\n").unwrap();
    run(net.on_server(Path::new("kill")).args(["-HUP", &ours.id().to_string()]));
    for address in ["10.77.0.1", "10.77.0.3", "fd77::1"] {
        assert!(until(Duration::from_secs(10), || answers(address)), "{:?}", fs::read_to_string(&log));
    }
}
