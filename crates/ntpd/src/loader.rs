//! Reads configuration files for ntp-conf.

use std::path::Path;

use ntp_conf::{FILE_LEN_MAX, LoadError, Loaded};
use ntp_os::config_files;

/// The file at `path`, or the files in it.
pub(crate) fn load(path: &Path) -> Result<Vec<Loaded>, LoadError> {
    let found = config_files::load(path, FILE_LEN_MAX).map_err(|error| LoadError(error.to_string()))?;
    Ok(found.into_iter().map(|(path, content)| Loaded { path, content }).collect())
}
