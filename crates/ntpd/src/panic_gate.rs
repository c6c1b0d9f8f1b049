//! `-g` holds once a boot: a clock that has been right since then needs no correction of any size, and whoever can
//! make the daemon restart must not get one for it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use tracing::{info, warn};

use crate::cli::{ClockChoice, Options};

/// Beside the socket, in the folder that is empty after a boot, and that the unit keeps over a restart.
const MARKER: &str = "panicgate";

/// Where the kernel says which boot this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Whether a first correction of any size is allowed.
#[derive(Debug)]
pub(crate) struct PanicGate {
    marker: Option<PathBuf>,
    used: bool,
    /// The boot's own number; empty where it is not shown.
    boot: String,
}

impl PanicGate {
    /// As the command line says, and what an earlier run left.
    pub(crate) fn of(options: &Options) -> Self {
        let folder = options.control_socket().parent().filter(|folder| folder.is_dir());
        // A clock that was tried out says nothing of the system's.
        let counts = options.panic_gate && !options.quit && options.clock == ClockChoice::System;
        let marker = folder.filter(|_| counts).map(|folder| folder.join(MARKER));
        let boot = fs::read_to_string(BOOT).unwrap_or_default();
        // A folder that outlives the boot keeps what an earlier one left.
        let left = marker.as_ref().and_then(|marker| fs::read_to_string(marker).ok());
        let used = left.is_some_and(|left| left == boot);
        Self { marker, used, boot }
    }

    /// Tells the log, once there is one.
    pub(crate) fn announce(&self) {
        if let Some(marker) = self.marker.as_ref().filter(|_| self.used) {
            info!("the clock has been right since the boot: -g no longer holds ({})", marker.display());
        }
    }

    /// Whether `-g` was given and is used up; what allows another correction.
    pub(crate) fn remedy(&self) -> Option<String> {
        let marker = self.marker.as_ref().filter(|_| self.used)?;
        Some(format!("remove {} to allow one such correction again", marker.display()))
    }

    /// The clock is right: from now on, and over restarts, it may be wrong by so much only.
    pub(crate) fn close(&mut self) {
        let Some(marker) = self.marker.as_ref().filter(|_| !self.used) else { return };
        // Never through a link that somebody has put there.
        drop(fs::remove_file(marker));
        let written = File::create_new(marker).and_then(|mut file| file.write_all(self.boot.as_bytes()));
        if let Err(reason) = written {
            warn!("{}: {reason}: after a restart, -g would hold once more", marker.display());
        }
        self.used = true;
    }
}
