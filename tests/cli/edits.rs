//! The commands of `ntpctl` that change, show and carry over configurations.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ntp_tests::{Daemon, Outcome, Peer, free_port, ours, packaged, peer, run, skip};

const CONF: &str = "driftfile /var/lib/ntp/ntp.drift\ntinker panic 0\nserver a.example iburst   # first\n#server b.example iburst\nincludefile more\nrestrict default kod limited nomodify nopeer noquery\nrestrict 127.0.0.1\nrestrict 10.0.0.0/8 noserve\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("more")).unwrap();
        fs::write(place.path("ntp.conf"), CONF).unwrap();
        fs::write(place.path("more/x.conf"), "server c.example\n").unwrap();
        let backups = place.path("backup").display().to_string();
        fs::write(place.path("ntpctl.toml"), format!("backup-dir = \"{backups}\"\n")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn conf(&self) -> String {
        fs::read_to_string(self.path("ntp.conf")).unwrap()
    }

    /// Runs `ntpctl` in the folder, on its ntp.conf.
    fn ntpctl(&self, words: &[&str]) -> Outcome {
        let mut command = Command::new(ours("ntpctl"));
        command.current_dir(self.0.path()).args(["--settings", "ntpctl.toml"]).args(words);
        run(command.args(["-c", "ntp.conf"]))
    }

    /// A change that must be made.
    fn change(&self, words: &[&str]) -> Outcome {
        let outcome = self.ntpctl(&[words, &["--no-restart"]].concat());
        assert_eq!(outcome.status, 0, "{words:?}: {}", outcome.both());
        outcome
    }
}

#[test]
fn every_edit_changes_its_word_and_no_other_byte() {
    let place = Place::new();
    for (words, from, to) in [
        (&["enable-server", "b.example"][..], "#server b", "server b"),
        (&["set-option", "a.example", "minpoll", "4"], "iburst   # first", "iburst minpoll 4   # first"),
        (&["unset-option", "a.example", "iburst"], " iburst minpoll", " minpoll"),
        (&["replace-server", "b.example", "d.example"], "b.example", "d.example"),
        (&["disable-server", "d.example"], "server d", "#server d"),
        (&["set", "tinker", "panic", "1000"], "panic 0", "panic 1000"),
        (&["set", "driftfile", "/x y"], "/var/lib/ntp/ntp.drift", "\"/x y\""),
        (&["unset", "tinker", "panic"], "tinker panic 1000\n", ""),
        (&["remove-server", "a.example"], "server a.example minpoll 4   # first\n", ""),
        (
            &["add-server", "e.example", "minpoll", "4"],
            "include",
            "server e.example iburst minpoll 4\ninclude",
        ),
        (&["add-server", "e.example", "maxpoll", "6", "--merge"], "minpoll 4", "minpoll 4 maxpoll 6"),
        (&["add-server", "e.example", "--no-iburst", "--replace"], " iburst minpoll 4 maxpoll 6", ""),
    ] {
        let before = place.conf();
        assert!(before.contains(from), "{words:?}: {before}");
        place.change(words);
        assert_eq!(place.conf(), before.replacen(from, to, 1), "{words:?}");
        // Twice is once.
        let (after, again) = (place.conf(), place.ntpctl(&[words, &["--no-restart"]].concat()));
        assert!(matches!(again.status, 0 | 1), "{words:?}: {}", again.both());
        assert_eq!(place.conf(), after, "{words:?}");
    }
}

