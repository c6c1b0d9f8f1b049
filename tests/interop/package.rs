//! The package, installed by Debian's own apt into a throw-away copy of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ntp_tests::{Outcome, is_root, run, skip};

/// The newest package that `cargo xtask dist` has built.
fn package() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("target/dist");
    let found = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    found.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}

/// Runs a script in a writable copy of this machine's files, which vanishes with it: an overlay in
/// a mount namespace of its own.
fn in_a_copy_of_this_machine(package: &Path, script: &str) -> Outcome {
    let outer = r#"
        set -e
        mount -t tmpfs tmpfs /mnt
        mkdir /mnt/upper /mnt/work /mnt/root
        mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
        mount --rbind /dev /mnt/root/dev
        mount -t proc proc /mnt/root/proc
        mkdir -p /mnt/root/root
        cp "$1" /mnt/root/root/ntp.deb
        printf '#!/bin/sh\nexit 101\n' > /mnt/root/usr/sbin/policy-rc.d
        chmod 755 /mnt/root/usr/sbin/policy-rc.d
        exec chroot /mnt/root /bin/sh -ec "$2"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--propagation", "private", "/bin/sh", "-c", outer, "sh"]);
    run(command.arg(package).arg(script).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C"))
}

/// What every test of the package needs.
fn needs() -> Result<PathBuf, String> {
    if !is_root() {
        return Err("needs root, to install a package into a copy of this machine".to_owned());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err("needs a Debian machine".to_owned());
    }
    package().ok_or_else(|| "needs the package: run `cargo xtask dist` first".to_owned())
}

const INSTALL: &str = "apt-get install -y --no-install-recommends /root/ntp.deb </dev/null\n";

#[test]
fn apt_installs_it_and_the_tutorial_can_begin() {
    let package = match needs() {
        Ok(package) => package,
        Err(reason) => return skip("apt_installs_it_and_the_tutorial_can_begin", &reason),
    };
    let script = format!(
        "rm -f /etc/ntp.conf\n{INSTALL}\
         dpkg-query -W -f '${{Status}}\\n' ntp\n\
         for program in /usr/sbin/ntpd /usr/sbin/ntpctl /usr/bin/ntpq; do $program -V; done\n\
         ntpctl check\n\
         ntpctl add-server 192.0.2.1 --no-restart\n\
         ntpctl add-server 192.0.2.2 && exit 1 || test $? = 4\n\
         grep -x 'server 192.0.2.1 iburst' /etc/ntp.conf\n\
         test -f /lib/systemd/system/ntp.service\n\
         test \"$(readlink /lib/systemd/system/ntpd.service)\" = ntp.service\n\
         getent passwd ntp\n\
         test -L /etc/systemd/system/multi-user.target.wants/ntp.service\n\
         echo all is well\n"
    );
    let outcome = in_a_copy_of_this_machine(&package, &script);
    assert_eq!(outcome.status, 0, "{}", outcome.both());
    for words in [
        "install ok installed",
        "ntpd 5.",
        "ntpctl 5.",
        "ntpq 5.",
        "all is well",
        "no service manager was found",
    ] {
        assert!(outcome.both().contains(words), "{words}: {}", outcome.both());
    }
}

#[test]
fn an_administrators_file_survives_installation_and_removal() {
    let package = match needs() {
        Ok(package) => package,
        Err(reason) => return skip("an_administrators_file_survives_installation_and_removal", &reason),
    };
    let script = format!(
        "printf 'server mine.example # do not touch\\n' > /etc/ntp.conf\n\
         cp /etc/ntp.conf /root/before\n{INSTALL}{INSTALL}\
         cmp /etc/ntp.conf /root/before\n\
         dpkg --remove ntp\n\
         cmp /etc/ntp.conf /root/before\n\
         dpkg --purge ntp\n\
         test ! -e /etc/ntp.conf\n\
         echo all is well\n"
    );
    let outcome = in_a_copy_of_this_machine(&package, &script);
    assert!(outcome.status == 0 && outcome.stdout.contains("all is well"), "{}", outcome.both());
}
