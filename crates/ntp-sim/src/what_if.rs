//! One run of our client, looked at closely: for whoever asks what would become of their configuration.

use std::net::SocketAddr;
use std::time::Duration;

use ntp_proto::select::Standing;
use ntp_proto::system::{Event, Outcome, PeerKind, SystemConfig};
use ntp_proto::time::{Frequency, NtpDuration};

use crate::client::Client as _;
use crate::measure::{Measured, Meter};
use crate::run::ours_after;
use crate::scenario::Scenario;

/// Points of the trace; more would not show.
const TRACE_MAX: f64 = 2_000.0;

/// How often the sources are looked at, at the most.
const LOOKS_MAX: f64 = 1_000.0;

/// A stretch of time: the error in it that was largest, and the bound that was claimed then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When, seconds.
    pub seconds: f64,
    /// System minus true time, seconds.
    pub error: f64,
    /// How far from true time the client admitted to be; `None` while it claimed nothing.
    pub bound: Option<f64>,
}

/// How one source fared.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceShare {
    /// Its name, if it has one.
    pub host: Option<String>,
    /// Where it is.
    pub remote: SocketAddr,
    /// The share of the time in which it survived the vote.
    pub followed: f64,
    /// The share of the time in which it led.
    pub led: f64,
    /// How it stood in the end.
    pub standing: Standing,
}

/// What has come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// When the client first claimed to have the time, seconds.
    pub synchronized: Option<f64>,
    /// The figures.
    pub measured: Measured,
    /// The error over time.
    pub trace: Vec<Point>,
    /// The sources, in the order in which they appeared.
    pub sources: Vec<SourceShare>,
    /// What the client reported.
    pub events: Vec<Event>,
    /// Why it ended early, if it did.
    pub outcome: Option<Outcome>,
    /// How long it ran, seconds.
    pub length: f64,
}

/// Runs a configuration in a world; `frequency` is the correction that it says to start with.
pub fn what_if(scenario: &Scenario, seed: u64, config: SystemConfig, frequency: Option<Frequency>) -> WhatIf {
    let mut world = ours_after(scenario, seed, config, frequency, None);
    let mut meter = Meter::new(scenario);
    let (mut trace, mut synchronized) = (Trace::new(scenario.duration), None);
    let mut looks = Looks { every: (scenario.duration / LOOKS_MAX).max(1.0), ..Looks::default() };
    world.run_with(Duration::from_secs_f64(scenario.duration), |world| {
        meter.look(world);
        let (seconds, now) = (world.now().seconds(), world.mono());
        let bound = world.client.error_bound(now).map(NtpDuration::as_seconds_f64);
        if bound.is_some() && synchronized.is_none() {
            synchronized = Some(seconds);
        }
        trace.push(Point { seconds, error: world.error(), bound });
        if seconds >= looks.due {
            looks.look(seconds, &world.client.snapshot(now));
        }
    });
    WhatIf {
        synchronized,
        measured: meter.finish(&world),
        trace: trace.points,
        sources: looks.finish(),
        events: std::mem::take(&mut world.events),
        outcome: world.outcome,
        length: world.now().seconds(),
    }
}

/// Keeps the worst error of each stretch.
struct Trace {
    points: Vec<Point>,
    stretch: f64,
    ends: f64,
}

impl Trace {
    fn new(duration: f64) -> Self {
        Self { points: Vec::new(), stretch: (duration / TRACE_MAX).max(1.0), ends: 0.0 }
    }

    fn push(&mut self, point: Point) {
        if point.seconds >= self.ends {
            self.ends = point.seconds + self.stretch;
            self.points.push(point);
        } else if let Some(last) = self.points.last_mut().filter(|last| point.error.abs() > last.error.abs())
        {
            *last = point;
        }
    }
}

/// Counts how the sources stand.
#[derive(Default)]
struct Looks {
    every: f64,
    due: f64,
    count: f64,
    sources: Vec<SourceShare>,
}

impl Looks {
    fn look(&mut self, seconds: f64, snapshot: &ntp_proto::system::Snapshot) {
        self.due = seconds + self.every;
        self.count += 1.0;
        for source in &mut self.sources {
            source.standing = Standing::Reject;
        }
        for peer in snapshot.peers.iter().filter(|peer| peer.kind != PeerKind::Pool) {
            let known =
                self.sources.iter().position(|known| known.remote == peer.remote && known.host == peer.host);
            let index = known.unwrap_or_else(|| {
                self.sources.push(SourceShare {
                    host: peer.host.clone(),
                    remote: peer.remote,
                    followed: 0.0,
                    led: 0.0,
                    standing: Standing::Reject,
                });
                self.sources.len() - 1
            });
            if let Some(source) = self.sources.get_mut(index) {
                source.standing = peer.standing;
                source.followed += f64::from(u8::from(peer.standing.survives()));
                source.led += f64::from(u8::from(peer.standing == Standing::SystemPeer));
            }
        }
    }

    fn finish(mut self) -> Vec<SourceShare> {
        let count = self.count.max(1.0);
        for source in &mut self.sources {
            source.followed /= count;
            source.led /= count;
        }
        self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::system_config;

    #[test]
    fn the_trace_keeps_the_worst_and_stays_short() {
        let mut trace = Trace::new(1e6);
        for second in 0..1_000_000_u32 {
            let error = if second == 777_777 { -5.0 } else { 1.0 };
            trace.push(Point { seconds: second.into(), error, bound: None });
        }
        assert!(trace.points.len() <= 2_001);
        assert!(trace.points.iter().any(|point| point.error < -4.0));
    }

    #[test]
    fn a_liar_is_seen_not_to_be_followed() {
        let honest = "[[server]]\npath = { base = [5e-3, 5e-3], jitter = \"exp 1e-4\" }\n";
        let text = format!("description = \"\"\nduration = 7200.0\n{honest}{honest}{honest}offset = 2.0\n");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| unreachable!("{error}"));
        let report = what_if(&scenario, 1, system_config(&scenario), None);
        let shares: Vec<bool> = report.sources.iter().map(|source| source.followed > 0.8).collect();
        assert_eq!(shares, [true, true, false]);
        assert_eq!(report.sources[2].standing, Standing::Falseticker);
        assert!(report.synchronized.is_some_and(|seconds| seconds < 10.0));
    }
}
