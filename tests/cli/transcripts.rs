//! What Debian's ntpq printed of recorded answers, our ntpq prints of the same answers.
//!
//! The answers of NTPsec's and of classic ntpd are played back by question; what differs is on a list, with the
//! reason.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::thread;

use ntp_tests::{ours, run, shared, skip, without_clock};

/// A recording, and the words that ask the same of ours. The transcript is called like the recording.
const RECORDINGS: [(&str, &[&str]); 15] = [
    ("ntpsec-sysinfo", &["-n", "-c", "sysinfo"]),
    ("ntpsec-sysstats", &["-n", "-c", "sysstats"]),
    ("ntpsec-kerninfo", &["-n", "-c", "kerninfo"]),
    ("ntpsec-iostats", &["-n", "-c", "iostats"]),
    ("ntpsec-timerstats", &["-n", "-c", "timerstats"]),
    ("ntpsec-monstats", &["-n", "-c", "monstats"]),
    ("ntpsec-authinfo", &["-n", "-c", "authinfo"]),
    ("ntpsec-ntsinfo", &["-n", "-c", "ntsinfo"]),
    ("ntpsec-pstats2", &["-n", "-c", "pstats &2"]),
    ("ntpsec-associations", &["-n", "-c", "associations"]),
    ("ntpsec-lassociations", &["-n", "-c", "lassociations"]),
    ("ntpsec-rv", &["-n", "-c", "rv"]),
    ("ntpsec-rv-vars", &["-n", "-c", "rv 0 offset stratum refid"]),
    ("ntpsec-cv5", &["-n", "-c", "cv &5"]),
    ("classic-associations", &["-n", "-c", "associations"]),
];

/// Lines of theirs that ours has otherwise, and why.
const DEPARTURES: &[(&str, &str, &str, &str)] = &[
    (
        "ntpsec-authinfo",
        "uncached keys:                    ?",
        "uncached keys:                    -",
        "never a question mark",
    ),
    (
        "ntpsec-authinfo",
        "expired keys:                     ?",
        "expired keys:                     -",
        "never a question mark",
    ),
];

/// Questions and the answers to each, in the order of the recording.
fn recorded(vectors: &str, name: &str) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let line = vectors.lines().find(|line| line.contains(&format!("\"name\": \"{name}\"")));
    assert!(line.is_some(), "no recording {name}");
    let recording: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    let mut found: Vec<(Vec<u8>, Vec<Vec<u8>>)> = Vec::new();
    for packet in recording["x"].as_array().unwrap() {
        let content = bytes(packet["hex"].as_str().unwrap());
        if packet["d"] == "q" {
            found.push((content, Vec::new()));
        } else {
            found.last_mut().unwrap().1.push(content);
        }
    }
    found
}

/// Operation, association and data of a question.
fn about(question: &[u8]) -> (u8, &[u8], String) {
    let count = usize::from(u16::from_be_bytes([question[10], question[11]]));
    let data = String::from_utf8_lossy(&question[12..12 + count]).replace(' ', "");
    (question[1] & 0x1f, &question[6..8], data)
}

/// Plays a recording: a question that was asked is answered as it was, with its own number; one that was not gets the
/// error for an unknown variable.
fn play(recording: Vec<(Vec<u8>, Vec<Vec<u8>>)>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let asked = &buffer[..length];
            let known = recording.iter().find(|(question, _)| about(question) == about(asked));
            let refusal = [asked[0], 0xc0 | asked[1], 0, 0, 5, 0, asked[6], asked[7], 0, 0, 0, 0].to_vec();
            for mut packet in known.map_or_else(|| vec![refusal], |(_, answers)| answers.clone()) {
                packet[2..4].copy_from_slice(&asked[2..4]);
                socket.send_to(&packet, from).unwrap();
            }
        }
    });
    port
}

/// What a transcript has between the command and the exit status.
fn transcript(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(format!("transcripts/{name}.txt"))).unwrap();
    let body = text.split_once('\n').unwrap().1;
    let mut body = body.split_once("[exit status").unwrap().0.to_owned();
    for (recording, theirs, ours, _) in DEPARTURES {
        if *recording == name {
            assert!(body.contains(theirs), "{name} has no {theirs:?}");
            body = body.replace(theirs, ours);
        }
    }
    body
}

#[test]
fn recorded_answers_are_printed_as_debians_ntpq_did() {
    let test = "recorded_answers_are_printed_as_debians_ntpq_did";
    let Some(folder) = shared("mode6") else {
        return skip(test, "needs the reference data beside the checkout");
    };
    let vectors = fs::read_to_string(folder.join("vectors.jsonl")).unwrap();
    let mut wrong = String::new();
    for (name, words) in RECORDINGS {
        let host = format!("127.0.0.1:{}", play(recorded(&vectors, name)));
        let printed = run(without_clock(&ours("ntpq")).args(words).arg(&host));
        let expected = transcript(&folder, name);
        if printed.stdout != expected {
            writeln!(wrong, "{name}: ours:\n{}theirs:\n{expected}", printed.both()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
