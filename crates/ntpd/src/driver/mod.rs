//! The loop: feeds the system's four verbs and performs its actions. This is all that the daemon
//! knows of NTP.
//!
//! `serving.rs` answers clients and queries, `local.rs` programs on this machine, `reload.rs` reads the configuration anew.

mod control;
mod lines;
mod local;
mod nonces;
mod reload;
mod serving;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ntp_conf::directive::{InterfaceRule, LogSelection};
use ntp_os::notify::Notifier;
use ntp_proto::association::AssociationId;
use ntp_proto::auth::KeyId;
use ntp_proto::control::{Caution, Gate, Traffic};
use ntp_proto::estimator::Memory;
use ntp_proto::system::{Action, ClockReport, Event, HostAddress, Outcome, Received, System};
use ntp_proto::time::{Frequency, MonoTime};
use tracing::{debug, error, info, trace, warn};

use crate::cli::Options;
use crate::clock::{self, Clock, ClockError};
use crate::config::{AccessLines, NamedHosts};
use crate::exit::Exit;
use crate::leap_file::LeapFile;
use crate::local::{LocalQuestion, LocalSocket};
use crate::log;
use crate::net::{Complaints, DATAGRAM_LEN_MAX, Origin, Sockets};
use crate::panic_gate::PanicGate;
use crate::resolver::{Answer, Resolver, Subject};
use crate::serve::{Question, Service};
use crate::signals::Signals;
use crate::statefiles::{StateFiles, Stored};
use crate::statistics::StatisticsFiles;

/// Datagrams read from one socket before the timers, the resolver and our own servers get their turn.
const BATCH: usize = 64;

/// The longest sleep, and how often the watchdog is fed: three times in the minute that the unit
/// gives.
const SLEEP_MAX: Duration = Duration::from_secs(20);

/// A timer that comes later has been overrun.
const LATE: Duration = Duration::from_secs(1);

/// How often the machine's addresses are looked at: classic ntpd does every five minutes, but a
/// machine whose network comes late should not wait that long.
const ADDRESS_INTERVAL: Duration = Duration::from_secs(20);

pub(crate) use lines::Lines;
pub(crate) use nonces::NonceSecrets;
pub(crate) use reload::Settled;

/// What the machine and the program are called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) version: String,
    pub(crate) processor: String,
    pub(crate) system: String,
}

/// Everything the loop works with.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) system: System,
    pub(crate) clock: Clock,
    pub(crate) sockets: Sockets,
    pub(crate) resolver: Resolver,
    pub(crate) restrictions: AccessLines,
    pub(crate) hosts: NamedHosts,
    pub(crate) service: Service,
    pub(crate) options: Options,
    /// What only a restart puts in force, as it was read at the start.
    pub(crate) settled: Settled,
    /// The files that ntp.conf named at the start.
    pub(crate) named: BTreeSet<PathBuf>,
    pub(crate) nonce_secrets: NonceSecrets,
    pub(crate) names: Names,
    pub(crate) notifier: Notifier,
    pub(crate) state_files: StateFiles,
    pub(crate) panic_gate: PanicGate,
    pub(crate) leap_file: Option<LeapFile>,
    pub(crate) statistics: StatisticsFiles,
    /// Where programs on this machine ask.
    pub(crate) local: Option<LocalSocket>,
    /// How long the machine had been suspended when that was last looked at.
    pub(crate) asleep: Duration,
    /// The `interface` lines; the wildcard addresses need no care.
    pub(crate) interfaces: Vec<InterfaceRule>,
    /// The port that is listened on.
    pub(crate) port: u16,
    /// How many threads there should be for each family of addresses.
    pub(crate) threads: usize,
    /// Where listening failed, so that it is said once.
    pub(crate) complaints: Complaints,
    /// When the machine's addresses were last looked at.
    pub(crate) addresses_seen: MonoTime,
    /// When the daemon started.
    pub(crate) began: MonoTime,
    /// How much mode 6 says to whom.
    pub(crate) gate: Gate,
    /// The key that changes by query are signed with.
    pub(crate) control_key: Option<KeyId>,
    /// Which changes of state are logged.
    pub(crate) logged: LogSelection,
    /// How little strangers are told that ask queries.
    pub(crate) caution: Caution,
    /// Lines of configuration that came by query.
    pub(crate) lines: Lines,
    /// Datagrams and wake-ups, for whoever asks.
    pub(crate) traffic: Traffic,
    /// How often a timer came late.
    pub(crate) late_timers: u64,
    /// When the service manager last heard that we are alive.
    pub(crate) watchdog_fed: MonoTime,
}

