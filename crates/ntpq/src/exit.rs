//! How it ends.

use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: every question was answered.
    Done,
    /// 1: usage.
    Usage,
    /// 2: no answer.
    NoAnswer,
    /// 3: the daemon refused.
    Refused,
    /// 4: the clock is not synchronized, or the source is not used.
    NotGood,
    /// 5: `verify`: it is synchronized, and not as well as was asked for.
    Threshold,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Usage => 1,
            Exit::NoAnswer => 2,
            Exit::Refused => 3,
            Exit::NotGood => 4,
            Exit::Threshold => 5,
        })
    }
}
