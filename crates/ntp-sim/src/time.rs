//! True time, which only the simulator knows.

use std::ops::Add;
use std::time::Duration;

use ntp_proto::time::{NtpDuration, NtpTimestamp, UnixTime};

/// A moment of true time: nanoseconds since the world began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TrueTime(u64);

impl TrueTime {
    /// Seconds since the world began; never negative.
    pub fn from_seconds(seconds: f64) -> Self {
        Self::default() + Duration::from_secs_f64(seconds.clamp(0.0, 1e10))
    }

    /// Seconds since the world began.
    #[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are a hundred days")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// Nanoseconds since the world began.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Time since an earlier moment; zero if it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// What a right clock shows, in a world that began so many seconds after 1970.
    pub fn timestamp(self, beginning: i64) -> NtpTimestamp {
        NtpTimestamp::from_unix(UnixTime::new(beginning, 0))
            + NtpDuration::from_std(Duration::from_nanos(self.0))
    }
}

impl Add<Duration> for TrueTime {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}
