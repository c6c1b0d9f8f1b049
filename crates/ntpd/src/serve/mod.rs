//! Answering clients: by the main loop while there are few, by threads of their own when there are many.
//!
//! Everything that an answer depends on is published in one piece, which a thread reads once for each
//! batch without waiting for anybody. `worker.rs` is a thread, `pace.rs` when its answers leave.

mod pace;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use ntp_conf::directive::ServerThreads;
use ntp_os::spread;
use ntp_os::udp::{Arrival, Socket};
use ntp_proto::server::{
    ClientList, ClientTable, Counters, Counts, Outcome, Request, Restrictions, ServerRules, Verdict, respond,
};
use ntp_proto::system::Reference;
use ntp_proto::time::MonoTime;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::clock::{self, Clock, ClockView};
use worker::Worker;

/// So many requests a second are worth threads of their own: the main loop answers as many in a tenth of a
/// processor's time.
const BUSY: u64 = 2000;

/// So few are not, if they stay so few.
const QUIET: u64 = 200;

/// For how long they must.
const QUIET_TIME: Duration = Duration::from_mins(10);

/// Over how long requests are counted.
const COUNTED: Duration = Duration::from_secs(1);

/// A machine that listens on more addresses than that is served by the main loop: each thread has one.
const ADDRESSES_MAX: usize = 64;

/// Questions of mode 6 that wait for the main loop; more are dropped, as they would be in a full socket.
const QUESTIONS_MAX: usize = 64;

/// What an answer depends on.
#[derive(Debug)]
struct Published {
    reference: Reference,
    rules: Arc<ServerRules>,
    clock: ClockView,
}

/// What all threads share.
#[derive(Clone, Debug)]
struct Shared {
    published: Arc<ArcSwap<Published>>,
    questions: mpsc::Sender<Question>,
}

/// A question of mode 6 that came to a thread. The answer leaves from the socket it came in on.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) bytes: Vec<u8>,
    pub(crate) arrival: Arrival,
    pub(crate) restrictions: Restrictions,
    pub(crate) socket: Arc<Socket>,
}

/// How clients are served.
#[derive(Debug)]
pub(crate) struct Service {
    shared: Shared,
    answers: mpsc::Receiver<Question>,
    threads: ServerThreads,
    list_size: (usize, Option<usize>),
    code_point: u8,
    began: MonoTime,
    /// The clients of the main loop; none as long as nobody has asked.
    table: Option<ClientTable>,
    /// What became of datagrams that came to the main loop, by the address that they came to.
    counters: BTreeMap<SocketAddr, Counters>,
    workers: Vec<Worker>,
    /// What threads counted that have ended.
    retired: Counts,
    /// When requests were counted last, and how many there were.
    counted: (MonoTime, u64),
    /// When there was last much to do.
    busy: MonoTime,
}

/// What is said once about how clients are served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServicePlan {
    pub(crate) threads: ServerThreads,
    /// Bytes for the list of clients, and perhaps the most entries.
    pub(crate) list_size: (usize, Option<usize>),
    pub(crate) code_point: u8,
}

impl Service {
    pub(crate) fn new(
        plan: ServicePlan,
        rules: ServerRules,
        reference: &Reference,
        clock: &Clock,
        began: MonoTime,
    ) -> Self {
        let published = Published { reference: *reference, rules: Arc::new(rules), clock: clock.view() };
        let (questions, answers) = mpsc::channel(QUESTIONS_MAX);
        Self {
            shared: Shared { published: Arc::new(ArcSwap::from_pointee(published)), questions },
            answers,
            threads: plan.threads,
            list_size: plan.list_size,
            code_point: plan.code_point,
            began,
            table: None,
            counters: BTreeMap::new(),
            workers: Vec::new(),
            retired: Counts::default(),
            counted: (began, 0),
            busy: began,
        }
    }

    /// Publishes what we are to our clients, and what the clock shows, if either has changed.
    pub(crate) fn publish(&self, reference: &Reference, clock: &Clock) {
        let known = self.shared.published.load();
        let view = clock.view();
        if known.reference != *reference || known.clock != view {
            let rules = Arc::clone(&known.rules);
            self.shared.published.store(Arc::new(Published { reference: *reference, rules, clock: view }));
        }
    }

    /// Publishes who may ask, how often, with which keys.
    pub(crate) fn set_rules(&self, rules: ServerRules) {
        let known = self.shared.published.load();
        rules.access.count_on_from(&known.rules.access);
        let (reference, clock) = (known.reference, known.clock.clone());
        self.shared.published.store(Arc::new(Published { reference, rules: Arc::new(rules), clock }));
    }

