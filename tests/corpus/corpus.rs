//! ntp.conf as people have it: every file comes back byte for byte, and edits touch one line.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ntp_conf::directive::{AddressFamily, Directive, Role};
use ntp_conf::edit::{
    Conflict, NewServer, Plan, add_server, disable_server, enable_server, remove_server, switched_off,
};
use ntp_conf::schema::Treatment;
use ntp_conf::{Dialect, Document, LoadError, Loaded, Severity, schema, syntax_error, understood};
use ntp_tests::fuzz::mutant;
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

const ADDED: &str = "added.example";

fn new_server() -> NewServer {
    let options = vec!["iburst".to_owned()];
    NewServer { role: Role::Server, family: AddressFamily::Any, host: ADDED.to_owned(), options }
}

/// A loader that knows one file.
fn only(path: &Path, bytes: &[u8]) -> impl FnMut(&Path) -> Result<Vec<Loaded>, LoadError> {
    move |wanted: &Path| {
        let loaded = Loaded { path: path.to_owned(), content: bytes.to_vec() };
        if wanted == path { Ok(vec![loaded]) } else { Err(LoadError::Missing) }
    }
}

/// A change of a file, which must be one.
fn changed(document: &Document, plan: &Plan, name: &str) -> Document {
    assert!(matches!(plan, Plan::Change(_)), "{name}: {plan:?}");
    Document::parse(&plan.apply(document))
}

/// What must hold for any file.
fn survives(name: &str, bytes: &[u8]) {
    let path = Path::new(name);
    let document = Document::parse(bytes);
    let lines: Vec<u8> = document.lines().flat_map(|line| line.raw().to_vec()).collect();
    assert_eq!(lines, bytes, "{name}");
    let plan = add_server(&document, &new_server(), Conflict::Refuse).unwrap();
    let after = changed(&document, &plan, name);
    let is_new = |line: &[u8]| line.windows(ADDED.len()).any(|part| part == ADDED.as_bytes());
    assert_eq!(after.lines().filter(|line| is_new(line.raw())).count(), 1, "{name}");
    // A second time there is nothing to do, and it is understood as it was meant.
    let again = add_server(&after, &new_server(), Conflict::Refuse).unwrap();
    assert!(matches!(again, Plan::Nothing { .. }), "{name}: {again:?}");
    // Switched off and on it is the same; taken out again, what is left is the old file, but for a last
    // newline that had to be supplied.
    let off = changed(&after, &disable_server(&after, ADDED), name);
    assert_eq!(
        changed(&off, &enable_server(&off, ADDED, None).unwrap(), name).print(),
        after.print(),
        "{name}"
    );
    let rest = changed(&after, &remove_server(&after, ADDED), name);
    let ends = document.lines().next_back().is_none_or(|line| !line.terminator().is_empty());
    assert!(rest.print() == bytes || (!ends && rest.print().starts_with(bytes)), "{name}");
    // Reading it never fails, whatever it says.
    for finding in ntp_conf::read(path, &mut only(path, bytes)).unwrap().1 {
        assert!(!finding.to_string().is_empty());
    }
}

/// Off and on again is as it was, for every host of which no other comment could be meant.
fn every_source_can_be_switched(name: &str, document: &Document) {
    let sources =
        document.lines().filter_map(|line| match ntp_conf::directive::interpret(name, 1, &line).directive {
            Some(Directive::Source(source)) if source.reference_clock().is_none() => Some(source),
            _ => None,
        });
    let mut hosts: Vec<String> = sources.map(|source| source.host).collect();
    hosts.sort();
    hosts.dedup();
    for host in hosts {
        let is_off =
            |document: &Document| document.lines().filter(|line| switched_off(line, &host).is_some()).count();
        let off = changed(document, &disable_server(document, &host), name);
        let lines = document.lines().zip(off.lines());
        let switched: Vec<_> =
            lines.filter(|(before, after)| before.raw() != after.raw()).map(|(_, after)| after).collect();
        let identities: BTreeSet<String> = switched
            .iter()
            .filter_map(|line| switched_off(line, &host))
            .map(|source| format!("{:?} {:?}", source.family, source.options.port))
            .collect();
        // Of several that could be meant none is taken.
        if is_off(document) > 0 || identities.len() < switched.len() {
            assert!(
                switched.is_empty() || enable_server(&off, &host, None).is_err() || identities.len() > 1,
                "{name}: {host}"
            );
            continue;
        }
        let on = changed(&off, &enable_server(&off, &host, None).unwrap(), name);
        assert!(on.print() == document.print(), "{name}: {host}");
    }
}

#[test]
fn our_fixtures_come_back_byte_for_byte() {
    let files = files_in(&fixtures());
    assert!(files.len() >= 5);
    for file in files {
        let (name, bytes) = (file.display().to_string(), fs::read(&file).unwrap());
        survives(&name, &bytes);
        every_source_can_be_switched(&name, &Document::parse(&bytes));
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
        for (number, file) in files_in(&folder).iter().enumerate() {
            let (name, bytes) = (file.display().to_string(), fs::read(file).unwrap());
            survives(&name, &bytes);
            every_source_can_be_switched(&name, &Document::parse(&bytes));
            for seed in 0..5 {
                let seed = 1000 * number as u64 + seed;
                survives(&format!("{name}, mutant {seed}"), &mutant(std::slice::from_ref(&bytes), seed));
            }
        }
    }
}

