//! How the daemon ends.

use std::process::ExitCode;

/// The exit codes, which units and scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: ended as asked; with `-q`, the clock is set.
    Done,
    /// 1: usage, or a configuration that cannot run.
    Usage,
    /// 2: could not listen.
    Bind,
    /// 3: the kernel refuses clock control; restarting would not help.
    ClockRefused,
    /// 4: the clock is wrong beyond the panic threshold.
    Panic,
    /// 5: `-q`, and no source gave time.
    NoTime,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Usage => 1,
            Exit::Bind => 2,
            Exit::ClockRefused => 3,
            Exit::Panic => 4,
            Exit::NoTime => 5,
        })
    }
}
