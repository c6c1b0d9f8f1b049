//! What is left to ntpd once it runs: its own folders, its own calls, and words for a configuration that wants more.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ntp_tests::{Daemon, free_port, is_root, measure, ours, run, skip, until, without_clock};

/// A place that the daemon is told of, one that it is not, and a copy of the helper that anybody may run.
struct Place {
    folder: tempfile::TempDir,
    conf: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etc", "state", "elsewhere"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o777)).unwrap();
            let file = folder.path().join(name).join("file");
            fs::write(&file, "\n").unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let conf = folder.path().join("etc/ntp.conf");
        let state = folder.path().join("state/ntp.drift");
        fs::write(&conf, format!("server 127.0.0.9\ndriftfile {}\n", state.display())).unwrap();
        // By another process: a test that forks beside this one would keep the copy open, and busy.
        assert_eq!(run(Command::new("cp").arg(ours("confined")).arg(folder.path())).status, 0);
        Self { folder, conf }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Whether the helper can do it, as the user that the unit would have it run as.
    fn can(&self, config: &Path, attempt: &[&str]) -> bool {
        let helper = self.folder.path().join("confined");
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set", "-all"]);
            command.args(["--inh-caps", "-all"]).arg(helper);
            command
        } else {
            Command::new(helper)
        };
        let outcome = run(command.arg(config).args(attempt));
        assert!([0, 13, -1].contains(&outcome.status), "{attempt:?}: {}", outcome.both());
        outcome.status == 0
    }
}

/// Whether this kernel confines files at all, as a daemon says of it.
fn has_landlock(place: &Place, test: &str) -> bool {
    let mut running = Running::start(place, &[]);
    let log = fs::read_to_string(&running.log).unwrap();
    assert_eq!(running.daemon.terminate(), Some(0));
    let there = !log.contains("this kernel does not confine files");
    if !there {
        skip(test, "this kernel has no Landlock");
    }
    there
}

#[test]
fn what_the_daemon_does_is_possible_and_nothing_else() {
    let place = Place::new();
    let landlock = has_landlock(&place, "what_the_daemon_does_is_possible_and_nothing_else");
    let free = Path::new("free");
    let own = place.file("state/file");
    for attempt in [
        &["read", "/etc/hosts"][..],
        &["read", &place.file("etc/file")],
        &["write", &own],
        &["thread"],
        &["udp"],
        &["resolve", "localhost"],
        &["rename", &own],
        &["remove", &place.file("state/file.new")],
    ] {
        assert!(place.can(&place.conf, attempt), "{attempt:?}");
    }
    // Everybody on this machine may do these, but for what the daemon gave up.
    for attempt in [&["exec", "/bin/true"][..], &["command", "/bin/true"], &["clock"], &["signal"]] {
        assert!(place.can(free, attempt), "{attempt:?}");
        assert!(!place.can(&place.conf, attempt), "{attempt:?}");
    }
    let elsewhere = place.file("elsewhere/file");
    for attempt in [
        &["read", &elsewhere][..],
        &["write", &elsewhere],
        &["write", &place.file("etc/file")],
        &["write", &place.file("elsewhere/new")],
        &["read", "/proc/self/maps"],
        &["tcp", "127.0.0.1:9"],
        &["rename", &elsewhere],
    ] {
        assert!(place.can(free, attempt), "{attempt:?}");
        assert!(!landlock || !place.can(&place.conf, attempt), "{attempt:?}");
    }
    // Nor what the unit's user may not do anyway.
    for attempt in [&["read", "/etc/shadow"][..], &["raw"], &["packet"], &["root", "/"]] {
        assert!(!place.can(&place.conf, attempt), "{attempt:?}");
    }
}

/// A daemon with its log, which reads its configuration anew when it is told to.
struct Running {
    daemon: Daemon,
    log: PathBuf,
    pid: String,
    port: u16,
}

impl Running {
    fn start(place: &Place, more: &[&str]) -> Self {
        Self::start_with_log(place, more, &place.folder.path().join("log"))
    }

    /// The same with the log that ntp.conf names, or where standard error goes.
    fn start_with_log(place: &Place, more: &[&str], log: &Path) -> Self {
        let said = place.folder.path().join("log");
        let daemon_port = free_port();
        let port = daemon_port.to_string();
        let conf = place.conf.display().to_string();
        let arguments = [&["-n", "--clock=none", "--port", &port, "-c", &conf][..], more].concat();
        let daemon = Daemon::start(None, &ours("ntpd"), &arguments, &said);
        let pid = daemon.id().to_string();
        let running = Self { daemon, log: log.to_path_buf(), pid, port: daemon_port };
        running.says("confined");
        running
    }

    fn says(&self, words: &str) {
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert!(until(Duration::from_secs(10), || log().contains(words)), "{words}: {}", log());
    }

