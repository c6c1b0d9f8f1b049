//! One change to one file: show it, judge it, write it, put it in force, see whether it works, and go
//! back if it does not.

use std::io::{IsTerminal as _, Write, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use ntp_conf::{Diagnostic, Severity, lint};
use similar::{ChangeTag, TextDiff};

use crate::apply::{Applied, Backups};
use crate::cli::Apply;
use crate::exit::{Exit, Failure};
use crate::file;
use crate::interrupt::Interrupt;
use crate::printable;
use crate::service::Manager;
use crate::settings::Settings;
use crate::verify::{Expectation, Progress, wait_for};

/// Errors shown.
const ERRORS_SHOWN: usize = 20;

/// What is to become of a file.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// What it holds; `None` if it does not exist yet.
    pub(crate) old: Option<&'a [u8]>,
    /// What it will hold.
    pub(crate) new: &'a [u8],
    /// What must then be true of the daemon.
    pub(crate) expected: Vec<Expectation>,
    /// Whether it is made even if the new file has errors that the old one has not: an older version may
    /// be all that is left.
    pub(crate) whatever: bool,
}

/// Carries it out.
pub(crate) fn carry_out(
    change: &Change<'_>,
    apply: &Apply,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let old = change.old.unwrap_or_default();
    write_difference(change.path, old, change.new, out)?;
    refuse_new_errors(change, &apply.config, out)?;
    if let Some(owner) = file::managed_by(old) {
        say(out, &format!("warning: {} says \"{owner}\": the change may be undone", change.path.display()));
    }
    for warning in settings.warnings_of_dhcp(&apply.config) {
        say(out, &format!("warning: {warning}"));
    }
    if apply.dry_run {
        return Ok(Exit::WouldChange);
    }
    let interrupt = Interrupt::watch()
        .map_err(|error| Failure::NotWritten(format!("signals cannot be watched: {error}")))?;
    let backups = Backups { folder: &settings.backup_dir, kept: settings.backups_kept };
    let applied = Applied::write(change.path, change.old, change.new, &backups)?;
    let place = change.path.display();
    match &applied.backup {
        Some(backup) => {
            say(out, &format!("{place} is written; the old file is {}", backup.display()));
            say(out, &format!("`ntpctl rollback -c {place}` brings it back"));
        }
        None => say(out, &format!("{place} is written")),
    }
    if apply.no_restart {
        say(out, "ntpd was not restarted, as asked: the change is in force after its next start");
        applied.settle(&backups);
        return Ok(Exit::Done);
    }
    let outcome = put_in_force(change, apply, settings, &applied, &interrupt, out);
    if outcome.is_ok() {
        applied.settle(&backups);
    }
    outcome
}

/// Errors that were there before do not stop an edit elsewhere; new ones do.
fn refuse_new_errors(change: &Change<'_>, main: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let findings = |content: &[u8]| -> Result<Vec<Diagnostic>, Failure> {
        let read = file::interpret(main, change.path, content)?;
        Ok(lint(&read).into_iter().chain(read.diagnostics).collect())
    };
    let (before, after) = (findings(change.old.unwrap_or_default())?, findings(change.new)?);
    let is_like =
        |one: &Diagnostic, other: &Diagnostic| (one.code, &one.message) == (other.code, &other.message);
    let mut known: Vec<&Diagnostic> = before.iter().collect();
    let mut errors = 0;
    for finding in &after {
        match known.iter().position(|other| is_like(other, finding)) {
            Some(index) => drop(known.swap_remove(index)),
            None if errors < ERRORS_SHOWN => {
                errors += usize::from(finding.severity == Severity::Error);
                say(out, &format!("{finding}\n"));
            }
            None => errors += usize::from(finding.severity == Severity::Error),
        }
    }
    if errors > 0 && !change.whatever {
        return Err(Failure::Refused(format!("{} would have errors", change.path.display())));
    }
    let old = file::errors(&after).len();
    if old > 0 {
        let errors = if old == 1 { "is one error" } else { &format!("are {old} errors") };
        say(out, &format!("warning: there {errors} elsewhere: see `ntpctl check -c {}`", main.display()));
    }
    Ok(())
}

