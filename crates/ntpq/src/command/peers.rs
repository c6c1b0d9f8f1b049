//! `peers`: the sources, one line each.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use ntp_proto::time::NtpTimestamp;

use crate::format::peers::{Layout, WIDTH, cells};
use crate::values::{Variables, now};

use super::{CommandError, Context};

/// How long a name may take to be looked up; the row then shows the address.
const NAME_PATIENCE: Duration = Duration::from_secs(1);

/// The left column where several hosts are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading<'a> {
    /// The host asked.
    pub(crate) host: &'a str,
    /// The length of the longest host's name.
    pub(crate) width: usize,
}

pub(super) fn run(
    layout: Layout,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let associations = context.client.associations()?;
    if associations.is_empty() {
        writeln!(out, "No association IDs returned")?;
        return Ok(());
    }
    let mut names: BTreeMap<IpAddr, Option<String>> = BTreeMap::new();
    let numeric = context.numeric;
    let mut rows = Vec::new();
    let ids: Vec<u16> = associations.iter().map(|association| association.id).collect();
    for (association, answer) in ids.iter().zip(context.client.variables_of(&ids)?) {
        let (status, items) = match answer {
            Ok(answer) => answer,
            // It went away between the two questions.
            Err(crate::client::ClientError::Refused(ntp_proto::control::ErrorCode::BadAssociation)) => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let configured = Variables(&items).text("srchost").filter(|host| !host.is_empty()).map(str::to_owned);
        let mut name = |address: IpAddr| {
            if numeric {
                return None;
            }
            configured.clone().or_else(|| {
                names.entry(address).or_insert_with(|| ntp_os::names::name_of(address, NAME_PATIENCE)).clone()
            })
        };
        let cells = cells(status, Variables(&items), NtpTimestamp::from_unix(now()), &mut name);
        rows.push(layout.row(*association, &cells));
    }
    print(layout, &rows, context.heading, out)
}

fn print(
    layout: Layout,
    rows: &[String],
    heading: Option<Heading<'_>>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match heading {
        None => {
            writeln!(out, "{}\n{}", layout.header(), "=".repeat(WIDTH))?;
            for row in rows {
                writeln!(out, "{row}")?;
            }
        }
        Some(Heading { host, width }) => {
            writeln!(out, "{:<width$} {}\n{}", "server", layout.header(), "=".repeat(WIDTH + width + 1))?;
            for row in rows {
                writeln!(out, "{host:<width$} {row}")?;
            }
        }
    }
    Ok(())
}
