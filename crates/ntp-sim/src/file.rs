//! Scenarios on disk.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::scenario::Scenario;

/// The longest scenario, bytes: the longest of ours has two thousand.
const LENGTH_MAX: u64 = 1 << 18;

/// Reads a scenario and what it extends, which lies beside it.
///
/// # Errors
/// In words for a person, with the file's name.
pub fn load(path: &Path) -> Result<Scenario, String> {
    let beside = |name: &str| {
        let bare = name.strip_suffix(".toml").unwrap_or(name);
        read(&path.with_file_name(format!("{bare}.toml")))
    };
    let text = read(path).map_err(|reason| plain(&reason))?;
    Scenario::parse_with(&text, beside).map_err(|error| plain(&format!("{}: {error}", path.display())))
}

/// A message quotes the file: a terminal must not take it for commands.
fn plain(message: &str) -> String {
    message.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

fn read(path: &Path) -> Result<String, String> {
    let explain = |error: std::io::Error| {
        let reason = if error.kind() == ErrorKind::InvalidData {
            "is not text: is this a scenario?".to_owned()
        } else if path.is_dir() {
            "is a directory; name the file in it".to_owned()
        } else {
            error.to_string()
        };
        format!("{}: {reason}", path.display())
    };
    let file = File::open(path).map_err(explain)?;
    let mut text = String::new();
    file.take(LENGTH_MAX + 1).read_to_string(&mut text).map_err(explain)?;
    if text.len() as u64 > LENGTH_MAX {
        return Err(format!("{}: has more than {LENGTH_MAX} bytes: is this a scenario?", path.display()));
    }
    Ok(text)
}
