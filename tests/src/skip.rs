//! Skipping, said aloud.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Notes that a test cannot run here, and why. `cargo xtask test` lists it, and CI fails on it.
pub fn skip(test: &str, reason: &str) {
    let line = format!("{test}: {reason}\n");
    if let Some(path) = std::env::var_os("NTP_TEST_SKIP_LOG")
        && let Ok(mut log) = OpenOptions::new().create(true).append(true).open(path)
    {
        drop(log.write_all(line.as_bytes()));
    }
    drop(std::io::stderr().write_all(format!("skipped: {line}").as_bytes()));
}
