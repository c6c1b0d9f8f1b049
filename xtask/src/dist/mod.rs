//! A Debian package, staged by hand and built with dpkg-deb: nothing else need be installed. The same sources give the
//! same bytes.

mod control;
mod manuals;
mod tarball;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, cargo, output, root, target};
use crate::say;

/// Files of the repository: where from, where to, mode.
const FILES: &[(&str, &str, u32)] = &[
    ("config/ntp.conf", "usr/share/ntp/ntp.conf", 0o644),
    ("config/default-ntp", "usr/share/ntp/default", 0o644),
    ("config/apparmor-ntpd", "etc/apparmor.d/usr.sbin.ntpd", 0o644),
    ("config/60-ntp.rules", "lib/udev/rules.d/60-ntp.rules", 0o644),
    ("systemd/ntp.service", "lib/systemd/system/ntp.service", 0o644),
    ("systemd/ntp-wait.service", "lib/systemd/system/ntp-wait.service", 0o644),
    ("systemd/ntp-dhcp.path", "lib/systemd/system/ntp-dhcp.path", 0o644),
    ("systemd/ntp-dhcp.service", "lib/systemd/system/ntp-dhcp.service", 0o644),
    ("systemd/tmpfiles-ntp.conf", "usr/lib/tmpfiles.d/ntp.conf", 0o644),
    ("config/dhcp/dhclient", "etc/dhcp/dhclient-exit-hooks.d/ntp", 0o644),
    ("config/dhcp/networkmanager", "etc/NetworkManager/dispatcher.d/20-ntp", 0o755),
    ("config/dhcp/ntp.d-dhcp.conf", "etc/ntp.d/dhcp.conf", 0o644),
    ("systemd/sysusers-ntp.conf", "usr/lib/sysusers.d/ntp.conf", 0o644),
    ("systemd/50-ntp.list", "usr/lib/systemd/ntp-units.d/50-ntp.list", 0o644),
    ("config/debian/copyright", "usr/share/doc/ntp/copyright", 0o644),
    ("config/debian/README.Debian", "usr/share/doc/ntp/README.Debian", 0o644),
    ("config/debian/lintian-overrides", "usr/share/lintian/overrides/ntp", 0o644),
    ("config/debian/conffiles", "DEBIAN/conffiles", 0o644),
    ("config/debian/triggers", "DEBIAN/triggers", 0o644),
    ("config/debian/preinst", "DEBIAN/preinst", 0o755),
    ("config/debian/postinst", "DEBIAN/postinst", 0o755),
    ("config/debian/prerm", "DEBIAN/prerm", 0o755),
    ("config/debian/postrm", "DEBIAN/postrm", 0o755),
];

/// Programs: name, folder.
const PROGRAMS: &[(&str, &str)] = &[("ntpd", "usr/sbin"), ("ntpctl", "usr/sbin"), ("ntpq", "usr/bin")];

/// Names under which the unit was known before.
const ALIASES: &[&str] = &["ntpd.service", "ntpsec.service"];

/// What is built.
#[derive(Clone, Copy)]
enum Product<'p> {
    /// For this Debian.
    Package,
    /// For any Linux, by the toolchain for this target.
    Static(&'p str),
}

pub(crate) fn run(words: &[String]) -> Result<(), String> {
    match words {
        [] => build_package().map(drop),
        [word] if word == "--static" => tarball::run(),
        _ => Err("usage: cargo xtask dist [--static]".to_owned()),
    }
}

/// Builds the package as it is now; where it is.
pub(crate) fn build_package() -> Result<PathBuf, String> {
    let moment = control::moment()?;
    let programs = compile(Product::Package)?;
    let dist = target().join("dist");
    let stage = dist.join("stage");
    drop(fs::remove_dir_all(&stage));
    for (from, to, mode) in FILES {
        place(&root().join(from), &stage.join(to), *mode)?;
    }
    for (name, folder) in PROGRAMS {
        let installed = stage.join(folder).join(name);
        place(&programs.join(name), &installed, 0o755)?;
        output(
            Command::new("strip").args(["--strip-unneeded", "--remove-section=.comment"]).arg(&installed),
        )?;
    }
    manuals::place(&stage, &control::date(moment, "%F")?)?;
    for alias in ALIASES {
        let link = stage.join("lib/systemd/system").join(alias);
        symlink("ntp.service", &link).map_err(|error| format!("{}: {error}", link.display()))?;
    }
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    control::place(&stage, &architecture, moment)?;
    let package = package()?;
    let mut build = Command::new("dpkg-deb");
    // Files that are younger than the sources get their age.
    build.env("SOURCE_DATE_EPOCH", moment.to_string());
    build.args(["--root-owner-group", "-Zxz", "--build"]).arg(&stage).arg(&package);
    output(&mut build)?;
    let digest = output(Command::new("sha256sum").arg(&package))?;
    say(digest.trim());
    Ok(package)
}

/// Where the package is, or will be.
fn package() -> Result<PathBuf, String> {
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let name = format!("ntp_{}_{}.deb", env!("CARGO_PKG_VERSION"), architecture.trim());
    Ok(target().join("dist").join(name))
}

/// Builds the programs, without the names of folders of this machine in them; where they are.
fn compile(product: Product<'_>) -> Result<PathBuf, String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let rename = |folder: &Path, name: &str| format!("--remap-path-prefix={}={name}", folder.display());
    let here = rename(&root(), "/ntp");
    // The separator that cargo asks for: folders may have spaces in their names.
    let flags = home.map_or_else(|| here.clone(), |home| format!("{here}\u{1f}{}", rename(&home, "/cargo")));
    let folder = target().join("dist/build");
    let mut build = cargo();
    build.env("CARGO_ENCODED_RUSTFLAGS", flags).env("CARGO_TARGET_DIR", &folder);
    build.args(["build", "--release", "--locked", "-p", "ntpd", "-p", "ntpctl", "-p", "ntpq"]);
    let folder = match product {
        Product::Package => folder,
        Product::Static(musl) => {
            build.args(["--target", musl]);
            folder.join(musl)
        }
    };
    process::run(&mut build)?;
    Ok(folder.join("release"))
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
        let mut folder = folder;
        // Whatever the caller's umask is.
        while folder.file_name().is_some_and(|name| name != "stage") {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(explain)?;
            folder = folder.parent().unwrap_or(folder);
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(explain)?;
    }
    fs::write(to, content).map_err(explain)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644)).map_err(explain)
}
