//! The files of state: the drift file (the frequency correction in ppm, one line, as ntpd writes it),
//! the estimator's memory beside it, and the table of leap seconds.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;
use ntp_os::atomic_file::{ReplaceError, replace};
use ntp_proto::discipline::LeapTable;
use ntp_proto::estimator::Memory;
use ntp_proto::time::Frequency;

/// A larger correction than ntpd ever applies is not from ntpd.
const PPM_MAX: f64 = 500.0;

/// The longest file that could be one.
const DRIFT_LENGTH_MAX: u64 = 4096;

/// The longest memory and the longest table of leap seconds that are read.
const LENGTH_MAX: u64 = 1 << 18;

/// Reads a whole file; `Ok(None)` if there is none.
fn read(path: &Path, length_max: u64) -> Result<Option<String>, String> {
    // Looked at before it is opened: opening a pipe waits for somebody to write to it.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.is_file() {
        return Err("it is no file but a directory, a pipe or a device".to_owned());
    }
    if metadata.len() > length_max {
        return Err(format!("it is longer than {length_max} bytes"));
    }
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(length_max).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(Some(text))
}

/// Reads the frequency. `Ok(None)` if there is no file yet.
pub(crate) fn read_drift(path: &Path) -> Result<Option<Frequency>, String> {
    let Some(text) = read(path, DRIFT_LENGTH_MAX)? else { return Ok(None) };
    let first = text.split_whitespace().next().unwrap_or_default();
    match first.parse::<f64>() {
        Ok(ppm) if ppm.abs() <= PPM_MAX => Ok(Some(Frequency::from_ppm(ppm))),
        _ => Err(format!("\"{}\" is no frequency in ppm", first.escape_default())),
    }
}

/// Whether a file can be put in its place, by this user and for now.
pub(crate) fn is_replaceable(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    Ok(nix::unistd::access(folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// What is remembered of the clock from one run to the next, on a disk that may be full for a while.
#[derive(Debug)]
pub(crate) struct StateFiles {
    drift: Option<PathBuf>,
    lost: bool,
}

/// How it went, where that is new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Nothing is remembered from now on, and why.
    Lost(String),
    /// It is again.
    Again,
}

impl StateFiles {
    /// Beside this drift file, if there is one.
    pub(crate) const fn new(drift: Option<PathBuf>) -> Self {
        Self { drift, lost: false }
    }

    /// Replaces both files; a file that cannot be replaced stays as it was.
    pub(crate) fn store(&mut self, frequency: Frequency, memory: &Memory) -> Option<Stored> {
        let path = self.drift.as_ref()?;
        let outcome = write_drift(path, frequency).and_then(|()| write_memory(&memory_path(path), memory));
        let was_lost = std::mem::replace(&mut self.lost, outcome.is_err());
        match outcome {
            Err(reason) if !was_lost => Some(Stored::Lost(reason.to_string())),
            Ok(()) if was_lost => Some(Stored::Again),
            Ok(()) | Err(_) => None,
        }
    }
}

/// Replaces the file.
fn write_drift(path: &Path, frequency: Frequency) -> Result<(), ReplaceError> {
    let line = format!("{:.3}\n", frequency.as_ppm());
    replace(path, line.as_bytes(), None, 0o644)
}

/// Where the estimator's memory is: beside the drift file.
pub(crate) fn memory_path(drift: &Path) -> PathBuf {
    let mut name = drift.file_name().unwrap_or_default().to_owned();
    name.push(".estimator");
    drift.with_file_name(name)
}

/// Reads the estimator's memory. `Ok(None)` if there is none yet.
pub(crate) fn read_memory(path: &Path) -> Result<Option<Memory>, String> {
    let Some(text) = read(path, LENGTH_MAX)? else { return Ok(None) };
    Memory::parse(&text).map(Some).map_err(|error| error.to_string())
}

/// Replaces it.
fn write_memory(path: &Path, memory: &Memory) -> Result<(), ReplaceError> {
    replace(path, memory.to_string().as_bytes(), None, 0o644)
}

/// Reads the table of leap seconds.
pub(crate) fn read_leap_table(path: &Path, check_hash: bool) -> Result<LeapTable, String> {
    let text = read(path, LENGTH_MAX)?.ok_or_else(|| "there is no such file".to_owned())?;
    LeapTable::parse(&text, check_hash).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    #[test]
    fn a_drift_file_survives_a_round_trip_and_nonsense_is_named() {
        let path = env::temp_dir().join(format!("ntpd-drift-test-{}", std::process::id()));
        assert_eq!(read_drift(&path), Ok(None));
        write_drift(&path, Frequency::from_ppm(-12.345)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "-12.345\n");
        assert!((read_drift(&path).unwrap().unwrap().as_ppm() + 12.345).abs() < 1e-4);
        assert!(is_replaceable(&path).is_ok() && is_replaceable(&path.join("below/drift")).is_err());
        assert!(read_memory(&path).is_err());
        assert_eq!(read_memory(&memory_path(&path)), Ok(None));
        for nonsense in ["", "fast", "nan", "99999", "\0\0"] {
            fs::write(&path, nonsense).unwrap();
            assert!(read_drift(&path).is_err(), "{nonsense:?}");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_disk_that_says_no_is_named_once_and_once_it_says_yes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/drift");
        let mut files = StateFiles::new(Some(path.clone()));
        let text = "ntp-estimator 1\nwritten 1\nfrequency 1 1\nwander 1e-7\nmodels 1 0 0 0 0 0 0 0\n";
        let memory = Memory::parse(text).unwrap();
        let mut store = |ppm| files.store(Frequency::from_ppm(ppm), &memory);
        assert!(matches!(store(1.0), Some(Stored::Lost(_))));
        assert_eq!(store(2.0), None);
        fs::create_dir(folder.path().join("state")).unwrap();
        assert_eq!(store(3.0), Some(Stored::Again));
        assert_eq!(store(4.0), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "4.000\n");
    }

    #[test]
    fn a_pipe_is_refused_at_once() {
        let path = env::temp_dir().join(format!("ntpd-pipe-test-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (drift, leap_seconds) = (read_drift(&path), read_leap_table(&path, true));
        fs::remove_file(&path).unwrap();
        assert!(drift.is_err());
        assert!(leap_seconds.is_err());
    }
}
