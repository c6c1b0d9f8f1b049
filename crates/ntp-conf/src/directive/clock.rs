//! `fudge` and `tinker`: parameters of clocks and of the discipline.

use std::net::IpAddr;

use super::{Words, address};

/// One `fudge` line, as far as the local clock heeds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fudge {
    /// The driver, the third part of its address.
    pub driver: u8,
    /// The unit, the fourth.
    pub unit: u8,
    /// `stratum`.
    pub stratum: Option<u8>,
    /// `refid`.
    pub reference_id: Option<String>,
}

/// One parameter of `tinker`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tinker {
    /// Errors above so many seconds end the daemon; 0 never.
    Panic(f64),
    /// Errors above so many seconds are stepped; 0 never.
    Step(f64),
    /// The same for a clock that is behind.
    StepForward(f64),
    /// The same for one that is ahead.
    StepBackward(f64),
    /// Seconds for which a large error must last before it is stepped.
    Stepout(f64),
    /// The frequency correction to start with, ppm.
    Frequency(f64),
}

/// Parameters of `tinker` kept without effect.
const TINKER_ACCEPTED: &[&str] = &["allan", "dispersion", "huffpuff", "tick"];

/// Parameters of `tinker` that something follows from.
const TINKER_ACTED: &[&str] = &["freq", "panic", "step", "stepback", "stepfwd", "stepout"];

/// Parameters of `fudge` kept without effect.
const FUDGE_ACCEPTED: &[&str] =
    &["abbrev", "flag1", "flag2", "flag3", "flag4", "minjitter", "time1", "time2"];

/// Parameters of `fudge` that something follows from.
const FUDGE_ACTED: &[&str] = &["refid", "stratum"];

pub(super) fn read_fudge(words: &mut Words<'_>) -> Option<Fudge> {
    let token = words.argument("a clock's address, 127.127.t.u")?;
    let Some(IpAddr::V4(v4)) = address(&token.text)
        .filter(|address| matches!(address, IpAddr::V4(v4) if v4.octets().starts_with(&[127, 127])))
    else {
        let message = format!("\"{}\" is no clock's address", token.text);
        words.error("E007", token, &message).note("the line is ignored", "clocks have addresses 127.127.t.u");
        return None;
    };
    let [_, _, driver, unit] = v4.octets();
    let mut fudge = Fudge { driver, unit, stratum: None, reference_id: None };
    while let Some(token) = words.next() {
        match token.text.as_str() {
            "stratum" => fudge.stratum = words.number("stratum", 0..=16).or(fudge.stratum),
            "refid" => fudge.reference_id = words.argument("a code").map(|code| code.text.clone()),
            text if FUDGE_ACCEPTED.contains(&text) => {
                let message = format!("`{text}` is accepted but not acted on");
                words.report(crate::Severity::Note, "N002", token, &message).note("the line without it", "");
                words.next();
            }
            _ => {
                let known = [FUDGE_ACTED, FUDGE_ACCEPTED].concat();
                words.unknown_option(token, "fudge", &known, "the line without this option");
            }
        }
    }
    Some(fudge)
}

pub(super) fn read_tinker(words: &mut Words<'_>) -> Vec<Tinker> {
    let mut found = Vec::new();
    while let Some(token) = words.next() {
        let seconds = |words: &mut Words<'_>| words.number(&token.text, 0.0_f64..=1e9);
        match token.text.as_str() {
            "panic" => found.extend(seconds(words).map(Tinker::Panic)),
            "step" => found.extend(seconds(words).map(Tinker::Step)),
            "stepfwd" => found.extend(seconds(words).map(Tinker::StepForward)),
            "stepback" => found.extend(seconds(words).map(Tinker::StepBackward)),
            "stepout" => found.extend(seconds(words).map(Tinker::Stepout)),
            "freq" => found.extend(words.number("freq", -500.0..=500.0).map(Tinker::Frequency)),
            text if TINKER_ACCEPTED.contains(&text) => {
                let message = format!("`tinker {text}` is accepted but not acted on");
                words.report(crate::Severity::Note, "N002", token, &message).note("the line without it", "");
                words.next();
            }
            _ => {
                let known = [TINKER_ACTED, TINKER_ACCEPTED].concat();
                words.unknown_option(token, "tinker", &known, "the line without this option");
            }
        }
    }
    found
}
