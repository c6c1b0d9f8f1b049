//! What lives in a world: anything with the four verbs.

use std::net::IpAddr;

use ntp_proto::system::{Action, ClockReport, HostAddress, Received, SourceId, System};
use ntp_proto::time::{MonoTime, NtpDuration, NtpTimestamp};

/// A client of NTP servers, driven as the daemon drives its system.
pub trait Client {
    /// A datagram has arrived.
    fn handle_datagram(&mut self, now: MonoTime, received: Received<'_>);
    /// Time has passed.
    fn handle_timeout(&mut self, now: MonoTime);
    /// When [`Self::handle_timeout`] wants to be called.
    fn next_timeout(&self) -> Option<MonoTime>;
    /// The next thing to do.
    fn poll_action(&mut self) -> Option<Action>;
    /// Something has happened to the clock or to a request.
    fn handle_clock(&mut self, now: MonoTime, report: ClockReport);
    /// The resolver has answered.
    fn handle_resolved(&mut self, now: MonoTime, source: SourceId, answer: Result<Vec<IpAddr>, String>);
    /// When the client last took a sample in; `None` if it does not tell.
    fn last_update(&self) -> Option<NtpTimestamp>;
    /// How far from true time the client admits to be; `None` if it claims nothing.
    fn error_bound(&self, now: MonoTime) -> Option<NtpDuration>;
}

impl Client for System {
    fn handle_datagram(&mut self, now: MonoTime, received: Received<'_>) {
        Self::handle_datagram(self, now, received);
    }

    fn handle_timeout(&mut self, now: MonoTime) {
        Self::handle_timeout(self, now);
    }

    fn next_timeout(&self) -> Option<MonoTime> {
        Self::next_timeout(self)
    }

    fn poll_action(&mut self) -> Option<Action> {
        Self::poll_action(self)
    }

    fn handle_clock(&mut self, now: MonoTime, report: ClockReport) {
        Self::handle_clock(self, now, report);
    }

    fn handle_resolved(&mut self, now: MonoTime, source: SourceId, answer: Result<Vec<IpAddr>, String>) {
        let answer = answer.map(|found| found.into_iter().map(HostAddress::from).collect());
        Self::handle_resolved(self, now, source, answer);
    }

    fn last_update(&self) -> Option<NtpTimestamp> {
        Some(self.reference().reference_timestamp)
    }

    fn error_bound(&self, now: MonoTime) -> Option<NtpDuration> {
        let reference = self.reference();
        reference.is_synchronized().then(|| reference.root_distance(now))
    }
}
