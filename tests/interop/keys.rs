//! Symmetric keys with programs that we did not write, both ways.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ntp_tests::{Daemon, Net, Peer, ours, peer, run, skip, start_ntpsec, until};

/// Keys that chronyd, NTPsec and we have in common: number, our type, chrony's, NTPsec's, the secret.
const KEYS: [(u32, &str, &str, &str, &str); 7] = [
    (1, "MD5", "MD5", "MD5", "6d643573656372657431323334353637"),
    (2, "SHA1", "SHA1", "SHA1", "0102030405060708090a0b0c0d0e0f1011121314"),
    (3, "SHA256", "SHA256", "SHA256", "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4"),
    (4, "AES128CMAC", "AES128", "AES-128", "000102030405060708090a0b0c0d0e0f"),
    (8, "SHA384", "SHA384", "SHA384", "b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4"),
    (9, "SHA512", "SHA512", "SHA512", "d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4"),
    (
        10,
        "AES256CMAC",
        "AES256",
        "AES-256",
        "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
    ),
];

/// Keys that one side has otherwise, or does not trust, or does not know.
const WRONG: u32 = 5;
const UNTRUSTED: u32 = 6;
const UNKNOWN: u32 = 7;

const OTHER_SECRET: &str = "ffffffffffffffffffffffffffffffff";

/// The keys file of the client, in somebody's words; the server's has other secrets for some.
fn keys(of_server: bool, type_of: impl Fn(&(u32, &str, &str, &str, &str)) -> String, prefix: &str) -> String {
    let mut text = String::new();
    for key in &KEYS {
        writeln!(text, "{} {} {prefix}{}", key.0, type_of(key), key.4).unwrap();
    }
    let aes = type_of(&KEYS[3]);
    let secret = if of_server { OTHER_SECRET } else { KEYS[3].4 };
    writeln!(text, "{WRONG} {aes} {prefix}{secret}\n{UNTRUSTED} {aes} {prefix}{}", KEYS[3].4).unwrap();
    if !of_server {
        writeln!(text, "{UNKNOWN} {aes} {prefix}{}", KEYS[3].4).unwrap();
    }
    text
}

fn our_keys(of_server: bool) -> String {
    keys(of_server, |key| key.1.to_owned(), "")
}

