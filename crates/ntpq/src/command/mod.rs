//! The commands.

mod associations;
mod classic;
mod clients;
mod controls;
mod peers;
mod reports;
mod signed;
mod variables;

use std::io::{self, Write};
use std::time::Duration;

use ntp_proto::auth::{Algorithm, KeyId};
use ntp_proto::control::schema::{CLOCK, PEER, SYSTEM};

use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::keys::Choice;
use crate::settings::Settings;
use crate::verify::{self, Wanted};
use crate::why::{self, Standing};

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
why [SOURCE]                 in words: is the clock synchronized, is each source used, and why not
verify                       the same in one line
peers                        the sources, one line each; apeers with their numbers, opeers with the
                             addresses here, rpeers with their names last
associations (as)            their numbers and status words; pas those that are in use
readvar (rv) [ASSOC [NAME,...]]  variables of the system, or of a source by number or &INDEX
mreadvar (mrv) ASSOC ASSOC   the same of several
clockvar (cv) [ASSOC]        variables of a reference clock
readlist (rl), mreadlist (mrl), clocklist (cl)  those on the list of addvars, rmvars, clearvars, showvars
pstats ASSOC                 what has been counted of a source
mrulist [sort=[-]lstint|avgint|addr|count|score] [mincount=N] [limited] [kod] [recent=N] [laddr=ADDRESS]
        [maxlstint=S] [minlstint=S] [resany=BITS] [resall=BITS]  the clients that it remembers
ifstats, reslist             listening sockets, the access list (signed: keyid, or -a and -k)
:config LINE                 puts a line of ntp.conf in force until ntpd ends (signed)
keyid, keytype, passwd       the key to sign with, where it is not in a file
host [NAME], timeout [MS], ntpversion [N], debug [LEVEL]   whom to ask, and how
hostnames [yes|no], raw, cooked, units                     how answers are shown
help [COMMAND|VARIABLE]      this; or what a variable means
quit                         end
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
    match why::run(context.client, &context.host, wanted, context.settings.json, out)? {
        Standing::Good => Ok(()),
        Standing::Bad => Err(CommandError::NotGood),
    }
}

/// What has been counted of a source.
fn count(wanted: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let word = wanted.ok_or_else(|| CommandError::Usage("usage: pstats ASSOCIATION".to_owned()))?;
    let association = variables::association(word, context)?;
    let classics = classic::find("pstats").filter(|_| context.settings.classic && !context.settings.json);
    if let Some(report) = classics {
        return classic::run(&report, association, context, out);
    }
    reports::run(reports::PSTATS, association, context, out)
}

/// Commands and their other names, for completion and for abbreviations.
const NAMES: &[&str] = &[
    ":config",
    "addvars",
    "apeers",
    "associations",
    "as",
    "authinfo",
    "cl",
    "clearvars",
    "clocklist",
    "clockvar",
    "cooked",
    "cv",
    "debug",
    "delay",
    "exit",
    "help",
    "host",
    "hostnames",
    "ifstats",
    "iostats",
    "kerninfo",
    "keyid",
    "keytype",
    "lassociations",
    "lopeers",
    "lpassociations",
    "lpeers",
    "monlist",
    "monstats",
    "mreadlist",
    "mreadvar",
    "mrl",
    "mrulist",
    "mrv",
    "ntpversion",
    "ntsinfo",
    "opeers",
    "pas",
    "passociations",
    "passwd",
    "peers",
    "pe",
    "pstats",
    "quit",
    "raw",
    "readlist",
    "readvar",
    "reslist",
    "rl",
    "rmvars",
    "rpeers",
    "rv",
    "showvars",
    "sysinfo",
    "sysstats",
    "timeout",
    "timerstats",
    "units",
    "version",
    "why",
    "verify",
    "authenticate",
    "config",
    "poll",
    "readvarlist",
    "clockvarlist",
];

/// The names of commands.
pub(crate) fn command_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied()
}

