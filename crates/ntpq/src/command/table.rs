//! The commands: their names, what follows them, and what they do. Dispatch, completion and help go by it.

use std::io::Write;

use ntp_proto::control::schema::{CLOCK, PEER, SYSTEM};

use super::CommandError;

/// A command with all its names, of which the first is the one that is dispatched.
struct Entry {
    names: &'static [&'static str],
    /// What follows the name.
    usage: &'static str,
    meaning: &'static str,
}

const fn entry(names: &'static [&'static str], usage: &'static str, meaning: &'static str) -> Entry {
    Entry { names, usage, meaning }
}

const TABLE: &[Entry] = &[
    entry(&["why"], "[SOURCE]", "in words: is the clock synchronized, is each source used, and why not"),
    entry(&["verify"], "", "says in one line whether the clock is synchronized"),
    entry(&["peers", "pe", "lpeers"], "", "the sources, one line each"),
    entry(&["apeers"], "", "the sources, with the numbers of their associations"),
    entry(&["opeers", "lopeers"], "", "the sources, with the addresses here and the dispersion"),
    entry(&["rpeers"], "", "the sources, with their names last"),
    entry(&["associations", "as", "lassociations"], "", "the sources' numbers and status words"),
    entry(&["passociations", "pas", "lpassociations"], "", "the associations that are configured, or answer"),
    entry(
        &["readvar", "rv"],
        "[ASSOC [NAME,...]]",
        "variables of the system, or of a source by number or &INDEX",
    ),
    entry(&["mreadvar", "mrv"], "ASSOC ASSOC [NAME,...]", "variables of several sources"),
    entry(&["clockvar", "cv"], "[ASSOC [NAME,...]]", "variables of a reference clock"),
    entry(
        &["readlist", "rl", "readvarlist"],
        "[ASSOC]",
        "the variables on the list of addvars, of the system or of a source",
    ),
    entry(
        &["mreadlist", "mrl", "mreadvarlist"],
        "ASSOC ASSOC",
        "the variables on that list, of several sources",
    ),
    entry(
        &["clocklist", "cl", "clockvarlist"],
        "[ASSOC]",
        "the variables on that list, of a reference clock",
    ),
    entry(&["addvars"], "NAME[=VALUE],...", "puts variables on the list that readlist goes by"),
    entry(&["rmvars"], "NAME,...", "takes variables off that list"),
    entry(&["clearvars"], "", "empties that list"),
    entry(&["showvars"], "", "shows that list"),
    entry(&["pstats"], "ASSOC", "what has been counted of a source"),
    entry(
        &["mrulist", "monlist"],
        "[sort=[-]lstint|avgint|addr|count|score] [limited] [kod] [mincount=N] [recent=N] [maxlstint=S] \
         [minlstint=S] [minscore=N] [laddr=ADDRESS] [resany=BITS] [resall=BITS]",
        "the clients that it remembers, the latest first",
    ),
    entry(&["sysinfo"], "", "the clock and whom it follows"),
    entry(&["sysstats"], "", "what came to the service port"),
    entry(&["kerninfo"], "", "what the kernel says of its clock"),
    entry(&["iostats"], "", "datagrams and wake-ups"),
    entry(&["timerstats"], "", "timers"),
    entry(&["monstats"], "", "the memory for clients"),
    entry(&["authinfo"], "", "keys, and what was signed with them"),
    entry(&["ntsinfo"], "", "Network Time Security"),
    entry(&["ifstats"], "", "listening sockets (signed: keyid, or -a and -k)"),
    entry(&["reslist"], "", "the access list (signed)"),
    entry(&[":config", "config"], "LINE", "puts a line of ntp.conf in force until ntpd ends (signed)"),
    entry(&["config-from-file"], "FILE", "puts every line of a file in force (signed)"),
    entry(&["keyid"], "[NUMBER]", "the key to sign with"),
    entry(&["keytype"], "[TYPE]", "the type of that key, where it is in no file"),
    entry(&["passwd"], "[SECRET]", "the secret of that key, where it is in no file; asked for unseen"),
    entry(&["authenticate"], "[yes|no]", "whether everything is signed, or only what has to be"),
    entry(&["host"], "[NAME]", "whom to ask"),
    entry(&["timeout"], "[MS]", "how long to wait for an answer"),
    entry(&["ntpversion"], "[1|2|3|4]", "the version that questions claim"),
    entry(&["debug"], "[no|more|less|LEVEL]", "whether packets are told of"),
    entry(&["logfile"], "stderr|FILE", "where packets are told of"),
    entry(&["delay"], "[MS]", "taken, and nothing follows from it"),
    entry(&["hostnames"], "[yes|no]", "names or addresses"),
    entry(&["raw"], "", "shows variables as they came"),
    entry(&["cooked"], "", "shows them readably"),
    entry(&["units"], "", "shows times with their units, or no longer"),
    entry(&["version"], "", "which ntpq this is"),
    entry(&["help", "?"], "[COMMAND|VARIABLE]", "this; or what a command does, or a variable means"),
    entry(&["quit", "exit"], "", "end"),
];

