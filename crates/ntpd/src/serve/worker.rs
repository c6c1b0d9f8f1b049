//! A thread that serves one socket: waits for a request, takes what else is there, and answers.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ntp_os::batch::{Arrivals, Departures};
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

/// Requests that have waited longer get no answer: their clients have given up, or would measure the queue.
const AGE_MAX: Duration = Duration::from_millis(500);

/// Room for a burst of requests: 10^4 of them.
const BUFFER: usize = 4 << 20;

/// After an error of the socket.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

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
        socket.make_room(BUFFER);
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
        let mut failing = false;
        while !ends.load(Ordering::Relaxed) {
            match self.arrivals.receive(self.socket.inner(), BATCH) {
                Ok(count) => {
                    failing = false;
                    self.serve(count);
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // An interface that is down may come up again.
                Err(error) => {
                    if !failing {
                        warn!("{:?}: cannot be read: {error}", self.socket.local_address());
                    }
                    failing = true;
                    thread::sleep(ERROR_PAUSE);
                }
            }
        }
    }

    fn serve(&mut self, count: usize) {
        let shared = Arc::clone(&self.shared.published);
        let published = shared.load();
        let Ok(now) = read_pair_quickly() else { return };
        self.counters.note_batch();
        for index in 0..count {
            self.serve_one(index, &published, now);
            if self.departures.is_full() {
                self.send(&published);
            }
        }
        self.send(&published);
    }

    fn serve_one(&mut self, index: usize, published: &Published, now: Pair) {
        let Some((arrival, bytes)) = self.arrivals.get(index) else {
            return self.counters.note(&Verdict::Silence(Outcome::Malformed), &[]);
        };
        if arrival.stamp.is_some_and(|stamp| now.realtime.saturating_sub(stamp) > AGE_MAX) {
            return self.counters.note(&Verdict::Silence(Outcome::Stale), bytes);
        }
        let received = published.clock.moment(now, arrival.stamp);
        let request = Request { bytes, from: arrival.from, received: received.system, at: received.mono };
        let verdict = respond(&published.reference, &published.rules, &mut self.table, &request);
        self.counters.note(&verdict, bytes);
        match verdict {
            Verdict::Answer(reply) => {
                self.departures.reply_to(&self.arrivals, index);
                self.replies.push(reply);
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
            let later = if count > 1 { self.pace.leaves(index) } else { NtpDuration::ZERO };
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
