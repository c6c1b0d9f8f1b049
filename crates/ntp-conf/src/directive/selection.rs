//! `tos` and `leapfile`: who is believed, about the time and about leap seconds.

use super::Words;

/// One parameter of `tos`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tos {
    /// Survivors needed to follow any.
    MinSane(u16),
    /// Survivors that clustering leaves.
    MinClock(u16),
    /// The most survivors, and the most members of pools.
    MaxClock(u16),
    /// The most root distance of a source, seconds.
    MaxDist(f64),
    /// The least root distance that is reckoned with, seconds.
    MinDist(f64),
    /// Sources of a lower stratum are not followed.
    Floor(u8),
    /// Nor those of this or a higher one.
    Ceiling(u8),
    /// The stratum at which this machine serves its own time.
    Orphan(u8),
    /// Seconds after which it does.
    OrphanWait(u32),
}

/// The table of leap seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapFile {
    /// Where it is.
    pub path: String,
    /// Whether its hash must be right (`ignorehash` says no).
    pub check_hash: bool,
}

/// Parameters that something follows from.
const ACTED: &[&str] =
    &["ceiling", "floor", "maxclock", "maxdist", "minclock", "mindist", "minsane", "orphan", "orphanwait"];

/// Parameters kept without effect.
const ACCEPTED: &[&str] = &["basedate", "bcpollbstep", "beacon", "cohort", "maxdisp"];

/// The largest count that makes sense; more than 24 sources are never followed at once.
const CLOCKS_MAX: u16 = 1000;

pub(super) fn read_tos(words: &mut Words<'_>) -> Vec<Tos> {
    let mut found = Vec::new();
    if words.peek().is_none() {
        words.argument("a parameter");
    }
    while let Some(token) = words.next() {
        let name = token.text.as_str();
        let count = |words: &mut Words<'_>| words.count(name, 0..=CLOCKS_MAX);
        let stratum = |words: &mut Words<'_>| words.number(name, 0..=16_u8);
        match name {
            "minsane" => found.extend(count(words).map(Tos::MinSane)),
            "minclock" => found.extend(count(words).map(Tos::MinClock)),
            "maxclock" => found.extend(count(words).map(Tos::MaxClock)),
            "maxdist" => found.extend(words.number(name, 0.0..=16.0).map(Tos::MaxDist)),
            "mindist" => found.extend(words.number(name, 0.0..=16.0).map(Tos::MinDist)),
            "floor" => found.extend(stratum(words).map(Tos::Floor)),
            "ceiling" => found.extend(stratum(words).map(Tos::Ceiling)),
            "orphan" => found.extend(stratum(words).map(Tos::Orphan)),
            "orphanwait" => found.extend(words.number(name, 0..=1_000_000).map(Tos::OrphanWait)),
            text if ACCEPTED.contains(&text) => {
                let message = format!("`tos {text}` is accepted but not acted on");
                words.report(crate::Severity::Note, "N002", token, &message).note("the line without it", "");
                words.next();
            }
            _ => {
                let known = [ACTED, ACCEPTED].concat();
                words.unknown_option(token, "tos", &known, "the line without this parameter");
            }
        }
    }
    found
}

pub(super) fn read_leap_file(words: &mut Words<'_>) -> Option<LeapFile> {
    let path = words.argument("the file of leap seconds")?.text.clone();
    let mut file = LeapFile { path, check_hash: true };
    while let Some(token) = words.next() {
        match token.text.as_str() {
            "checkhash" => file.check_hash = true,
            "ignorehash" => file.check_hash = false,
            _ => words.unknown_option(token, "leapfile", &["checkhash", "ignorehash"], "the file"),
        }
    }
    Some(file)
}
