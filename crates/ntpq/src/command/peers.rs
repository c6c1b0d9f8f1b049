//! `peers`: the sources, one line each.

use std::io::Write;
use std::net::IpAddr;

use ntp_proto::control::{Item, PeerStatus, Variables};
use ntp_proto::time::NtpTimestamp;
use serde_json::json;

use crate::format::peers::{Layout, Style, cells, object};
use crate::json;
use crate::names::Names;
use crate::values::now;

use super::{CommandError, Context};

/// The left column where several hosts are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading {
    /// The length of the longest host's name.
    pub(crate) width: usize,
}

pub(super) fn run(
    command: &str,
    layout: Layout,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let associations = context.client.associations()?;
    if associations.is_empty() && !context.settings.json {
        writeln!(out, "No association IDs returned")?;
        return Ok(());
    }
    let mut names = Names::default();
    let (numeric, source_names) = (context.settings.numeric, context.settings.source_names);
    let style = Style {
        classic: context.settings.classic,
        units: context.settings.units,
        wide: context.settings.wide,
        more: if layout == Layout::NamesLast { 0 } else { context.settings.more_columns() },
    };
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    let ids: Vec<u16> = associations.iter().map(|association| association.id).collect();
    for (association, answer) in ids.iter().zip(context.client.variables_of(&ids, &[])?) {
        let (status, items) = match answer {
            Ok(answer) => answer,
            // It went away between the two questions.
            Err(crate::client::ClientError::Refused(ntp_proto::control::ErrorCode::BadAssociation)) => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if context.settings.json {
            objects.push(object(*association, status, Variables(&items), NtpTimestamp::from_unix(now())));
            continue;
        }
        let configured = Variables(&items).text("srchost").filter(|host| !host.is_empty()).map(str::to_owned);
        let mut name = |address: IpAddr| {
            if source_names || numeric {
                return configured.clone().filter(|_| source_names);
            }
            configured.clone().or_else(|| names.of(address))
        };
        let cells = cells(status, Variables(&items), NtpTimestamp::from_unix(now()), style, &mut name);
        let row = layout.row(*association, &cells, style);
        rows.push(if context.settings.colour { coloured(status, &items, row) } else { row });
    }
    if context.settings.json {
        return json::write(&context.host, command, json!({ "peers": objects }), out);
    }
    print(layout, style, &rows, context.heading.map(|heading| (heading.width, context.host.as_str())), out)
}

/// A row in the colour of its standing: green for who is followed, yellow for who could be, red for who cannot.
fn coloured(status: u16, items: &[Item], row: String) -> String {
    let silent = Variables(items).integer("reach") == Some(0);
    let colour = match PeerStatus::of(status).selection {
        6 | 7 => "32",
        _ if silent => "31",
        3 | 4 => "33",
        1 => "31",
        _ => return row,
    };
    format!("\x1b[{colour}m{row}\x1b[0m")
}

fn print(
    layout: Layout,
    style: Style,
    rows: &[String],
    server: Option<(usize, &str)>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match server {
        None => {
            writeln!(out, "{}\n{}", layout.header(style), "=".repeat(style.columns()))?;
            for row in rows {
                writeln!(out, "{row}")?;
            }
        }
        Some((width, host)) => {
            writeln!(
                out,
                "{:<width$} {}\n{}",
                "server",
                layout.header(style),
                "=".repeat(style.columns() + width + 1)
            )?;
            for row in rows {
                writeln!(out, "{host:<width$} {row}")?;
            }
        }
    }
    Ok(())
}
