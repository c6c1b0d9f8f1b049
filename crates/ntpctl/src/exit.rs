//! How a command ends.

use std::io;
use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 1: usage; `check`: errors.
    Usage,
    /// 2: refused, by us or by the daemon; `check --strict`: warnings.
    Refused,
    /// 3: could not write; nothing changed.
    NotWritten,
    /// 4: written, but nobody restarted the daemon; `reload`: there is none to be asked.
    NotRestarted,
    /// 5: the restart failed; rolled back.
    RestartFailed,
    /// 6: the new server did not answer in time; rolled back.
    NoAnswer,
    /// 10: `--dry-run`, and the file would change.
    WouldChange,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Usage => 1,
            Exit::Refused => 2,
            Exit::NotWritten => 3,
            Exit::NotRestarted => 4,
            Exit::RestartFailed => 5,
            Exit::NoAnswer => 6,
            Exit::WouldChange => 10,
        })
    }
}

/// Why a command did not do what was asked. Its text says what is in force now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The words of the command make no sense.
    #[error("{0}")]
    Usage(String),
    /// The file is not fit to be edited, or the edit not fit for the file.
    #[error("{0}")]
    Refused(String),
    /// The daemon will not have the configuration, or not from this user.
    #[error("{0}")]
    NotReloaded(String),
    /// The daemon cannot be asked, or does not say what came of it.
    #[error("{0}")]
    Unanswered(String),
    /// Nothing was changed.
    #[error("{0}; nothing was changed")]
    NotWritten(String),
    /// The file was changed.
    #[error("{0}")]
    NotRestarted(String),
    /// The old file is back.
    #[error("{0}")]
    RestartFailed(String),
    /// The old file is back.
    #[error("{0}")]
    NoAnswer(String),
    /// The reader of the output went away.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) | Self::NotReloaded(_) => Exit::Refused,
            Self::NotWritten(_) | Self::Output(_) => Exit::NotWritten,
            Self::NotRestarted(_) | Self::Unanswered(_) => Exit::NotRestarted,
            Self::RestartFailed(_) => Exit::RestartFailed,
            Self::NoAnswer(_) => Exit::NoAnswer,
        }
    }
}
