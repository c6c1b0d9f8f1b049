//! Control of the system clock: frequency, steps, and what the kernel tells others of its quality.

use std::io;
use std::time::Duration;

use crate::sys::timex::{clock_adjtime, empty};

/// The kernel's limit of `freq`: 500 ppm in units of 2^-16 ppm.
const FREQ_MAX: i64 = 500 << 16;

/// The nominal length of a tick in microseconds, at 100 ticks a second.
const TICK_NOMINAL: i64 = 10_000;

/// How much one microsecond of tick is, in units of 2^-16 ppm: 100 ppm.
const PER_TICK: i64 = 100 << 16;

/// How far a tick may be from its nominal length: the kernel allows 10 %.
const TICK_RANGE: i64 = 1_000;

/// What the kernel says of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// The frequency correction in units of 2^-16 ppm, that of a changed tick included.
    pub frequency: i64,
}

/// What the kernel says of its clock, as `adjtimex(2)` has it, in the kernel's units: nanoseconds for `offset` and
/// the jitter of a pulse if `STA_NANO` is set, else microseconds; microseconds for errors and the precision; 2^-16
/// ppm for frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// What is left of a correction, nanoseconds.
    pub offset: i64,
    /// Frequency correction.
    pub frequency: i64,
    /// The most by which it can be wrong, microseconds.
    pub maximum_error: i64,
    /// By how much it probably is, microseconds.
    pub estimated_error: i64,
    /// Status bits.
    pub status: u32,
    /// The kernel loop's time constant.
    pub time_constant: i64,
    /// Precision, microseconds.
    pub precision: i64,
    /// The largest frequency correction.
    pub tolerance: i64,
    /// A pulse's frequency, its stability, and its jitter in nanoseconds.
    pub pulse: (i64, i64, i64),
    /// How long a pulse is calibrated for, an exponent of 2 in seconds.
    pub pulse_interval: i32,
    /// Calibrations, too much jitter, too little stability, failed calibrations.
    pub pulse_counts: [i64; 4],
}

/// Reads everything that the kernel says of the clock.
///
/// # Errors
/// As for [`read`].
pub fn report() -> io::Result<Report> {
    let mut request = empty();
    clock_adjtime(&mut request)?;
    let nanos = |value: i64| if request.status & libc::STA_NANO != 0 { value } else { value * 1000 };
    Ok(Report {
        offset: nanos(request.offset),
        frequency: state_of(&request).frequency,
        maximum_error: request.maxerror,
        estimated_error: request.esterror,
        status: u32::try_from(request.status).unwrap_or(0),
        time_constant: request.constant,
        precision: request.precision,
        tolerance: request.tolerance,
        pulse: (request.ppsfreq, request.stabil, nanos(request.jitter)),
        pulse_interval: request.shift,
        pulse_counts: [request.calcnt, request.jitcnt, request.stbcnt, request.errcnt],
    })
}

/// Reads the state of the clock. Fails where even that is forbidden, as in some containers.
pub fn read() -> io::Result<ClockState> {
    let mut request = empty();
    clock_adjtime(&mut request)?;
    Ok(state_of(&request))
}

/// Whether the kernel lets this process adjust the clock: tries by setting what is already set.
pub fn probe() -> io::Result<()> {
    let mut request = empty();
    clock_adjtime(&mut request)?;
    request.modes = libc::ADJ_FREQUENCY;
    clock_adjtime(&mut request)?;
    Ok(())
}

/// Sets the frequency correction, in units of 2^-16 ppm. Up to 500 ppm it goes into `freq`, beyond
/// that into the length of the tick too, up to 10 %. Returns what is in force.
pub fn set_frequency(frequency: i64) -> io::Result<i64> {
    let (tick, freq) = split(frequency);
    let mut request = empty();
    request.modes = libc::ADJ_FREQUENCY | libc::ADJ_TICK;
    request.tick = tick;
    request.freq = freq;
    clock_adjtime(&mut request)?;
    Ok(state_of(&request).frequency)
}

