//! What a process gives up for good: files and folders other than its own (Landlock), and calls to the kernel that it
//! never makes (seccomp).

mod calls;
mod folders;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a process keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files, and folders with all beneath them, that it reads. Of these and the next, what does not exist yet is not
    /// kept, as it could be anything.
    pub read: Vec<PathBuf>,
    /// Folders in which it also makes, changes and removes files.
    pub write: Vec<PathBuf>,
    /// Ports that it connects to over TCP.
    pub tcp: Vec<u16>,
    /// Whether it adjusts the system's clock.
    pub clock: bool,
}

/// What came of it. What the kernel does not offer is left out, which the caller should say.
#[derive(Debug)]
pub struct Walls {
    /// Whether only the named folders are reachable: fully, partly or not, by the age of the kernel; the reason if
    /// that could not be had.
    pub files: Result<Extent, FoldersError>,
    /// Whether only the listed calls are possible; the reason if they are not.
    pub calls: Result<(), CallsError>,
}

/// How much of a restriction the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Full,
    /// What this kernel knows of.
    Partial,
    /// Nothing.
    None,
}

/// Why files are not confined by a kernel that could.
#[derive(Debug, thiserror::Error)]
#[error("the kernel confines no files: {0}")]
pub struct FoldersError(String);

/// Why calls to the kernel are not filtered.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// There is no list for this processor.
    #[error("there is no list of calls for {}", std::env::consts::ARCH)]
    Processor,
    /// The kernel did not take the filter.
    #[error("the kernel takes no filter: {0}")]
    Refused(String),
    /// The signal that a forbidden call ends in could not be prepared.
    #[error(transparent)]
    Signal(#[from] io::Error),
}

/// What this process kept, once it is confined to folders.
static KEPT: OnceLock<Needs> = OnceLock::new();

/// Confines this process, and whatever threads it starts from now on. It cannot be undone. Call it before the
/// first thread is started: those that run already keep their access to files.
#[must_use]
pub fn confine(needs: Needs) -> Walls {
    let clock = needs.clock;
    let files = match folders::restrict(needs) {
        Ok((extent, kept)) => {
            if extent != Extent::None {
                // A second call adds its walls to those of the first, which say already what lies outside.
                KEPT.get_or_init(|| kept);
            }
            Ok(extent)
        }
        Err(reason) => Err(FoldersError(reason.to_string())),
    };
    Walls { files, calls: calls::restrict(clock) }
}

/// Whether this process has given up reading what lies there.
#[must_use]
pub fn is_beyond(path: &Path) -> bool {
    KEPT.get().is_some_and(|kept| !covers(kept.read.iter().chain(&kept.write), path))
}

/// Whether this process has given up making that file.
#[must_use]
pub fn is_beyond_writing(file: &Path) -> bool {
    KEPT.get().is_some_and(|kept| !covers(kept.write.iter(), file))
}

fn covers<'a>(mut kept: impl Iterator<Item = &'a PathBuf>, path: &Path) -> bool {
    let resolved = resolve(path);
    kept.any(|folder| resolved.starts_with(resolve(folder)))
}

/// The path without symbolic links, as far as it exists.
fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for known in path.ancestors() {
        if let Ok(real) = known.canonicalize() {
            // Joined with nothing, a path would end in a slash.
            let rest = path.strip_prefix(known).ok().filter(|rest| !rest.as_os_str().is_empty());
            return rest.map_or_else(|| real.clone(), |rest| real.join(rest));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_covers_what_is_beneath_it_and_nothing_beside() {
        let kept = [PathBuf::from("/etc"), PathBuf::from("/nowhere/state")];
        for inside in ["/etc", "/etc/ntp.conf", "/nowhere/state/a/b"] {
            assert!(covers(kept.iter(), Path::new(inside)), "{inside}");
        }
        for outside in ["/", "/etcetera", "/nowhere", "/nowhere/state2", "/nowhere/stat"] {
            assert!(!covers(kept.iter(), Path::new(outside)), "{outside}");
        }
    }
}
