//! `cargo xtask fuzz NAME`: one harness of `tests/src/fuzz.rs`, for a time or so many inputs.

use std::process::Command;

use crate::process::{self, cargo, target};

/// Seconds where none are given: a million inputs on most machines.
const SECONDS: &str = "60";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    const USAGE: &str = "usage: cargo xtask fuzz parse|edits|import|request|keys|control|answer [--time SECONDS | --cases N] [--seed S]";
    let (mut name, mut how_long, mut seed) = (None, format!("{SECONDS}s"), "1".to_owned());
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--time" => how_long = format!("{}s", rest.next().ok_or(USAGE)?),
            "--cases" => how_long.clone_from(rest.next().ok_or(USAGE)?),
            "--seed" => seed.clone_from(rest.next().ok_or(USAGE)?),
            _ if name.is_none() => name = Some(word.clone()),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let name = name.ok_or(USAGE)?;
    process::run(cargo().args(["build", "--quiet", "--release", "-p", "ntp-tests", "--bin", "ntp-fuzz"]))?;
    process::run(Command::new(target().join("release/ntp-fuzz")).args([name, how_long, seed]))
}
