//! The clock that is disciplined: the kernel's, or one of our own.

mod system;
mod virtual_clock;

use std::io;
use std::time::Duration;

use ntp_os::clock::{Pair, read_pair, read_raw};
use ntp_proto::system::{ClockReport, ClockRequest, ClockStart};
use ntp_proto::time::{Frequency, MonoTime, NtpTimestamp, Reading, UnixTime};

use crate::cli::ClockChoice;
use system::SystemClock;
use virtual_clock::VirtualClock;

/// A kernel stamp older than this is not believed: the clock was set in between.
const STAMP_AGE_MAX: Duration = Duration::from_secs(2);

/// Why a clock cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClockError {
    /// The kernel does not let this process adjust it.
    #[error("the kernel refuses to adjust the clock: {0}")]
    Refused(io::Error),
    /// Reading it failed.
    #[error("the clock cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A request was out of bounds. The discipline never makes one.
    #[error("a correction out of bounds was asked for: {0:?}")]
    OutOfBounds(ClockRequest),
}

/// What the clock shows, for whoever may not change it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClockView(Clock);

impl ClockView {
    /// The moment of a kernel receive stamp, seen now; without one, now.
    pub(crate) fn moment(&self, now: Pair, stamp: Option<Duration>) -> Reading {
        self.0.moment(now, stamp)
    }
}

/// The clock that is disciplined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clock {
    System(SystemClock),
    Virtual(VirtualClock),
}

impl Clock {
    /// Opens the chosen clock. `adjusted` says whether it will be corrected at all: only then must
    /// the kernel allow it.
    pub(crate) fn open(choice: ClockChoice, adjusted: bool) -> Result<Self, ClockError> {
        match choice {
            ClockChoice::System => SystemClock::open(adjusted).map(Self::System),
            ClockChoice::None => Ok(Self::Virtual(VirtualClock::beside_system(read_pair()?))),
            ClockChoice::Virtual { offset, frequency } => {
                Ok(Self::Virtual(VirtualClock::wrong(read_pair()?, offset, frequency)))
            }
        }
    }

    /// What the system needs to know of it, but for the drift file.
    pub(crate) fn start(&self, drift: Option<Frequency>) -> Result<ClockStart, ClockError> {
        let reading = self.read()?;
        Ok(match self {
            Self::System(clock) => clock.start(reading, drift),
            Self::Virtual(_) => VirtualClock::start(reading, drift),
        })
    }

    /// Both clocks, now.
    pub(crate) fn read(&self) -> Result<Reading, ClockError> {
        let pair = read_pair()?;
        Ok(match self {
            Self::System(_) => SystemClock::reading(pair),
            Self::Virtual(clock) => clock.at(pair),
        })
    }

    /// The moment of a kernel receive stamp, which is in system time; without one, now.
    pub(crate) fn at_stamp(&self, stamp: Option<Duration>) -> Result<Reading, ClockError> {
        Ok(self.moment(read_pair()?, stamp))
    }

    fn moment(&self, now: Pair, stamp: Option<Duration>) -> Reading {
        match (self, stamp) {
            (Self::System(_), None) => SystemClock::reading(now),
            (Self::Virtual(clock), None) => clock.at(now),
            (Self::System(clock), Some(stamp)) => clock.at_stamp(now, stamp),
            (Self::Virtual(clock), Some(stamp)) => {
                let age = age(now, stamp);
                clock
                    .at(Pair { realtime: now.realtime.saturating_sub(age), raw: now.raw.saturating_sub(age) })
            }
        }
    }

    /// What it shows, for other threads; it holds until the next correction.
    pub(crate) fn view(&self) -> ClockView {
        ClockView(self.clone())
    }

    /// Does what the discipline asks for and reports what came of it.
    pub(crate) fn apply(&mut self, request: ClockRequest) -> Result<Option<ClockReport>, ClockError> {
        match self {
            Self::System(clock) => clock.apply(request),
            Self::Virtual(clock) => Ok(clock.apply(request, read_pair()?)),
        }
    }
}

/// Time for timers: the clock that nobody adjusts.
pub(crate) fn now() -> io::Result<MonoTime> {
    read_raw().map(mono)
}

fn mono(raw: Duration) -> MonoTime {
    MonoTime::from_nanos(u64::try_from(raw.as_nanos()).unwrap_or(u64::MAX))
}

fn timestamp(realtime: Duration) -> NtpTimestamp {
    NtpTimestamp::from_unix(UnixTime::new(unix_seconds(realtime), realtime.subsec_nanos()))
}

fn unix_seconds(realtime: Duration) -> i64 {
    i64::try_from(realtime.as_secs()).unwrap_or(i64::MAX)
}

/// How long ago a stamp was taken; zero for one that makes no sense.
fn age(pair: Pair, stamp: Duration) -> Duration {
    pair.realtime.checked_sub(stamp).filter(|age| *age <= STAMP_AGE_MAX).unwrap_or_default()
}
