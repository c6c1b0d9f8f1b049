//! `enable` and `disable`.

use super::Words;

/// What can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// `ntp`: whether the clock is corrected.
    Ntp,
}

pub(super) fn read(words: &Words<'_, '_>, on: bool) -> Vec<(Switch, bool)> {
    if words.has("ntp") { vec![(Switch::Ntp, on)] } else { Vec::new() }
}