/// A unified difference, in colour where somebody sees it. Bytes that are no text are shown as such,
/// never sent to the terminal.
pub(crate) fn write_difference(
    path: &Path,
    old: &[u8],
    new: &[u8],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let text = difference(&path.display().to_string(), &shown(old), &shown(new));
    let plain = anstream::AutoStream::choice(&stdout()) == anstream::ColorChoice::Never;
    // In one piece: a reader that stops at the first line must not be told of the rest as an error.
    let text = if plain { strip_str(&text).to_string() } else { text };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn difference(name: &str, old: &str, new: &str) -> String {
    let difference = TextDiff::from_lines(old, new);
    let mut lines = vec![format!("--- {name}"), format!("+++ {name}")];
    for hunk in difference.unified_diff().iter_hunks() {
        lines.push(hunk.header().to_string());
        for line in hunk.iter_changes() {
            let (sign, style) = match line.tag() {
                ChangeTag::Equal => (' ', Style::new()),
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
            };
            lines.push(format!("{style}{sign}{}{style:#}", line.value().trim_end_matches('\n')));
            if line.missing_newline() {
                lines.push("\\ no newline at the end".to_owned());
            }
        }
    }
    lines.join("\n") + "\n"
}

fn shown(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes).replace("\r\n", "\n"))
}

/// Says how it goes. Once the file is written, a reader that went away must not stop what has begun.
pub(crate) fn say(out: &mut dyn Write, line: &str) {
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// Restarts the daemon and waits until it does what is expected; rolls back if it does not.
fn put_in_force(
    change: &Change<'_>,
    apply: &Apply,
    settings: &Settings,
    applied: &Applied<'_>,
    interrupt: &Interrupt,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let manager = Manager::detect(settings);
    if manager == Manager::None {
        return Err(Failure::NotRestarted(
            "the file is changed, but no service manager was found (this may be a container or a chroot), \
             so ntpd was not restarted; restart it by hand"
                .to_owned(),
        ));
    }
    let undo = |reason: String| {
        if apply.no_rollback {
            format!("{reason}\nThe change is left in place, as asked.")
        } else {
            format!("{reason}\n{}", roll_back(applied, &manager))
        }
    };
    say(out, "restarting ntpd");
    if let Err(reason) = manager.restart() {
        return Err(Failure::RestartFailed(undo(format!("ntpd did not start with the new file: {reason}"))));
    }
    let timeout = Duration::from_secs(apply.wait.unwrap_or(settings.answer_timeout));
    // One after the other, but all within the time that was given.
    let deadline = Instant::now() + timeout;
    for expectation in &change.expected {
        say(out, &format!("waiting up to {} s: {}", timeout.as_secs(), expectation.hope()));
        let progress = Progress::new(stdout().is_terminal());
        match wait_for(settings.daemon, expectation, deadline, interrupt, progress) {
            Ok(()) => say(out, &expectation.success()),
            Err(reason) => return Err(Failure::NoAnswer(undo(reason))),
        }
    }
    // What the daemon has read, it does not tell; a server that answers is proof enough.
    if apply.config != settings.config && change.expected == [Expectation::Serves] {
        let config = apply.config.display();
        say(
            out,
            &format!("note: whether ntpd reads {config} is not known; `config` in the settings would say so"),
        );
    }
    show_peers(settings, out);
    Ok(Exit::Done)
}

/// Puts the old file back and restarts with it; says what is in force now.
fn roll_back(applied: &Applied<'_>, manager: &Manager) -> String {
    if let Err(error) = applied.take_back() {
        let kept = applied
            .backup
            .as_ref()
            .map_or_else(String::new, |backup| format!("; the old one is {}", backup.display()));
        return format!("The new file is still in place ({error}){kept}.");
    }
    match manager.restart() {
        Ok(()) => "The old file is back, and ntpd runs with it again.".to_owned(),
        Err(reason) => format!("The old file is back, but ntpd does not start with it either: {reason}"),
    }
}

/// What `ntpq -p` shows now. The change is done: if this fails, nothing is lost.
fn show_peers(settings: &Settings, out: &mut dyn Write) {
    let table =
        ntpq::client::Client::connect(settings.daemon).map(|mut client| ntpq::peers_table(&mut client));
    if let Ok(Ok(table)) = table {
        drop(out.write_all(table.as_bytes()));
    }
}
