//! The thread that writes statistics: a file system that hangs stops neither the clock nor the answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use ntp_conf::directive::StatisticsSet;
use ntp_proto::time::UnixTime;
use tracing::warn;

use super::files::{FileSet, Rule};

/// Lines that wait to be written; what comes then is lost.
const WAITING_MAX: usize = 4096;

/// How long the end of the daemon waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// A set, with where its lines go and how.
pub(super) type Kept = (StatisticsSet, PathBuf, Rule);

/// A line, with what its file's name is made of: the date, and how many seconds the daemon has run.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) set: StatisticsSet,
    pub(super) date: UnixTime,
    pub(super) age: u64,
    pub(super) text: String,
}

enum Order {
    Keep(Vec<Kept>),
    Write(Line),
}

/// This end of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Option<Sender<Order>>,
    /// Ends with the thread.
    ended: Receiver<()>,
    waiting: Arc<AtomicUsize>,
    /// Lines lost since the last one that was taken.
    lost: usize,
}

impl Writer {
    /// Starts the thread; it ends with this.
    pub(super) fn start() -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let (end, ended) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&waiting);
        thread::Builder::new().name("statistics".to_owned()).spawn(move || {
            carry_out(&inbox, &shared);
            drop(end);
        })?;
        Ok(Self { orders: Some(orders), ended, waiting, lost: 0 })
    }

    /// What is kept from now on; lines that came before still go where they belonged.
    pub(super) fn keep(&self, kept: Vec<Kept>) {
        self.send(Order::Keep(kept));
    }

    /// Has a line written, or loses it where too many wait; that is spoken of once.
    pub(super) fn write(&mut self, line: Line) {
        if self.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            if self.lost == 0 {
                warn!(
                    "statistics are lost: {WAITING_MAX} lines wait to be written (does the file system of `statsdir` hang?)"
                );
            }
            self.lost += 1;
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            warn!("statistics are written again; {lost} lines were lost");
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.send(Order::Write(line));
    }

    fn send(&self, order: Order) {
        // The thread ends after this.
        if let Some(orders) = &self.orders {
            drop(orders.send(order));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        if self.ended.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            warn!(
                "the last lines of statistics are not written: the file system of `statsdir` does not answer"
            );
        }
    }
}

fn carry_out(inbox: &Receiver<Order>, waiting: &AtomicUsize) {
    let mut sets: Vec<(StatisticsSet, FileSet)> = Vec::new();
    for order in inbox {
        match order {
            Order::Keep(kept) => keep(&mut sets, kept),
            Order::Write(Line { set, date, age, text }) => {
                if let Some((_, files)) = sets.iter_mut().find(|(kept, _)| *kept == set) {
                    files.append(date, age, &text);
                }
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Files that stay the same stay open.
fn keep(sets: &mut Vec<(StatisticsSet, FileSet)>, kept: Vec<Kept>) {
    let mut before = std::mem::take(sets);
    for (set, path, rule) in kept {
        let known = before.iter().position(|(other, files)| *other == set && files.is(&path, rule));
        let files = match known {
            Some(index) => before.swap_remove(index).1,
            None => FileSet::new(path, rule),
        };
        sets.push((set, files));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_conf::directive::FileAge;
    use std::fs;

    fn line(number: usize) -> Line {
        Line { set: StatisticsSet::Loop, date: UnixTime::new(0, 0), age: 0, text: format!("{number}\n") }
    }

    #[test]
    fn all_lines_are_there_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loopstats");
        let mut writer = Writer::start().unwrap();
        writer.keep(vec![(StatisticsSet::Loop, path.clone(), Rule { age: FileAge::None, link: false })]);
        for number in 0..100 {
            writer.write(line(number));
        }
        drop(writer);
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 100);
    }

    #[test]
    fn lines_are_bounded_while_nothing_can_be_written() {
        let (orders, inbox) = channel();
        let (_end, ended) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut writer = Writer { orders: Some(orders), ended, waiting, lost: 0 };
        for number in 0..WAITING_MAX + 10 {
            writer.write(line(number));
        }
        assert_eq!((writer.lost, inbox.try_iter().count()), (10, WAITING_MAX));
    }
}
