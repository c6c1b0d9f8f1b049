//! A file and what it includes, read as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::cst::{Document, Line};
use crate::diagnostic::{Diagnostic, Severity};
use crate::directive::{
    Directive, FileAge, FileGeneration, Fudge, InterfaceRule, LeapFile, Limit, LogSelection, Mru, Restrict,
    Reticence, ServerThreads, Source, StatisticsSet, Switch, Tinker, Tos, interpret,
};

/// The largest file that is read; the largest of 255 real ones has 5.5 kB.
pub const FILE_LEN_MAX: usize = 1 << 20;

/// How deep files may include each other, as in the real daemons. It also ends circles.
pub const INCLUDE_DEPTH_MAX: usize = 5;

/// The most files that one configuration may include, directly or not.
const INCLUDES_MAX: usize = 256;

/// The most sources: each costs a socket and a packet a minute.
const SOURCES_MAX: usize = 512;

/// The most errors worth keeping, and as many of what is less: a file with more is not a configuration.
const DIAGNOSTICS_MAX: usize = 1000;

/// The most bytes that all files together may have, as a multiple of the longest one.
const FILES_LEN_FACTOR: usize = 16;

/// The most access rules, and the most parameters of any other kind.
const RULES_MAX: usize = 1 << 18;

/// A file that has been loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where it was found.
    pub path: PathBuf,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Why a file could not be loaded, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Reads files for this crate, which never does so itself.
pub trait Loader {
    /// The file at `path`, or every configuration file in the directory at `path`, in order.
    fn load(&mut self, path: &Path) -> Result<Vec<Loaded>, LoadError>;
}

impl<F> Loader for F
where
    F: FnMut(&Path) -> Result<Vec<Loaded>, LoadError>,
{
    fn load(&mut self, path: &Path) -> Result<Vec<Loaded>, LoadError> {
        self(path)
    }
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest file.
    pub file_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_len: FILE_LEN_MAX }
    }
}

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Which of the files, in the order in which they were read.
    pub file: u32,
    /// The line, from 1.
    pub line: u32,
}

/// Something a line says, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<T> {
    /// What it says.
    pub value: T,
    /// Where.
    pub at: At,
}

/// What lines say, without where they stand.
pub fn values<T: Clone>(placed: &[Placed<T>]) -> Vec<T> {
    placed.iter().map(|placed| placed.value.clone()).collect()
}

/// What a configuration says, from all of its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
    /// Sources, each of them once.
    pub sources: Vec<Placed<Source>>,
    /// Sources that an earlier line names as well: they are not used.
    pub duplicates: Vec<Placed<Source>>,
    /// Access rules, in order.
    pub restrictions: Vec<Placed<Restrict>>,
    /// Where the frequency is remembered.
    pub drift_file: Option<Placed<PathBuf>>,
    /// Where is logged.
    pub log_file: Option<Placed<PathBuf>>,
    /// Which changes of state are logged.
    pub logged: LogSelection,
    /// Where the process number is written.
    pub pid_file: Option<Placed<PathBuf>>,
    /// Parameters of clocks.
    pub fudges: Vec<Placed<Fudge>>,
    /// Thresholds of the discipline.
    pub tinkers: Vec<Placed<Tinker>>,
    /// Thresholds of the selection.
    pub selection: Vec<Placed<Tos>>,
    /// The table of leap seconds.
    pub leap_file: Option<Placed<LeapFile>>,
    /// `disable ntp`: leave the clock alone.
    pub discipline_disabled: bool,
    /// Where to listen.
    pub interfaces: Vec<Placed<InterfaceRule>>,
    /// How often clients may ask.
    pub limits: Vec<Placed<Limit>>,
    /// How many clients are remembered.
    pub mru: Vec<Placed<Mru>>,
    /// How little strangers are told that ask queries.
    pub reticence: Vec<Reticence>,
    /// `disable monitor`: only clients that are limited are remembered.
    pub monitor_disabled: bool,
    /// The file of keys.
    pub keys: Option<Placed<PathBuf>>,
    /// Which keys are trusted: ranges, both ends included.
    pub trusted_keys: Vec<Placed<(u32, u32)>>,
    /// The key that changes by query are signed with.
    pub control_key: Option<Placed<u32>>,
    /// The code point (DSCP) of what is sent.
    pub code_point: Option<Placed<u8>>,
    /// How many threads serve.
    pub server_threads: ServerThreads,
    /// What is recorded, and where.
    pub statistics: Statistics,
}

