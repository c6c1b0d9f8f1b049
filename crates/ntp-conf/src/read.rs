//! A file and what it includes, read as a whole.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cst::Document;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directive::{
    Directive, Fudge, InterfaceRule, LeapFile, Restrict, Source, Switch, Tinker, Tos, interpret,
};

/// The largest file that is read; the largest of 255 real ones has 5.5 kB.
pub const FILE_LEN_MAX: usize = 1 << 20;

/// How deep files may include each other, as in the real daemons. It also ends circles.
pub const INCLUDE_DEPTH_MAX: usize = 5;

/// The most files that one configuration may include, directly or not.
const INCLUDES_MAX: usize = 256;

/// The most sources: each costs a socket and a packet a minute.
const SOURCES_MAX: usize = 512;

/// The most diagnostics worth keeping: a file with more is not a configuration.
const DIAGNOSTICS_MAX: usize = 1000;

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
#[error("{0}")]
pub struct LoadError(pub String);

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

/// What a configuration says, from all of its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// Sources, with the file and line that names each.
    pub sources: Vec<(Source, PathBuf, usize)>,
    /// Access rules, in order.
    pub restrictions: Vec<Restrict>,
    /// Where the frequency is remembered.
    pub drift_file: Option<PathBuf>,
    /// Parameters of clocks.
    pub fudges: Vec<Fudge>,
    /// Thresholds of the discipline.
    pub tinkers: Vec<Tinker>,
    /// Thresholds of the selection.
    pub selection: Vec<Tos>,
    /// The table of leap seconds.
    pub leap_file: Option<LeapFile>,
    /// `disable ntp`: leave the clock alone.
    pub discipline_disabled: bool,
    /// Where to listen.
    pub interfaces: Vec<InterfaceRule>,
}

/// Reads `path` and what it includes. It goes on after errors, as the daemons do: what could be
/// understood is in the configuration, what could not is in the diagnostics.
pub fn read(path: &Path, loader: &mut dyn Loader) -> Result<(Configuration, Vec<Diagnostic>), LoadError> {
    let mut reader =
        Reader { loader, configuration: Configuration::default(), diagnostics: Vec::new(), includes: 0 };
    for file in reader.loader.load(path)? {
        reader.file(&file, 0);
    }
    reader.note_duplicates();
    if reader.configuration.sources.is_empty() {
        let mut finding = Diagnostic::of_file("W007", &path.display().to_string(), "no server is configured")
            .in_force("the clock runs by itself")
            .remedy("add one: ntpctl add-server NAME");
        finding.severity = Severity::Warning;
        reader.diagnostics.push(finding);
    }
    Ok((reader.configuration, reader.diagnostics))
}

struct Reader<'l> {
    loader: &'l mut dyn Loader,
    configuration: Configuration,
    diagnostics: Vec<Diagnostic>,
    includes: usize,
}

