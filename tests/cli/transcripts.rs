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

use ntp_proto::auth::{Algorithm, Key, KeyId, SharedKey};
use ntp_proto::control::sign;
use ntp_tests::{ours, run, shared, skip, without_clock};

/// A recording, and the words that ask the same of ours. The transcript is called like the recording.
const RECORDINGS: &[(&str, &[&str])] = &[
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
    ("ntpsec-pn", &["-pn"]),
    ("ntpsec-peers", &["-n", "-c", "peers"]),
    ("ntpsec-lpeers", &["-n", "-c", "lpeers"]),
    ("ntpsec-apeers", &["-n", "-c", "apeers"]),
    ("ntpsec-opeers", &["-n", "-c", "opeers"]),
    ("ntpsec-lopeers", &["-n", "-c", "lopeers"]),
    ("ntpsec-pnw", &["-pnw"]),
    ("ntpsec-pnu", &["-pnu"]),
    ("ntpsec-pnW120", &["-pn", "-W", "120"]),
    ("ntpsec-p", &["-p"]),
    ("ntpsec-rv-raw", &["-n", "-c", "raw", "-c", "rv"]),
    ("ntpsec-rv-badvar", &["-n", "-c", "rv 0 nosuchvar"]),
    ("ntpsec-rv-badassoc", &["-n", "-c", "rv 1"]),
    ("ntpsec-sysvarlist", &["-n", "-c", "rv 0 sys_var_list"]),
    ("classic-peers", &["-n", "--classic", "-c", "peers"]),
    ("classic-lpeers", &["-n", "--classic", "-c", "lpeers"]),
    ("classic-apeers", &["-n", "--classic", "-c", "apeers"]),
    ("classic-opeers", &["-n", "--classic", "-c", "opeers"]),
    ("classic-lopeers", &["-n", "--classic", "-c", "lopeers"]),
    ("classic-pw", &["--classic", "-pnw"]),
    ("classic-raw-rv", &["-n", "--classic", "-c", "raw", "-c", "rv", "-c", "rv &2"]),
    ("classic-rv", &["-n", "--classic", "-c", "rv"]),
    ("classic-rv_2", &["-n", "--classic", "-c", "rv &2"]),
    ("classic-sysinfo", &["-n", "--classic", "-c", "sysinfo"]),
    ("classic-sysstats", &["-n", "--classic", "-c", "sysstats"]),
    ("classic-kerninfo", &["-n", "--classic", "-c", "kerninfo"]),
    ("classic-iostats", &["-n", "--classic", "-c", "iostats"]),
    ("classic-timerstats", &["-n", "--classic", "-c", "timerstats"]),
    ("classic-monstats", &["-n", "--classic", "-c", "monstats"]),
    ("classic-authinfo", &["-n", "--classic", "-c", "authinfo"]),
    ("classic-pstats_2", &["-n", "--classic", "-c", "pstats &2"]),
    ("classic-mrulist", &["-n", "--classic", "-c", "mrulist"]),
    ("classic-rv_0_sys_var_list", &["-n", "--classic", "-c", "rv 0 sys_var_list"]),
    ("classic-rv_2_peer_var_list", &["-n", "--classic", "-c", "rv &2 peer_var_list"]),
    ("classic-rv_4", &["-n", "--classic", "-c", "rv &4"]),
    ("classic-rv_6", &["-n", "--classic", "-c", "rv &6"]),
    ("classic-cv_2", &["-n", "--classic", "-c", "cv &2"]),
    ("ntpsec-ifstats", &["-n", "-k", KEYS, "-a", "1", "-c", "ifstats"]),
    ("ntpsec-ifstats-AESkey", &["-n", "-k", KEYS, "-a", "3", "-c", "ifstats"]),
    ("ntpsec-reslist", &["-n", "-k", KEYS, "-a", "1", "-c", "reslist"]),
    ("ntpsec-config-ok", &["-n", "-k", KEYS, "-a", "1", "-c", ":config logconfig =all"]),
    ("ntpsec-config-err", &["-n", "-k", KEYS, "-a", "1", "-c", ":config bogus line here"]),
    ("ntpsec-config-badkey", &["-n", "-k", KEYS, "-a", "2", "-c", ":config logconfig =all"]),
    ("ntpsec-cv", &["-n", "-c", "cv"]),
    ("ntpsec-host", &["-n", "-c", "host 127.0.0.1"]),
    ("ntpsec-keyid", &["-n", "-c", "keyid"]),
    ("ntpsec-ntpversion", &["-n", "-c", "ntpversion"]),
    ("ntpsec-raw", &["-n", "-c", "raw"]),
    ("ntpsec-noserver", &["-pn"]),
    ("classic-host", &["-n", "-c", "host 127.0.0.1"]),
    ("classic-keyid", &["-n", "-c", "keyid"]),
    ("classic-ntpversion", &["-n", "-c", "ntpversion"]),
    ("classic-noserver", &["--classic", "-pn"]),
    ("ntpsec-mrulist-opts", &["-n", "-c", "mrulist mincount=2 sort=addr"]),
];

/// Where a command line names the file of keys.
const KEYS: &str = "(keys)";

