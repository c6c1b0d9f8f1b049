//! Signals that ask for something. Whoever finds the pid file or the socket may send one before the daemon can do what it
//! asks: it waits until then, and does not end the daemon in the middle of its start.

use std::io;

use nix::sys::signal::SigSet;
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Has them wait, here and in every thread that this one starts.
pub(crate) fn hold() -> io::Result<()> {
    Ok(held().thread_block()?)
}

fn held() -> SigSet {
    [SIGHUP, SIGINT, SIGTERM].into_iter().collect()
}

/// Those that are waited for.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) terminate: Signal,
    pub(crate) interrupt: Signal,
    pub(crate) hangup: Signal,
}

impl Signals {
    /// Listens to them; those that have been held come first.
    pub(crate) fn listen() -> io::Result<Self> {
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        held().thread_unblock()?;
        Ok(signals)
    }
}
