//! What has to be signed: lists of sockets and rules, and lines of configuration.

use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use ntp_conf::FILE_LEN_MAX;
use ntp_os::config_files;
use ntp_proto::control::{Item, Variables};
use serde_json::{Value, json};

use crate::json;

use super::{CommandError, Context};

pub(super) fn interfaces(context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let items = ordered("ifstats", context)?;
    if context.settings.json {
        let body = json!({ "interfaces": rows(&items) });
        return json::write(&context.host, "ifstats", body, out);
    }
    writeln!(out, "    interface name                                  send")?;
    writeln!(out, " #  address/broadcast     drop flag received sent failed peers   uptime")?;
    writeln!(out, " {}", "=".repeat(74))?;
    for index in indices(&items) {
        let row = Row { items: Variables(&items), index };
        let drop = if row.number("en") == 0 { 'D' } else { '.' };
        writeln!(
            out,
            "{index:3} {:<24.24} {drop} {:4x} {:6} {:6} {:6} {:5} {:8}",
            row.text("name"),
            row.number("flags"),
            row.number("rx"),
            row.number("tx"),
            row.number("txerr"),
            row.number("pc"),
            row.number("up"),
        )?;
        writeln!(out, "    {}", row.text("addr"))?;
        let broadcast = row.text("bcast");
        if !broadcast.is_empty() {
            writeln!(out, "    {broadcast}")?;
        }
    }
    Ok(())
}

pub(super) fn rules(context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let items = ordered("addr_restrictions", context)?;
    if context.settings.json {
        let body = json!({ "restrictions": rows(&items) });
        return json::write(&context.host, "reslist", body, out);
    }
    writeln!(out, "   hits    addr/prefix or addr mask")?;
    writeln!(out, "           restrictions")?;
    writeln!(out, "{}", "=".repeat(72))?;
    for index in indices(&items) {
        let row = Row { items: Variables(&items), index };
        let (address, mask) = (row.text("addr"), row.text("mask"));
        let place = match prefix(mask) {
            Some(length) => format!("{address}/{length}"),
            None => format!("{address} {mask}"),
        };
        writeln!(out, "{:10} {place}\n           {}", row.number("hits"), row.text("flags"))?;
    }
    Ok(())
}

/// Puts the lines of a file in force, one after the other; one that is refused is no reason to leave others out.
pub(super) fn configure_from(
    name: Option<&str>,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let usage = || CommandError::Usage("usage: config-from-file FILE".to_owned());
    let path = Path::new(name.ok_or_else(usage)?);
    let shown = path.display().to_string();
    let unread = |reason: &dyn Display| CommandError::Usage(format!("{}: {reason}", shown.escape_debug()));
    let (_, content) = config_files::load_file(path, FILE_LEN_MAX).map_err(|error| unread(&error))?;
    let text = String::from_utf8(content).map_err(|_| unread(&"is no text"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut some, mut declined) = (false, false);
    for line in lines {
        if !context.settings.json {
            writeln!(out, "{}", line.escape_debug())?;
        }
        some = true;
        match configure(line, context, out) {
            Err(CommandError::Declined) => declined = true,
            other => other?,
        }
    }
    if declined {
        return Err(CommandError::Declined);
    }
    if some { Ok(()) } else { Err(unread(&"has no line that says anything")) }
}

/// Puts a line of configuration in force.
pub(super) fn configure(
    line: &str,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if line.is_empty() {
        return Err(CommandError::Usage("usage: :config LINE".to_owned()));
    }
    sign(context)?;
    let said = context.client.configure(line);
    unsign(context);
    let said = said?;
    if context.settings.json {
        let good = !said.starts_with("column ");
        let words = said.strip_prefix("column 0 ").unwrap_or(&said);
        json::write(&context.host, "config", json!({ "line": line, "in_force": good, "said": words }), out)?;
        return if good { Ok(()) } else { Err(CommandError::Declined) };
    }
    // ntpd names the column at which it stumbled.
    let column = said.strip_prefix("column ").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    match column.filter(|_| said.contains("syntax error")) {
        Some(column) => writeln!(out, "{}\n{}^\n{said}", line.escape_debug(), "_".repeat(column))?,
        // A refusal that is about no column.
        None => writeln!(out, "{}", said.strip_prefix("column 0 ").unwrap_or(&said))?,
    }
    if said.starts_with("column ") { Err(CommandError::Declined) } else { Ok(()) }
}

fn ordered(name: &str, context: &mut Context<'_>) -> Result<Vec<Item>, CommandError> {
    sign(context)?;
    let items = context.client.ordered(name);
    unsign(context);
    Ok(items?)
}

fn sign(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = context.key.key().map_err(CommandError::Usage)?;
    context.client.set_key(Some(key));
    Ok(())
}

/// What needs no key is not signed, unless `authenticate` wants it so.
fn unsign(context: &mut Context<'_>) {
    if !context.settings.sign_all {
        context.client.set_key(None);
    }
}

/// Whether every question is signed.
pub(super) fn authenticate(
    word: Option<&str>,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match word {
        None => {}
        Some("yes") => {
            sign(context)?;
            context.settings.sign_all = true;
        }
        Some("no") => {
            context.settings.sign_all = false;
            unsign(context);
        }
        Some(_) => return Err(CommandError::Usage("usage: authenticate [yes|no]".to_owned())),
    }
    let which = if context.settings.sign_all { "authenticated" } else { "unauthenticated" };
    writeln!(out, "{which} requests being sent")?;
    Ok(())
}

/// One row of a list.
struct Row<'a> {
    items: Variables<'a>,
    index: usize,
}

impl Row<'_> {
    fn text(&self, name: &str) -> &str {
        self.items.text(&format!("{name}.{}", self.index)).unwrap_or_default()
    }

    fn number(&self, name: &str) -> i64 {
        self.items.integer(&format!("{name}.{}", self.index)).unwrap_or(0)
    }
}

/// The numbers of rows, which may have gaps.
fn indices(items: &[Item]) -> Vec<usize> {
    let mut found: Vec<usize> =
        items.iter().filter_map(|item| item.name.strip_prefix("addr.")?.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Every row's variables, without their numbers.
fn rows(items: &[Item]) -> Vec<Value> {
    let row = |index: usize| {
        let of_row = items.iter().filter_map(|item| {
            let (name, number) = item.name.rsplit_once('.')?;
            (number.parse() == Ok(index)).then(|| (name.to_owned(), json::value(item)))
        });
        Value::Object(of_row.collect())
    };
    indices(items).into_iter().map(row).collect()
}

/// The length of a mask; `None` for one with gaps.
fn prefix(mask: &str) -> Option<u32> {
    let (bits, width) = match mask.parse().ok()? {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let length = bits.leading_ones();
    (bits.count_ones() == length && length <= width).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_lengths() {
        for (mask, length) in [
            ("255.255.255.0", Some(24)),
            ("0.0.0.0", Some(0)),
            ("ffff:ffff::", Some(32)),
            ("::", Some(0)),
            ("255.0.255.0", None),
            ("x", None),
        ] {
            assert_eq!(prefix(mask), length, "{mask}");
        }
    }
}