/// Columns of a command and what follows it, before its meaning.
const WIDTH: usize = 34;

/// Before what follows a command, where that takes more than one line.
const INDENT: &str = "\n        ";

/// Columns of a usual terminal.
const TERMINAL: usize = 80;

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|entry| entry.names.iter().copied())
}

/// Every command: its names, what follows them, what it does.
pub fn commands() -> impl Iterator<Item = (&'static [&'static str], &'static str, &'static str)> {
    TABLE.iter().map(|entry| (entry.names, entry.usage, entry.meaning))
}

fn find(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.names.contains(&name))
}

/// The command that was meant: by one of its names, or by a beginning that no other command has.
pub(crate) fn meant(word: &str) -> Result<&'static str, CommandError> {
    let first = |entry: &Entry| entry.names.first().copied().unwrap_or_default();
    if let Some(entry) = find(word) {
        return Ok(first(entry));
    }
    let begins = |entry: &&Entry| entry.names.iter().any(|name| name.starts_with(word));
    let fitting: Vec<&'static str> = TABLE.iter().filter(begins).map(first).collect();
    match fitting[..] {
        [one] => Ok(one),
        [] => {
            Err(CommandError::Usage(format!("***Command `{:.60}' unknown", word.escape_debug().to_string())))
        }
        _ => {
            let list = fitting.join(" ");
            Err(CommandError::Usage(format!("***Command `{}' ambiguous: {list}", word.escape_debug())))
        }
    }
}

/// The words, and beginnings of words, that its usage says may follow a command.
pub(crate) fn words_after(name: &str) -> impl Iterator<Item = &'static str> {
    let usage = find(name).map_or("", |entry| entry.usage);
    let words = usage.split(['[', ']', '|', ' ']).map(|word| match word.split_once('=') {
        Some((option, _)) => word.get(..=option.len()).unwrap_or(word),
        None => word,
    });
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// Whether nothing may follow a command.
pub(super) fn takes_nothing(name: &str) -> bool {
    find(name).is_some_and(|entry| entry.usage.is_empty())
}

/// All commands; or what one of them does, or a variable means.
pub(super) fn help(word: Option<&str>, out: &mut dyn Write) -> Result<(), CommandError> {
    let Some(word) = word else {
        for entry in TABLE {
            describe(entry, out)?;
        }
        return Ok(());
    };
    let command = find(word);
    if let Some(entry) = command {
        describe(entry, out)?;
    }
    let mut known = command.is_some();
    for line in explained(word) {
        writeln!(out, "{line}")?;
        known = true;
    }
    if known {
        return Ok(());
    }
    let message = format!("***no command or variable is called `{}'", word.escape_debug());
    Err(CommandError::Usage(message))
}

fn describe(entry: &Entry, out: &mut dyn Write) -> Result<(), CommandError> {
    let call = format!("{} {}", entry.names.join(", "), entry.usage);
    let call = folded(call.trim_end(), TERMINAL - INDENT.len(), INDENT);
    let margin = format!("\n{:WIDTH$}", "");
    let meaning = folded(entry.meaning, TERMINAL - WIDTH, &margin);
    if call.len() < WIDTH {
        writeln!(out, "{call:<WIDTH$}{meaning}")?;
    } else {
        writeln!(out, "{call}{margin}{meaning}")?;
    }
    Ok(())
}

/// `text` in lines of at most `width` columns, and `margin` between them, whose columns do not count.
fn folded(text: &str, width: usize, margin: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        if column > 0 && column + 1 + word.len() > width {
            lines.push_str(margin);
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += word.len();
    }
    lines
}

/// What the table of variables says of a name.
fn explained(name: &str) -> impl Iterator<Item = String> {
    let tables = [("system", SYSTEM), ("source", PEER), ("clock", CLOCK)];
    tables.into_iter().filter_map(move |(of, table)| {
        let variable = table.iter().find(|variable| variable.name == name)?;
        let unit = variable.unit.words();
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        Some(format!("{name} ({of}{unit}): {}", variable.meaning))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_enough_where_they_mean_one_command() {
        for (word, command) in [("rv", "readvar"), ("pst", "pstats"), ("passw", "passwd"), ("quit", "quit")] {
            assert_eq!(meant(word).unwrap(), command);
        }
        for bad in ["", "r", "frobnicate"] {
            assert!(meant(bad).is_err(), "{bad:?}");
        }
        let all: Vec<&str> = names().collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len());
    }

    #[test]
    fn help_is_about_commands_and_variables() {
        let text = |word: &str| {
            let mut out = Vec::new();
            help(Some(word), &mut out).map(|()| String::from_utf8_lossy(&out).into_owned())
        };
        assert!(text("lpeers").unwrap().contains("one line each"));
        assert!(text("mrulist").unwrap().contains("maxlstint"));
        assert!(text("offset").unwrap().contains("(system, ms)"));
        assert!(text("the").is_err());
        let mut all = Vec::new();
        help(None, &mut all).unwrap();
        let all = String::from_utf8(all).unwrap();
        assert!(all.lines().all(|line| line.len() <= TERMINAL && !line.ends_with(' ')), "{all}");
    }
}
