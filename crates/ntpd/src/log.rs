//! What the administrator reads: one line for each change of state.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ntp_conf::directive::{LogClass, LogKind, LogSelection};
use ntp_os::user::Account;
use ntp_proto::discipline::LeapArm;
use ntp_proto::system::Event;
use ntp_proto::wire::KissCode;
use tracing::{Level, Metadata, info, warn};
use tracing_subscriber::fmt::MakeWriter;

/// Where log lines go.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Standard error: the terminal or the journal.
    StandardError,
    /// A file, open already.
    File(LogFile),
    /// The system's log, for a daemon that left its terminal.
    Syslog,
}

/// A log file, which may be moved away and is then begun anew under its name: what rotates logs need tell nobody.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    /// It was moved away and cannot be begun anew.
    stuck: bool,
}

/// Opens a log file, behind what it holds.
pub(crate) fn open(path: &Path) -> io::Result<LogFile> {
    let path = std::path::absolute(path)?;
    let file = append(&path)?;
    Ok(LogFile { path, file, stuck: false })
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl LogFile {
    /// Has it belong to whom this process is about to become, who must open it again when it was moved away. A file
    /// that is shared with others stays theirs.
    pub(crate) fn give_to(&self, account: &Account) {
        if self.file.metadata().is_ok_and(|found| found.is_file() && found.len() == 0) {
            // What is open stays so; that it cannot be begun anew is said where that is tried.
            drop(account.own(&self.file));
        }
    }

    /// Whether the name still means the file that is open.
    fn is_in_place(&self) -> io::Result<bool> {
        let (named, held) = (fs::metadata(&self.path)?, self.file.metadata()?);
        Ok((named.dev(), named.ino()) == (held.dev(), held.ino()))
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.is_in_place().unwrap_or(false) {
            match append(&self.path) {
                Ok(file) => (self.file, self.stuck) = (file, false),
                // Whoever reads what there is must learn that it goes on there.
                Err(reason) if !self.stuck => {
                    self.stuck = true;
                    let path = self.path.display();
                    writeln!(
                        self.file,
                        "{path} is gone and cannot be begun anew ({reason}): the log goes on here"
                    )?;
                }
                Err(_) => {}
            }
        }
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Starts logging. Fails only if it was started already.
pub(crate) fn start(destination: Destination, level: Level) -> io::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .log_internal_errors(false);
    let started = match destination {
        Destination::File(file) => builder.with_writer(Mutex::new(file)).try_init(),
        Destination::Syslog => builder.without_time().with_level(false).with_writer(Syslog::new()).try_init(),
        // The journal and a person both know what time it is; a redirected stream may not.
        Destination::StandardError
            if io::stderr().is_terminal() || std::env::var_os("JOURNAL_STREAM").is_some() =>
        {
            builder.without_time().with_writer(|| Lossy).try_init()
        }
        Destination::StandardError => builder.with_writer(|| Lossy).try_init(),
    };
    started.map_err(|error| io::Error::other(error.to_string()))
}

/// Standard error, whose loss must not stop the clock: a full disk or a closed pipe loses the line.
#[derive(Debug)]
struct Lossy;

impl Write for Lossy {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        drop(io::stderr().write_all(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The system's log, whose keeper may be started anew at any time.
#[derive(Debug)]
struct Syslog(Mutex<Option<UnixDatagram>>);

/// One line on its way there.
#[derive(Debug)]
struct SyslogLine<'s> {
    log: &'s Syslog,
    /// RFC 5424 §6.2.1.
    severity: u8,
}

/// Facility daemon, as a syslog line begins with it (RFC 5424 §6.2.1).
const DAEMON: u8 = 3 << 3;

impl Syslog {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Sends a line, if somebody listens: on the connection there is, or else on a new one.
    fn send(&self, message: &[u8]) {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.as_ref().is_none_or(|socket| socket.send(message).is_err()) {
            let connected =
                UnixDatagram::unbound().and_then(|socket| socket.connect("/dev/log").map(|()| socket));
            *socket = connected.ok().filter(|socket| socket.send(message).is_ok());
        }
    }
}

impl<'s> MakeWriter<'s> for Syslog {
    type Writer = SyslogLine<'s>;

    fn make_writer(&'s self) -> Self::Writer {
        SyslogLine { log: self, severity: 5 }
    }

    fn make_writer_for(&'s self, line: &Metadata<'_>) -> Self::Writer {
        let severity = match *line.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        SyslogLine { log: self, severity }
    }
}

impl Write for SyslogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut message = format!("<{}>ntpd[{}]: ", DAEMON | self.severity, std::process::id()).into_bytes();
        message.extend_from_slice(line.trim_ascii_end());
        self.log.send(&message);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The words of `logconfig` for an event that tells of nothing wrong; what is wrong is logged whatever they say.
const fn selector(event: &Event) -> Option<(LogClass, LogKind)> {
    match event {
        Event::Resolved { .. } => Some((LogClass::Peer, LogKind::Info)),
        Event::Reachable(_) | Event::Replaced { .. } => Some((LogClass::Peer, LogKind::Events)),
        Event::SystemPeer(Some(_)) | Event::LocalReference | Event::Synchronized { .. } => {
            Some((LogClass::Sync, LogKind::Status))
        }
        Event::Resumed | Event::LeapArmed(_) | Event::LeapPassed => Some((LogClass::System, LogKind::Events)),
        Event::Unresolved { .. }
        | Event::Unreachable(_)
        | Event::NoRoute(_)
        | Event::Rejected { .. }
        | Event::Unfit { .. }
        | Event::Kissed { .. }
        | Event::SystemPeer(None)
        | Event::NoMajority { .. }
        | Event::TooFew { .. }
        | Event::Strayed(_)
        | Event::SteppedFromOutside(_)
        | Event::Stepping(_)
        | Event::Spike(_) => None,
    }
}

/// Puts an event of the system into words, if such lines are logged.
pub(crate) fn report(event: &Event, logged: LogSelection) {
    if selector(event).is_some_and(|(class, kind)| !logged.has(class, kind)) {
        return;
    }
    match event {
        Event::Resolved { name, addresses } => {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            info!("{name}: using {}", list.join(", "));
        }
        Event::Unresolved { name, reason, retry_seconds } => {
            let reason = reason.escape_debug();
            warn!("{name}: cannot be resolved ({reason}); trying again in {retry_seconds} s");
        }
        Event::Reachable(remote) => info!("{remote}: answers"),
        Event::Unreachable(remote) => warn!("{remote}: has not answered for eight polls"),
        Event::NoRoute(remote) => {
            warn!("{remote}: cannot be asked: there is no way to it from here; trying on");
        }
        Event::Rejected { remote, reason } => warn!("{remote}: answers, but cannot be used: {reason}"),
        Event::Unfit { remote, reason } => warn!("{remote}: answers, but is not followed: {reason}"),
        Event::Kissed { remote, code: KissCode::Rate } => {
            warn!("{remote}: asks us to slow down (RATE); polling half as often");
        }
        Event::Kissed { remote, code: code @ (KissCode::Deny | KissCode::Restrict) } => {
            let code = code.reference_id().code().unwrap_or_default();
            warn!("{remote}: does not serve us ({code}); it is not asked again");
        }
        Event::Replaced { remote, by } => info!("{remote} is of no use: asking {by} instead"),
        Event::SystemPeer(_)
        | Event::NoMajority { .. }
        | Event::TooFew { .. }
        | Event::Strayed(_)
        | Event::SteppedFromOutside(_)
        | Event::Resumed
        | Event::LeapArmed(_)
        | Event::LeapPassed
        | Event::LocalReference
        | Event::Stepping(_)
        | Event::Synchronized { .. }
        | Event::Spike(_) => report_clock(event),
    }
}

/// The events that are about the clock, not about one source.
fn report_clock(event: &Event) {
    match event {
        Event::SystemPeer(Some(remote)) => info!("following {remote}"),
        Event::SystemPeer(None) => warn!("no server to follow: the clock runs on by itself"),
        Event::NoMajority { voters } => warn!(
            "the {voters} servers contradict each other and no majority agrees: the clock runs on by itself"
        ),
        Event::TooFew { agreeing, needed } => warn!(
            "{agreeing} servers survive the selection, and `tos minsane` asks for {needed}: the clock runs on by itself"
        ),
        Event::Strayed(by) => {
            warn!("the clock has gone wrong by {by} since the last good answer");
        }
        Event::SteppedFromOutside(by) => {
            warn!("somebody else has set the clock, by {by}: asking the servers anew");
        }
        Event::Resumed => info!("this machine was suspended: asking the servers anew"),
        Event::LeapArmed(LeapArm::Insert) => info!("a leap second is inserted at the end of this UTC day"),
        Event::LeapArmed(LeapArm::Delete) => info!("a leap second is deleted at the end of this UTC day"),
        Event::LeapArmed(LeapArm::None) => info!("there is no leap second today, after all"),
        Event::LeapPassed => info!("a leap second has passed"),
        Event::LocalReference => info!("following the local clock, as no server is there to follow"),
        Event::Stepping(offset) => warn!("stepping the clock by {offset}"),
        Event::Synchronized { error } => info!("synchronized; {error} remain to be slewed away"),
        Event::Spike(error) => warn!("the clock seems off by {error}: waiting whether it lasts"),
        Event::Resolved { .. }
        | Event::Unresolved { .. }
        | Event::Reachable(_)
        | Event::Unreachable(_)
        | Event::NoRoute(_)
        | Event::Rejected { .. }
        | Event::Unfit { .. }
        | Event::Kissed { .. }
        | Event::Replaced { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut log = open(&path).unwrap();
        log.write_all(b"one\n").unwrap();
        fs::rename(&path, &old).unwrap();
        log.write_all(b"two\n").unwrap();
        // Where nothing can be put in its place, what is open is as good as ever.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        log.write_all(b"three\n").unwrap();
        fs::remove_dir(&path).unwrap();
        log.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    }
}
