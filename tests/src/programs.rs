//! Our programs and what they print.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; -1 for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Both outputs, for a message.
    pub fn both(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// One of our programs, where cargo has put it. `cargo xtask test` builds them first.
///
/// # Panics
/// If it has not been built.
pub fn ours(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.parent().and_then(Path::parent).unwrap_or_else(|| Path::new("."));
    let program = folder.join(name);
    assert!(program.exists(), "{} is not built: run the tests with `cargo xtask test`", program.display());
    program
}

/// One of our programs, beside the one that runs.
pub fn beside(name: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be run at all.
pub fn run(command: &mut Command) -> Outcome {
    let output = command.output();
    assert!(output.is_ok(), "{command:?}: {output:?}");
    let output = output.unwrap_or_else(|_| unreachable!("asserted above"));
    Outcome {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A UDP port that nobody uses at this moment.
pub fn free_port() -> u16 {
    let socket = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.local_addr());
    socket.map_or(0, |address| address.port())
}

/// A folder of the reference data that lies beside the checkout, if it is there.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let path = root.join("shared/data").join(folder);
    path.exists().then_some(path)
}
