//! What the package says of itself: control, changelogs and digests.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::manuals::compressed;
use super::write;
use crate::process::{output, root};

/// Above the epoch and version of Debian's own, transitional `ntp`.
const EPOCH: &str = "1";

const MAINTAINER: &str = "The NTP suite <ntp@example.org>";

/// When the sources were last changed, in seconds: `SOURCE_DATE_EPOCH`, or the last commit.
pub(super) fn moment() -> Result<u64, String> {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let text = match given {
        Some(text) => text,
        None => output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))
            .map_err(|reason| format!("{reason}; outside of a checkout, set SOURCE_DATE_EPOCH"))?,
    };
    text.trim().parse().map_err(|_| format!("SOURCE_DATE_EPOCH is no number of seconds: {text}"))
}

/// That moment in UTC, in a form of date(1).
pub(super) fn date(moment: u64, form: &str) -> Result<String, String> {
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["-u", "-d", &format!("@{moment}"), &format!("+{form}")]);
    Ok(output(&mut date)?.trim().to_owned())
}

/// Writes the control files and the changelogs of what is staged.
pub(super) fn place(stage: &Path, architecture: &str, moment: u64) -> Result<(), String> {
    let docs = stage.join("usr/share/doc/ntp");
    let changes = fs::read(root().join("CHANGELOG.md")).map_err(|error| format!("CHANGELOG.md: {error}"))?;
    compressed(&docs.join("changelog"), &changes)?;
    let version = env!("CARGO_PKG_VERSION");
    let day = date(moment, "%a, %d %b %Y %H:%M:%S +0000")?;
    let entry = format!(
        "ntp ({EPOCH}:{version}) unstable; urgency=medium\n\n  * New release: see changelog.gz.\n\n -- {MAINTAINER}  {day}\n"
    );
    compressed(&docs.join("changelog.Debian"), entry.as_bytes())?;
    let readme = fs::read(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    compressed(&docs.join("README.md"), &readme)?;
    write(&stage.join("DEBIAN/md5sums"), digests(stage)?)?;
    write(&stage.join("DEBIAN/control"), control(architecture, stage)?)
}

/// The digest of every file, sorted by name.
fn digests(stage: &Path) -> Result<String, String> {
    let script = "find * -path DEBIAN -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum";
    output(Command::new("sh").args(["-c", script]).current_dir(stage))
}

/// The newest version of the C library whose symbols the programs ask for.
fn libc_needed(stage: &Path) -> Result<String, String> {
    let script = "find . -type f -perm -u+x -path '*bin/*' -exec objdump -T {} + | \
                  sed -n 's/.*(GLIBC_\\([0-9.]*\\)).*/\\1/p' | sort -Vu | tail -n 1";
    let version = output(Command::new("sh").args(["-c", script]).current_dir(stage))?;
    let version = version.trim();
    if version.is_empty() {
        Err("the programs ask for no version of libc".to_owned())
    } else {
        Ok(version.to_owned())
    }
}

fn control(architecture: &str, stage: &Path) -> Result<String, String> {
    let version = env!("CARGO_PKG_VERSION");
    let size = output(Command::new("du").args(["-sk", "--apparent-size", "--exclude=DEBIAN"]).arg(stage))?;
    let size = size.split_whitespace().next().unwrap_or("0").to_owned();
    let libc = libc_needed(stage)?;
    Ok(format!(
        "Package: ntp\n\
         Version: {EPOCH}:{version}\n\
         Architecture: {architecture}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {size}\n\
         Depends: libc6 (>= {libc}), libgcc-s1\n\
         Pre-Depends: init-system-helpers (>= 1.54~)\n\
         Recommends: tzdata\n\
         Suggests: apparmor\n\
         Provides: time-daemon\n\
         Conflicts: time-daemon, ntpsec\n\
         Replaces: time-daemon, ntpsec\n\
         Section: net\n\
         Priority: optional\n\
         Description: Network Time Protocol daemon and tools\n\
         \x20Keeps the system clock right and gives time to others: ntpd runs the\n\
         \x20/etc/ntp.conf that is there, in classic and NTPsec syntax, ntpq shows how it\n\
         \x20goes, and ntpctl edits the file and sees to it that the edit works.\n\
         \x20Written in a memory-safe language.\n"
    ))
}
