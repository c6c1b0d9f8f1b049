//! Commands from a terminal: edited, completed, and remembered until the next time.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

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

/// Completes the first word to a command.
struct Commands;

impl Completer for Commands {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or_default();
        let start = typed.len() - typed.trim_start().len();
        let word = typed.trim_start();
        if word.contains(char::is_whitespace) && !word.starts_with("help ") {
            return Ok((position, Vec::new()));
        }
        let (start, word) = match word.strip_prefix("help ") {
            Some(rest) => (start + 5, rest),
            None => (start, word),
        };
        let fitting = table::names().filter(|name| name.starts_with(word)).map(str::to_owned);
        Ok((start, fitting.collect()))
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
                match execute(&line, context, out, err) {
                    Ok(Next::Quit | Next::Unread) => break,
                    Ok(Next::Continue) => {}
                    Err(exit) => worst = worst.max(exit),
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
