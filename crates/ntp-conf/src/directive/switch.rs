//! `enable` and `disable`.

use super::Words;

/// What can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// `ntp`: whether the clock is corrected.
    Ntp,
    /// `monitor`: whether all clients are remembered.
    Monitor,
}

pub(super) fn read(words: &Words<'_, '_>, on: bool) -> Vec<(Switch, bool)> {
    let switches = [("ntp", Switch::Ntp), ("monitor", Switch::Monitor)];
    switches.into_iter().filter(|(name, _)| words.has(name)).map(|(_, switch)| (switch, on)).collect()
}
