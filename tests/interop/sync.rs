//! Our ntpd gets its time from servers that we did not write.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use ntp_tests::{Daemon, Net, Outcome, Peer, ours, peer, run, skip, start_chronyd, start_ntpsec, until};

/// How long the clock may take to get right.
const PATIENCE: Duration = Duration::from_mins(1);

/// How close it must get, in milliseconds.
const OFFSET_MAX: f64 = 1.0;

/// Starts our ntpd on the client, on a clock that is 0.5 s and 100 ppm wrong.
fn start_ours(net: &Net, folder: &Path, configuration: &str) -> Daemon {
    let conf = folder.join("ntp.conf");
    fs::write(&conf, configuration).unwrap();
    let conf = conf.display().to_string();
    let clock = "--clock=virtual:offset=0.5,frequency=100";
    Daemon::start(Some(&net.client), &ours("ntpd"), &["-n", "-c", &conf, clock], &folder.join("ntpd.log"))
}

/// A network with a chronyd on its server.
fn beside_chronyd(folder: &Path) -> Result<(Daemon, Net), String> {
    let chronyd = peer(Peer::Chronyd)?;
    let net = Net::new()?;
    Ok((start_chronyd(&chronyd, &net.server, folder), net))
}

/// The fields of the first row of our `ntpq -pn`.
fn first_row(net: &Net) -> Vec<String> {
    let table = run(net.on_client(&ours("ntpq")).args(["-pn", "127.0.0.1"]));
    let row = table.stdout.lines().nth(2).unwrap_or_default().to_owned();
    row.split_whitespace().map(str::to_owned).collect()
}

/// How far the time that our ntpd serves is from this machine's, in milliseconds, as ntpdig sees it.
fn served_error(net: &Net, ntpdig: &Path) -> Option<f64> {
    let Outcome { stdout, .. } = run(net.on_client(ntpdig).args(["-j", "127.0.0.1"]));
    let (_, rest) = stdout.split_once("\"offset\":")?;
    let number: String = rest.chars().take_while(|c| *c != ',' && *c != '}').collect();
    number.trim().parse::<f64>().ok().map(|seconds| seconds * 1e3)
}

/// The heart of it: the clock gets right, `ntpq -p` shows it, and it is true.
fn gets_right(test: &str, start_server: impl FnOnce(&Net, &Path) -> Result<Daemon, String>) {
    let folder = tempfile::tempdir().unwrap();
    let found = Net::new().and_then(|net| Ok((start_server(&net, folder.path())?, peer(Peer::Ntpdig)?, net)));
    let (_server, ntpdig, net) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let _ours = start_ours(&net, folder.path(), "server 10.77.0.1 iburst minpoll 3\n");
    let mut reaches = Vec::new();
    let right = until(PATIENCE, || {
        let row = first_row(&net);
        let Some(reach) = row.get(6).and_then(|reach| u32::from_str_radix(reach, 8).ok()) else {
            return false;
        };
        if reaches.last() != Some(&reach) {
            reaches.push(reach);
        }
        let offset = row.get(8).and_then(|offset| offset.parse::<f64>().ok());
        row[0] == "*10.77.0.1" && reach >= 0o17 && offset.is_some_and(|offset| offset.abs() < OFFSET_MAX)
    });
    let log = fs::read_to_string(folder.path().join("ntpd.log")).unwrap_or_default();
    assert!(right, "{:?}\n{log}", first_row(&net));
    assert!(reaches.is_sorted() && reaches.len() >= 3, "reach did not grow: {reaches:?}");
    // What `ntpq` says is what an independent client measures.
    let error = served_error(&net, &ntpdig);
    assert!(error.is_some_and(|error| error.abs() < OFFSET_MAX), "{error:?}\n{log}");
}

#[test]
fn our_clock_gets_right_from_chronyd() {
    gets_right("our_clock_gets_right_from_chronyd", |net, folder| {
        Ok(start_chronyd(&peer(Peer::Chronyd)?, &net.server, folder))
    });
}

