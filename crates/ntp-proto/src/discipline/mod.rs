//! What is done about a known error: step, slew, wait or give up (RFC 5905 §11.3).
//!
//! `ledger.rs` knows what has been corrected, `steering.rs` how to correct a little, `leap.rs` the
//! table of leap seconds; this file
//! decides which of the remedies an error calls for.

mod leap;
mod ledger;
mod steering;

use core::time::Duration;

use crate::estimator::Estimate;
use crate::time::{Frequency, MonoTime, NtpDuration};

pub use leap::{LeapArm, LeapTable, LeapTableError, end_of_day, may_leap_today};
pub use ledger::{CorrectionLedger, Timescale};
pub use steering::{SLEW_MAX, SLEW_MAX_STARTING, Steering};

/// How soon a surprising first sample is asked to be confirmed.
const CONFIRM_SECONDS: u64 = 2;

/// How fast an error is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The clock is not settled yet: it may run as fast as it can.
    pub starting: bool,
    /// How long the correction takes, usually until the next sample.
    pub length: Duration,
}

/// Thresholds and switches, from ntp.conf and the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the command line, each independent")]
pub struct DisciplineConfig {
    /// Larger errors of a clock that is behind are stepped; zero means never (`tinker stepfwd`,
    /// default 128 ms).
    pub step_forward: NtpDuration,
    /// The same for one that is ahead (`tinker stepback`).
    pub step_backward: NtpDuration,
    /// How long a larger error must last before it is stepped (`tinker stepout`, default 300 s).
    pub stepout: Duration,
    /// Larger errors end the daemon; zero means never (`tinker panic`, default 1000 s).
    pub panic: NtpDuration,
    /// The first correction may exceed the panic threshold (`-g`).
    pub allow_first_panic: bool,
    /// Set the clock once and finish (`-q`).
    pub once: bool,
    /// Never slew faster than 500 ppm, not even at the start (`-x`).
    pub gentle: bool,
    /// Leave the clock alone (`disable ntp`).
    pub disabled: bool,
}

impl Default for DisciplineConfig {
    fn default() -> Self {
        Self {
            step_forward: NtpDuration::from_millis(128),
            step_backward: NtpDuration::from_millis(128),
            stepout: Duration::from_mins(5),
            panic: NtpDuration::from_seconds(1000),
            allow_first_panic: false,
            once: false,
            gentle: false,
            disabled: false,
        }
    }
}

impl DisciplineConfig {
    /// As with `-x`: errors up to 600 s are slewed, and slowly.
    #[must_use]
    pub fn slew_only(self) -> Self {
        let step = NtpDuration::from_seconds(600);
        Self { step_forward: step, step_backward: step, gentle: true, ..self }
    }
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing now.
    Wait,
    /// Another sample within so many seconds.
    Confirm(u64),
    /// Run at this frequency.
    Frequency(Frequency),
    /// Step by this much, then run at this frequency.
    Step(NtpDuration, Frequency),
    /// The error is beyond the panic threshold: nothing sane can be done.
    Panic(NtpDuration),
}

/// Where the discipline stands (RFC 5905 §11.3's state machine, without its frequency states).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Never been right yet; the large error that awaits confirmation.
    Starting(Option<NtpDuration>),
    /// In step.
    Following,
    /// A large error has been seen since then and may be a spike (RFC 5905 §11.3 SPIK).
    Spike(MonoTime),
}

/// Decides about errors and remembers how large they have been.
#[derive(Clone, Debug)]
pub struct Discipline {
    config: DisciplineConfig,
    phase: Phase,
    /// The clock has been in step at some time: the gate of `-g` is closed.
    has_been_right: bool,
    steering: Steering,
    /// System minus true time at the last update, before its correction.
    error: NtpDuration,
    error_variance: f64,
    wander_variance: f64,
}

impl Discipline {
    /// Starts with the frequency correction in force.
    pub const fn new(config: DisciplineConfig, frequency: Frequency) -> Self {
        Self {
            config,
            phase: Phase::Starting(None),
            has_been_right: false,
            steering: Steering::new(frequency),
            error: NtpDuration::ZERO,
            error_variance: 0.0,
            wander_variance: 0.0,
        }
    }