/// What is recorded, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The folder of the files; without one nothing is recorded.
    pub folder: Option<PathBuf>,
    /// `disable stats`: nothing is.
    pub disabled: bool,
    /// What ntp.conf says of each set.
    pub sets: BTreeMap<StatisticsSet, FileSet>,
}

/// How one set of statistics is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSet {
    /// Whether it is recorded at all.
    pub enabled: bool,
    /// The name of the files, below the folder.
    pub file: String,
    /// When a new one is begun.
    pub age: FileAge,
    /// Whether the plain name leads to the newest.
    pub link: bool,
}

impl Statistics {
    /// A set as it is before anything is said of it, in classic ntpd as in NTPsec.
    fn set(&mut self, set: StatisticsSet) -> &mut FileSet {
        self.sets.entry(set).or_insert_with(|| FileSet {
            enabled: false,
            file: set.name().to_owned(),
            age: FileAge::default(),
            link: true,
        })
    }

    fn generate(&mut self, line: FileGeneration) {
        let FileGeneration { set, file, age, link, enabled } = line;
        let set = self.set(set);
        set.enabled = enabled;
        set.file = file.unwrap_or_else(|| std::mem::take(&mut set.file));
        set.age = age.unwrap_or(set.age);
        set.link = link.unwrap_or(set.link);
    }
}

impl Configuration {
    /// The file in which a place is.
    pub fn file(&self, at: At) -> &Path {
        let file = usize::try_from(at.file).ok().and_then(|file| self.files.get(file));
        file.map_or_else(|| Path::new(""), PathBuf::as_path)
    }

    /// A place as `FILE:LINE`.
    pub fn place(&self, at: At) -> String {
        format!("{}:{}", self.file(at).display(), at.line)
    }
}

/// A configuration, what is wrong with it, and the text that it was read from.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it says.
    pub configuration: Configuration,
    /// What is wrong with it, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The files' text, in the order of [`Configuration::files`].
    pub documents: Vec<Document>,
    /// Every line that says something, in the order in which they hold.
    pub order: Vec<At>,
}

impl Read {
    /// The line at a place.
    pub fn line(&self, at: At) -> Option<Line<'_>> {
        self.documents
            .get(usize::try_from(at.file).ok()?)?
            .line(usize::try_from(at.line).ok()?.checked_sub(1)?)
    }
}

/// Reads `path`, what it includes, and what is in the directory `ntp.d` beside it. It goes on after
/// errors, as the daemons do: what could be understood is in the configuration, what could not is in
/// the diagnostics.
pub fn read(path: &Path, loader: &mut dyn Loader) -> Result<(Configuration, Vec<Diagnostic>), LoadError> {
    read_within(path, loader, Limits::default()).map(|read| (read.configuration, read.diagnostics))
}

/// The same, with the text, and within other limits.
pub fn read_within(path: &Path, loader: &mut dyn Loader, limits: Limits) -> Result<Read, LoadError> {
    let read = Read {
        configuration: Configuration::default(),
        diagnostics: Vec::new(),
        documents: Vec::new(),
        order: Vec::new(),
    };
    let mut reader = Reader {
        loader,
        limits,
        read,
        open: Vec::new(),
        includes: 0,
        bytes: 0,
        kept: [0; 2],
        left_out: 0,
        unpeered: BTreeSet::new(),
    };
    let files = reader.loader.load(path)?;
    reader.files(files);
    reader.drop_ins(path);
    reader.unpeer();
    reader.note_duplicates();
    if reader.read.configuration.sources.is_empty() {
        let is_wrong = reader.read.diagnostics.iter().any(|finding| finding.severity == Severity::Error);
        let in_force = if is_wrong { "ntpd does not start with it" } else { "the clock runs by itself" };
        let mut finding = Diagnostic::of_file("W007", &path.display().to_string(), "no server is configured")
            .in_force(in_force)
            .remedy("add one: ntpctl add-server NAME");
        finding.severity = Severity::Warning;
        reader.read.diagnostics.push(finding);
    }
    if reader.left_out > 0 {
        let message =
            format!("{} more findings are left out: this is hardly a configuration", reader.left_out);
        let mut finding = Diagnostic::of_file("N004", &path.display().to_string(), &message);
        finding.severity = Severity::Note;
        reader.read.diagnostics.push(finding);
    }
    Ok(reader.read)
}

