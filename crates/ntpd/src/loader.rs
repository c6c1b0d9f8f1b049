//! Reads configuration files for ntp-conf.

use std::path::Path;

use ntp_conf::{LoadError, Loaded};
use ntp_os::config_files;

/// The file at `path`, or the files in it; of a longer one only one byte more than `length_max`.
///
/// # Errors
/// If it cannot be read.
pub fn load_files(path: &Path, length_max: usize) -> Result<Vec<Loaded>, LoadError> {
    let found = config_files::load(path, length_max).map_err(|error| {
        if error.is_missing() { LoadError::Missing } else { LoadError::Other(error.to_string()) }
    })?;
    Ok(found.into_iter().map(|(path, content)| Loaded { path, content }).collect())
}
