//! The commands.

mod associations;
mod classic;
mod clients;
mod controls;
mod peers;
mod reports;
mod signed;
pub(crate) mod table;
pub use table::commands;
mod variables;

use std::io::{self, Write};
use std::time::Instant;

use ntp_os::terminal;
use ntp_proto::auth::{Algorithm, KeyId};

use crate::cli::TargetError;
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::json;
use crate::keys::Choice;
use crate::settings::Settings;
use crate::verify::{self, Wanted};
use crate::why::{self, Standing};
use serde_json::json;

use crate::format::peers::Layout;
pub(crate) use peers::Heading;

/// What a command works with.
pub(crate) struct Context<'a> {
    pub(crate) client: &'a mut Client,
    /// As it was named.
    pub(crate) host: String,
    pub(crate) settings: &'a mut Settings,
    pub(crate) key: &'a mut Choice,
    /// The host's name and its column's width, where several are asked.
    pub(crate) heading: Option<Heading>,
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
    /// A host that was named cannot be asked.
    #[error(transparent)]
    Unreachable(#[from] TargetError),
    /// The daemon has said why it does not do what was asked.
    #[error("")]
    Declined,
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// Whether it is only that nobody reads any more.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self, Self::Output(reason) if reason.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What comes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    Quit,
    /// Nobody reads what is said any more, as where `head` has seen enough.
    Unread,
}

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
        (_, word) => {
            let asked = || terminal::hidden_line("Password: ").ok().flatten().filter(|line| !line.is_empty());
            let secret = word.map(|word| (*word).to_owned()).or_else(asked);
            key.secret = Some(secret.ok_or_else(|| usage("SECRET"))?);
        }
    }
    Ok(())
}

/// How the clock stands, or a source.
fn explain(wanted: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    match why::run(context, wanted, out)? {
        Standing::Good => Ok(()),
        Standing::Bad => Err(CommandError::NotGood),
    }
}

/// What has been counted of a source.
fn count(wanted: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let word = wanted.ok_or_else(|| CommandError::Usage("usage: pstats ASSOCIATION".to_owned()))?;
    let association = variables::association(word, context)?;
    if association == 0 {
        let words = "pstats is about a source, and 0 is the system: see `associations`, or `sysstats`";
        return Err(CommandError::Usage(words.to_owned()));
    }
    let classics = classic::find("pstats").filter(|_| context.settings.classic && !context.settings.json);
    if let Some(report) = classics {
        return classic::run(&report, association, context, out);
    }
    reports::run(reports::PSTATS, association, context, out)
}

/// Runs one line of command. For programs, what has no object of its own becomes one, and so does a failure.
pub(crate) fn run(line: &str, context: &mut Context<'_>, out: &mut dyn Write) -> Result<Next, CommandError> {
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return Ok(Next::Continue) };
    let words: Vec<&str> = words.collect();
    if !context.settings.json {
        return dispatch(table::meant(first)?, &words, context, out);
    }
    let mut said = Vec::new();
    let meant = table::meant(first);
    let name = *meant.as_ref().unwrap_or(&first);
    let outcome = meant.and_then(|name| dispatch(name, &words, context, &mut said));
    match &outcome {
        Ok(_) | Err(CommandError::NotGood | CommandError::Declined) if said.first() == Some(&b'{') => {
            out.write_all(&said)?;
        }
        Ok(Next::Continue | Next::Quit) => {
            let text = String::from_utf8_lossy(&said).trim_end().to_owned();
            json::write(&context.host, name, json!({ "said": text }), out)?;
        }
        Ok(_) => {}
        Err(error) => {
            // The stars are for those who look for them in lines of text.
            let text = error.to_string().trim_start_matches('*').to_owned();
            json::write(&context.host, name, json!({ "error": text }), out)?;
        }
    }
    outcome
}

fn dispatch(
    name: &str,
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<Next, CommandError> {
    if let (Some(word), true) = (words.first(), table::takes_nothing(name)) {
        let word = word.escape_debug();
        return Err(CommandError::Usage(format!("***{name} takes nothing: what is `{word:.40}' for?")));
    }
    match name {
        "quit" => return Ok(Next::Quit),
        "help" => table::help(words.first().copied(), out)?,
        "why" => explain(words.first().copied(), context, out)?,
        "verify" => return verify(context, out),
        _ => {
            let known = controls::run(name, words, context, out)?
                || list(name, words, context, out)?
                || read(name, words, context, out)?;
            debug_assert!(known, "{name} is in the table, and nowhere else");
        }
    }
    Ok(Next::Continue)
}

/// Lists: sources, clients, sockets, rules. Whether it is one of these commands.
fn list(
    name: &str,
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    if let Some(layout) = Layout::of(name) {
        peers::run(name, layout, context, out)?;
        return Ok(true);
    }
    match name {
        "associations" => associations::run(true, context, out)?,
        "passociations" => associations::run(false, context, out)?,
        "ifstats" => signed::interfaces(context, out)?,
        "reslist" => signed::rules(context, out)?,
        ":config" => signed::configure(&words.join(" "), context, out)?,
        "config-from-file" => signed::configure_from(words.first().copied(), context, out)?,
        "authenticate" => signed::authenticate(words.first().copied(), context, out)?,
        "keyid" | "keytype" | "passwd" => choose(name, words, context.key, out)?,
        "mrulist" => clients::run(words, context, out)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Variables, and reports of them. Whether it is one of these commands.
fn read(
    name: &str,
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    match name {
        "readvar" => variables::run(words, false, context, out)?,
        "readlist" => variables::run(words, true, context, out)?,
        "clockvar" => variables::clock(words, false, context, out)?,
        "clocklist" => variables::clock(words, true, context, out)?,
        "mreadvar" => variables::several(words, false, context, out)?,
        "mreadlist" => variables::several(words, true, context, out)?,
        "pstats" => count(words.first().copied(), context, out)?,
        _ => return report(name, context, out),
    }
    Ok(true)
}

/// A table of the system's variables. Whether it is one of these commands.
fn report(name: &str, context: &mut Context<'_>, out: &mut dyn Write) -> Result<bool, CommandError> {
    let classics = classic::find(name).filter(|_| context.settings.classic && !context.settings.json);
    match (classics, reports::find(name)) {
        (Some(report), Some(_)) => classic::run(&report, 0, context, out)?,
        (None, Some(report)) => reports::run(report, 0, context, out)?,
        (_, None) => return Ok(false),
    }
    Ok(true)
}

/// Whether the clock is synchronized; thresholds are for the command line.
fn verify(context: &mut Context<'_>, out: &mut dyn Write) -> Result<Next, CommandError> {
    let (wanted, for_programs) = (Wanted::default(), context.settings.json);
    match verify::run(context.client, &context.host, &wanted, Instant::now(), for_programs, out)? {
        Exit::Done => Ok(Next::Continue),
        Exit::Usage | Exit::NoAnswer | Exit::Refused | Exit::NotGood | Exit::Threshold => {
            Err(CommandError::NotGood)
        }
    }
}
