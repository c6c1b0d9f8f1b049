//! The drift file: the frequency correction in ppm, one line, as ntpd writes it.

use std::fs;
use std::io;
use std::path::Path;

use ntp_proto::time::Frequency;

/// A larger correction than ntpd ever applies is not from ntpd.
const PPM_MAX: f64 = 500.0;

/// The longest file that could be one.
const LENGTH_MAX: u64 = 4096;

/// Reads the frequency. `Ok(None)` if there is no file yet.
pub(crate) fn read_drift(path: &Path) -> Result<Option<Frequency>, String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.is_file() || metadata.len() > LENGTH_MAX {
        return Err("it is not a drift file".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let first = text.split_whitespace().next().unwrap_or_default();
    match first.parse::<f64>() {
        Ok(ppm) if ppm.abs() <= PPM_MAX => Ok(Some(Frequency::from_ppm(ppm))),
        _ => Err(format!("\"{}\" is no frequency in ppm", first.escape_default())),
    }
}

/// Replaces the file.
pub(crate) fn write_drift(
    path: &Path,
    frequency: Frequency,
) -> Result<(), ntp_os::atomic_file::ReplaceError> {
    let line = format!("{:.3}\n", frequency.as_ppm());
    ntp_os::atomic_file::replace(path, line.as_bytes(), None, 0o644)
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
        for nonsense in ["", "fast", "nan", "99999", "\0\0"] {
            fs::write(&path, nonsense).unwrap();
            assert!(read_drift(&path).is_err(), "{nonsense:?}");
        }
        fs::remove_file(&path).unwrap();
    }
}
