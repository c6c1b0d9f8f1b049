//! Debian machines to start from, made once by mmdebstrap from Debian's packages and kept under `target/e2e`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{output, target};
use crate::say;

/// What every machine has.
const PACKAGES: &[&str] = &["systemd", "systemd-sysv", "dbus", "init-system-helpers", "iproute2", "procps"];

/// Programs that are needed here, with the packages that bring them.
pub(super) type Tools = [(&'static str, &'static str)];
const TOOLS: &[(&str, &str)] = &[("mmdebstrap", "mmdebstrap"), ("systemd-nspawn", "systemd-container")];

/// A machine that nothing writes to.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) folder: PathBuf,
}

/// Says what is missing of these and of what every image needs, if anything is.
pub(super) fn check_tools(more: &Tools) -> Result<(), String> {
    let user = output(Command::new("id").arg("-u"))?;
    if user.trim() != "0" {
        return Err("needs root, to make machines".to_owned());
    }
    for (program, package) in TOOLS.iter().chain(more) {
        let found = ["/usr/bin", "/usr/sbin"].iter().any(|folder| Path::new(folder).join(program).exists());
        if !found {
            return Err(format!("needs {program}: apt-get install {package}"));
        }
    }
    Ok(())
}

impl Image {
    /// The machine that has these packages too; made now, if it is not there.
    pub(super) fn get(extra: &[&str]) -> Result<Self, String> {
        let names: Vec<&str> = PACKAGES.iter().chain(extra).copied().collect();
        let suite = suite()?;
        let folder = target().join("e2e").join(format!("{suite}-{}", names.join("-")));
        if folder.exists() {
            return Ok(Self { folder });
        }
        say(&format!("making a {suite} machine with {} (once)", names.join(", ")));
        let fresh = folder.with_extension("new");
        drop(fs::remove_dir_all(&fresh));
        if let Some(parent) = fresh.parent() {
            fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        }
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--mode=root", "--variant=minbase"])
            .arg(format!("--include={}", names.join(",")));
        output(make.arg(&suite).arg(&fresh))?;
        fs::rename(&fresh, &folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder })
    }
}

/// The release of Debian that runs here.
fn suite() -> Result<String, String> {
    let text = fs::read_to_string("/etc/os-release").map_err(|error| format!("/etc/os-release: {error}"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(str::to_owned).ok_or_else(|| "this is no Debian: /etc/os-release names no release".to_owned())
}
