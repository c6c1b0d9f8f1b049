//! The file to be edited: read, and judged.

use std::io::Write as _;
use std::path::Path;

use ntp_conf::directive::interpret as interpret_line;
use ntp_conf::{Diagnostic, Document, FILE_LEN_MAX, Limits, LoadError, Loaded, Read, Severity};
use ntp_os::config_files::{self, ReadError};
use ntpd::load_files;

use crate::exit::Failure;
use crate::printable;

/// So few lines that nobody understands are mistakes, not another kind of file.
const STRANGE_LINES_MIN: usize = 3;

/// Of what makes no sense, the first lines say enough.
const ERRORS_SHOWN: usize = 5;

/// The file's bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    refuse_directory(path)?;
    config_files::load_file(path, FILE_LEN_MAX)
        .map(|(_, content)| content)
        .map_err(|error: ReadError| Failure::Refused(format!("{}: cannot be read: {error}", path.display())))
}

fn refuse_directory(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::Refused(format!("{}: is a directory; name the file in it", path.display())));
    }
    Ok(())
}

/// The file's bytes, if it exists.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => read(path).map(Some),
    }
}

fn unreadable(path: &Path, error: &LoadError) -> Failure {
    Failure::Refused(format!("{}: cannot be read: {error}", path.display()))
}

/// A configuration with all of its files.
pub(crate) fn read_all(path: &Path, length_max: usize) -> Result<Read, Failure> {
    refuse_directory(path)?;
    let limits = Limits { file_len: length_max };
    ntp_conf::read_within(path, &mut |wanted: &Path| load_files(wanted, length_max), limits)
        .map_err(|error| unreadable(path, &error))
}

/// What the configuration at `main` says and what is wrong with it, if the file at `path` holds
/// `content`. That file may be the configuration itself, one that it includes, or one in `ntp.d`
/// that does not exist yet.
pub(crate) fn interpret(main: &Path, path: &Path, content: &[u8]) -> Result<Read, Failure> {
    let changed = || Loaded { path: path.to_owned(), content: content.to_vec() };
    let mut loader = |wanted: &Path| {
        if wanted == path {
            return Ok(vec![changed()]);
        }
        let mut files = match load_files(wanted, FILE_LEN_MAX) {
            Err(LoadError::Missing) if path.parent() == Some(wanted) => Vec::new(),
            other => other?,
        };
        match files.iter_mut().find(|file| file.path == path) {
            Some(file) => *file = changed(),
            None if path.parent() == Some(wanted) => files.push(changed()),
            None => {}
        }
        Ok(files)
    };
    ntp_conf::read_within(main, &mut loader, Limits::default()).map_err(|error| unreadable(main, &error))
}

/// Only those that make a file unfit to be edited.
pub(crate) fn errors(findings: &[Diagnostic]) -> Vec<&Diagnostic> {
    findings.iter().filter(|finding| finding.severity == Severity::Error).collect()
}

/// Says what of a configuration is missing from what is shown of it: files that could not be read, and
/// lines that are ignored.
pub(crate) fn warn_of_gaps(read: &Read) {
    let errors = errors(&read.diagnostics);
    let (unread, ignored): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        errors.into_iter().partition(|finding| matches!(finding.code, "E009" | "E010"));
    let mut err = std::io::stderr().lock();
    for finding in unread {
        drop(writeln!(err, "ntpctl: {}", printable(&finding.to_string())));
    }
    if !ignored.is_empty() {
        let count = ignored.len();
        drop(writeln!(err, "ntpctl: its errors are not shown here ({count}): see `ntpctl check`"));
    }
}

/// What is made by somebody else is not ours to edit.
pub(crate) fn refuse_foreign(path: &Path, content: &[u8]) -> Result<(), Failure> {
    match foreign_owner(content) {
        Some(owner) => Err(Failure::Refused(format!("{} is not edited: {owner}", path.display()))),
        None => Ok(()),
    }
}

/// Why a file must not be edited by hand or by us, if somebody else makes it.
fn foreign_owner(content: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(content);
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with('#') && first.contains("This file was copied from") {
        return Some("it is made anew at every DHCP event; edit the file that its first line names");
    }
    let code = || text.lines().filter(|line| !line.trim_start().starts_with('#'));
    if code().any(|line| ["<%", "{{", "{%"].iter().any(|mark| line.contains(mark))) {
        return Some("it is a template; edit what the template is filled with");
    }
    None
}

/// A file that makes less sense than not is something else: an edit of it would help nobody.
pub(crate) fn refuse_if_no_configuration(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let refuse = |reason: String| Err(Failure::Refused(format!("{}: {reason}", path.display())));
    if content.len() > FILE_LEN_MAX {
        return refuse(format!("the file has more than {FILE_LEN_MAX} bytes; is this the right one?"));
    }
    let document = Document::parse(content);
    let name = path.display().to_string();
    let (mut understood, mut wrong) = (0, Vec::new());
    for (index, line) in document.lines().enumerate().filter(|(_, line)| !line.tokens().is_empty()) {
        // A line that begins with a word of the language is one of ntp.conf, whatever follows.
        let meaning = interpret_line(&name, index + 1, &line);
        let strange = |finding: &Diagnostic| matches!(finding.code, "E001" | "E002");
        let error = meaning.diagnostics.into_iter().find(strange);
        match error.filter(|_| meaning.directive.is_none()) {
            Some(error) => wrong.push(error),
            None => understood += 1,
        }
    }
    if wrong.len() <= understood || wrong.len() < STRANGE_LINES_MIN {
        return Ok(());
    }
    let shown: Vec<String> = wrong.iter().take(ERRORS_SHOWN).map(ToString::to_string).collect();
    refuse(format!(
        "more of its lines are wrong than right; is this the right file?\n\n{}",
        shown.join("\n\n")
    ))
}

/// Who says that the file is theirs, though it could be edited.
pub(crate) fn managed_by(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let claims = ["managed by", "do not edit"];
    let claim = text.lines().take(20).find(|line| {
        let line = line.to_lowercase();
        line.starts_with('#') && claims.iter().any(|claim| line.contains(claim))
    })?;
    Some(claim.trim_start_matches('#').trim().chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_and_templates_are_not_ours_to_edit() {
        assert!(
            foreign_owner(b"# This file was copied from /etc/ntp.conf with the server options changed\n")
                .is_some()
        );
        assert!(foreign_owner(b"server a\n# This file was copied from box7\n").is_none());
        assert!(foreign_owner(b"server {{ ntp_server }}\n").is_some());
        assert!(foreign_owner(b"# {{ only a comment }}\nserver a\n").is_none());
        assert_eq!(managed_by(b"# Managed by Puppet\nserver a\n").as_deref(), Some("Managed by Puppet"));
        assert_eq!(managed_by(b"server a\n"), None);
    }
}
