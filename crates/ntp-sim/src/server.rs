//! Servers: honest ones, and all the others.

use std::net::SocketAddr;

use ntp_proto::server::{ClientTable, Request, ServerRules, Verdict, respond};
use ntp_proto::system::Reference;
use ntp_proto::time::{MonoTime, NtpDuration, NtpShort, NtpTimestamp, Precision, Reading};
use ntp_proto::wire::{Header, Leap, Mode, ReferenceId, Stratum};

use crate::TrueTime;
use crate::path::Path;
use crate::scenario::{LeapScenario, ServerScenario};

/// Mean of the time that a request stays in a server, seconds.
pub(crate) const RESIDENCE: f64 = 20e-6;

/// A day, in seconds: for so long a leap second is announced.
const DAY: f64 = 86_400.0;

/// One server and the way to it.
#[derive(Debug)]
pub(crate) struct Server {
    scenario: ServerScenario,
    rules: ServerRules,
    clients: ClientTable,
    pub(crate) path: Path,
    /// It answers.
    pub(crate) alive: bool,
}

impl Server {
    pub(crate) fn new(scenario: &ServerScenario, seed: u64, index: u64) -> Self {
        Self {
            scenario: scenario.clone(),
            rules: ServerRules::default(),
            // Nobody is limited, and nobody looked at.
            clients: ClientTable::new(0, None, (seed, index), seed, MonoTime::ZERO),
            path: Path::new(&scenario.path, seed, index),
            alive: true,
        }
    }

    /// How far its clock is ahead, at so many seconds.
    fn ahead(&self, seconds: f64) -> f64 {
        let creep = self.scenario.creep.map_or(0.0, |(from, rate, most)| {
            (rate * (seconds - from).max(0.0)).clamp(-most.abs(), most.abs())
        });
        let step = self.scenario.step.map_or(0.0, |(from, by)| if seconds >= from { by } else { 0.0 });
        self.scenario.offset + creep + step
    }

    /// Moves its clock.
    pub(crate) fn set_offset(&mut self, seconds: f64) {
        self.scenario.offset = seconds;
    }

    /// The answer to a request that arrived then (its stamp wrong by so much) and leaves after
    /// `residence` seconds; `None` for silence.
    pub(crate) fn answer(
        &mut self,
        arrival: &Arrival<'_>,
        now: TrueTime,
        beginning: i64,
        leap: Option<LeapScenario>,
    ) -> Option<Vec<u8>> {
        let seconds = now.seconds();
        let during = |spans: &[(f64, f64)]| spans.iter().any(|(from, to)| (*from..*to).contains(&seconds));
        if !self.alive || during(&self.scenario.mute) {
            return None;
        }
        let shift = self.ahead(seconds) - leap.map_or(0.0, |leap| leap_shift(leap, seconds));
        let utc = now.timestamp(beginning) + NtpDuration::from_seconds_f64(shift);
        let received = utc + NtpDuration::from_seconds_f64(arrival.stamp_error);
        let transmit = utc + NtpDuration::from_seconds_f64(arrival.residence);
        if let Some((_, _, code)) =
            self.scenario.kiss.as_ref().filter(|(from, to, _)| (*from..*to).contains(&seconds))
        {
            return kiss(arrival.request, code, received, transmit);
        }
        let mono = MonoTime::from_nanos(now.nanos());
        let reference = self.reference(Reading { mono, system: utc }, seconds, leap);
        let request = Request {
            bytes: arrival.request,
            from: arrival.from,
            received,
            at: mono,
            waited: std::time::Duration::ZERO,
        };
        match respond(&reference, &self.rules, &mut self.clients, &request) {
            Verdict::Answer(mut reply) => {
                reply.seal(transmit, &self.rules.keys);
                Some(reply.as_bytes().to_vec())
            }
            Verdict::Control(_) | Verdict::Silence(_) => None,
        }
    }

    fn reference(&self, at: Reading, seconds: f64, leap: Option<LeapScenario>) -> Reference {
        let scenario = &self.scenario;
        let precision = Precision::new(-24);
        if scenario.unsynchronized.iter().any(|(from, to)| (*from..*to).contains(&seconds)) {
            return Reference::unsynchronized(precision, at.mono);
        }
        let coming = leap.filter(|leap| seconds < leap.at && leap.at - seconds <= DAY);
        let announced = match coming {
            Some(leap) if scenario.announces_leap && leap.seconds > 0 => Leap::Insert,
            Some(leap) if scenario.announces_leap && leap.seconds < 0 => Leap::Delete,
            _ if scenario.false_leap => Leap::Insert,
            _ => Leap::None,
        };
        let stratum = Stratum::new(scenario.stratum);
        let mut reference = Reference::of_clock(stratum, ReferenceId::from_code("SIM"), precision, at)
            .with_root(
                NtpDuration::from_seconds_f64(scenario.root_delay),
                NtpDuration::from_seconds_f64(scenario.root_dispersion),
            );
        reference.leap = announced;
        reference
    }
}

/// A request at a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) request: &'a [u8],
    pub(crate) from: SocketAddr,
    /// Error of the receive stamp, seconds.
    pub(crate) stamp_error: f64,
    /// How long the request stays.
    pub(crate) residence: f64,
}

/// How far UTC has fallen behind for the leap second, at so many seconds.
pub(crate) fn leap_shift(leap: LeapScenario, seconds: f64) -> f64 {
    if seconds >= leap.at { f64::from(leap.seconds) } else { 0.0 }
}

fn kiss(request: &[u8], code: &str, receive: NtpTimestamp, transmit: NtpTimestamp) -> Option<Vec<u8>> {
    let request = Header::parse(request).ok()?;
    let header = Header {
        leap: Leap::Unknown,
        mode: Mode::Server,
        stratum: Stratum::UNSPECIFIED,
        reference_id: ReferenceId::from_code(code),
        root_delay: NtpShort::ZERO,
        root_dispersion: NtpShort::ZERO,
        origin: request.transmit,
        receive,
        transmit,
        ..request
    };
    Some(header.to_bytes().to_vec())
}
