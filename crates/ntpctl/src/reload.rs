//! `ntpctl reload`: has the running daemon read its configuration anew, and says what came of it. A signal brings no
//! answer back, so the unit asks here, too.

use std::io::{self, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::cli::Reload;
use crate::exit::{Exit, Failure};
use crate::printable;
use crate::settings::Settings;

/// How long the daemon may take: it reads files, and looks no name up meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer.
const ANSWER_LEN_MAX: usize = 1 << 20;

/// What the daemon says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Done(Outcome),
    Refused {
        error: String,
        /// It is not about what was asked for: there are too many who ask.
        #[serde(default)]
        busy: bool,
    },
}

/// What came of it; README has an example.
#[derive(Debug, Deserialize)]
struct Outcome {
    in_force: bool,
    said: String,
    #[serde(default)]
    complaints: Vec<String>,
    #[serde(default)]
    complaints_left_out: usize,
}

impl Outcome {
    /// What is wrong with the configuration, whether it is in force or not.
    fn show_complaints(&self, out: &mut dyn Write) -> io::Result<()> {
        for complaint in &self.complaints {
            writeln!(out, "{}", printable(complaint))?;
        }
        if self.complaints_left_out > 0 {
            writeln!(out, "and {} more: see the log", self.complaints_left_out)?;
        }
        Ok(())
    }

    /// What holds now.
    fn verdict(self) -> Result<String, Failure> {
        let Self { in_force, said, .. } = self;
        if in_force {
            Ok(said)
        } else {
            Err(Failure::NotReloaded(format!("{said}; what was in force stays so")))
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("nobody listens there ({reason}): is {unit} running? --socket names another place")]
    Nobody { reason: io::Error, unit: String },
    #[error("no answer within {} s; ntpd may read the configuration yet: see its log", PATIENCE.as_secs())]
    Late,
    #[error("ntpd ended before it answered: see its log")]
    Ended,
    #[error("{0}")]
    Busy(String),
    #[error("the conversation broke off: {0}")]
    Broken(#[source] io::Error),
    #[error("what listens there does not speak as ntpd does")]
    Nonsense,
}

impl From<io::Error> for Unanswered {
    fn from(reason: io::Error) -> Self {
        let is_one_of = |kinds: [io::ErrorKind; 2]| kinds.contains(&reason.kind());
        if is_one_of([io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut]) {
            Self::Late
        } else if is_one_of([io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset]) {
            Self::Ended
        } else if reason.kind() == io::ErrorKind::InvalidData {
            Self::Nonsense
        } else {
            Self::Broken(reason)
        }
    }
}

pub(crate) fn run(request: &Reload, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = request.socket.as_ref().unwrap_or(&settings.control_socket);
    match request.or_signal {
        Some(process) => reload_process(process, path),
        None => reload_and_show(path, &settings.unit, out),
    }
}

/// For a person: whoever listens there is meant.
fn reload_and_show(path: &Path, unit: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    let nobody = |reason| Unanswered::Nobody { reason, unit: unit.to_owned() };
    let answer = UnixStream::connect(path).map_err(nobody).and_then(ask);
    let outcome = match answer {
        Ok(Answer::Done(outcome)) => outcome,
        Ok(Answer::Refused { error, .. }) => return Err(Failure::NotReloaded(error)),
        Err(reason) => return Err(Failure::Unanswered(format!("{}: {reason}", path.display()))),
    };
    let shown = outcome.show_complaints(out);
    // The verdict first: that nobody reads what is wrong makes nothing right.
    let said = outcome.verdict()?;
    match shown.and_then(|()| writeln!(out, "{}", printable(&said))) {
        // Nor does it make anything wrong.
        Err(reason) if reason.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(reason)),
        Ok(()) | Err(_) => Ok(Exit::Done),
    }
}

/// For the unit: only this very process is meant. Where it is not the one that listens, or does not say what came of it, it
/// gets the signal; its log has the complaints in any case.
fn reload_process(process: i32, path: &Path) -> Result<Exit, Failure> {
    let its_own = UnixStream::connect(path).ok().filter(|stream| listener(stream) == Some(process));
    match its_own.map(ask) {
        Some(Ok(Answer::Done(outcome))) => outcome.verdict().map(|_| Exit::Done),
        Some(Ok(Answer::Refused { .. }) | Err(_)) | None => signal(process),
    }
}

/// The process that listens at the other end.
fn listener(stream: &UnixStream) -> Option<i32> {
    getsockopt(stream, sockopt::PeerCredentials).ok().map(|credentials| credentials.pid())
}

fn ask(mut stream: UnixStream) -> Result<Answer, Unanswered> {
    stream.set_write_timeout(Some(PATIENCE))?;
    // Who has no place for one more says so without waiting for the question, and hangs up.
    let asked = stream.write_all(b"{\"command\": \"reload\"}\n");
    let line = line_within(&mut stream, PATIENCE)?;
    if line.is_empty() {
        asked?;
        return Err(Unanswered::Ended);
    }
    match serde_json::from_slice(&line) {
        Ok(Answer::Refused { error, busy: true }) => Err(Unanswered::Busy(error)),
        Ok(answer) => Ok(answer),
        Err(_) => Err(Unanswered::Nonsense),
    }
}

/// A line, or what came of it before the other end hung up; it has so long altogether.
fn line_within(stream: &mut UnixStream, patience: Duration) -> io::Result<Vec<u8>> {
    let end = Instant::now() + patience;
    let (mut line, mut some) = (Vec::new(), [0; 4096]);
    while !line.contains(&b'\n') {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let length = match stream.read(&mut some) {
            Ok(length) => length,
            // Some of the question was not read: what was said before is what counts.
            Err(reason) if reason.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(reason) => return Err(reason),
        };
        line.extend(some.iter().take(length));
        if length == 0 || line.len() > ANSWER_LEN_MAX {
            break;
        }
    }
    Ok(line)
}

fn signal(process: i32) -> Result<Exit, Failure> {
    kill(Pid::from_raw(process), Signal::SIGHUP)
        .map_err(|reason| Failure::Unanswered(format!("process {process} takes no SIGHUP: {reason}")))?;
    Ok(Exit::Done)
}
