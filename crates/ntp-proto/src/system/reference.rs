//! What we are to our clients: leap, stratum, reference, root delay and root dispersion.

use core::time::Duration;

use crate::association::{Association, aging};
use crate::estimator::Estimate;
use crate::select::DISTANCE_MAX;
use crate::time::{MonoTime, NtpDuration, NtpTimestamp, Precision, Reading};
use crate::wire::{Leap, ReferenceId, Stratum};

use super::config::{SourceConfig, SourceKind};
use super::{ClockRequest, Event, System};

/// The least by which a server's dispersion exceeds its own source's: 1 ms, as in ntp 4.2.8.
const DISPERSION_MIN: NtpDuration = NtpDuration::from_millis(1);

/// What a clock that is its own reference admits to: 10 ms, as ntpd's local clock.
pub(super) const CLOCK_DISPERSION: NtpDuration = NtpDuration::from_millis(10);

/// How those who follow the local clock are told so: the address of its line in ntp.conf.
const LOCAL_CLOCK_REFERENCE: ReferenceId = ReferenceId::from_bytes([127, 127, 1, 0]);

/// How long network sources get before the local clock steps in for them.
const LOCAL_CLOCK_PATIENCE: Duration = Duration::from_secs(64);

/// How often the local clock renews what it claims.
const LOCAL_CLOCK_INTERVAL: Duration = Duration::from_secs(16);

/// The variables of RFC 5905 §11.1 that every answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// RFC 5905 §11.1 s.leap
    pub leap: Leap,
    /// RFC 5905 §11.1 s.stratum
    pub stratum: Stratum,
    /// RFC 5905 §11.1 s.precision
    pub precision: Precision,
    /// RFC 5905 §11.1 s.refid
    pub reference_id: ReferenceId,
    /// RFC 5905 §11.1 s.reftime
    pub reference_timestamp: NtpTimestamp,
    /// RFC 5905 §11.1 s.rootdelay
    pub root_delay: NtpDuration,
    /// RFC 5905 §11.1 s.rootdisp, as it was when updated.
    dispersion_at_update: NtpDuration,
    updated: MonoTime,
    /// Whether dispersion grows with time: not for a clock that is its own reference.
    grows: bool,
}

impl Reference {
    /// No time to give: leap 3, stratum 16.
    pub const fn unsynchronized(precision: Precision, now: MonoTime) -> Self {
        Self {
            leap: Leap::Unknown,
            stratum: Stratum::UNSYNCHRONIZED,
            precision,
            reference_id: ReferenceId::INIT,
            reference_timestamp: NtpTimestamp::ZERO,
            root_delay: NtpDuration::ZERO,
            dispersion_at_update: NtpDuration::ZERO,
            updated: now,
            grows: true,
        }
    }

    /// Following a server, with `error` still to be corrected.
    pub(super) fn of_peer(
        leader: &Association,
        precision: Precision,
        estimate: &Estimate,
        error: NtpDuration,
        arrived: Reading,
        now: MonoTime,
    ) -> Option<Self> {
        let state = leader.state();
        let server = state.server()?;
        let best = state.register().best()?;
        let own = best.dispersion
            + aging(now.since(best.at))
            + state.register().jitter(estimate.frequency)
            + estimate.uncertainty
            + error.abs();
        Some(Self {
            leap: server.leap,
            stratum: server.stratum.next(),
            precision,
            reference_id: ReferenceId::of_address(leader.remote().ip()),
            reference_timestamp: arrived.system,
            root_delay: server.root_delay + best.delay.max(precision.to_duration()),
            dispersion_at_update: server.root_dispersion + own.max(DISPERSION_MIN),
            updated: now,
            grows: true,
        })
    }

