//! Broken files and words: the right message, the right exit status, and nothing lost.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ntp_tests::{Outcome, free_port, is_root, ours, run, skip, without_clock};

/// A scratch folder with a file in it.
struct Scratch {
    folder: tempfile::TempDir,
    conf: PathBuf,
}

impl Scratch {
    fn with(content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("ntp.conf");
        fs::write(&conf, content).unwrap();
        Self { folder, conf }
    }

    fn settings(&self) -> PathBuf {
        let path = self.folder.path().join("ntpctl.toml");
        let backups = self.folder.path().join("backup");
        fs::write(&path, format!("backup-dir = \"{}\"\n", backups.display())).unwrap();
        path
    }
}

/// Bytes that are no text.
fn garbage() -> Vec<u8> {
    (0..4096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// `ntpd -n`, which must end by itself, without control of the clock.
fn ntpd(conf: &Path) -> Outcome {
    let port = free_port().to_string();
    run(without_clock(Path::new("timeout"))
        .arg("10")
        .arg(ours("ntpd"))
        .args(["-n", "--clock=none", "--port", &port, "-c"])
        .arg(conf))
}

fn check(conf: &Path) -> Outcome {
    run(Command::new(ours("ntpctl")).args(["check", "-c"]).arg(conf))
}

/// One command of `ntpctl`, with settings and configuration from a scratch folder.
fn ntpctl(scratch: &Scratch, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(ours("ntpctl"));
    command.arg("--settings").arg(scratch.settings()).args(arguments);
    run(command.current_dir(scratch.folder.path()))
}

fn add_server(scratch: &Scratch, conf: &Path) -> Outcome {
    let conf = conf.display().to_string();
    ntpctl(scratch, &["add-server", "192.0.2.1", "--no-restart", "-c", &conf])
}

/// All three programs refuse, say why, and leave the file alone.
fn is_refused(content: &[u8], words: &[&str]) {
    let scratch = Scratch::with(content);
    for (outcome, status) in
        [(ntpd(&scratch.conf), 1), (check(&scratch.conf), 1), (add_server(&scratch, &scratch.conf), 2)]
    {
        assert_eq!(outcome.status, status, "{}", outcome.both());
        for word in words {
            assert!(outcome.both().contains(word), "{word:?} is missing from: {}", outcome.both());
        }
    }
    assert_eq!(fs::read(&scratch.conf).unwrap(), content);
    assert!(!scratch.folder.path().join("backup").exists());
}

#[test]
fn an_unknown_word_is_named_with_its_place_and_what_was_meant() {
    let content = b"# time\nsevrer 0.pool.ntp.org\n";
    let scratch = Scratch::with(content);
    for outcome in [ntpd(&scratch.conf), check(&scratch.conf)] {
        assert_eq!(outcome.status, 1, "{}", outcome.both());
        let text = outcome.both();
        assert!(text.contains("ntp.conf:2:1: error[E001]: unknown directive \"sevrer\""), "{text}");
        assert!(text.contains("^^^^^^ did you mean `server`?"), "{text}");
    }
    // It stops no edit elsewhere.
    let added = add_server(&scratch, &scratch.conf);
    assert_eq!(added.status, 0, "{}", added.both());
    assert!(added.both().contains("there is one error elsewhere"), "{}", added.both());
    assert!(fs::read(&scratch.conf).unwrap().starts_with(content));
}

#[test]
fn binary_garbage_is_refused_without_reaching_the_terminal() {
    let garbage = garbage();
    is_refused(&garbage, &["ntp.conf:1:", "error["]);
    let scratch = Scratch::with(&garbage);
    let text = check(&scratch.conf).both();
    assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{text:?}");
}

#[test]
fn one_bad_line_among_good_ones_does_not_stop_the_daemon() {
    let scratch = Scratch::with(b"server 192.0.2.1 ibrust\nbananas\n");
    let checked = check(&scratch.conf);
    assert_eq!(checked.status, 1);
    assert!(checked.stdout.contains("2 errors"), "{}", checked.stdout);
    // It runs until `timeout` ends it, and says what is wrong.
    let port = free_port().to_string();
    let mut command = without_clock(Path::new("timeout"));
    command.arg("2").arg(ours("ntpd")).args(["-n", "--clock=none", "--port", &port, "-c"]).arg(&scratch.conf);
    let running = run(&mut command);
    assert!(running.stderr.contains("did you mean `iburst`?"), "{}", running.both());
    assert!(running.stderr.contains("ending on SIGTERM"), "{}", running.both());
}

#[test]
fn a_missing_file_a_directory_and_a_device_are_told_apart() {
    let scratch = Scratch::with(b"");
    for (path, words) in [
        (scratch.folder.path().join("nothing"), "there is no such file"),
        (scratch.folder.path().to_owned(), "is a directory"),
        (PathBuf::from("/dev/null"), "it is not a file"),
    ] {
        for (outcome, status) in [(ntpd(&path), 1), (check(&path), 1), (add_server(&scratch, &path), 2)] {
            assert_eq!(outcome.status, status, "{}: {}", path.display(), outcome.both());
            assert!(outcome.stderr.contains(words), "{}", outcome.both());
            assert!(outcome.stderr.contains(&path.display().to_string()), "{}", outcome.both());
        }
    }
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let scratch = Scratch::with(b"server 192.0.2.1\n");
    let root = is_root();
    if root && !Path::new("/usr/bin/setpriv").exists() {
        return skip("a_file_that_may_not_be_read_is_named", "needs setpriv, to stop being root");
    }
    fs::set_permissions(&scratch.conf, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(scratch.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = |program: &str, arguments: &[&str]| {
        // A copy where anybody may run it, wherever the checkout lies.
        let copy = scratch.folder.path().join(program);
        // By another process: a test that forks beside this one would keep the copy open, and busy.
        assert_eq!(run(Command::new("cp").arg(ours(program)).arg(&copy)).status, 0);
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
            command
        } else {
            fs::set_permissions(&scratch.conf, fs::Permissions::from_mode(0o000)).unwrap();
            Command::new(&copy)
        };
        run(command.args(arguments).arg("-c").arg(&scratch.conf))
    };
    let port = free_port().to_string();
    for (outcome, status) in [
        (as_nobody("ntpd", &["-n", "--clock=none", "--port", &port]), 1),
        (as_nobody("ntpctl", &["check"]), 1),
        (as_nobody("ntpctl", &["add-server", "192.0.2.1", "--no-restart"]), 2),
    ] {
        assert_eq!(outcome.status, status, "{}", outcome.both());
        assert!(outcome.stderr.contains("user nobody may not read it (`chgrp`"), "{}", outcome.both());
    }
}

/// Every command that takes a file, what it says first, and how it ends.
fn every_command_says(scratch: &Scratch, file: &str, expected: &[(&[&str], i32, &str)]) {
    for (arguments, status, words) in expected {
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == "FILE" { file } else { word }).collect();
        let outcome = ntpctl(scratch, &arguments);
        assert_eq!(outcome.status, *status, "{arguments:?}: {}", outcome.both());
        assert!(outcome.both().contains(words), "{arguments:?}, {words:?}: {}", outcome.both());
        let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
        assert!(outcome.both().chars().all(is_harmless), "{arguments:?}: {:?}", outcome.both());
    }
}

#[test]
fn every_command_names_what_is_wrong_with_a_file_of_garbage() {
    let garbage = garbage();
    let scratch = Scratch::with(&garbage);
    let wrong = "more of its lines are wrong than right; is this the right file?";
    let expected: &[(&[&str], i32, &str)] = &[
        (&["list", "-c", "FILE"], 0, "its errors are not shown here"),
        (&["explain", "-c", "FILE"], 0, "see `ntpctl check`"),
        (&["remove-server", "a", "-c", "FILE"], 2, wrong),
        (&["enable-server", "a", "-c", "FILE"], 2, wrong),
        (&["disable-server", "a", "-c", "FILE"], 2, wrong),
        (&["replace-server", "a", "b", "-c", "FILE"], 2, wrong),
        (&["set-servers", "a", "-c", "FILE"], 2, wrong),
        (&["set-option", "a", "iburst", "-c", "FILE"], 2, wrong),
        (&["unset-option", "a", "iburst", "-c", "FILE"], 2, wrong),
        (&["set", "driftfile", "/x", "-c", "FILE"], 2, wrong),
        (&["unset", "driftfile", "-c", "FILE"], 2, wrong),
        (&["log", "-c", "FILE"], 0, "no older version is kept"),
        (&["diff", "-c", "FILE"], 1, "there is no version 1"),
        (&["rollback", "-c", "FILE"], 1, "there is no version 1"),
        (&["check", "--max-size", "16", "-c", "FILE"], 1, "more than 16 bytes"),
        (&["import", "FILE"], 1, "say --format chrony, timesyncd or ntpd-rs"),
        (&["simulate", "FILE"], 1, "is not text: is this a scenario?"),
    ];
    every_command_says(&scratch, "ntp.conf", expected);
    assert_eq!(fs::read(&scratch.conf).unwrap(), garbage);
    assert!(!scratch.folder.path().join("backup").exists());
    let settings = run(Command::new(ours("ntpctl")).arg("--settings").arg(&scratch.conf).arg("list"));
    assert_eq!(settings.status, 1, "{}", settings.both());
    assert!(settings.stderr.contains("ntp.conf: TOML parse error at line 1"), "{}", settings.stderr);
}

#[test]
fn every_command_names_a_file_that_is_none() {
    let scratch = Scratch::with(b"");
    fs::create_dir(scratch.folder.path().join("folder")).unwrap();
    for (file, words) in [("nothing", "there is no such file"), ("folder", "is a directory; name the file")] {
        let expected: &[(&[&str], i32, &str)] = &[
            (&["list", "-c", "FILE"], 2, words),
            (&["explain", "-c", "FILE"], 2, words),
            (&["remove-server", "a", "-c", "FILE"], 2, words),
            (&["enable-server", "a", "-c", "FILE"], 2, words),
            (&["disable-server", "a", "-c", "FILE"], 2, words),
            (&["replace-server", "a", "b", "-c", "FILE"], 2, words),
            (&["set-servers", "a", "-c", "FILE"], 2, words),
            (&["set-option", "a", "iburst", "-c", "FILE"], 2, words),
            (&["set", "driftfile", "/x", "-c", "FILE"], 2, words),
            (&["import", "FILE"], 2, words),
            (&["log", "-c", "FILE"], 0, "no older version is kept"),
            (&["simulate", "FILE"], 1, file),
        ];
        every_command_says(&scratch, file, expected);
    }
}

#[test]
fn a_null_byte_hides_nothing() {
    let scratch = Scratch::with(b"server a\0b\nserver 192.0.2.1\0\n");
    let expected: &[(&[&str], i32, &str)] = &[
        (&["check", "-c", "FILE"], 0, "this reads as `a`"),
        (&["list", "-c", "FILE"], 0, "ntp.conf:2"),
        (&["set", "driftfile", "/x", "--dry-run", "-c", "FILE"], 10, " server a?b\n"),
        (&["remove-server", "b", "-c", "FILE"], 0, "nothing to do"),
    ];
    every_command_says(&scratch, "ntp.conf", expected);
}

#[test]
fn without_a_daemon_there_is_no_status() {
    let scratch = Scratch::with(b"");
    let port = free_port();
    fs::write(scratch.folder.path().join("s.toml"), format!("daemon = \"127.0.0.1:{port}\"\n")).unwrap();
    let mut command = Command::new(ours("ntpctl"));
    let outcome = run(command.arg("--settings").arg(scratch.folder.path().join("s.toml")).arg("status"));
    assert_eq!(outcome.status, 6, "{}", outcome.both());
    assert!(outcome.stderr.contains(&format!("127.0.0.1:{port}")), "{}", outcome.stderr);
    let host = "no-such-host.invalid";
    let outcome = run(Command::new(ours("ntpctl")).args(["query", host]));
    assert_eq!(outcome.status, 6, "{}", outcome.both());
    assert!(outcome.stderr.contains("no-such-host.invalid: cannot be resolved"), "{}", outcome.stderr);
}

#[test]
fn a_huge_file_is_refused_whole() {
    let huge = b"server 192.0.2.1\n".repeat(100_000);
    is_refused(&huge, &["more than 1048576 bytes"]);
}

#[test]
fn wrong_words_on_the_command_line_are_usage() {
    for (program, arguments) in [
        ("ntpd", vec!["--clock=sundial"]),
        ("ntpd", vec!["--clock=virtual:offset=x"]),
        ("ntpd", vec!["--port", "0"]),
        ("ntpd", vec!["--bogus"]),
        ("ntpq", vec!["--bogus"]),
        ("ntpq", vec!["-c", "bananas", "127.0.0.1:9"]),
        ("ntpq", vec!["-c", "rv &x", "127.0.0.1:9"]),
        ("ntpq", vec!["-c", "rv 99999999", "127.0.0.1:9"]),
        ("ntpctl", vec![]),
        ("ntpctl", vec!["add-server"]),
        ("ntpctl", vec!["add-server", "a b"]),
        ("ntpctl", vec!["add-server", "x\nrestrict default"]),
        ("ntpctl", vec!["--settings", "/nonexistent", "check"]),
        ("ntpctl", vec!["completions", "cobol"]),
        ("ntpctl", vec!["diff", "-1"]),
        ("ntpctl", vec!["rollback", "99999999999999999999"]),
        ("ntpctl", vec!["check", "--max-size", "much"]),
        ("ntpctl", vec!["set"]),
        ("ntpctl", vec!["set", "driftfile", "/x", "--wait", "0"]),
    ] {
        let outcome = run(Command::new(ours(program)).args(&arguments));
        assert_eq!(outcome.status, 1, "{program} {arguments:?}: {}", outcome.both());
        assert_ne!(outcome.stderr, "");
    }
    for program in ["ntpd", "ntpq", "ntpctl"] {
        let version = run(Command::new(ours(program)).arg("-V"));
        assert_eq!(
            (version.status, version.stdout.trim()),
            (0, format!("{program} {}", env!("CARGO_PKG_VERSION")).as_str())
        );
        assert_eq!(run(Command::new(ours(program)).arg("--help")).status, 0);
    }
}

#[test]
fn hosts_that_make_no_sense_are_usage_and_unknown_ones_no_answer() {
    for (host, status) in [
        ("", 1),
        ("a:b:", 1),
        (":123", 1),
        ("127.0.0.1:99999", 1),
        ("[::1", 1),
        ("no-such-host.invalid", 2),
        ("\x1b[2J", 2),
    ] {
        let outcome = run(Command::new(ours("ntpq")).args(["-p", host]));
        assert_eq!(outcome.status, status, "{host:?}: {}", outcome.both());
        assert!(
            outcome.stderr.starts_with("ntpq: ") && !outcome.stderr.contains('\x1b'),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn without_control_of_the_clock_the_daemon_says_what_to_do() {
    let scratch = Scratch::with(b"server 192.0.2.1\n");
    let port = free_port().to_string();
    let mut command = without_clock(&ours("ntpd"));
    let outcome = run(command.args(["-n", "--port", &port, "-c"]).arg(&scratch.conf));
    assert_eq!(outcome.status, 3, "{}", outcome.both());
    for word in ["refuses to adjust the clock", "CAP_SYS_TIME", "--clock=none"] {
        assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let scratch = Scratch::with(b"server 192.0.2.1\n");
    let taken = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let outcome = run(without_clock(&ours("ntpd"))
        .args(["-n", "--clock=none", "--port", &port, "-c"])
        .arg(&scratch.conf));
    assert_eq!(outcome.status, 2, "{}", outcome.both());
    assert!(outcome.stderr.contains("is taken"), "{}", outcome.stderr);
}

#[test]
fn keys_that_are_no_good_are_named_and_cost_nobody_else() {
    let scratch = Scratch::with(b"");
    let keys = scratch.folder.path().join("ntp.keys");
    let mut content = b"1 SHA256 topsecret\n2 RIPEMD160 topsecret\n3 MD5\n\0\xff\n".to_vec();
    content.extend(garbage());
    fs::write(&keys, &content).unwrap();
    let conf = format!(
        "keys {}\ntrustedkey 1 2\nserver 127.0.0.1 port 9 key 1\nserver 127.0.0.2 port 9 key 2\n",
        keys.display()
    );
    fs::write(&scratch.conf, conf).unwrap();
    let port = free_port().to_string();
    let outcome = run(without_clock(Path::new("timeout"))
        .arg("2")
        .arg(ours("ntpd"))
        .args(["-n", "--clock=none", "--port", &port, "-c"])
        .arg(&scratch.conf));
    let text = outcome.both();
    assert!(
        text.contains("ntp.keys:2:3: error[E020]: there is no type of keys called \"RIPEMD160\""),
        "{text}"
    );
    assert!(text.contains("ntp.keys:3:"), "{text}");
    assert!(text.contains("key 2 is not in the `keys` file; 127.0.0.2 is not asked"), "{text}");
    assert!(!text.contains("127.0.0.1 is not asked") && !text.contains("topsecret"), "{text}");
    assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{text:?}");
}

#[test]
fn a_key_is_added_and_nothing_else_is_disturbed() {
    let scratch = Scratch::with(b"");
    let keys = scratch.folder.path().join("ntp.keys").display().to_string();
    let made = ntpctl(&scratch, &["keygen"]);
    let words: Vec<&str> = made.stdout.split_whitespace().collect();
    assert!(matches!(words[..], ["1", "AES128CMAC", secret] if secret.len() == 32), "{}", made.both());
    fs::write(&keys, b"\xff\xfe damaged\n1 MD5 mine").unwrap();
    let added = ntpctl(&scratch, &["keygen", &keys, "--type", "sha256"]);
    assert_eq!(added.status, 0, "{}", added.both());
    let content = fs::read(&keys).unwrap();
    assert!(content.starts_with(b"\xff\xfe damaged\n1 MD5 mine\n2 SHA256 "), "{content:?}");
    for (words, status, said) in [
        (vec!["keygen", &keys, "--number", "1"], 2, "there is a key 1 already"),
        (vec!["keygen", &keys, "--type", "rot13"], 1, "no type of keys called \"rot13\""),
        (vec!["keygen", &keys, "--number", "0"], 1, "0"),
        (vec!["keygen", "/nonexistent/ntp.keys"], 3, "/nonexistent"),
        (vec!["keygen", "/"], 2, "is a directory"),
    ] {
        let refused = ntpctl(&scratch, &words);
        assert_eq!(refused.status, status, "{words:?}: {}", refused.both());
        assert!(refused.both().contains(said), "{words:?}: {}", refused.both());
        assert_eq!(fs::read(&keys).unwrap(), content);
    }
}

#[test]
fn new_words_of_the_command_line_are_judged() {
    let scratch = Scratch::with(b"server 127.127.1.0\n");
    for (words, said) in [(["-t", "many"], "many"), (["-t", "-1"], "-1"), (["--port", "0"], "0")] {
        let outcome = run(Command::new(ours("ntpd")).args(words).arg("-c").arg(&scratch.conf));
        assert_eq!(outcome.status, 1, "{words:?}: {}", outcome.both());
        assert!(outcome.stderr.contains(said), "{words:?}: {}", outcome.both());
    }
    let missing = run(without_clock(Path::new("timeout"))
        .arg("2")
        .arg(ours("ntpd"))
        .args(["-n", "--clock=none", "-k", "/nonexistent/keys", "--port", &free_port().to_string(), "-c"])
        .arg(&scratch.conf));
    assert!(
        missing.both().contains("/nonexistent/keys: there is no such file: no key is used"),
        "{}",
        missing.both()
    );
}

#[test]
fn who_reads_no_further_makes_no_failure_of_what_only_shows() {
    let script = "for words in manual 'completions bash' 'explain restrict'; do \
                  \"$1\" $words | true; status=${PIPESTATUS[0]}; [ $status = 0 ] || exit $status; done";
    let outcome = run(Command::new("bash").args(["-c", script, "bash"]).arg(ours("ntpctl")));
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn each_new_word_has_an_answer_to_nonsense() {
    for (line, place, words) in [
        ("mode6", "1:1", "needs a parameter"),
        ("mode6 loud", "1:7", "unknown option \"loud\" for mode6"),
        ("logconfig", "1:1", "needs a value"),
        ("logconfig =syncall +bogus", "1:20", "\"+bogus\" selects no lines of the log"),
        ("logconfig = syncall", "1:11", "as in =syncall"),
    ] {
        let scratch = Scratch::with(format!("{line}\nserver 192.0.2.1\n").as_bytes());
        let checked = run(Command::new(ours("ntpctl")).arg("check").arg(&scratch.conf)).both();
        assert!(
            checked.contains(&format!("ntp.conf:{place}: ")) && checked.contains(words),
            "{line}: {checked}"
        );
    }
    let host = format!("127.0.0.1:{}", free_port());
    for (command, words) in [
        ("authenticate maybe", "usage: authenticate [yes|no]"),
        ("config-from-file", "usage: config-from-file FILE"),
        ("config-from-file /nonexistent", "/nonexistent: there is no such file"),
        ("config-from-file /dev/zero", "/dev/zero: it is not a file"),
        ("logfile", "usage: logfile stderr|FILE"),
        ("logfile /nonexistent/log", "/nonexistent/log: No such file"),
        ("passwd", "usage: passwd SECRET"),
    ] {
        let said = run(Command::new(ours("ntpq")).args(["-c", command, &host]));
        assert!(said.status == 1 && said.stderr.contains(words), "{command}: {}", said.both());
    }
    let folder = tempfile::tempdir().unwrap();
    for (words, answer) in [
        (&["../x", "192.0.2.1"][..], "is no name of an interface"),
        (&["networkd-3", "192.0.2.1"], "are those of `ntpctl dhcp --networkd`"),
        (&["--networkd", "/nonexistent"], "/nonexistent: there is no such folder"),
        (&["eth0", "$(reboot)"], "is neither an address nor a name"),
    ] {
        let mut command = Command::new(ours("ntpctl"));
        let said =
            run(command.args(["dhcp", "--no-reload", "--folder"]).arg(folder.path()).args(words)).both();
        assert!(said.contains(answer), "{words:?}: {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
