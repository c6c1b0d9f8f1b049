//! `e2e --packaging`: the package on Debian machines of its own, in containers that boot systemd: what apt and
//! systemctl make of it. Scenarios are the scripts in `tests/e2e/packaging`; each gets a fresh machine.

mod container;
mod image;

use std::fs;
use std::time::Instant;

use crate::process::root;
use crate::say;

use image::Image;

const USAGE: &str = "usage: cargo xtask e2e --packaging [SCENARIO..]";

/// The scenario's first line may name what else is installed on the machine.
const WITH: &str = "#with ";

pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let (options, wanted): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with("--"));
    if options != ["--packaging"] {
        return Err(USAGE.to_owned());
    }
    image::check_tools()?;
    let package = crate::dist::package()?;
    let scenarios = scenarios()?;
    if let Some(unknown) = wanted.iter().find(|name| scenarios.iter().all(|(known, _)| known != **name)) {
        return Err(format!("there is no scenario {unknown}"));
    }
    let mut failed = Vec::new();
    say("scenario          result  seconds");
    for (name, script) in scenarios.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(&name)) {
        let extra: Vec<&str> = script
            .lines()
            .filter_map(|line| line.strip_prefix(WITH))
            .flat_map(str::split_whitespace)
            .collect();
        let image = Image::get(&extra)?;
        let began = Instant::now();
        let outcome = container::run(&image, &package, name, script)?;
        let verdict = if outcome.passed { "passed" } else { "FAILED" };
        say(&format!("{name:<17} {verdict}  {:7.1}", began.elapsed().as_secs_f64()));
        if outcome.passed {
            outcome
                .log
                .lines()
                .filter_map(|line| line.strip_prefix("SHOW "))
                .for_each(|line| say(&format!("  {line}")));
        } else {
            say(&outcome.log);
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Names and texts of the scripts, sorted.
fn scenarios() -> Result<Vec<(String, String)>, String> {
    let folder = root().join("tests/e2e/packaging");
    let explain = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "sh") && name != "prelude" {
            found.push((name, fs::read_to_string(&path).map_err(explain)?));
        }
    }
    found.sort();
    Ok(found)
}
