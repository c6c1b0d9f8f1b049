//! ntpd under a library that stands between it and libc, as simulators of whole daemons do: every call
//! that reads or sets a clock, or touches a socket, must go through libc.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use ntp_tests::{free_port, ours, run, skip, until, without_clock};

/// The calls that a simulator replaces.
const CALLS: &str = "clock_gettime,clock_getres,clock_settime,clock_adjtime,adjtimex,gettimeofday,\
settimeofday,socket,bind,connect,sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg,setsockopt,getsockopt,\
getsockname,getpeername";

/// Builds the library with the compiler that Rust links with.
fn library(folder: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("libc/counting.c");
    let library = folder.join("counting.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    let output = compiler.output().map_err(|error| format!("needs a C compiler: {error}"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(library)
}

fn needs(program: &str) -> Result<(), String> {
    let found = Command::new(program).arg("-V").output();
    found.map(|_| ()).map_err(|error| format!("needs {program}: {error}"))
}

/// Daemons that end with the test.
struct Running(Vec<Child>);

impl Running {
    fn end(&mut self) {
        for child in &mut self.0 {
            // strace passes no signal on: it is the daemon below it that is asked to end.
            let below = run(Command::new("pgrep").args(["-P", &child.id().to_string()])).stdout;
            let target = below.trim().lines().next().unwrap_or_default().to_owned();
            let target = if target.is_empty() { child.id().to_string() } else { target };
            run(Command::new("kill").arg(target));
            drop(child.wait());
        }
        self.0.clear();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server, and the words for a client of it that has no need of a resolver.
fn server_and_client(folder: &Path) -> (Running, Vec<String>, u16) {
    let (server, client) = (free_port(), free_port());
    fs::write(folder.join("server.conf"), "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\n").unwrap();
    let conf = format!(
        "disable ntp\nserver 127.0.0.1 port {server} iburst minpoll 3\ndriftfile {}\n",
        folder.join("drift").display()
    );
    fs::write(folder.join("client.conf"), conf).unwrap();
    let mut daemon = without_clock(&ours("ntpd"));
    daemon.args(["-n", "--clock=none", "--port", &server.to_string(), "-c"]);
    let child =
        daemon.arg(folder.join("server.conf")).stderr(fs::File::create(folder.join("server.log")).unwrap());
    let running = Running(vec![child.spawn().unwrap()]);
    let path = folder.join("client.conf").display().to_string();
    let words = ["-n", "--port", &client.to_string(), "-c", &path].map(str::to_owned);
    (running, words.to_vec(), client)
}

/// Waits until the client has followed its server for a few polls.
fn follows(port: u16) -> bool {
    until(Duration::from_secs(30), || {
        let table = run(Command::new(ours("ntpq")).args(["-pn", &format!("127.0.0.1:{port}")])).stdout;
        let row = table.lines().nth(2).unwrap_or_default();
        let reach = row.split_whitespace().nth(6).unwrap_or_default();
        row.starts_with('*') && u32::from_str_radix(reach, 8).is_ok_and(|reach| reach >= 0o17)
    })
}

#[test]
fn no_clock_or_socket_call_bypasses_libc() {
    let test = "no_clock_or_socket_call_bypasses_libc";
    let folder = tempfile::tempdir().unwrap();
    let library = match needs("strace").and_then(|()| library(folder.path())) {
        Ok(library) => library,
        Err(reason) => return skip(test, &reason),
    };
    let (mut running, words, port) = server_and_client(folder.path());
    let (counted, traced) = (folder.path().join("counted"), folder.path().join("traced"));
    let mut strace = without_clock(Path::new("strace"));
    strace.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"]).arg(&traced);
    strace.arg("-E").arg(format!("LD_PRELOAD={}", library.display()));
    strace.arg("-E").arg(format!("COUNT_FILE={}", counted.display()));
    strace.arg(ours("ntpd")).args(words).stderr(fs::File::create(folder.path().join("client.log")).unwrap());
    running.0.insert(0, strace.spawn().unwrap());
    assert!(follows(port), "{}", fs::read_to_string(folder.path().join("client.log")).unwrap());
    running.end();
    let counted = counts(&counted);
    let traced = traced_counts(&traced);
    assert!(
        counted["clock_gettime"] > 20 && counted["sendto"] >= 4 && counted["recvmsg"] >= 4,
        "{counted:?}"
    );
    assert!(counted["clock_adjtime"] >= 1, "{counted:?}");
    assert_eq!(counted, traced);
}

/// Lines of a name and a number; without those that are zero.
fn counts(path: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (name, count) = line.split_once(' ').unwrap();
        (name.to_owned(), count.parse::<u64>().unwrap())
    };
    text.lines().map(line).filter(|(_, count)| *count > 0).collect()
}

/// How often each call stands in what strace wrote: process number, name, parenthesis.
fn traced_counts(path: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let call = line.split_whitespace().nth(1).and_then(|call| call.split_once('('));
        if let Some((name, _)) = call {
            *found.entry(name.to_owned()).or_default() += 1;
        }
    }
    found
}

#[test]
fn the_binary_does_not_look_for_the_kernels_shared_page() {
    // Reading the clock there directly would be seen neither by a library nor by strace.
    let program = fs::read(ours("ntpd")).unwrap();
    let needle = b"__vdso_";
    assert!(!program.windows(needle.len()).any(|window| window == needle));
}

#[test]
fn a_client_with_literal_addresses_runs_one_thread_and_needs_no_timestamps() {
    let test = "a_client_with_literal_addresses_runs_one_thread_and_needs_no_timestamps";
    let folder = tempfile::tempdir().unwrap();
    let library = match library(folder.path()) {
        Ok(library) => library,
        Err(reason) => return skip(test, &reason),
    };
    let (mut running, words, port) = server_and_client(folder.path());
    let log = folder.path().join("client.log");
    let mut daemon = without_clock(&ours("ntpd"));
    daemon.env("LD_PRELOAD", library).env("REFUSE_TIMESTAMPS", "1");
    let child = daemon.args(words).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    running.0.insert(0, child);
    assert!(follows(port), "{}", fs::read_to_string(&log).unwrap());
    let status = fs::read_to_string(status).unwrap();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).map(str::trim);
    assert_eq!(threads, Some("1"));
}
