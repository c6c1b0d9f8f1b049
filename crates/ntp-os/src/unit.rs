//! What `systemd/ntp.service` lets the daemon see and write. Whoever changes the unit changes it here; a test compares.

use std::path::Path;

/// Where it may write (`StateDirectory`, `LogsDirectory`, `RuntimeDirectory`).
pub const WRITABLE: [&str; 3] = ["/var/lib/ntp", "/var/log/ntpstats", "/run/ntp"];

/// What it does not see, or has a copy of its own of (`ProtectHome`, `PrivateTmp`).
pub const HIDDEN: [&str; 5] = ["/root", "/home", "/run/user", "/tmp", "/var/tmp"];

/// Whether the unit lets the daemon write there.
#[must_use]
pub fn is_writable(path: &Path) -> bool {
    WRITABLE.iter().any(|folder| path.starts_with(folder))
}

/// Whether the unit hides what is there from the daemon.
#[must_use]
pub fn is_hidden(path: &Path) -> bool {
    HIDDEN.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_says_the_same() {
        let unit = include_str!("../../../systemd/ntp.service");
        let has = |line: &str| unit.lines().any(|found| found == line);
        for (folder, lines) in WRITABLE.iter().zip(["StateDirectory=", "LogsDirectory=", "RuntimeDirectory="])
        {
            let name = folder.rsplit('/').next().unwrap_or_default();
            assert!(has(&format!("{lines}{name}")), "{folder}");
        }
        for line in ["ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes"] {
            assert!(has(line), "{line}");
        }
        assert!(is_hidden(Path::new("/root/keys")) && !is_hidden(Path::new("/rooted")));
        assert!(is_writable(Path::new("/run/ntp/ntpd.pid")) && !is_writable(Path::new("/run/ntpd.pid")));
    }
}