/// Transcripts that ours does otherwise, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("ntpsec-rv1", "the daemon's junk in filt* values is escaped, and each of them begins a line"),
    ("ntpsec-rv2", "the same"),
    ("ntpsec-rv2-raw", "the same"),
    ("ntpsec-rv-units", "the same"),
    ("ntpsec-rv5clock", "the same"),
    ("ntpsec-clockvarlist", "no line with a number alone before a variable that was named"),
    ("ntpsec-peervarlist", "no blank line before a variable that was named"),
    ("ntpsec-rpeers", "the columns that 1.2.2 leaves empty are filled"),
    ("ntpsec-mrulist", "its ages depend on the moment; mrulist-opts has the same columns"),
    ("ntpsec-mrulist-raw", "each row is a line, raw or not"),
    ("ntpsec-ifstats-raw", "the same"),
    ("ntpsec-reslist-raw", "the same"),
    ("ntpsec-keytype", "it is said as classic says it"),
    ("ntpsec-timeout", "on this machine one second is enough"),
    ("classic-timeout", "the same"),
    ("ntpsec-version", "ours is another version"),
    ("classic-version", "the same"),
    ("ntpsec-help", "ours has other commands, each with a line about it"),
    ("classic-help", "the same"),
    ("ntpsec-passociations", "recorded without packets; the same rows as associations, fewer of them"),
    ("classic-passociations", "the same"),
    ("ntpsec-two-hosts", "two daemons on two addresses: tests/interop/control.rs asks two"),
    ("classic-two", "the name of the host asked is shown whole, not the address it asks from"),
    ("classic-auth", "a conversation with secrets typed in, which ours reads from a terminal alone"),
    ("classic-ntpdc-all", "mode 7 is not spoken"),
    ("classic-ntpdc-peers", "the same"),
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
    // Some commands ask nothing.
    let Some(line) = vectors.lines().find(|line| line.contains(&format!("\"name\": \"{name}\""))) else {
        return Vec::new();
    };
    let recording: serde_json::Value = serde_json::from_str(line).unwrap();
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
                sign_anew(&mut packet);
                socket.send_to(&packet, from).unwrap();
            }
        }
    });
    port
}

/// The file of keys of whoever asks: the recorded secrets are not known.
const SECRETS: &str = "1 MD5 anything\n2 MD5 anything\n3 AES 0123456789abcdef0123456789abcdef\n";

/// Another sequence number needs another code, where there was one.
fn sign_anew(packet: &mut Vec<u8>) {
    let end = 12 + usize::from(u16::from_be_bytes([packet[10], packet[11]]));
    let Some(trailer) = packet.get(end.next_multiple_of(8)..).filter(|trailer| trailer.len() >= 20) else {
        return;
    };
    let id = u32::from_be_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
    let known = |word: &str| Algorithm::from_name(word).is_some();
    let (keys, _) = ntp_conf::read_keys("keys", SECRETS.as_bytes(), &known);
    let key = keys.into_iter().find(|key| key.id == id).unwrap();
    let secret = Key::new(Algorithm::from_name(&key.algorithm).unwrap(), &key.secret);
    packet.truncate(end);
    sign(packet, &SharedKey { id: KeyId::new(id).unwrap(), key: secret, from: Vec::new(), trusted: true });
}

/// What a transcript has between the command and the exit status.
fn transcript(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(format!("transcripts/{name}.txt"))).unwrap();
    let body = text.split_once('\n').unwrap().1;
    let mut body = body.split_once("[exit status").unwrap().0.to_owned();
    // That Ctrl-C ends a program is no news.
    body = body.replace("Ctrl-C will stop MRU retrieval and display partial results.\n", "");
    for (recording, theirs, ours, _) in DEPARTURES {
        if *recording == name {
            assert!(body.contains(theirs), "{name} has no {theirs:?}");
            body = body.replace(theirs, ours);
        }
    }
    body
}

/// A table without the column of ages, which are reckoned from now, and without how long it took.
fn ageless(text: &str) -> String {
    let column = text.lines().find_map(|line| line.find(" when ")).map(|at| at + 1..at + 5);
    let line = |line: &str| match column.clone() {
        Some(column) if line.len() > column.end && line.is_ascii() => {
            format!("{}    {}\n", &line[..column.start], &line[column.end..])
        }
        _ => format!("{line}\n"),
    };
    text.lines().filter(|line| !line.starts_with("# ")).map(line).collect()
}

#[test]
fn recorded_answers_are_printed_as_debians_ntpq_did() {
    let test = "recorded_answers_are_printed_as_debians_ntpq_did";
    let Some(folder) = shared("mode6") else {
        return skip(test, "needs the reference data beside the checkout");
    };
    let vectors = fs::read_to_string(folder.join("vectors.jsonl")).unwrap();
    let mut wrong = String::new();
    let keys = tempfile::NamedTempFile::new().unwrap();
    fs::write(keys.path(), SECRETS).unwrap();
    let keys = keys.path().display().to_string();
    for (name, words) in RECORDINGS {
        let name = *name;
        let host = format!("127.0.0.1:{}", play(recorded(&vectors, name)));
        let words = words.iter().map(|word| if *word == KEYS { keys.as_str() } else { word });
        let printed = run(without_clock(&ours("ntpq")).args(words).arg(&host));
        let expected = transcript(&folder, name);
        if ageless(&printed.stdout) != ageless(&expected) {
            writeln!(wrong, "{name}: ours:\n{}theirs:\n{expected}", printed.both()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_transcript_is_reproduced_or_has_a_reason() {
    let test = "every_transcript_is_reproduced_or_has_a_reason";
    let Some(folder) = shared("mode6/transcripts") else {
        return skip(test, "needs the reference data beside the checkout");
    };
    let reproduced = RECORDINGS.iter().map(|(name, _)| *name);
    let known: Vec<&str> = reproduced.chain(OTHERWISE.iter().map(|(name, _)| *name)).collect();
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let stems = names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    // What other clients printed, who ask ours in tests/interop/clients.rs, is theirs.
    let forgotten: Vec<String> =
        stems.filter(|name| !name.starts_with("tool-") && !known.contains(&name.as_str())).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}
