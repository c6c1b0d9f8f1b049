//! The gate between what a start needs and what a daemon does: behind it only the folders of its configuration are
//! there, and only the calls that it makes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use ntp_conf::Configuration;
use ntp_os::sandbox::{Extent, Needs, confine, is_beyond, is_beyond_writing};
use ntp_os::user::{Account, AccountError};
use tracing::{info, warn};

use crate::cli::{ClockChoice, Options};
use crate::config;

/// What the C library's resolver and the programs that manage it read, wherever names are looked up; the configuration
/// and the keys are usually there as well, and come back under the same name when they have been edited.
const SYSTEM: &[&str] = &["/etc", "/usr", "/lib", "/lib64", "/run", "/dev/urandom"];

/// Long answers of name servers come over TCP.
const NAME_SERVICE: u16 = 53;

/// Proof that the gate has been passed; whoever holds one may start the loop.
#[derive(Debug)]
pub struct Confined(());

/// Gives up everything that the daemon does without from here on, and says what this kernel cannot take away.
pub(crate) fn enter(needs: Needs) -> Confined {
    let walls = confine(needs);
    match (&walls.files, &walls.calls) {
        (Ok(Extent::Full), Ok(())) => info!("confined to its own folders and calls"),
        (Ok(Extent::Partial), Ok(())) => {
            info!(
                "confined to its own folders and calls, the folders as far as this kernel knows how (Landlock)"
            );
        }
        (Ok(Extent::None), Ok(())) => {
            info!("confined to its own calls; this kernel does not confine files (Landlock)");
        }
        (Err(reason), Ok(())) => warn!("confined to its own calls only: {reason}"),
        (Ok(Extent::Full | Extent::Partial), Err(reason)) => {
            warn!("confined to its own folders, and not in its calls: {reason}");
        }
        (Ok(Extent::None), Err(reason)) => warn!("not confined: there is no Landlock here, and {reason}"),
        (Err(files), Err(calls)) => warn!("not confined: {files}, and {calls}"),
    }
    Confined(())
}

/// Who the daemon is to be.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Who it is.
    Same,
    /// Somebody else.
    ToChange(Account),
    /// Who it is, although somebody else is asked for; words about that, for the log.
    Stuck(String),
}

/// Whom to become, if the command line asks for it and this is root.
pub(crate) fn account(options: &Options) -> Result<Standing, AccountError> {
    let Some(wanted) = &options.user else { return Ok(Standing::Same) };
    let account = Account::find(wanted)?;
    if account.is_present() {
        return Ok(Standing::Same);
    }
    if !Account::may_change() {
        let words = format!("-u {wanted} is not acted on: only root can become another user");
        return Ok(Standing::Stuck(words));
    }
    Ok(Standing::ToChange(account))
}

/// Passes the gate as a daemon with these options would, in a program that shows what is left behind it.
///
/// # Errors
/// If the configuration cannot be read, in words.
pub fn enter_as(options: &Options) -> Result<Confined, String> {
    let (mut found, _) = config::load(&options.config, &[]).map_err(|error| error.to_string())?;
    options.complete(&mut found);
    Ok(enter(needs(&found, options)))
}

/// Passes without, as the administrator asked.
pub(crate) fn waive() -> Confined {
    warn!("not confined: --no-sandbox was given");
    Confined(())
}

/// What a daemon with this configuration needs from its start to its end.
pub(crate) fn needs(found: &Configuration, options: &Options) -> Needs {
    let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    for file in found.files.iter().chain(&read_again(found, options)) {
        read.extend(around(file));
    }
    let mut write: Vec<PathBuf> = written(found, options).iter().flat_map(|file| around(file)).collect();
    // The folder is the unit's to make; without it the socket is left out.
    write.extend(options.control_socket().parent().filter(|folder| folder.is_dir()).map(Path::to_path_buf));
    for paths in [&mut read, &mut write] {
        paths.sort();
        paths.dedup();
    }
    let clock = options.clock == ClockChoice::System;
    Needs { read, write, tcp: vec![NAME_SERVICE], clock }
}

