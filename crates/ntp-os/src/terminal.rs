//! The terminal: how wide it is, and single keys from it.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::sys;

/// How many columns the terminal of standard output has; `None` where it is none, or does not say.
pub fn columns() -> Option<u16> {
    sys::terminal::columns(io::stdout().as_fd())
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
        now.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &now).ok()?;
        Some(Self { before })
    }

    /// The next key, if one is pressed within `patience`.
    pub fn wait(&self, patience: Duration) -> Option<u8> {
        let stdin = io::stdin();
        let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        if !poll(&mut waiting, timeout).is_ok_and(|ready| ready > 0) {
            return None;
        }
        let mut key = [0];
        // Behind the buffer of the standard library, which would wait for a whole line.
        nix::unistd::read(stdin.as_fd(), &mut key).ok().filter(|count| *count == 1).map(|_| key[0])
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
