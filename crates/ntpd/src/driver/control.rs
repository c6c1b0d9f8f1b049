//! Queries of mode 6: what the daemon knows, for `ntp_proto::control` to answer from, and lines of configuration that
//! come by query.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ntp_proto::control::{Asker, Configure, Identity, InterfaceRow, Lists, Reaction, Statistics, respond};
use ntp_proto::server::{Outcome, Restrictions, RuleRow};
use ntp_proto::time::MonoTime;
use tracing::{info, warn};

use super::Driver;
use crate::clock::{self, ClockError};

/// How much of a line that came by query is logged.
const SHOWN_MAX: usize = 200;

/// ntpd's numbers for kinds of addresses: up, loopback, wildcard (`INT_UP`, `INT_LOOPBACK`, `INT_WILDCARD`).
const UP: u16 = 0x01;
const LOOPBACK: u16 = 0x04;
const WILDCARD: u16 = 0x80;

/// What the words of ntpd are for a line that has been put in force.
const SUCCEEDED: &str = "Config Succeeded";

/// What can be listed.
pub(super) struct Listing<'d> {
    pub(super) driver: &'d Driver,
}

impl fmt::Debug for Listing<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Listing").finish_non_exhaustive()
    }
}

impl Lists for Listing<'_> {
    fn interfaces(&self) -> Vec<InterfaceRow> {
        let known = ntp_os::interfaces::addresses().unwrap_or_default();
        let driver = self.driver;
        let mut addresses = driver.service.addresses();
        addresses.extend(driver.sockets.served());
        let row = |address: SocketAddr| {
            let ip = address.ip();
            let interface = known.iter().find(|one| one.address == ip).map(|one| one.interface.clone());
            let wildcard = if address.is_ipv4() { "v4wildcard" } else { "v6wildcard" };
            let counts = driver.service.counts_of(address);
            let kind =
                if ip.is_unspecified() { WILDCARD } else { 0 } | if ip.is_loopback() { LOOPBACK } else { 0 };
            InterfaceRow {
                address,
                name: interface.unwrap_or_else(|| wildcard.to_owned()),
                flags: UP | kind,
                received: counts.total(),
                sent: counts
                    .of(&[Outcome::Answered, Outcome::Kissed, Outcome::Refused])
                    .saturating_sub(counts.unsent),
                unsent: counts.unsent,
                peers: self.peers_at(ip),
                since: driver.began,
            }
        };
        addresses.into_iter().map(row).collect()
    }

    fn rules(&self) -> Vec<RuleRow> {
        self.driver.service.rules().access.rows()
    }
}

impl Listing<'_> {
    /// How many sources answer to an address.
    fn peers_at(&self, ip: IpAddr) -> usize {
        let local = self.driver.system.local_addresses();
        local
            .filter(
                |address| {
                    if ip.is_unspecified() { address.is_ipv4() == ip.is_ipv4() } else { *address == ip }
                },
            )
            .count()
    }
}

impl Driver {
    /// What a query gets for an answer.
    pub(super) fn explain(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        restrictions: Restrictions,
    ) -> Result<Vec<Vec<u8>>, ClockError> {
        match self.react(bytes, from, restrictions)? {
            Reaction::Answer(packets) => Ok(packets),
            Reaction::Configure(wish) => {
                let words = self.configure(&wish, from);
                Ok(wish.answer(&words, &self.service.rules().keys))
            }
        }
    }

    pub(super) fn react(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        restrictions: Restrictions,
    ) -> Result<Reaction, ClockError> {
        let now = self.clock.read()?;
        // Who is to get nothing costs nothing either.
        if !self.gate.is_open(from.ip(), now.mono) {
            return Ok(Reaction::Answer(Vec::new()));
        }
        let nonce_keys = self.nonce_secrets.at(now.mono);
        let mut gate = std::mem::replace(&mut self.gate, ntp_proto::control::Gate::new(MonoTime::ZERO));
        let identity = Identity {
            version: &self.names.version,
            processor: &self.names.processor,
            system: &self.names.system,
            now,
        };
        let asker = Asker {
            from,
            restrictions,
            clients: &self.service.clients(),
            rules: &self.service.rules(),
            caution: self.caution,
            statistics: &Statistics {
                counts: self.service.counts().plus(gate.counts()),
                before: self.statistics.counted_before(),
                kernel: self.clock.kernel(),
                io: self.traffic,
                late_timers: self.late_timers,
            },
            buffers: self.service.buffers(),
            nonce_keys,
            control_key: self.control_key,
            lists: &Listing { driver: self },
        };
        let reaction = respond(&self.system.snapshot(now.mono), &identity, &asker, &mut gate, bytes);
        self.gate = gate;
        Ok(reaction)
    }

    /// Puts a line in force that came by query, until the daemon ends; says what came of it, as ntpd does.
    fn configure(&mut self, wish: &Configure, from: SocketAddr) -> String {
        let who = format!("{from}, with key {},", wish.key.number());
        self.put_in_force(&wish.text, &who).unwrap_or_else(|reason| reason)
    }

    /// The same for whoever may.
    pub(super) fn put_in_force(&mut self, text: &str, who: &str) -> Result<String, String> {
        let shown = || text.chars().take(SHOWN_MAX).collect::<String>().escape_debug().to_string();
        let now = clock::now().map_err(|error| format!("column 0 {error}"))?;
        let snapshot = self.system.snapshot(now);
        let before = self.lines.clone();
        let taken = self.lines.take(text, &snapshot).and_then(|()| {
            info!("{who} puts in force: {}", shown());
            self.reload(now)
                .outcome
                .map_err(|reason| format!("column 0 the configuration cannot be read anew: {reason}"))
        });
        if let Err(reason) = taken {
            warn!("{who} is refused {:?}: {reason}", shown());
            self.lines = before;
            return Err(reason);
        }
        Ok(SUCCEEDED.to_owned())
    }
}
