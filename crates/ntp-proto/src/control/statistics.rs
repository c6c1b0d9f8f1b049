//! What the daemon counts, for whoever asks.

use crate::server::{ClientList, Counts, Occupancy};
use crate::time::{Frequency, MonoTime, NtpDuration};

use alloc::sync::Arc;

/// What has been counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// What became of what came to the service port.
    pub counts: Counts,
    /// When the present hour began, and what the same had been until then.
    pub before: (MonoTime, Counts),
    /// What the kernel says of its clock; nothing where it does not say.
    pub kernel: Kernel,
    /// Datagrams and wake-ups of the main loop.
    pub io: Traffic,
    /// How often a timer came more than a second late.
    pub late_timers: u64,
}

/// What the kernel says of its clock (`adjtimex(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Kernel {
    /// What is left of a correction.
    pub offset: NtpDuration,
    /// The correction of the frequency.
    pub frequency: Frequency,
    /// The most by which the clock can be wrong.
    pub maximum_error: NtpDuration,
    /// By how much it probably is.
    pub estimated_error: NtpDuration,
    /// The kernel's status bits (`STA_*`).
    pub status: u32,
    /// The time constant of the kernel's own loop, an exponent of 2.
    pub time_constant: i64,
    /// The precision.
    pub precision: NtpDuration,
    /// The most by which the frequency can be corrected.
    pub tolerance: Frequency,
    /// The pulse per second, if there is one.
    pub pulse: Pulse,
}

/// What the kernel says of a pulse per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pulse {
    /// Its frequency.
    pub frequency: Frequency,
    /// How steady that is.
    pub stability: Frequency,
    /// Its jitter.
    pub jitter: NtpDuration,
    /// How long it is calibrated for, an exponent of 2 in seconds.
    pub interval: u32,
    /// How often it was calibrated.
    pub calibrations: u64,
    /// How often its jitter was too large.
    pub jittery: u64,
    /// How often its frequency was unsteady.
    pub unsteady: u64,
    /// How often a calibration failed.
    pub failed: u64,
}

/// What the main loop does beside serving time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Answers of mode 6 that were sent.
    pub sent: u64,
    /// Answers of any kind that could not be.
    pub unsent: u64,
    /// How often the main loop woke up because something was to be read.
    pub wakeups: u64,
    /// How often there was something.
    pub useful_wakeups: u64,
}

/// How full the lists of clients are, all together.
pub(super) fn occupancy(clients: &[Arc<ClientList>], now: MonoTime) -> Occupancy {
    let all = clients.iter().map(|list| list.occupancy(now));
    all.fold(Occupancy::default(), Occupancy::plus)
}

/// The words for the kernel's status bits (`STA_*` in `timex.h`), as both daemons write them.
const FLAGS: [(u32, &str); 14] = [
    (0x0001, "pll"),
    (0x0002, "ppsfreq"),
    (0x0004, "ppstime"),
    (0x0008, "fll"),
    (0x0010, "ins"),
    (0x0020, "del"),
    (0x0040, "unsync"),
    (0x0080, "freqhold"),
    (0x0100, "ppssignal"),
    (0x0200, "ppsjitter"),
    (0x0400, "ppswander"),
    (0x0800, "ppserror"),
    (0x1000, "clockerr"),
    (0x2000, "nano"),
];

impl Kernel {
    /// The status bits in words.
    pub fn flags(&self) -> String {
        let set = FLAGS.iter().filter(|(bit, _)| self.status & bit != 0).map(|(_, word)| *word);
        set.collect::<Vec<_>>().join(" ")
    }
}