#[test]
fn a_change_goes_where_the_line_is_or_into_a_file_of_its_own() {
    let place = Place::new();
    let outcome = place.change(&["set-option", "c.example", "iburst"]);
    assert!(outcome.stdout.contains("the change belongs into more/x.conf"), "{}", outcome.stdout);
    assert_eq!(fs::read_to_string(place.path("more/x.conf")).unwrap(), "server c.example iburst\n");
    place.change(&["add-server", "e.example", "--drop-in"]);
    assert_eq!(fs::read_to_string(place.path("ntp.d/ntpctl.conf")).unwrap(), "server e.example iburst\n");
    assert_eq!(place.conf(), CONF);
    let list = place.ntpctl(&["list", "--all"]);
    for row in [
        "a.example iburst",
        "c.example iburst",
        "e.example iburst",
        "#server b.example iburst",
        "(ntp.d)",
        "(included)",
    ] {
        assert!(list.stdout.contains(row), "{row}: {}", list.stdout);
    }
    let rows: serde_json::Value = serde_json::from_str(&place.ntpctl(&["list", "--json"]).stdout).unwrap();
    let hosts: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["a.example", "c.example", "e.example"]);
    assert_eq!(rows[2]["line"], 1);
}

#[test]
fn the_value_that_counts_is_the_one_that_changes() {
    let place = Place::new();
    // The included file is read later, so what it says holds.
    fs::write(place.path("more/x.conf"), "server c.example\ntinker panic 7\n").unwrap();
    let set = place.change(&["set", "tinker", "panic", "9"]);
    assert!(set.stdout.contains("the change belongs into more/x.conf"), "{}", set.stdout);
    assert_eq!(fs::read_to_string(place.path("more/x.conf")).unwrap(), "server c.example\ntinker panic 9\n");
    assert!(place.ntpctl(&["explain"]).stdout.contains("tinker panic 9"));
    // Of a host that two files name, one change would be half of what was meant.
    fs::write(place.path("more/y.conf"), "server -4 c.example\n").unwrap();
    let both = place.ntpctl(&["remove-server", "c.example", "--no-restart"]);
    assert_eq!(both.status, 2, "{}", both.both());
    assert!(both.stderr.contains("more/x.conf:1 and more/y.conf:1 name"), "{}", both.stderr);
}

#[test]
fn a_server_goes_with_the_rules_that_are_about_it_alone_if_that_is_asked_for() {
    let place = Place::new();
    let rules = "server 192.0.2.7\nrestrict 192.0.2.7 nomodify # its own\nrestrict 192.0.2.0/24 noquery\n";
    fs::write(place.path("ntp.conf"), rules).unwrap();
    let named = place.ntpctl(&["remove-server", "192.0.2.7", "--dry-run"]);
    assert!(named.stdout.contains("note: ntp.conf:2 restricts 192.0.2.7 and stays"), "{}", named.both());
    assert!(named.stdout.contains("-server 192.0.2.7\n restrict 192.0.2.7"), "{}", named.both());
    let gone = place.change(&["remove-server", "192.0.2.7", "--with-restrict"]);
    assert_eq!(place.conf(), "restrict 192.0.2.0/24 noquery\n");
    assert!(!gone.stdout.contains("note: "), "{}", gone.both());
    // The rules of somebody who is no server stay.
    let nobody = place.ntpctl(&["remove-server", "192.0.2.0/24", "--with-restrict", "--strict"]);
    assert_eq!(nobody.status, 1, "{}", nobody.both());
    fs::write(place.path("ntp.conf"), "server 192.0.2.7\nrestrict 127.0.0.1\n").unwrap();
    let local = place.ntpctl(&["remove-server", "127.0.0.1", "--with-restrict", "--no-restart"]);
    assert!(local.status == 0 && local.stdout.contains("127.0.0.1 is not there"), "{}", local.both());
    assert_eq!(place.conf(), "server 192.0.2.7\nrestrict 127.0.0.1\n");
}

#[test]
fn which_of_several_comments_is_meant_is_asked() {
    let place = Place::new();
    let text = "server a iburst dynamic\nserver b\n\n#server a\n";
    fs::write(place.path("ntp.conf"), text).unwrap();
    place.change(&["disable-server", "a"]);
    let which = place.ntpctl(&["enable-server", "a", "--no-restart"]);
    assert_eq!(which.status, 2, "{}", which.both());
    assert!(which.stderr.contains("lines 1 and 4 both name a in a comment: say which with --line N"));
    // Whatever is wrong with it, it comes back as it was.
    place.change(&["enable-server", "a", "--line", "1"]);
    assert_eq!(place.conf(), text);
}