/// Files and lines on which a real daemon reported a syntax error.
fn oracle(table: &Path) -> BTreeSet<(String, usize)> {
    let text = fs::read_to_string(table).unwrap();
    let row = |row: &str| {
        let mut columns = row.split('\t');
        Some((columns.next()?.to_owned(), columns.next()?.parse().ok()?))
    };
    text.lines().skip(1).filter_map(row).collect()
}

/// Whether only bad lines and comments stand between a line and one that a daemon has reported.
fn in_a_row(
    (name, line): &(String, usize),
    theirs: &BTreeSet<(String, usize)>,
    ours: &BTreeSet<(String, usize)>,
    corpus: &Path,
) -> bool {
    let document = Document::parse(&fs::read(corpus.join(format!("{name}.conf"))).unwrap());
    let before = (1..*line).rev().filter(|number| !document.line(number - 1).unwrap().tokens().is_empty());
    for number in before {
        let at = (name.clone(), number);
        if theirs.contains(&at) || !ours.contains(&at) {
            return theirs.contains(&at);
        }
    }
    false
}

/// For each daemon, the lines at which it stumbles are those at which we say that it does.
#[test]
fn the_daemons_stumble_where_we_say() {
    let (Some(corpus), Some(folder)) = (shared("ntp-conf/corpus"), shared("ntp-conf")) else {
        return skip("the_daemons_stumble_where_we_say", "needs the reference data beside the checkout");
    };
    for (dialect, table) in
        [(Dialect::Classic, "corpus-classic_errors.tsv"), (Dialect::Ntpsec, "corpus-ntpsec_errors.tsv")]
    {
        let mut ours = BTreeSet::new();
        for path in files_in(&corpus) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            for (index, line) in Document::parse(&fs::read(&path).unwrap()).lines().enumerate() {
                if syntax_error(dialect, &line).is_some() {
                    ours.insert((name.clone(), index + 1));
                }
            }
        }
        let theirs = oracle(&folder.join(table));
        let missed: Vec<&(String, usize)> = theirs.difference(&ours).collect();
        // Of bad lines in a row, with nothing good between them, the daemons report the first one only, or
        // that as often as there are.
        let invented: Vec<&(String, usize)> =
            ours.difference(&theirs).filter(|at| !in_a_row(at, &theirs, &ours, &corpus)).collect();
        assert!(
            missed.is_empty() && invented.is_empty(),
            "{table}: missed {missed:?}, invented {invented:?}"
        );
    }
}

/// Where our reading of an edge case as classic ntpd differs from its own, on purpose.
const DEPARTURES: &[(&str, &str)] = &[
    ("015", "numbers out of range are left out or raised with a word, not clamped silently"),
    ("017", "the same"),
    ("019", "key 0 is no key: the tree leaves it out"),
    ("073", "a list with commas is an error as a whole, not its first number"),
    ("115", "fudge of something that is no clock is an error by itself, not a line without effect"),
    ("135", "the tree holds what is included, not the directive"),
    ("153", "the build of classic ntpd that was asked has no such directive in its tree"),
    ("159", "the simulator's block is not in the tree"),
    ("167", "an empty file is no error"),
    ("175", "a number that does not fit is out of range, it does not wrap around"),
    ("191", "trusted keys of several lines add up, as in NTPsec"),
    ("193", "no word of a kilobyte ends the daemon"),
    ("197", "`server=10.0.0.1` is no server named `=10.0.0.1`"),
    ("201", "the tree shows the default `checkhash`"),
    ("207", "the tree does not show `-4` and `-6` of restrictions"),
];

/// Where our own reading differs from classic ntpd's, on purpose, beside those.
const OWN_DEPARTURES: &[(&str, &str)] = &[
    ("013", "of an option without its value only the option is lost"),
    ("055", "a mask in the wrong place is still meant"),
    ("061", "a flag behind a misplaced `-4` is still meant"),
    ("069", "a word of NTPsec's"),
    ("077", "a fraction is an error of its own, and the line stays one of ntp.conf"),
    ("087", "an old word is known, so that it can be said what to write"),
    ("099", "a word of NTPsec's"),
    ("101", "the same"),
    ("103", "the same"),
    ("105", "the same"),
    ("107", "the same"),
    ("109", "the same"),
    ("139", "the same"),
    ("143", "what is out of range is an error when it is read, not when it is used"),
    ("145", "an old word is known, so that it can be said what to write"),
    ("173", "of an option with a bad value only the option is lost"),
    ("179", "words of other programs are known, so that it can be said what to write"),
];

