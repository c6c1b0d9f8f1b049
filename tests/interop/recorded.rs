//! Our ntpq against daemons that cannot be installed here: classic ntpd's answers, recorded from the
//! real one, given again by a stand-in that knows nothing but them.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;

use ntp_tests::{ours, run, shared, skip};
use serde_json::Value;

/// Recorded answers by operation, association and data of the question.
type Recording = BTreeMap<(u8, u16, Vec<u8>), Vec<Vec<u8>>>;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What a question asks, whatever its sequence number.
fn question(packet: &[u8]) -> (u8, u16, Vec<u8>) {
    (packet[1] & 0x1f, u16::from_be_bytes([packet[6], packet[7]]), packet[12..].to_vec())
}

/// One of the recorded conversations.
fn recording(vectors: &str, name: &str) -> Recording {
    let line = vectors.lines().find(|line| line.contains(&format!("\"name\": \"{name}\""))).unwrap();
    let conversation: Value = serde_json::from_str(line).unwrap();
    let mut answers = Recording::new();
    let mut asked = None;
    for packet in conversation["x"].as_array().unwrap() {
        let data = bytes(packet["hex"].as_str().unwrap());
        if packet["d"] == "q" {
            asked = Some(question(&data));
        } else if let Some(asked) = &asked {
            answers.entry(asked.clone()).or_default().push(data);
        }
    }
    answers
}

/// Answers from the recording, with the asker's sequence number.
fn stand_in(recording: Recording) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let asked = &buffer[..length];
            for answer in recording.get(&question(asked)).into_iter().flatten() {
                let mut answer = answer.clone();
                answer[2..4].copy_from_slice(&asked[2..4]);
                drop(socket.send_to(&answer, from));
            }
        }
    });
    address
}

/// Rows without the rule above them, and without the column that counts seconds since an answer long ago.
fn timeless(table: &str) -> Vec<Vec<String>> {
    let rows = table.lines().filter(|line| !line.starts_with(['$', '[', '=']));
    rows.map(|row| {
        let mut columns: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
        if columns.len() == 10 && columns[0] != "remote" {
            columns.remove(4);
        }
        columns
    })
    .collect()
}

/// Runs our ntpq against a recording, and holds it against what theirs printed of the same daemon.
fn prints_what_theirs_did(test: &str, vectors_name: &str, arguments: &[&str]) {
    let Some(folder) = shared("mode6") else {
        return skip(test, "needs the reference data beside the checkout");
    };
    let vectors = fs::read_to_string(folder.join("vectors.jsonl")).unwrap();
    let address = stand_in(recording(&vectors, vectors_name));
    let transcript = fs::read_to_string(folder.join(format!("transcripts/{vectors_name}.txt"))).unwrap();
    let outcome = run(Command::new(ours("ntpq")).args(arguments).arg(address.to_string()));
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    // Classic ntpq shows the address of a local clock by its name.
    let shown = if vectors_name.starts_with("classic") {
        (0..4).fold(outcome.stdout, |text, unit| {
            text.replace(&format!(" 127.127.1.{unit} "), &format!(" LOCAL({unit}) "))
        })
    } else {
        outcome.stdout
    };
    assert_eq!(timeless(&shown), timeless(&transcript), "ours:\n{shown}theirs:\n{transcript}");
}

#[test]
fn a_classic_daemons_peers_look_as_its_own_ntpq_shows_them() {
    let test = "a_classic_daemons_peers_look_as_its_own_ntpq_shows_them";
    prints_what_theirs_did(test, "classic-peers", &["-pn"]);
}

#[test]
fn an_ntpsec_daemons_peers_look_as_debians_ntpq_shows_them() {
    let test = "an_ntpsec_daemons_peers_look_as_debians_ntpq_shows_them";
    prints_what_theirs_did(test, "ntpsec-pn", &["-pn"]);
}

#[test]
fn associations_look_as_debians_ntpq_shows_them() {
    let test = "associations_look_as_debians_ntpq_shows_them";
    prints_what_theirs_did(test, "ntpsec-associations", &["-n", "-c", "associations"]);
}

#[test]
fn system_variables_look_as_debians_ntpq_shows_them() {
    prints_what_theirs_did(
        "system_variables_look_as_debians_ntpq_shows_them",
        "ntpsec-rv",
        &["-n", "-c", "rv"],
    );
}
