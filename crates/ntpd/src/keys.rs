//! The file of symmetric keys.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ntp_conf::{Configuration, KeyLine, read_keys};
use ntp_os::config_files;
use ntp_proto::auth::{Algorithm, Key, KeyId, KeyTable, SharedKey};
use ntp_proto::server::Prefix;

use crate::unit;

/// The longest file.
const FILE_LEN_MAX: usize = 4 << 20;

/// The keys that a configuration names, with words about what is wrong with them. One bad line costs that
/// key and no other; without the file there are none.
///
/// # Errors
/// If the file cannot be read, in words: whoever has keys already may keep them.
pub(crate) fn load(found: &Configuration) -> Result<(KeyTable, Vec<String>), String> {
    let Some(file) = &found.keys else { return Ok((KeyTable::default(), Vec::new())) };
    let name = file.value.display().to_string();
    let content = match config_files::load_file(&file.value, FILE_LEN_MAX) {
        Ok((_, content)) if content.len() > FILE_LEN_MAX => {
            return Err(format!("{name} has more than {FILE_LEN_MAX} bytes"));
        }
        Ok((_, content)) => content,
        Err(error) => return Err(format!("{name}: {error}{}", unit::hint_of_hiding(&file.value))),
    };
    let (lines, findings) = read_keys(&name, &content, &|word| Algorithm::from_name(word).is_some());
    let mut complaints: Vec<String> = findings.iter().map(ToString::to_string).collect();
    if is_open(&file.value) {
        complaints.push(format!("{name}: everybody on this machine may read the keys: chmod 640 {name}"));
    }
    let trusted =
        |id: u32| found.trusted_keys.iter().any(|range| (range.value.0..=range.value.1).contains(&id));
    let shared = |line: KeyLine| {
        let algorithm = Algorithm::from_name(&line.algorithm)?;
        // An address that says nothing must not open the key to everybody.
        let from = line
            .from
            .iter()
            .map(|(address, length)| Prefix::of_length(*address, *length))
            .collect::<Option<_>>()?;
        let key = Key::new(algorithm, &line.secret);
        Some(SharedKey { id: KeyId::new(line.id)?, key, from, trusted: trusted(line.id) })
    };
    for line in &lines {
        let algorithm = Algorithm::from_name(&line.algorithm);
        if algorithm.is_some_and(|algorithm| !Key::takes(algorithm, line.secret.len())) {
            let (number, length) = (line.line, line.secret.len());
            complaints.push(format!(
                "{name}:{number}: a key of {length} bytes is filled up or cut: chrony would refuse it"
            ));
        }
    }
    Ok((KeyTable::new(lines.into_iter().filter_map(shared).collect()), complaints))
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o007 != 0)
}
