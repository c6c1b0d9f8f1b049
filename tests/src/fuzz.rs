//! Harnesses for hostile input: what must hold for any bytes, checked on a corpus and on what becomes
//! of it when bytes are changed.
//!
//! They run as plain tests on the stable toolchain; `cargo xtask fuzz NAME` runs one for longer. The
//! changes come from a seed, so that a failure can be replayed.

use std::path::Path;

use ntp_conf::directive::{AddressFamily, Directive, Role, interpret};
use ntp_conf::edit::{
    Conflict, EditError, NewServer, Plan, add_server, canonical_host, disable_server, enable_server,
    remove_server, remove_server_and_rules, replace_server, set, set_option, set_servers, switched_off,
    unset, unset_option,
};
use ntp_conf::{
    Dialect, Document, Limits, Line, LoadError, Loaded, Severity, lint, read_within, syntax_error,
};

/// What is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harness {
    /// Parsing and printing ntp.conf.
    Parse,
    /// Edits of ntp.conf.
    Edits,
    /// Configurations of other daemons.
    Import,
    /// Datagrams at the service port.
    Request,
    /// Files of keys.
    Keys,
    /// Questions of mode 6.
    Control,
    /// Answers of mode 6.
    Answer,
    /// Walks through a list of clients.
    Walk,
}

/// All of them, with their names.
pub const HARNESSES: [(&str, Harness); 8] = [
    ("parse", Harness::Parse),
    ("edits", Harness::Edits),
    ("import", Harness::Import),
    ("request", Harness::Request),
    ("keys", Harness::Keys),
    ("control", Harness::Control),
    ("answer", Harness::Answer),
    ("walk", Harness::Walk),
];

/// Checks one input.
///
/// # Panics
/// If what must hold for any input does not.
pub fn check(harness: Harness, input: &[u8]) {
    match harness {
        Harness::Parse => parse(input),
        Harness::Edits => edits(input),
        Harness::Import => import(input),
        Harness::Request => crate::fuzz_server::request(input),
        Harness::Keys => crate::fuzz_server::keys(input),
        Harness::Control => crate::fuzz_control::control(input),
        Harness::Answer => crate::fuzz_control::answer(input),
        Harness::Walk => crate::fuzz_walk::walk(input),
    }
}

fn parse(input: &[u8]) {
    let document = Document::parse(input);
    let lines: Vec<u8> = document.lines().flat_map(|line| line.raw().to_vec()).collect();
    assert_eq!(lines, input);
    let path = Path::new("f");
    let mut loader = |wanted: &Path| {
        let loaded = Loaded { path: wanted.to_owned(), content: input.to_vec() };
        if wanted == path { Ok(vec![loaded]) } else { Err(LoadError::Missing) }
    };
    let read = read_within(path, &mut loader, Limits::default());
    assert!(read.is_ok());
    let Ok(read) = read else { return };
    let advice = lint(&read);
    for finding in read.diagnostics.iter().chain(&advice) {
        let text = finding.to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.len() < 4000, "{text}");
    }
    for line in document.lines() {
        for dialect in [Dialect::Classic, Dialect::Ntpsec] {
            if let Some((word, _)) = syntax_error(dialect, &line) {
                assert!(word < line.tokens().len().max(1));
            }
        }
    }
}

fn edits(input: &[u8]) {
    let document = Document::parse(input);
    let new = |host: &str| NewServer {
        role: Role::Server,
        family: AddressFamily::Any,
        host: host.to_owned(),
        options: vec!["iburst".to_owned()],
    };
    let word = |index: usize| {
        let tokens = document.lines().flat_map(|line| line.tokens().to_vec());
        tokens.map(|token| token.text.into_owned()).nth(index).unwrap_or_else(|| "a".to_owned())
    };
    let (one, other) = (word(1), word(input.len() % 7));
    let words = ["tinker", "panic", "3"].map(str::to_owned);
    let edit = |document: &Document, which: usize| -> Result<Plan, EditError> {
        match which {
            0 => add_server(document, &new("new.example"), Conflict::Refuse),
            1 => Ok(remove_server(document, &one)),
            2 => Ok(disable_server(document, &one)),
            3 => enable_server(document, &one, None),
            4 => replace_server(document, &one, "new.example"),
            5 => set_servers(document, &[new("new.example"), new("other.example")]),
            6 => set_option(document, &one, "minpoll", Some("5")),
            7 => unset_option(document, &one, "iburst"),
            8 => set(document, &words),
            9 => unset(document, &words[..2]),
            10 => Ok(remove_server_and_rules(document, &one)),
            _ => set(document, &["driftfile".to_owned(), other.clone()]),
        }
    };
    for which in 0..12 {
        let Ok(plan @ Plan::Change(_)) = edit(&document, which) else { continue };
        let after = Document::parse(&plan.apply(&document));
        let Plan::Change(patches) = &plan else { continue };
        // A line that goes, or becomes another, is about what was asked for.
        for index in patches.iter().flat_map(|patch| patch.lines.clone()) {
            let line = document.line(index);
            assert!(line.as_ref().is_some_and(|line| is_about(line, which, &one)), "edit {which}: {line:?}");
        }
        // A second time there is nothing left to do; an exchange has no second time.
        match edit(&after, which) {
            Ok(again) => assert_eq!(again.apply(&after), after.print(), "edit {which}"),
            Err(error) => assert!(which == 4, "edit {which}: {error}"),
        }
        // And what was done can be undone.
        let undone = match which {
            0 => remove_server(&after, "new.example"),
            2 => match enable_server(&after, &one, None) {
                Ok(plan) => plan,
                // Another comment could be meant as well.
                Err(_) => continue,
            },
            _ => continue,
        };
        let (before, back) = (document.print(), undone.apply(&after));
        let ends = before.is_empty() || before.ends_with(b"\n");
        let supplied = which == 0 && !ends && back.starts_with(before);
        // Behind a comment sign, one blank and an error look like prose.
        let commented =
            document.lines().any(|line| switched_off(&line, &one).is_some() || line.raw().starts_with(b" "));
        assert!(back == before || supplied || which == 2 && commented, "edit {which} is not undone");
    }
}

