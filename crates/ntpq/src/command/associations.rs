//! `associations`: numbers and status words.

use std::io::Write;

use serde_json::{Value, json};

use crate::format::status::association_row;
use crate::json;

use super::{CommandError, Context};

/// The bits of a status word for those that are configured, or reachable.
const IN_USE: u16 = 0x9000;

/// All of them, or those that are in use.
pub(super) fn run(all: bool, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let associations = context.client.associations()?;
    let shown = associations.iter().enumerate().filter(|(_, one)| all || one.status & IN_USE != 0);
    if context.settings.json {
        let rows: Vec<Value> = shown
            .map(|(_, one)| json!({ "association": one.id, "status": json::peer_status(one.status) }))
            .collect();
        return json::write(&context.host, "associations", json!({ "associations": rows }), out);
    }
    if associations.is_empty() {
        writeln!(out, "No association IDs returned")?;
        return Ok(());
    }
    writeln!(out, "\nind assid status  conf reach auth condition  last_event cnt")?;
    writeln!(out, "{}", "=".repeat(59))?;
    for (index, association) in shown {
        writeln!(out, "{}", association_row(index + 1, association.id, association.status))?;
    }
    Ok(())
}
