//! `associations`: numbers and status words.

use std::io::Write;

use crate::format::status::association_row;

use super::{CommandError, Context};

/// The bits of a status word for those that are configured, or reachable.
const IN_USE: u16 = 0x9000;

/// All of them, or those that are in use.
pub(super) fn run(all: bool, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let associations = context.client.associations()?;
    if associations.is_empty() {
        writeln!(out, "No association IDs returned")?;
        return Ok(());
    }
    writeln!(out, "\nind assid status  conf reach auth condition  last_event cnt")?;
    writeln!(out, "{}", "=".repeat(59))?;
    let shown = associations.iter().enumerate();
    for (index, association) in shown.filter(|(_, one)| all || one.status & IN_USE != 0) {
        writeln!(out, "{}", association_row(index + 1, association.id, association.status))?;
    }
    Ok(())
}
