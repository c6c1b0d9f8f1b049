//! What becomes of what ntpd remembers when it is killed while it writes, and when the disk says no.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use ntp_tests::{Daemon, free_port, is_root, ours, run, skip, until, without_clock};

/// What was remembered before.
const BEFORE: &str = "12.500\n";

/// A server to follow, and a folder for every daemon that does.
struct Rig {
    folder: tempfile::TempDir,
    port: u16,
    _server: Daemon,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let conf = folder.path().join("server.conf");
        fs::write(&conf, "server 127.127.1.0\nrestrict default\n").unwrap();
        let words = ["-n", "--clock=none", "--port", &port.to_string(), "-c", &conf.display().to_string()];
        let server = Daemon::start(None, &ours("ntpd"), &words, &folder.path().join("server.log"));
        Self { folder, port, _server: server }
    }

    /// A folder with a configuration and what was remembered.
    fn place(&self, name: &str) -> PathBuf {
        let place = self.folder.path().join(name);
        fs::create_dir_all(place.join("state")).unwrap();
        let drift = place.join("state/ntp.drift");
        let text =
            format!("server 127.0.0.1 port {} iburst minpoll 3\ndriftfile {}\n", self.port, drift.display());
        fs::write(place.join("ntp.conf"), text).unwrap();
        fs::write(&drift, BEFORE).unwrap();
        place
    }
}

/// Runs ntpd in a place, through another program, until it follows; asks it to end, and returns its log.
fn run_once(place: &Path, through: &[&str]) -> String {
    let (log, pid) = (place.join("log"), place.join("pid"));
    let conf = place.join("ntp.conf").display().to_string();
    let port = free_port().to_string();
    let pid_name = pid.display().to_string();
    let mut command = match through.split_first() {
        Some((program, words)) => {
            let mut command = without_clock(Path::new(program));
            command.args(words).arg(ours("ntpd"));
            command
        }
        None => without_clock(&ours("ntpd")),
    };
    command.args(["-n", "--clock=virtual", "--port", &port, "-c", &conf, "-p", &pid_name]);
    let mut child = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    assert!(until(Duration::from_secs(20), || said().contains("synchronized;")), "{}", said());
    // The frequency is worth remembering once it has been measured for a while.
    thread::sleep(Duration::from_secs(4));
    let number = fs::read_to_string(&pid).unwrap();
    run(Command::new("kill").arg(number.trim()));
    child.wait().unwrap();
    said()
}

/// What is remembered, and whether it is what was there before.
fn is_as_before(place: &Path, label: &str) -> bool {
    let text = fs::read_to_string(place.join("state/ntp.drift")).unwrap();
    let value: f64 = text.strip_suffix('\n').unwrap_or_default().parse().unwrap();
    assert!((0.0..25.0).contains(&value), "{label}: {text:?}");
    text == BEFORE
}

#[test]
fn killed_at_any_call_that_writes_it_leaves_the_old_files_or_the_new_ones() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("killed_at_any_call_that_writes", "needs strace");
    }
    let rig = Rig::new();
    // The two files are each made beside the old one, given its rights, brought to the disk and put in its place.
    let calls = [("fchmod", 2), ("fsync", 4), ("renameat", 2)]
        .map(|(call, count)| (1..=count).map(move |n| (call, n)));
    let calls: Vec<(&str, usize)> = calls.into_iter().flatten().collect();
    let old = thread::scope(|scope| {
        let runs = calls.iter().map(|(call, number)| {
            let rig = &rig;
            scope.spawn(move || {
                let place = rig.place(&format!("{call}{number}"));
                let inject = format!("inject={call}:signal=SIGKILL:when={number}");
                let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
                let said = run_once(&place, &words);
                assert!(said.contains("ending on SIGTERM"), "{call} {number}: {said}");
                is_as_before(&place, call)
            })
        });
        let runs: Vec<_> = runs.collect();
        runs.into_iter().map(|run| run.join().unwrap()).filter(|old| *old).count()
    });
    assert!((2..calls.len()).contains(&old), "{old} of {} killed before the change", calls.len());
    // Whatever is left over, the next one starts with it and replaces it.
    for (call, number) in [("fsync", 1), ("renameat", 2)] {
        let place = rig.folder.path().join(format!("{call}{number}"));
        // A machine that is busy with other things may have measured too little to know the frequency better.
        let replaced = (0..3).any(|_| {
            let said = run_once(&place, &[]);
            assert!(!said.contains("starting without it"), "{said}");
            !is_as_before(&place, call)
        });
        assert!(replaced && place.join("state/ntp.drift.estimator").exists(), "{call}");
    }
}

#[test]
fn a_disk_that_says_no_costs_nothing_but_what_is_new() {
    if !is_root() {
        return skip("a_disk_that_says_no", "needs root, for a file system of its own");
    }
    let rig = Rig::new();
    for (name, prepare) in [
        ("full", "dd if=/dev/zero of=\"$state/fill\" bs=1k 2>/dev/null; true"),
        ("read-only", "mount -o remount,ro \"$state\""),
    ] {
        let place = rig.place(name);
        let state = place.join("state").display().to_string();
        let script = format!(
            "state=$1; shift; mount -t tmpfs -o size=64k none \"$state\" || exit 77; \
             echo 12.500 >\"$state/ntp.drift\"; {prepare}; \"$@\"; status=$?; \
             [ \"$(cat \"$state/ntp.drift\")\" = 12.500 ] && echo \"kept, and ended with $status\" >&2"
        );
        let said = run_once(&place, &["unshare", "-m", "sh", "-c", &script, "sh", &state]);
        for words in ["what is learnt of the clock is not remembered", "kept, and ended with 0"] {
            assert!(said.contains(words), "{name}: {words}: {said}");
        }
    }
}