#[test]
fn a_server_that_is_named_again_is_listed_and_never_half_removed() {
    let place = Place::new();
    fs::write(place.path("more/x.conf"), "server A.example. prefer\n").unwrap();
    let list = place.ntpctl(&["list"]);
    assert!(list.stdout.contains("more/x.conf:1  (included)  (named before: not used)"), "{}", list.stdout);
    let rows: serde_json::Value = serde_json::from_str(&place.ntpctl(&["list", "--json"]).stdout).unwrap();
    assert_eq!((&rows[1]["active"], &rows[1]["duplicate"]), (&false.into(), &true.into()));
    let both = place.ntpctl(&["remove-server", "a.example", "--no-restart"]);
    assert_eq!(both.status, 2, "{}", both.both());
    assert!(both.stderr.contains("ntp.conf:3 and more/x.conf:1 name"), "{}", both.stderr);
}

#[test]
fn more_servers_than_are_followed_are_said_when_they_are_added() {
    let place = Place::new();
    fs::write(place.path("ntp.conf"), "tos maxclock 2\nserver a.example\nserver b.example\n").unwrap();
    let added = place.change(&["add-server", "c.example"]);
    assert!(added.stdout.contains("no more of the 3 servers are followed"), "{}", added.stdout);
}

#[test]
fn what_is_switched_off_can_be_switched_on_whatever_it_looks_like() {
    let place = Place::new();
    for line in ["peer p.example", "server p.example minpoll 2", "\tserver p.example minpoll 9 maxpoll 5 # x"]
    {
        fs::write(place.path("ntp.conf"), format!("{CONF}{line}\n")).unwrap();
        let before = place.conf();
        place.change(&["disable-server", "p.example"]);
        assert!(place.conf().ends_with(&format!("\n#{line}\n")), "{}", place.conf());
        place.change(&["enable-server", "p.example"]);
        assert_eq!(place.conf(), before, "{line}");
    }
}

#[test]
fn a_file_of_its_own_has_a_history_of_its_own() {
    let place = Place::new();
    place.change(&["set", "tinker", "panic", "5"]);
    place.change(&["add-server", "e.example", "--drop-in"]);
    place.change(&["add-server", "f.example", "--drop-in"]);
    let main = place.conf();
    place.change(&["rollback", "--drop-in"]);
    assert_eq!(fs::read_to_string(place.path("ntp.d/ntpctl.conf")).unwrap(), "server e.example iburst\n");
    assert_eq!(place.conf(), main);
    let log = place.ntpctl(&["log", "--drop-in"]);
    assert_eq!(log.stdout.lines().count(), 2, "{}", log.stdout);
    let diff = place.ntpctl(&["diff", "--drop-in"]);
    assert!(diff.stdout.contains("-server f.example iburst\n"), "{}", diff.stdout);
    // What the main file names is not named again.
    let there = place.ntpctl(&["add-server", "a.example", "--drop-in", "--no-restart"]);
    assert!(there.status == 0 && there.stdout.contains("already there"), "{}", there.both());
    assert!(!fs::read_to_string(place.path("ntp.d/ntpctl.conf")).unwrap().contains("a.example"));
}

