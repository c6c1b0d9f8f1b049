//! What we are to our clients: leap, stratum, reference, root delay and root dispersion.

use core::time::Duration;

use crate::association::{Association, aging};
use crate::discipline::SLEW_MAX;
use crate::estimator::Estimate;
use crate::time::{Frequency, MonoTime, NtpDuration, NtpTimestamp, Precision, Reading};
use crate::wire::{Leap, ReferenceId, Stratum};

use super::config::SourceKind;
use super::{ClockRequest, Event, System};

/// The least by which a server's dispersion exceeds its own source's: 1 ms, as in ntp 4.2.8.
const DISPERSION_MIN: NtpDuration = NtpDuration::from_millis(1);

/// How fast a clock whose frequency is known may still drift: 15 ppm (RFC 5905 §7.2 PHI).
const TOLERANCE: Frequency = Frequency::from_scaled_ppm(15 << 16);

/// What a clock that is its own reference admits to: 10 ms, as ntpd's local clock.
pub(super) const CLOCK_DISPERSION: NtpDuration = NtpDuration::from_millis(10);

/// How those who follow the local clock are told so: the address of its line in ntp.conf.
const LOCAL_CLOCK_REFERENCE: ReferenceId = ReferenceId::from_bytes([127, 127, 1, 0]);

/// How those who follow an orphan are told so: loopback (ntp 4.2.8).
const ORPHAN_REFERENCE: ReferenceId = ReferenceId::from_bytes([127, 0, 0, 1]);

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
    /// How fast it grows: not at all for a clock that is its own reference.
    growth: Frequency,
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
            growth: TOLERANCE,
        }
    }

    /// Following a server, with `error` still to be corrected.
    pub(super) fn of_peer(
        leader: &Association,
        leap: Leap,
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
            leap,
            stratum: server.stratum.next(),
            precision,
            reference_id: ReferenceId::of_address(leader.remote().ip()),
            reference_timestamp: arrived.system,
            root_delay: server.root_delay + best.delay.max(precision.to_duration()),
            dispersion_at_update: server.root_dispersion + own.max(DISPERSION_MIN),
            updated: now,
            // Until the frequency is known, the clock may drift faster than clocks usually do.
            growth: (TOLERANCE + estimate.frequency_uncertainty + estimate.frequency_uncertainty)
                .clamp_to(SLEW_MAX),
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
            growth: Frequency::ZERO,
        }
    }

    /// The same, with a root delay and a root dispersion of its own.
    #[must_use]
    pub const fn with_root(self, root_delay: NtpDuration, root_dispersion: NtpDuration) -> Self {
        Self { root_delay, dispersion_at_update: root_dispersion, ..self }
    }

    /// The same, whose frequency may be off by `doubt` more than clocks usually drift.
    pub(super) fn growing_by(self, doubt: Frequency) -> Self {
        Self { growth: self.growth.max((TOLERANCE + doubt).clamp_to(SLEW_MAX)), ..self }
    }

    /// Root dispersion, grown since the last update at 15 ppm (RFC 5905 §11.1), or faster while the
    /// frequency is not known yet.
    pub fn root_dispersion(&self, now: MonoTime) -> NtpDuration {
        self.dispersion_at_update + self.growth.over(now.since(self.updated))
    }

    /// The clock may have gone wrong by so much since the last update.
    pub(super) fn doubt(&mut self, by: NtpDuration) {
        self.dispersion_at_update += by;
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
    /// A leap second is coming today.
    LeapArmed,
    /// It is not, after all.
    LeapDisarmed,
    /// A leap second has passed.
    LeapPassed,
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
            Self::LeapArmed => 9,
            Self::LeapDisarmed => 10,
            Self::LeapPassed => 11,
            Self::ClockStep => 12,
        }
    }
}

impl System {
    /// What this machine serves if nobody gives it time: the local clock of the configuration, or its
    /// own time at the orphans' stratum; with how long it waits for others first.
    fn fallback(&self) -> Option<(Stratum, ReferenceId, Duration)> {
        let local = self.sources.values().find_map(|source| match source.config.kind {
            SourceKind::LocalClock { stratum, .. } => Some(stratum.next()),
            SourceKind::Server(_) | SourceKind::Pool(_) => None,
        });
        let config = &self.config.selection;
        let orphan = Stratum::new(config.orphan_stratum);
        match local {
            Some(stratum) => Some((stratum, LOCAL_CLOCK_REFERENCE, LOCAL_CLOCK_PATIENCE)),
            None if orphan.is_synchronized() => Some((orphan, ORPHAN_REFERENCE, config.orphan_wait)),
            None => None,
        }
    }

    /// A local clock that the configuration does not name any longer stops to lead.
    pub(super) fn follow_no_absent_clock(&mut self, now: MonoTime) {
        if self.follows_local_clock() && self.fallback().is_none() {
            self.reference = Reference::unsynchronized(self.config.precision, now);
        }
    }

    /// When that is next considered.
    pub(super) fn local_clock_due(&self) -> Option<MonoTime> {
        self.fallback().map(|_| self.local_due)
    }

    /// Lets this machine's own time lead if no source does.
    pub(super) fn consider_local_clock(&mut self, now: MonoTime) {
        let Some((stratum, reference_id, patience)) = self.fallback() else { return };
        if self.selection.system_peer().is_some() {
            self.led_at = now;
        }
        if now < self.local_due {
            return;
        }
        self.local_due = now + LOCAL_CLOCK_INTERVAL;
        let leading = self.follows_local_clock();
        // A machine that was synchronized coasts until its clients would stop believing it.
        let believable = self.reference.root_distance(now) < self.config.selection.distance_max;
        let coasting = !leading && self.reference.is_synchronized() && believable;
        let alone = self.members.is_empty() && self.sources.values().all(|source| source.name().is_none());
        if now.since(self.led_at) < patience && !alone && !leading || coasting {
            return;
        }
        if self.selection.system_peer().is_some() {
            return;
        }
        let at = Reading { mono: now, system: self.ledger.system(now) };
        self.reference = Reference::of_clock(stratum, reference_id, self.config.precision, at);
        self.tell_kernel(now, NtpDuration::ZERO);
        if !leading {
            self.events.note(SystemEvent::ClockSync);
            self.report(Event::LocalReference);
        }
    }

    /// Tells the kernel how far its clock may be off, and whether it is kept.
    pub(super) fn tell_kernel(&mut self, now: MonoTime, estimated_error: NtpDuration) {
        let maximum_error = self.reference.root_distance(now);
        let believable = maximum_error < self.config.selection.distance_max;
        let synchronized = self.reference.is_synchronized() && believable;
        self.steer(ClockRequest::SetStatus { estimated_error, maximum_error, synchronized });
    }

    /// Whether the local clock leads.
    pub(super) const fn follows_local_clock(&self) -> bool {
        matches!(self.reference.growth, Frequency::ZERO)
    }
}
