//! `fudge` and `tinker`: parameters of clocks and of the discipline.

use std::net::IpAddr;

use crate::grammar::number;

use super::{IGNORED, Words, address};

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

pub(super) fn read_fudge(words: &mut Words<'_, '_>) -> Option<Fudge> {
    let word = words.argument_word(0)?;
    let text = words.text(word);
    let Some(IpAddr::V4(v4)) = address(text)
        .filter(|address| matches!(address, IpAddr::V4(v4) if v4.octets().starts_with(&[127, 127])))
    else {
        let message = format!("\"{text}\" is no clock's address");
        words.findings.error("E007", word, &message).note(IGNORED, "clocks have addresses 127.127.t.u");
        return None;
    };
    let [_, _, driver, unit] = v4.octets();
    let reference_id = words.value("refid").map(ToOwned::to_owned);
    Some(Fudge { driver, unit, stratum: words.integer("stratum"), reference_id })
}

pub(super) fn read_tinker(words: &Words<'_, '_>) -> Vec<Tinker> {
    let read = |(name, value): (&str, &str)| {
        let number = number(value)?;
        match name {
            "panic" => Some(Tinker::Panic(number)),
            "step" => Some(Tinker::Step(number)),
            "stepfwd" => Some(Tinker::StepForward(number)),
            "stepback" => Some(Tinker::StepBackward(number)),
            "stepout" => Some(Tinker::Stepout(number)),
            "freq" => Some(Tinker::Frequency(number)),
            _ => None,
        }
    };
    words.settings().filter_map(read).collect()
}
