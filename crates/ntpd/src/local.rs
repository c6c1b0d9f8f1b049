//! The socket for programs on this machine: one line of JSON in, one line out. This half listens, knows who asks,
//! and bounds what they may cost; `driver/local.rs` answers.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;

/// The longest question.
const QUESTION_LEN_MAX: u64 = 4096;

/// Conversations at once; more wait in the queue of the kernel.
const CONVERSATIONS_MAX: usize = 16;

/// How long somebody may say nothing, or not read what was asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who asks, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user: u32,
    /// The process; 0 where the kernel does not say.
    pub(crate) process: i32,
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

async fn accept(listener: UnixListener, questions: mpsc::Sender<LocalQuestion>) {
    let places = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let questions = questions.clone();
                tokio::spawn(async move {
                    if let Err(reason) = converse(stream, &questions).await {
                        debug!("a local conversation ends: {reason}");
                    }
                    drop(place);
                });
            }
            Err(reason) => {
                debug!("nobody can be let in now: {reason}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Questions and answers in turn, until either side has had enough.
async fn converse(stream: UnixStream, questions: &mpsc::Sender<LocalQuestion>) -> io::Result<()> {
    let credentials = stream.peer_cred()?;
    let caller = Caller { user: credentials.uid(), process: credentials.pid().unwrap_or(0) };
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        let mut bounded = (&mut reader).take(QUESTION_LEN_MAX);
        let length = timeout(PATIENCE, bounded.read_line(&mut line)).await??;
        if length == 0 {
            return Ok(());
        }
        let (sender, answer) = oneshot::channel();
        let whole = line.ends_with('\n');
        let question = LocalQuestion { line, caller, answer: sender };
        if questions.send(question).await.is_err() {
            return Ok(());
        }
        let Ok(mut text) = answer.await else { return Ok(()) };
        text.push('\n');
        timeout(PATIENCE, writer.write_all(text.as_bytes())).await??;
        // What follows half a line is no question.
        if !whole {
            return Ok(());
        }
    }
}
