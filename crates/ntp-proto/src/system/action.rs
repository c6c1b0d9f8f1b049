//! What goes in besides time and datagrams, and what comes out: requests to the shell, and events.

use core::net::SocketAddr;

use crate::association::{AssociationId, Rejection};
use crate::discipline::LeapArm;
use crate::estimator::Memory;
use crate::time::{Frequency, MonoTime, NtpDuration, Reading};
use crate::wire::{Datagram, KissCode};

use super::config::HostAddress;
use super::fitness::Unfit;
use super::record::Record;

/// Names a line of ntp.conf that declares a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub(super) usize);

/// A datagram that arrived on an association's own socket.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Whose socket.
    pub association: AssociationId,
    /// The datagram.
    pub bytes: &'a [u8],
    /// The address it was sent to.
    pub local: SocketAddr,
    /// When it arrived, from the kernel's stamp where there is one.
    pub arrived: Reading,
}

/// What the shell must do. It does so at once and in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a request from the association's own socket, opening one on a random port if needed,
    /// and report [`ClockReport::Sent`] or [`ClockReport::SendFailed`].
    Send {
        /// Whose socket.
        association: AssociationId,
        /// To whom.
        remote: SocketAddr,
        /// The request.
        packet: Datagram,
    },
    /// Close the association's socket; the next request leaves from another port.
    Close(AssociationId),
    /// Resolve a name and call `handle_resolved`.
    Resolve {
        /// For whom.
        source: SourceId,
        /// The name.
        name: String,
    },
    /// Do something to the clock, and report what came of it.
    Steer(ClockRequest),
    /// Write the frequency to the drift file, and what else has been learnt beside it.
    StoreDrift(Frequency, Memory),
    /// Tell the administrator.
    Report(Event),
    /// Write a line of statistics, where they are kept.
    Record(Record),
    /// End the daemon.
    Finish(Outcome),
}

/// The only requests that the clock hears. The shell checks their bounds again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockRequest {
    /// Run with this frequency correction.
    SetFrequency(Frequency),
    /// Step by this much; positive is forward.
    Step(NtpDuration),
    /// Tell the kernel whether the clock is kept, and how far it may be off.
    SetStatus {
        /// One standard deviation.
        estimated_error: NtpDuration,
        /// A bound.
        maximum_error: NtpDuration,
        /// Whether it is kept at all.
        synchronized: bool,
    },
    /// Have the kernel insert or delete a second at the end of this UTC day, or not.
    SetLeap(LeapArm),
}

/// What has happened to the clock or to a request, as the shell saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockReport {
    /// A request has left.
    Sent {
        /// Whose.
        association: AssociationId,
        /// Both clocks, read just before it left.
        at: Reading,
    },
    /// A request could not leave.
    SendFailed {
        /// Whose.
        association: AssociationId,
    },
    /// The clock runs with another frequency correction, as quantised by the kernel.
    FrequencySet {
        /// The one in force.
        frequency: Frequency,
        /// Since when.
        at: MonoTime,
    },
    /// Both clocks, read for no other reason than to know them.
    Read {
        /// What they showed.
        at: Reading,
    },
    /// The clock has been stepped.
    Stepped {
        /// By how much, as read back.
        offset: NtpDuration,
    },
    /// The machine has been suspended and runs again.
    Resumed {
        /// What both clocks show.
        at: Reading,
    },
}

/// Why a daemon ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `-q`: the clock is set.
    Set,
    /// `-q`: no source answered in time.
    NoTime,
    /// The error is beyond the panic threshold.
    Panic(NtpDuration),
}

/// Something an administrator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A name has addresses.
    Resolved {
        /// The name.
        name: String,
        /// Those that are used.
        addresses: Vec<HostAddress>,
    },
    /// A name has none, or no resolver answered.
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
        /// Seconds until the next try.
        retry_seconds: u64,
    },
    /// A source answers.
    Reachable(SocketAddr),
    /// A source has not answered eight polls.
    Unreachable(SocketAddr),
    /// Requests to a source cannot leave this machine.
    NoRoute(SocketAddr),
    /// An answer with our nonce could not be used.
    Rejected {
        /// Whose.
        remote: SocketAddr,
        /// Why.
        reason: Rejection,
    },
    /// A source answers, and may not vote.
    Unfit {
        /// Which.
        remote: SocketAddr,
        /// Why.
        reason: Unfit,
    },
    /// A server asked us to slow down or go away.
    Kissed {
        /// Which.
        remote: SocketAddr,
        /// With what code.
        code: KissCode,
    },
    /// Another source leads.
    SystemPeer(Option<SocketAddr>),
    /// No majority of the sources agrees: the clock runs on as it is known to.
    NoMajority {
        /// How many voted.
        voters: usize,
    },
    /// Fewer sources survive than `tos minsane` asks for.
    TooFew {
        /// How many do.
        agreeing: usize,
        /// How many are wanted.
        needed: usize,
    },
    /// The local clock leads, because nobody else does.
    LocalReference,
    /// The clock is being stepped.
    Stepping(NtpDuration),
    /// The clock is right for the first time.
    Synchronized {
        /// What remained to be slewed.
        error: NtpDuration,
    },
    /// A large error is being waited out.
    Spike(NtpDuration),
    /// The clock has gone wrong by so much at once, or runs at a wrong frequency: answers agree on it.
    Strayed(NtpDuration),
    /// Somebody else has stepped the system clock.
    SteppedFromOutside(NtpDuration),
    /// The machine was suspended and runs again.
    Resumed,
    /// The kernel has been told of a leap second at the end of this day, or that there is none.
    LeapArmed(LeapArm),
    /// A leap second has passed.
    LeapPassed,
    /// A member of a pool is let go: it stays silent, or it lies.
    Replaced {
        /// Which.
        remote: SocketAddr,
        /// By which.
        by: SocketAddr,
    },
}
