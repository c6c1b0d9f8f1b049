//! Files that `ntpctl` has edited, read by NTPsec's ntpd: the new line is understood as it was meant, and
//! every other line as before.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ntp_tests::{Peer, is_root, ours, peer, run, shared, skip};

/// An address that NTPsec reads, names in its log, and refuses: nothing is sent anywhere.
const ADDED: &str = "127.0.0.9";

/// How many files are read at a time.
const WORKERS: usize = 6;

/// Directives that would have a daemon write into this machine's own folders, or end for want of a driver.
const ELSEWHERE: [&str; 9] =
    ["logfile", "pidfile", "statsdir", "driftfile", "keys", "includefile", "leapfile", "crypto", "refclock"];

/// A file without what is about other files.
fn tame(bytes: &[u8]) -> Vec<u8> {
    let is_elsewhere = |line: &&[u8]| {
        let text = String::from_utf8_lossy(line).into_owned();
        text.split_whitespace().next().is_some_and(|word| ELSEWHERE.contains(&word))
    };
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !is_elsewhere(line))
        .collect::<Vec<_>>()
        .concat()
}

/// What NTPsec says of a file.
fn read_by_ntpsec(ntpd: &Path, conf: &Path) -> String {
    let script = "ip link set lo up && exec setpriv --bounding-set -sys_time --inh-caps -sys_time \"$@\"";
    let mut command = Command::new("timeout");
    command.args(["1", "unshare", "-n", "sh", "-c", script, "sh"]).arg(ntpd).arg("-n").arg("-c").arg(conf);
    run(&mut command).both()
}

#[test]
fn an_edited_file_is_read_as_it_was_meant() {
    let test = "an_edited_file_is_read_as_it_was_meant";
    let ntpd = match peer(Peer::NtpsecNtpd) {
        Ok(ntpd) if is_root() => ntpd,
        Ok(_) => return skip(test, "needs root, for a network namespace"),
        Err(reason) => return skip(test, &reason),
    };
    let files = |folder: PathBuf| {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files
    };
    let fixtures = files(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/fixtures"));
    let real = shared("ntp-conf/corpus").map(files).unwrap_or_default();
    let all: Vec<PathBuf> = fixtures.into_iter().chain(real).collect();
    // Each of them waits most of the time.
    let workers = all.chunks(all.len().div_ceil(WORKERS));
    std::thread::scope(|scope| {
        for files in workers {
            scope.spawn(|| files.iter().for_each(|file| is_read_as_meant(&ntpd, file)));
        }
    });
}

fn is_read_as_meant(ntpd: &Path, original: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, tame(&fs::read(original).unwrap())).unwrap();
    let errors = |log: &str| log.matches("syntax error in").count();
    let before = errors(&read_by_ntpsec(ntpd, &conf));
    let settings = folder.path().join("ntpctl.toml");
    let backups = folder.path().join("backup").display().to_string();
    fs::write(&settings, format!("backup-dir = \"{backups}\"\n")).unwrap();
    let mut ntpctl = Command::new(ours("ntpctl"));
    ntpctl.arg("--settings").arg(&settings).args(["add-server", ADDED, "--no-restart", "-c"]);
    let edit = run(ntpctl.arg(&conf));
    let name = original.display();
    assert_eq!(edit.status, 0, "{name}: {}", edit.both());
    let log = read_by_ntpsec(ntpd, &conf);
    assert!(log.contains("readconfig: parsing file"), "{name}: {log}");
    assert_eq!(errors(&log), before, "{name}: {log}");
    let understood = format!("attempt to configure invalid address {ADDED}");
    assert!(log.contains(&understood), "{name}: {log}\n{}", fs::read_to_string(&conf).unwrap_or_default());
}
