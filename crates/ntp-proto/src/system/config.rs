//! What a system is told before it starts.

use alloc::sync::Arc;
use core::fmt;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};

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

/// An address as a name resolves to it: with the number of an interface where it means nothing without one
/// (`fe80::1%eth0`; RFC 4007 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAddress {
    address: IpAddr,
    interface: u32,
}

impl HostAddress {
    /// The address itself.
    pub const fn ip(self) -> IpAddr {
        self.address
    }

    /// The same with a port.
    pub const fn at_port(self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V4(_) => SocketAddr::new(self.address, port),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, self.interface)),
        }
    }
}

impl From<IpAddr> for HostAddress {
    fn from(address: IpAddr) -> Self {
        Self { address, interface: 0 }
    }
}

impl From<SocketAddr> for HostAddress {
    fn from(remote: SocketAddr) -> Self {
        let interface = if let SocketAddr::V6(v6) = remote { v6.scope_id() } else { 0 };
        Self { address: remote.ip(), interface }
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.interface {
            0 => write!(formatter, "{}", self.address),
            interface => write!(formatter, "{}%{interface}", self.address),
        }
    }
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A literal address.
    Address(IpAddr),
    /// A name to resolve, or an address with the name of an interface.
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

impl fmt::Display for SourceKind {
    /// As ntp.conf names it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(Target::Address(address)) => address.fmt(formatter),
            Self::Server(Target::Name(name)) | Self::Pool(name) => formatter.write_str(name),
            Self::LocalClock { unit, .. } => write!(formatter, "127.127.1.{unit}"),
        }
    }
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
