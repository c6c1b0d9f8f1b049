//! The commands.

mod associations;
mod clients;
mod peers;
mod reports;
mod variables;

use std::io::{self, Write};

use crate::client::{Client, ClientError};

use crate::format::peers::Layout;
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
peers                      the sources, one line each; apeers with their numbers, opeers with
                           the addresses here, rpeers with their names last
associations (as)          their numbers and status words; pas those that are in use
readvar (rv)               variables of the system
readvar ASSOC [NAME,...]   variables of a source, by number or &INDEX; all or those named
mreadvar ASSOC ASSOC       the same of several
clockvar (cv) [ASSOC]      variables of a reference clock
pstats ASSOC               what has been counted of a source
mrulist                    the clients that it remembers, the latest first
quit                       end
Reports of the system: ";

/// Runs one line of command.
pub(crate) fn run(line: &str, context: &mut Context<'_>, out: &mut dyn Write) -> Result<Next, CommandError> {
    let mut words = line.split_whitespace();
    let Some(name) = words.next() else { return Ok(Next::Continue) };
    let words: Vec<&str> = words.collect();
    if let Some(layout) = Layout::of(name) {
        peers::run(layout, context, out)?;
        return Ok(Next::Continue);
    }
    match name {
        "associations" | "as" | "lassociations" => associations::run(true, context, out)?,
        "passociations" | "pas" | "lpassociations" => associations::run(false, context, out)?,
        "readvar" | "rv" | "readlist" | "rl" => variables::run(&words, context, out)?,
        "clockvar" | "cv" | "clocklist" | "cl" => variables::clock(&words, context, out)?,
        "mreadvar" | "mrv" | "mreadlist" | "mrl" => variables::several(&words, context, out)?,
        "pstats" => {
            let Some(word) = words.first() else {
                return Err(CommandError::Usage("usage: pstats ASSOCIATION".to_owned()));
            };
            let association = variables::association(word, context)?;
            reports::run(reports::PSTATS, association, context, out)?;
        }
        "mrulist" | "monlist" => clients::run(context, out)?,
        "help" | "?" => {
            out.write_all(HELP.as_bytes())?;
            writeln!(out, "{}", reports::names().collect::<Vec<_>>().join(" "))?;
        }
        "quit" | "exit" => return Ok(Next::Quit),
        _ => match reports::find(name) {
            Some(report) => reports::run(report, 0, context, out)?,
            None => return Err(CommandError::Usage(format!("Command `{}' unknown", name.escape_debug()))),
        },
    }
    Ok(Next::Continue)
}