    /// Those in force.
    pub(crate) fn rules(&self) -> Arc<ServerRules> {
        Arc::clone(&self.shared.published.load().rules)
    }

    /// What becomes of a datagram that came to the main loop, at one of its addresses.
    pub(crate) fn respond(
        &mut self,
        address: SocketAddr,
        reference: &Reference,
        request: &Request<'_>,
    ) -> io::Result<Verdict> {
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(new_table(self.list_size, 1, self.began)?),
        };
        let rules = &self.shared.published.load().rules;
        let verdict = respond(reference, rules, table, request);
        self.counters.entry(address).or_default().note(&verdict, request.bytes);
        Ok(verdict)
    }

    /// An answer of the main loop could not be sent.
    pub(crate) fn note_unsent(&mut self, address: SocketAddr) {
        self.counters.entry(address).or_default().note_unsent(1);
    }

    /// A question that came to a thread.
    pub(crate) async fn question(&mut self) -> Question {
        match self.answers.recv().await {
            Some(question) => question,
            // We hold a sender ourselves: it never comes to this.
            None => std::future::pending().await,
        }
    }

    /// What has become of all datagrams so far.
    pub(crate) fn counts(&self) -> Counts {
        let threads = self.workers.iter().map(|worker| worker.counters.read());
        let all = threads.chain(self.counters.values().map(Counters::read));
        all.fold(self.retired, |sum, counts| sum.plus(&counts))
    }

    /// The same of what came to one address, as far as it is still served in the same way.
    pub(crate) fn counts_of(&self, address: SocketAddr) -> Counts {
        let threads = self.workers.iter().filter(|worker| worker.address == address);
        let threads = threads.map(|worker| worker.counters.read());
        let all = threads.chain(self.counters.get(&address).map(Counters::read));
        all.fold(Counts::default(), |sum, counts| sum.plus(&counts))
    }

    /// The addresses that threads serve.
    pub(crate) fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.workers.iter().map(|worker| worker.address).collect()
    }

    /// Buffers for datagrams: each thread has its own.
    pub(crate) fn buffers(&self) -> u64 {
        let threads = u64::try_from(self.workers.len()).unwrap_or(u64::MAX);
        threads.saturating_mul(worker::BATCH as u64).saturating_add(1)
    }

    /// The clients of all threads.
    pub(crate) fn clients(&self) -> Vec<Arc<ClientList>> {
        let own = self.table.iter().map(ClientTable::list);
        own.chain(self.workers.iter().map(|worker| Arc::clone(&worker.clients))).collect()
    }

    /// Whether threads can serve so many addresses.
    pub(crate) const fn can_serve(addresses: usize) -> bool {
        addresses > 0 && addresses <= ADDRESSES_MAX
    }

    /// Whether threads serve.
    pub(crate) const fn has_threads(&self) -> bool {
        !self.workers.is_empty()
    }

    /// Takes stock of the load: how many threads there should be for each family of addresses from now on.
    pub(crate) fn take_stock(&mut self, now: MonoTime) -> usize {
        let automatic = || thread::available_parallelism().map_or(1, usize::from);
        match self.threads {
            ServerThreads::Fixed(count) => count.into(),
            ServerThreads::Auto => {
                if self.is_busy(now) {
                    automatic()
                } else {
                    0
                }
            }
        }
    }

    /// Whether there is work for threads: at once when there is much to do, and for a while after.
    fn is_busy(&mut self, now: MonoTime) -> bool {
        let span = now.since(self.counted.0);
        if span >= COUNTED {
            // What is not served is no reason to set threads up for.
            let served = [Outcome::Answered, Outcome::Kissed, Outcome::Refused, Outcome::Limited];
            let total = self.counts().of(&served);
            let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
            let rate = total.wrapping_sub(self.counted.1).saturating_mul(1000) / millis;
            self.counted = (now, total);
            if rate >= BUSY || self.has_threads() && rate >= QUIET {
                self.busy = now;
                return true;
            }
        }
        self.has_threads() && now.since(self.busy) < QUIET_TIME
    }

    /// Hands the sockets over to threads, `threads` for each family of addresses: where there are many
    /// addresses, each has at least one.
    pub(crate) fn start(&mut self, sockets: Vec<(SocketAddr, Socket)>, threads: usize) {
        let each = |v4: bool| {
            let addresses = sockets.iter().filter(|(address, _)| address.is_ipv4() == v4).count();
            threads.div_ceil(addresses.max(1)).max(1)
        };
        let per_address = [each(false), each(true)];
        let total: usize =
            sockets.iter().map(|(address, _)| per_address[usize::from(address.is_ipv4())]).sum();
        // What threads have that run already is not taken from them.
        let tables = total + self.workers.len();
        // The memory for the list is theirs now, and so is who is in it.
        let former: Vec<Arc<ClientList>> = self.table.take().iter().map(ClientTable::list).collect();
        info!("{total} threads serve {} addresses", sockets.len());
        for (address, socket) in sockets {
            let count = per_address[usize::from(address.is_ipv4())];
            let others: Vec<io::Result<Socket>> = (1..count).map(|_| socket.listen_beside()).collect();
            if let Some(Ok(one)) = others.first()
                && let Err(reason) = spread::by_sender(one, u32::try_from(count).unwrap_or(1))
            {
                debug!("{address}: clients are spread over threads by their ports as well: {reason}");
            }
            for socket in [Ok(socket)].into_iter().chain(others) {
                let started = socket.and_then(|socket| self.start_worker(address, socket, tables, &former));
                if let Err(reason) = started {
                    warn!("{address}: a thread cannot serve it: {reason}");
                }
            }
        }
    }

    fn start_worker(
        &mut self,
        address: SocketAddr,
        socket: Socket,
        tables: usize,
        former: &[Arc<ClientList>],
    ) -> io::Result<()> {
        // A mark that the kernel does not take is no reason not to answer.
        drop(socket.set_code_point(self.code_point));
        let mut table = new_table(self.list_size, tables, self.began)?.in_lane(self.workers.len());
        // The first of each family takes over who asked at its addresses before.
        let v4 = address.is_ipv4();
        if self.workers.iter().all(|worker| worker.address.is_ipv4() != v4) {
            let now = clock::now()?;
            for list in former {
                table.adopt(list, |client| client.is_ipv4() == v4, now);
            }
        }
        self.workers.push(Worker::start(address, socket, table, self.shared.clone())?);
        Ok(())
    }

    /// Listens on these addresses and no others, where threads serve.
    pub(crate) fn listen_on(
        &mut self,
        wanted: &[SocketAddr],
        mut open: impl FnMut(SocketAddr) -> Option<Socket>,
        threads: usize,
    ) {
        let (kept, gone) = std::mem::take(&mut self.workers)
            .into_iter()
            .partition(|worker| wanted.contains(&worker.address) && worker.is_alive());
        self.workers = kept;
        self.retire(gone);
        let is_new = |address: &&SocketAddr| self.workers.iter().all(|worker| worker.address != **address);
        let new: Vec<(SocketAddr, Socket)> = wanted
            .iter()
            .filter(is_new)
            .filter_map(|address| open(*address).map(|socket| (*address, socket)))
            .collect();
        if !new.is_empty() {
            self.start(new, threads);
        }
    }

    /// Whether a thread serves an address.
    pub(crate) fn serves(&self, address: SocketAddr) -> bool {
        self.workers.iter().any(|worker| worker.address == address && worker.is_alive())
    }

    /// Ends all threads; returns a socket for each address that was served, on which what comes from now on
    /// waits for the main loop.
    pub(crate) fn stop(&mut self) -> Vec<(SocketAddr, Socket)> {
        let workers = std::mem::take(&mut self.workers);
        let mut sockets = BTreeMap::new();
        for worker in &workers {
            match worker.socket.listen_beside() {
                Ok(socket) => drop(sockets.entry(worker.address).or_insert(socket)),
                Err(reason) => warn!("{}: the main loop cannot listen: {reason}", worker.address),
            }
        }
        let former: Vec<Arc<ClientList>> = workers.iter().map(|worker| Arc::clone(&worker.clients)).collect();
        self.retire(workers);
        if let (Ok(mut table), Ok(now)) = (new_table(self.list_size, 1, self.began), clock::now()) {
            for list in former {
                table.adopt(&list, |_| true, now);
            }
            self.table = Some(table);
        }
        info!("the main loop serves again");
        sockets.into_iter().collect()
    }

    fn retire(&mut self, workers: Vec<Worker>) {
        for worker in workers {
            self.retired = self.retired.plus(&worker.counters.read());
            worker.end();
        }
    }
}

/// One of so many tables that share the memory for all.
fn new_table(size: (usize, Option<usize>), tables: usize, began: MonoTime) -> io::Result<ClientTable> {
    let random = || getrandom::u64().map_err(io::Error::other);
    let (memory, entries) = size;
    let share = |whole: usize| whole.div_ceil(tables.max(1));
    Ok(ClientTable::new(share(memory), entries.map(share), (random()?, random()?), random()?, began))
}