/// A command as it was meant: by its name, or by a beginning that only one has.
fn meant(word: &str) -> Result<&str, CommandError> {
    if word == "?" || NAMES.contains(&word) {
        return Ok(word);
    }
    let fitting: Vec<&'static str> = command_names().filter(|name| name.starts_with(word)).collect();
    match fitting[..] {
        [one] => Ok(one),
        [] => Err(CommandError::Usage(format!("***Command `{}' unknown", word.escape_debug()))),
        _ => {
            let list = fitting.join(" ");
            Err(CommandError::Usage(format!("***Command `{}' ambiguous: {list}", word.escape_debug())))
        }
    }
}

/// Runs one line of command.
pub(crate) fn run(line: &str, context: &mut Context<'_>, out: &mut dyn Write) -> Result<Next, CommandError> {
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return Ok(Next::Continue) };
    let (name, words) = (meant(first)?, words.collect::<Vec<&str>>());
    match name {
        "quit" | "exit" => return Ok(Next::Quit),
        "help" | "?" => help(words.first().copied(), out)?,
        "why" => explain(words.first().copied(), context, out)?,
        "verify" => return verify(context, out),
        _ => {
            let known = controls::run(name, &words, context, out)?
                || list(name, &words, context, out)?
                || read(name, &words, context, out)?;
            if !known {
                return Err(not_done(name));
            }
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
        "associations" | "as" | "lassociations" => associations::run(true, context, out)?,
        "passociations" | "pas" | "lpassociations" => associations::run(false, context, out)?,
        "ifstats" => signed::interfaces(context, out)?,
        "reslist" => signed::rules(context, out)?,
        ":config" | "config" => signed::configure(&words.join(" "), context, out)?,
        "keyid" | "keytype" | "passwd" => choose(name, words, context.key, out)?,
        "mrulist" | "monlist" => clients::run(words, context, out)?,
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
        "readvar" | "rv" => variables::run(words, false, context, out)?,
        "readlist" | "rl" | "readvarlist" => variables::run(words, true, context, out)?,
        "clockvar" | "cv" => variables::clock(words, false, context, out)?,
        "clocklist" | "cl" | "clockvarlist" => variables::clock(words, true, context, out)?,
        "mreadvar" | "mrv" => variables::several(words, false, context, out)?,
        "mreadlist" | "mrl" => variables::several(words, true, context, out)?,
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

/// Commands of the originals that there are no more.
fn not_done(name: &str) -> CommandError {
    let why = match name {
        "authenticate" => "questions are signed where that is needed: see keyid",
        "poll" => "ask for the time with `ntpctl query HOST`",
        _ => "is not a command",
    };
    CommandError::Usage(format!("***{name}: {why}"))
}

/// Whether the clock is synchronized; thresholds are for the command line.
fn verify(context: &mut Context<'_>, out: &mut dyn Write) -> Result<Next, CommandError> {
    let (wanted, json) = (Wanted::default(), context.settings.json);
    match verify::run(context.client, &context.host, &wanted, Duration::ZERO, json, out)? {
        Exit::Done => Ok(Next::Continue),
        Exit::Usage | Exit::NoAnswer | Exit::Refused | Exit::NotGood | Exit::Threshold => {
            Err(CommandError::NotGood)
        }
    }
}

/// All commands; or what a variable means.
fn help(word: Option<&str>, out: &mut dyn Write) -> Result<(), CommandError> {
    let Some(word) = word else {
        out.write_all(HELP.as_bytes())?;
        writeln!(out, "{}", reports::names().collect::<Vec<_>>().join(" "))?;
        return Ok(());
    };
    let lines: Vec<&str> =
        HELP.lines().filter(|line| line.split([' ', ',']).any(|name| name == word)).collect();
    let variables: Vec<String> = explained(word).collect();
    if lines.is_empty() && variables.is_empty() {
        return Err(CommandError::Usage(format!(
            "***no command or variable is called `{}'",
            word.escape_debug()
        )));
    }
    for line in lines {
        writeln!(out, "{line}")?;
    }
    for line in variables {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What the table of variables says of a name.
fn explained(name: &str) -> impl Iterator<Item = String> {
    let tables = [("system", SYSTEM), ("source", PEER), ("clock", CLOCK)];
    tables.into_iter().filter_map(move |(of, table)| {
        let variable = table.iter().find(|variable| variable.name == name)?;
        let unit = variable.unit.words();
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        Some(format!("{name} ({of}{unit}): {}", variable.meaning))
    })
}
