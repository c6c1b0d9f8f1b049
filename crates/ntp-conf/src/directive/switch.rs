//! `enable` and `disable`.

use super::Words;

/// What can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// `ntp`: whether the clock is corrected.
    Ntp,
}

/// Switches kept without effect.
const ACCEPTED: &[&str] = &[
    "auth",
    "bclient",
    "calibrate",
    "kernel",
    "mode7",
    "monitor",
    "peer_clear_digest_early",
    "pps",
    "stats",
    "unpeer_crypto_early",
    "unpeer_crypto_nak_early",
    "unpeer_digest_early",
];

pub(super) fn read(words: &mut Words<'_>, on: bool) -> Vec<(Switch, bool)> {
    let mut found = Vec::new();
    let name = if on { "enable" } else { "disable" };
    if words.peek().is_none() {
        words.argument("what to switch");
    }
    while let Some(token) = words.next() {
        match token.text.as_str() {
            "ntp" => found.push((Switch::Ntp, on)),
            text if ACCEPTED.contains(&text) => {
                let message = format!("`{name} {text}` is accepted but not acted on");
                words
                    .report(crate::Severity::Note, "N002", token, &message)
                    .note("nothing follows from it", "");
            }
            _ => {
                let known = [&["ntp"], ACCEPTED].concat();
                words.unknown_option(token, name, &known, "the line's other words");
            }
        }
    }
    found
}
