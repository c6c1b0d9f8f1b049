//! Programs that we did not write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::daemon::{Daemon, command, until};

/// A program of Debian's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// chronyd.
    Chronyd,
    /// What asks chronyd.
    Chronyc,
    /// NTPsec's ntpd.
    NtpsecNtpd,
    /// NTPsec's ntpq.
    NtpsecNtpq,
    /// NTPsec's ntpdig.
    Ntpdig,
    /// The monitoring plugin that asks for time.
    CheckNtpTime,
    /// The monitoring plugin that asks for peers.
    CheckNtpPeer,
}

/// Finds a peer; or says what to install.
///
/// # Errors
/// A reason to skip.
pub fn peer(peer: Peer) -> Result<PathBuf, String> {
    let (package, places): (&str, &[&str]) = match peer {
        Peer::Chronyd => ("chrony", &["/usr/sbin/chronyd"]),
        Peer::Chronyc => ("chrony", &["/usr/bin/chronyc"]),
        Peer::NtpsecNtpd => ("ntpsec", &["/usr/sbin/ntpd"]),
        Peer::NtpsecNtpq => ("ntpsec", &["/usr/bin/ntpq"]),
        Peer::Ntpdig => ("ntpsec-ntpdig", &["/usr/bin/ntpdig"]),
        Peer::CheckNtpTime => ("monitoring-plugins-basic", &["/usr/lib/nagios/plugins/check_ntp_time"]),
        Peer::CheckNtpPeer => ("monitoring-plugins-basic", &["/usr/lib/nagios/plugins/check_ntp_peer"]),
    };
    // Packages that exclude each other are unpacked beside the build instead of installed.
    let unpacked = unpacked_peers().map(|folder| folder.join(package));
    let candidates = places.iter().flat_map(|place| {
        let beside = unpacked.as_ref().map(|folder| folder.join(place.trim_start_matches('/')));
        beside.into_iter().chain([PathBuf::from(place)])
    });
    let wanted = matches!(peer, Peer::NtpsecNtpd | Peer::NtpsecNtpq);
    candidates
        .filter(|path| path.exists())
        .find(|path| !wanted || is_ntpsec(path))
        .ok_or_else(|| format!("needs Debian's package {package}"))
}

/// A file of a package of Debian's, if the package is there.
pub fn packaged(package: &str, file: &str) -> Option<PathBuf> {
    let beside = unpacked_peers().map(|folder| folder.join(package).join(file));
    beside.into_iter().chain([Path::new("/").join(file)]).find(|path| path.exists())
}

/// Where `.ci/run` unpacks packages.
fn unpacked_peers() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    Some(root.join("target/peers"))
}

/// Ours has the same name.
fn is_ntpsec(path: &Path) -> bool {
    let output = Command::new(path).arg("--version").output();
    output.is_ok_and(|output| {
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains("ntpsec")
    })
}

/// Starts a chronyd that serves this machine's time at stratum 1 and leaves the clock alone.
///
/// # Panics
/// If it cannot be started.
pub fn start_chronyd(program: &Path, namespace: &str, folder: &Path) -> Daemon {
    let conf = folder.join("chrony.conf");
    let pid = folder.join("chronyd.pid");
    let text = format!("local stratum 1\nallow\ncmdport 0\nbindcmdaddress /\npidfile {}\n", pid.display());
    let written = fs::write(&conf, text);
    assert!(written.is_ok(), "{written:?}");
    let conf = conf.display().to_string();
    let daemon = Daemon::start(
        Some(namespace),
        program,
        &["-x", "-d", "-u", "root", "-f", &conf],
        &folder.join("chronyd.log"),
    );
    serving(namespace, daemon)
}

/// The daemon, once the port is bound: a client's first packet must not come before its server, for
/// without `iburst` the second one comes a minute later.
fn serving(namespace: &str, daemon: Daemon) -> Daemon {
    // Port 123 as the kernel lists it.
    let bound = |list: &str| {
        let output = command(Some(namespace), Path::new("cat")).arg(list).output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(":007B "))
    };
    let served = until(Duration::from_secs(10), || bound("/proc/net/udp"));
    assert!(served, "the peer in {namespace} does not bind its port");
    daemon
}

/// Starts NTPsec's ntpd on a configuration.
///
/// # Panics
/// If it cannot be started.
pub fn start_ntpsec(program: &Path, namespace: &str, folder: &Path, configuration: &str) -> Daemon {
    let conf = folder.join("ntpsec.conf");
    let written = fs::write(&conf, configuration);
    assert!(written.is_ok(), "{written:?}");
    let conf = conf.display().to_string();
    let daemon = Daemon::start(Some(namespace), program, &["-n", "-c", &conf], &folder.join("ntpsec.log"));
    serving(namespace, daemon)
}
