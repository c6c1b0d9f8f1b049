//! Scenarios: TOML files that describe a world. All times are seconds, all frequencies seconds per
//! second.

use std::net::IpAddr;

use serde::Deserialize;
use toml::{Table, Value};

use crate::bounds::check;
pub use crate::jitter::Jitter;
use crate::path::Leg;

/// One world.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is for.
    pub description: String,
    /// The scenarios that it is summed up with.
    #[serde(default)]
    pub group: Group,
    /// How long it lasts.
    #[serde(default = "default_duration")]
    pub duration: f64,
    /// How much of it is dropped before measuring.
    #[serde(default)]
    pub skip: f64,
    /// Worlds for each seed that is asked for: more than one where luck decides within a world.
    #[serde(default = "default_worlds")]
    pub worlds: u8,
    /// When it begins, seconds after 1970.
    #[serde(default = "default_beginning")]
    pub beginning: i64,
    /// The oscillator and the system clock.
    #[serde(default)]
    pub clock: ClockScenario,
    /// How the client asks.
    #[serde(default)]
    pub client: ClientScenario,
    /// The servers.
    #[serde(default, rename = "server")]
    pub servers: Vec<ServerScenario>,
    /// What names resolve to.
    #[serde(default, rename = "name")]
    pub names: Vec<NameScenario>,
    /// A leap second.
    #[serde(default)]
    pub leap: Option<LeapScenario>,
    /// What must hold.
    #[serde(default)]
    pub limits: Limits,
}

/// Scenarios that are summed up together.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// None.
    #[default]
    None,
    /// Accuracy at equal packets.
    Fixed,
    /// Accuracy with polls that each client chooses.
    Adaptive,
}

/// The oscillator and the system clock.
#[derive(Clone, Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ClockScenario {
    /// System minus true time at the start.
    pub initial_offset: f64,
    /// Frequency at the start.
    pub initial_frequency: f64,
    /// Random walk of the frequency, per square root of a second.
    pub wander: f64,
    /// White noise of the frequency, each second.
    pub white_fm: f64,
    /// A sine that temperature puts on the frequency.
    pub temperature: Option<Swing>,
    /// A ramp that temperature puts on it.
    pub ramp: Option<Ramp>,
    /// When the frequency jumps for good, and by how much.
    pub frequency_jumps: Vec<(f64, f64)>,
    /// When the oscillator jumps, and by how much; the kernel sees nothing.
    pub jumps: Vec<(f64, f64)>,
    /// When somebody else steps the system clock, and by how much.
    pub steps: Vec<(f64, f64)>,
    /// When the machine is suspended, for how long, and by how much the kernel misjudges that.
    pub sleeps: Vec<(f64, f64, f64)>,
    /// The smallest difference that the clock shows.
    pub resolution: f64,
    /// Standard deviation of a reading.
    pub read_noise: f64,
}

/// A sine.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Swing {
    /// Its amplitude.
    pub amplitude: f64,
    /// Its period.
    pub period: f64,
}

/// A ramp.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// When it begins.
    pub start: f64,
    /// Its slope, each second.
    pub rate: f64,
    /// How long it lasts; the value stays.
    pub length: f64,
}

/// How the client asks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a file")]
pub struct ClientScenario {
    /// Least and greatest poll exponent.
    pub polls: (u8, u8),
    /// Eight quick packets at the start.
    pub iburst: bool,
    /// The undisciplined timescale is what was reported as applied, not the oscillator.
    pub kept_timescale: bool,
    /// The first correction may be of any size (`-g`).
    pub panic_gate: bool,
    /// Errors up to 600 s are slewed (`-x`).
    pub slew: bool,
    /// The frequency correction that a drift file gives, as a ratio: the right one is the negative of
    /// the oscillator's frequency.
    pub drift: Option<f64>,
    /// When its address changes, so that answers under way are lost.
    pub rebinding: Option<f64>,
}

impl Default for ClientScenario {
    fn default() -> Self {
        Self {
            polls: (6, 10),
            iburst: false,
            kept_timescale: false,
            panic_gate: false,
            slew: false,
            drift: None,
            rebinding: None,
        }
    }
}

