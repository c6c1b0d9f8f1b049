//! How often `ntpq -p` waits for an answer: over a long path that is all that its user waits for.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::io::{Write as _, stdout};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ntp_tests::{Daemon, Net, Peer, free_port, measure, ours, peer, run, skip, until, without_clock};

/// Sources that the daemon has.
const SOURCES: usize = 32;

/// One way, so long that what programs take for their own work does not show.
const DELAY: Duration = Duration::from_millis(250);

/// Round trips that the table may take.
const ROUND_TRIPS: usize = 5;

/// A daemon of ours with many sources.
struct Asked {
    daemon: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

/// A file that names them.
fn configure(folder: &Path) -> PathBuf {
    let conf = folder.join("ntp.conf");
    let sources: Vec<String> =
        (1..SOURCES).map(|number| format!("server 127.0.1.{number} noselect\n")).collect();
    fs::write(&conf, sources.concat() + "server 127.127.1.0\n").unwrap();
    conf
}

impl Asked {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conf = configure(folder.path());
        let port = free_port();
        let daemon = without_clock(&ours("ntpd"))
            .args(["-n", "--clock=none", "--port", &port.to_string(), "-c"])
            .arg(&conf)
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let asked = Self { daemon, address, _folder: folder };
        assert!(until(Duration::from_secs(10), || measure(address).is_some()));
        asked
    }

    /// A relay that lets every packet wait on its way, and notes when each question came.
    fn far(&self) -> (u16, Arc<Mutex<Vec<Instant>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let here = UdpSocket::bind("127.0.0.1:0").unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.connect(self.address).unwrap();
        let port = here.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            let mut listening = false;
            while let Ok((length, from)) = here.recv_from(&mut buffer) {
                noted.lock().unwrap().push(Instant::now());
                let (packet, there) = (buffer[..length].to_vec(), there.try_clone().unwrap());
                if !std::mem::replace(&mut listening, true) {
                    let (here, answers) = (here.try_clone().unwrap(), there.try_clone().unwrap());
                    thread::spawn(move || bring_back(&answers, &here, from));
                }
                thread::spawn(move || {
                    thread::sleep(DELAY);
                    there.send(&packet)
                });
            }
        });
        (port, asked)
    }
}

/// Answers, each after its way; there is one client.
fn bring_back(answers: &UdpSocket, here: &UdpSocket, client: SocketAddr) {
    let mut buffer = [0; 2048];
    while let Ok(length) = answers.recv(&mut buffer) {
        let (packet, here) = (buffer[..length].to_vec(), here.try_clone().unwrap());
        thread::spawn(move || {
            thread::sleep(DELAY);
            here.send_to(&packet, client)
        });
    }
}

fn table(program: &Path, port: u16) -> (String, Duration) {
    let began = Instant::now();
    let words = ["-pn".to_owned(), format!("127.0.0.1:{port}")];
    let outcome = run(without_clock(program).args(words));
    (outcome.both(), began.elapsed())
}

#[test]
fn a_table_of_32_sources_takes_five_round_trips() {
    let asked = Asked::new();
    let (port, questions) = asked.far();
    let (said, took) = table(&ours("ntpq"), port);
    assert_eq!(said.lines().filter(|line| !line.is_empty()).count(), SOURCES + 2, "{said}");
    // Questions that come while an answer is under way belong to one trip.
    let questions = questions.lock().unwrap();
    let waits = questions.windows(2).filter(|pair| pair[1].duration_since(pair[0]) >= DELAY).count();
    let trips = waits + 1;
    let line = format!("{SOURCES} sources over {:?}: {took:?}, {trips} round trips", 2 * DELAY);
    drop(writeln!(stdout().lock(), "{line}"));
    assert!(trips <= ROUND_TRIPS, "{line}");
}

/// Nothing is asserted of the time: it is printed beside that of Debian's, from the same run.
#[test]
fn a_table_over_loopback_is_printed_beside_debians() {
    let test = "a_table_over_loopback_is_printed_beside_debians";
    let (net, debians) = match (Net::new(), peer(Peer::NtpsecNtpq)) {
        (Ok(net), Ok(program)) => (net, program),
        (Err(reason), _) | (_, Err(reason)) => return skip(test, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let conf = configure(folder.path());
    let words = ["-n", "--clock=none", "-c", &conf.display().to_string()];
    let _daemon = Daemon::start(Some(&net.client), &ours("ntpd"), &words, &folder.path().join("log"));
    let rows = |program: &Path| {
        let began = Instant::now();
        let said = run(net.on_client(program).args(["-pn", "127.0.0.1"])).stdout;
        (said.lines().count(), began.elapsed())
    };
    let answers = || rows(&ours("ntpq")).0 == SOURCES + 2;
    assert!(until(Duration::from_secs(10), answers));
    let median = |program: &Path| {
        let mut times: Vec<Duration> = (0..9).map(|_| rows(program).1).collect();
        times.sort();
        times[times.len() / 2]
    };
    let (ours, theirs) = (median(&ours("ntpq")), median(&debians));
    let line = format!("ntpq -pn of {SOURCES} sources over loopback: ours {ours:?}, Debian's {theirs:?}");
    drop(writeln!(stdout().lock(), "{line}"));
}