/// What classic ntpd keeps of every edge case, word by word.
#[test]
fn edge_cases_are_read_as_classic_ntpd_reads_them() {
    let Some(folder) = shared("ntp-conf") else {
        return skip("edge_cases_are_read_as_classic", "needs the reference data beside the checkout");
    };
    let table = fs::read_to_string(folder.join("edgecases.tsv")).unwrap();
    let words = |command: &str| -> Vec<String> {
        let value = |word: &str| match word.strip_prefix("0x").map(|digits| i64::from_str_radix(digits, 16)) {
            Some(Ok(number)) => number.to_string(),
            _ => word.parse::<f64>().map_or_else(|_| word.to_owned(), |number| number.to_string()),
        };
        let bare = command.replace('"', "").replace("nic ", "interface ");
        // A number belongs to the word before it; in which order the words come, the tree does not say.
        let mut words: Vec<String> = Vec::new();
        for word in bare.split_whitespace().map(value) {
            match words.last_mut().filter(|_| word.parse::<f64>().is_ok()) {
                Some(last) => *last = format!("{last} {word}"),
                None => words.push(word),
            }
        }
        words.sort();
        words
    };
    let read = |dialect: Dialect, document: &Document| -> Vec<Vec<String>> {
        let lines = document.lines().filter_map(|line| understood(dialect, &line));
        let mut lines: Vec<Vec<String>> = lines.map(|text| words(&text)).collect();
        lines.sort();
        lines
    };
    let (mut wrong, mut departed) = (Vec::new(), Vec::new());
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [name, _, classic, ..] = columns[..] else { continue };
        if DEPARTURES.iter().any(|(departure, _)| name.starts_with(departure)) {
            continue;
        }
        let tree =
            classic.split(" ; ").find_map(|part| part.trim().strip_prefix("tree: ")).unwrap_or("(empty)");
        let mut theirs: Vec<Vec<String>> =
            tree.split(" | ").filter(|command| *command != "(empty)").map(words).collect();
        let has_error = classic.contains("syntax error");
        let bytes = fs::read(folder.join("edgecases").join(format!("{name}.conf"))).unwrap();
        let document = Document::parse(&bytes);
        let ours = read(Dialect::Classic, &document);
        let stumbles = document.lines().any(|line| syntax_error(Dialect::Classic, &line).is_some());
        theirs.sort();
        let mine = read(Dialect::Ours, &document);
        let is_listed = OWN_DEPARTURES.iter().any(|(departure, _)| name.starts_with(departure));
        if (mine != theirs) != is_listed {
            departed.push(format!("{name}: mine {mine:?}, theirs {theirs:?}"));
        }
        if ours != theirs || stumbles != has_error {
            wrong.push(format!("{name}: ours {ours:?} {stumbles}, theirs {theirs:?} {has_error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(departed.is_empty(), "{}", departed.join("\n"));
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
        let known = schema::entry(name).is_some();
        assert!(known, "{name}");
    }
}

/// What the reference table says must be done, and is not done so, on purpose.
const OTHER_TREATMENTS: &[(&str, &str)] = &[
    ("nts", "Network Time Security is to come"),
    ("server nts", "the same"),
    ("restrict mssntp", "nothing is signed for Windows domains; the rest of the line holds"),
];

/// Every directive is treated as the reference table's last column says.
#[test]
fn every_known_directive_is_treated_as_the_table_says() {
    let Some(folder) = shared("ntp-conf") else {
        return skip("every_known_directive_is_treated", "needs the reference data beside the checkout");
    };
    let table = fs::read_to_string(folder.join("directives.tsv")).unwrap();
    let mut wrong = Vec::new();
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (Some(name), Some(wanted)) = (columns.first(), columns.last()) else { continue };
        let words: Vec<&str> = name.split(' ').collect();
        let Some(entry) = schema::entry(words[0]) else { continue };
        let treatment = match words[..] {
            [_] => entry.treatment,
            [_, setting] => match entry.setting(setting) {
                Some(setting) => setting.treatment,
                None => continue,
            },
            _ => continue,
        };
        let fits = match wanted.split([' ', ',', '(']).next() {
            Some("IMPLEMENT") => matches!(treatment, Treatment::Acted | Treatment::Satisfied),
            Some("ACCEPT+WARN") => !matches!(treatment, Treatment::Rejected(_)),
            Some("REJECT") => matches!(treatment, Treatment::Rejected(_)),
            _ => true,
        };
        let is_listed = OTHER_TREATMENTS.iter().any(|(listed, _)| listed == name);
        if fits == is_listed {
            wrong.push(format!("{name}: {treatment:?}, and the table says {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
        for (index, line) in Document::parse(&fs::read(&path).unwrap()).lines().enumerate() {
            if bad.contains(&(name.clone(), index + 1)) {
                continue;
            }
            let meaning = ntp_conf::directive::interpret(&name, index + 1, &line);
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
    let (configuration, findings) = ntp_conf::read(&path, &mut only(&path, &bytes)).unwrap();
    let wrong: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(ToString::to_string)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(configuration.sources.len(), 4);
    assert!(configuration.drift_file.is_some());
}