/// One server and the way to it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ServerScenario {
    /// Its name, for an ntp.conf that uses one.
    #[serde(default)]
    pub name: Option<String>,
    /// Its address; 192.0.2.1 and so on where there is none.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The way to it.
    pub path: PathScenario,
    /// Its stratum.
    #[serde(default = "default_stratum")]
    pub stratum: u8,
    /// Its root delay.
    #[serde(default)]
    pub root_delay: f64,
    /// Its root dispersion.
    #[serde(default)]
    pub root_dispersion: f64,
    /// How far its clock is ahead.
    #[serde(default)]
    pub offset: f64,
    /// It begins to lie by a ramp: when, at what rate, and how far at most.
    #[serde(default)]
    pub creep: Option<(f64, f64, f64)>,
    /// It steps: when and by how much.
    #[serde(default)]
    pub step: Option<(f64, f64)>,
    /// When it says nothing.
    #[serde(default)]
    pub mute: Vec<(f64, f64)>,
    /// When it sends a kiss code instead of time, and which.
    #[serde(default)]
    pub kiss: Option<(f64, f64, String)>,
    /// It announces leap seconds; one that does not is as common.
    #[serde(default = "default_true")]
    pub announces_leap: bool,
    /// Announces one that will not come.
    #[serde(default)]
    pub false_leap: bool,
    /// When it admits to have no time.
    #[serde(default)]
    pub unsynchronized: Vec<(f64, f64)>,
}

/// A path.
#[derive(Clone, Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct PathScenario {
    /// One-way delay without queues, up and down.
    pub base: [f64; 2],
    /// Queueing both ways.
    pub jitter: Jitter,
    /// Queueing on the way up, instead.
    pub jitter_up: Option<Jitter>,
    /// Queueing on the way down, instead.
    pub jitter_down: Option<Jitter>,
    /// Chance that an exchange is lost.
    pub loss: f64,
    /// Chance that a packet comes twice.
    pub duplicate: f64,
    /// Chance that a packet is held back, and for how long.
    pub reorder: Option<(f64, f64)>,
    /// Chance that one leg of an exchange takes longer, and by how much in the mean.
    pub spike: Option<(f64, f64)>,
    /// A second route on the way up.
    pub route_up: Option<Route>,
    /// A second route on the way down.
    pub route_down: Option<Route>,
    /// Congestion on the way up.
    pub burst_up: Option<Burst>,
    /// Congestion on the way down.
    pub burst_down: Option<Burst>,
    /// By how much the very first request is held up.
    pub hold_up_first: f64,
    /// When nothing gets through.
    pub outages: Vec<(f64, f64)>,
    /// Standard deviation of both receive stamps.
    pub timestamp_noise: f64,
}

impl PathScenario {
    /// Queueing of one leg.
    pub(crate) fn jitter(&self, index: usize) -> Jitter {
        let own = if index == 0 { self.jitter_up } else { self.jitter_down };
        own.unwrap_or(self.jitter)
    }

    pub(crate) const fn routes(&self, leg: Leg) -> Option<Route> {
        match leg {
            Leg::Up => self.route_up,
            Leg::Down => self.route_down,
        }
    }

    pub(crate) const fn bursts(&self, leg: Leg) -> Option<Burst> {
        match leg {
            Leg::Up => self.burst_up,
            Leg::Down => self.burst_down,
        }
    }
}

/// A route that is longer in every second period.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// By how much.
    pub step: f64,
    /// How long each route lasts.
    pub period: f64,
}

impl Route {
    /// What it adds at a time.
    pub(crate) fn at(&self, seconds: f64) -> f64 {
        if (seconds / self.period).rem_euclid(2.0) >= 1.0 { self.step } else { 0.0 }
    }
}

/// Congestion that comes and goes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Mean of what it adds.
    pub amp: f64,
    /// How often it comes.
    pub period: f64,
    /// How long it stays.
    pub length: f64,
}