/// The addresses of the server, one for each key that is tried.
fn cases() -> [(u32, &'static str, bool); 10] {
    [
        (1, "10.77.0.1", true),
        (2, "10.77.0.2", true),
        (3, "10.77.0.3", true),
        (4, "10.77.0.4", true),
        (WRONG, "10.77.0.5", false),
        (UNTRUSTED, "10.77.0.6", false),
        (UNKNOWN, "10.77.0.7", false),
        (8, "10.77.0.8", true),
        (9, "10.77.0.9", true),
        (10, "10.77.0.10", true),
    ]
}

fn more_addresses(net: &Net) {
    for last in 5..=10 {
        let address = format!("10.77.0.{last}/24");
        run(net.on_server(Path::new("ip")).args(["addr", "add", &address, "dev", "cable"]));
    }
}

/// Our ntpd on the client asks a server with every key, and reaches it with the right ones only.
fn we_ask(net: &Net, folder: &Path) {
    fs::write(folder.join("ntp.keys"), our_keys(false)).unwrap();
    let servers =
        cases().map(|(key, address, _)| format!("server {address} key {key} minpoll 4 maxpoll 4\n"));
    let text = format!("keys {}/ntp.keys\ntrustedkey (1 ... 10)\n{}", folder.display(), servers.concat());
    let conf = folder.join("ntp.conf");
    fs::write(&conf, text).unwrap();
    let log = folder.join("ntpd.log");
    let arguments = ["-n", "-c", &conf.display().to_string(), "--clock=none"];
    let _ours = Daemon::start(Some(&net.client), &ours("ntpd"), &arguments, &log);
    let table = || run(net.on_client(&ours("ntpq")).args(["-pn", "127.0.0.1"])).stdout;
    let reach = |table: &str, address: &str| {
        let row =
            table.lines().find(|row| row.split_whitespace().next().is_some_and(|one| one.ends_with(address)));
        row.and_then(|row| row.split_whitespace().nth(6).map(str::to_owned))
    };
    let right = |table: &str| {
        cases()
            .iter()
            .filter(|(_, _, good)| *good)
            .all(|(_, address, _)| reach(table, address).is_some_and(|reach| reach != "0"))
    };
    assert!(
        until(Duration::from_secs(30), || right(&table())),
        "{}\n{:?}",
        table(),
        fs::read_to_string(&log)
    );
    for (key, address, _) in cases().iter().filter(|(_, _, good)| !good) {
        assert_eq!(reach(&table(), address).as_deref(), Some("0"), "key {key}: {}", table());
    }
    let associations = run(net.on_client(&ours("ntpq")).args(["-c", "as", "127.0.0.1"])).stdout;
    assert_eq!(associations.matches(" ok ").count(), KEYS.len(), "{associations}");
}

#[test]
fn our_client_and_chronyd_share_keys() {
    let test = "our_client_and_chronyd_share_keys";
    let folder = tempfile::tempdir().unwrap();
    let (chronyd, net) = match peer(Peer::Chronyd).and_then(|chronyd| Ok((chronyd, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    more_addresses(&net);
    let theirs = folder.path().join("chrony.keys");
    // chronyd trusts every key that it knows: the one that it must not trust has another number there.
    let text = keys(true, |key| key.2.to_owned(), "HEX:").replace(&format!("\n{UNTRUSTED} "), "\n99 ");
    fs::write(&theirs, text).unwrap();
    let conf = folder.path().join("chrony.conf");
    let text = format!(
        "local stratum 1\nallow\ncmdport 0\nbindcmdaddress /\npidfile {0}/pid\nkeyfile {0}/chrony.keys\n",
        folder.path().display()
    );
    fs::write(&conf, text).unwrap();
    let arguments = ["-x", "-d", "-u", "root", "-f", &conf.display().to_string()];
    let _server = Daemon::start(Some(&net.server), &chronyd, &arguments, &folder.path().join("chronyd.log"));
    we_ask(&net, folder.path());
}

#[test]
fn our_client_and_ntpsec_share_keys() {
    let test = "our_client_and_ntpsec_share_keys";
    let folder = tempfile::tempdir().unwrap();
    let (ntpd, net) = match peer(Peer::NtpsecNtpd).and_then(|ntpd| Ok((ntpd, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    more_addresses(&net);
    fs::write(folder.path().join("ntpsec.keys"), keys(true, |key| key.3.to_owned(), "")).unwrap();
    let text = format!(
        "server 127.127.1.0 minpoll 3\nfudge 127.127.1.0 stratum 1\ntos orphanwait 1\nrestrict default\nrestrict 127.0.0.1\nkeys {}/ntpsec.keys\ntrustedkey 1 2 3 4 5 8 9 10\n",
        folder.path().display()
    );
    let _server = start_ntpsec(&ntpd, &net.server, folder.path(), &text);
    // It needs ten seconds to believe its own clock. Asked all the time until then, it answered nobody
    // afterwards; why is not known.
    std::thread::sleep(Duration::from_secs(15));
    we_ask(&net, folder.path());
}

/// Our ntpd on the server, with every key, one of them not trusted.
fn we_serve(net: &Net, folder: &Path, more: &str) -> Daemon {
    fs::write(folder.join("ntp.keys"), our_keys(true)).unwrap();
    let text = format!(
        "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\nkeys {}/ntp.keys\ntrustedkey (1 ... 5) 8 9 10\n{more}",
        folder.display()
    );
    let conf = folder.join("ntp.conf");
    fs::write(&conf, text).unwrap();
    let arguments = ["-n", "-c", &conf.display().to_string(), "--clock=none"];
    Daemon::start(Some(&net.server), &ours("ntpd"), &arguments, &folder.join("ntpd.log"))
}

#[test]
fn ntpsecs_client_shares_keys_with_our_server_and_its_threads() {
    let test = "ntpsecs_client_shares_keys_with_our_server_and_its_threads";
    let (ntpd, net) = match peer(Peer::NtpsecNtpd).and_then(|ntpd| Ok((ntpd, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    more_addresses(&net);
    let _ours = we_serve(&net, folder.path(), "server-threads 2\n");
    fs::write(folder.path().join("ntpsec.keys"), keys(false, |key| key.3.to_owned(), "")).unwrap();
    let servers = cases().map(|(key, address, _)| format!("server {address} key {key} iburst minpoll 3\n"));
    let text = format!(
        "keys {}/ntpsec.keys\ntrustedkey 1 2 3 4 5 6 7 8 9 10\nrestrict default\nrestrict 127.0.0.1\n{}",
        folder.path().display(),
        servers.concat()
    );
    let _client = start_ntpsec(&ntpd, &net.client, folder.path(), &text);
    let table = || run(net.on_client(&ours("ntpq")).args(["-pn", "127.0.0.1"])).stdout;
    let reaches = |table: &str| {
        cases().map(|(_, address, _)| {
            let row = table
                .lines()
                .find(|row| row.split_whitespace().next().is_some_and(|one| one.ends_with(address)));
            row.and_then(|row| row.split_whitespace().nth(6)).is_some_and(|reach| reach != "0")
        })
    };
    let wanted = cases().map(|(_, _, good)| good);
    assert!(until(Duration::from_secs(40), || reaches(&table()) == wanted), "{}", table());
    // The bad ones stay bad.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(reaches(&table()), wanted, "{}", table());
    // Who asked is listed, by our ntpq and by theirs, though threads served them.
    let list = run(net.on_server(&ours("ntpq")).args(["-c", "mrulist", "127.0.0.1"]));
    assert!(list.stdout.contains(" 10.77.0.20"), "{}", list.both());
    if let Ok(ntpq) = peer(Peer::NtpsecNtpq) {
        let theirs = run(net.on_server(&ntpq).args(["-n", "-c", "mrulist", "127.0.0.1"]));
        assert!(theirs.stdout.contains("10.77.0.20"), "{}", theirs.both());
    }
    let counts = run(net.on_server(&ours("ntpq")).args(["-c", "rv 0 ss_badauth,ss_processed", "127.0.0.1"]));
    assert!(!counts.stdout.contains("ss_badauth=0"), "{}", counts.both());
}

#[test]
fn chronyd_as_a_client_shares_keys_with_our_server() {
    let test = "chronyd_as_a_client_shares_keys_with_our_server";
    let found = peer(Peer::Chronyd).and_then(|chronyd| Ok((chronyd, peer(Peer::Chronyc)?, Net::new()?)));
    let (chronyd, chronyc, net) = match found {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    more_addresses(&net);
    let _ours = we_serve(&net, folder.path(), "server-threads 1\n");
    fs::write(folder.path().join("chrony.keys"), keys(false, |key| key.2.to_owned(), "HEX:")).unwrap();
    let servers =
        cases().map(|(key, address, _)| format!("server {address} key {key} iburst minpoll 3 maxpoll 3\n"));
    // Its control socket wants a folder of its own that nobody else may enter.
    let control = folder.path().join("control");
    fs::create_dir(&control).unwrap();
    fs::set_permissions(&control, std::os::unix::fs::PermissionsExt::from_mode(0o770)).unwrap();
    let socket = control.join("chronyd.sock").display().to_string();
    let text = format!(
        "cmdport 0\nport 0\nbindcmdaddress {socket}\npidfile {0}/pid\nkeyfile {0}/chrony.keys\n{1}",
        folder.path().display(),
        servers.concat()
    );
    let conf = folder.path().join("chrony.conf");
    fs::write(&conf, text).unwrap();
    let arguments = ["-x", "-d", "-u", "root", "-f", &conf.display().to_string()];
    let log = folder.path().join("chronyd.log");
    let _client = Daemon::start(Some(&net.client), &chronyd, &arguments, &log);
    // Mode, state, address, stratum, poll, reach and more, with commas in between.
    let table = || run(net.on_client(&chronyc).args(["-h", &socket, "-n", "-c", "sources"]));
    let reaches = |table: &str| {
        cases().map(|(_, address, _)| {
            let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
            let row = rows.find(|row| row.get(2) == Some(&address));
            row.and_then(|row| row.get(5).copied()).is_some_and(|reach| reach != "0")
        })
    };
    let wanted = cases().map(|(_, _, good)| good);
    let agreed = until(Duration::from_secs(40), || reaches(&table().stdout) == wanted);
    assert!(agreed, "{:?}\n{:?}", table(), fs::read_to_string(&log));
    // The bad ones stay bad.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(reaches(&table().stdout), wanted, "{:?}", table());
}

#[test]
fn our_ntpq_lists_the_clients_of_ntpsec() {
    let test = "our_ntpq_lists_the_clients_of_ntpsec";
    let (ntpd, net) = match peer(Peer::NtpsecNtpd).and_then(|ntpd| Ok((ntpd, Net::new()?))) {
        Ok(found) => found,
        Err(reason) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let text = "server 127.127.1.0 minpoll 3\nfudge 127.127.1.0 stratum 1\ntos orphanwait 1\nrestrict default\nrestrict 127.0.0.1\n";
    let _server = start_ntpsec(&ntpd, &net.server, folder.path(), text);
    run(net.on_client(&ours("ntpctl")).args(["query", "10.77.0.1"]));
    let list = || run(net.on_server(&ours("ntpq")).args(["-c", "mrulist", "127.0.0.1"]));
    assert!(until(Duration::from_secs(10), || list().stdout.contains(" 10.77.0.20")), "{}", list().both());
}