#[test]
fn older_versions_are_listed_shown_and_brought_back() {
    let place = Place::new();
    place.change(&["set", "tinker", "panic", "5"]);
    place.change(&["set", "tinker", "panic", "6"]);
    let log = place.ntpctl(&["log"]);
    assert_eq!(log.stdout.lines().count(), 2, "{}", log.stdout);
    let diff = place.ntpctl(&["diff", "2"]);
    assert!(diff.stdout.contains("-tinker panic 0\n+tinker panic 6\n"), "{}", diff.stdout);
    place.change(&["rollback", "2"]);
    assert_eq!(place.conf(), CONF);
    // Going back is a change like any other: it can be taken back as well.
    place.change(&["rollback"]);
    assert!(place.conf().contains("panic 6"));
    assert_eq!(place.ntpctl(&["rollback", "9"]).status, 1);
    assert_eq!(place.ntpctl(&["rollback", "0"]).status, 1);
    // It is the way out when nothing else is: whatever the old version has in it, and without a file.
    fs::write(place.path("ntp.conf"), "server a\nbogus\n").unwrap();
    place.change(&["set", "tinker", "panic", "7"]);
    fs::write(place.path("ntp.conf"), "server a\n").unwrap();
    let back = place.change(&["rollback"]);
    assert!(
        back.stdout.contains("unknown directive") && place.conf() == "server a\nbogus\n",
        "{}",
        back.both()
    );
    fs::remove_file(place.path("ntp.conf")).unwrap();
    place.change(&["rollback"]);
    assert_eq!(place.conf(), "server a\n");
}

#[test]
fn check_speaks_for_programs_and_for_the_other_daemons() {
    let place = Place::new();
    fs::write(
        place.path("ntp.conf"),
        "server a.example nts\nserver b.example preempt ibrust\nrestrict 10.0.0.0/8\n",
    )
    .unwrap();
    let report = |words: &[&str]| -> (i32, Vec<(i64, String)>) {
        let outcome = place.ntpctl(words);
        let value: serde_json::Value = serde_json::from_str(outcome.stdout.trim()).unwrap();
        assert_eq!(value["file"], "ntp.conf");
        let findings = value["diagnostics"].as_array().unwrap().iter();
        let findings = findings.filter(|finding| finding["severity"] == "error");
        (
            outcome.status,
            findings.map(|f| (f["line"].as_i64().unwrap(), f["code"].as_str().unwrap().to_owned())).collect(),
        )
    };
    assert_eq!(report(&["check", "--json"]), (1, vec![(2, "E005".to_owned())]));
    let stumbles = |line| (line, "T001".to_owned());
    assert_eq!(report(&["check", "--json", "--target", "classic"]), (1, vec![stumbles(1), stumbles(2)]));
    assert_eq!(report(&["check", "--json", "--target", "ntpsec"]), (1, vec![stumbles(2)]));
    let words = place.ntpctl(&["check", "--target", "classic"]);
    assert!(words.stdout.contains("classic ntpd reads `server a.example`"), "{}", words.stdout);
    assert!(words.stdout.contains("knows no prefix lengths"), "{}", words.stdout);
}

#[test]
fn explain_says_what_holds_and_why() {
    let place = Place::new();
    let said = |words: &[&str], expected: &[&str]| {
        let outcome = place.ntpctl(words);
        assert_eq!(outcome.status, 0, "{words:?}: {}", outcome.both());
        for text in expected {
            assert!(outcome.stdout.contains(text), "{words:?}: {text} is missing from\n{}", outcome.stdout);
        }
    };
    said(&["explain"], &["tinker panic 0", "ntp.conf:2", "tos minsane 1", "default", "127.0.0.1"]);
    said(&["explain", "tinker"], &["tinker OPTION...", "panic", "default 1000", "ntp.conf:2"]);
    said(&["explain", "broadcast"], &["Not supported"]);
    said(
        &["explain", "restrict default notrapp"],
        &["did you mean `notrap`?", "classic ntpd reports a syntax error"],
    );
    said(&["explain", "server", "x", "iburst"], &["server x iburst", "asks quickly"]);
    // In match order: what is more specific comes first.
    let access = place.ntpctl(&["explain"]).stdout;
    let at = |text: &str| access.find(text).unwrap_or(usize::MAX);
    assert!(at("127.0.0.1 ") < at("10.0.0.0 mask") && at("10.0.0.0 mask") < at("everybody "), "{access}");
}

