//! `why`: for the clock, and for every source, one plain sentence that says how it stands, and what to do about it.

mod source;
mod system;

use std::io::Write;

use ntp_proto::control::{ErrorCode, PeerStatus, Variables};
use serde::Serialize;

use crate::client::{Client, ClientError};
use crate::command::{CommandError, Context};
use crate::values::now;

use source::Finding;
use system::Verdict;

/// Counters that tell silence from other troubles.
const COUNTERS: [&str; 5] = ["sent", "received", "badauth", "bogusorg", "timereach"];

/// How it stands, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    host: &'a str,
    command: &'static str,
    synchronized: bool,
    code: &'static str,
    sentence: &'a str,
    notes: &'a [String],
    sources: Vec<SourceReport<'a>>,
}

#[derive(Debug, Serialize)]
struct SourceReport<'a> {
    association: u16,
    source: &'a str,
    code: &'static str,
    used: bool,
    fault: bool,
    sentence: &'a str,
    remedy: &'a str,
}

/// A source and what there is to say of it.
struct Judged {
    association: u16,
    name: String,
    address: String,
    finding: Finding,
}

/// How the clock stands, or the source that was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is synchronized; it is used.
    Good,
    /// It is not.
    Bad,
}

/// Says how the clock and its sources stand; of one source alone, if one is named.
pub(crate) fn run(
    context: &mut Context<'_>,
    wanted: Option<&str>,
    out: &mut dyn Write,
) -> Result<Standing, CommandError> {
    let (verdict, mut sources) = ask(context.client)?;
    if let Some(wanted) = wanted {
        sources.retain(|one| {
            one.name == wanted || one.address == wanted || one.association.to_string() == wanted
        });
        if sources.is_empty() {
            return Err(CommandError::Usage(format!(
                "no source is called \"{}\"; to ask another daemon: ntpq -c why HOST",
                wanted.escape_debug()
            )));
        }
    }
    if context.settings.json {
        write_json(&context.host, &verdict, &sources, out)?;
    } else {
        let is_here = context.client.is_here() && context.heading.is_none();
        let machine =
            if is_here { "This machine".to_owned() } else { context.host.escape_debug().to_string() };
        write_words(&machine, &verdict, &sources, wanted.is_some(), out)?;
    }
    let good =
        if wanted.is_some() { sources.iter().all(|one| one.finding.used) } else { verdict.synchronized };
    Ok(if good { Standing::Good } else { Standing::Bad })
}

fn ask(client: &mut Client) -> Result<(Verdict, Vec<Judged>), ClientError> {
    let (status, system) = client.variables(0, &[])?;
    let ids: Vec<u16> = client.associations()?.iter().map(|association| association.id).collect();
    let mut sources = Vec::new();
    let mut leader = None;
    let answers = client.variables_of(&ids, &[])?.into_iter().zip(client.variables_of(&ids, &COUNTERS)?);
    for (id, (answer, counters)) in ids.iter().zip(answers) {
        let (status, items) = match answer {
            Ok(answer) => answer,
            // It went away between the two questions.
            Err(ClientError::Refused(ErrorCode::BadAssociation)) => continue,
            Err(error) => return Err(error),
        };
        let counters = match counters {
            Ok((_, items)) => items,
            // Not every daemon has them.
            Err(ClientError::Refused(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let variables = Variables(&items);
        let finding = source::judge(&source::Source { status, variables, counters: Variables(&counters) });
        let (name, address) = names(variables);
        if PeerStatus::of(status).selection >= 6 {
            leader = Some((name.clone(), variables.number("offset").unwrap_or(0.0)));
        }
        sources.push(Judged { association: *id, name, address, finding });
    }
    // Where nobody has a majority, nobody is outvoted.
    if leader.is_none() && !sources.iter().any(|one| one.finding.used) {
        for one in &mut sources {
            one.finding.without_majority();
        }
    }
    let leader = leader.as_ref().map(|(name, offset)| (name.as_str(), *offset));
    let findings: Vec<Finding> = sources.iter().map(|one| one.finding.clone()).collect();
    let verdict = system::judge(status, Variables(&system), leader, &findings, now());
    Ok((verdict, sources))
}

/// The name and the address of a source; the same, where it has no name.
fn names(variables: Variables<'_>) -> (String, String) {
    let address = variables.text("srcadr").unwrap_or("?").to_owned();
    let host = variables.text("srchost").filter(|host| !host.is_empty());
    (host.map_or_else(|| address.clone(), str::to_owned), address)
}

fn write_words(
    machine: &str,
    verdict: &Verdict,
    sources: &[Judged],
    alone: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if !alone {
        writeln!(out, "{machine} is {}.", verdict.sentence)?;
        for note in &verdict.notes {
            writeln!(out, "Mind that {note}.")?;
        }
    }
    for one in sources {
        let place =
            if one.name == one.address || one.address.starts_with("127.127.") || one.address == "0.0.0.0" {
                one.name.clone()
            } else {
                format!("{} ({})", one.name, one.address)
            };
        let mark = match (one.finding.used, one.finding.fault) {
            (true, false) => '+',
            (_, true) => '!',
            (false, false) => ' ',
        };
        writeln!(out, "{mark} {place} {}.", one.finding.sentence)?;
        if !one.finding.remedy.is_empty() {
            writeln!(out, "      {}", one.finding.remedy)?;
        }
    }
    Ok(())
}

fn write_json(
    host: &str,
    verdict: &Verdict,
    sources: &[Judged],
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let sources = sources.iter().map(|one| SourceReport {
        association: one.association,
        source: &one.name,
        code: one.finding.code,
        used: one.finding.used,
        fault: one.finding.fault,
        sentence: &one.finding.sentence,
        remedy: one.finding.remedy,
    });
    let report = Report {
        host,
        command: "why",
        synchronized: verdict.synchronized,
        code: verdict.code,
        sentence: &verdict.sentence,
        notes: &verdict.notes,
        sources: sources.collect(),
    };
    let text = serde_json::to_string(&report).map_err(std::io::Error::other)?;
    Ok(writeln!(out, "{text}")?)
}