/// Whether an edit may touch a line.
fn is_about(line: &Line<'_>, which: usize, host: &str) -> bool {
    // Of some words no byte is left: they are no words to the daemons.
    let first = line.tokens().iter().find(|token| !token.text.is_empty());
    let keyword = first.map(|token| &*token.text);
    let is_source = || match interpret("f", 1, line).directive {
        Some(Directive::Source(source)) => which == 5 || canonical_host(&source.host) == canonical_host(host),
        _ => false,
    };
    match which {
        0 => false,
        3 => switched_off(line, host).is_some(),
        8 | 9 => keyword == Some("tinker"),
        10 => is_source() || keyword == Some("restrict"),
        11 => keyword == Some("driftfile"),
        _ => is_source(),
    }
}

fn import(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for result in ntpctl::import_text(Path::new("/nonexistent/x"), &text) {
        for (index, line) in Document::parse(result.as_bytes()).lines().enumerate() {
            let findings = interpret("f", index + 1, &line).diagnostics;
            assert!(findings.iter().all(|finding| finding.severity != Severity::Error), "{result}");
        }
    }
}

/// Pieces that mean something to one of the parsers.
const PIECES: [&[u8]; 24] = [
    b"server ",
    b"pool ",
    b"restrict ",
    b"default ",
    b"mask ",
    b"\"",
    b"#",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"-6 ",
    b"iburst ",
    b"minpoll ",
    b"99999999999999999999",
    b"=",
    b"includefile f\n",
    b"[Time]\nNTP=",
    b"allow ",
    b"local stratum ",
    b"[[source]]\n",
    b"tinker panic ",
    b"127.127.1.0",
    b"(5 ... 9)",
];

/// One in so many inputs is bytes out of nowhere.
const RAW: usize = 8;

/// What becomes of an input with a seed.
pub fn mutant(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    if numbers.below(RAW) == 0 {
        let length = numbers.below(400);
        return (0..length).map(|_| u8::try_from(numbers.below(256)).unwrap_or(0)).collect();
    }
    let mut input = corpus.get(numbers.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..=numbers.below(6) {
        let (at, other) = (numbers.below(input.len() + 1), numbers.below(input.len() + 1));
        match numbers.below(7) {
            0 => input.truncate(at),
            1 => input.insert(at, u8::try_from(numbers.below(256)).unwrap_or(0)),
            2 if at < input.len() => drop(input.remove(at)),
            3 if at.max(other) < input.len() => input.swap(at, other),
            4 => drop(input.drain(at.min(other)..at.max(other))),
            5 => input.extend_from_within(at.min(other)..at.max(other)),
            _ => {
                let piece = PIECES.get(numbers.below(PIECES.len())).copied().unwrap_or_default();
                drop(input.splice(at..at, piece.iter().copied()));
            }
        }
        // A file of any length is another matter.
        input.truncate(20_000);
    }
    input
}

/// Numbers that replay.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or(0)
    }
}

/// The inputs that a harness starts from: files of the repository.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("fuzz/corpus").join(name), root.join("corpus/fixtures")];
    // Texts are no packets.
    let packets = ["request", "control", "answer"].contains(&name);
    let files = folders
        .iter()
        .take(if packets { 1 } else { 2 })
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten();
    let mut paths: Vec<_> =
        files.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}
