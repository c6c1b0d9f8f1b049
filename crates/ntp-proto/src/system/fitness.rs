//! Which sources may vote at all (RFC 5905 §11.2, tests 10 to 13).
//!
//! DEVIATION(ntp 4.2.8): the distance of test 11 takes the median step between neighbours in the
//! register in place of the RMS jitter: after a jump of seconds nobody would be fit for eight polls.

use crate::association::State;
use crate::select::SelectionConfig;
use crate::time::{Frequency, MonoTime, NtpDuration};
use crate::wire::Stratum;

/// Why a source that answers has no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// `tos floor` or `tos ceiling` excludes its stratum.
    #[error("`tos floor` and `tos ceiling` exclude its stratum, {}", .0.value())]
    Stratum(Stratum),
    /// It may be further off than `tos maxdist` lets it.
    #[error("it may be off by {:.3} s, and `tos maxdist` allows less", .0.as_seconds_f64())]
    Distance(NtpDuration),
    /// It has its time from us.
    #[error("it has its time from us")]
    Loop,
    /// It has not answered the last eight polls.
    #[error("it has not answered eight polls")]
    Unreachable,
}

impl Unfit {
    /// The bit that `ntpq` shows for it in `flash` (the numbers are ntpd's).
    pub const fn flash(self) -> u16 {
        match self {
            Self::Stratum(_) => 0x0200,
            Self::Distance(_) => 0x0400,
            Self::Loop => 0x0800,
            Self::Unreachable => 0x1000,
        }
    }
}

/// Everything that keeps a source from voting. `rate` is how fast the undisciplined clock gains.
pub(super) fn faults(
    state: &State,
    now: MonoTime,
    rate: Frequency,
    config: &SelectionConfig,
) -> impl Iterator<Item = Unfit> {
    let stratum = state.server().map(|server| server.stratum).filter(|stratum| !config.admits(*stratum));
    let distance = state.usual_distance(now, rate, config.distance_min);
    let distance = distance.filter(|distance| *distance >= config.distance_max);
    let tests = [
        stratum.map(Unfit::Stratum),
        distance.map(Unfit::Distance),
        state.is_loop().then_some(Unfit::Loop),
        state.reach().is_unreachable().then_some(Unfit::Unreachable),
    ];
    tests.into_iter().flatten()
}
