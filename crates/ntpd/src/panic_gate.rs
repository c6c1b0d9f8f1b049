//! `-g` holds once a boot: a clock that has been right since then needs no correction of any size, and whoever can
//! make the daemon restart must not get one for it.

use std::fs::File;
use std::path::PathBuf;

use tracing::{info, warn};

use crate::cli::{ClockChoice, Options};

/// Beside the socket, in the folder that is empty after a boot, and that the unit keeps over a restart.
const MARKER: &str = "panicgate";

/// Whether a first correction of any size is allowed.
#[derive(Debug)]
pub(crate) struct PanicGate {
    marker: Option<PathBuf>,
    used: bool,
}

impl PanicGate {
    /// As the command line says, and what an earlier run left.
    pub(crate) fn of(options: &Options) -> Self {
        let folder = options.control_socket().parent().filter(|folder| folder.is_dir());
        // A clock that was tried out says nothing of the system's.
        let counts = options.panic_gate && !options.quit && options.clock == ClockChoice::System;
        let marker = folder.filter(|_| counts).map(|folder| folder.join(MARKER));
        let used = marker.as_ref().is_some_and(|marker| marker.exists());
        Self { marker, used }
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
        if let Err(reason) = File::create(marker) {
            warn!("{}: {reason}: after a restart, -g would hold once more", marker.display());
        }
        self.used = true;
    }
}
