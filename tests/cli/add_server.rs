//! `ntpctl add-server` with a real ntpd, restarted by a stand-in for systemd.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ntp_tests::{Daemon, Outcome, Pid, free_port, measure, ours, run, until, without_clock};

/// A machine in a folder: a reference server, an ntp.conf, a way to restart ntpd.
struct Machine {
    folder: tempfile::TempDir,
    reference_port: u16,
    port: u16,
    _reference: Daemon,
}

const BEFORE: &str = "# my clock\ndriftfile DRIFT\n\n# servers:\n#server old.example iburst\n\nrestrict default noquery\nrestrict 127.0.0.1\n";

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (reference_port, port) = (free_port(), free_port());
        let conf = folder.path().join("reference.conf");
        fs::write(&conf, "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\n").unwrap();
        let arguments =
            ["-n", "-c", &conf.display().to_string(), "--clock=none", "--port", &reference_port.to_string()];
        let reference = Daemon::start(None, &ours("ntpd"), &arguments, &folder.path().join("reference.log"));
        let machine = Self { folder, reference_port, port, _reference: reference };
        let drift = machine.path("ntp.drift").display().to_string();
        fs::write(machine.conf(), BEFORE.replace("DRIFT", &drift)).unwrap();
        fs::set_permissions(machine.conf(), fs::Permissions::from_mode(0o640)).unwrap();
        machine.write_settings(5);
        machine.write_restart();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn conf(&self) -> PathBuf {
        self.path("ntp.conf")
    }

    fn write_settings(&self, timeout: u64) {
        let text = format!(
            "restart-command = [\"/bin/sh\", \"{}\"]\ndaemon = \"127.0.0.1:{}\"\nbackup-dir = \"{}\"\nanswer-timeout = {timeout}\n",
            self.path("restart").display(),
            self.port,
            self.path("backup").display()
        );
        fs::write(self.path("ntpctl.toml"), text).unwrap();
    }

    /// Stops the daemon that runs and starts another, which leaves its terminal when it serves. It is
    /// run by an ntpctl without control of the clock, and inherits that.
    fn write_restart(&self) {
        let script = format!(
            "cd '{folder}' || exit 1\necho again >> restarts\nif [ -f ntpd.pid ]; then kill $(cat ntpd.pid); \
             n=0; while [ -f ntpd.pid ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done; fi\n\
             exec '{ntpd}' -c '{folder}/ntp.conf' -p '{folder}/ntpd.pid' \
             -l '{folder}/ntpd.log' --port {port} --clock=virtual:offset=0.25,frequency=50\n",
            folder = self.folder.path().display(),
            ntpd = ours("ntpd").display(),
            port = self.port,
        );
        fs::write(self.path("restart"), script).unwrap();
    }

    fn add(&self, arguments: &[&str]) -> Outcome {
        let conf = self.conf().display().to_string();
        self.ntpctl(&[&["add-server"], arguments, &["-c", &conf]].concat())
    }

    fn ntpctl(&self, arguments: &[&str]) -> Outcome {
        let mut command = without_clock(&ours("ntpctl"));
        run(command.arg("--settings").arg(self.path("ntpctl.toml")).args(arguments))
    }

    fn restarts(&self) -> usize {
        fs::read_to_string(self.path("restarts")).map_or(0, |text| text.lines().count())
    }
}

