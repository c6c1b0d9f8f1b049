//! The same programs for any Linux of this processor: linked with musl, they need nothing of the system. Names are
//! looked up by musl's own resolver, which knows `/etc/hosts` and name servers and none of glibc's modules.

use std::fs;
use std::process::Command;

use crate::process::{output, root, target};
use crate::say;

use super::{PROGRAMS, Product, compile, control, manuals, place};

/// What goes with the programs.
const FILES: &[(&str, &str)] = &[
    ("config/ntp.conf", "usr/share/ntp/ntp.conf"),
    ("systemd/ntp.service", "usr/lib/systemd/system/ntp.service"),
    ("systemd/sysusers-ntp.conf", "usr/lib/sysusers.d/ntp.conf"),
    ("systemd/tmpfiles-ntp.conf", "usr/lib/tmpfiles.d/ntp.conf"),
    ("README.md", "usr/share/doc/ntp/README.md"),
    ("LICENSE-APACHE", "usr/share/doc/ntp/LICENSE-APACHE"),
    ("LICENSE-MIT", "usr/share/doc/ntp/LICENSE-MIT"),
];

pub(super) fn run() -> Result<(), String> {
    let moment = control::moment()?;
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let programs = compile(Product::Static(&musl))?;
    let dist = target().join("dist");
    let stage = dist.join("static/stage");
    drop(fs::remove_dir_all(&stage));
    for (from, to) in FILES {
        place(&root().join(from), &stage.join(to), 0o644)?;
    }
    for (name, folder) in PROGRAMS {
        place(&programs.join(name), &stage.join(folder).join(name), 0o755)?;
        output(Command::new("strip").arg(stage.join(folder).join(name)))?;
    }
    // No configuration is in the tarball: unpacked over a machine that has one, it would replace it.
    place(&root().join("config/oci/ntp.conf"), &dist.join("ntp.conf"), 0o644)?;
    manuals::place(&stage, &control::date(moment, "%F")?)?;
    let archive = dist.join(format!("ntp-{}-{musl}.tar.xz", env!("CARGO_PKG_VERSION")));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    // Files alone: folders are the machine's, and may be links there.
    let files = output(Command::new("find").args([".", "-type", "f"]).current_dir(&stage))?;
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    tar.arg(format!("--mtime=@{moment}")).arg("-C").arg(&stage).arg("-cJf").arg(&archive).args(files);
    output(&mut tar)?;
    say(output(Command::new("sha256sum").arg(&archive))?.trim());
    Ok(())
}
