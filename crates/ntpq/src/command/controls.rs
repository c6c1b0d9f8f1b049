//! Commands about ntpq itself: whom it asks, how, and how it shows what it hears.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Target;
use crate::session::connect;

use super::{CommandError, Context};

/// Variables that `addvars` takes; an answer of more would not fit its packets.
const VARIABLES_MAX: usize = 64;

/// The longest patience, an hour.
const MILLIS_MAX: u32 = 3_600_000;

/// Runs the command, if it is one of these.
pub(super) fn run(
    name: &str,
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    match name {
        "addvars" => add(words, context)?,
        "rmvars" => {
            let names: Vec<&str> = assignments(words).map(|(name, _)| name).collect();
            context.settings.variables.retain(|(name, _)| !names.contains(&name.as_str()));
        }
        "clearvars" => context.settings.variables.clear(),
        "showvars" => show(context, out)?,
        "host" => host(words.first().copied(), context, out)?,
        "hostnames" => hostnames(words.first().copied(), context, out)?,
        "timeout" => timeout(words.first().copied(), context, out)?,
        "delay" => {
            if let Some(word) = words.first() {
                context.settings.delay = millis(word, "delay")?;
            }
            writeln!(out, "delay {} ms", context.settings.delay)?;
        }
        "logfile" => log_to(words.first().copied(), context, out)?,
        "debug" => debug(words.first().copied(), context, out)?,
        "raw" | "cooked" => {
            context.settings.raw = name == "raw";
            writeln!(out, "Output set to {name}")?;
        }
        "units" => {
            context.settings.units = !context.settings.units;
            writeln!(
                out,
                "Values are shown {} units",
                if context.settings.units { "with" } else { "without" }
            )?;
        }
        "version" => writeln!(out, "ntpq {}", env!("CARGO_PKG_VERSION"))?,
        "ntpversion" => version(words.first().copied(), context, out)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `name=value,name` in any number of words.
fn assignments<'w>(words: &[&'w str]) -> impl Iterator<Item = (&'w str, Option<&'w str>)> {
    let parts = words.iter().flat_map(|word| word.split(',')).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value))))
}

fn add(words: &[&str], context: &mut Context<'_>) -> Result<(), CommandError> {
    let given: Vec<(&str, Option<&str>)> = assignments(words).collect();
    if given.is_empty() {
        return Err(CommandError::Usage("usage: addvars NAME[=VALUE][,...]".to_owned()));
    }
    for (name, value) in given {
        let list = &mut context.settings.variables;
        list.retain(|(known, _)| known != name);
        if list.len() >= VARIABLES_MAX {
            return Err(CommandError::Usage(format!("there is room for {VARIABLES_MAX} variables")));
        }
        list.push((name.to_owned(), value.map(str::to_owned)));
    }
    Ok(())
}

fn show(context: &Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    if context.settings.variables.is_empty() {
        writeln!(out, "No variables on list.")?;
    }
    for (name, value) in &context.settings.variables {
        match value {
            Some(value) => writeln!(out, "{}={}", name.escape_debug(), value.escape_debug())?,
            None => writeln!(out, "{}", name.escape_debug())?,
        }
    }
    Ok(())
}

fn host(word: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    if let Some(word) = word {
        let (ipv4, ipv6) = context.settings.families;
        let opened = Target::resolve(word, ipv4, ipv6).and_then(|target| connect(&target));
        let client = match opened {
            Ok(client) => client,
            Err(failure) => {
                writeln!(out, "current host remains {}", context.host)?;
                return Err(failure.into());
            }
        };
        context.client.move_to(client);
        word.clone_into(&mut context.host);
    }
    writeln!(out, "current host is {}", context.host)?;
    Ok(())
}

fn hostnames(word: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    match word {
        None => {}
        Some("yes" | "hostname") => context.settings.numeric = false,
        Some("no" | "hostnum") => context.settings.numeric = true,
        Some(_) => return Err(CommandError::Usage("usage: hostnames [yes|no]".to_owned())),
    }
    let shown = if context.settings.numeric { "not being shown" } else { "being shown" };
    writeln!(out, "resolved hostnames {shown}")?;
    Ok(())
}

fn timeout(word: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    if let Some(word) = word {
        let first = millis(word, "timeout")?;
        context.client.set_patience(Duration::from_millis(first.into()));
    }
    writeln!(out, "primary timeout {} ms", context.client.patience().as_millis())?;
    Ok(())
}

fn millis(word: &str, command: &str) -> Result<u32, CommandError> {
    let found = word.parse().ok().filter(|millis| (1..=MILLIS_MAX).contains(millis));
    found.ok_or_else(|| CommandError::Usage(format!("usage: {command} [MILLISECONDS up to {MILLIS_MAX}]")))
}

fn debug(word: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let level = &mut context.settings.debug;
    match word {
        None => {}
        Some("no") => *level = 0,
        Some("more") => *level = level.saturating_add(1),
        Some("less") => *level = level.saturating_sub(1),
        Some(number) => {
            let usage = || CommandError::Usage("usage: debug [no|more|less|LEVEL]".to_owned());
            *level = number.parse().map_err(|_| usage())?;
        }
    }
    writeln!(out, "debug level is {level}")?;
    let level = *level;
    context.client.set_debug(level > 0);
    Ok(())
}

fn log_to(word: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let place = match word {
        None => return Err(CommandError::Usage("usage: logfile stderr|FILE".to_owned())),
        Some("stderr") => {
            context.client.set_log(None);
            "standard error"
        }
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            let unopened = |reason| CommandError::Usage(format!("{}: {reason}", path.escape_debug()));
            context.client.set_log(Some(Arc::new(file.map_err(unopened)?)));
            path
        }
    };
    writeln!(out, "packets are told of in {}, while `debug` is on", place.escape_debug())?;
    Ok(())
}

fn version(word: Option<&str>, context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    if let Some(word) = word {
        let number = word.parse().ok().filter(|version| (1..=4).contains(version));
        let usage = || CommandError::Usage("usage: ntpversion [1|2|3|4]".to_owned());
        context.client.set_version(number.ok_or_else(usage)?);
    }
    writeln!(out, "NTP version being claimed is {}", context.client.version())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_apart_by_commas_or_blanks() {
        let found: Vec<_> = assignments(&["a,b=3", "c=,,"]).collect();
        assert_eq!(found, [("a", None), ("b", Some("3")), ("c", Some(""))]);
    }
}
