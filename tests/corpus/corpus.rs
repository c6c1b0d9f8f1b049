//! ntp.conf as people have it: every file comes back byte for byte, and edits touch one line.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, where a failure is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ntp_conf::edit::{Addition, NewServer, add_server};
use ntp_conf::{Document, LoadError, Loaded, Severity};
use ntp_tests::{shared, skip};

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/fixtures")
}

fn new_server() -> NewServer {
    NewServer { host: "added.example".to_owned(), port: None, iburst: true, prefer: false }
}

/// What must hold for any file.
fn survives(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let document = Document::parse(&bytes);
    assert_eq!(document.print(), bytes, "{}", path.display());
    let Addition::Change(patch) = add_server(&document, &new_server()) else { panic!("{}", path.display()) };
    let after = patch.apply(&document);
    let (before_lines, after_lines) = (Document::parse(&bytes), Document::parse(&after));
    let added: Vec<usize> = (0..after_lines.lines().len())
        .filter(|index| after_lines.lines()[*index].raw().windows(13).any(|part| part == b"added.example"))
        .collect();
    assert_eq!(added.len(), 1, "{}", path.display());
    // Taken out again, what is left is the old file; a missing last newline had to be supplied.
    let rest: Vec<u8> = after_lines
        .lines()
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != added[0])
        .flat_map(|(_, line)| line.raw().iter().copied())
        .collect();
    let ends = before_lines.lines().last().is_none_or(|line| !line.terminator().is_empty());
    assert!(rest == bytes || (!ends && rest.starts_with(&bytes)), "{}", path.display());
    // Reading it never fails, whatever it says.
    let mut loader = |_: &Path| -> Result<Vec<Loaded>, LoadError> {
        Ok(vec![Loaded { path: path.to_owned(), content: bytes.clone() }])
    };
    let read = ntp_conf::read(path, &mut loader).unwrap();
    for finding in read.1 {
        assert!(!finding.to_string().is_empty());
    }
}

#[test]
fn our_fixtures_come_back_byte_for_byte() {
    let files = files_in(&fixtures());
    assert!(files.len() >= 5);
    for file in files {
        survives(&file);
    }
}

#[test]
fn real_files_come_back_byte_for_byte() {
    for name in ["ntp-conf/corpus", "ntp-conf/edgecases", "ntp-conf/debian-shipped", "ntp-conf/other-formats"]
    {
        let Some(folder) = shared(name) else {
            return skip(
                "real_files_come_back_byte_for_byte",
                "needs the reference data beside the checkout",
            );
        };
        for file in files_in(&folder) {
            survives(&file);
        }
    }
}

/// Every directive that the reference table knows is known here.
#[test]
fn every_known_directive_is_recognised() {
    let Some(folder) = shared("ntp-conf") else {
        return skip("every_known_directive_is_recognised", "needs the reference data beside the checkout");
    };
    let table = fs::read_to_string(folder.join("directives.tsv")).unwrap();
    for row in table.lines().skip(1) {
        let name = row.split('\t').next().unwrap_or_default();
        if name.contains(' ') || name.is_empty() {
            continue;
        }
        let known = ntp_conf::SCHEMA.iter().any(|entry| entry.name == name);
        assert!(known, "{name}");
    }
}

/// Lines that both real daemons accept are not errors here, unless we say that we do not do them.
#[test]
fn what_the_daemons_accept_we_accept() {
    let (Some(corpus), Some(folder)) = (shared("ntp-conf/corpus"), shared("ntp-conf")) else {
        return skip("what_the_daemons_accept_we_accept", "needs the reference data beside the checkout");
    };
    // Lines on which one of the real daemons reported a syntax error: file, line, and more.
    let bad: BTreeSet<(String, usize)> = ["corpus-classic_errors.tsv", "corpus-ntpsec_errors.tsv"]
        .iter()
        .flat_map(|name| {
            fs::read_to_string(folder.join(name)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|row| {
            let mut columns = row.split('\t');
            Some((columns.next()?.to_owned(), columns.next()?.parse().ok()?))
        })
        .collect();
    let mut surprises = Vec::new();
    for path in files_in(&corpus) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for (index, line) in Document::parse(&fs::read(&path).unwrap()).lines().iter().enumerate() {
            if bad.contains(&(name.clone(), index + 1)) {
                continue;
            }
            let meaning = ntp_conf::directive::interpret(&name, index + 1, line);
            let errors = meaning
                .diagnostics
                .into_iter()
                .filter(|finding| finding.severity == Severity::Error && finding.code != "E006");
            surprises.extend(errors.map(|finding| finding.to_string()));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn shipped_files_are_clean() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/ntp.conf");
    let bytes = fs::read(&path).unwrap();
    let mut loader = |_: &Path| -> Result<Vec<Loaded>, LoadError> {
        Ok(vec![Loaded { path: path.clone(), content: bytes.clone() }])
    };
    let (configuration, findings) = ntp_conf::read(&path, &mut loader).unwrap();
    let wrong: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(ToString::to_string)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(configuration.sources.len(), 4);
    assert!(configuration.drift_file.is_some());
}
