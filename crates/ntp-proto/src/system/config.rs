//! What a system is told before it starts.

use alloc::sync::Arc;
use core::net::IpAddr;

use crate::association::AssociationOptions;
use crate::auth::KeyTable;
use crate::discipline::{DisciplineConfig, LeapTable, Timescale};
use crate::estimator::Memory;
use crate::select::SelectionConfig;
use crate::time::{Frequency, Precision, Reading};
use crate::wire::{ReferenceId, Stratum};

/// Which address family a name is resolved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Family {
    /// Either.
    #[default]
    Any,
    /// IPv4 only (`-4`).
    V4,
    /// IPv6 only (`-6`).
    V6,
}

impl Family {
    /// Whether an address may be used.
    pub const fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A literal address.
    Address(IpAddr),
    /// A name to resolve.
    Name(String),
}

/// What kind of source a line of ntp.conf declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// One server.
    Server(Target),
    /// As many servers as the name has addresses, up to a limit.
    Pool(String),
    /// The undisciplined local clock, `127.127.1.u`.
    LocalClock {
        /// The unit number u.
        unit: u8,
        /// The stratum it claims (`fudge ... stratum`); who follows it has one more.
        stratum: Stratum,
        /// The code it shows.
        reference_id: ReferenceId,
    },
}

/// One source, as ntp.conf declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// What it is.
    pub kind: SourceKind,
    /// The UDP port, usually 123.
    pub port: u16,
    /// The address family to resolve to.
    pub family: Family,
    /// How it is polled and judged.
    pub options: AssociationOptions,
}

/// Everything a system is told before it starts.
#[derive(Clone, Debug)]
pub struct SystemConfig {
    /// The sources, in the order of ntp.conf.
    pub sources: Vec<SourceConfig>,
    /// Thresholds and switches.
    pub discipline: DisciplineConfig,
    /// What ntp.conf says about the vote (`tos`).
    pub selection: SelectionConfig,
    /// The keys that servers share with us.
    pub keys: Arc<KeyTable>,
    /// The local clock's precision.
    pub precision: Precision,
    /// The table of leap seconds (`leapfile`).
    pub leap_table: Option<LeapTable>,
}

/// What is known of the clock when the system takes it over.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockStart {
    /// Both clocks, now.
    pub reading: Reading,
    /// Where the undisciplined timescale comes from.
    pub timescale: Timescale,
    /// The frequency correction in force.
    pub frequency: Frequency,
    /// The frequency correction that the drift file remembers, if there is one.
    pub drift: Option<Frequency>,
    /// What else an earlier run has left.
    pub memory: Option<Memory>,
}