#[test]
fn a_live_server_ends_with_its_row() {
    let machine = Machine::new();
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    let before = fs::read_to_string(machine.conf()).unwrap();
    let port = machine.reference_port.to_string();
    let outcome = machine.add(&["127.0.0.1", "--port", &port]);
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    let line = format!("server 127.0.0.1 port {port} iburst");
    assert!(outcome.stdout.contains(&format!("\n+{line}\n")), "no diff: {}", outcome.stdout);
    let row = outcome.stdout.lines().last().unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert!(columns[0].ends_with("127.0.0.1") && columns[6] != "0", "{}", outcome.stdout);

    // One line more behind the servers commented out; nothing else has changed, nor has the mode.
    let expected =
        before.replace("#server old.example iburst\n", &format!("#server old.example iburst\n{line}\n"));
    assert_eq!(fs::read_to_string(machine.conf()).unwrap(), expected);
    assert_eq!(fs::metadata(machine.conf()).unwrap().mode() & 0o7777, 0o640);
    let backup = fs::read_dir(machine.path("backup")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(backup).unwrap(), before);

    // Twice is once: no write, no restart.
    let written = fs::metadata(machine.conf()).unwrap().mtime_nsec();
    let again = machine.add(&["127.0.0.1", "--port", &port]);
    assert_eq!(again.status, 0, "{}", again.both());
    assert!(again.stdout.contains("already there"), "{}", again.stdout);
    assert_eq!(fs::metadata(machine.conf()).unwrap().mtime_nsec(), written);
    assert_eq!(machine.restarts(), 1);
    // The same server with other options is a question for a person.
    let other = machine.add(&["127.0.0.1", "--port", &port, "--prefer"]);
    assert_eq!(other.status, 2, "{}", other.both());

    // And the clock that the new ntpd serves gets right: it started 250 ms wrong.
    let daemon: SocketAddr = ([127, 0, 0, 1], machine.port).into();
    let right = until(Duration::from_secs(20), || {
        measure(daemon)
            .is_some_and(|(answer, ahead)| answer.stratum.value() == 3 && ahead.as_millis_f64().abs() < 1.0)
    });
    assert!(
        right,
        "{:?}\n{}",
        measure(daemon),
        fs::read_to_string(machine.path("ntpd.log")).unwrap_or_default()
    );
}

#[test]
fn every_change_is_put_in_force_and_looked_at() {
    let machine = Machine::new();
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    let (conf, port) = (machine.conf().display().to_string(), machine.reference_port.to_string());
    let change = |words: &[&str]| machine.ntpctl(&[words, &["-c", &conf]].concat());
    assert_eq!(machine.add(&["127.0.0.1", "--port", &port]).status, 0);
    let set = change(&["set-option", "127.0.0.1", "minpoll", "4"]);
    assert_eq!((set.status, set.stdout.contains("ntpd runs with the change")), (0, true), "{}", set.both());
    // It follows the server by now, and says so in words and for programs.
    let follows = until(Duration::from_secs(15), || machine.ntpctl(&["status"]).status == 0);
    let status = machine.ntpctl(&["status", "--json"]);
    let value: serde_json::Value = serde_json::from_str(status.stdout.trim()).unwrap();
    assert!(follows && value["synchronized"] == true && value["reachable"] == 1, "{}", status.both());
    assert_eq!(value["system_peer"], "127.0.0.1", "{value}");
    let gone = change(&["remove-server", "127.0.0.1"]);
    assert_eq!(gone.status, 0, "{}", gone.both());
    assert!(gone.stdout.contains("127.0.0.1 is not asked any longer"), "{}", gone.stdout);
    assert!(gone.stdout.contains("no server is configured"), "{}", gone.stdout);
    assert_eq!(machine.ntpctl(&["status"]).status, 6);
    let back = change(&["rollback"]);
    assert_eq!(back.status, 0, "{}", back.both());
    assert_eq!(machine.ntpctl(&["restart"]).status, 0);
    // Another address of the same machine, on the port that the line says.
    let other = change(&["replace-server", "127.0.0.1", "127.0.0.9"]);
    assert_eq!(other.status, 0, "{}", other.both());
    assert!(other.stdout.contains("127.0.0.9 answers") && other.stdout.contains("127.0.0.1 is not asked"));
    // A pool has a row of its own, which asks nobody: its members answer.
    assert_eq!(change(&["remove-server", "127.0.0.9"]).status, 0);
    let pool = change(&["add-server", "localhost", "--pool", "--port", &port, "--wait", "10"]);
    assert_eq!(pool.status, 0, "{}", pool.both());
    // One that is dead is taken back, unless that is not wanted.
    let (text, dead) = (fs::read_to_string(machine.conf()).unwrap(), free_port().to_string());
    let words = ["add-server", "127.0.0.8", "--port", &dead, "--wait", "1"];
    assert_eq!(change(&words).status, 6);
    assert_eq!(fs::read_to_string(machine.conf()).unwrap(), text);
    assert_eq!(change(&[&words[..], &["--no-rollback"]].concat()).status, 6);
    assert!(fs::read_to_string(machine.conf()).unwrap().contains("server 127.0.0.8 "));
}

