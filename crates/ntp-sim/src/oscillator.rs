//! The client's oscillator and the system clock that it drives.
//!
//! The oscillator's own time is what `MonoTime` counts, as `CLOCK_MONOTONIC_RAW` does on Linux; the
//! system clock is that plus an offset and plus what the discipline has applied. Frequency changes
//! once a second.

use std::time::Duration;

use ntp_proto::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Reading};

use crate::scenario::ClockScenario;
use crate::{SplitMix, TrueTime};

/// What the kernel corrects at most: 500 ppm by `freq` and 10 % by the length of the tick.
const CORRECTION_MAX: Frequency = Frequency::from_scaled_ppm(100_500 << 16);

/// Where `MonoTime` stands when a world begins.
const MONO_START: u64 = 1_000_000_000;

/// The clock and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Oscillator {
    scenario: ClockScenario,
    beginning: i64,
    rng: SplitMix,
    noise: SplitMix,
    /// The wandering part of the frequency, s/s.
    wandering: f64,
    /// The whole of it, in this second.
    frequency: f64,
    /// The oscillator's time minus true time at `at`.
    phase: f64,
    at: TrueTime,
    /// The system clock minus the oscillator's time when the correction last changed, and when that
    /// was on the oscillator.
    offset: f64,
    offset_at: f64,
    correction: Frequency,
}

impl Oscillator {
    pub(crate) fn new(scenario: &ClockScenario, beginning: i64, seed: u64) -> Self {
        let mut oscillator = Self {
            scenario: scenario.clone(),
            beginning,
            rng: SplitMix::stream(seed, 1),
            noise: SplitMix::stream(seed, 2),
            wandering: scenario.initial_frequency,
            frequency: scenario.initial_frequency,
            phase: 0.0,
            at: TrueTime::default(),
            offset: scenario.initial_offset,
            offset_at: 0.0,
            correction: Frequency::ZERO,
        };
        oscillator.start_second();
        oscillator
    }

    /// A new second begins: the frequency moves.
    pub(crate) fn start_second(&mut self) {
        let clock = &self.scenario;
        self.wandering += clock.wander * self.rng.normal();
        let white = clock.white_fm * self.rng.normal();
        let seconds = self.at.seconds();
        let swing = clock
            .temperature
            .map_or(0.0, |swing| swing.amplitude * (std::f64::consts::TAU * seconds / swing.period).sin());
        let ramp = clock.ramp.map_or(0.0, |ramp| ramp.rate * (seconds - ramp.start).clamp(0.0, ramp.length));
        let jumped: f64 =
            clock.frequency_jumps.iter().filter(|(at, _)| *at <= seconds).map(|(_, by)| by).sum();
        self.frequency = self.wandering + white + swing + ramp + jumped;
    }

    /// Lets true time pass, within one second.
    pub(crate) fn advance(&mut self, to: TrueTime) {
        self.phase += self.frequency * to.since(self.at).as_secs_f64();
        self.at = self.at.max(to);
    }

    /// The oscillator jumps, and the system clock with it.
    pub(crate) fn jump(&mut self, seconds: f64) {
        self.phase += seconds;
    }

    /// Somebody else sets the system clock.
    pub(crate) fn step_from_outside(&mut self, seconds: f64) {
        self.offset += seconds;
    }

    /// The machine sleeps: the oscillator's time goes on by what the kernel makes of it.
    pub(crate) fn sleep(&mut self, until: TrueTime, misjudged: f64) {
        self.set_frequency(self.correction);
        self.at = self.at.max(until);
        self.phase += misjudged;
        // No correction is applied while asleep.
        self.offset_at = self.local();
    }

    /// Seconds since the beginning, as the oscillator counts them.
    fn local(&self) -> f64 {
        self.at.seconds() + self.phase
    }

    /// The oscillator's time, for timers.
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds of a few years, rounded")]
    pub fn mono(&self) -> MonoTime {
        let phase = (self.phase * 1e9).round() as i64;
        MonoTime::from_nanos((MONO_START + self.at.nanos()).saturating_add_signed(phase))
    }

    /// When the oscillator will show `mono`, if it keeps its frequency.
    pub(crate) fn when(&self, mono: MonoTime) -> TrueTime {
        let wait = mono.since(self.mono()).as_secs_f64() / (1.0 + self.frequency);
        self.at + Duration::from_secs_f64(wait)
    }

    /// System minus true time, seconds.
    pub fn error(&self) -> f64 {
        self.phase + self.offset + self.correction.as_ratio() * (self.local() - self.offset_at)
    }

    /// How fast the system clock gains on true time, now.
    pub fn rate_error(&self) -> f64 {
        (1.0 + self.frequency) * (1.0 + self.correction.as_ratio()) - 1.0
    }

    /// Both clocks, as they read with their resolution and noise.
    pub fn read(&mut self) -> Reading {
        let noise =
            if self.scenario.read_noise > 0.0 { self.scenario.read_noise * self.noise.normal() } else { 0.0 };
        Reading { mono: self.mono(), system: self.shows(self.error() + noise) }
    }

    /// Both clocks as a stamp has them that was taken so many seconds too early.
    pub fn read_early(&mut self, by: f64) -> Reading {
        let now = self.read();
        let span = NtpDuration::from_seconds_f64(by).as_nanos();
        let mono = MonoTime::from_nanos(now.mono.as_nanos().saturating_add_signed(-span));
        Reading { mono, system: now.system - NtpDuration::from_nanos(span) }
    }

    /// What the system clock shows if it is so far off.
    fn shows(&self, error: f64) -> NtpTimestamp {
        let exact = self.at.timestamp(self.beginning) + NtpDuration::from_seconds_f64(error);
        let tick = NtpDuration::from_seconds_f64(self.scenario.resolution).units().unsigned_abs();
        if tick < 2 { exact } else { NtpTimestamp::from_bits(exact.to_bits() / tick * tick) }
    }

    /// Runs with another correction from now on; returns the one in force.
    pub fn set_frequency(&mut self, correction: Frequency) -> Frequency {
        let local = self.local();
        self.offset += self.correction.as_ratio() * (local - self.offset_at);
        self.offset_at = local;
        self.correction = correction.clamp_to(CORRECTION_MAX);
        self.correction
    }

    /// Steps the system clock; returns by how much.
    pub fn step(&mut self, offset: NtpDuration) -> NtpDuration {
        let whole = NtpDuration::from_nanos(offset.as_nanos());
        self.offset += whole.as_seconds_f64();
        whole
    }

    /// The correction in force.
    pub const fn correction(&self) -> Frequency {
        self.correction
    }
}
