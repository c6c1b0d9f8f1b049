//! The socket for programs on this machine: one line of JSON in, one line out. This half listens, knows who asks,
//! and bounds what they may cost; `driver/local.rs` answers.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;

/// The longest question.
const QUESTION_LEN_MAX: u64 = 4096;

/// Conversations at once, of all users and of one.
const CONVERSATIONS_MAX: usize = 32;
const CONVERSATIONS_OF_ONE_MAX: usize = 8;

/// How long somebody may take until the first question is whole.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// How long between questions, or to read an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who asks, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user: u32,
    /// The process; 0 where the kernel does not say.
    pub(crate) process: i32,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} (process {})", self.user, self.process)
    }
}

impl Caller {
    /// Whether it may see and change what queries of mode 6 must be signed for: root, and whom the daemon runs as.
    pub(crate) fn is_trusted(self) -> bool {
        self.user == 0 || self.user == nix::unistd::geteuid().as_raw()
    }
}

/// A question, and where its answer goes.
#[derive(Debug)]
pub(crate) struct LocalQuestion {
    pub(crate) line: String,
    pub(crate) caller: Caller,
    pub(crate) answer: oneshot::Sender<String>,
}

/// Listens, until this is dropped; the socket is removed then.
#[derive(Debug)]
pub(crate) struct LocalSocket {
    path: PathBuf,
    questions: mpsc::Receiver<LocalQuestion>,
}

impl LocalSocket {
    /// Takes the place of a socket that an earlier run has left, and of nothing else.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                if std::os::unix::net::UnixStream::connect(path).is_ok() {
                    return Err(io::Error::other("another daemon listens there"));
                }
                fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::Error::other("there is something else of that name")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        // Everybody may ask; what they get depends on who they are.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        let (sender, questions) = mpsc::channel(CONVERSATIONS_MAX);
        tokio::spawn(accept(listener, sender));
        Ok(Self { path: path.to_owned(), questions })
    }

    /// The next question.
    pub(crate) async fn question(&mut self) -> Option<LocalQuestion> {
        self.questions.recv().await
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        // Gone already is gone.
        drop(fs::remove_file(&self.path));
    }
}

/// Who has a conversation, by user. Nobody can take the places of all others; root always has some.
#[derive(Clone, Debug, Default)]
struct Places(Arc<Mutex<BTreeMap<u32, usize>>>);

/// A place in the room; it is free again when this is dropped.
struct Place {
    user: u32,
    places: Places,
}

impl Places {
    fn take(&self, caller: Caller) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.entry(caller.user).or_default();
        if *own >= CONVERSATIONS_OF_ONE_MAX || (all >= CONVERSATIONS_MAX && !caller.is_trusted()) {
            return None;
        }
        *own += 1;
        Some(Place { user: caller.user, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user) {
            *own = own.saturating_sub(1);
        }
        taken.retain(|_, own| *own > 0);
    }
}

async fn accept(listener: UnixListener, questions: mpsc::Sender<LocalQuestion>) {
    let places = Places::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(reason) = admit(stream, &places, &questions) {
                    debug!("a local conversation ends before it begins: {reason}");
                }
            }
            Err(reason) => {
                debug!("nobody can be let in now: {reason}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn admit(stream: UnixStream, places: &Places, questions: &mpsc::Sender<LocalQuestion>) -> io::Result<()> {
    let credentials = stream.peer_cred()?;
    let caller = Caller { user: credentials.uid(), process: credentials.pid().unwrap_or(0) };
    let Some(place) = places.take(caller) else {
        let reason = format!(
            "too many conversations at once (user {} may have \
             {CONVERSATIONS_OF_ONE_MAX}, all together {CONVERSATIONS_MAX}): end one, and try again",
            caller.user
        );
        let words = serde_json::json!({ "error": reason, "busy": true }).to_string() + "\n";
        // What does not fit into an empty buffer is not worth waiting for.
        return stream.try_write(words.as_bytes()).map(drop);
    };
    let questions = questions.clone();
    tokio::spawn(async move {
        if let Err(reason) = converse(stream, caller, &questions).await {
            debug!("a local conversation ends: {reason}");
        }
        drop(place);
    });
    Ok(())
}

/// A line that says why there is no answer.
fn refusal(reason: &str) -> String {
    serde_json::json!({ "error": reason }).to_string() + "\n"
}

/// Questions and answers in turn, until either side has had enough.
async fn converse(
    stream: UnixStream,
    caller: Caller,
    questions: &mpsc::Sender<LocalQuestion>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut patience = FIRST_PATIENCE;
    loop {
        let mut bytes = Vec::new();
        let mut bounded = (&mut reader).take(QUESTION_LEN_MAX);
        let length = timeout(patience, bounded.read_until(b'\n', &mut bytes)).await??;
        if length == 0 {
            return Ok(());
        }
        let cut = bytes.last() != Some(&b'\n') && bytes.len() as u64 >= QUESTION_LEN_MAX;
        let whole = bytes.last() == Some(&b'\n');
        let text = match String::from_utf8(bytes) {
            _ if cut => refusal(&format!("a question has at most {QUESTION_LEN_MAX} bytes")),
            Err(error) => refusal(&format!(
                "a question is UTF-8; it is none from byte {} on",
                error.utf8_error().valid_up_to() + 1
            )),
            Ok(line) => {
                let (sender, answer) = oneshot::channel();
                let question = LocalQuestion { line, caller, answer: sender };
                if questions.send(question).await.is_err() {
                    return Ok(());
                }
                let Ok(text) = answer.await else { return Ok(()) };
                text + "\n"
            }
        };
        timeout(PATIENCE, writer.write_all(text.as_bytes())).await??;
        // What follows half a line is no question.
        if !whole {
            return Ok(());
        }
        patience = PATIENCE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_all_places() {
        let places = Places::default();
        let caller = |user| Caller { user, process: 1 };
        let mut taken: Vec<Place> = std::iter::from_fn(|| places.take(caller(1000))).collect();
        assert_eq!(taken.len(), CONVERSATIONS_OF_ONE_MAX);
        for user in 1001..1004 {
            taken.extend(std::iter::from_fn(|| places.take(caller(user))));
        }
        assert_eq!(taken.len(), CONVERSATIONS_MAX);
        assert!(places.take(caller(2000)).is_none());
        assert!(places.take(caller(0)).is_some());
        drop(taken);
        assert!(places.take(caller(2000)).is_some());
        assert!(places.0.lock().unwrap().is_empty());
    }
}
