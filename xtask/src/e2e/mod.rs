//! `e2e`: the package on Debian machines of its own: what apt, systemctl and the clock make of it. With `--packaging`
//! they are containers that boot systemd in a second and have no clock; without, whole machines with a kernel, and a
//! server on a cable, but for what is about containers. Scenarios are the scripts in `tests/e2e`; each gets a fresh
//! machine.

mod container;
mod image;
mod machine;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::process::{output, root};
use crate::say;

use image::Image;
use machine::Laboratory;

const USAGE: &str = "usage: cargo xtask e2e [--packaging] [SCENARIO..]";

/// The scenario's first line may name what else is installed on the machine.
const WITH: &str = "#with ";

/// Or that it is about containers.
const CONTAINER: &str = "#container";

/// Where the last run of all scenarios on whole machines is kept.
const RESULTS: &str = "tests/e2e/RESULTS.md";

/// What every machine runs when it is up; it is switched off when that ends.
const START: &str = "\
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
cd /root
systemctl is-system-running --wait >/dev/null
sh -eux /e2e/scenario.sh >/e2e/log 2>&1 </dev/null
echo $? >/e2e/verdict
systemctl poweroff
";

/// What a machine said, and whether it came to the end of its script.
#[derive(Debug)]
struct Outcome {
    passed: bool,
    log: String,
}

/// A script and its name.
struct Scenario {
    name: String,
    script: String,
}

impl Scenario {
    /// What else is installed.
    fn packages(&self) -> Vec<&str> {
        self.script
            .lines()
            .filter_map(|line| line.strip_prefix(WITH))
            .flat_map(str::split_whitespace)
            .collect()
    }

    fn is_about_containers(&self) -> bool {
        self.script.lines().any(|line| line == CONTAINER)
    }
}

pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let (options, wanted): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with("--"));
    let packaging = match options[..] {
        [] => false,
        [option] if option == "--packaging" => true,
        _ => return Err(USAGE.to_owned()),
    };
    let mut chosen = scenarios("packaging")?;
    if !packaging {
        chosen.extend(scenarios("machines")?);
        chosen.sort_by_key(|scenario| !scenario.is_about_containers());
    }
    if let Some(unknown) = wanted.iter().find(|name| chosen.iter().all(|known| known.name != ***name)) {
        return Err(format!("there is no scenario {unknown}"));
    }
    chosen.retain(|scenario| wanted.is_empty() || wanted.contains(&&scenario.name));
    let contained = packaging || chosen.iter().all(Scenario::is_about_containers);
    image::check_tools(if contained { &[] } else { machine::TOOLS })?;
    if contained { in_containers(&chosen) } else { on_machines(&chosen, wanted.is_empty()) }
}

fn in_containers(chosen: &[Scenario]) -> Result<(), String> {
    let package = crate::dist::build_package()?;
    examine(chosen, |scenario| in_container(scenario, &package)).1
}

/// All but those about containers; the table is kept if nothing is left out.
fn on_machines(chosen: &[Scenario], all: bool) -> Result<(), String> {
    // As things are before anything is built of them.
    let about = about()?;
    let package = crate::dist::build_package()?;
    let laboratory = Laboratory::open()?;
    let (table, verdict) = examine(chosen, |scenario| {
        if scenario.is_about_containers() {
            return in_container(scenario, &package);
        }
        let packages = [machine::PACKAGES, &scenario.packages()].concat();
        laboratory.run(&Image::get(&packages)?, &package, &scenario.name, &scenario.script)
    });
    if all {
        keep(&about, &table)?;
    }
    verdict
}

fn in_container(scenario: &Scenario, package: &Path) -> Result<Outcome, String> {
    let image = Image::get(&scenario.packages())?;
    container::run(&image, package, &scenario.name, &scenario.script)
}

/// Runs them, one after the other; the table, and which have failed.
fn examine(
    scenarios: &[Scenario],
    run: impl Fn(&Scenario) -> Result<Outcome, String>,
) -> (String, Result<(), String>) {
    let (mut table, mut failed) = (String::new(), Vec::new());
    let mut tell = |line: &str| {
        say(line);
        table += line;
        table.push('\n');
    };
    tell("scenario          result  seconds");
    for scenario in scenarios {
        let began = Instant::now();
        let outcome = run(scenario).unwrap_or_else(|reason| Outcome { passed: false, log: reason });
        let verdict = if outcome.passed { "passed" } else { "FAILED" };
        tell(&format!("{:<17} {verdict}  {:7.1}", scenario.name, began.elapsed().as_secs_f64()));
        let shown = outcome.log.lines().filter_map(|line| line.strip_prefix("SHOW "));
        shown.for_each(|line| tell(&format!("  {line}")));
        if !outcome.passed {
            say(&outcome.log);
            failed.push(scenario.name.as_str());
        }
    }
    let verdict = if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) };
    (table, verdict)
}

/// Names and texts of the scripts of a folder, sorted.
fn scenarios(kind: &str) -> Result<Vec<Scenario>, String> {
    let folder = root().join("tests/e2e").join(kind);
    let explain = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            found.push(Scenario { name, script: fs::read_to_string(&path).map_err(explain)? });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// When this is, and what is examined.
fn about() -> Result<String, String> {
    let git = |words: &[&str]| output(Command::new("git").current_dir(root()).args(words));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = if git(&["status", "--porcelain"])?.is_empty() { "" } else { ", with changes" };
    let date = output(Command::new("date").args(["-u", "+%F"]))?;
    Ok(format!("{}, commit {}{changed}", date.trim(), commit.trim()))
}

/// Keeps the table, with what it is about.
fn keep(about: &str, table: &str) -> Result<(), String> {
    let text = format!(
        "# The last run of `cargo xtask e2e`\n\n{about}, on Debian machines with kernels and clocks of their own; those about \
         containers, which come first, in containers.\n\n```\n{table}```\n"
    );
    let path = root().join(Path::new(RESULTS));
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