#[test]
fn what_cannot_be_done_changes_nothing_and_says_why() {
    let place = Place::new();
    for (words, status, expected) in [
        (&["remove-server", "z.example", "--strict"][..], 1, "not there"),
        (&["replace-server", "a.example", "c d"], 1, "cannot be"),
        (&["replace-server", "z.example", "y.example"], 1, "not there"),
        (&["enable-server", "z.example"], 1, "not even as a comment"),
        (&["set-option", "a.example", "minpoll", "99"], 1, "0 to 17"),
        (&["set-option", "a.example", "ibrust"], 1, "did you mean `iburst`"),
        (&["set", "bananas", "5"], 1, "cannot be set so"),
        (&["set", "tinker", "panic", "much"], 1, "0 to"),
        (&["set", "driftfile", "/x\n/y"], 1, "no place"),
        (&["add-server", "a.example", "--prefer"], 2, "other options"),
        (&["add-server", "x.example", "bananas"], 1, "unknown option"),
        (&["set-servers", "a b"], 1, "cannot be"),
    ] {
        let outcome = place.ntpctl(&[words, &["--no-restart"]].concat());
        assert_eq!(outcome.status, status, "{words:?}: {}", outcome.both());
        assert!(outcome.stderr.contains(expected), "{words:?}: {}", outcome.both());
        assert_eq!(place.conf(), CONF, "{words:?}");
    }
    let nothing = place.ntpctl(&["remove-server", "z.example"]);
    assert_eq!((nothing.status, nothing.stdout.contains("nothing to do")), (0, true), "{}", nothing.both());
    // A server that two files name: the main one alone is edited, and the rest is said.
    let set = place.ntpctl(&["set-servers", "n.example", "--dry-run"]);
    assert_eq!(set.status, 10, "{}", set.both());
    assert!(set.stdout.contains("c.example") && set.stdout.contains("stays"), "{}", set.stdout);
}

#[test]
fn any_server_can_be_asked_for_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let (conf, port) = (folder.path().join("ntp.conf"), free_port().to_string());
    fs::write(&conf, "server 127.127.1.0\nfudge 127.127.1.0 stratum 4\n").unwrap();
    let words = ["-n", "-c", &conf.display().to_string(), "--clock=none", "--port", &port];
    let _daemon = Daemon::start(None, &ours("ntpd"), &words, &folder.path().join("log"));
    let query = |words: &[&str]| run(Command::new(ours("ntpctl")).arg("query").args(words));
    let place = format!("127.0.0.1:{port}");
    let answered = ntp_tests::until(std::time::Duration::from_secs(10), || query(&[&place]).status == 0);
    let words = query(&[&place, "--samples", "2"]);
    assert!(
        answered && words.stdout.contains("offset ") && words.stdout.contains("stratum 5"),
        "{}",
        words.both()
    );
    let json: serde_json::Value = serde_json::from_str(query(&[&place, "--json"]).stdout.trim()).unwrap();
    assert!(json["offset_s"].as_f64().unwrap().abs() < 0.1 && json["error"].is_null(), "{json}");
    let silent = query(&["127.0.0.1:9"]);
    assert_eq!(
        (silent.status, silent.stdout.contains("nothing listens there")),
        (6, true),
        "{}",
        silent.both()
    );
    assert_eq!(query(&["no.such.host.invalid"]).status, 6);
    assert_eq!(query(&[]).status, 1);
}