/// Why the loop woke up.
enum Wake {
    Readable(Origin),
    Asked(Question),
    AskedLocally(LocalQuestion),
    Resolved(Answer),
    Time,
    Stop(&'static str),
    Reload,
}

impl Driver {
    /// Runs until a signal or the system ends it.
    pub(crate) async fn run(mut self) -> Result<Exit, ClockError> {
        let mut signals = Signals::listen()?;
        tell(&self.notifier.ready());
        self.resolver.look_up_restrictions(&self.restrictions.names());
        let now = clock::now()?;
        self.system.handle_timeout(now);
        self.consider_threads(now);
        loop {
            if let Some(exit) = self.perform()? {
                return Ok(exit);
            }
            self.service.publish(self.system.reference(), &self.clock);
            let wake = self.wait(&mut signals).await?;
            // Before anything is made of what arrived: it may have waited out a night's sleep.
            self.read_clock()?;
            match wake {
                Wake::Readable(origin) => {
                    self.traffic.wakeups += 1;
                    self.drain(origin)?;
                }
                Wake::Asked(question) => self.answer(&question)?,
                Wake::AskedLocally(question) => self.answer_locally(question),
                Wake::Resolved((Subject::Source(source), answer)) => {
                    self.system.handle_resolved(clock::now()?, source, answer);
                    self.renew_sources();
                }
                Wake::Resolved((Subject::Restriction(host), answer)) => {
                    let addresses = answer.unwrap_or_default().into_iter().map(HostAddress::ip).collect();
                    self.hosts.insert(host, addresses);
                    self.renew_access();
                }
                Wake::Time => {}
                Wake::Reload => {
                    self.reload_and_tell(clock::now()?);
                }
                Wake::Stop(name) => return self.stop(name),
            }
            let now = self.read_clock()?;
            self.system.handle_timeout(now);
            self.look_at_leap_file(now);
            self.record_counters(now);
            self.feed_watchdog(now);
            self.look_for_addresses(now);
            self.consider_threads(now);
        }
    }

    /// Reads both clocks, and notices if the machine has slept since the last time.
    fn read_clock(&mut self) -> Result<MonoTime, ClockError> {
        let asleep = ntp_os::clock::asleep()?;
        let at = self.clock.read()?;
        let slept = asleep != std::mem::replace(&mut self.asleep, asleep);
        let report = if slept { ClockReport::Resumed { at } } else { ClockReport::Read { at } };
        self.system.handle_clock(at.mono, report);
        Ok(at.mono)
    }

    fn look_at_leap_file(&mut self, now: MonoTime) {
        let date = self.system.date(now);
        if let Some(table) = self.leap_file.as_mut().and_then(|file| file.look(now, date)) {
            self.system.set_leap_table(Some(table));
        }
    }

    fn record_counters(&mut self, now: MonoTime) {
        if self.statistics.wants_counters(now) {
            self.statistics.write_counters(now, self.system.date(now), self.service.counts());
        }
    }

    /// Once in a while, however busy the sockets are.
    fn feed_watchdog(&mut self, now: MonoTime) {
        if now.since(self.watchdog_fed) >= SLEEP_MAX {
            self.watchdog_fed = now;
            tell(&self.notifier.watchdog());
        }
    }

    /// Where `interface` lines choose, addresses that come late are listened on too.
    fn look_for_addresses(&mut self, now: MonoTime) {
        if self.options.quit || now.since(self.addresses_seen) < ADDRESS_INTERVAL {
            return;
        }
        self.addresses_seen = now;
        // What was taken, or could not be opened, may be free by now; and a socket may have died.
        if !self.interfaces.is_empty() || self.is_deaf() {
            self.listen();
        }
    }

    async fn wait(&mut self, signals: &mut Signals) -> Result<Wake, ClockError> {
        let now = clock::now()?;
        let next = self.system.next_timeout();
        if next.is_some_and(|due| now.since(due) > LATE) {
            self.late_timers += 1;
        }
        let due = next.map_or(SLEEP_MAX, |due| due.since(now));
        Ok(tokio::select! {
            biased;
            _ = signals.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = signals.interrupt.recv() => Wake::Stop("SIGINT"),
            _ = signals.hangup.recv() => Wake::Reload,
            Some(answer) = self.resolver.answer() => Wake::Resolved(answer),
            origin = self.sockets.readable() => Wake::Readable(origin),
            question = self.service.question() => Wake::Asked(question),
            Some(question) = asked_locally(&mut self.local) => Wake::AskedLocally(question),
            () = tokio::time::sleep(due.min(SLEEP_MAX)) => Wake::Time,
        })
    }