#[test]
fn a_dead_server_is_taken_back_with_the_reason() {
    let machine = Machine::new();
    machine.write_settings(2);
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    let before = fs::read(machine.conf()).unwrap();
    let dead = free_port().to_string();
    let outcome = machine.add(&["127.0.0.1", "--port", &dead]);
    assert_eq!(outcome.status, 6, "{}", outcome.both());
    assert!(outcome.stderr.contains("127.0.0.1 does not answer"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("The old file is back"), "{}", outcome.stderr);
    assert_eq!(fs::read(machine.conf()).unwrap(), before);
    assert_eq!(machine.restarts(), 2);
    // The daemon runs again, with the old file: without servers.
    let table = run(Command::new(ours("ntpq")).args(["-pn", &format!("127.0.0.1:{}", machine.port)]));
    assert!(table.stdout.contains("No association IDs"), "{}", table.both());
}

#[test]
fn a_dead_server_is_not_taken_for_a_live_one_at_the_same_address() {
    let machine = Machine::new();
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    assert_eq!(machine.add(&["127.0.0.1", "--port", &machine.reference_port.to_string()]).status, 0);
    let before = fs::read_to_string(machine.conf()).unwrap();
    let backups = || fs::read_dir(machine.path("backup")).unwrap().count();
    let kept = backups();
    let dead = machine.add(&["127.0.0.1", "--port", &free_port().to_string(), "--wait", "2"]);
    assert_eq!(dead.status, 6, "{}", dead.both());
    assert_eq!(fs::read_to_string(machine.conf()).unwrap(), before);
    // What did not work is no older version.
    assert_eq!(backups(), kept);
}

#[test]
fn a_name_that_does_not_resolve_is_taken_back_with_the_reason() {
    let machine = Machine::new();
    machine.write_settings(2);
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    let before = fs::read(machine.conf()).unwrap();
    let outcome = machine.add(&["no-such-host.invalid"]);
    assert_eq!(outcome.status, 6, "{}", outcome.both());
    assert!(outcome.stderr.contains("cannot be resolved"), "{}", outcome.stderr);
    assert_eq!(fs::read(machine.conf()).unwrap(), before);
}

#[test]
fn a_restart_that_fails_is_taken_back() {
    let machine = Machine::new();
    let before = fs::read(machine.conf()).unwrap();
    fs::write(machine.path("restart"), "echo 'the disk is on fire' >&2; exit 1\n").unwrap();
    let outcome = machine.add(&["192.0.2.1"]);
    assert_eq!(outcome.status, 5, "{}", outcome.both());
    assert!(outcome.stderr.contains("the disk is on fire"), "{}", outcome.stderr);
    assert_eq!(fs::read(machine.conf()).unwrap(), before);
    // The folder that was made for a file of its own goes with the file.
    let drop_in = machine.add(&["192.0.2.1", "--drop-in"]);
    assert_eq!(drop_in.status, 5, "{}", drop_in.both());
    assert!(!machine.path("ntp.d").exists());
}

#[test]
fn dry_run_and_no_restart_do_what_they_say() {
    let machine = Machine::new();
    let before = fs::read_to_string(machine.conf()).unwrap();
    let dry = machine.add(&["time.example", "--prefer", "--no-iburst", "--dry-run"]);
    assert_eq!(dry.status, 10, "{}", dry.both());
    assert!(dry.stdout.contains("+server time.example prefer\n"), "{}", dry.stdout);
    assert_eq!(fs::read_to_string(machine.conf()).unwrap(), before);
    let written = machine.add(&["time.example", "--prefer", "--iburst", "--no-restart"]);
    assert_eq!(written.status, 0, "{}", written.both());
    assert!(fs::read_to_string(machine.conf()).unwrap().contains("\nserver time.example iburst prefer\n"));
    assert_eq!(machine.restarts(), 0);
}

#[test]
fn links_stay_links_and_what_cannot_be_written_is_left_alone() {
    let machine = Machine::new();
    let real = machine.path("real.conf");
    fs::rename(machine.conf(), &real).unwrap();
    symlink("real.conf", machine.conf()).unwrap();
    let outcome = machine.add(&["time.example", "--no-restart"]);
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    assert!(fs::symlink_metadata(machine.conf()).unwrap().is_symlink());
    let before = fs::read(&real).unwrap();
    assert!(String::from_utf8_lossy(&before).contains("time.example"));

    // No place for the old file: nothing is written.
    fs::remove_dir_all(machine.path("backup")).unwrap();
    fs::write(machine.path("backup"), "in the way").unwrap();
    let outcome = machine.add(&["other.example", "--no-restart"]);
    assert_eq!(outcome.status, 3, "{}", outcome.both());
    assert!(outcome.stderr.contains("nothing was changed"), "{}", outcome.stderr);
    assert_eq!(fs::read(&real).unwrap(), before);
}

#[test]
fn files_that_others_make_are_not_edited() {
    let machine = Machine::new();
    for text in [
        "# This file was copied from /etc/ntp.conf with the server options changed\nserver a iburst\n",
        "server {{ ntp_server }}\n",
    ] {
        fs::write(machine.conf(), text).unwrap();
        let outcome = machine.add(&["time.example", "--no-restart"]);
        assert_eq!(outcome.status, 2, "{}", outcome.both());
        assert!(outcome.stderr.contains("is not edited"), "{}", outcome.stderr);
        assert_eq!(fs::read_to_string(machine.conf()).unwrap(), text);
    }
}

#[test]
fn a_signal_while_waiting_takes_the_change_back() {
    let machine = Machine::new();
    machine.write_settings(20);
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    let before = fs::read(machine.conf()).unwrap();
    let dead = free_port().to_string();
    for signal in ["-HUP", "-TERM", "-INT"] {
        let mut child = without_clock(&ours("ntpctl"))
            .arg("--settings")
            .arg(machine.path("ntpctl.toml"))
            .args(["add-server", "127.0.0.1", "--port", &dead, "-c"])
            .arg(machine.conf())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        assert!(until(Duration::from_secs(5), || fs::read(machine.conf()).unwrap() != before));
        run(Command::new("kill").arg(signal).arg(child.id().to_string()));
        assert_eq!(child.wait().unwrap().code(), Some(6), "{signal}");
        assert_eq!(fs::read(machine.conf()).unwrap(), before, "{signal}");
    }
}

#[test]
fn a_reader_that_goes_away_does_not_stop_what_has_begun() {
    let machine = Machine::new();
    let pid = machine.path("ntpd.pid");
    let _ends = Pid(&pid);
    let script = format!(
        "'{}' --settings '{}' add-server 127.0.0.1 --port {} -c '{}' | head -1",
        ours("ntpctl").display(),
        machine.path("ntpctl.toml").display(),
        machine.reference_port,
        machine.conf().display()
    );
    run(without_clock(Path::new("/bin/sh")).args(["-c", &script]));
    let done = until(Duration::from_secs(10), || {
        let table = run(Command::new(ours("ntpq")).args(["-pn", &format!("127.0.0.1:{}", machine.port)]));
        table.stdout.contains("127.0.0.1 ")
    });
    assert!(done && fs::read_to_string(machine.conf()).unwrap().contains("server 127.0.0.1 port"));
}
