//! Daemons that end with the test, and never touch the machine's clock.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Takes away the capability to set the clock, from a daemon and all that it starts: a network
/// namespace does not isolate the clock.
const WITHOUT_CLOCK: [&str; 5] = ["setpriv", "--bounding-set", "-sys_time", "--inh-caps", "-sys_time"];

/// A command that cannot set the clock, in a namespace if one is given.
pub(crate) fn command(namespace: Option<&str>, program: &Path) -> Command {
    let mut words: Vec<&str> = match namespace {
        Some(namespace) => vec!["ip", "netns", "exec", namespace],
        None => Vec::new(),
    };
    // Only root has the capability in the first place.
    if is_root() {
        words.extend(WITHOUT_CLOCK);
    }
    match words.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// A command for a daemon on this host that cannot set the clock.
pub fn without_clock(program: &Path) -> Command {
    command(None, program)
}

/// A daemon that runs until this is dropped.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// Starts a program without control of the clock, in a namespace if one is given, and with its
    /// output in a file.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(namespace: Option<&str>, program: &Path, arguments: &[&str], log: &Path) -> Self {
        let mut command = command(namespace, program);
        let output = fs::File::create(log).and_then(|out| Ok((out.try_clone()?, out)));
        assert!(output.is_ok(), "{}: {output:?}", log.display());
        if let Ok((out, err)) = output {
            command.stdout(out).stderr(err);
        }
        let child = command.args(arguments).stdin(Stdio::null()).spawn();
        assert!(child.is_ok(), "{command:?}: {child:?}");
        Self(child.unwrap_or_else(|_| unreachable!("asserted above")))
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, and returns its exit status; `None` if it does not within five seconds.
    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.0.id(), "TERM");
        let mut status = None;
        until(Duration::from_secs(5), || {
            status = self.0.try_wait().ok().flatten();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A daemon that left its terminal, known by its pid file; it ends when this is dropped.
#[derive(Debug)]
pub struct Pid<'a>(pub &'a Path);

impl Drop for Pid<'_> {
    fn drop(&mut self) {
        if let Some(pid) = fs::read_to_string(self.0).ok().and_then(|text| text.trim().parse().ok()) {
            signal(pid, "TERM");
        }
    }
}

fn signal(pid: u32, name: &str) {
    drop(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status());
}

/// Waits until something is so; whether it came to be.
pub fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the test may do what only root may.
pub fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1));
    effective == Some("0")
}
