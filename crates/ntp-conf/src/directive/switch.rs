//! `enable` and `disable`.

use super::Words;

/// What can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// `ntp`: whether the clock is corrected.
    Ntp,
    /// `monitor`: whether all clients are remembered.
    Monitor,
    /// `stats`: whether statistics are recorded.
    Statistics,
}

pub(super) fn read(words: &Words<'_, '_>, on: bool) -> Vec<(Switch, bool)> {
    let switches = [("ntp", Switch::Ntp), ("monitor", Switch::Monitor), ("stats", Switch::Statistics)];
    switches.into_iter().filter(|(name, _)| words.has(name)).map(|(_, switch)| (switch, on)).collect()
}
