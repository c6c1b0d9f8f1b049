//! What is measured of a client, once a second.

use ntp_proto::time::NtpTimestamp;

use crate::scenario::Scenario;
use crate::{Client, World};

/// For how long an error must stay below a limit to count as settled, seconds.
const SETTLED: f64 = 60.0;

/// The error that is told of in any case, seconds.
const MILLISECOND: f64 = 1e-3;

/// The figures of one run.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Measured {
    /// RMS of system minus true time, seconds, after what is skipped.
    pub rms: f64,
    /// RMS of the frequency error, s/s.
    pub frequency_rms: f64,
    /// The largest error after what is skipped, seconds.
    pub max_error: f64,
    /// When the error of a client that claims to have the time came below a millisecond and stayed there
    /// for a minute, seconds.
    pub below_millisecond: Option<f64>,
    /// When the client gave up, seconds, if it did not stay to the end.
    pub gave_up: Option<f64>,
    /// Packets sent.
    pub packets: u64,
    /// Packets sent in the first two minutes.
    pub packets_at_start: u64,
    /// Seconds at which true time lay outside what the client admitted.
    pub bound_violations: u64,
    /// For each limit of the scenario: when the error came below it, after the last jump of the clock,
    /// and stayed there for a minute, seconds; infinite if it never did.
    pub settled: Vec<f64>,
}

/// Sums up.
#[derive(Clone, Debug)]
pub(crate) struct Meter<'s> {
    scenario: &'s Scenario,
    count: f64,
    squares: f64,
    frequency_squares: f64,
    /// One for each limit of the scenario, and one for the millisecond.
    settling: Vec<Settling>,
    /// Whether the client has ever claimed to have the time.
    has_claimed: bool,
    excuse: Excuse,
    measured: Measured,
}

/// Looks for when the error comes below a limit to stay.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Settling {
    below: f64,
    /// Since when it has been below.
    since: f64,
    settled: Option<f64>,
}

impl Settling {
    const fn new(below: f64) -> Self {
        Self { below, since: 0.0, settled: None }
    }

    fn look(&mut self, seconds: f64, error: f64) {
        if error.abs() >= self.below {
            self.since = seconds;
        } else if self.settled.is_none() && seconds - self.since >= SETTLED {
            self.settled = Some(self.since);
        }
    }
}

/// Whether the client may claim less error than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excuse {
    None,
    /// Until it has a newer sample than this one.
    UntilAfter(Option<NtpTimestamp>),
}

impl<'s> Meter<'s> {
    pub(crate) fn new(scenario: &'s Scenario) -> Self {
        let limits = scenario.limits.settles.iter().map(|(_, below)| *below);
        Self {
            scenario,
            count: 0.0,
            squares: 0.0,
            frequency_squares: 0.0,
            settling: limits.chain([MILLISECOND]).map(Settling::new).collect(),
            has_claimed: false,
            excuse: Excuse::None,
            measured: Measured::default(),
        }
    }

    pub(crate) fn look<C: Client>(&mut self, world: &World<C>) {
        let seconds = world.now().seconds();
        let error = world.error();
        if seconds <= 120.0 {
            self.measured.packets_at_start = world.requests;
        }
        let bound = world.client.error_bound(world.mono());
        self.has_claimed |= bound.is_some();
        self.settle(seconds, error);
        self.excuse(world, seconds);
        let outside = bound.is_some_and(|bound| error.abs() > bound.as_seconds_f64());
        if outside && self.excuse == Excuse::None {
            self.measured.bound_violations += 1;
        }
        if seconds > self.scenario.skip {
            self.count += 1.0;
            self.squares += error * error;
            self.frequency_squares += world.rate_error().powi(2);
            self.measured.max_error = self.measured.max_error.max(error.abs());
        }
        self.measured.packets = world.requests;
    }

    /// Whether the oscillator has jumped in the second before.
    fn has_jumped(&self, seconds: f64) -> bool {
        self.scenario.clock.jumps.iter().any(|(at, _)| within_a_second(*at, seconds))
    }

    /// A clock that jumps has to settle anew to keep a limit of the scenario; the millisecond counts for
    /// a client that claims to have the time.
    fn settle(&mut self, seconds: f64, error: f64) {
        let jumped = self.has_jumped(seconds);
        let limits = self.scenario.limits.settles.len();
        for (index, settling) in self.settling.iter_mut().enumerate() {
            if jumped && index < limits || !self.has_claimed && index == limits {
                *settling = Settling { since: seconds, ..Settling::new(settling.below) };
            }
            settling.look(seconds, error);
        }
    }

    /// A jump of the oscillator that nobody announced excuses the bound until the client takes in its
    /// next sample; a leap second, in the second in which UTC has two names.
    fn excuse<C: Client>(&mut self, world: &World<C>, seconds: f64) {
        let update = world.client.last_update();
        if self.excuse != Excuse::UntilAfter(update) {
            self.excuse = Excuse::None;
        }
        let leap = self.scenario.leap.is_some_and(|leap| within_a_second(leap.at - 1.0, seconds));
        if leap || self.has_jumped(seconds) {
            self.excuse = Excuse::UntilAfter(update);
        }
        if self.scenario.leap.is_some_and(|leap| seconds > leap.at + 1.0 && seconds <= leap.at + 2.0) {
            self.excuse = Excuse::None;
        }
    }

    pub(crate) fn finish<C: Client>(mut self, world: &World<C>) -> Measured {
        self.measured.gave_up = world.outcome.is_some().then(|| world.now().seconds());
        let count = self.count.max(1.0);
        self.measured.rms = (self.squares / count).sqrt();
        self.measured.frequency_rms = (self.frequency_squares / count).sqrt();
        self.measured.below_millisecond = self.settling.pop().and_then(|last| last.settled);
        let settled = self.settling.iter().map(|settling| settling.settled.unwrap_or(f64::INFINITY));
        self.measured.settled = settled.collect();
        self.measured
    }
}

/// Whether something that happens at `at` has happened in the second before `seconds`.
fn within_a_second(at: f64, seconds: f64) -> bool {
    (at..at + 1.0).contains(&(seconds - 1.0))
}
