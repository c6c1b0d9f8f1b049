//! `ntpctl check`: everything that is wrong with a configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use ntp_conf::{Diagnostic, Dialect, Severity, check_for, lint};
use serde::Serialize;

use crate::advice::of_files;
use crate::cli::{Check, Daemon};
use crate::exit::{Exit, Failure};
use crate::file;
use crate::settings::Settings;

/// Findings printed; more would hide the first ones.
const FINDINGS_SHOWN: usize = 100;

/// One file's findings, for programs.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    diagnostics: Vec<Finding>,
}

/// One finding, for programs.
#[derive(Debug, Serialize)]
struct Finding {
    file: String,
    line: usize,
    column: usize,
    severity: String,
    code: &'static str,
    message: String,
    in_force: String,
    remedy: String,
}

impl Finding {
    fn of(finding: &Diagnostic) -> Self {
        Self {
            file: finding.location.file.clone(),
            line: finding.location.line,
            column: finding.location.column,
            severity: finding.severity.to_string(),
            code: finding.code,
            message: finding.message.clone(),
            in_force: finding.in_force.clone(),
            remedy: finding.remedy.clone(),
        }
    }
}

pub(crate) fn run(request: &Check, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut files: Vec<PathBuf> = request.files.iter().chain(&request.config).cloned().collect();
    if files.is_empty() {
        files.push(settings.config.clone());
    }
    let mut worst = None;
    for path in &files {
        let findings = findings(path, request)?;
        worst = worst.max(findings.iter().map(|finding| finding.severity).max());
        if request.json {
            let diagnostics = findings.iter().map(Finding::of).collect();
            let report = Report { file: path.display().to_string(), diagnostics };
            let text = serde_json::to_string(&report).map_err(std::io::Error::other)?;
            writeln!(out, "{text}")?;
        } else {
            print(path, &findings, out)?;
        }
    }
    Ok(match worst {
        Some(Severity::Error) => Exit::Usage,
        Some(Severity::Warning) if request.strict => Exit::Refused,
        _ => Exit::Done,
    })
}

/// What this daemon has against a file, or another one.
fn findings(path: &Path, request: &Check) -> Result<Vec<Diagnostic>, Failure> {
    // For `check`, a file that cannot be read is one with an error.
    let read =
        file::read_all(path, request.max_size).map_err(|failure| Failure::Usage(failure.to_string()))?;
    // What could not be read, nobody can judge.
    let unread =
        || read.diagnostics.iter().filter(|finding| matches!(finding.code, "E009" | "E010")).cloned();
    Ok(match request.target {
        Daemon::Classic => unread().chain(check_for(Dialect::Classic, &read)).collect(),
        Daemon::Ntpsec => unread().chain(check_for(Dialect::Ntpsec, &read)).collect(),
        Daemon::Ours => {
            let advice = lint(&read).into_iter().chain(of_files(path, &read));
            read.diagnostics.iter().cloned().chain(advice).collect()
        }
    })
}

fn print(path: &Path, findings: &[Diagnostic], out: &mut dyn Write) -> Result<(), Failure> {
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        writeln!(out, "{finding}\n")?;
    }
    if findings.len() > FINDINGS_SHOWN {
        writeln!(out, "and {} more findings", findings.len() - FINDINGS_SHOWN)?;
    }
    writeln!(out, "{}: {}", path.display(), summary(findings))?;
    Ok(())
}

fn summary(findings: &[Diagnostic]) -> String {
    let count = |severity, one: &str| {
        let number = findings.iter().filter(|finding| finding.severity == severity).count();
        format!("{number} {one}{}", if number == 1 { "" } else { "s" })
    };
    let [errors, warnings, notes] =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
            .map(|(severity, one)| count(severity, one));
    format!("{errors}, {warnings}, {notes}")
}
