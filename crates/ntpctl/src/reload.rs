//! `ntpctl reload`: has the running daemon read its configuration anew, and says what came of it. A signal could not:
//! `systemctl reload` ends well whatever the daemon makes of it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::cli::Reload;
use crate::exit::{Exit, Failure};
use crate::printable;
use crate::settings::Settings;

/// How long the daemon may take: it reads files, and looks no name up meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// What the daemon says; README lists the fields.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Done {
        in_force: bool,
        said: String,
        #[serde(default)]
        complaints: Vec<String>,
        #[serde(default)]
        complaints_left_out: usize,
    },
    Refused {
        error: String,
    },
}

pub(crate) fn run(request: &Reload, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = request.socket.as_ref().unwrap_or(&settings.control_socket);
    let answer = match (UnixStream::connect(path), request.or_signal) {
        (Ok(stream), _) => ask(stream).map_err(|reason| unanswered(path, settings, &reason))?,
        // It listens elsewhere, or nowhere; its log says what came of it.
        (Err(_), Some(process)) => return signal(process),
        (Err(reason), None) => return Err(unanswered(path, settings, &reason)),
    };
    match answer {
        Answer::Refused { error } => Err(Failure::Refused(error)),
        Answer::Done { in_force, said, complaints, complaints_left_out } => {
            // The daemon's log has them, and under the unit this goes to the same place.
            if request.or_signal.is_none() {
                for complaint in &complaints {
                    writeln!(out, "{}", printable(complaint))?;
                }
                if complaints_left_out > 0 {
                    writeln!(out, "and {complaints_left_out} more: see the log")?;
                }
            }
            if !in_force {
                return Err(Failure::Refused(format!("{said}; what was in force stays so")));
            }
            if request.or_signal.is_none() {
                writeln!(out, "{}", printable(&said))?;
            }
            Ok(Exit::Done)
        }
    }
}

fn ask(mut stream: UnixStream) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"{\"command\": \"reload\"}\n")?;
    let mut line = String::new();
    BufReader::new(stream).take(ANSWER_LEN_MAX).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(io::Error::other)
}

fn unanswered(path: &Path, settings: &Settings, reason: &io::Error) -> Failure {
    Failure::NotRestarted(format!(
        "ntpd cannot be asked at {} ({reason}): is {} running? --socket names another place",
        path.display(),
        settings.unit
    ))
}

fn signal(process: i32) -> Result<Exit, Failure> {
    kill(Pid::from_raw(process), Signal::SIGHUP)
        .map_err(|reason| Failure::NotRestarted(format!("process {process} takes no SIGHUP: {reason}")))?;
    Ok(Exit::Done)
}
