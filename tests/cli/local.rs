//! Programs on this machine ask the daemon over its socket, in JSON.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use ntp_tests::{free_port, is_root, ours, run, skip, until, without_clock};
use serde_json::{Value, json};

/// A daemon of ours with a socket.
struct Daemon {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Daemon {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("ntp.conf");
        fs::write(&conf, "server 127.127.1.0\nserver 127.0.0.9\n").unwrap();
        let port = free_port();
        let child = without_clock(&ours("ntpd"))
            .args(["-n", "--clock=none", "--port", &port.to_string(), "-c"])
            .arg(&conf)
            .arg("--control-socket")
            .arg(folder.path().join("control.sock"))
            .spawn()
            .unwrap();
        let daemon = Self { child, port, folder };
        assert!(until(Duration::from_secs(10), || daemon.path().exists()));
        daemon
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(&self, question: &str) -> Value {
        let mut stream = self.connect();
        // Where there are too many conversations, the answer comes before the question.
        drop(stream.write_all(format!("{question}\n").as_bytes()));
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn the_same_facts_come_as_json() {
    let daemon = Daemon::new();
    let all = daemon.ask(r#"{"command":"readvar"}"#);
    assert_eq!(all["variables"]["precision"].as_i64().map(|log| log < -10), Some(true), "{all}");
    let some = daemon.ask(r#"{"command":"readvar","names":["stratum","version"]}"#);
    assert_eq!(some["variables"].as_object().unwrap().len(), 2, "{some}");
    assert!(some["variables"]["version"].as_str().unwrap().starts_with("ntpd "));
    let list = daemon.ask(r#"{"command":"associations"}"#);
    let first = &list["associations"][0]["association"];
    let source =
        daemon.ask(&json!({ "command": "readvar", "association": first, "names": ["srcadr"] }).to_string());
    assert!(source["variables"]["srcadr"].as_str().unwrap().starts_with("127."), "{source}");
    // Over the network, signed or not, it is the same.
    let over = run(without_clock(&ours("ntpq"))
        .args(["--json", "-c", "rv 0 stratum"])
        .arg(format!("127.0.0.1:{}", daemon.port)));
    let over: Value = serde_json::from_str(&over.stdout).unwrap();
    assert_eq!(over["variables"]["stratum"], some["variables"]["stratum"]);
    let asks = run(without_clock(&ours("ntpctl")).args(["query", &format!("127.0.0.1:{}", daemon.port)]));
    assert_eq!(asks.status, 6, "{asks:?}");
    let clients = daemon.ask(r#"{"command":"mrulist","limit":10}"#);
    assert_eq!(clients["clients"][0]["address"], "127.0.0.1", "{clients}");
    assert!(clients["clients"][0]["count"].as_u64().unwrap() >= 1, "{clients}");
    let rows = daemon.ask(r#"{"command":"ifstats"}"#);
    assert!(!rows["interfaces"].as_array().unwrap().is_empty(), "{rows}");
    let said = daemon.ask(r#"{"command":"config","line":"restrict 192.0.2.0 mask 255.255.255.0 ignore"}"#);
    assert_eq!(said["in_force"], true, "{said}");
    let rules = daemon.ask(r#"{"command":"reslist"}"#).to_string();
    assert!(rules.contains("192.0.2.0"), "{rules}");
}

#[test]
fn whatever_is_asked_gets_words_and_costs_little() {
    let daemon = Daemon::new();
    let long = format!(r#"{{"command":"{}"}}"#, "x".repeat(10_000));
    for bad in [
        "",
        "rv",
        "{}",
        "[1]",
        r#"{"command":"halt"}"#,
        r#"{"command":"readvar","association":70000}"#,
        r#"{"command":"readvar","association":-1}"#,
        r#"{"command":"readvar","names":"all"}"#,
        r#"{"command":"readvar","names":["nosuchthing"]}"#,
        r#"{"command":"readvar","names":[1]}"#,
        r#"{"command":"mrulist","limit":1001}"#,
        r#"{"command":"readvar","nams":[]}"#,
        r#"{"command":"config","line":"server a\nserver b"}"#,
        &long,
    ] {
        let said = daemon.ask(bad);
        let refused = said["error"].is_string() || said["in_force"] == false;
        assert!(refused, "{bad:.60}: {said}");
    }
    let mut stream = daemon.connect();
    stream.write_all(b"{\"command\":\"\xff\"}\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("byte 13"), "{line}");
    // Those who say nothing are told so when there are too many of them, and keep nobody for long.
    let silent: Vec<UnixStream> = (0..40).map(|_| daemon.connect()).collect();
    let said = daemon.ask(r#"{"command":"associations"}"#);
    assert!(said["error"].as_str().unwrap().contains("too many conversations"), "{said}");
    assert!(until(Duration::from_secs(5), || {
        daemon.ask(r#"{"command":"associations"}"#)["associations"].is_array()
    }));
    drop(silent);
}

#[test]
fn a_socket_left_behind_is_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ntp.conf");
    fs::write(&conf, "server 127.127.1.0\n").unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    let start = |socket: &PathBuf| {
        let child = without_clock(&ours("ntpd"))
            .args(["-n", "--clock=none", "--port", &free_port().to_string(), "-c"])
            .arg(&conf)
            .arg("--control-socket")
            .arg(socket)
            .spawn()
            .unwrap();
        Daemon { child, port: 0, folder: tempfile::tempdir().unwrap() }
    };
    let socket = folder.path().join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    let _daemon = start(&socket);
    assert!(until(Duration::from_secs(10), || UnixStream::connect(&socket).is_ok()));
    let other = start(&file);
    std::thread::sleep(Duration::from_secs(1));
    drop(other);
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn sources_come_and_go_while_the_others_stay() {
    let daemon = Daemon::new();
    let config = |line: &str| daemon.ask(&json!({ "command": "config", "line": line }).to_string());
    let sources = || -> Vec<(u64, String)> {
        let list = daemon.ask(r#"{"command":"associations"}"#);
        let numbers: Vec<u64> = list["associations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["association"].as_u64().unwrap())
            .collect();
        let host = |number: &u64| {
            let question = json!({ "command": "readvar", "association": number, "names": ["srcadr"] });
            daemon.ask(&question.to_string())["variables"]["srcadr"].as_str().unwrap().to_owned()
        };
        numbers.iter().map(|number| (*number, host(number))).collect()
    };
    let before = sources();
    let named = |host: &str| sources().into_iter().find(|(_, name)| name == host).map(|(number, _)| number);
    let kept = named("127.0.0.9");
    assert!(kept.is_some(), "{before:?}");
    assert_eq!(config("server 127.0.0.10 iburst")["in_force"], true);
    let newcomer = named("127.0.0.10").unwrap();
    assert_eq!((named("127.0.0.9"), sources().len()), (kept, 3));
    // By number, as `associations` shows it; and it can come back.
    assert_eq!(config(&format!("unpeer {newcomer}"))["in_force"], true);
    assert_eq!((named("127.0.0.10"), sources().len()), (None, 2));
    assert_eq!(config("server 127.0.0.10")["in_force"], true);
    assert!(named("127.0.0.10").is_some());
    assert_eq!(config("unpeer 127.0.0.77")["in_force"], false);
    for (line, reason) in [
        ("tinker step 1", "restart"),
        ("leapfile /etc/shadow", "not taken"),
        ("server", "syntax error"),
        ("includefile /etc/passwd", "not taken"),
        ("# nothing", "empty line"),
    ] {
        let said = config(line);
        assert!(said["said"].as_str().unwrap().contains(reason), "{line}: {said}");
    }
    // What the file says by then holds when it is read again; what came by query holds as well.
    fs::write(daemon.folder.path().join("ntp.conf"), "server 127.0.0.9\n").unwrap();
    run(std::process::Command::new("kill").args(["-HUP", &daemon.child.id().to_string()]));
    assert!(until(Duration::from_secs(5), || sources().len() == 2));
    assert_eq!(named("127.0.0.9"), kept);
}

#[test]
fn a_line_that_comes_by_query_opens_nothing_and_holds_only_if_it_is_read() {
    let daemon = Daemon::new();
    let config = |line: &str| daemon.ask(&json!({ "command": "config", "line": line }).to_string());
    let flags_of = |range: &str| -> Option<String> {
        let list = daemon.ask(r#"{"command":"reslist"}"#);
        let rows = list["restrictions"].as_array().unwrap().clone();
        let row = rows.into_iter().find(|row| row.to_string().contains(range))?;
        Some(row.to_string())
    };
    // ntp.conf has no `restrict` line: queries are for this machine, whatever else comes by query.
    assert!(flags_of("0.0.0.0").unwrap().contains("noquery"));
    assert_eq!(config("restrict 192.0.2.7 ignore")["in_force"], true);
    assert!(flags_of("192.0.2.7").unwrap().contains("ignore"));
    assert!(flags_of("0.0.0.0").unwrap().contains("noquery"));
    // The same source named and taken out again and again is one line.
    for _ in 0..1100 {
        assert_eq!(config("server 127.0.0.10")["in_force"], true);
        assert_eq!(config("unpeer 127.0.0.10")["in_force"], true);
    }
    // What cannot be read is not in force, and is not later on either.
    let conf = daemon.folder.path().join("ntp.conf");
    fs::rename(&conf, daemon.folder.path().join("away")).unwrap();
    let said = config("restrict 192.0.2.8 ignore");
    assert!(said["in_force"] == false && said["said"].as_str().unwrap().contains("cannot be read"), "{said}");
    fs::rename(daemon.folder.path().join("away"), &conf).unwrap();
    assert_eq!(config("restrict 192.0.2.9 ignore")["in_force"], true);
    assert!(flags_of("192.0.2.9").is_some() && flags_of("192.0.2.8").is_none());
}

#[test]
fn lines_that_are_typed_ahead_are_not_lost() {
    let daemon = Daemon::new();
    let lines = daemon.folder.path().join("lines");
    fs::write(&lines, "rv 0 stratum\nrv 0 leap\nrv 0 tc\nquit\n").unwrap();
    let words = format!("{} 127.0.0.1:{}", ours("ntpq").display(), daemon.port);
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &words, "/dev/null"]).stdin(fs::File::open(&lines).unwrap());
    let said = run(script.env("HOME", daemon.folder.path()).env("TERM", "xterm")).stdout;
    for answer in ["stratum=", "leap=", "tc="] {
        assert!(said.contains(answer), "{answer}: {said:?}");
    }
}

#[test]
fn a_reload_says_what_came_of_it() {
    let daemon = Daemon::new();
    let conf = daemon.folder.path().join("ntp.conf");
    let reload = |arguments: &[&str]| {
        let mut command = without_clock(&ours("ntpctl"));
        run(command.args(["reload", "--socket"]).arg(daemon.path()).args(arguments))
    };
    let rules = || daemon.ask(r#"{"command":"reslist"}"#).to_string();
    fs::write(&conf, "server 127.127.1.0\nrestrict 192.0.2.1 ignore\n").unwrap();
    let good = reload(&[]);
    assert_eq!((good.status, good.stderr.as_str()), (0, ""), "{good:?}");
    assert!(good.stdout.contains("is in force") && good.stdout.contains("gone: 127.0.0.9"), "{good:?}");
    assert!(rules().contains("192.0.2.1"));
    // One line is wrong, the others hold.
    fs::write(&conf, "server 127.127.1.0\nsevrer 127.0.0.9\nrestrict 192.0.2.2 ignore\n").unwrap();
    let partly = reload(&[]);
    assert_eq!(partly.status, 0, "{partly:?}");
    assert!(partly.stdout.contains("ntp.conf:2:1: ") && partly.stdout.contains("is in force"), "{partly:?}");
    assert!(rules().contains("192.0.2.2"));
    // What is left over when many lines are wrong is counted.
    fs::write(&conf, "sevrer \x1b[31m\n".repeat(30)).unwrap();
    let bad = reload(&[]);
    assert_eq!(bad.status, 2, "{bad:?}");
    assert!(bad.stdout.contains("and 41 more: see the log") && !bad.stdout.contains('\x1b'), "{bad:?}");
    assert!(bad.stderr.contains("what was in force stays so") && rules().contains("192.0.2.2"), "{bad:?}");
    // The unit's log has it already.
    let quiet = reload(&["--or-signal", &daemon.child.id().to_string()]);
    assert_eq!((quiet.status, quiet.stdout.as_str()), (2, ""), "{quiet:?}");
}

#[test]
fn a_reload_that_nobody_answers_is_a_signal_or_an_error() {
    let daemon = Daemon::new();
    let conf = daemon.folder.path().join("ntp.conf");
    let elsewhere = daemon.folder.path().join("elsewhere");
    let reload = |arguments: &[&str]| {
        let mut command = without_clock(&ours("ntpctl"));
        run(command.args(["reload", "--socket"]).arg(&elsewhere).args(arguments))
    };
    let nobody = reload(&[]);
    assert_eq!(nobody.status, 4, "{nobody:?}");
    assert!(nobody.stderr.contains("is ntp.service running?"), "{nobody:?}");
    // It serves by then, and a signal does not end it.
    let rules = || daemon.ask(r#"{"command":"reslist"}"#).to_string();
    assert!(!rules().contains("192.0.2.1"));
    fs::write(&conf, "server 127.127.1.0\nrestrict 192.0.2.1 ignore\n").unwrap();
    let signalled = reload(&["--or-signal", &daemon.child.id().to_string()]);
    assert_eq!((signalled.status, signalled.stdout.as_str(), signalled.stderr.as_str()), (0, "", ""));
    assert!(until(Duration::from_secs(10), || rules().contains("192.0.2.1")));
    for (process, status) in [("0", 1), ("-1", 1), ("1", 1), ("nobody", 1), ("2147483647", 4)] {
        assert_eq!(reload(&["--or-signal", process]).status, status, "{process}");
    }
    // Another process listens there: it is not asked in the place of the one that is meant.
    let listener = UnixListener::bind(&elsewhere).unwrap();
    fs::write(&conf, "server 127.127.1.0\nrestrict 192.0.2.2 ignore\n").unwrap();
    let signalled = reload(&["--or-signal", &daemon.child.id().to_string()]);
    assert_eq!((signalled.status, signalled.stdout.as_str(), signalled.stderr.as_str()), (0, "", ""));
    assert!(until(Duration::from_secs(10), || rules().contains("192.0.2.2")));
    let (mut stream, _) = listener.accept().unwrap();
    let mut asked = String::new();
    stream.read_to_string(&mut asked).unwrap();
    assert_eq!(asked, "");
}

#[test]
fn nonsense_is_no_answer_to_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let answers: [(&[u8], &str); 6] = [
        (b"", "ended before it answered"),
        (b"\n", "does not speak as ntpd does"),
        (b"{}\n", "does not speak as ntpd does"),
        (b"[true]\n", "does not speak as ntpd does"),
        (b"{\"in_force\": 1, \"said\": \"\"}\n", "does not speak as ntpd does"),
        (b"\xff\n", "does not speak as ntpd does"),
    ];
    for (answer, expected) in answers {
        let reload = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
                drop(stream.write_all(answer));
            });
            run(without_clock(&ours("ntpctl")).args(["reload", "--socket"]).arg(&path))
        });
        assert_eq!(reload.status, 4, "{reload:?}");
        assert!(reload.stderr.contains(expected), "{reload:?}");
    }
}

#[test]
fn a_daemon_with_too_many_conversations_refuses_no_configuration() {
    let daemon = Daemon::new();
    let held: Vec<UnixStream> = (0..8).map(|_| UnixStream::connect(daemon.path()).unwrap()).collect();
    for stream in &held {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    let reload = || {
        let mut command = without_clock(&ours("ntpctl"));
        run(command.args(["reload", "--socket"]).arg(daemon.path()))
    };
    // They end by themselves after two seconds without a question.
    let busy: Vec<_> = (0..4).map(|_| reload()).collect();
    for outcome in busy {
        assert_eq!(outcome.status, 4, "{outcome:?}");
        assert!(outcome.stderr.contains("too many conversations"), "{outcome:?}");
    }
    drop(held);
    assert!(until(Duration::from_secs(5), || reload().status == 0));
}

#[test]
fn strangers_may_not_have_a_configuration_read() {
    if !is_root() {
        return skip("strangers_may_not_have_a_configuration_read", "needs root, to be somebody else");
    }
    let daemon = Daemon::new();
    // Whoever may reach the socket, and run the program.
    fs::set_permissions(daemon.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = daemon.folder.path().join("ntpctl");
    run(std::process::Command::new("cp").arg(ours("ntpctl")).arg(&copy));
    let words = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let mut stranger = std::process::Command::new("setpriv");
    let refused = run(stranger.args(words).arg(&copy).args(["reload", "--socket"]).arg(daemon.path()));
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.stderr.contains("reload is for root"), "{refused:?}");
}
