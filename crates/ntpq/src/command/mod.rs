//! The commands.

mod associations;
mod clients;
mod peers;
mod reports;
mod signed;
mod variables;

use std::io::{self, Write};

use ntp_proto::auth::{Algorithm, KeyId};

use crate::client::{Client, ClientError};
use crate::keys::Choice;
use crate::why::{self, Standing};

use crate::format::peers::Layout;
pub(crate) use peers::Heading;

/// What a command works with.
pub(crate) struct Context<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) numeric: bool,
    /// As it was named.
    pub(crate) host: &'a str,
    /// For programs.
    pub(crate) json: bool,
    pub(crate) key: &'a mut Choice,
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
    /// The clock is not synchronized, or a source is not used: what has been said explains it.
    #[error("")]
    NotGood,
    /// The daemon has said why it does not do what was asked.
    #[error("")]
    Declined,
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
why [SOURCE]               in words: is the clock synchronized, is each source used, and why not
ifstats, reslist           listening sockets, the access list (signed: keyid, or -a and -k)
:config LINE               puts a line of ntp.conf in force until ntpd ends (signed)
keyid, keytype, passwd     the key to sign with, where it is not in a file
quit                       end
Reports of the system: ";

/// Chooses the key that questions are signed with, or says which one it is.
fn choose(name: &str, words: &[&str], key: &mut Choice, out: &mut dyn Write) -> Result<(), CommandError> {
    let usage = |what: &str| CommandError::Usage(format!("usage: {name} {what}"));
    match (name, words.first()) {
        ("keyid", None) => match key.id {
            Some(id) => writeln!(out, "keyid is {}", id.number())?,
            None => writeln!(out, "no keyid defined")?,
        },
        ("keyid", Some(word)) => {
            key.id = Some(word.parse().ok().and_then(KeyId::new).ok_or_else(|| usage("NUMBER"))?);
        }
        ("keytype", None) => {
            writeln!(out, "keytype is {}", key.algorithm.unwrap_or(Algorithm::Md5).name())?;
        }
        ("keytype", Some(word)) => {
            key.algorithm = Some(Algorithm::from_name(word).ok_or_else(|| usage("MD5|SHA1|AES128CMAC|..."))?);
        }
        (_, word) => key.secret = Some((*word.ok_or_else(|| usage("SECRET"))?).to_owned()),
    }
    Ok(())
}

/// How the clock stands, or a source.
fn explain(wanted: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    match why::run(context.client, context.host, wanted, context.json, out)? {
        Standing::Good => Ok(()),
        Standing::Bad => Err(CommandError::NotGood),
    }
}

/// What has been counted of a source.
fn count(wanted: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let word = wanted.ok_or_else(|| CommandError::Usage("usage: pstats ASSOCIATION".to_owned()))?;
    let association = variables::association(word, context)?;
    reports::run(reports::PSTATS, association, context, out)
}

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
        "pstats" => count(words.first().copied(), context, out)?,
        "why" => explain(words.first().copied(), context, out)?,
        "ifstats" => signed::interfaces(context, out)?,
        "reslist" => signed::rules(context, out)?,
        ":config" | "config" => signed::configure(&words.join(" "), context, out)?,
        "keyid" | "keytype" | "passwd" => choose(name, &words, context.key, out)?,
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
