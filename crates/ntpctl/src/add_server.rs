//! `ntpctl add-server`: edit, show, check, write, restart, verify; and back again if it fails.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use ntp_conf::Document;
use ntp_conf::edit::{Addition, NewServer, add_server};
use similar::TextDiff;

use crate::apply::Applied;
use crate::cli::AddServer;
use crate::exit::{Exit, Failure};
use crate::file;
use crate::interrupt::Interrupt;
use crate::service::Manager;
use crate::settings::Settings;
use crate::verify::wait_for_answer;

pub(crate) fn run(request: &AddServer, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = request.config.as_path();
    let server = NewServer {
        host: request.host.clone(),
        port: request.port,
        iburst: !request.no_iburst,
        prefer: request.prefer,
    };
    server.check().map_err(Failure::Usage)?;
    let old = file::read(path)?;
    judge(path, &old, "has errors that must be mended first", out)?;
    let document = Document::parse(&old);
    let new = match add_server(&document, &server) {
        Addition::Change(patch) => patch.apply(&document),
        Addition::Present { line } => {
            writeln!(out, "{}:{line}: {} is already there; nothing to do", path.display(), server.host)?;
            return Ok(Exit::Done);
        }
        Addition::Conflict { line, text } => {
            let place = path.display();
            let reason =
                format!("{place}:{line}: {} is already there with other options: {text}", server.host);
            return Err(Failure::Refused(reason));
        }
    };
    write_difference(path, &old, &new, out)?;
    judge(path, &new, "would have errors", out)?;
    if let Some(owner) = file::managed_by(&old) {
        writeln!(out, "warning: {} says \"{owner}\": the change may be undone", path.display())?;
    }
    if request.dry_run {
        return Ok(Exit::WouldChange);
    }
    let interrupt = Interrupt::watch()
        .map_err(|error| Failure::NotWritten(format!("signals cannot be watched: {error}")))?;
    let applied = Applied::write(path, &old, &new, &settings.backup_dir)?;
    say(out, &format!("{} is written; the old file is {}", path.display(), applied.backup.display()));
    if request.no_restart {
        say(out, "ntpd was not restarted, as asked: the change is in force after its next start");
        return Ok(Exit::Done);
    }
    activate(request, settings, &applied, &interrupt, out)
}

/// Refuses what `check` refuses, and what is not ours to edit.
fn judge(path: &Path, content: &[u8], verdict: &str, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(owner) = file::foreign_owner(content) {
        return Err(Failure::Refused(format!("{} is not edited: {owner}", path.display())));
    }
    let (_, findings) = file::interpret(path, content)?;
    let errors = file::errors(&findings);
    for error in errors.iter().take(20) {
        writeln!(out, "{error}\n")?;
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::Refused(format!("{} {verdict}", path.display()))) }
}

/// A unified difference. Bytes that are no text are shown as such, never sent to the terminal.
fn write_difference(path: &Path, old: &[u8], new: &[u8], out: &mut dyn Write) -> Result<(), Failure> {
    let name = path.display().to_string();
    let (old, new) = (shown(old), shown(new));
    let difference = TextDiff::from_lines(&old, &new);
    let text = difference.unified_diff().header(&name, &name).to_string();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn shown(bytes: &[u8]) -> String {
    let harmless = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '?' } else { c };
    String::from_utf8_lossy(bytes).replace('\r', "").chars().map(harmless).collect()
}

/// Says how it goes. Once the file is written, a reader that went away must not stop what has begun.
fn say(out: &mut dyn Write, line: &str) {
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// Restarts the daemon and waits for the new server's answer; rolls back if either fails.
fn activate(
    request: &AddServer,
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
    say(out, "restarting ntpd");
    if let Err(reason) = manager.restart() {
        let state = roll_back(applied, &manager);
        return Err(Failure::RestartFailed(format!(
            "ntpd did not start with the new file: {reason}\n{state}"
        )));
    }
    let timeout = Duration::from_secs(settings.answer_timeout);
    say(out, &format!("waiting up to {} s for {} to answer", timeout.as_secs(), request.host));
    match wait_for_answer(settings.daemon, &request.host, request.port.unwrap_or(123), timeout, interrupt) {
        Ok(()) => {
            say(out, &format!("{} answers; it is in use from now on", request.host));
            show_peers(settings, out);
            Ok(Exit::Done)
        }
        Err(reason) => {
            let state = roll_back(applied, &manager);
            Err(Failure::NoAnswer(format!("{reason}\n{state}")))
        }
    }
}

/// Puts the old file back and restarts with it; says what is in force now.
fn roll_back(applied: &Applied<'_>, manager: &Manager) -> String {
    if let Err(error) = applied.take_back() {
        return format!(
            "The new file is still in place ({error}); the old one is {}.",
            applied.backup.display()
        );
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
