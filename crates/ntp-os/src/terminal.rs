//! The terminal: how wide it is, single keys from it, and lines that are not shown.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::sys;

/// How many columns the terminal of standard output has; `None` where it is none, or does not say.
pub fn columns() -> Option<u16> {
    sys::terminal::columns(io::stdout().as_fd())
}

/// The signals that end a program from outside.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// From now on, whatever ends this process from outside first gives the terminal back as it is now. Call it before any
/// other thread runs. Nothing happens where standard input is no terminal.
pub fn give_back_when_ended() {
    static ONCE: Once = Once::new();
    ONCE.call_once(wait_for_the_end);
}

fn wait_for_the_end() {
    let Ok(before) = tcgetattr(io::stdin()) else { return };
    let ending: SigSet = ENDING.into_iter().collect();
    // Blocked in every thread but the one that waits for them.
    if ending.thread_block().is_err() {
        return;
    }
    let wait = move || {
        while let Ok(signal) = ending.wait() {
            // A terminal that has gone away needs no care.
            tcsetattr(io::stdin(), SetArg::TCSANOW, &before).unwrap_or_default();
            // As it would have been without this; where the signal is ignored (`nohup`), life goes on.
            if ending
                .thread_unblock()
                .and_then(|()| raise(signal))
                .and_then(|()| ending.thread_block())
                .is_err()
            {
                return;
            }
        }
    };
    if thread::Builder::new().name("signals".to_owned()).spawn(wait).is_err() {
        ending.thread_unblock().unwrap_or_default();
    }
}

/// Asks for a line that is not shown while it is typed; `None` where standard input is no terminal, or has ended.
///
/// # Errors
///
/// Where the terminal cannot be read.
pub fn hidden_line(prompt: &str) -> io::Result<Option<String>> {
    let Ok(before) = tcgetattr(io::stdin()) else { return Ok(None) };
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    io::stderr().write_all(prompt.as_bytes())?;
    tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &silent)?;
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    tcsetattr(io::stdin(), SetArg::TCSANOW, &before)?;
    io::stderr().write_all(b"\n")?;
    Ok((read? > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Ctrl-Z, where it is a key.
const SUSPEND: u8 = 26;

/// What came of waiting for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// A key; those that usually interrupt are keys as well.
    Key(u8),
    /// None in time.
    Nothing,
    /// There is no terminal any more.
    Closed,
}

/// Keys are read one by one and not shown, until this is dropped.
#[derive(Debug)]
pub struct Keys {
    before: Termios,
    raw: Termios,
}

impl Keys {
    /// `None` where standard input is no terminal.
    pub fn listen() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        // Ctrl-C must come as a key, or it would end the program before the terminal is as it was.
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).ok()?;
        Some(Self { before, raw })
    }

    /// Waits for a key, at most for so long.
    pub fn wait(&self, patience: Duration) -> Pressed {
        let end = Instant::now() + patience;
        let stdin = io::stdin();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waiting, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Ok(0) => return Pressed::Nothing,
                Err(Errno::EINTR) => continue,
                Err(_) => return Pressed::Closed,
                Ok(_) => {}
            }
            let mut key = [0];
            // Behind the buffer of the standard library, which would wait for a whole line.
            return match nix::unistd::read(stdin.as_fd(), &mut key) {
                Ok(1) if key == [SUSPEND] => {
                    self.suspend();
                    Pressed::Nothing
                }
                Ok(1) => Pressed::Key(key[0]),
                Err(Errno::EINTR) => continue,
                Ok(_) | Err(_) => Pressed::Closed,
            };
        }
    }

    /// Stops, as Ctrl-Z does elsewhere, with the terminal as it was; returns when the shell goes on with the program.
    fn suspend(&self) {
        tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before).unwrap_or_default();
        raise(Signal::SIGTSTP).unwrap_or_default();
        tcsetattr(io::stdin(), SetArg::TCSANOW, &self.raw).unwrap_or_default();
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that has gone away needs no care.
        tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_no_columns_and_no_keys() {
        if !io::IsTerminal::is_terminal(&io::stdin()) {
            assert!(Keys::listen().is_none());
        }
        assert_ne!(columns(), Some(0));
    }
}
