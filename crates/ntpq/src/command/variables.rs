//! `readvar`: variables of the system or of a source.

use std::io::Write;

use crate::format::{status, variables};
use crate::values::now;

use super::{CommandError, Context};

pub(super) fn run(
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (association, names) = match words.split_first() {
        None => (0, Vec::new()),
        Some((first, rest)) => (association(first, context)?, names(rest)),
    };
    print(association, &names, context, out)
}

fn print(
    association: u16,
    names: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (word, items) = context.client.variables(association, names)?;
    if names.is_empty() {
        let text = if association == 0 { status::system(word) } else { status::peer(word) };
        writeln!(out, "associd={association} status={word:04x} {text},")?;
    }
    out.write_all(variables::cooked(&items, now()).as_bytes())?;
    Ok(())
}

/// Variables of several sources, from one to another.
pub(super) fn several(
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let [first, last, rest @ ..] = words else {
        return Err(CommandError::Usage("usage: mreadvar ASSOCIATION ASSOCIATION [NAME,...]".to_owned()));
    };
    let (first, last) = (association(first, context)?, association(last, context)?);
    let names = names(rest);
    let wanted: Vec<u16> = context.client.associations()?.iter().map(|association| association.id).collect();
    let wanted = wanted.into_iter().filter(|id| (first.min(last)..=first.max(last)).contains(id));
    for (number, id) in wanted.enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        print(id, &names, context, out)?;
    }
    Ok(())
}

/// Variables of a reference clock: of the one that is followed, where none is named.
pub(super) fn clock(
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (association, names) = match words.split_first() {
        None => (0, Vec::new()),
        Some((first, rest)) => (association(first, context)?, names(rest)),
    };
    let (word, items) = context.client.clock_variables(association, &names)?;
    if names.is_empty() {
        writeln!(out, "associd={association} status={word:04x} {},", status::clock(word))?;
    }
    out.write_all(variables::cooked(&items, now()).as_bytes())?;
    Ok(())
}

/// Names apart by commas or blanks.
fn names<'w>(words: &[&'w str]) -> Vec<&'w str> {
    words.iter().flat_map(|word| word.split(',')).filter(|name| !name.is_empty()).collect()
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
