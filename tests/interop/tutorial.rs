//! The files that administrators have, run unchanged.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ntp_tests::{Daemon, Net, Peer, ours, peer, run, shared, skip, start_chronyd, until};

/// What half the internet tells people to write.
const TUTORIAL: &str = "\
driftfile /var/lib/ntp/ntp.drift

server 0.pool.ntp.org
server 1.pool.ntp.org
server 2.pool.ntp.org

restrict default kod nomodify notrap nopeer noquery
restrict 127.0.0.1
restrict ::1
";

/// Names that the files ask for, and the server's addresses for them.
fn pool_names() -> Vec<(String, &'static str)> {
    let addresses = ["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.0.4"];
    let zones = ["pool.ntp.org", "debian.pool.ntp.org", "ubuntu.pool.ntp.org"];
    let named = |zone: &str| {
        let numbered = addresses.iter().enumerate();
        numbered.map(|(number, address)| (format!("{number}.{zone}"), *address)).collect::<Vec<_>>()
    };
    zones.iter().flat_map(|zone| named(zone)).collect()
}

/// Runs a file as it is until a server leads and `sources` of them answer.
fn runs_unchanged(test: &str, configuration: &Path, sources: usize) {
    let folder = tempfile::tempdir().unwrap();
    let found = peer(Peer::Chronyd).and_then(|chronyd| Ok((chronyd, Net::new()?)));
    let (chronyd, net) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let names = pool_names();
    let hosts: Vec<(&str, &str)> = names.iter().map(|(name, address)| (*address, name.as_str())).collect();
    net.name_hosts(&hosts);
    let _server = start_chronyd(&chronyd, &net.server, folder.path());
    let log = folder.path().join("ntpd.log");
    let drift = folder.path().join("drift").display().to_string();
    let conf = configuration.display().to_string();
    // The drift file alone is put elsewhere: the one in the file belongs to the machine.
    let arguments = ["-n", "-g", "-c", &conf, "-f", &drift, "--clock=virtual:offset=0.05,frequency=10"];
    let mut daemon = Daemon::start(Some(&net.client), &ours("ntpd"), &arguments, &log);
    let table = || run(net.on_client(&ours("ntpq")).args(["-pn", "127.0.0.1"])).stdout;
    let synchronized = until(Duration::from_secs(40), || {
        let rows = table();
        let answering = rows
            .lines()
            .skip(2)
            .filter(|row| row.split_whitespace().nth(6).is_some_and(|reach| reach != "0"));
        rows.lines().any(|row| row.starts_with('*')) && answering.count() >= sources
    });
    assert!(synchronized, "{}\n{}", table(), fs::read_to_string(&log).unwrap_or_default());
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn the_tutorials_three_servers_run_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, TUTORIAL).unwrap();
    runs_unchanged("the_tutorials_three_servers_run_unchanged", &conf, 3);
}

#[test]
fn debians_shipped_file_runs_unchanged() {
    let test = "debians_shipped_file_runs_unchanged";
    let shipped = PathBuf::from("/etc/ntpsec/ntp.conf");
    if !shipped.exists() {
        return skip(test, "needs the ntp.conf of Debian's package ntpsec");
    }
    runs_unchanged(test, &shipped, 4);
}

#[test]
fn classic_debians_shipped_file_runs_unchanged() {
    let test = "classic_debians_shipped_file_runs_unchanged";
    let Some(folder) = shared("ntp-conf/debian-shipped") else {
        return skip(test, "needs the reference data beside the checkout");
    };
    let files = fs::read_dir(folder).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let classic = files.into_iter().find(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        path.display().to_string().contains("ntp.conf")
            && text.contains("restrict -4 default")
            && text.contains("pool 0.debian")
    });
    match classic {
        Some(conf) => runs_unchanged(test, &conf, 4),
        None => skip(test, "the reference data hold no classic ntp.conf"),
    }
}

#[test]
fn our_own_file_runs_unchanged() {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/ntp.conf");
    runs_unchanged("our_own_file_runs_unchanged", &conf, 4);
}