    /// Performs what the system asks for, in order, until it asks for nothing more.
    fn perform(&mut self) -> Result<Option<Exit>, ClockError> {
        while let Some(action) = self.system.poll_action() {
            match action {
                Action::Send { association, remote, packet } => {
                    let report = self.send(association, remote, packet.as_bytes())?;
                    self.system.handle_clock(clock::now()?, report);
                }
                Action::Close(association) => self.sockets.close(association),
                Action::Resolve { source, name } => self.resolver.start(Subject::Source(source), name),
                Action::Steer(request) => {
                    trace!("clock: {request:?}");
                    if let Some(report) = self.clock.apply(request)? {
                        self.system.handle_clock(clock::now()?, report);
                    }
                }
                Action::StoreDrift(frequency, memory) => self.store(frequency, &memory),
                Action::Report(event) => self.report(&event)?,
                Action::Record(record) => {
                    let now = clock::now()?;
                    self.statistics.write(now, self.system.date(now), &record);
                }
                Action::Finish(outcome) => return Ok(Some(finish(outcome, &self.clock, &self.panic_gate))),
            }
        }
        Ok(None)
    }

    /// Sends a request; a second time on a new socket if the first try shows the error of an earlier
    /// packet, such as a refused port.
    fn send(
        &mut self,
        association: AssociationId,
        remote: SocketAddr,
        packet: &[u8],
    ) -> Result<ClockReport, ClockError> {
        for _ in 0..2 {
            let prepared = self.sockets.prepare(association, remote);
            let at = self.clock.read()?;
            match prepared.and_then(|()| self.sockets.send(association, packet)) {
                Ok(()) => return Ok(ClockReport::Sent { association, at }),
                Err(reason) => debug!("{remote}: cannot be asked now: {reason}"),
            }
        }
        Ok(ClockReport::SendFailed { association })
    }

    fn drain(&mut self, origin: Origin) -> Result<(), ClockError> {
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        for number in 0..BATCH {
            match self.sockets.receive(origin, &mut buffer) {
                None => break,
                Some(Ok(arrival)) => {
                    self.traffic.useful_wakeups += u64::from(number == 0);
                    let bytes = buffer.get(..arrival.length).unwrap_or_default();
                    match origin {
                        Origin::Service(address) => self.serve(address, bytes, &arrival)?,
                        Origin::Source(association) => {
                            let arrived = self.clock.at_stamp(arrival.stamp)?;
                            let Some(local) = self.sockets.local_address(association) else { break };
                            let received = Received { association, bytes, local, arrived };
                            self.system.handle_datagram(clock::now()?, received);
                        }
                    }
                }
                // An ICMP error about an earlier request: the missing answer says the same.
                Some(Err(reason)) => debug!("{origin:?}: {reason}"),
            }
        }
        Ok(())
    }

    fn store(&mut self, frequency: Frequency, memory: &Memory) {
        match self.state_files.store(frequency, memory) {
            Some(Stored::Lost(reason)) => warn!("what is learnt of the clock is not remembered: {reason}"),
            Some(Stored::Again) => info!("what is learnt of the clock is remembered again"),
            None => {}
        }
    }

    fn report(&mut self, event: &Event) -> Result<(), ClockError> {
        log::report(event, self.logged);
        if matches!(event, Event::Synchronized { .. }) {
            self.panic_gate.close();
        }
        self.tell_status(clock::now()?);
        Ok(())
    }

    /// Tells the service manager how the clock stands.
    fn tell_status(&self, now: MonoTime) {
        let reference = self.system.reference();
        let status = if reference.is_synchronized() {
            format!(
                "stratum {}, within {:.3} s of true time",
                reference.stratum.value(),
                reference.root_distance(now).as_seconds_f64()
            )
        } else {
            "not synchronized".to_owned()
        };
        tell(&self.notifier.status(&status));
    }

    fn stop(&mut self, signal: &str) -> Result<Exit, ClockError> {
        info!("ending on {signal}; the clock keeps the frequency it has");
        tell(&self.notifier.stopping());
        self.system.shut_down(clock::now()?);
        self.perform()?;
        Ok(Exit::Done)
    }
}

/// The next question of a program on this machine; never, where none can ask.
async fn asked_locally(local: &mut Option<LocalSocket>) -> Option<LocalQuestion> {
    match local {
        Some(socket) => socket.question().await,
        None => std::future::pending().await,
    }
}

fn tell(outcome: &io::Result<()>) {
    if let Err(reason) = outcome {
        debug!("the service manager does not listen: {reason}");
    }
}

fn finish(outcome: Outcome, clock: &Clock, gate: &PanicGate) -> Exit {
    match outcome {
        Outcome::Set => {
            match clock {
                Clock::System(_) => info!("the clock is set"),
                Clock::Virtual(_) => info!("a clock of its own is set; this machine's is left alone"),
            }
            Exit::Done
        }
        Outcome::NoTime => {
            error!(
                "no server gave time that could be followed: see the warnings above, and check the `server` lines, the network and any firewall (UDP port 123)"
            );
            Exit::NoTime
        }
        Outcome::Panic(by) => {
            let allow = gate.remedy().unwrap_or_else(|| "allow one such correction with -g".to_owned());
            error!(
                "the clock is off by {by}, beyond the panic threshold: set it roughly by hand, or {allow}"
            );
            Exit::Panic
        }
    }
}