    /// A clock that is its own reference, such as the undisciplined local one.
    pub const fn of_clock(
        stratum: Stratum,
        reference_id: ReferenceId,
        precision: Precision,
        at: Reading,
    ) -> Self {
        Self {
            leap: Leap::None,
            stratum,
            precision,
            reference_id,
            reference_timestamp: at.system,
            root_delay: NtpDuration::ZERO,
            dispersion_at_update: CLOCK_DISPERSION,
            updated: at.mono,
            grows: false,
        }
    }

    /// Root dispersion, grown since the last update at 15 ppm (RFC 5905 §11.1).
    pub fn root_dispersion(&self, now: MonoTime) -> NtpDuration {
        if self.grows {
            self.dispersion_at_update + aging(now.since(self.updated))
        } else {
            self.dispersion_at_update
        }
    }

    /// Half the root delay and all of the root dispersion: how far we may be from true time.
    pub fn root_distance(&self, now: MonoTime) -> NtpDuration {
        self.root_delay.half() + self.root_dispersion(now)
    }

    /// Whether there is time to give.
    pub fn is_synchronized(&self) -> bool {
        self.leap != Leap::Unknown && self.stratum.is_synchronized()
    }
}

/// What happened to the system last (RFC 9327 §3.1 event codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemEvent {
    /// The daemon started.
    Restart,
    /// A large error is being waited out.
    SpikeDetect,
    /// In step for the first time.
    ClockSync,
    /// The error was beyond the panic threshold.
    PanicStop,
    /// Nobody to follow.
    NoSystemPeer,
    /// The clock was stepped.
    ClockStep,
}

impl SystemEvent {
    /// The number in a status word.
    pub const fn code(self) -> u16 {
        match self {
            Self::SpikeDetect => 3,
            Self::ClockSync => 5,
            Self::Restart => 6,
            Self::PanicStop => 7,
            Self::NoSystemPeer => 8,
            Self::ClockStep => 12,
        }
    }
}

impl System {
    /// The local clock of the configuration: its stratum.
    fn local_clock(&self) -> Option<Stratum> {
        self.sources.iter().find_map(|source| match source.config.kind {
            SourceKind::LocalClock { stratum, .. } => Some(stratum),
            SourceKind::Server(_) | SourceKind::Pool(_) => None,
        })
    }

    /// When the local clock is next considered.
    pub(super) fn local_clock_due(&self) -> Option<MonoTime> {
        self.local_clock().map(|_| self.local_due)
    }

    /// Lets the local clock lead if no other source does.
    pub(super) fn consider_local_clock(&mut self, now: MonoTime) {
        let Some(stratum) = self.local_clock() else { return };
        if now < self.local_due {
            return;
        }
        self.local_due = now + LOCAL_CLOCK_INTERVAL;
        let leading = self.follows_local_clock();
        // A machine that was synchronized coasts until its clients would stop believing it.
        let coasting =
            !leading && self.reference.is_synchronized() && self.reference.root_distance(now) < DISTANCE_MAX;
        if self.selection.system_peer().is_some() || coasting {
            return;
        }
        let at = Reading { mono: now, system: self.ledger.system(now) };
        self.reference =
            Reference::of_clock(stratum.next(), LOCAL_CLOCK_REFERENCE, self.config.precision, at);
        self.steer(ClockRequest::SetStatus {
            estimated_error: NtpDuration::ZERO,
            maximum_error: self.reference.root_distance(now),
        });
        if !leading {
            self.events.note(SystemEvent::ClockSync);
            self.report(Event::LocalReference);
        }
    }

    /// Whether the local clock leads.
    pub(super) const fn follows_local_clock(&self) -> bool {
        !self.reference.grows
    }

    /// When the local clock may first lead: at once if there is nothing else to wait for.
    pub(super) fn local_clock_patience(sources: &[SourceConfig]) -> Duration {
        let alone = sources.iter().all(|source| matches!(source.kind, SourceKind::LocalClock { .. }));
        if alone { Duration::ZERO } else { LOCAL_CLOCK_PATIENCE }
    }
}
