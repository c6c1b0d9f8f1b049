//! The command line of the simulator: which scenarios, how many seeds, and in what form.

use std::fs;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::file::load;
use crate::report::{Row, summary, table};
use crate::run::compare;
use crate::scenario::Scenario;

/// Seeds where none are asked for.
const SEEDS: u64 = 7;

/// The most seeds.
const SEEDS_MAX: u64 = 10_000;

const USAGE: &str = "usage: sim [SCENARIO..] [--seeds N] [--seed S] [--json] [--in FOLDER]

SCENARIO is a file, or the name of one in tests/sim; all of them where none is given.
--seeds N   seeds 1 to N (7)
--seed S    this seed alone, to replay it
--json      one object a line instead of the table
--in FOLDER where scenarios are named
Exit status: 0 all limits hold, 1 some do not, 2 usage.";

/// Seconds that this program has kept a processor busy; zero where the kernel does not tell.
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) * 1e-9
}

/// Which seeds.
#[derive(Default)]
enum Seeds {
    /// As many as are enough.
    #[default]
    Usual,
    /// From 1 on, for each of the scenario's worlds.
    UpTo(u64),
    /// One, to replay its world.
    One(u64),
}

struct Wish {
    scenarios: Vec<String>,
    seeds: Seeds,
    json: bool,
    folder: PathBuf,
}

/// Runs scenarios; whether all of their limits hold.
///
/// # Errors
/// If the arguments make no sense, or a scenario cannot be read.
pub fn run(arguments: &[String], out: &mut dyn Write) -> Result<bool, String> {
    if arguments.iter().any(|word| word == "--help" || word == "-h") {
        writeln!(out, "{USAGE}").map_err(|error| error.to_string())?;
        return Ok(true);
    }
    let wish = Wish::parse(arguments)?;
    let mut rows = Vec::new();
    let (started, mut simulated) = (processor_time(), 0.0);
    for path in wish.paths()? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let scenario = load(&path)?;
        let runs: Vec<_> = wish.seeds(&scenario).map(|seed| compare(&scenario, seed)).collect();
        simulated += 2.0 * scenario.duration * f64::from(u32::try_from(runs.len()).unwrap_or(0));
        let row = Row::new(&name, &scenario, &runs);
        if wish.json {
            let line = serde_json::to_string(&row).map_err(|error| error.to_string())?;
            writeln!(out, "{line}").map_err(|error| error.to_string())?;
            for failure in &row.failures {
                drop(writeln!(io::stderr(), "{name}: {failure}"));
            }
        } else {
            let text = table(std::slice::from_ref(&row));
            let shown = if rows.is_empty() {
                text.as_str()
            } else {
                text.split_once('\n').map_or("", |(_, rest)| rest)
            };
            write!(out, "{shown}").map_err(|error| error.to_string())?;
        }
        out.flush().map_err(|error| error.to_string())?;
        rows.push(row);
    }
    let mut hold = rows.iter().all(|row| row.failures.is_empty());
    if wish.scenarios.is_empty() {
        for (name, value, limit) in summary(&rows) {
            let holds = value <= limit;
            hold &= holds;
            if !wish.json {
                let verdict = if holds { "" } else { "  FAILS" };
                writeln!(out, "{name}: {value:.3}, at most {limit:.2}{verdict}")
                    .map_err(|error| error.to_string())?;
            }
        }
    }
    if !wish.json {
        let pace = simulated / (processor_time() - started).max(1e-3);
        writeln!(out, "{pace:.0} simulated seconds in a second of the processor")
            .map_err(|error| error.to_string())?;
    }
    Ok(hold)
}

impl Wish {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wish = Self {
            scenarios: Vec::new(),
            seeds: Seeds::default(),
            json: false,
            folder: PathBuf::from("tests/sim"),
        };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{word} needs a value\n\n{USAGE}"));
            let number = |text: &String| text.parse::<u64>().map_err(|_| format!("\"{text}\" is no number"));
            match word.as_str() {
                "--json" => wish.json = true,
                "--in" => wish.folder = PathBuf::from(value()?),
                "--seed" | "--seeds" if !matches!(wish.seeds, Seeds::Usual) => {
                    return Err("--seed and --seeds: say one of them, once".to_owned());
                }
                "--seed" => wish.seeds = Seeds::One(number(value()?)?),
                "--seeds" => {
                    let count = number(value()?)?;
                    if !(1..=SEEDS_MAX).contains(&count) {
                        return Err(format!("{count} seeds are not 1 to {SEEDS_MAX}"));
                    }
                    wish.seeds = Seeds::UpTo(count);
                }
                _ if word.starts_with('-') => return Err(format!("unknown option {word}\n\n{USAGE}")),
                _ => wish.scenarios.push(word.clone()),
            }
        }
        Ok(wish)
    }

    /// The seeds of a scenario's worlds.
    fn seeds(&self, scenario: &Scenario) -> RangeInclusive<u64> {
        let up_to = |count: u64| 1..=count.saturating_mul(scenario.worlds.max(1).into());
        match self.seeds {
            Seeds::Usual => up_to(SEEDS),
            Seeds::UpTo(count) => up_to(count),
            Seeds::One(seed) => seed..=seed,
        }
    }

    /// The files, in the order of the alphabet where none is named.
    fn paths(&self) -> Result<Vec<PathBuf>, String> {
        if !self.scenarios.is_empty() {
            return Ok(self.scenarios.iter().map(|name| self.path(name)).collect());
        }
        let entries =
            fs::read_dir(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        if paths.is_empty() {
            return Err(format!("{}: holds no scenario", self.folder.display()));
        }
        paths.sort();
        Ok(paths)
    }

    fn path(&self, name: &str) -> PathBuf {
        let given = Path::new(name);
        if given.extension().is_some() { given.to_owned() } else { self.folder.join(format!("{name}.toml")) }
    }
}
