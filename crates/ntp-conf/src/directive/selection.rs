//! `tos` and `leapfile`: who is believed, about the time and about leap seconds.

use crate::grammar::{integer, number};

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

pub(super) fn read_tos(words: &Words<'_, '_>) -> Vec<Tos> {
    let read = |(name, value): (&str, &str)| {
        let number = number(value)?;
        // The schema has checked the ranges.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a thousand")]
        let count = number.round() as u16;
        let stratum = u8::try_from(count).ok();
        match name {
            "minsane" => Some(Tos::MinSane(count)),
            "minclock" => Some(Tos::MinClock(count)),
            "maxclock" => Some(Tos::MaxClock(count)),
            "maxdist" => Some(Tos::MaxDist(number)),
            "mindist" => Some(Tos::MinDist(number)),
            "floor" => stratum.map(Tos::Floor),
            "ceiling" => stratum.map(Tos::Ceiling),
            "orphan" => stratum.map(Tos::Orphan),
            "orphanwait" => integer(value)?.try_into().ok().map(Tos::OrphanWait),
            _ => None,
        }
    };
    words.settings().filter_map(read).collect()
}

pub(super) fn read_leap_file(words: &Words<'_, '_>) -> Option<LeapFile> {
    let path = words.argument(0)?.to_owned();
    let flags = words.settings().map(|(name, _)| name);
    let check_hash = flags.last() != Some("ignorehash");
    Some(LeapFile { path, check_hash })
}
