//! The file to be edited: read, and judged.

use std::path::Path;

use ntp_conf::{Configuration, Diagnostic, FILE_LEN_MAX, LoadError, Loaded, Severity};
use ntp_os::config_files::{self, ReadError};

use crate::exit::Failure;

/// The file's bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let refuse = |reason: String| Failure::Refused(format!("{}: {reason}", path.display()));
    if path.is_dir() {
        return Err(refuse("is a directory; name the file in it".to_owned()));
    }
    config_files::load_file(path, FILE_LEN_MAX)
        .map(|(_, content)| content)
        .map_err(|error: ReadError| refuse(format!("cannot be read: {error}")))
}

/// What the configuration says and what is wrong with it, if the file at `path` holds `content`.
pub(crate) fn interpret(path: &Path, content: &[u8]) -> Result<(Configuration, Vec<Diagnostic>), Failure> {
    let mut loader = |wanted: &Path| {
        if wanted == path {
            return Ok(vec![Loaded { path: path.to_owned(), content: content.to_vec() }]);
        }
        let found = config_files::load(wanted, FILE_LEN_MAX).map_err(|error| LoadError(error.to_string()))?;
        Ok(found.into_iter().map(|(path, content)| Loaded { path, content }).collect())
    };
    ntp_conf::read(path, &mut loader)
        .map_err(|error| Failure::Refused(format!("{}: cannot be read: {error}", path.display())))
}

/// Only those that make a file unfit to be edited.
pub(crate) fn errors(findings: &[Diagnostic]) -> Vec<&Diagnostic> {
    findings.iter().filter(|finding| finding.severity == Severity::Error).collect()
}

/// Why a file must not be edited by hand or by us, if somebody else makes it.
pub(crate) fn foreign_owner(content: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(content);
    let head: String = text.lines().take(10).collect::<Vec<&str>>().join("\n");
    if head.contains("This file was copied from") {
        return Some("it is made anew at every DHCP event; edit the file that its first line names");
    }
    let code = || text.lines().filter(|line| !line.trim_start().starts_with('#'));
    if code().any(|line| ["<%", "{{", "{%"].iter().any(|mark| line.contains(mark))) {
        return Some("it is a template; edit what the template is filled with");
    }
    None
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
        assert!(foreign_owner(b"server {{ ntp_server }}\n").is_some());
        assert!(foreign_owner(b"# {{ only a comment }}\nserver a\n").is_none());
        assert_eq!(managed_by(b"# Managed by Puppet\nserver a\n").as_deref(), Some("Managed by Puppet"));
        assert_eq!(managed_by(b"server a\n"), None);
    }
}