    fn reload(&self) {
        assert_eq!(run(Command::new("kill").args(["-HUP", &self.pid])).status, 0);
    }
}

#[test]
fn a_configuration_that_wants_more_is_refused_with_a_word_and_the_old_one_stays() {
    let place = Place::new();
    if !has_landlock(&place, "a_configuration_that_wants_more_is_refused_with_a_word_and_the_old_one_stays") {
        return;
    }
    let mut running = Running::start(&place, &[]);
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid)).unwrap();
    assert!(status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"), "{status}");
    let before = fs::read_to_string(&place.conf).unwrap();
    let (statistics, more) = (place.file("elsewhere"), place.file("elsewhere/more.conf"));
    fs::write(&more, "server 127.0.0.8\n").unwrap();
    for (line, named) in [
        (format!("statsdir {statistics}\nstatistics loopstats\n"), format!("{statistics}/loopstats")),
        (format!("includefile {more}\n"), more.clone()),
        (format!("keys {statistics}/keys\n"), format!("{statistics}/keys")),
    ] {
        fs::write(&place.conf, format!("{before}{line}")).unwrap();
        running.reload();
        running.says(&format!(
            "the configuration is not read anew: {named} lies outside the folders that ntpd confined itself to when it \
             started; restart it"
        ));
    }
    // Replaced as editors do it, and within what is there.
    let edited = place.file("etc/new");
    fs::write(&edited, format!("{before}keys {}\nserver 127.0.0.7\n", place.file("etc/keys"))).unwrap();
    fs::write(place.file("etc/keys"), "1 SHA256 0123456789012345678901234567890123456789\n").unwrap();
    fs::rename(&edited, &place.conf).unwrap();
    running.reload();
    running.says("is in force (sources: 1 as before; new: 127.0.0.7; gone: none)");
    assert_eq!(running.daemon.terminate(), Some(0));
}

#[test]
fn a_slip_of_the_pen_does_not_stop_asking_those_who_are_asked() {
    let place = Place::new();
    let mut running = Running::start(&place, &[]);
    fs::write(&place.conf, "sever 127.0.0.1\n").unwrap();
    running.reload();
    running.says("the configuration is not read anew: ");
    running.says("1 of its lines are wrong, and none names a usable server");
    // Nobody at all is what was asked for.
    fs::write(&place.conf, "").unwrap();
    running.reload();
    running.says("names none, and the clock runs free");
    running.says("(sources: 0 as before; new: none; gone: 127.0.0.9)");
    assert_eq!(running.daemon.terminate(), Some(0));
}

/// Requests of every mode from many ports, some of them well formed, none of them waited for.
fn load(daemon: SocketAddr, requests: usize) {
    let sockets: Vec<UdpSocket> =
        (0..16).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    for (number, socket) in sockets.iter().cycle().take(requests).enumerate() {
        let mode = u8::try_from(number % 8).unwrap();
        let mut packet = [0; 48];
        packet[0] = 4 << 3 | mode;
        let length = if mode == 6 { 12 } else { 48 - number % 3 };
        drop(socket.send_to(&packet[..length], daemon));
    }
}

/// A debug build ends at the first call that is not on the list, so this one would not come to its end.
#[test]
fn under_load_with_new_keys_new_logs_reloads_and_names_nobody_knows_it_needs_nothing_more() {
    let place = Place::new();
    let (keys, state) = (place.file("etc/keys"), place.file("state"));
    let text = format!(
        "server 127.127.1.0\nserver 127.0.0.9 key 1\nserver no-such-host.invalid\ndriftfile {state}/ntp.drift\n\
         keys {keys}\ntrustedkey 1\ncontrolkey 1\nleapfile /usr/share/zoneinfo/leap-seconds.list\n\
         statsdir {state}/\nstatistics loopstats peerstats rawstats sysstats protostats\n\
         logfile {state}/ntpd.log\nserver-threads 2\nrestrict default limited kod\nrestrict 127.0.0.0 mask 255.0.0.0\n"
    );
    fs::write(&place.conf, &text).unwrap();
    fs::write(&keys, "1 SHA1 0123456789012345678901234567890123456789\n").unwrap();
    let logs =
        ["ntpd.log", "ntpd.log.1", "ntpd.log.2"].map(|name| place.folder.path().join("state").join(name));
    let mut running = Running::start_with_log(&place, &[], &logs[0]);
    let daemon = SocketAddr::from((Ipv4Addr::LOCALHOST, running.port));
    for round in 0..20 {
        load(daemon, 3000);
        fs::write(format!("{keys}.new"), format!("1 SHA256 {round:064x}\n")).unwrap();
        fs::rename(format!("{keys}.new"), &keys).unwrap();
        fs::write(&place.conf, format!("{text}server 127.0.0.{}\n", 10 + round)).unwrap();
        // As logrotate does it.
        drop(fs::rename(&logs[1], &logs[2]));
        drop(fs::rename(&logs[0], &logs[1]));
        running.reload();
        running.says(&format!("new: 127.0.0.{}; gone: ", 10 + round));
        let host = daemon.to_string();
        let asked = run(
            Command::new(ours("ntpq")).args(["-n", "-p", "-c", "ifstats", "-k", &keys, "-a", "1", &host])
        );
        assert!(asked.stdout.contains("LOCAL(0)"), "{round}: {}", asked.both());
    }
    assert!(measure(daemon).is_some(), "it serves");
    assert_eq!(running.daemon.terminate(), Some(0));
}

