//! Whole machines, with a kernel and a clock of their own, emulated by qemu: one is the server for all scenarios, one is
//! made for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{output, root, target};
use crate::say;

use super::Outcome;
use super::image::Image;

/// What these machines have beside the packages of every one.
pub(super) const PACKAGES: &[&str] =
    &["linux-image-cloud-amd64", "kmod", "busybox-static", "netbase", "rdate"];

/// Programs that are needed here, with the packages that bring them.
pub(super) const TOOLS: &[(&str, &str)] =
    &[("qemu-system-x86_64", "qemu-system-x86"), ("mkfs.ext4", "e2fsprogs"), ("debugfs", "e2fsprogs")];

/// How long a machine may take from its start to the end of its script.
const PATIENCE: Duration = Duration::from_mins(15);

/// How long the other machine may take to serve.
const SERVER_PATIENCE: Duration = Duration::from_mins(4);

/// How long KVM may take to show that it works: where this is a guest itself, it may spin.
const KVM_PATIENCE: Duration = Duration::from_secs(15);

/// Runs the script that is on the second disk.
const UNIT: &str = "\
[Unit]
After=systemd-user-sessions.service
[Service]
Type=exec
ExecStart=/bin/sh -c 'mkdir -p /e2e && mount /dev/vdb /e2e && exec sh /e2e/start.sh'
[Install]
WantedBy=multi-user.target
";

/// What debugfs puts into the image's file system, so that the folder stays as it is.
const PATCH: &str = "\
write e2e.service /etc/systemd/system/e2e.service
cd /etc/systemd/system/multi-user.target.wants
symlink e2e.service ../e2e.service
";

/// Where qemu's ends of the cable meet.
const CABLE: &str = "cable";

/// The hardware: how it computes, and where the parts of a machine lie.
#[derive(Debug)]
pub(super) struct Laboratory {
    folder: PathBuf,
    accelerator: &'static str,
    server: Child,
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// A machine's parts.
struct Machine<'m> {
    name: &'m str,
    image: &'m Image,
    /// The last byte of its address on the cable.
    number: u8,
}

impl Laboratory {
    /// Starts the machine that is the server, and waits until it serves.
    pub(super) fn open() -> Result<Self, String> {
        let folder = target().join("e2e/machines");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let packages: Vec<&str> = PACKAGES.iter().chain(&["chrony"]).copied().collect();
        let image = Image::get(&packages)?;
        let accelerator = if kvm_works(&folder, &image) { "kvm" } else { "tcg,thread=multi" };
        say(&format!("machines compute with {accelerator}"));
        drop(fs::remove_file(folder.join(CABLE)));
        let script =
            fs::read_to_string(root().join("tests/e2e/server.sh")).map_err(|error| error.to_string())?;
        let machine = Machine { name: "server", image: &image, number: 1 };
        let prelude = prelude()?;
        make_disk(&folder, machine.name, &(prelude + &script), None)?;
        let server = command(&folder, accelerator, &machine)?;
        let server = start(server)?;
        let laboratory = Self { folder, accelerator, server };
        let ready = || console(&laboratory.folder, "server").contains("the server is ready");
        if wait_until(SERVER_PATIENCE, ready) {
            Ok(laboratory)
        } else {
            Err("the server does not start".to_owned())
        }
    }

    /// Runs a script on a machine of its own.
    pub(super) fn run(
        &self,
        image: &Image,
        package: &Path,
        name: &str,
        script: &str,
    ) -> Result<Outcome, String> {
        let machine = Machine { name, image, number: 2 };
        make_disk(&self.folder, name, &(prelude()? + script), Some(package))?;
        let mut child = start(command(&self.folder, self.accelerator, &machine)?)?;
        let ended = wait_until(PATIENCE, || matches!(child.try_wait(), Ok(Some(_)) | Err(_)));
        drop(child.kill());
        drop(child.wait());
        let disk = self.folder.join(format!("{name}.disk"));
        let read =
            |file: &str| output(Command::new("debugfs").arg("-R").arg(format!("cat /{file}")).arg(&disk));
        let (verdict, mut log) = (read("verdict")?, read("log")?);
        if verdict.trim().is_empty() {
            log.push_str(if ended {
                "\nthe machine ended early:\n"
            } else {
                "\nthe machine took too long:\n"
            });
            log.push_str(&console(&self.folder, name));
        }
        Ok(Outcome { passed: verdict.trim() == "0", log })
    }
}

/// What scripts on these machines share.
fn prelude() -> Result<String, String> {
    let read = |file: &str| fs::read_to_string(root().join("tests/e2e").join(file));
    let both = read("prelude.sh").and_then(|first| Ok(first + &read("machine-prelude.sh")?));
    both.map_err(|error| format!("tests/e2e: {error}"))
}

