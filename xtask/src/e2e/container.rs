//! One machine for one scenario: an overlay that vanishes, booted by systemd-nspawn without a network and without the
//! right to set the clock.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{root, target};

use super::Outcome;
use super::image::Image;

/// How long a scenario may take.
const PATIENCE: &str = "300";

/// Runs the script as a service of the machine, which is switched off when it ends.
const UNIT: &str = "\
[Unit]
After=systemd-user-sessions.service
[Service]
Type=exec
ExecStart=/bin/sh /e2e/start.sh
[Install]
WantedBy=multi-user.target
";

/// Mounts live and die with the namespace.
const OUTER: &str = r#"
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mkdir -p /mnt/root/e2e /mnt/root/etc/systemd/system/multi-user.target.wants
cp "$2/e2e.service" /mnt/root/etc/systemd/system/
ln -s ../e2e.service /mnt/root/etc/systemd/system/multi-user.target.wants/
exec timeout "$3" systemd-nspawn --quiet --register=no --keep-unit --private-network \
    --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
    --bind="$2:/e2e" --machine=e2e --directory=/mnt/root --boot
"#;

pub(super) fn run(image: &Image, package: &Path, name: &str, script: &str) -> Result<Outcome, String> {
    let folder = target().join("e2e/run").join(name);
    drop(fs::remove_dir_all(&folder));
    let explain = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(explain)?;
    let prelude = fs::read_to_string(root().join("tests/e2e/prelude.sh")).map_err(explain)?;
    fs::write(folder.join("scenario.sh"), prelude + script).map_err(explain)?;
    fs::write(folder.join("start.sh"), super::START).map_err(explain)?;
    fs::write(folder.join("e2e.service"), UNIT).map_err(explain)?;
    fs::copy(package, folder.join("ntp.deb")).map_err(explain)?;
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "--propagation", "private", "/bin/sh", "-c", OUTER, "sh"]);
    let booted = outer.arg(&image.folder).arg(&folder).arg(PATIENCE).output().map_err(explain)?;
    let verdict = fs::read_to_string(folder.join("verdict")).unwrap_or_default();
    let mut log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    if verdict.trim().is_empty() {
        log.push_str("\nthe machine did not come to the end of the script:\n");
        log.push_str(&String::from_utf8_lossy(&booted.stdout));
        log.push_str(&String::from_utf8_lossy(&booted.stderr));
    }
    Ok(Outcome { passed: verdict.trim() == "0", log })
}
