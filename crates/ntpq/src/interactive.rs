//! Commands from a terminal: edited, completed, and remembered until the next time.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use ntp_proto::control::schema::{CLOCK, PEER, SYSTEM, Variable};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Editor, Helper};

use crate::command::{Context, Next, table};
use crate::exit::Exit;
use crate::session::execute;

/// Lines that are remembered.
const HISTORY_MAX: usize = 500;

/// Completes the first word to a command, and those after it to what the command takes.
struct Commands;

/// The beginning of a word and everything it can become.
fn completions(typed: &str) -> (usize, Vec<String>) {
    let whole = |start: usize, word: &str, all: &mut dyn Iterator<Item = &'static str>| {
        let fitting: BTreeSet<String> = all.filter(|one| one.starts_with(word)).map(str::to_owned).collect();
        (start, fitting.into_iter().collect())
    };
    let line = typed.trim_start();
    let begin = typed.len() - line.len();
    let Some((command, _)) = line.split_once(char::is_whitespace) else {
        return whole(begin, line, &mut table::names());
    };
    // Lists of variables are apart by commas.
    let start = typed.rfind(|c: char| c.is_whitespace() || c == ',').map_or(0, |at| at + 1);
    let word = typed.get(start..).unwrap_or_default();
    let variables = |tables: &[&'static [Variable]]| -> Vec<&'static str> {
        tables.iter().flat_map(|table| table.iter().map(|variable| variable.name)).collect()
    };
    match table::meant(command).unwrap_or_default() {
        "help" => whole(start, word, &mut table::names().chain(variables(&[SYSTEM, PEER, CLOCK]))),
        // Of a source, where one is named.
        "readvar" if line.split_whitespace().nth(1).is_some_and(|of| of != "0" && of != word) => {
            whole(start, word, &mut variables(&[PEER]).into_iter())
        }
        "readvar" | "mreadvar" | "addvars" | "rmvars" => {
            whole(start, word, &mut variables(&[SYSTEM, PEER]).into_iter())
        }
        "clockvar" => whole(start, word, &mut variables(&[CLOCK]).into_iter()),
        name => whole(start, word, &mut table::words_after(name)),
    }
}

impl Completer for Commands {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(completions(line.get(..position).unwrap_or_default()))
    }
}

impl Hinter for Commands {
    type Hint = String;
}

impl Highlighter for Commands {}
impl Validator for Commands {}
impl Helper for Commands {}

/// Where lines are remembered: nowhere, without a home, nor in what is not a file of this user's own.
fn history_file() -> Option<PathBuf> {
    named_file().filter(|path| match fs::symlink_metadata(path) {
        Ok(found) => found.is_file() && found.uid() == ntp_os::names::user(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

fn named_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    match (state, home) {
        (Some(state), _) if state.is_dir() => Some(state.join("ntpq_history")),
        (_, home) => home.filter(|home| home.is_dir()).map(|home| home.join(".ntpq_history")),
    }
}

/// Reads and runs commands until there are no more.
pub(crate) fn converse(context: &mut Context<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    ntp_os::terminal::give_back_when_ended();
    let prepared = Config::builder().max_history_size(HISTORY_MAX).map(rustyline::config::Builder::build);
    let editor = prepared.and_then(Editor::<Commands, DefaultHistory>::with_config);
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(reason) => {
            drop(writeln!(err, "ntpq: the terminal cannot be read: {reason}"));
            return Exit::Usage;
        }
    };
    editor.set_helper(Some(Commands));
    let history = history_file();
    if let Some(path) = &history {
        // There may be none yet.
        drop(editor.load_history(path));
    }
    let mut worst = Exit::Done;
    loop {
        drop(out.flush());
        match editor.readline("ntpq> ") {
            Ok(line) => {
                // A secret is not kept.
                let first = line.split_whitespace().next().unwrap_or_default();
                if table::meant(first).is_ok_and(|name| name != "passwd") {
                    drop(editor.add_history_entry(&line));
                }
                // What is pasted may be several.
                let ended = line.lines().any(|line| match execute(line, context, out, err) {
                    Ok(Next::Quit | Next::Unread) => true,
                    Ok(Next::Continue) => false,
                    Err(exit) => {
                        worst = worst.max(exit);
                        false
                    }
                });
                if ended {
                    break;
                }
            }
            // A line that is given up.
            Err(ReadlineError::Interrupted) => {}
            Err(_) => break,
        }
    }
    if let Some(path) = &history {
        drop(editor.save_history(path));
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_variables_and_options_are_completed() {
        let of = |typed: &str| completions(typed);
        assert_eq!(of("lpee"), (0, vec!["lpeers".to_owned()]));
        assert_eq!(of("  pst"), (2, vec!["pstats".to_owned()]));
        assert_eq!(of("help pst"), (5, vec!["pstats".to_owned()]));
        assert_eq!(of("rv 0 stratum,root_del"), (13, Vec::new()));
        assert_eq!(of("rv 0 stratum,rootde"), (13, vec!["rootdelay".to_owned()]));
        assert!(
            of("rv &3 ").1.contains(&"filtdelay".to_owned()) && !of("rv 3 ").1.contains(&"tai".to_owned())
        );
        assert!(of("rv 0 ").1.contains(&"tai".to_owned()));
        assert_eq!(of("debug l"), (6, vec!["less".to_owned()]));
        assert_eq!(of("mrulist sor"), (8, vec!["sort=".to_owned()]));
        assert_eq!(of("frobnicate x").1, Vec::<String>::new());
    }
}
