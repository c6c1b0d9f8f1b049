//! What the estimator has learnt, to survive a restart: one text file beside the drift file.
//!
//! ```text
//! ntp-estimator 1
//! written 1795000000
//! frequency -12.345678 0.0123
//! wander 3.2e-9
//! models 0.1 0.2 0.3 0.2 0.1 0.05 0.03 0.02
//! clock 86400000000000 eb2a1c0012345678 1.2e-5 3.4e-5
//! path 192.0.2.1 0.0203 0.00104 1.1e-6 2.0e-4 5.0e-4 4.0e-5 0.7 0.03 ...
//! ```
//! Frequencies are ppm (value and standard deviation), `clock` is the raw clock in nanoseconds, the system clock as an
//! NTP timestamp, and how far that is ahead (with its deviation, seconds), `path` holds the shortest round trip, the jitter
//! scale, the variance of the residuals, the bias with its deviation and that of what is measured, and the weights of
//! the shapes.

use core::fmt::{self, Write as _};
use core::net::IpAddr;
use core::str::{FromStr, SplitWhitespace};

use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading, UnixTime};

use super::bank::MODELS;
use super::continuity::ClockMemory;
use super::shapes::SHAPE_COUNT;

/// The first line.
const HEADER: &str = "ntp-estimator 1";

/// The longest file that is read.
const LENGTH_MAX: usize = 1 << 16;

/// Paths that are remembered: as many as can be followed.
const PATHS_MAX: usize = super::FOLLOWED_MAX;

/// A frequency remembered is never believed to be better known than this, nor worse, in ppm.
const DEVIATION_RANGE: (f64, f64) = (0.1, 20.0);

/// How long what is known of a path counts, in seconds.
const PATH_AGE_MAX: i64 = 86_400;

/// What has been learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// When it was written.
    pub written: UnixTime,
    /// The frequency correction.
    pub frequency: Frequency,
    /// How much it may be off.
    pub deviation: Frequency,
    /// Wander of the frequency, in s/s per square root of a second.
    pub(super) wander: f64,
    /// The clock as it was left; `None` if it was not kept.
    pub clock: Option<ClockMemory>,
    pub(super) weights: [f64; MODELS],
    pub(super) paths: Vec<PathMemory>,
}

/// What has been learnt of one path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PathMemory {
    pub(super) address: IpAddr,
    pub(super) minimum: f64,
    pub(super) scale: f64,
    pub(super) residual: f64,
    /// How far ahead it makes the clock seem, how well that is known, and how well their sum with the clock's error was.
    pub(super) bias: f64,
    pub(super) bias_deviation: f64,
    pub(super) noise: f64,
    pub(super) shapes: [f64; SHAPE_COUNT],
}

/// Why a file holds no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// It is something else, or from another version.
    #[error("it is no memory of the estimator, or one of another version")]
    Foreign,
    /// It has been damaged.
    #[error("line {0} makes no sense")]
    Line(usize),
    /// A part is missing.
    #[error("it is incomplete")]
    Incomplete,
}