    /// Decides about `error` (system minus true time), given the estimate behind it, whether the last
    /// sample confirmed that estimate, and how fast to go.
    pub fn update(
        &mut self,
        now: MonoTime,
        estimate: &Estimate,
        confirmed: bool,
        error: NtpDuration,
        pace: Pace,
    ) -> Remedy {
        self.error = error;
        self.has_been_right |= self.is_synchronized();
        if self.config.disabled {
            self.phase = Phase::Following;
            return Remedy::Wait;
        }
        let beyond = self.is_panic(error);
        let base = -estimate.frequency;
        let large = self.is_large(error);
        match self.phase {
            // A step cannot be taken back, and giving up even less: one sample is never enough.
            // DEVIATION(ntp 4.2.8): it steps on the first filtered sample.
            Phase::Starting(first)
                if (large || beyond) && !(confirmed && first.is_some_and(|first| agree(first, error))) =>
            {
                self.phase = Phase::Starting(Some(error));
                Remedy::Confirm(CONFIRM_SECONDS)
            }
            Phase::Starting(_) | Phase::Following | Phase::Spike(_) if beyond => Remedy::Panic(error),
            Phase::Starting(_) if large || self.config.once => self.step(error, base),
            Phase::Following if large => {
                self.phase = Phase::Spike(now);
                Remedy::Frequency(self.steering.hold(base))
            }
            Phase::Spike(since) if large => {
                let sure = estimate.uncertainty < NtpDuration::from_units(error.abs().units() / 4);
                if now.since(since) >= self.config.stepout && sure {
                    self.step(error, base)
                } else {
                    Remedy::Frequency(self.steering.hold(base))
                }
            }
            Phase::Starting(_) | Phase::Following | Phase::Spike(_) => {
                self.phase = Phase::Following;
                Remedy::Frequency(self.slew(now, error, base, pace))
            }
        }
    }

    /// The clock was moved by something else than us: it may be wrong by anything, and once that is
    /// certain it is corrected as at the start. Returns the frequency to run with until then.
    pub fn reopen(&mut self) -> Frequency {
        self.has_been_right |= self.is_synchronized();
        self.phase = Phase::Starting(None);
        self.steering.hold(self.steering.base())
    }