/// Asks one server under several names and options; all must be reached.
fn reaches_all(
    test: &str,
    start_server: impl FnOnce(&Net, &Path) -> Result<Daemon, String>,
    lines: impl FnOnce(&Net) -> Vec<String>,
) {
    let folder = tempfile::tempdir().unwrap();
    let found = Net::new().and_then(|net| Ok((start_server(&net, folder.path())?, net)));
    let (_server, net) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let lines = lines(&net);
    let _ours = start_ours(&net, folder.path(), &(lines.join("\n") + "\n"));
    let mut table = String::new();
    let reached = until(PATIENCE, || {
        table = run(net.on_client(&ours("ntpq")).args(["-p", "127.0.0.1"])).stdout;
        let reach = |row: &str| row.split_whitespace().nth(6).is_some_and(|reach| reach != "0");
        table.lines().skip(2).filter(|row| reach(row)).count() == lines.len()
    });
    let log = fs::read_to_string(folder.path().join("ntpd.log")).unwrap_or_default();
    assert!(reached, "{table}\n{log}");
}

/// A line for each version, each with an address of the server's.
fn versions(_: &Net) -> Vec<String> {
    (1..=4).map(|version| format!("server 10.77.0.{version} iburst minpoll 3 version {version}")).collect()
}

#[test]
fn chronyd_is_asked_in_every_version() {
    let start = |net: &Net, folder: &Path| Ok(start_chronyd(&peer(Peer::Chronyd)?, &net.server, folder));
    reaches_all("chronyd_is_asked_in_every_version", start, versions);
}

#[test]
fn ntpsec_is_asked_in_every_version() {
    let start = |net: &Net, folder: &Path| {
        let configuration = "server 127.127.1.0 minpoll 3\nfudge 127.127.1.0 stratum 1\ntos orphanwait 1\n";
        Ok(start_ntpsec(&peer(Peer::NtpsecNtpd)?, &net.server, folder, configuration))
    };
    reaches_all("ntpsec_is_asked_in_every_version", start, versions);
}

#[test]
fn a_server_is_found_by_its_link_local_address() {
    let start = |net: &Net, folder: &Path| Ok(start_chronyd(&peer(Peer::Chronyd)?, &net.server, folder));
    reaches_all("a_server_is_found_by_its_link_local_address", start, |net| {
        vec![format!("server {}%cable iburst", net.server_link_local())]
    });
}

#[test]
fn our_clock_gets_right_from_ntpsec() {
    gets_right("our_clock_gets_right_from_ntpsec", |net, folder| {
        let configuration = "server 127.127.1.0 minpoll 3\nfudge 127.127.1.0 stratum 1\ntos orphanwait 1\n";
        Ok(start_ntpsec(&peer(Peer::NtpsecNtpd)?, &net.server, folder, configuration))
    });
}

#[test]
fn q_sets_the_clock_and_ends() {
    let test = "q_sets_the_clock_and_ends";
    let folder = tempfile::tempdir().unwrap();
    let (_server, net) = match beside_chronyd(folder.path()) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, "server 10.77.0.1 iburst\n").unwrap();
    let conf = conf.display().to_string();
    let arguments = ["-q", "-n", "-c", &conf, "--clock=virtual:offset=0.5"];
    let outcome = run(net.on_client(&ours("ntpd")).args(arguments));
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    let stepped = outcome.stderr.split_once("stepping the clock by ").map(|(_, rest)| rest);
    let seconds =
        stepped.and_then(|rest| rest.split(' ').next()).and_then(|number| number.parse::<f64>().ok());
    assert!(seconds.is_some_and(|seconds| (seconds + 0.5).abs() < 0.01), "{}", outcome.stderr);
}