impl Memory {
    /// How much the frequency may be off at `now`, after it has wandered since this was written.
    pub(crate) fn deviation_at(&self, now: UnixTime) -> Frequency {
        let age = now.seconds().saturating_sub(self.written.seconds());
        if age < 0 {
            // Which of the two dates is wrong, nobody knows.
            return Frequency::from_ppm(DEVIATION_RANGE.1);
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let age = age as f64;
        let wandered = (self.deviation.as_ratio().powi(2) + self.wander.powi(2) * age).sqrt() * 1e6;
        Frequency::from_ppm(wandered.clamp(DEVIATION_RANGE.0, DEVIATION_RANGE.1))
    }

    /// The models' weights, tempered: the machine may be in another place now.
    pub(super) fn tempered(&self) -> [f64; MODELS] {
        self.weights.map(f64::sqrt)
    }

    /// What is known of a path, if it is young enough.
    pub(super) fn path(&self, address: IpAddr, now: UnixTime) -> Option<&PathMemory> {
        let age = now.seconds().saturating_sub(self.written.seconds());
        self.paths.iter().find(|path| path.address == address).filter(|_| (0..PATH_AGE_MAX).contains(&age))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If it is not one, or damaged.
    pub fn parse(text: &str) -> Result<Self, MemoryError> {
        if text.len() > LENGTH_MAX || text.lines().next() != Some(HEADER) {
            return Err(MemoryError::Foreign);
        }
        let (mut written, mut frequency, mut wander, mut weights) = (None, None, None, None);
        let (mut paths, mut left) = (Vec::new(), None);
        for (index, line) in text.lines().enumerate().skip(1) {
            let mut words = line.split_whitespace();
            let known = match words.next() {
                Some("written") => word::<i64>(&mut words).map(|seconds| written = Some(seconds)),
                Some("frequency") => numbers::<2>(&mut words).map(|pair| frequency = Some(pair)),
                Some("wander") => numbers::<1>(&mut words).map(|[one]| wander = Some(one)),
                Some("models") => numbers::<MODELS>(&mut words).map(|all| weights = Some(all)),
                Some("clock") => clock(&mut words).map(|clock| left = Some(clock)),
                Some("path") if paths.len() < PATHS_MAX => path(&mut words).map(|path| paths.push(path)),
                _ => None,
            };
            if known.is_none() || words.next().is_some() {
                return Err(MemoryError::Line(index + 1));
            }
        }
        let missing = MemoryError::Incomplete;
        let [ppm, deviation] = frequency.ok_or(missing)?;
        let sane =
            |all: &[f64; MODELS]| all.iter().all(|weight| *weight >= 0.0) && all.iter().sum::<f64>() > 0.0;
        let weights = weights.filter(sane).ok_or(missing)?;
        let wander = wander.filter(|wander| *wander >= 0.0).ok_or(missing)?;
        if ppm.abs() > 500.0 || deviation < 0.0 {
            return Err(MemoryError::Incomplete);
        }
        Ok(Self {
            written: UnixTime::new(written.ok_or(missing)?, 0),
            frequency: Frequency::from_ppm(ppm),
            deviation: Frequency::from_ppm(deviation),
            wander,
            clock: left,
            weights,
            paths,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        writeln!(f, "written {}", self.written.seconds())?;
        writeln!(f, "frequency {:.6} {:.6}", self.frequency.as_ppm(), self.deviation.as_ppm())?;
        writeln!(f, "wander {:.3e}", self.wander)?;
        writeln!(f, "models{}", list(&self.weights))?;
        if let Some(ClockMemory { at, error, deviation }) = &self.clock {
            let (raw, system) = (at.mono.as_nanos(), at.system.to_bits());
            let (error, deviation) = (error.as_seconds_f64(), deviation.as_seconds_f64());
            writeln!(f, "clock {raw} {system:016x} {error:.9} {deviation:.9}")?;
        }
        for path in self.paths.iter().take(PATHS_MAX) {
            let PathMemory { address, minimum, scale, residual, bias, bias_deviation, noise, shapes } = path;
            let (known, shapes) = (list(&[*bias, *bias_deviation, *noise]), list(shapes));
            writeln!(f, "path {address} {minimum:.9} {scale:.9} {residual:.3e}{known}{shapes}")?;
        }
        Ok(())
    }
}

fn list(numbers: &[f64]) -> String {
    let mut text = String::new();
    for number in numbers {
        let _infallible = write!(text, " {number:.3e}");
    }
    text
}

fn word<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

/// Numbers that are finite and not absurd.
fn numbers<const N: usize>(words: &mut SplitWhitespace<'_>) -> Option<[f64; N]> {
    let mut all = [0.0; N];
    for one in &mut all {
        *one = word::<f64>(words).filter(|number| number.is_finite() && number.abs() < 1e6)?;
    }
    Some(all)
}

fn clock(words: &mut SplitWhitespace<'_>) -> Option<ClockMemory> {
    let mono = MonoTime::from_nanos(word(words)?);
    let system = NtpTimestamp::from_bits(u64::from_str_radix(words.next()?, 16).ok()?);
    let [error, deviation] = numbers(words)?;
    let (error, deviation) = (NtpDuration::from_seconds_f64(error), NtpDuration::from_seconds_f64(deviation));
    (deviation > NtpDuration::ZERO).then_some(ClockMemory { at: Reading { mono, system }, error, deviation })
}

fn path(words: &mut SplitWhitespace<'_>) -> Option<PathMemory> {
    let address = word(words)?;
    let [minimum, scale, residual, bias, bias_deviation, noise] = numbers(words)?;
    let shapes: [f64; SHAPE_COUNT] = numbers(words)?;
    let sane = scale > 0.0 && residual >= 0.0 && shapes.iter().all(|weight| *weight >= 0.0);
    let sane = sane && bias_deviation >= 0.0 && noise > 0.0;
    let known = sane && minimum >= 0.0 && shapes.iter().sum::<f64>() > 0.0;
    known.then_some(PathMemory { address, minimum, scale, residual, bias, bias_deviation, noise, shapes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory() -> Memory {
        let path = PathMemory {
            address: [192, 0, 2, 1].into(),
            minimum: 0.020_3,
            scale: 0.001,
            residual: 1e-6,
            bias: -2e-4,
            bias_deviation: 5e-4,
            noise: 4e-5,
            shapes: [0.1; SHAPE_COUNT],
        };
        Memory {
            written: UnixTime::new(1_795_000_000, 0),
            frequency: Frequency::from_ppm(-12.5),
            deviation: Frequency::from_ppm(0.125),
            wander: 1e-8,
            clock: Some(ClockMemory {
                at: Reading {
                    mono: MonoTime::from_nanos(86_400_000_000_123),
                    system: NtpTimestamp::from_bits(0xeb2a_1c00_1234_5678),
                },
                error: NtpDuration::from_nanos(-12_345),
                deviation: NtpDuration::from_nanos(34_567),
            }),
            weights: [0.125; MODELS],
            paths: vec![path],
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        assert_eq!(Memory::parse(&memory().to_string()), Ok(memory()));
    }

    #[test]
    fn an_old_frequency_is_believed_less_and_an_old_path_not_at_all() {
        let later = |seconds: i64| UnixTime::new(1_795_000_000 + seconds, 0);
        let address = [192, 0, 2, 1].into();
        assert!(memory().path(address, later(3600)).is_some());
        assert!(memory().path(address, later(90_000)).is_none());
        assert!(memory().path(address, later(-5)).is_none());
        assert_eq!(memory().deviation_at(later(-5)), Frequency::from_ppm(DEVIATION_RANGE.1));
        let (fresh, old) = (memory().deviation_at(later(0)), memory().deviation_at(later(1_000_000)));
        assert!(
            (fresh.as_ppm() - 0.125).abs() < 1e-3 && (old.as_ppm() - 10.0).abs() < 0.1,
            "{fresh:?} {old:?}"
        );
    }

    #[test]
    fn what_is_damaged_is_named() {
        let text = memory().to_string();
        assert_eq!(Memory::parse("12.3\n"), Err(MemoryError::Foreign));
        assert_eq!(Memory::parse(&text.replace("-12.5", "nan")), Err(MemoryError::Line(3)));
        assert_eq!(Memory::parse(&text.replace("192.0.2.1", "here")), Err(MemoryError::Line(7)));
        for nonsense in ["models -0.5", "models 0 0 0 0 0 0 0 0 0"] {
            assert!(Memory::parse(&text.replace("models 1.250e-1", nonsense)).is_err(), "{nonsense}");
        }
        assert!(Memory::parse(&text.replace("wander 1", "wander -1")).is_err());
        let cut = text.lines().take(3).collect::<Vec<_>>().join("\n");
        assert_eq!(Memory::parse(&cut), Err(MemoryError::Incomplete));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(rest in "[a-z0-9 .\n-]{0,200}") {
            let _verdict = Memory::parse(&format!("{HEADER}\n{rest}"));
        }
    }
}
