//! `diff`, `log`, `rollback`: the older versions of a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use ntp_proto::time::{Date, UnixTime};

use crate::apply::{backups, written_at};
use crate::change::{Change, carry_out, write_difference};
use crate::cli::{Log, Rollback, Version};
use crate::edit::own_file;
use crate::exit::{Exit, Failure};
use crate::file;
use crate::settings::Settings;
use crate::verify::Expectation;

pub(crate) fn log(request: &Log, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = &own_file(&request.target.config, request.drop_in);
    let kept = backups(path, &settings.backup_dir);
    if kept.is_empty() {
        writeln!(out, "{}: no older version is kept in {}", path.display(), settings.backup_dir.display())?;
    }
    for (index, backup) in kept.iter().enumerate() {
        let length = std::fs::metadata(backup).map_or(0, |metadata| metadata.len());
        writeln!(out, "{:>3}  {}  {length:>6} bytes  {}", index + 1, when(backup), backup.display())?;
    }
    Ok(Exit::Done)
}

pub(crate) fn diff(request: &Version, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = &own_file(&request.target.config, request.drop_in);
    let old = file::read(&version(path, request.number, settings)?)?;
    let new = file::read(path)?;
    if old == new {
        writeln!(out, "{}: nothing has changed since then", path.display())?;
    } else {
        write_difference(path, &old, &new, out)?;
    }
    Ok(Exit::Done)
}

pub(crate) fn rollback(
    request: &Rollback,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let path = &own_file(&request.apply.config, request.apply.drop_in);
    let wanted = version(path, request.number, settings)?;
    let (old, new) = (file::read_if_there(path)?, file::read(&wanted)?);
    if old.as_ref() == Some(&new) {
        writeln!(out, "{}: is as it was then; nothing to do", path.display())?;
        return Ok(Exit::Done);
    }
    file::refuse_foreign(path, old.as_deref().unwrap_or_default())?;
    writeln!(out, "going back to the version of {}", when(&wanted))?;
    let change =
        Change { path, old: old.as_deref(), new: &new, expected: vec![Expectation::Serves], whatever: true };
    carry_out(&change, &request.apply, settings, out)
}

fn version(path: &Path, number: usize, settings: &Settings) -> Result<PathBuf, Failure> {
    let kept = backups(path, &settings.backup_dir);
    let found = number.checked_sub(1).and_then(|index| kept.get(index));
    found.cloned().ok_or_else(|| {
        Failure::Usage(format!(
            "there is no version {number} of {}: {} are kept in {}",
            path.display(),
            kept.len(),
            settings.backup_dir.display()
        ))
    })
}

/// When a version was put aside, UTC.
fn when(backup: &Path) -> String {
    let Some(seconds) = written_at(backup) else { return "at some time".to_owned() };
    let date = Date::of(UnixTime::new(seconds, 0));
    let of_day = seconds.rem_euclid(86_400);
    format!("{date} {:02}:{:02}:{:02} UTC", of_day / 3600, of_day / 60 % 60, of_day % 60)
}
