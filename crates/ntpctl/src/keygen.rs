//! `ntpctl keygen`: a key that nobody can guess.

use std::io::Write;
use std::path::Path;

use ntp_conf::read_keys;
use ntp_os::atomic_file::replace;
use ntp_os::user::Account;
use ntp_proto::auth::Algorithm;

use crate::cli::Keygen;
use crate::exit::{Exit, Failure};
use crate::file;

/// The user that the package has ntpd run as.
const DAEMON: &str = "ntp";

/// The most that a key's number may be for every daemon.
const NUMBER_MAX: u32 = 65_535;

pub(crate) fn run(request: &Keygen, out: &mut dyn Write) -> Result<Exit, Failure> {
    let algorithm = Algorithm::from_name(&request.algorithm)
        .ok_or_else(|| Failure::Usage(format!("there is no type of keys called {:?}", request.algorithm)))?;
    let old = match &request.file {
        Some(path) => file::read_if_there(path)?,
        None => None,
    };
    let name = request.file.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let content = old.as_deref().unwrap_or_default();
    let (keys, _) = read_keys(&name, content, &|word| Algorithm::from_name(word).is_some());
    let is_taken = |number: u32| keys.iter().any(|key| key.id == number);
    let number = match request.number {
        Some(number) if is_taken(number) => {
            return Err(Failure::Refused(format!("{name}: there is a key {number} already")));
        }
        Some(number) => number,
        None => (1..=NUMBER_MAX)
            .find(|number| !is_taken(*number))
            .ok_or_else(|| Failure::Refused(format!("{name}: all numbers are taken")))?,
    };
    let mut secret = vec![0; algorithm.key_len()];
    getrandom::fill(&mut secret)
        .map_err(|error| Failure::NotWritten(format!("no random numbers: {error}")))?;
    let digits = secret.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let line = format!("{number} {} {digits}\n", algorithm.name());
    let Some(path) = &request.file else {
        out.write_all(line.as_bytes())?;
        return Ok(Exit::Done);
    };
    let mut new = content.to_vec();
    if !new.is_empty() && !new.ends_with(b"\n") {
        new.push(b'\n');
    }
    new.extend(line.as_bytes());
    replace(path, &new, old.as_deref(), 0o600).map_err(|error| Failure::NotWritten(error.to_string()))?;
    writeln!(
        out,
        "{name} has key {number}, {}. To use it, here and on the other machine:",
        algorithm.name()
    )?;
    // For ntpd, which is started somewhere else.
    let whole = std::path::absolute(path)?;
    writeln!(out, "    keys {}\n    trustedkey {number}", whole.display())?;
    if old.is_none() && Account::may_change() {
        share_with_daemon(path, out)?;
    }
    writeln!(out, "and on the one that asks: ntpctl set-option NAME key {number}")?;
    if algorithm.is_weak() {
        writeln!(out, "warning: {} is easy to forge (RFC 8573): AES128CMAC is not", algorithm.name())?;
    }
    Ok(Exit::Done)
}

/// A new file that root makes is for the daemon to read, which the package has run as its own user.
fn share_with_daemon(path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let Ok(daemon) = Account::find(DAEMON) else { return Ok(()) };
    if let Err(reason) = daemon.share(path) {
        writeln!(out, "warning: only root can read it, and ntpd runs as {DAEMON} ({reason})")?;
    }
    Ok(())
}