#[test]
fn the_frequency_is_remembered_and_survives_a_restart() {
    let test = "the_frequency_is_remembered_and_survives_a_restart";
    let folder = tempfile::tempdir().unwrap();
    let (_server, net) = match beside_chronyd(folder.path()) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let drift = folder.path().join("ntp.drift");
    let configuration = format!("server 10.77.0.1 iburst minpoll 3\ndriftfile {}\n", drift.display());
    let mut first = start_ours(&net, folder.path(), &configuration);
    // Reach 377: the whole burst, over which the frequency has become visible.
    let heard = until(PATIENCE, || first_row(&net).get(6).is_some_and(|reach| reach == "377"));
    assert!(heard, "{:?}", first_row(&net));
    assert_eq!(first.terminate(), Some(0));
    let remembered: f64 = fs::read_to_string(&drift).unwrap_or_default().trim().parse().unwrap_or(0.0);
    assert!((remembered + 100.0).abs() < 5.0, "{remembered}");
    // The next daemon starts with it, before it has heard anybody.
    let _second = start_ours(&net, folder.path(), &configuration);
    let frequency = format!("frequency={remembered:?}");
    let started = until(Duration::from_secs(2), || {
        run(net.on_client(&ours("ntpq")).args(["-c", "rv 0 frequency", "127.0.0.1"]))
            .stdout
            .contains(&frequency[..13])
    });
    assert!(started, "{frequency}");
}

#[test]
fn with_disable_ntp_the_systems_clock_is_watched_and_served_without_control() {
    let test = "with_disable_ntp_the_systems_clock_is_watched_and_served_without_control";
    let folder = tempfile::tempdir().unwrap();
    let found = beside_chronyd(folder.path()).and_then(|found| Ok((found, peer(Peer::Ntpdig)?)));
    let ((_server, net), ntpdig) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, "disable ntp\nserver 10.77.0.1 iburst minpoll 3\n").unwrap();
    let conf = conf.display().to_string();
    let log = folder.path().join("ntpd.log");
    // No --clock: this is the machine's own, of which we have no control and want none.
    let mut daemon = Daemon::start(Some(&net.client), &ours("ntpd"), &["-n", "-c", &conf], &log);
    let settled = until(PATIENCE, || {
        let row = first_row(&net);
        let offset = row.get(8).and_then(|offset| offset.parse::<f64>().ok());
        row.first().is_some_and(|name| name == "*10.77.0.1")
            && row.get(6).is_some_and(|reach| reach == "17")
            && offset.is_some_and(|offset| offset.abs() < OFFSET_MAX)
    });
    assert!(settled, "{:?}\n{}", first_row(&net), fs::read_to_string(&log).unwrap_or_default());
    assert!(served_error(&net, &ntpdig).is_some_and(|error| error.abs() < OFFSET_MAX));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_cable_that_goes_and_comes_is_told_of_and_costs_no_restart() {
    let test = "a_cable_that_goes_and_comes_is_told_of_and_costs_no_restart";
    let folder = tempfile::tempdir().unwrap();
    let (_server, net) = match beside_chronyd(folder.path()) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let mut daemon = start_ours(&net, folder.path(), "server 10.77.0.1 iburst minpoll 3 maxpoll 3\n");
    let log = || fs::read_to_string(folder.path().join("ntpd.log")).unwrap_or_default();
    let cable = |state: &str| {
        run(std::process::Command::new("ip").args(["-n", &net.client, "link", "set", "cable", state]))
    };
    assert!(until(PATIENCE, || log().contains("following 10.77.0.1")), "{}", log());
    assert_eq!(cable("down").status, 0);
    assert!(until(PATIENCE, || log().contains("10.77.0.1:123: cannot be asked")), "{}", log());
    assert_eq!(cable("up").status, 0);
    let answers_again =
        || log().split_once("cannot be asked").is_some_and(|(_, later)| later.contains(": answers"));
    assert!(until(PATIENCE, answers_again), "{}", log());
    assert_eq!(daemon.terminate(), Some(0));
}