/// The directory of files that are read after the configuration file beside it, as in NTPsec.
pub fn drop_in_directory(path: &Path) -> PathBuf {
    path.with_file_name("ntp.d")
}

/// A path without `.` and `..`, so that two ways to write it are the same. Of links nothing is known here.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::ParentDir | Component::Normal(_) => {
                plain.push(part);
            }
        }
    }
    plain
}

struct Reader<'l> {
    loader: &'l mut dyn Loader,
    limits: Limits,
    read: Read,
    /// The files that include the one that is being read.
    open: Vec<PathBuf>,
    includes: usize,
    /// Bytes read so far.
    bytes: usize,
    /// Findings kept: what is no error, and errors.
    kept: [usize; 2],
    /// Findings that there was no room for.
    left_out: usize,
    /// Hosts that are not asked after all.
    unpeered: BTreeSet<String>,
}

impl Reader<'_> {
    fn drop_ins(&mut self, path: &Path) {
        let directory = drop_in_directory(path);
        match self.loader.load(&directory) {
            Ok(files) => self.files(files),
            Err(LoadError::Missing) => {}
            Err(LoadError::Other(reason)) => {
                let message = format!("cannot be read: {reason}");
                let finding = Diagnostic::of_file("E010", &directory.display().to_string(), &message);
                self.report([finding.in_force("everything but what is in it")]);
            }
        }
    }

    fn files(&mut self, files: Vec<Loaded>) {
        for file in files {
            self.file(&file);
        }
    }

    fn file(&mut self, file: &Loaded) {
        let name = file.path.display().to_string();
        self.bytes = self.bytes.saturating_add(file.content.len());
        let too_long = file.content.len() > self.limits.file_len;
        if too_long || self.bytes > self.limits.file_len.saturating_mul(FILES_LEN_FACTOR) {
            let message = if too_long {
                format!("the file has more than {} bytes", self.limits.file_len)
            } else {
                format!(
                    "with it, the files have more than {FILES_LEN_FACTOR} times {} bytes",
                    self.limits.file_len
                )
            };
            let finding = Diagnostic::of_file("E009", &name, &message)
                .in_force("nothing of it")
                .remedy("a configuration is never that long: is this the right file?");
            self.report([finding]);
            return;
        }
        let document = Document::parse(&file.content);
        let number = u32::try_from(self.read.documents.len()).unwrap_or(u32::MAX);
        // What it includes comes behind it in the list.
        self.read.configuration.files.push(file.path.clone());
        self.read.documents.push(Document::parse(b""));
        self.open.push(plain(&file.path));
        for (index, line) in document.lines().enumerate() {
            let at = At { file: number, line: u32::try_from(index + 1).unwrap_or(u32::MAX) };
            let meaning = interpret(&name, index + 1, &line);
            if !line.tokens().is_empty() {
                self.read.order.push(at);
            }
            self.report(meaning.diagnostics);
            match meaning.directive {
                Some(Directive::Include(target)) => self.include(&target, at, &line),
                Some(directive) => self.apply(directive, at),
                None => {}
            }
        }
        self.open.pop();
        if let Some(place) = usize::try_from(number).ok().and_then(|index| self.read.documents.get_mut(index))
        {
            *place = document;
        }
    }

    fn report(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        for finding in findings {
            let is_error = finding.severity == Severity::Error;
            let kept = self.kept.get_mut(usize::from(is_error));
            match kept.filter(|kept| **kept < DIAGNOSTICS_MAX) {
                Some(kept) => {
                    *kept += 1;
                    self.read.diagnostics.push(finding);
                }
                None => self.left_out += 1,
            }
        }
    }

    fn include(&mut self, target: &str, at: At, line: &Line<'_>) {
        let from = self.open.last().cloned().unwrap_or_default();
        // As NTPsec: relative to the including file. Classic ntpd takes the working directory,
        // which for a daemon is nowhere useful.
        let path = from.parent().unwrap_or_else(|| Path::new("")).join(target);
        let outcome = if self.open.len() > INCLUDE_DEPTH_MAX {
            Err(format!("files include each other more than {INCLUDE_DEPTH_MAX} deep"))
        } else if self.open.contains(&plain(&path)) {
            Err("it includes itself".to_owned())
        } else if self.includes >= INCLUDES_MAX {
            Err(format!("more than {INCLUDES_MAX} files are included"))
        } else {
            self.loader.load(&path).map_err(|error| error.to_string())
        };
        match outcome {
            Ok(files) => {
                self.includes += files.len();
                self.files(files);
            }
            Err(reason) => {
                let name = from.display().to_string();
                let number = usize::try_from(at.line).unwrap_or(usize::MAX);
                let place = crate::diagnostic::Place { file: &name, number, line };
                let span = line.tokens().get(1).map_or(0..1, |token| token.span.clone());
                let message = format!("{} cannot be included: {reason}", path.display());
                let finding = Diagnostic::new(Severity::Error, "E010", place, &span, &message);
                self.report([finding.in_force("everything but that file")]);
            }
        }
    }

    fn apply(&mut self, directive: Directive, at: At) {
        let configuration = &mut self.read.configuration;
        match directive {
            Directive::Source(_) if configuration.sources.len() >= SOURCES_MAX => {
                self.too_many(at, "sources", SOURCES_MAX);
            }
            Directive::Source(value) => configuration.sources.push(Placed { value, at }),
            Directive::Unpeer(host) => {
                self.unpeered.insert(crate::edit::canonical_host(&host));
            }
            Directive::Restrict(_) if configuration.restrictions.len() >= RULES_MAX => {
                self.too_many(at, "access rules", RULES_MAX);
            }
            Directive::Restrict(value) => configuration.restrictions.push(Placed { value, at }),
            Directive::DriftFile(path) => {
                configuration.drift_file = path.map(|path| Placed { value: PathBuf::from(path), at });
            }
            Directive::LogConfig(changes) => {
                configuration.logged = changes.into_iter().fold(configuration.logged, LogSelection::changed);
            }
            Directive::LogFile(path) => {
                configuration.log_file = Some(Placed { value: PathBuf::from(path), at });
            }
            Directive::PidFile(path) => {
                configuration.pid_file = Some(Placed { value: PathBuf::from(path), at });
            }
            Directive::Fudge(value) => configuration.fudges.push(Placed { value, at }),
            Directive::Tinker(tinkers) => {
                configuration.tinkers.extend(tinkers.into_iter().map(|value| Placed { value, at }));
            }
            Directive::Tos(found) => {
                configuration.selection.extend(found.into_iter().map(|value| Placed { value, at }));
            }
            Directive::LeapFile(value) => configuration.leap_file = Some(Placed { value, at }),
            Directive::Switch(switches) => {
                for (switch, on) in switches {
                    match switch {
                        Switch::Ntp => configuration.discipline_disabled = !on,
                        Switch::Monitor => configuration.monitor_disabled = !on,
                        Switch::Statistics => configuration.statistics.disabled = !on,
                    }
                }
            }
            Directive::Limit(found) => {
                configuration.limits.extend(found.into_iter().map(|value| Placed { value, at }));
            }
            Directive::Mru(found) => {
                configuration.mru.extend(found.into_iter().map(|value| Placed { value, at }));
            }
            Directive::Reticence(found) => configuration.reticence.extend(found),
            Directive::Keys(path) => {
                configuration.keys = Some(Placed { value: PathBuf::from(path), at });
            }
            Directive::TrustedKeys(found) => {
                configuration.trusted_keys.extend(found.into_iter().map(|value| Placed { value, at }));
            }
            Directive::ControlKey(value) => configuration.control_key = Some(Placed { value, at }),
            Directive::CodePoint(value) => configuration.code_point = Some(Placed { value, at }),
            Directive::ServerThreads(value) => configuration.server_threads = value,
            Directive::StatisticsFolder(path) => configuration.statistics.folder = Some(PathBuf::from(path)),
            Directive::Statistics(sets) => {
                for set in sets {
                    configuration.statistics.set(set).enabled = true;
                }
            }
            Directive::FileGeneration(line) => configuration.statistics.generate(line),
            Directive::Interface(value) => configuration.interfaces.push(Placed { value, at }),
            Directive::Include(_) => {}
        }
    }

    /// A finding about a whole line, whose text needs not be shown.
    fn of_line(&self, severity: Severity, code: &'static str, at: At, message: &str) -> Diagnostic {
        let name = self.read.configuration.file(at).display().to_string();
        let mut finding = Diagnostic::of_file(code, &name, message);
        finding.severity = severity;
        finding.location.line = usize::try_from(at.line).unwrap_or(usize::MAX);
        finding
    }

    fn too_many(&mut self, at: At, what: &str, most: usize) {
        let message = format!("more than {most} {what}");
        let finding = self.of_line(Severity::Error, "E011", at, &message);
        if !self.read.diagnostics.iter().any(|known| known.code == "E011" && known.message == message) {
            self.read.diagnostics.push(finding.in_force("the first ones"));
        }
    }

    /// Takes out what `unpeer` names, wherever it stands: it holds when all has been read, as in NTPsec.
    fn unpeer(&mut self) {
        let unpeered = std::mem::take(&mut self.unpeered);
        let is_asked =
            |source: &Placed<Source>| !unpeered.contains(&crate::edit::canonical_host(&source.value.host));
        self.read.configuration.sources.retain(is_asked);
    }

    /// A source named twice is used once: the first line wins, as in the daemons.
    fn note_duplicates(&mut self) {
        let mut seen = BTreeSet::new();
        let mut kept = Vec::new();
        for source in std::mem::take(&mut self.read.configuration.sources) {
            let Source { host, family, options, .. } = &source.value;
            if seen.insert((crate::edit::canonical_host(host), *family, options.port)) {
                kept.push(source);
                continue;
            }
            let message = format!("line {}: `{host}` is named twice", source.at.line);
            let finding = self.of_line(Severity::Warning, "W005", source.at, &message);
            self.report([finding.in_force("the first line").remedy("delete one of them")]);
            self.read.configuration.duplicates.push(source);
        }
        self.read.configuration.sources = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Shelf(BTreeMap<PathBuf, Vec<u8>>);

    impl Shelf {
        fn of(files: &[(&str, &str)]) -> Self {
            Self(files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect())
        }
    }

    impl Loader for Shelf {
        fn load(&mut self, path: &Path) -> Result<Vec<Loaded>, LoadError> {
            let content = self.0.get(path).cloned().ok_or(LoadError::Missing)?;
            Ok(vec![Loaded { path: path.to_owned(), content }])
        }
    }

    fn read_shelf(files: &[(&str, &str)]) -> (Configuration, Vec<Diagnostic>) {
        read(Path::new("/etc/ntp.conf"), &mut Shelf::of(files)).unwrap()
    }

    #[test]
    fn includes_are_read_in_place_and_relative_to_their_file() {
        let (configuration, findings) = read_shelf(&[
            ("/etc/ntp.conf", "server a\nincludefile more/b.conf\nserver c\n"),
            ("/etc/more/b.conf", "server b\n"),
        ]);
        let hosts: Vec<&str> =
            configuration.sources.iter().map(|source| source.value.host.as_str()).collect();
        assert_eq!(hosts, ["a", "b", "c"]);
        assert_eq!(findings, []);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        for itself in ["ntp.conf", "../etc/./ntp.conf"] {
            let text = format!("includefile {itself}\nserver a\n");
            let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", &text)]);
            assert_eq!(configuration.sources.len(), 1);
            assert_eq!(findings.len(), 1);
            assert!(findings[0].to_string().contains("it includes itself"), "{}", findings[0]);
        }
    }

    #[test]
    fn what_lies_in_the_directory_beside_it_is_read_last() {
        let (configuration, findings) =
            read_shelf(&[("/etc/ntp.conf", "server a\n"), ("/etc/ntp.d", "server b\nunpeer a\n")]);
        let hosts: Vec<&str> =
            configuration.sources.iter().map(|source| source.value.host.as_str()).collect();
        assert_eq!((hosts, findings), (vec!["b"], vec![]));
        assert_eq!(configuration.place(configuration.sources[0].at), "/etc/ntp.d:1");
    }

    #[test]
    fn many_includes_of_includes_stay_bounded() {
        // Each file includes the next kind several times.
        let often = |number: usize| if number < 4 { 9 } else { 1 };
        let level = |number: usize| {
            (format!("/etc/{number}"), format!("includefile {}\n", number + 1).repeat(often(number)))
        };
        let mut files = vec![("/etc/ntp.conf".to_owned(), "includefile 0\n".to_owned())];
        files.extend((0..6).map(level));
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (configuration, findings) = read_shelf(&files);
        assert_eq!(configuration.files.len(), INCLUDES_MAX + 1);
        let said = |text: &str| findings.iter().any(|finding| finding.message.contains(text));
        assert!(said("more than 256 files are included") && said("more than 5 deep"), "{findings:?}");
        assert!(findings.len() <= DIAGNOSTICS_MAX, "{}", findings.len());
    }

    #[test]
    fn all_files_together_have_a_limit() {
        let text = "# nothing\n".repeat(90_000);
        let main = "includefile more\n".repeat(40);
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", &main), ("/etc/more", &text)]);
        assert_eq!(configuration.files.len(), 1 + 18);
        assert_eq!(findings.iter().filter(|finding| finding.code == "E009").count(), 22);
    }

    #[test]
    fn warnings_never_hide_an_error() {
        let text = "statistics loopstats\n".repeat(5000) + "bogus\n" + &"server a minpoll 99\n".repeat(3000);
        let (_, findings) = read_shelf(&[("/etc/ntp.conf", &text)]);
        assert!(findings.iter().any(|finding| finding.message.contains("bogus")));
        let last = &findings[findings.len() - 1];
        assert!(last.code == "N004" && last.message.contains("more findings are left out"), "{last}");
        let line = "server b.example preempt xleave autokey preconn nts noval key 5 bogus caf\u{e9}";
        let (_, findings) = read_shelf(&[("/etc/ntp.conf", line)]);
        assert!(findings.iter().any(|finding| finding.message.contains("bogus")), "{findings:?}");
    }

    #[test]
    fn a_missing_include_is_an_error_and_the_rest_is_in_force() {
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", "includefile /no\nserver a\n")]);
        assert_eq!(configuration.sources.len(), 1);
        assert!(
            findings[0].to_string().contains("/no cannot be included: there is no such file"),
            "{}",
            findings[0]
        );
    }

    #[test]
    fn the_first_of_two_equal_servers_wins() {
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", "server a prefer\nserver A.\n")]);
        assert_eq!(configuration.sources.len(), 1);
        assert!(configuration.sources[0].value.options.prefer);
        assert_eq!((findings[0].code, findings[0].location.line), ("W005", 2));
    }

    #[test]
    fn sources_beyond_any_reason_are_refused() {
        let many: String =
            (0..50_000).fold(String::new(), |text, number| text + "server s" + &number.to_string() + "\n");
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", &many)]);
        assert_eq!(configuration.sources.len(), SOURCES_MAX);
        assert_eq!(findings.iter().filter(|finding| finding.code == "E011").count(), 1);
    }

    #[test]
    fn a_huge_file_is_refused_as_a_whole() {
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", &"server a\n".repeat(200_000))]);
        assert_eq!(configuration.sources.len(), 0);
        assert_eq!(findings[0].code, "E009");
    }
}
