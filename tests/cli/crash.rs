//! What becomes of ntp.conf when `ntpctl` is killed, when two of them meet, and when the disk says no.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::process::Command;

use ntp_tests::{Outcome, is_root, ours, run, skip};

const BEFORE: &str =
    "# mine\ndriftfile /var/lib/ntp/ntp.drift\nserver a.example iburst\nrestrict default nomodify\n";
const AFTER: &str = "# mine\ndriftfile /var/lib/ntp/ntp.drift\nserver a.example iburst\nserver b.example iburst\nrestrict default nomodify\n";

/// Whose file it is, where a test may choose.
const SOMEBODY: u32 = 65534;

/// An attribute that somebody has given the file.
const MARK: &str = "user.note";

/// A folder with an ntp.conf and settings that keep old files beside it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.reset();
        let backups = place.path("backup").display().to_string();
        fs::write(place.path("ntpctl.toml"), format!("backup-dir = \"{backups}\"\n")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn conf(&self) -> PathBuf {
        self.path("ntp.conf")
    }

    fn reset(&self) {
        fs::write(self.conf(), BEFORE).unwrap();
        fs::set_permissions(self.conf(), fs::Permissions::from_mode(0o640)).unwrap();
        if is_root() {
            chown(self.conf(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        // Where there are no attributes, there is none to lose.
        drop(xattr::set(self.conf(), MARK, b"mine"));
    }

    fn mark(&self) -> Option<Vec<u8>> {
        xattr::get(self.conf(), MARK).ok().flatten()
    }

    /// The words that add a server.
    fn words(&self, host: &str) -> Vec<String> {
        let (settings, conf) = (self.path("ntpctl.toml"), self.conf());
        let mut words = vec!["--settings".to_owned(), settings.display().to_string()];
        words.extend(["add-server", host, "--no-restart", "-c"].map(str::to_owned));
        words.push(conf.display().to_string());
        words
    }

    fn add(&self, host: &str) -> Outcome {
        run(Command::new(ours("ntpctl")).args(self.words(host)))
    }
}

/// How often the writer makes each system call.
fn calls(place: &Place) -> BTreeMap<String, usize> {
    let log = place.path("calls");
    let mut strace = Command::new("strace");
    run(strace.arg("-f").arg("-o").arg(&log).arg(ours("ntpctl")).args(place.words("b.example")));
    let text = fs::read_to_string(&log).unwrap();
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        // `PID name(arguments) = result`
        let call = line.split_whitespace().nth(1).and_then(|rest| rest.split_once('('));
        if let Some((name, _)) =
            call.filter(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        {
            *calls.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    calls
}

#[test]
fn killed_at_any_system_call_it_leaves_the_old_file_or_the_new_one() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("killed_at_any_system_call", "needs strace");
    }
    let place = Place::new();
    let calls = calls(&place);
    assert_eq!(fs::read_to_string(place.conf()).unwrap(), AFTER);
    let (mut old, mut new) = (0, 0);
    place.reset();
    // Not every file system keeps attributes.
    let marked = place.mark().is_some();
    for (call, count) in &calls {
        // Memory is mapped before anything is read; that part is the same for every program.
        if ["mmap", "mprotect", "munmap", "brk", "execve", "exit_group"].contains(&call.as_str()) {
            continue;
        }
        for number in 1..=*count {
            place.reset();
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(ours("ntpctl"));
            run(strace.args(place.words("b.example")));
            let text = fs::read_to_string(place.conf()).unwrap();
            assert!(text == BEFORE || text == AFTER, "{call} {number}: {text:?}");
            let found = fs::metadata(place.conf()).unwrap();
            assert_eq!(found.mode() & 0o7777, 0o640, "{call} {number}");
            if is_root() {
                assert_eq!((found.uid(), found.gid()), (SOMEBODY, SOMEBODY), "{call} {number}");
            }
            assert_eq!(place.mark().is_some(), marked, "{call} {number}");
            if text == BEFORE { old += 1 } else { new += 1 }
        }
    }
    assert!(old > 20 && new > 0, "{old} killed before, {new} after the change");
    // What is left over stops nobody, and the next one finds no lock.
    place.reset();
    assert_eq!(place.add("b.example").status, 0);
}

#[test]
fn of_two_that_meet_none_loses_what_the_other_wrote() {
    let place = Place::new();
    for round in 0..20 {
        place.reset();
        let start = |host: &str| {
            let mut command = Command::new(ours("ntpctl"));
            command.args(place.words(host)).stdout(std::process::Stdio::null());
            command.stderr(std::process::Stdio::null()).spawn().unwrap()
        };
        let mut running: Vec<_> =
            ["b.example", "c.example", "d.example"].map(|host| (host, start(host))).into_iter().collect();
        for (host, child) in &mut running {
            let status = child.wait().unwrap().code();
            let text = fs::read_to_string(place.conf()).unwrap();
            // Who says that it is done has done it; who was in the way has changed nothing.
            assert!(matches!(status, Some(0 | 3)), "{round} {host}: {status:?}");
            assert_eq!(text.contains(*host), status == Some(0), "{round} {host}: {status:?}\n{text}");
        }
        assert!(fs::read_to_string(place.conf()).unwrap().starts_with("# mine\n"));
    }
}

#[test]
fn links_that_lead_nowhere_and_missing_folders_are_named() {
    let place = Place::new();
    fs::remove_file(place.conf()).unwrap();
    symlink("nowhere", place.conf()).unwrap();
    let dangling = place.add("b.example");
    assert_eq!(dangling.status, 2, "{}", dangling.both());
    assert!(fs::symlink_metadata(place.conf()).unwrap().is_symlink());
    fs::remove_file(place.conf()).unwrap();
    place.reset();
    let settings = place.path("ntpctl.toml");
    fs::write(&settings, "backup-dir = \"/proc/nowhere/backup\"\n").unwrap();
    let unkept = place.add("b.example");
    assert_eq!(unkept.status, 3, "{}", unkept.both());
    assert!(unkept.stderr.contains("/proc/nowhere/backup"), "{}", unkept.stderr);
    assert!(unkept.stderr.contains("nothing was changed"), "{}", unkept.stderr);
    assert_eq!(fs::read_to_string(place.conf()).unwrap(), BEFORE);
}

/// Runs a script in a mount namespace of its own, with `$1` the folder and `$2` on the words of ntpctl.
fn in_own_mounts(place: &Place, script: &str) -> Outcome {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(place.0.path()).arg(ours("ntpctl"));
    run(command.args(place.words("b.example")))
}

#[test]
fn a_full_disk_or_one_that_cannot_be_written_changes_nothing() {
    if !is_root() {
        return skip("a_full_disk_changes_nothing", "needs root, for a file system of its own");
    }
    for (name, prepare) in [
        ("full", "dd if=/dev/zero of=\"$folder/fill\" bs=1k 2>/dev/null; true"),
        ("read-only", "mount -o remount,ro \"$folder\""),
    ] {
        let place = Place::new();
        let script = format!(
            "folder=$1; shift; \
             old=$(cat \"$folder/ntp.conf\"); settings=$(cat \"$folder/ntpctl.toml\"); \
             mount -t tmpfs -o size=64k none \"$folder\" || exit 77; \
             printf '%s\\n' \"$old\" >\"$folder/ntp.conf\"; printf '%s\\n' \"$settings\" >\"$folder/ntpctl.toml\"; \
             {prepare}; \"$@\"; status=$?; [ \"$(cat \"$folder/ntp.conf\")\" = \"$old\" ] || exit 88; exit $status"
        );
        let outcome = in_own_mounts(&place, &script);
        assert_ne!(outcome.status, 77, "no file system of its own: {}", outcome.both());
        assert_eq!(outcome.status, 3, "{name}: {}", outcome.both());
        assert!(outcome.stderr.contains("nothing was changed"), "{name}: {}", outcome.both());
    }
}

#[test]
fn an_immutable_file_is_left_alone() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("an_immutable_file_is_left_alone", "needs strace");
    }
    let place = Place::new();
    // What the kernel says of a file with that flag; not every file system has it.
    let refused = ["rename", "renameat", "renameat2"].map(|call| format!("inject={call}:error=EPERM"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null"]);
    for inject in &refused {
        strace.args(["-e", inject]);
    }
    let outcome = run(strace.arg(ours("ntpctl")).args(place.words("b.example")));
    assert_eq!(outcome.status, 3, "{}", outcome.both());
    assert!(outcome.stderr.contains("nothing was changed"), "{}", outcome.both());
    assert_eq!(fs::read_to_string(place.conf()).unwrap(), BEFORE);
    let left: Vec<_> =
        fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".ntp-")), "{left:?}");
}