#[test]
fn what_was_not_there_at_the_start_stops_no_reload() {
    let place = Place::new();
    let before = fs::read_to_string(&place.conf).unwrap();
    let text = before.replace("state/ntp.drift", "nowhere/ntp.drift");
    assert_ne!(text, before);
    fs::write(&place.conf, &text).unwrap();
    let mut running = Running::start(&place, &[]);
    running.says("will not be remembered");
    fs::write(&place.conf, text + "server 127.0.0.7\n").unwrap();
    running.reload();
    running.says("is in force (sources: 1 as before; new: 127.0.0.7; gone: none)");
    assert_eq!(running.daemon.terminate(), Some(0));
    // What only a restart puts in force is named.
    fs::write(&place.conf, &before).unwrap();
    let mut running = Running::start(&place, &[]);
    let log = place.file("state/ntpd.log");
    fs::write(&place.conf, before + &format!("disable ntp\nlogfile {log}\n")).unwrap();
    running.reload();
    running.says("what `enable/disable ntp`, `logfile` lines say now holds from the next start");
    assert_eq!(running.daemon.terminate(), Some(0));
}

#[test]
fn who_is_not_root_hears_that_it_stays_who_it_is() {
    if !is_root() {
        return skip("who_is_not_root_hears_that_it_stays_who_it_is", "needs another user to be");
    }
    let place = Place::new();
    let program = place.file("ntpd");
    assert_eq!(run(Command::new("cp").arg(ours("ntpd")).arg(&program)).status, 0);
    let mut command = without_clock(Path::new("timeout"));
    command.args(["1", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", &program]);
    command.args(["-n", "--clock=none", "-u", "root", "--port", &free_port().to_string()]);
    let said = run(command.arg("-c").arg(&place.conf)).both();
    assert!(said.contains("-u root is not acted on: only root can become another user"), "{said}");
}

#[test]
fn what_is_named_by_a_relative_path_is_within_reach() {
    let place = Place::new();
    let mut running = Running::start(&place, &["-p", "of-a-test.pid"]);
    running.reload();
    running.says("is in force (sources: 1 as before; new: none; gone: none)");
    assert_eq!(running.daemon.terminate(), Some(0));
    assert!(!Path::new("of-a-test.pid").exists());
}

#[test]
fn without_the_sandbox_everything_is_within_reach_and_the_log_says_so() {
    let place = Place::new();
    let mut running = Running::start(&place, &["--no-sandbox"]);
    running.says("not confined: --no-sandbox was given");
    let more = place.file("elsewhere/more.conf");
    fs::write(&more, "server 127.0.0.8\n").unwrap();
    let before = fs::read_to_string(&place.conf).unwrap();
    fs::write(&place.conf, format!("{before}includefile {more}\n")).unwrap();
    running.reload();
    running.says("is in force (sources: 1 as before; new: 127.0.0.8; gone: none)");
    assert_eq!(running.daemon.terminate(), Some(0));
}

#[test]
fn root_becomes_the_user_it_is_told_to_and_keeps_two_rights_at_most() {
    if !is_root() {
        return skip(
            "root_becomes_the_user_it_is_told_to_and_keeps_two_rights_at_most",
            "becoming another user needs root",
        );
    }
    let place = Place::new();
    let mut running = Running::start(&place, &["-u", "nobody:nogroup"]);
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid)).unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("Uid:"), "65534\t65534\t65534\t65534");
    assert_eq!(field("Groups:"), "65534");
    // Ports below 1024; the right to set the clock is taken from every daemon of a test.
    assert_eq!(field("CapEff:"), "0000000000000400");
    for set in ["CapPrm:", "CapBnd:"] {
        assert_eq!(field(set), "0000000000000400", "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(running.daemon.terminate(), Some(0));
    let conf = place.conf.display().to_string();
    let unknown =
        run(without_clock(&ours("ntpd")).args(["-n", "--clock=none", "-u", "no-such", "-c", &conf]));
    assert_eq!((unknown.status, unknown.stderr.as_str()), (1, "ntpd: -u: there is no user no-such\n"));
}