/// Steps the clock by so many nanoseconds, without reading it in between.
pub fn step(nanos: i64) -> io::Result<()> {
    let mut request = empty();
    request.modes = libc::ADJ_SETOFFSET | libc::ADJ_NANO;
    request.time.tv_sec = nanos.div_euclid(1_000_000_000);
    // With ADJ_NANO the field counts nanoseconds, and it may not be negative.
    request.time.tv_usec = nanos.rem_euclid(1_000_000_000);
    clock_adjtime(&mut request)?;
    Ok(())
}

/// Tells the kernel, and through it everybody who asks, whether the clock is kept and how well.
pub fn set_status(estimated_error: Duration, maximum_error: Duration, synchronized: bool) -> io::Result<()> {
    let mut request = empty();
    clock_adjtime(&mut request)?;
    // The kernel's own loops stay off: the correction is ours alone.
    let loops = libc::STA_PLL | libc::STA_FLL | libc::STA_PPSFREQ | libc::STA_PPSTIME;
    let status = request.status & !(loops | libc::STA_UNSYNC);
    request = empty();
    request.modes = libc::ADJ_STATUS | libc::ADJ_ESTERROR | libc::ADJ_MAXERROR;
    request.status = if synchronized { status } else { status | libc::STA_UNSYNC };
    request.esterror = micros(estimated_error);
    request.maxerror = micros(maximum_error);
    clock_adjtime(&mut request)?;
    Ok(())
}

/// A second that the kernel adds to the end of a UTC day, or takes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeapSecond {
    /// 23:59:60 is inserted.
    Insert,
    /// 23:59:59 is left out.
    Delete,
}

/// Tells the kernel what to do at the end of this UTC day.
pub fn set_leap(leap: Option<LeapSecond>) -> io::Result<()> {
    let mut request = empty();
    clock_adjtime(&mut request)?;
    let status = request.status & !(libc::STA_INS | libc::STA_DEL);
    request = empty();
    request.modes = libc::ADJ_STATUS;
    request.status = match leap {
        None => status,
        Some(LeapSecond::Insert) => status | libc::STA_INS,
        Some(LeapSecond::Delete) => status | libc::STA_DEL,
    };
    clock_adjtime(&mut request)?;
    Ok(())
}

fn state_of(timex: &libc::timex) -> ClockState {
    ClockState { frequency: timex.freq + (timex.tick - TICK_NOMINAL) * PER_TICK }
}

/// A frequency as tick and freq.
fn split(frequency: i64) -> (i64, i64) {
    if frequency.abs() <= FREQ_MAX {
        return (TICK_NOMINAL, frequency);
    }
    let ticks = ((frequency + frequency.signum() * PER_TICK / 2) / PER_TICK).clamp(-TICK_RANGE, TICK_RANGE);
    (TICK_NOMINAL + ticks, (frequency - ticks * PER_TICK).clamp(-FREQ_MAX, FREQ_MAX))
}

/// Rounded up, because both errors are bounds; 16 s is as much as the kernel will say.
fn micros(duration: Duration) -> libc::c_long {
    let rounded = duration.as_nanos().div_ceil(1000).min(16_000_000);
    libc::c_long::try_from(rounded).unwrap_or(16_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_go_into_freq_and_beyond_500_ppm_into_the_tick() {
        assert_eq!(split(50 << 16), (10_000, 50 << 16));
        assert_eq!(split(-(500 << 16)), (10_000, -(500 << 16)));
        assert_eq!(split(5_030 << 16), (10_050, 30 << 16));
        assert_eq!(split(-(50_000 << 16)), (9_500, 0));
        for ppm in [-90_000_i64, -501, 501, 733, 12_345] {
            let (tick, freq) = split(ppm << 16);
            assert_eq!(freq + (tick - TICK_NOMINAL) * PER_TICK, ppm << 16);
        }
    }

    #[test]
    fn the_clock_can_be_read_or_says_why_not() {
        match read() {
            Ok(state) => assert!(state.frequency.abs() <= (TICK_RANGE + 5) * PER_TICK),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)),
        }
    }
}