    /// The clock runs on: if a slew has ended, the frequency to return to.
    pub fn handle_timeout(&mut self, now: MonoTime) -> Option<Frequency> {
        self.steering.handle_timeout(now)
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub const fn next_timeout(&self) -> Option<MonoTime> {
        self.steering.next_timeout()
    }

    /// Whether the clock has been set or found right since the start.
    pub const fn is_synchronized(&self) -> bool {
        !matches!(self.phase, Phase::Starting(_))
    }

    /// Whether it has ever been so.
    pub const fn has_been_right(&self) -> bool {
        self.has_been_right || self.is_synchronized()
    }

    /// Whether a large error is being waited out.
    pub const fn is_spike(&self) -> bool {
        matches!(self.phase, Phase::Spike(_))
    }

    /// The frequency correction that holds the clock true (RFC 5905 §11.3 freq).
    pub const fn frequency(&self) -> Frequency {
        self.steering.base()
    }

    /// System minus true time at the last update, before its correction.
    pub const fn error(&self) -> NtpDuration {
        self.error
    }

    /// RMS of recent errors (RFC 5905 §11.3 jitter).
    pub fn clock_jitter(&self) -> NtpDuration {
        NtpDuration::from_seconds_f64(self.error_variance.sqrt())
    }

    /// RMS of recent frequency changes (RFC 5905 §11.3 wander).
    pub fn clock_wander(&self) -> Frequency {
        Frequency::from_ratio(self.wander_variance.sqrt())
    }

    /// At first slews are short and may be fast; later they last until the next sample.
    fn slew(&mut self, now: MonoTime, error: NtpDuration, base: Frequency, pace: Pace) -> Frequency {
        let limit = if pace.starting && !self.config.gentle { SLEW_MAX_STARTING } else { SLEW_MAX };
        let before = self.steering.base();
        let frequency = self.steering.slew(now, error, base, pace.length, limit);
        let change = (self.steering.base() - before).as_ratio();
        self.error_variance += (error.as_seconds_f64().powi(2) - self.error_variance) / 8.0;
        self.wander_variance += (change.powi(2) - self.wander_variance) / 8.0;
        frequency
    }

    fn step(&mut self, error: NtpDuration, base: Frequency) -> Remedy {
        self.phase = Phase::Following;
        Remedy::Step(-error, self.steering.hold(base))
    }

    /// Whether an error is to be stepped. A clock that is behind steps forward.
    fn is_large(&self, error: NtpDuration) -> bool {
        let threshold =
            if error.is_negative() { self.config.step_forward } else { self.config.step_backward };
        threshold > NtpDuration::ZERO && error.abs() > threshold
    }

    /// The gate of `-g` opens once: after the first correction it is closed for good.
    fn is_panic(&self, error: NtpDuration) -> bool {
        let beyond = self.config.panic > NtpDuration::ZERO && error.abs() > self.config.panic;
        beyond && (self.has_been_right || !self.config.allow_first_panic)
    }
}

/// Whether two large errors tell the same story.
fn agree(first: NtpDuration, second: NtpDuration) -> bool {
    let allowance = NtpDuration::from_units(second.abs().units() / 16).min(NtpDuration::from_millis(500));
    (first - second).abs() <= allowance.max(NtpDuration::from_millis(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Pace = Pace { starting: true, length: Duration::from_secs(16) };

    fn estimate() -> Estimate {
        Estimate {
            lead: NtpDuration::ZERO,
            frequency: Frequency::from_ppm(5.0),
            uncertainty: NtpDuration::from_micros(10),
            noise: NtpDuration::from_micros(10),
            frequency_uncertainty: Frequency::ZERO,
        }
    }

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    fn following() -> Discipline {
        let mut discipline = Discipline::new(DisciplineConfig::default(), Frequency::ZERO);
        discipline.update(at(0), &estimate(), true, NtpDuration::ZERO, POLL);
        discipline
    }

    #[test]
    fn the_first_step_waits_for_a_second_opinion() {
        let mut discipline = Discipline::new(DisciplineConfig::default(), Frequency::ZERO);
        let half = NtpDuration::from_millis(500);
        assert_eq!(discipline.update(at(0), &estimate(), true, half, POLL), Remedy::Confirm(2));
        assert!(!discipline.is_synchronized());
        let remedy = discipline.update(at(2), &estimate(), true, half, POLL);
        assert_eq!(remedy, Remedy::Step(-half, Frequency::from_ppm(-5.0)));
        assert!(discipline.is_synchronized());
    }

    #[test]
    fn two_opinions_that_differ_are_not_enough() {
        let mut discipline = Discipline::new(DisciplineConfig::default(), Frequency::ZERO);
        discipline.update(at(0), &estimate(), true, NtpDuration::from_seconds(30), POLL);
        let remedy = discipline.update(at(2), &estimate(), true, NtpDuration::from_millis(500), POLL);
        assert_eq!(remedy, Remedy::Confirm(2));
    }

    #[test]
    fn an_outlier_confirms_nothing() {
        let mut discipline = Discipline::new(DisciplineConfig::default(), Frequency::ZERO);
        let half = NtpDuration::from_millis(500);
        discipline.update(at(0), &estimate(), true, half, POLL);
        assert_eq!(discipline.update(at(2), &estimate(), false, half, POLL), Remedy::Confirm(2));
    }

    #[test]
    fn a_small_error_is_slewed_at_once() {
        let mut discipline = Discipline::new(DisciplineConfig::default(), Frequency::ZERO);
        let remedy = discipline.update(at(0), &estimate(), true, NtpDuration::from_millis(16), POLL);
        let Remedy::Frequency(frequency) = remedy else { panic!("{remedy:?}") };
        assert!((frequency.as_ppm() + 1005.0).abs() < 0.1, "{frequency:?}");
    }

    #[test]
    fn once_in_step_a_large_error_is_waited_out_for_stepout() {
        let mut discipline = following();
        let second = NtpDuration::from_seconds(1);
        for seconds in [64, 128, 300] {
            let remedy = discipline.update(at(seconds), &estimate(), true, second, POLL);
            assert_eq!(remedy, Remedy::Frequency(Frequency::from_ppm(-5.0)));
            assert!(discipline.is_spike());
        }
        assert!(matches!(discipline.update(at(364), &estimate(), true, second, POLL), Remedy::Step(..)));
    }

    #[test]
    fn a_spike_that_passes_is_forgotten() {
        let mut discipline = following();
        discipline.update(at(64), &estimate(), true, NtpDuration::from_seconds(1), POLL);
        discipline.update(at(128), &estimate(), true, NtpDuration::ZERO, POLL);
        assert!(!discipline.is_spike());
    }

    #[test]
    fn beyond_the_panic_threshold_only_g_helps_and_only_once() {
        // CVE-2015-5300.
        let hour = NtpDuration::from_seconds(3600);
        let mut strict = Discipline::new(DisciplineConfig::default(), Frequency::ZERO);
        assert_eq!(strict.update(at(0), &estimate(), true, hour, POLL), Remedy::Confirm(2));
        assert_eq!(strict.update(at(2), &estimate(), true, hour, POLL), Remedy::Panic(hour));

        let config = DisciplineConfig { allow_first_panic: true, ..DisciplineConfig::default() };
        let mut lenient = Discipline::new(config, Frequency::ZERO);
        assert_eq!(lenient.update(at(0), &estimate(), true, hour, POLL), Remedy::Confirm(2));
        assert!(matches!(lenient.update(at(2), &estimate(), true, hour, POLL), Remedy::Step(..)));
        assert_eq!(lenient.update(at(64), &estimate(), true, hour, POLL), Remedy::Panic(hour));
    }

    #[test]
    fn tinker_step_zero_never_steps() {
        let config = DisciplineConfig {
            step_forward: NtpDuration::ZERO,
            step_backward: NtpDuration::ZERO,
            ..DisciplineConfig::default()
        };
        let mut discipline = Discipline::new(config, Frequency::ZERO);
        let remedy = discipline.update(at(0), &estimate(), true, NtpDuration::from_seconds(5), POLL);
        assert!(matches!(remedy, Remedy::Frequency(_)));
    }
}
