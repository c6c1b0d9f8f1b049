//! Restarting the daemon, and knowing whether it worked.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::settings::Settings;

/// How long a restart may take; systemctl itself might wait for 90 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a running command is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Where systemctl may be.
const SYSTEMCTL: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];

/// What restarts the daemon on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// A command from the settings.
    Command(Vec<String>),
    /// systemd, with the unit's name.
    Systemd { systemctl: &'static str, unit: String },
    /// Nobody.
    None,
}

impl Manager {
    /// Finds it.
    pub(crate) fn detect(settings: &Settings) -> Self {
        if let Some(words) = &settings.restart_command {
            return Self::Command(words.clone());
        }
        // The test of sd_booted(3): /run/systemd alone can exist without systemd running.
        let booted = Path::new("/run/systemd/system").is_dir();
        let systemctl = SYSTEMCTL.into_iter().find(|path| Path::new(path).exists());
        match systemctl {
            Some(systemctl) if booted => Self::Systemd { systemctl, unit: settings.unit.clone() },
            _ => Self::None,
        }
    }

    /// Restarts the daemon and waits until it runs.
    pub(crate) fn restart(&self) -> Result<(), String> {
        match self {
            Self::Command(words) => {
                let (program, arguments) = words.split_first().ok_or("restart-command is empty")?;
                execute(program, arguments).map(|_| ())
            }
            Self::Systemd { systemctl, unit } => restart_unit(systemctl, unit),
            Self::None => Err("no service manager was found".to_owned()),
        }
    }

    /// Has the daemon read its configuration anew, if it runs. At boot a hook must not wait for units that wait for
    /// the network.
    pub(crate) fn reload(&self) -> Result<(), String> {
        match self {
            Self::Systemd { systemctl, unit } => {
                let words = ["--no-ask-password", "--no-block", "try-reload-or-restart", unit];
                execute(systemctl, &words).map(|_| ())
            }
            Self::Command(_) => self.restart(),
            Self::None => Ok(()),
        }
    }
}

/// `systemctl restart` can exit 0 although nothing runs, so the unit's state is read as well.
fn restart_unit(systemctl: &str, unit: &str) -> Result<(), String> {
    let quiet = ["--no-ask-password", "--no-pager"];
    let restart = [&quiet[..], &["restart", unit]].concat();
    // A person who edits is no loop: the unit's limit of starts is not counted against them.
    drop(execute(systemctl, &[&quiet[..], &["reset-failed", unit]].concat()));
    execute(systemctl, &restart)?;
    let properties = "--property=LoadState,ActiveState,SubState,Result,ConditionResult,ExecMainStatus";
    let state = execute(systemctl, &[&quiet[..], &["show", properties, unit]].concat())?;
    let value = |name: &str| {
        state
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or("unknown")
            .to_owned()
    };
    if value("ActiveState") == "active" {
        return Ok(());
    }
    if value("ConditionResult") == "no" {
        return Err(format!("{unit} was not started: a condition of its unit file is not met here"));
    }
    Err(format!(
        "{unit} is {} ({}, exit status {}); see `journalctl -u {unit}`",
        value("ActiveState"),
        value("Result"),
        value("ExecMainStatus")
    ))
}

/// Runs a command without a shell; its output, or why it failed in its own words.
fn execute<S: AsRef<std::ffi::OsStr>>(program: &str, arguments: &[S]) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let output = child.stdout.take().map(collect);
    let errors = child.stderr.take().map(collect);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| format!("{program}: {error}"))? {
            Some(status) => break status,
            None if Instant::now() >= deadline => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("{program} did not end within {} s", PATIENCE.as_secs()));
            }
            None => thread::sleep(INTERVAL),
        }
    };
    let text = |part: Option<mpsc::Receiver<Vec<u8>>>| {
        let (mut bytes, deadline) = (Vec::new(), Instant::now() + INTERVAL * 10);
        // A daemon that the command left behind may hold the pipe open: what came by now is enough.
        while let Some(part) = &part {
            let Ok(more) = part.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                break;
            };
            bytes.extend(more.into_iter().take(OUTPUT_MAX.saturating_sub(bytes.len())));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if status.success() {
        return Ok(text(output));
    }
    let words: String = text(errors).trim().chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let words = if words.is_empty() { status.to_string() } else { words };
    Err(format!("{program}: {words}"))
}

/// The most output that is kept.
const OUTPUT_MAX: usize = 16_384;

/// Reads a pipe to its end, so that whoever writes never has to wait.
fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = pipe.read(&mut buffer)
            && length > 0
        {
            // Nobody may listen any more, and the pipe is read all the same.
            drop(sender.send(buffer.get(..length).unwrap_or_default().to_vec()));
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_fails_in_its_own_words() {
        assert_eq!(execute("/bin/echo", &["a", "b"]), Ok("a b\n".to_owned()));
        let error = execute("/bin/sh", &["-c", "echo no such unit >&2; exit 5"]).unwrap_err();
        assert_eq!(error, "/bin/sh: no such unit");
        assert!(execute::<&str>("/nonexistent", &[]).unwrap_err().contains("cannot be run"));
        let left_behind = execute("/bin/sh", &["-c", "(sleep 5)& echo why >&2; exit 1"]).unwrap_err();
        assert_eq!(left_behind, "/bin/sh: why");
        let chatty = execute("/bin/sh", &["-c", "head -c 1000000 /dev/zero | tr '\\0' x"]).unwrap();
        assert_eq!(chatty.len(), OUTPUT_MAX);
        assert!(execute("/bin/sh", &["-c", "exit 7"]).unwrap_err().contains('7'));
    }
}
