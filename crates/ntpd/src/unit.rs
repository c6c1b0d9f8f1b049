//! What the packaged unit lets the daemon see and write, in words for where that is less than its user may.

use std::path::Path;

use ntp_os::unit::is_hidden;

/// Whether a service manager has started this process.
fn is_there() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

/// Where it lets the daemon write, and how to open another place.
pub(crate) fn hint_of_writing() -> &'static str {
    if is_there() {
        " (its unit lets it write in /var/lib/ntp, /var/log/ntpstats and /run/ntp: `systemctl edit ntp` with \
         ReadWritePaths= opens another folder)"
    } else {
        ""
    }
}

/// Why a file may seem not to be there, or not to be readable.
pub(crate) fn hint_of_hiding(path: &Path) -> &'static str {
    if is_there() && is_hidden(path) {
        " (its unit hides /root and /home from it, and gives it a /tmp of its own)"
    } else {
        ""
    }
}
