//! A thread that serves one socket: waits for a request, takes what else is there, and answers.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::Cache;
use ntp_os::batch::{Arrivals, Departures, REQUEST_LEN_MAX};
use ntp_os::clock::{Pair, read_pair_quickly};
use ntp_os::udp::Socket;
use ntp_proto::server::{ClientList, ClientTable, Counters, Outcome, Reply, Request, Verdict, respond};
use ntp_proto::time::NtpDuration;
use tracing::warn;

use super::pace::{HALF_BATCH, Pace, SUB_BATCH};
use super::{Published, Question, Shared};

/// Datagrams taken at once.
pub(super) const BATCH: usize = 64;

/// How soon a thread notices that it should end.
const LIMIT: Duration = Duration::from_secs(1);

/// What is received whole is what is looked at.
const _: () = assert!(REQUEST_LEN_MAX == ntp_proto::server::REQUEST_LEN_MAX);

/// After an error of the socket.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// After so many in a row the socket is given up; another one takes its place when addresses are looked for.
const ERRORS_MAX: u32 = 50;

/// A running thread.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) address: SocketAddr,
    pub(super) socket: Arc<Socket>,
    pub(super) clients: Arc<ClientList>,
    pub(super) counters: Arc<Counters>,
    ends: Arc<AtomicBool>,
}

impl Worker {
    pub(super) fn start(
        address: SocketAddr,
        socket: Socket,
        table: ClientTable,
        shared: Shared,
    ) -> io::Result<Self> {
        socket.wait_at_most(LIMIT)?;
        let socket = Arc::new(socket);
        let (clients, counters) = (table.list(), Arc::new(Counters::default()));
        let ends = Arc::new(AtomicBool::new(false));
        let work = Work {
            socket: Arc::clone(&socket),
            table,
            shared,
            counters: Arc::clone(&counters),
            arrivals: Arrivals::new(BATCH),
            departures: Departures::new(SUB_BATCH),
            replies: Vec::with_capacity(SUB_BATCH),
            pace: Pace::default(),
        };
        let flag = Arc::clone(&ends);
        thread::Builder::new()
            .name(format!("serve {address}"))
            .stack_size(STACK)
            .spawn(move || work.run(&flag))?;
        Ok(Self { address, socket, clients, counters, ends })
    }

    /// Whether it serves.
    pub(super) fn is_alive(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    /// Ends the thread, within a second.
    pub(super) fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// What a thread needs; its buffers are on the heap.
const STACK: usize = 256 << 10;

/// What a thread works with. Nothing of it is allocated while it runs.
struct Work {
    socket: Arc<Socket>,
    table: ClientTable,
    shared: Shared,
    counters: Arc<Counters>,
    arrivals: Arrivals,
    departures: Departures,
    /// The answers that wait in `departures`.
    replies: Vec<Reply>,
    pace: Pace,
}

impl Work {
    fn run(mut self, ends: &AtomicBool) {
        let mut failures = 0;
        // It looks whether there is something new without writing anything that other threads read.
        let mut published = Cache::new(Arc::clone(&self.shared.published));
        while !ends.load(Ordering::Relaxed) {
            match self.arrivals.receive(self.socket.inner(), BATCH) {
                Ok(count) => {
                    failures = 0;
                    self.serve(count, published.load());
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // An interface that is down may come up again.
                Err(error) => {
                    if failures == 0 {
                        warn!("{:?}: cannot be read: {error}", self.socket.local_address());
                    }
                    failures += 1;
                    if failures >= ERRORS_MAX {
                        ends.store(true, Ordering::Relaxed);
                    }
                    thread::sleep(ERROR_PAUSE);
                }
            }
        }
    }

    fn serve(&mut self, count: usize, published: &Published) {
        let Ok(now) = read_pair_quickly() else { return };
        self.counters.note_batch();
        for index in 0..count {
            self.serve_one(index, published, now);
            if self.departures.is_full() {
                self.send(published);
            }
        }
        self.send(published);
    }

    fn serve_one(&mut self, index: usize, published: &Published, now: Pair) {
        let Some((arrival, bytes)) = self.arrivals.get(index) else {
            return self.counters.note(&Verdict::Silence(Outcome::Malformed), &[]);
        };
        let waited = arrival.stamp.map_or(Duration::ZERO, |stamp| now.realtime.saturating_sub(stamp));
        let received = published.clock.moment(now, arrival.stamp);
        let request =
            Request { bytes, from: arrival.from, received: received.system, at: received.mono, waited };
        let verdict = respond(&published.reference, &published.rules, &mut self.table, &request);
        self.counters.note(&verdict, bytes);
        match verdict {
            Verdict::Answer(reply) => {
                if self.departures.reply_to(&self.arrivals, index) {
                    self.replies.push(reply);
                }
            }
            Verdict::Control(restrictions) => {
                let socket = Arc::clone(&self.socket);
                let question = Question { bytes: bytes.to_vec(), arrival, restrictions, socket };
                // Where the main loop has enough to do, the question is lost, as in a full socket.
                drop(self.shared.questions.try_send(question));
            }
            Verdict::Silence(_) => {}
        }
    }

    /// Sends the answers that wait.
    fn send(&mut self, published: &Published) {
        let count = self.replies.len();
        if self.pace.is_halved(count) {
            self.send_part(published, 0..HALF_BATCH);
            self.send_part(published, HALF_BATCH..count);
        } else if count > 0 {
            self.send_part(published, 0..count);
        }
        self.replies.clear();
        self.departures.forget();
    }

    fn note_unsent(&self, count: usize) {
        if count > 0 {
            self.counters.note_unsent(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// Stamps some of them, each with the moment at which it will leave, and sends them in one call.
    fn send_part(&mut self, published: &Published, part: Range<usize>) {
        let read = || read_pair_quickly().map(|now| published.clock.moment(now, None).system);
        let Ok(start) = read() else { return };
        let count = part.len();
        let replies = self.replies.get_mut(part.clone()).unwrap_or_default();
        for (index, reply) in replies.iter_mut().enumerate() {
            let later = if count > 1 { self.pace.leaves(index, count) } else { NtpDuration::ZERO };
            reply.seal(start + later, &published.rules.keys);
            self.departures.put(part.start + index, reply.as_bytes());
        }
        if count == 1 {
            let unsent = self.departures.send(self.socket.inner(), part);
            self.note_unsent(unsent);
            return;
        }
        let sealed = read();
        let unsent = self.departures.send(self.socket.inner(), part);
        self.note_unsent(unsent);
        if let (Ok(sealed), Ok(end)) = (sealed, read()) {
            self.pace.learn(sealed - start, end - sealed, count);
        }
    }
}
