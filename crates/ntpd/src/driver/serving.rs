//! Answering clients and queries from the main loop, and handing the clients over to threads.

use std::net::SocketAddr;

use ntp_os::udp::Arrival;
use ntp_proto::server::{Request, Verdict};
use ntp_proto::time::MonoTime;
use tracing::{debug, trace, warn};

use super::Driver;
use crate::clock::{self, ClockError};
use crate::net::{self, Origin};
use crate::serve::{Question, Service};

impl Driver {
    /// Answers a datagram that came to the main loop, at one of its addresses.
    pub(super) fn serve(
        &mut self,
        address: SocketAddr,
        bytes: &[u8],
        arrival: &Arrival,
    ) -> Result<(), ClockError> {
        let received = self.clock.at_stamp(arrival.stamp)?;
        let waited = clock::now()?.since(received.mono);
        let (received, at) = (received.system, received.mono);
        let request = Request { bytes, from: arrival.from, received, at, waited };
        match self.service.respond(address, self.system.reference(), &request)? {
            Verdict::Answer(mut reply) => {
                reply.seal(self.clock.read()?.system, &self.service.rules().keys);
                if !self.reply(address, reply.as_bytes(), arrival) {
                    self.service.note_unsent(address);
                }
            }
            Verdict::Control(restrictions) => {
                for packet in self.explain(bytes, arrival.from, restrictions)? {
                    let left = self.reply(address, &packet, arrival);
                    let count = if left { &mut self.traffic.sent } else { &mut self.traffic.unsent };
                    *count += 1;
                }
            }
            Verdict::Silence(reason) => trace!("{}: no answer: {reason:?}", arrival.from),
        }
        Ok(())
    }

    /// Answers a query that came to a thread.
    pub(super) fn answer(&mut self, question: &Question) -> Result<(), ClockError> {
        let from = question.arrival.from;
        for packet in self.explain(&question.bytes, from, question.restrictions)? {
            match question.socket.reply(&packet, &question.arrival) {
                Ok(()) => self.traffic.sent += 1,
                Err(reason) => {
                    self.traffic.unsent += 1;
                    debug!("{from}: cannot be answered: {reason}");
                }
            }
        }
        Ok(())
    }

    /// Whether it left.
    fn reply(&self, address: SocketAddr, packet: &[u8], arrival: &Arrival) -> bool {
        let outcome = self.sockets.reply(Origin::Service(address), packet, arrival);
        if let Err(reason) = &outcome {
            debug!("{}: cannot be answered: {reason}", arrival.from);
        }
        outcome.is_ok()
    }

    /// The servers that `restrict source` is about are others now, perhaps.
    pub(super) fn renew_sources(&self) {
        let known = self.service.rules();
        let sources = self.system.source_addresses();
        // To copy a long list of rules for nothing would keep clients waiting.
        if known.access.has_sources(&sources) {
            return;
        }
        let mut rules = (*known).clone();
        rules.access.set_sources(sources);
        self.service.set_rules(rules);
    }

    /// The access list with the addresses that are known by now.
    pub(super) fn renew_access(&mut self) {
        let known = self.service.rules();
        let mut access = self.restrictions.list(&self.hosts);
        access.set_sources(self.system.source_addresses());
        if access != known.access {
            let mut rules = (*known).clone();
            rules.access = access;
            self.service.set_rules(rules);
        }
    }

    /// Listens where that is wanted now.
    pub(super) fn listen(&mut self) {
        let wanted = match net::wanted(&self.interfaces, self.port) {
            Ok(wanted) => wanted,
            Err(reason) => {
                warn!("the addresses of this machine cannot be read: {reason}");
                return;
            }
        };
        if self.service.has_threads() {
            let complaints = &mut self.complaints;
            let open = |address| complaints.hear(address, net::open_shared(address).map(Some));
            self.service.listen_on(&wanted, open, self.threads.max(1));
        } else {
            self.sockets.listen_on(&wanted, &mut self.complaints);
        }
    }

    /// Whether nobody listens on some address where somebody should.
    pub(super) fn is_deaf(&self) -> bool {
        let wanted = net::wanted(&self.interfaces, self.port).unwrap_or_default();
        wanted.iter().any(|address| !self.sockets.serves(*address) && !self.service.serves(*address))
    }

    /// Hands the clients over to threads when there is work for them, and takes them back.
    pub(super) fn consider_threads(&mut self, now: MonoTime) {
        let threads = self.service.take_stock(now);
        self.threads = threads;
        if threads > 0 && !self.service.has_threads() {
            if Service::can_serve(self.sockets.served().len()) {
                let sockets = self.sockets.take_service();
                self.service.start(sockets, threads);
            }
        } else if threads == 0 && self.service.has_threads() {
            let sockets = self.service.stop();
            if let Err(reason) = self.sockets.put_service(sockets) {
                warn!("the main loop cannot serve: {reason}");
            }
        }
    }
}