impl Burst {
    /// Whether it is there at a time.
    pub(crate) fn covers(&self, seconds: f64) -> bool {
        seconds.rem_euclid(self.period) < self.length
    }
}

/// What a name resolves to, from a time on.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct NameScenario {
    /// The name.
    pub name: String,
    /// Its addresses; none where the resolver fails.
    pub addresses: Vec<IpAddr>,
    /// Since when.
    #[serde(default)]
    pub from: f64,
}

/// A leap second.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LeapScenario {
    /// When it ends, in seconds of the world.
    pub at: f64,
    /// 1 for a second more, -1 for one less.
    pub seconds: i8,
}

/// What must hold, of the medians over the seeds.
#[derive(Clone, Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// RMS offset over the baseline's.
    pub ratio: Option<f64>,
    /// The same for every single seed.
    pub ratio_worst: Option<f64>,
    /// RMS frequency error over the baseline's.
    pub frequency_ratio: Option<f64>,
    /// Packets over the baseline's.
    pub packets_ratio: Option<f64>,
    /// RMS offset.
    pub rms: Option<f64>,
    /// Largest offset.
    pub max_error: Option<f64>,
    /// RMS offset that the baseline must show within 10 %: what the real chronyd has.
    pub baseline_rms: Option<f64>,
    /// By when, after the last jump of the clock, the offset must be below what for a minute.
    pub settles: Vec<(f64, f64)>,
    /// Packets in the first two minutes.
    pub packets_at_start: Option<u64>,
}

/// Why a scenario cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(String);

impl ScenarioError {
    fn of(error: &toml::de::Error) -> Self {
        Self(error.to_string().trim_end().to_owned())
    }
}

/// Puts one table over another.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

impl Scenario {
    /// Reads a scenario; what is wrong with it is said with its line and column.
    ///
    /// # Errors
    /// If it is no TOML, has unknown words, or describes a world that cannot be.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::of(&error))?;
        check(&scenario).map_err(ScenarioError)?;
        Ok(scenario)
    }

    /// Reads a scenario that may be another one with a few things changed: `extends = "FILE"` names
    /// that one, and `load` reads it. Tables are merged; anything else takes the other's place.
    ///
    /// # Errors
    /// As [`Self::parse`], or if the other one cannot be had or extends a third.
    pub fn parse_with(
        text: &str,
        load: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, ScenarioError> {
        let mut own: Table = toml::from_str(text).map_err(|error| ScenarioError::of(&error))?;
        let Some(base) = own.remove("extends") else { return Self::parse(text) };
        let base = base.as_str().ok_or_else(|| ScenarioError("`extends` is no name of a file".to_owned()))?;
        let text = load(base).map_err(ScenarioError)?;
        let of_base = |ScenarioError(reason)| ScenarioError(format!("{base}: {reason}"));
        let mut merged: Table = toml::from_str(&text).map_err(|error| of_base(ScenarioError::of(&error)))?;
        if merged.contains_key("extends") {
            return Err(ScenarioError(format!("{base} extends another one itself")));
        }
        // A mistake of the other's is told as its own, with its line.
        toml::from_str::<Self>(&text).map_err(|error| of_base(ScenarioError::of(&error)))?;
        // What must hold of the one need not hold of the other.
        merged.remove("limits");
        merge(&mut merged, own);
        let scenario: Self = merged.try_into().map_err(|error| ScenarioError::of(&error))?;
        check(&scenario).map_err(ScenarioError)?;
        Ok(scenario)
    }

    /// The addresses of the servers, in their order.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let number = |index: usize| u8::try_from(index + 1).unwrap_or(u8::MAX);
        let given = |(index, server): (usize, &ServerScenario)| {
            server.address.unwrap_or_else(|| IpAddr::from([192, 0, 2, number(index)]))
        };
        self.servers.iter().enumerate().map(given).collect()
    }
}

const fn default_duration() -> f64 {
    345_600.0
}

/// 2026-11-18.
const fn default_beginning() -> i64 {
    1_795_000_000
}

const fn default_stratum() -> u8 {
    1
}

const fn default_worlds() -> u8 {
    1
}

const fn default_true() -> bool {
    true
}
