//! `ntpctl check`: everything that is wrong with a configuration.

use std::io::Write;

use ntp_conf::{Diagnostic, Severity};

use crate::cli::Check;
use crate::exit::{Exit, Failure};
use crate::file;

/// Findings printed; more would hide the first ones.
const FINDINGS_SHOWN: usize = 100;

pub(crate) fn run(request: &Check, out: &mut dyn Write) -> Result<Exit, Failure> {
    let outcome = file::read(&request.config).and_then(|content| file::interpret(&request.config, &content));
    let findings = match outcome {
        Ok((_, findings)) => findings,
        // For `check`, a file that cannot be read is one with an error.
        Err(Failure::Refused(reason)) => return Err(Failure::Usage(reason)),
        Err(failure) => return Err(failure),
    };
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        writeln!(out, "{finding}\n")?;
    }
    if findings.len() > FINDINGS_SHOWN {
        writeln!(out, "and {} more findings", findings.len() - FINDINGS_SHOWN)?;
    }
    writeln!(out, "{}: {}", request.config.display(), summary(&findings))?;
    let has = |severity| findings.iter().any(|finding| finding.severity == severity);
    Ok(if has(Severity::Error) {
        Exit::Usage
    } else if request.strict && has(Severity::Warning) {
        Exit::Refused
    } else {
        Exit::Done
    })
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
