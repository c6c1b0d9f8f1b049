//! The clock that is disciplined: the kernel's, or one of our own.

mod system;
mod virtual_clock;

use std::io;
use std::time::Duration;

use ntp_os::clock::{Pair, read_pair, read_raw};
use ntp_os::timex::{self, Report};
use ntp_proto::control::{Kernel, Pulse};
use ntp_proto::system::{ClockReport, ClockRequest, ClockStart};
use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading, UnixTime};

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

    /// What the kernel says of it; of a clock of our own, nothing.
    pub(crate) fn kernel(&self) -> Kernel {
        match self {
            Self::System(_) => timex::report().map(|report| kernel(&report)).unwrap_or_default(),
            Self::Virtual(_) => Kernel::default(),
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

/// The kernel's units as those of the protocol.
fn kernel(report: &Report) -> Kernel {
    let micros = |value: i64| NtpDuration::from_nanos(value.saturating_mul(1000));
    let count =
        |index: usize| report.pulse_counts.get(index).map_or(0, |count| u64::try_from(*count).unwrap_or(0));
    let (frequency, stability, jitter) = report.pulse;
    Kernel {
        offset: NtpDuration::from_nanos(report.offset),
        frequency: Frequency::from_scaled_ppm(report.frequency),
        maximum_error: micros(report.maximum_error),
        estimated_error: micros(report.estimated_error),
        status: report.status,
        time_constant: report.time_constant,
        precision: micros(report.precision),
        tolerance: Frequency::from_scaled_ppm(report.tolerance),
        pulse: Pulse {
            frequency: Frequency::from_scaled_ppm(frequency),
            stability: Frequency::from_scaled_ppm(stability),
            jitter: NtpDuration::from_nanos(jitter),
            interval: u32::try_from(report.pulse_interval).unwrap_or(0),
            calibrations: count(0),
            jittery: count(1),
            unsteady: count(2),
            failed: count(3),
        },
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
