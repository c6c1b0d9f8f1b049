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
        Some((first, rest)) => {
            let names = rest.iter().flat_map(|word| word.split(',')).filter(|name| !name.is_empty());
            (association(first, context)?, names.collect())
        }
    };
    let (word, items) = context.client.variables(association, &names)?;
    if names.is_empty() {
        let text = if association == 0 { status::system(word) } else { status::peer(word) };
        writeln!(out, "associd={association} status={word:04x} {text},")?;
    }
    out.write_all(variables::cooked(&items, now()).as_bytes())?;
    Ok(())
}

/// A number, or `&INDEX` into the list that `associations` prints.
fn association(word: &str, context: &mut Context<'_>) -> Result<u16, CommandError> {
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
