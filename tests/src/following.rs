//! A daemon of ours that follows one that we did not write.

use std::fs;
use std::time::Duration;

use crate::daemon::{Daemon, until};
use crate::net::Net;
use crate::peers::{Peer, peer, start_chronyd};
use crate::programs::{ours, run};

/// Our ntpd on the client, following a chronyd on the server.
#[derive(Debug)]
pub struct Following {
    /// Both hosts.
    pub net: Net,
    _server: Daemon,
    _ours: Daemon,
    /// With `ntp.conf`, `keys` and `ntpd.log`.
    pub folder: tempfile::TempDir,
}

impl Following {
    /// Starts both, and waits until ours follows.
    ///
    /// # Errors
    /// A reason to skip.
    ///
    /// # Panics
    /// If ours follows nobody.
    pub fn new() -> Result<Self, String> {
        Self::with("")
    }

    /// The same, with more lines in ntp.conf.
    ///
    /// # Errors
    /// A reason to skip.
    ///
    /// # Panics
    /// If ours follows nobody.
    pub fn with(lines: &str) -> Result<Self, String> {
        let net = Net::new()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = start_chronyd(&peer(Peer::Chronyd)?, &net.server, folder.path());
        let conf = folder.path().join("ntp.conf");
        let text = "server 10.77.0.1 iburst minpoll 3\nserver 10.77.0.2 iburst minpoll 3\nserver 10.77.0.99\nserver fd77::1 iburst\nserver 127.127.1.0\nrestrict default\n";
        let keys = folder.path().join("keys");
        // Key 1 is for changes, key 2 is another one.
        let secrets = "1 SHA1 secretsecret\n2 AES128CMAC 000102030405060708090a0b0c0d0e0f\n";
        let more = format!("keys {}\ntrustedkey 1 2\ncontrolkey 1\n{lines}", keys.display());
        fs::write(&keys, secrets).map_err(|error| error.to_string())?;
        fs::write(&conf, text.to_owned() + &more).map_err(|error| error.to_string())?;
        let arguments = ["-n", "-c", &conf.display().to_string(), "--clock=virtual:offset=0.05,frequency=20"];
        let ours =
            Daemon::start(Some(&net.client), &ours("ntpd"), &arguments, &folder.path().join("ntpd.log"));
        let following = Self { net, _server: server, _ours: ours, folder };
        let synchronized = until(Duration::from_secs(40), || {
            let table = following.ours(&["-pn", "127.0.0.1"]);
            table.lines().any(|row| row.starts_with('*')) && table.matches(" 17 ").count() >= 3
        });
        assert!(
            synchronized,
            "{}",
            fs::read_to_string(following.folder.path().join("ntpd.log")).unwrap_or_default()
        );
        Ok(following)
    }

    /// What our ntpq prints.
    pub fn ours(&self, arguments: &[&str]) -> String {
        run(self.net.on_client(&ours("ntpq")).args(arguments)).stdout
    }
}
