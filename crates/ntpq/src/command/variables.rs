//! `readvar`: variables of the system or of a source.

use std::io::Write;

use ntp_proto::control::parse_items;
use serde_json::json;

use crate::format::{status, variables};
use crate::json;
use crate::values::now;

use super::{CommandError, Context};

/// Whose variables, and where they come from.
#[derive(Clone, Copy)]
enum Of {
    /// The system's, or a source's.
    Association(u16),
    /// A reference clock's.
    Clock(u16),
}

/// `listed`: where none are named, those of `addvars`.
pub(super) fn run(
    words: &[&str],
    listed: bool,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (association, names) = wanted(words, listed, context)?;
    print(Of::Association(association), &names, context, out)
}

/// Variables of a reference clock: of the one that is followed, where none is named.
pub(super) fn clock(
    words: &[&str],
    listed: bool,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (association, names) = wanted(words, listed, context)?;
    print(Of::Clock(association), &names, context, out)
}

fn wanted(
    words: &[&str],
    listed: bool,
    context: &mut Context<'_>,
) -> Result<(u16, Vec<String>), CommandError> {
    let (association, names) = match words.split_first() {
        None => (0, Vec::new()),
        Some((first, rest)) => (association(first, context)?, names(rest)),
    };
    Ok((association, if listed && names.is_empty() { list(context) } else { names }))
}

/// The list of `addvars`, as it is asked for.
fn list(context: &Context<'_>) -> Vec<String> {
    let variables = context.settings.variables.iter();
    let text = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    variables.map(text).collect()
}

fn print(
    of: Of,
    names: &[String],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (command, association) = match of {
        Of::Association(association) => ("readvar", association),
        Of::Clock(association) => ("clockvar", association),
    };
    let (word, data) = match of {
        Of::Association(association) => context.client.variables_data(association, &names)?,
        Of::Clock(association) => context.client.clock_data(association, &names)?,
    };
    let items = parse_items(&data);
    let (of_clock, of_system) = (matches!(of, Of::Clock(_)), association == 0);
    if context.settings.json {
        let status = match (of_clock, of_system) {
            (true, _) => json!({ "word": word }),
            (false, true) => json::system_status(word),
            (false, false) => json::peer_status(word),
        };
        let body =
            json!({ "association": association, "status": status, "variables": json::variables(&items) });
        return json::write(&context.host, command, body, out);
    }
    // Where several hosts are asked, whose it is.
    if context.heading.is_some() {
        write!(out, "server={} ", context.host.escape_debug())?;
    }
    if context.settings.raw {
        if names.is_empty() {
            writeln!(out, "associd={association} status={word:#06x},")?;
        }
        out.write_all(variables::raw(&data).as_bytes())?;
        return Ok(());
    }
    if names.is_empty() {
        let text = match (of_clock, of_system) {
            (true, _) => status::clock(word),
            (false, true) => status::system(word),
            (false, false) => status::peer(word),
        };
        writeln!(out, "associd={association} status={word:04x} {text},")?;
    }
    let text = if context.settings.classic {
        variables::classic(&items, now())
    } else {
        variables::cooked(&items, now(), context.settings.units)
    };
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Variables of several sources, from one to another.
pub(super) fn several(
    words: &[&str],
    listed: bool,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let [first, last, rest @ ..] = words else {
        return Err(CommandError::Usage("usage: mreadvar ASSOCIATION ASSOCIATION [NAME,...]".to_owned()));
    };
    let (first, last) = (association(first, context)?, association(last, context)?);
    let mut names = names(rest);
    if listed && names.is_empty() {
        names = list(context);
    }
    let wanted: Vec<u16> = context.client.associations()?.iter().map(|association| association.id).collect();
    let wanted = wanted.into_iter().filter(|id| (first.min(last)..=first.max(last)).contains(id));
    for (number, id) in wanted.enumerate() {
        if number > 0 && !context.settings.json {
            writeln!(out)?;
        }
        print(Of::Association(id), &names, context, out)?;
    }
    Ok(())
}

/// Names apart by commas or blanks.
fn names(words: &[&str]) -> Vec<String> {
    let parts = words.iter().flat_map(|word| word.split(',')).filter(|name| !name.is_empty());
    parts.map(str::to_owned).collect()
}

/// A number, or `&INDEX` into the list that `associations` prints.
pub(super) fn association(word: &str, context: &mut Context<'_>) -> Result<u16, CommandError> {
    let unknown = || CommandError::Usage(format!("***Association ID `{}' unknown", word.escape_debug()));
    match word.strip_prefix('&') {
        None => word.parse().map_err(|_| unknown()),
        Some(index) => {
            let index: usize = index.parse().map_err(|_| unknown())?;
            let associations = context.client.associations()?;
            let found = index.checked_sub(1).and_then(|index| associations.get(index));
            found.map(|association| association.id).ok_or_else(unknown)
        }
    }
}
