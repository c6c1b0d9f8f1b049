//! Mode 6, both ways: Debian's programs ask our ntpd, and our ntpq asks NTPsec's.

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ntp_tests::{Daemon, Following, Net, Peer, ours, peer, run, skip, start_chronyd, start_ntpsec, until};

/// A row's columns, with the tally as one of them.
fn columns(row: &str) -> Vec<String> {
    let (tally, rest) = row.split_at_checked(1).unwrap_or(("", row));
    iter::once(tally.to_owned()).chain(rest.split_whitespace().map(str::to_owned)).collect()
}

/// Everything that Debian's ntpq asks for by name.
const COMMANDS: [&str; 23] = [
    "peers",
    "apeers",
    "opeers",
    "lpeers",
    "lopeers",
    "rpeers",
    "associations",
    "lassociations",
    "readvar",
    "readvar &1",
    "readvar &5",
    "clockvar &5",
    "mreadvar &1 &5",
    "sysinfo",
    "sysstats",
    "kerninfo",
    "iostats",
    "timerstats",
    "monstats",
    "authinfo",
    "ntsinfo",
    "pstats &1",
    "mrulist",
];

#[test]
fn every_command_of_debians_ntpq_has_its_answer() {
    let test = "every_command_of_debians_ntpq_has_its_answer";
    let (ntpq, following) = match peer(Peer::NtpsecNtpq).and_then(|ntpq| Ok((ntpq, Following::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let theirs = |arguments: &[&str]| run(following.net.on_client(&ntpq).args(arguments));
    for command in COMMANDS {
        let printed = theirs(&["-n", "-c", command, "127.0.0.1"]);
        let both = printed.both();
        assert!(printed.stdout.lines().count() > 1, "{command}: {both}");
        for bad in ["?", "one at a time", "unknown", "Unknown", "timed out", "***", "Traceback"] {
            assert!(!both.contains(bad), "{command}: {bad}: {both}");
        }
    }
    // What has to be signed.
    let keys = following.folder.path().join("keys").display().to_string();
    let signed =
        |key: &str, command: &str| theirs(&["-n", "-k", &keys, "-a", key, "-c", command, "127.0.0.1"]);
    for (key, command, part) in [
        ("1", "ifstats", "v4wildcard"),
        ("1", "reslist", "0.0.0.0/0"),
        ("1", ":config restrict 192.0.2.7 ignore", "Config Succeeded"),
        ("1", "reslist", "192.0.2.7/32"),
        ("1", ":config bogus line", "column 0 syntax error"),
        ("2", "ifstats", "PERMISSION"),
        ("2", ":config restrict 192.0.2.8 ignore", "PERMISSION"),
    ] {
        let printed = signed(key, command).both();
        assert!(printed.contains(part), "{key} {command}: {printed}");
    }
    // How they were signed is counted: five well, and those with the other key not at all.
    let counted = following.ours(&["-c", "rv 0 authdigestdecrypts,authknotfound", "127.0.0.1"]);
    assert!(counted.contains("authdigestdecrypts=5") && counted.contains("authknotfound=2"), "{counted}");
    // Rules count the datagrams that they decided about.
    let listed = signed("1", "reslist").stdout;
    let hits = listed.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    assert!(hits.sum::<u64>() > 20, "{listed}");
}

#[test]
fn debians_ntpq_and_check_ntp_peer_work_against_us() {
    let test = "debians_ntpq_and_check_ntp_peer_work_against_us";
    let found =
        peer(Peer::NtpsecNtpq).and_then(|ntpq| Ok((ntpq, peer(Peer::CheckNtpPeer)?, Following::new()?)));
    let (ntpq, plugin, following) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let theirs = |arguments: &[&str]| run(following.net.on_client(&ntpq).args(arguments));

    let peers = theirs(&["-pn", "127.0.0.1"]);
    assert_eq!(peers.stderr, "");
    let rows: Vec<Vec<String>> = peers.stdout.lines().skip(2).map(columns).collect();
    assert_eq!(rows.len(), 5, "{}", peers.stdout);
    assert_eq!(rows.iter().filter(|row| row[0] == "*").count(), 1, "{}", peers.stdout);
    assert!(
        rows.iter().any(|row| row[1] == "10.77.0.99" && row[2] == ".INIT." && row[7] == "0"),
        "{}",
        peers.stdout
    );
    assert!(rows.iter().any(|row| row[1] == "LOCAL(0)" && row[4] == "l"), "{}", peers.stdout);

    let associations = theirs(&["-c", "as", "127.0.0.1"]);
    assert_eq!(associations.stdout.lines().count(), 8, "{}", associations.stdout);
    assert!(associations.stdout.contains("sys.peer"), "{}", associations.stdout);

    let system = theirs(&["-c", "rv", "127.0.0.1"]);
    for part in ["leap_none, sync_ntp", "leap=00, stratum=2,", "refid=", "version=\"ntpd "] {
        assert!(system.stdout.contains(part), "{part}: {}", system.stdout);
    }
    let one = theirs(&["-c", "rv &1", "127.0.0.1"]);
    for part in ["srcadr=", "reach=", "filtdelay", "flash=00 ok"] {
        assert!(one.stdout.contains(part), "{part}: {}", one.stdout);
    }
    let named = theirs(&["-c", "rv 0 stratum offset", "127.0.0.1"]);
    assert!(named.stdout.starts_with("stratum=2, offset="), "{}", named.stdout);
    let unknown = theirs(&["-c", "rv 0 nosuchvariable", "127.0.0.1"]);
    assert!(unknown.stderr.contains("UNKNOWNVAR"), "{}", unknown.both());

    let plugin = run(following.net.on_client(&plugin).args(["-H", "127.0.0.1", "-w", "0.5", "-c", "1"]));
    assert!(plugin.status == 0 && plugin.stdout.starts_with("NTP OK"), "{}", plugin.both());
}

#[test]
fn strangers_see_the_table_of_a_daemon_that_tells_them_little() {
    let test = "strangers_see_the_table_of_a_daemon_that_tells_them_little";
    let started = || Following::with("restrict default nomodify\nmode6 strict terse\n");
    let (ntpq, following) = match peer(Peer::NtpsecNtpq).and_then(|ntpq| Ok((ntpq, started()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let asked = run(following.net.on_server(&ours("ntpctl")).args(["query", "10.77.0.20"]));
    assert_eq!(asked.status, 0, "{}", asked.both());
    for program in [&ntpq, &ours("ntpq")] {
        let there = |arguments: &[&str]| run(following.net.on_server(program).args(arguments));
        let peers = there(&["-pn", "10.77.0.20"]);
        assert_eq!(peers.stdout.lines().filter(|row| row.starts_with('*')).count(), 1, "{}", peers.both());
        assert_eq!(peers.stdout.lines().count(), 7, "{}", peers.both());
        let system = there(&["-c", "rv", "10.77.0.20"]).both();
        assert!(system.contains("version=\"ntpd\"") && !system.contains("processor"), "{system}");
        let clients = there(&["-n", "-c", "mrulist", "10.77.0.20"]);
        assert!(clients.stdout.contains("10.77.0.1"), "{}", clients.both());
    }
    assert!(following.ours(&["-c", "rv", "127.0.0.1"]).contains("processor=\"x86"));
}

/// NTPsec's ntpd on the client, following chronyd on the server.
fn ntpsec_following(net: &Net, folder: &Path, chronyd: &Path, ntpd: &Path) -> (Daemon, Daemon) {
    let server = start_chronyd(chronyd, &net.server, folder);
    let configuration = "\
server 10.77.0.1 iburst minpoll 3 maxpoll 3
server 10.77.0.2 iburst minpoll 3 maxpoll 3
server 10.77.0.99
server fd77::1 iburst minpoll 3 maxpoll 3
server 127.127.1.0
fudge 127.127.1.0 stratum 12
restrict default
restrict 127.0.0.1
";
    let client = start_ntpsec(ntpd, &net.client, folder, configuration);
    (server, client)
}

#[test]
fn our_ntpq_shows_ntpsecs_ntpd_as_debians_does() {
    let test = "our_ntpq_shows_ntpsecs_ntpd_as_debians_does";
    let found = peer(Peer::NtpsecNtpq)
        .and_then(|ntpq| Ok((ntpq, peer(Peer::NtpsecNtpd)?, peer(Peer::Chronyd)?, Net::new()?)));
    let (theirs, ntpd, chronyd, net): (PathBuf, PathBuf, PathBuf, Net) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let _daemons = ntpsec_following(&net, folder.path(), &chronyd, &ntpd);
    let table = |program: &Path, arguments: &[&str]| run(net.on_client(program).args(arguments)).stdout;
    let settled = until(Duration::from_mins(1), || {
        let rows = table(&theirs, &["-pn", "127.0.0.1"]);
        // Three answers in a row.
        let reached = |row: &&str| {
            let reach = row.split_whitespace().nth(6).and_then(|reach| u8::from_str_radix(reach, 8).ok());
            reach.is_some_and(|reach| reach & 7 == 7)
        };
        rows.lines().any(|row| row.starts_with('*')) && rows.lines().filter(reached).count() >= 2
    });
    assert!(settled, "{}", table(&theirs, &["-pn", "127.0.0.1"]));

    // Ours between two of theirs: every cell must be one that they printed too, and the two that
    // count seconds may be in between.
    let same = until(Duration::from_secs(20), || {
        let before = table(&theirs, &["-pn", "127.0.0.1"]);
        let ours = table(&ours("ntpq"), &["-pn", "127.0.0.1"]);
        let after = table(&theirs, &["-pn", "127.0.0.1"]);
        agrees(&before, &ours, &after)
    });
    assert!(
        same,
        "theirs:\n{}ours:\n{}",
        table(&theirs, &["-pn", "127.0.0.1"]),
        table(&ours("ntpq"), &["-pn", "127.0.0.1"])
    );

    let units = "rv &1 delay,offset,jitter,dispersion,rootdelay,rootdisp,headway,ntscookies,reach,stratum";
    for words in [["-n", "-c", "as"], ["-n", "-c", "rv"], ["-nu", "-c", "rv"], ["-nu", "-c", units]] {
        let ask = |program: &Path| table(program, &[&words[..], &["127.0.0.1"]].concat());
        let same = until(Duration::from_secs(20), || {
            without_clock(&ask(&theirs)) == without_clock(&ask(&ours("ntpq")))
        });
        assert!(same, "{words:?}\n{}\n{}", ask(&theirs), ask(&ours("ntpq")));
    }

    // All at once, for theirs takes long to start.
    let commands = REPORTS.iter().flat_map(|report| ["-c", report]);
    for units in ["-n", "-nu"] {
        let words: Vec<&str> = iter::once(units).chain(commands.clone()).chain(["127.0.0.1"]).collect();
        let ask = |program: &Path| table(program, &words);
        let same = until(Duration::from_secs(20), || {
            let (before, ours, after) = (ask(&theirs), ask(&ours("ntpq")), ask(&theirs));
            reports_agree(&before, &ours, &after)
        });
        assert!(same, "{units}\n{}\n{}", ask(&theirs), ask(&ours("ntpq")));
    }
}

/// Reports, a value a line.
const REPORTS: [&str; 9] = [
    "sysinfo",
    "sysstats",
    "kerninfo",
    "iostats",
    "timerstats",
    "monstats",
    "authinfo",
    "ntsinfo",
    "pstats &1",
];

/// Whether every line of ours is theirs, to the byte; where theirs changed meanwhile, each of its words, or one in between.
fn reports_agree(before: &str, ours: &str, after: &str) -> bool {
    // Bits are a number with ours, the kernel's frequencies have a unit, and 1e-06 ms is `1e.-06s` with theirs; what a daemon
    // does not have is a dash with ours.
    let left_out = ["enabled:", "pll freq", "pps ", "precision:", "Unknown variable."];
    let lines = |text: &str| -> Vec<String> {
        let shown = text.lines().filter(|line| !left_out.iter().any(|start| line.starts_with(start)));
        shown.map(|line| line.replace(" ?", " -")).collect()
    };
    let (before, ours, after) = (lines(before), lines(ours), lines(after));
    ours.len() > REPORTS.len()
        && before.len() == ours.len()
        && ours.len() == after.len()
        && ours.iter().zip(before.iter().zip(&after)).all(|(row, (early, late))| {
            row == early || row == late || (early != late && words_agree(row, early, late))
        })
}

/// Whether each word is one of theirs, or a figure in between with the same unit.
fn words_agree(row: &str, early: &str, late: &str) -> bool {
    let parts = |word: &str| {
        let end = word.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-')).unwrap_or(word.len());
        let (number, unit) = word.split_at(end);
        Some((number.parse::<f64>().ok()?, unit.to_owned()))
    };
    let is_between = |word: &str, early: &str, late: &str| {
        let [Some(own), Some(early), Some(late)] = [parts(word), parts(early), parts(late)] else {
            return false;
        };
        own.1 == early.1 && own.1 == late.1 && early.0.min(late.0) <= own.0 && own.0 <= early.0.max(late.0)
    };
    let [row, early, late] = [row, early, late].map(|line| line.split_whitespace().collect::<Vec<_>>());
    row.len() == early.len()
        && row.len() == late.len()
        && row
            .iter()
            .zip(early.iter().zip(&late))
            .all(|(word, (early, late))| word == early || word == late || is_between(word, early, late))
}

fn agrees(before: &str, ours: &str, after: &str) -> bool {
    let lines = |text: &str| text.lines().map(columns).collect::<Vec<_>>();
    let (before, ours, after) = (lines(before), lines(ours), lines(after));
    let shapes = before.len() == ours.len() && ours.len() == after.len();
    shapes
        && ours.iter().zip(before.iter().zip(&after)).all(|(row, (early, late))| {
            row.len() == early.len()
                && row.iter().enumerate().all(|(index, cell)| {
                    // The column `when` counts seconds.
                    index == 5 || early.get(index) == Some(cell) || late.get(index) == Some(cell)
                })
        })
}

/// What does not change from one moment to the next.
fn without_clock(text: &str) -> String {
    let items =
        text.split([',', '\n']).map(str::trim).filter(|item| !item.starts_with("clock=") && !item.is_empty());
    items.collect::<Vec<_>>().join("\n")
}

#[test]
fn silence_and_refusal_have_exit_codes_of_their_own() {
    let test = "silence_and_refusal_have_exit_codes_of_their_own";
    let net = match Net::new() {
        Ok(net) => net,
        Err(reason) => return skip(test, &reason),
    };
    let nobody = run(net.on_client(&ours("ntpq")).args(["-pn", "127.0.0.1"]));
    assert_eq!(nobody.status, 2);
    assert!(nobody.stderr.contains("nothing listens on 127.0.0.1:123"), "{}", nobody.stderr);
    // Alive, but silent to strangers; and one that speaks.
    let folder = tempfile::tempdir().unwrap();
    let start = |namespace: &str, name: &str, text: &str| {
        let conf = folder.path().join(name);
        fs::write(&conf, text).unwrap();
        let conf = conf.display().to_string();
        let words = ["-n", "--clock=none", "-c", &conf];
        Daemon::start(Some(namespace), &ours("ntpd"), &words, &folder.path().join(format!("{name}.log")))
    };
    let _silent = start(&net.server, "silent", "server 127.127.1.0\nrestrict default noquery\n");
    let _open = start(&net.client, "open", "server 127.127.1.0\nrestrict default\n");
    let ask = |words: &[&str]| run(net.on_client(&ours("ntpq")).args(words));
    assert!(until(Duration::from_secs(10), || ask(&["-pn", "127.0.0.1"]).status == 0));
    let quick = ["-n", "-c", "timeout 300", "-c", "peers"];
    let silent = ask(&[&quick[..], &["10.77.0.1"]].concat());
    assert!(silent.stderr.contains("answers no queries") && silent.status == 2, "{}", silent.both());
    let dead = ask(&[&quick[..], &["10.77.0.99"]].concat());
    assert!(!dead.stderr.contains("answers no queries") && dead.status == 2, "{}", dead.both());
    let refused = ask(&["-c", "rv 0 nosuchvariable", "127.0.0.1"]);
    assert!(refused.stderr.contains("UNKNOWNVAR") && refused.status == 3, "{}", refused.both());
    // Each of several hosts has its own heading, and the worst of them its exit code.
    let both = ask(&[&quick[..], &["127.0.0.1", "10.77.0.20", "10.77.0.99"]].concat());
    assert_eq!(both.stdout.matches("LOCAL(0)").count(), 2, "{}", both.both());
    assert!(both.stdout.contains("10.77.0.20") && both.status == 2, "{}", both.both());
}
