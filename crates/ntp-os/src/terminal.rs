//! The terminal: how wide it is, and single keys from it.

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::sys;

/// How many columns the terminal of standard output has; `None` where it is none, or does not say.
pub fn columns() -> Option<u16> {
    sys::terminal::columns(io::stdout().as_fd())
}

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
}

impl Keys {
    /// `None` where standard input is no terminal.
    pub fn listen() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut now = before.clone();
        // Ctrl-C must come as a key, or it would end the program before the terminal is as it was.
        now.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &now).ok()?;
        Some(Self { before })
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
                Ok(1) => Pressed::Key(key[0]),
                Err(Errno::EINTR) => continue,
                Ok(_) | Err(_) => Pressed::Closed,
            };
        }
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
