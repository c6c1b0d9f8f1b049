//! Time servers side by side: what a request costs each, how true its stamps are, how much memory it takes.
//!
//! `server-bench [--json] [--rounds N] [--seconds S] [--only NAME,...]` prints a table, or an object a line. All are measured in
//! the same run, in turns, each on a processor of its own in a network namespace of its own.
#![forbid(unsafe_code)]

mod candidates;
mod measure;

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use candidates::Candidate;
use measure::{Figures, Rig};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            drop(writeln!(stderr(), "server-bench: {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), String> {
    const USAGE: &str = "usage: server-bench [--json] [--rounds N] [--seconds S] [--only NAME,...]";
    let (mut json, mut rounds, mut seconds) = (false, 5, 2.0);
    let mut rest = words.iter();
    let mut only: Option<&str> = None;
    while let Some(word) = rest.next() {
        if word == "--only" {
            only = Some(rest.next().ok_or(USAGE)?);
            continue;
        }
        let mut number = || rest.next().and_then(|text| text.parse::<f64>().ok()).ok_or(USAGE);
        match word.as_str() {
            "--json" => json = true,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
            "--rounds" => rounds = number()? as usize,
            "--seconds" => seconds = number()?,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let rig = Rig::new(seconds)?;
    let (mut candidates, missing) = candidates::all();
    candidates.retain(|one| only.is_none_or(|names| names.split(',').any(|name| name == one.name)));
    for reason in missing {
        drop(writeln!(stderr(), "left out: {reason}"));
    }
    let mut all: Vec<(&Candidate, Vec<Figures>)> = candidates.iter().map(|one| (one, Vec::new())).collect();
    // In turns, so that a noisy minute is everybody's.
    for _ in 0..rounds {
        for (candidate, figures) in &mut all {
            figures.push(rig.measure(candidate)?);
        }
    }
    let table: Vec<(&str, Figures)> =
        all.iter().map(|(candidate, figures)| (candidate.name, Figures::median(figures))).collect();
    let mut out = stdout().lock();
    let written = if json { measure::json(&table, &mut out) } else { measure::table(&table, &mut out) };
    written.map_err(|error| error.to_string())
}