/// The second disk: the script, and the package.
fn make_disk(folder: &Path, name: &str, script: &str, package: Option<&Path>) -> Result<(), String> {
    let contents = folder.join(format!("{name}.contents"));
    let explain = |error: std::io::Error| format!("{}: {error}", contents.display());
    drop(fs::remove_dir_all(&contents));
    fs::create_dir_all(&contents).map_err(explain)?;
    fs::write(contents.join("scenario.sh"), script).map_err(explain)?;
    fs::write(contents.join("start.sh"), super::START).map_err(explain)?;
    if let Some(package) = package {
        fs::copy(package, contents.join("ntp.deb")).map_err(explain)?;
    }
    let disk = folder.join(format!("{name}.disk"));
    drop(fs::remove_file(&disk));
    output(Command::new("mkfs.ext4").arg("-q").arg("-d").arg(&contents).arg(&disk).arg("64M")).map(drop)
}

/// The file system of an image, made once.
fn file_system(image: &Image) -> Result<PathBuf, String> {
    let path = image.folder.with_extension("ext4");
    if path.exists() {
        return Ok(path);
    }
    let fresh = image.folder.with_extension("ext4.new");
    drop(fs::remove_file(&fresh));
    output(Command::new("mkfs.ext4").args(["-q", "-d"]).arg(&image.folder).arg(&fresh).arg("1500M"))?;
    let parts = target().join("e2e/machines");
    let explain = |error: std::io::Error| format!("{}: {error}", parts.display());
    fs::write(parts.join("e2e.service"), UNIT).map_err(explain)?;
    fs::write(parts.join("patch"), PATCH).map_err(explain)?;
    output(Command::new("debugfs").current_dir(&parts).args(["-w", "-f", "patch"]).arg(&fresh))?;
    fs::rename(&fresh, &path).map_err(explain)?;
    Ok(path)
}

/// The kernel of an image, or what it begins with.
fn boot_file(image: &Image, what: &str) -> Result<PathBuf, String> {
    let folder = image.folder.join("boot");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found = entries.filter_map(Result::ok).map(|entry| entry.path());
    let is_it =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(what));
    found.find(is_it).ok_or_else(|| format!("{}: there is no {what}", folder.display()))
}

fn bare(folder: &Path, accelerator: &str, name: &str, image: &Image) -> Result<Command, String> {
    let mut qemu = Command::new("qemu-system-x86_64");
    let model = if accelerator == "kvm" { "host" } else { "max" };
    qemu.args([
        "-accel",
        accelerator,
        "-cpu",
        model,
        "-smp",
        "1",
        "-m",
        "384",
        "-display",
        "none",
        "-no-reboot",
    ]);
    qemu.arg("-kernel")
        .arg(boot_file(image, "vmlinuz-")?)
        .arg("-initrd")
        .arg(boot_file(image, "initrd.img-")?);
    qemu.args(["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1"]);
    let console = folder.join(format!("{name}.console"));
    drop(fs::remove_file(&console));
    qemu.arg("-serial").arg(format!("file:{}", console.display()));
    Ok(qemu)
}

fn command(folder: &Path, accelerator: &str, machine: &Machine<'_>) -> Result<Command, String> {
    let Machine { name, image, number } = machine;
    let system = file_system(image)?;
    let mut qemu = bare(folder, accelerator, name, image)?;
    let disk = folder.join(format!("{name}.disk"));
    qemu.arg("-drive").arg(format!("file={},if=virtio,format=raw,snapshot=on", system.display()));
    qemu.arg("-drive").arg(format!("file={},if=virtio,format=raw", disk.display()));
    // Relative: the path of a socket is short.
    qemu.current_dir(folder);
    let end = if *number == 1 { "on" } else { "off" };
    qemu.arg("-netdev").arg(format!("stream,id=cable,server={end},addr.type=unix,addr.path={CABLE}"));
    qemu.arg("-device").arg(format!("virtio-net,netdev=cable,mac=52:54:00:00:00:0{number}"));
    Ok(qemu)
}

fn start(mut qemu: Command) -> Result<Child, String> {
    qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    qemu.spawn().map_err(|error| format!("qemu-system-x86_64: {error}"))
}

fn console(folder: &Path, name: &str) -> String {
    let text = fs::read(folder.join(format!("{name}.console"))).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// A device of that name proves nothing: a kernel must come up.
fn kvm_works(folder: &Path, image: &Image) -> bool {
    if !Path::new("/dev/kvm").exists() {
        return false;
    }
    let Ok(Ok(mut child)) = bare(folder, "kvm", "probe", image).map(start) else { return false };
    let works = wait_until(KVM_PATIENCE, || console(folder, "probe").contains("Run /init"));
    drop(child.kill());
    drop(child.wait());
    works
}

fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(200));
    }
    false
}
