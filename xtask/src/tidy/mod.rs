//! What the compiler and clippy do not check.

mod dependencies;
mod sources;

use std::process::Command;

use crate::process::{self, root};
use crate::say;

pub(crate) fn run() -> Result<(), String> {
    let mut findings = dependencies::check()?;
    findings.extend(sources::check(&tracked("*.rs")?)?);
    findings.extend(sources::check_texts(&tracked("")?));
    for finding in &findings {
        say(finding);
    }
    match findings.len() {
        0 => {
            say("tidy: nothing to mend");
            Ok(())
        }
        number => Err(format!("{number} things to mend")),
    }
}

/// The files that git knows or would take.
fn tracked(pattern: &str) -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    if !pattern.is_empty() {
        git.args(["--", pattern]);
    }
    Ok(process::output(&mut git)?.lines().map(str::to_owned).collect())
}
