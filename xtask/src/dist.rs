//! A Debian package, staged by hand and built with dpkg-deb: nothing else need be installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, cargo, output, root, target};
use crate::say;

/// Above the epoch and version of Debian's own, transitional `ntp`.
const EPOCH: &str = "1";

/// Files of the repository: where from, where to, mode.
const FILES: &[(&str, &str, u32)] = &[
    ("config/ntp.conf", "usr/share/ntp/ntp.conf", 0o644),
    ("config/default-ntp", "etc/default/ntp", 0o644),
    ("config/apparmor-ntpd", "etc/apparmor.d/usr.sbin.ntpd", 0o644),
    ("systemd/ntp.service", "lib/systemd/system/ntp.service", 0o644),
    ("systemd/sysusers-ntp.conf", "usr/lib/sysusers.d/ntp.conf", 0o644),
    ("systemd/50-ntp.list", "usr/lib/systemd/ntp-units.d/50-ntp.list", 0o644),
    ("config/debian/copyright", "usr/share/doc/ntp/copyright", 0o644),
    ("config/debian/conffiles", "DEBIAN/conffiles", 0o644),
    ("config/debian/postinst", "DEBIAN/postinst", 0o755),
    ("config/debian/prerm", "DEBIAN/prerm", 0o755),
    ("config/debian/postrm", "DEBIAN/postrm", 0o755),
];

/// Programs: name, folder.
const PROGRAMS: &[(&str, &str)] = &[("ntpd", "usr/sbin"), ("ntpctl", "usr/sbin"), ("ntpq", "usr/bin")];

/// What `ntpctl` says of itself: its words, where to.
const GENERATED: &[(&[&str], &str)] = &[
    (&["manual"], "usr/share/man/man5/ntp.conf.5"),
    (&["completions", "bash"], "usr/share/bash-completion/completions/ntpctl"),
    (&["completions", "fish"], "usr/share/fish/vendor_completions.d/ntpctl.fish"),
    (&["completions", "zsh"], "usr/share/zsh/vendor-completions/_ntpctl"),
];

/// Names under which the unit was known before.
const ALIASES: &[&str] = &["ntpd.service", "ntpsec.service"];

pub(crate) fn run() -> Result<(), String> {
    process::run(cargo().args(["build", "--release", "-p", "ntpd", "-p", "ntpctl", "-p", "ntpq"]))?;
    let dist = target().join("dist");
    let stage = dist.join("stage");
    drop(fs::remove_dir_all(&stage));
    for (from, to, mode) in FILES {
        place(&root().join(from), &stage.join(to), *mode)?;
    }
    for (name, folder) in PROGRAMS {
        place(&target().join("release").join(name), &stage.join(folder).join(name), 0o755)?;
    }
    for (words, to) in GENERATED {
        let text = output(Command::new(target().join("release/ntpctl")).args(*words))?;
        write(&stage.join(to), text)?;
    }
    for alias in ALIASES {
        let link = stage.join("lib/systemd/system").join(alias);
        symlink("ntp.service", &link).map_err(|error| format!("{}: {error}", link.display()))?;
    }
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    write(&stage.join("usr/share/doc/ntp/changelog"), &changelog()?)?;
    write(&stage.join("DEBIAN/control"), &control(&architecture, &stage)?)?;
    let package = dist.join(format!("ntp_{}_{architecture}.deb", env!("CARGO_PKG_VERSION")));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(&stage).arg(&package);
    output(&mut build)?;
    say(&format!("{}", package.display()));
    Ok(())
}

fn control(architecture: &str, stage: &Path) -> Result<String, String> {
    let version = env!("CARGO_PKG_VERSION");
    let size = output(Command::new("du").args(["-sk", "--exclude=DEBIAN"]).arg(stage))?;
    let size = size.split_whitespace().next().unwrap_or("0").to_owned();
    Ok(format!(
        "Package: ntp\n\
         Version: {EPOCH}:{version}\n\
         Architecture: {architecture}\n\
         Maintainer: The NTP suite <ntp@example.org>\n\
         Installed-Size: {size}\n\
         Depends: libc6 (>= 2.34), libgcc-s1\n\
         Recommends: tzdata\n\
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

/// The project's changelog; Debian's own format has nothing to add for a package built from it.
fn changelog() -> Result<String, String> {
    fs::read_to_string(root().join("CHANGELOG.md")).map_err(|error| format!("CHANGELOG.md: {error}"))
}

fn place(from: &Path, to: &PathBuf, mode: u32) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    write(to, bytes)?;
    let wanted = fs::Permissions::from_mode(mode);
    fs::set_permissions(to, wanted).map_err(|error| format!("{}: {error}", to.display()))
}

fn write(to: &Path, content: impl AsRef<[u8]>) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", to.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(explain)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(explain)?;
    }
    fs::write(to, content).map_err(explain)
}
