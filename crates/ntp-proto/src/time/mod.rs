//! Time on the wire, time for timers, and the units between them.
//!
//! Two kinds of time that cannot be confused: [`NtpTimestamp`] is a point on a clock that may be
//! wrong and may be stepped; [`MonoTime`] is a point on one that nobody steps. All era and
//! wrap-around arithmetic of the crate is in `timestamp.rs`.

mod date;
mod duration;
mod frequency;
mod mono;
mod poll;
mod timestamp;

pub use date::Date;
pub use duration::{NtpDuration, NtpShort};
pub use frequency::Frequency;
pub use mono::MonoTime;
pub use poll::{PollExponent, Precision};
pub use timestamp::{NtpTimestamp, UnixTime};

/// Both clocks, read at one moment: what a shell hands over with every send and receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The clock that timers run on.
    pub mono: MonoTime,
    /// The clock being disciplined, at the same moment.
    pub system: NtpTimestamp,
}
