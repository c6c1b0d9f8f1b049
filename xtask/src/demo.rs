//! The tutorial, end to end, on one machine and without its network or its clock.
//!
//! A reference server serves this machine's time; `ntpd` starts on a virtual clock that is 250 ms
//! and 50 ppm wrong; `ntpctl add-server` gives it the server; `ntpq -p` shows how it gets right.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, Running, cargo, target};
use crate::say;

/// How long the clock may take to get right.
const PATIENCE: Duration = Duration::from_secs(28);

/// How close it must get, in milliseconds.
const OFFSET_MAX: f64 = 1.0;

/// Where things are for the demonstration.
struct Stage {
    folder: PathBuf,
    programs: PathBuf,
    reference_port: u16,
    port: u16,
}

pub(crate) fn run() -> Result<(), String> {
    say("Building ntpd, ntpctl and ntpq ...");
    let programs = ["-p", "ntpd", "-p", "ntpctl", "-p", "ntpq"];
    process::run(cargo().args(["build", "--quiet"]).args(programs))?;
    let stage = Stage::set_up()?;
    let outcome = stage.perform();
    stage.stop_daemon();
    outcome
}

impl Stage {
    fn set_up() -> Result<Self, String> {
        let folder = target().join("demo");
        // What an earlier demonstration left.
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let stage = Self {
            folder,
            programs: target().join("debug"),
            reference_port: free_port()?,
            port: free_port()?,
        };
        stage.write("reference.conf", "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\n")?;
        let drift = stage.path("ntp.drift");
        stage.write(
            "ntp.conf",
            &format!(
                "# The demonstration's /etc/ntp.conf\ndriftfile {}\n\n# Servers go here\n\n\
                 restrict default nomodify noquery\nrestrict 127.0.0.1\nrestrict ::1\n",
                drift.display()
            ),
        )?;
        stage.write("restart", &stage.restart_script())?;
        stage.write("ntpctl.toml", &stage.settings())?;
        Ok(stage)
    }

    fn perform(&self) -> Result<(), String> {
        say("\nA server that has the time of this machine:\n");
        let reference = format!("-n -c reference.conf --clock=none --port {}", self.reference_port);
        say(&format!("$ ntpd {reference} &"));
        let _reference =
            Running::start(self.program("ntpd").args(reference.split(' ')).stderr(Stdio::null()))?;
        say("\nThe machine whose clock is wrong, by 250 ms and 50 ppm:\n");
        say(&format!("$ {}", self.daemon_words()));
        process::run(Command::new("/bin/sh").arg(self.path("restart")))?;
        say("\nGive it the server, and wait until it works:\n");
        let port = self.reference_port.to_string();
        let words =
            ["--settings", "ntpctl.toml", "add-server", "127.0.0.1", "--port", &port, "-c", "ntp.conf"];
        say(&format!("$ ntpctl {}", words.join(" ")));
        process::run(self.program("ntpctl").args(words))?;
        say("\nWatch it get right:");
        let offset = self.watch()?;
        say(&format!(
            "\nThe clock is right: it was off by 250 ms, and is now within {:.3} ms.",
            offset.abs()
        ));
        say(&format!("Everything is in {}", self.folder.display()));
        Ok(())
    }

    /// Asks until the server leads and the offset is small; prints what changes.
    fn watch(&self) -> Result<f64, String> {
        let host = format!("127.0.0.1:{}", self.port);
        let deadline = Instant::now() + PATIENCE;
        let mut shown = String::new();
        while Instant::now() < deadline {
            let table = process::output(self.program("ntpq").args(["-pn", &host]))?;
            let row = table.lines().nth(2).unwrap_or_default();
            let fields: Vec<&str> = row.split_whitespace().collect();
            let field = |index: usize| fields.get(index).copied().unwrap_or("-");
            if field(6) != shown {
                say(&format!("\n$ ntpq -pn {host}\n{}", table.trim_end()));
                field(6).clone_into(&mut shown);
            }
            let offset = field(8).parse::<f64>().unwrap_or(f64::INFINITY);
            // Reach 17: four answers, of which the last two came after the step.
            let settled = u32::from_str_radix(field(6), 8).is_ok_and(|reach| reach >= 0o17);
            if row.starts_with('*') && settled && offset.abs() < OFFSET_MAX {
                return Ok(offset);
            }
            thread::sleep(Duration::from_millis(500));
        }
        Err(format!(
            "the clock did not get right within {} s; see {}",
            PATIENCE.as_secs(),
            self.path("ntpd.log").display()
        ))
    }

    /// What stands in for systemd: stops the daemon that runs, starts another, and returns when it
    /// serves, for ntpd leaves its terminal only then.
    fn restart_script(&self) -> String {
        format!(
            "#!/bin/sh\n\
             # Stands in for `systemctl restart ntp`.\n\
             cd '{folder}' || exit 1\n\
             if [ -f ntpd.pid ]; then\n\
             \x20   kill \"$(cat ntpd.pid)\"\n\
             \x20   tries=0\n\
             \x20   while [ -f ntpd.pid ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done\n\
             fi\n\
             exec '{programs}'/{words}\n",
            folder = self.folder.display(),
            programs = self.programs.display(),
            words = self.daemon_words(),
        )
    }

    fn daemon_words(&self) -> String {
        format!(
            "ntpd -c '{folder}/ntp.conf' -p '{folder}/ntpd.pid' -l '{folder}/ntpd.log' \
             --port {port} --clock=virtual:offset=0.25,frequency=50",
            folder = self.folder.display(),
            port = self.port,
        )
    }

    fn settings(&self) -> String {
        format!(
            "# The demonstration's /etc/ntpctl.toml\n\
             restart-command = [\"/bin/sh\", \"{folder}/restart\"]\n\
             daemon = \"127.0.0.1:{port}\"\n\
             backup-dir = \"{folder}/backup\"\n",
            folder = self.folder.display(),
            port = self.port,
        )
    }

    fn stop_daemon(&self) {
        if let Ok(pid) = fs::read_to_string(self.path("ntpd.pid")) {
            drop(Command::new("kill").arg(pid.trim()).status());
        }
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.folder);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path: &Path = &self.path(name);
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// A UDP port that nobody uses at this moment.
fn free_port() -> Result<u16, String> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| format!("no free port: {error}"))?;
    socket.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