/// The files that a configuration names.
pub(crate) fn named(found: &Configuration, options: &Options) -> BTreeSet<PathBuf> {
    read_again(found, options).into_iter().chain(written(found, options)).collect()
}

/// What a new configuration names that this process can no longer reach, and could not refuse at its start: what was
/// named then and was not there is as far away as ever.
pub(crate) fn first_beyond(
    found: &Configuration,
    options: &Options,
    before: &BTreeSet<PathBuf>,
) -> Option<PathBuf> {
    let is_new = |file: &PathBuf| !before.contains(file);
    let unreadable = read_again(found, options).into_iter().find(|file| is_new(file) && is_beyond(file));
    let mut unwritable = written(found, options).into_iter().filter(is_new);
    unreadable.or_else(|| unwritable.find(|file| is_beyond_writing(file)))
}

/// Files beside the configuration that are looked at while the daemon runs.
fn read_again(found: &Configuration, options: &Options) -> Vec<PathBuf> {
    let keys = found.keys.as_ref().map(|keys| keys.value.clone());
    let leap = found.leap_file.as_ref().map(|file| PathBuf::from(&file.value.path));
    [Some(options.config.clone()), keys, leap].into_iter().flatten().collect()
}

/// Files that are made, replaced or removed while the daemon runs.
fn written(found: &Configuration, options: &Options) -> Vec<PathBuf> {
    let of = |line: &Option<ntp_conf::Placed<PathBuf>>| line.as_ref().map(|file| file.value.clone());
    let single = [
        options.drift_file.clone().or_else(|| of(&found.drift_file)),
        options.log_file.clone().or_else(|| of(&found.log_file)),
        options.pid_file.clone().or_else(|| of(&found.pid_file)),
    ];
    let folder = found.statistics.folder.iter();
    let sets = folder.flat_map(|folder| {
        let sets = found.statistics.sets.values().filter(|set| set.enabled);
        sets.map(|set| folder.join(set.file.trim_start_matches('/')))
    });
    single.into_iter().flatten().chain(sets).collect()
}

/// The folders in which a file is found again after it was replaced: that of its name, and that of what its name is a
/// link to. A file at the root is only itself.
fn around(file: &Path) -> Vec<PathBuf> {
    let named = std::path::absolute(file);
    let real = file.canonicalize();
    let folder = |path: PathBuf| match path.parent() {
        Some(folder) if folder != Path::new("/") => folder.to_path_buf(),
        Some(_) | None => path,
    };
    [named, real].into_iter().filter_map(io::Result::ok).map(folder).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn needs_of(text: &str) -> Needs {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ntp.conf");
        std::fs::write(&path, text).unwrap();
        let (found, _) = config::load(&path, &[]).unwrap();
        let options =
            Options::try_parse_from(["ntpd", "--clock=none", "-c", path.to_str().unwrap()]).unwrap();
        needs(&found, &options)
    }

    #[test]
    fn what_is_kept_follows_from_the_configuration() {
        let kept = needs_of(
            "server a\ndriftfile /nowhere/state/ntp.drift\nkeys /nowhere/keys/k\nleapfile /nowhere/leap/l\n\
             statsdir /nowhere/stats/\nstatistics loopstats\nlogfile /nowhere/log/ntp.log\n",
        );
        for folder in ["/nowhere/keys", "/nowhere/leap", "/etc"] {
            assert!(kept.read.contains(&PathBuf::from(folder)), "{folder}: {kept:?}");
        }
        let written: Vec<&str> = kept.write.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(written, ["/nowhere/log", "/nowhere/state", "/nowhere/stats"]);
        assert!(!kept.clock);
    }

    #[test]
    fn a_file_at_the_root_does_not_open_everything() {
        let kept = needs_of("server a\ndriftfile /drift\nkeys /keys\n");
        assert_eq!(kept.write, [PathBuf::from("/drift")]);
        assert!(!kept.read.contains(&PathBuf::from("/")));
    }
}