/// What the packages ship, carried over, is a configuration that our daemon runs.
fn runs(name: &str, original: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    let import = run(Command::new(ours("ntpctl")).arg("import").arg(original).arg("-o").arg(&conf));
    assert_eq!(import.status, 0, "{name}: {}", import.both());
    let check = run(Command::new(ours("ntpctl")).args(["check", "-c"]).arg(&conf));
    assert_eq!(check.status, 0, "{name}: {}", check.both());
    // Nothing is dropped silently: every line that says something is there, or among what is left.
    let result = fs::read_to_string(&conf).unwrap();
    assert!(result.contains("pool ") || result.contains("server "), "{name}: {result}");
    let again = run(Command::new(ours("ntpctl")).arg("import").arg(original).arg("-o").arg(&conf));
    assert_eq!(again.status, 3, "{name}: an existing file is never replaced: {}", again.both());
}

#[test]
fn debians_chrony_conf_is_carried_over() {
    let program = match peer(Peer::Chronyd) {
        Ok(program) => program,
        Err(reason) => return skip("debians_chrony_conf_is_carried_over", &reason),
    };
    // Unpacked beside the build, or installed: the example lies in the same tree.
    let root = program.parent().and_then(Path::parent).and_then(Path::parent).unwrap();
    let found = ["etc/chrony/chrony.conf", "usr/share/chrony/chrony.conf"].map(|name| root.join(name));
    let Some(original) = found.iter().find(|path| path.exists()) else {
        return skip("debians_chrony_conf_is_carried_over", "the package's chrony.conf is not there");
    };
    runs("chrony", original);
}

#[test]
fn debians_timesyncd_conf_is_carried_over() {
    let Some(original) = packaged("systemd-timesyncd", "etc/systemd/timesyncd.conf") else {
        return skip("debians_timesyncd_conf_is_carried_over", "needs Debian's package systemd-timesyncd");
    };
    // It names no server but in a comment, which tells what systemd does without one.
    runs("timesyncd", &original);
}

#[test]
fn files_of_systemd_and_ntpd_rs_are_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    // Of comments alone, only systemd's own say what it does; a drop-in names servers.
    let timesyncd = folder.path().join("timesyncd.conf");
    fs::write(&timesyncd, "[Time]\n#NTP=\n#FallbackNTP=0.debian.pool.ntp.org\n#RootDistanceMaxSec=5\n")
        .unwrap();
    let silent = run(Command::new(ours("ntpctl")).arg("import").arg(&timesyncd));
    assert_eq!(silent.status, 2, "{}", silent.both());
    fs::create_dir(folder.path().join("timesyncd.conf.d")).unwrap();
    fs::write(folder.path().join("timesyncd.conf.d/10.conf"), "[Time]\nNTP=ntp1.example ntp2.example\n")
        .unwrap();
    runs("timesyncd", &timesyncd);
    // As ntpd-rs ships it.
    let toml = folder.path().join("ntp.toml");
    let text = "[observability]\nlog-level = \"info\"\nobservation-path = \"/var/run/ntpd-rs/observe\"\n[[source]]\nmode = \"pool\"\naddress = \"ntpd-rs.pool.ntp.org\"\ncount = 4\n[synchronization]\nsingle-step-panic-threshold = 1800\nstartup-step-panic-threshold = { forward=\"inf\", backward = 86400 }\nminimum-agreeing-sources = 3\n";
    fs::write(&toml, text).unwrap();
    runs("ntpd-rs", &toml);
    let unknown = folder.path().join("x");
    fs::write(&unknown, "hello\n").unwrap();
    let refused = run(Command::new(ours("ntpctl")).arg("import").arg(&unknown));
    assert_eq!((refused.status, refused.stderr.contains("--format")), (1, true), "{}", refused.both());
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = run(Command::new(ours("ntpctl")).args(["completions", shell]));
        assert!(outcome.status == 0 && outcome.stdout.contains("replace-server"), "{}", outcome.both());
        for word in ["driftfile", "xleave", "includefile"] {
            // What fish is given knows no words behind a command.
            assert!(shell == "fish" || outcome.stdout.contains(word), "{shell}: {word}");
        }
    }
}
