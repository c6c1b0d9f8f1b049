//! The commands.

mod associations;
mod clients;
mod peers;
mod variables;

use std::io::{self, Write};

use crate::client::{Client, ClientError};

pub(crate) use peers::Heading;

/// What a command works with.
pub(crate) struct Context<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) numeric: bool,
    /// The host's name and its column's width, where several are asked.
    pub(crate) heading: Option<Heading<'a>>,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// There is no such command, or its words are wrong.
    #[error("{0}")]
    Usage(String),
    /// The daemon did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// What comes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    Quit,
}

const HELP: &str = "\
peers                      the sources, one line each
associations (as)          their numbers and status words
readvar (rv)               variables of the system
mrulist                    the clients that it remembers, the latest first
readvar ASSOC [NAME,...]   variables of a source, by number or &INDEX; all or those named
quit                       end
";

/// Runs one line of command.
pub(crate) fn run(line: &str, context: &mut Context<'_>, out: &mut dyn Write) -> Result<Next, CommandError> {
    let mut words = line.split_whitespace();
    let Some(name) = words.next() else { return Ok(Next::Continue) };
    let words: Vec<&str> = words.collect();
    match name {
        "peers" | "pe" => peers::run(context, out)?,
        "associations" | "as" | "lassociations" => associations::run(context, out)?,
        "readvar" | "rv" | "readlist" | "rl" => variables::run(&words, context, out)?,
        "mrulist" | "monlist" => clients::run(context, out)?,
        "help" | "?" => out.write_all(HELP.as_bytes())?,
        "quit" | "exit" => return Ok(Next::Quit),
        _ => return Err(CommandError::Usage(format!("Command `{}' unknown", name.escape_debug()))),
    }
    Ok(Next::Continue)
}