impl Reader<'_> {
    fn file(&mut self, file: &Loaded, depth: usize) {
        let name = file.path.display().to_string();
        if file.content.len() > FILE_LEN_MAX {
            let message = format!("the file has more than {FILE_LEN_MAX} bytes");
            let finding = Diagnostic::of_file("E009", &name, &message)
                .in_force("nothing of it")
                .remedy("a configuration is never that long: is this the right file?");
            self.diagnostics.push(finding);
            return;
        }
        let document = Document::parse(&file.content);
        for (index, line) in document.lines().iter().enumerate() {
            let number = index + 1;
            let meaning = interpret(&name, number, line);
            if self.diagnostics.len() < DIAGNOSTICS_MAX {
                self.diagnostics.extend(meaning.diagnostics);
            }
            match meaning.directive {
                Some(Directive::Include(target)) => self.include(&target, file, number, line, depth),
                Some(directive) => self.apply(directive, file, number),
                None => {}
            }
        }
    }

    fn include(&mut self, target: &str, from: &Loaded, number: usize, line: &crate::Line, depth: usize) {
        // As NTPsec: relative to the including file. Classic ntpd takes the working directory,
        // which for a daemon is nowhere useful.
        let path = from.path.parent().unwrap_or_else(|| Path::new("")).join(target);
        let outcome = if depth >= INCLUDE_DEPTH_MAX {
            Err(LoadError(format!("files include each other more than {INCLUDE_DEPTH_MAX} deep")))
        } else if self.includes >= INCLUDES_MAX {
            Err(LoadError(format!("more than {INCLUDES_MAX} files are included")))
        } else {
            self.loader.load(&path)
        };
        match outcome {
            Ok(files) => {
                self.includes += files.len();
                for file in files {
                    self.file(&file, depth + 1);
                }
            }
            Err(LoadError(reason)) => {
                let name = from.path.display().to_string();
                let place = crate::diagnostic::Place { file: &name, number, line };
                let span = line.tokens().get(1).map_or(0..1, |token| token.span.clone());
                let message = format!("{} cannot be included: {reason}", path.display());
                let finding = Diagnostic::new(Severity::Error, "E010", place, &span, &message)
                    .in_force("everything but that file");
                self.diagnostics.push(finding);
            }
        }
    }

    fn apply(&mut self, directive: Directive, file: &Loaded, number: usize) {
        let configuration = &mut self.configuration;
        match directive {
            Directive::Source(_) if configuration.sources.len() >= SOURCES_MAX => {
                self.too_many_sources(file, number);
            }
            Directive::Source(source) => configuration.sources.push((source, file.path.clone(), number)),
            Directive::Restrict(restrict) => configuration.restrictions.push(restrict),
            Directive::DriftFile(path) => configuration.drift_file = path.map(PathBuf::from),
            Directive::Fudge(fudge) => configuration.fudges.push(fudge),
            Directive::Tinker(tinkers) => configuration.tinkers.extend(tinkers),
            Directive::Tos(found) => configuration.selection.extend(found),
            Directive::LeapFile(found) => configuration.leap_file = Some(found),
            Directive::Switch(switches) => {
                for (Switch::Ntp, on) in switches {
                    configuration.discipline_disabled = !on;
                }
            }
            Directive::Interface(rule) => configuration.interfaces.push(rule),
            Directive::Include(_) => {}
        }
    }

    fn too_many_sources(&mut self, file: &Loaded, number: usize) {
        if !self.diagnostics.iter().any(|finding| finding.code == "E011") {
            let message = format!("more than {SOURCES_MAX} sources");
            let mut finding = Diagnostic::of_file("E011", &file.path.display().to_string(), &message)
                .in_force("the first ones")
                .remedy("four to ten are plenty");
            finding.location.line = number;
            self.diagnostics.push(finding);
        }
    }

    /// A source named twice is used once: the first line wins, as in the daemons.
    fn note_duplicates(&mut self) {
        let mut seen = BTreeSet::new();
        let mut kept = Vec::new();
        for (source, path, number) in std::mem::take(&mut self.configuration.sources) {
            let key = (crate::edit::canonical_host(&source.host), source.family, source.options.port);
            if seen.insert(key) {
                kept.push((source, path, number));
                continue;
            }
            let message = format!("line {number}: `{}` is named twice", source.host);
            let mut finding = Diagnostic::of_file("W005", &path.display().to_string(), &message)
                .in_force("the first line")
                .remedy("delete one of them");
            finding.severity = Severity::Warning;
            finding.location.line = number;
            self.diagnostics.push(finding);
        }
        self.configuration.sources = kept;
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
            let content = self.0.get(path).cloned().ok_or_else(|| LoadError("no such file".to_owned()))?;
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
            configuration.sources.iter().map(|(source, _, _)| source.host.as_str()).collect();
        assert_eq!(hosts, ["a", "b", "c"]);
        assert_eq!(findings, []);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", "includefile ntp.conf\nserver a\n")]);
        assert_eq!(configuration.sources.len(), 1);
        assert!(findings.iter().any(|finding| finding.code == "E010"));
    }

    #[test]
    fn many_includes_of_includes_stay_bounded() {
        let greedy = "includefile ntp.conf\n".repeat(50);
        let (_, findings) = read_shelf(&[("/etc/ntp.conf", &greedy)]);
        assert!(findings.len() <= DIAGNOSTICS_MAX + 50 * (INCLUDES_MAX + 1));
    }

    #[test]
    fn a_missing_include_is_an_error_and_the_rest_is_in_force() {
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", "includefile /no\nserver a\n")]);
        assert_eq!(configuration.sources.len(), 1);
        assert!(findings[0].to_string().contains("/no cannot be included: no such file"), "{}", findings[0]);
    }

    #[test]
    fn the_first_of_two_equal_servers_wins() {
        let (configuration, findings) = read_shelf(&[("/etc/ntp.conf", "server a prefer\nserver A.\n")]);
        assert_eq!(configuration.sources.len(), 1);
        assert!(configuration.sources[0].0.options.prefer);
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
