//! `associations`: numbers and status words.

use std::io::Write;

use crate::format::status::association_row;

use super::{CommandError, Context};

pub(super) fn run(context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let associations = context.client.associations()?;
    if associations.is_empty() {
        writeln!(out, "No association IDs returned")?;
        return Ok(());
    }
    writeln!(out, "\nind assid status  conf reach auth condition  last_event cnt")?;
    writeln!(out, "{}", "=".repeat(59))?;
    for (index, association) in associations.iter().enumerate() {
        writeln!(out, "{}", association_row(index + 1, association.id, association.status))?;
    }
    Ok(())
}
