//! Two machines made of network namespaces, joined by a cable made of veth.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::daemon::{command, is_root};

/// Two hosts: the server at 10.77.0.1 to 10.77.0.4 and `fd77::1`, the client at 10.77.0.20 and
/// `fd77::2`.
#[derive(Debug)]
pub struct Net {
    /// The namespace of the server.
    pub server: String,
    /// The namespace of the client.
    pub client: String,
}

/// Namespaces must not collide between tests of one run, nor between runs.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Net {
    /// Makes both hosts; or says why that cannot be done here.
    ///
    /// # Errors
    /// A reason to skip.
    pub fn new() -> Result<Self, String> {
        if !is_root() {
            return Err("needs root, to make network namespaces".to_owned());
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |role: &str| format!("ntp-{role}-{}-{number}", std::process::id());
        let net = Self { server: name("s"), client: name("c") };
        net.build().map_err(|error| format!("cannot make network namespaces: {error}"))?;
        Ok(net)
    }

    fn build(&self) -> Result<(), String> {
        let (server, client) = (self.server.as_str(), self.client.as_str());
        for name in [server, client] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        ip(&[
            "-n", server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", client,
        ])?;
        for (name, v4, v6) in [
            (
                server,
                ["10.77.0.1/24", "10.77.0.2/24", "10.77.0.3/24", "10.77.0.4/24"].as_slice(),
                "fd77::1/64",
            ),
            (client, ["10.77.0.20/24"].as_slice(), "fd77::2/64"),
        ] {
            for address in v4 {
                ip(&["-n", name, "addr", "add", address, "dev", "cable"])?;
            }
            ip(&["-n", name, "addr", "add", v6, "dev", "cable", "nodad"])?;
            ip(&["-n", name, "link", "set", "cable", "up"])?;
        }
        Ok(())
    }

    /// A command that will run on the client, and cannot set the clock.
    pub fn on_client(&self, program: &Path) -> Command {
        command(Some(&self.client), program)
    }

    /// A command that will run on the server, and cannot set the clock.
    pub fn on_server(&self, program: &Path) -> Command {
        command(Some(&self.server), program)
    }

    /// The address that the server has of itself on the cable (`fe80::...`).
    ///
    /// # Panics
    /// If it has none.
    pub fn server_link_local(&self) -> String {
        let shown = Command::new("ip")
            .args(["-n", &self.server, "-6", "-o", "addr", "show", "dev", "cable", "scope", "link"])
            .output();
        let text = shown.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default();
        let address = text.split_whitespace().find_map(|word| word.strip_suffix("/64"));
        assert!(address.is_some(), "no link-local address: {text}");
        address.unwrap_or_default().to_owned()
    }

    /// Gives the server users that this machine does not have.
    ///
    /// # Panics
    /// If the files cannot be written.
    pub fn name_users(&self, users: &[(&str, u32)]) {
        let folder = Path::new("/etc/netns").join(&self.server);
        let passwd = |(name, id): &(&str, u32)| format!("{name}:x:{id}:{id}::/mnt:/bin/false\n");
        let group = |(name, id): &(&str, u32)| format!("{name}:x:{id}:\n");
        let known = |name: &str| fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        let passwd = known("passwd") + &users.iter().map(passwd).collect::<String>();
        let group = known("group") + &users.iter().map(group).collect::<String>();
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("passwd"), passwd))
            .and_then(|()| fs::write(folder.join("group"), group));
        assert!(written.is_ok(), "{}: {written:?}", folder.display());
    }

    /// Makes names resolve on the client, through a hosts file of its own.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn name_hosts(&self, hosts: &[(&str, &str)]) {
        let folder = Path::new("/etc/netns").join(&self.client);
        let lines: Vec<String> = hosts.iter().map(|(address, name)| format!("{address} {name}")).collect();
        let text = lines.join("\n") + "\n";
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("hosts"), text));
        assert!(written.is_ok(), "{}: {written:?}", folder.display());
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            drop(ip(&["netns", "del", name]));
            drop(fs::remove_dir_all(Path::new("/etc/netns").join(name)));
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}
