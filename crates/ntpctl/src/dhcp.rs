//! `ntpctl dhcp`: the servers that a network's DHCP server names, in a file of their own for each interface, which
//! ntp.conf may include.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ntp_os::atomic_file::replace;
use ntp_os::config_files;

use crate::cli::Dhcp;
use crate::exit::{Exit, Failure};
use crate::file;
use crate::service::Manager;
use crate::settings::Settings;

/// The most servers of one interface: each is asked, so that a network cannot have us ask hundreds.
const SERVERS_MAX: usize = 8;

/// The longest name of an interface or a host, in bytes.
const NAME_LEN_MAX: usize = 253;

/// The longest file of a lease that is read.
const LEASE_LEN_MAX: usize = 65_536;

/// Where systemd-networkd keeps its leases.
pub(crate) const LEASES: &str = "/run/systemd/netif/leases";

/// How the files begin whose servers systemd-networkd was given.
const OF_NETWORKD: &str = "networkd-";

pub(crate) fn run(request: &Dhcp, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let wanted = match (&request.networkd, &request.interface) {
        (Some(leases), _) => {
            // Without leases systemd-networkd does not make its own folder; another one is there, or a mistake.
            if !leases.exists() && leases != Path::new(LEASES) {
                return Err(Failure::Usage(format!("{}: there is no such folder", leases.display())));
            }
            of_networkd(leases, &request.folder)?
        }
        (None, Some(interface)) if interface.starts_with(OF_NETWORKD) => {
            return Err(Failure::Usage(format!(
                "{interface:?}: names with {OF_NETWORKD} are those of `ntpctl dhcp --networkd`"
            )));
        }
        (None, Some(interface)) => BTreeMap::from([(interface.clone(), request.servers.clone())]),
        (None, None) => return Err(Failure::Usage("an interface must be named".to_owned())),
    };
    let mut changed = false;
    for (interface, servers) in &wanted {
        changed |= settle(&request.folder, interface, servers, out)?;
    }
    if changed && !request.no_reload {
        Manager::detect(settings).reload().map_err(Failure::RestartFailed)?;
    }
    Ok(Exit::Done)
}

/// Has the interface's file hold these servers, or not exist; whether that changed anything.
fn settle(folder: &Path, interface: &str, servers: &[String], out: &mut dyn Write) -> Result<bool, Failure> {
    if !is_name(interface) || interface.starts_with('.') {
        return Err(Failure::Usage(format!("{interface:?} is no name of an interface")));
    }
    let path = folder.join(format!("{interface}.conf"));
    let mut used: Vec<&str> = Vec::new();
    for server in servers {
        if !is_host(server) {
            writeln!(out, "{interface}: {server:?} is neither an address nor a name: it is left out")?;
        } else if used.len() >= SERVERS_MAX {
            writeln!(out, "{interface}: {server} is left out: {SERVERS_MAX} servers are enough")?;
        } else if !used.contains(&server.as_str()) {
            used.push(server);
        }
    }
    let old = file::read_if_there(&path)?;
    if used.is_empty() {
        if old.is_none() {
            return Ok(false);
        }
        let gone = |error: io::Error| Failure::NotWritten(format!("{}: {error}", path.display()));
        fs::remove_file(&path).map_err(gone)?;
        writeln!(out, "{interface}: no servers any more")?;
        return Ok(true);
    }
    let lines: String =
        used.iter().map(|server| ["server ", &on(server, interface), " iburst\n"].concat()).collect();
    let text = format!("# From DHCP on {interface}; written anew with every lease.\n{lines}");
    if old.as_deref() == Some(text.as_bytes()) {
        return Ok(false);
    }
    let failed = |reason: &dyn std::fmt::Display| Failure::NotWritten(reason.to_string());
    fs::create_dir_all(folder).map_err(|error| failed(&format!("{}: {error}", folder.display())))?;
    replace(&path, text.as_bytes(), old.as_deref(), 0o644).map_err(|error| failed(&error))?;
    writeln!(out, "{interface}: {}", used.join(", "))?;
    Ok(true)
}

/// An address that holds on one link alone has that link's name with it.
fn on(server: &str, interface: &str) -> String {
    let link = interface.strip_suffix("-6").unwrap_or(interface);
    match server.parse::<Ipv6Addr>() {
        Ok(address) if address.is_unicast_link_local() => format!("{server}%{link}"),
        Ok(_) | Err(_) => server.to_owned(),
    }
}

/// The servers of each lease that systemd-networkd has, and nothing for the interfaces that it had one for before.
fn of_networkd(leases: &Path, folder: &Path) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut wanted = BTreeMap::new();
    for name in names(folder)? {
        if let Some(known) = name.strip_suffix(".conf").filter(|name| name.starts_with(OF_NETWORKD)) {
            wanted.insert(known.to_owned(), Vec::new());
        }
    }
    for index in names(leases)? {
        if !index.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A lease may end while it is looked at.
        let Ok((_, content)) = config_files::load_file(&leases.join(&index), LEASE_LEN_MAX) else { continue };
        let text = String::from_utf8_lossy(&content);
        let servers =
            text.lines().filter_map(|line| line.strip_prefix("NTP=")).flat_map(str::split_whitespace);
        wanted.insert(format!("{OF_NETWORKD}{index}"), servers.map(str::to_owned).collect());
    }
    Ok(wanted)
}

/// What a folder holds; nothing, if it is not there.
fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let explain = |error: io::Error| Failure::Refused(format!("{}: {error}", folder.display()));
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(explain)?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(explain(error)),
    }
}

/// Names of interfaces and hosts have no characters that mean something in a path or in ntp.conf.
fn is_name(text: &str) -> bool {
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    !text.is_empty() && text.len() <= NAME_LEN_MAX && text.bytes().all(ordinary)
}

fn is_host(text: &str) -> bool {
    let name = |text: &str| is_name(text) && !text.contains([':', '@']) && !text.starts_with(['-', '.']);
    if let Ok(address) = text.parse::<IpAddr>().map(|address| address.to_canonical()) {
        // 127.127.0.0/16 would be a reference clock: a network has no say in those, nor in this machine itself.
        let is_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        return !(address.is_unspecified()
            || address.is_multicast()
            || address.is_loopback()
            || is_broadcast);
    }
    let whole = !text.split('.').any(str::is_empty) && !text.eq_ignore_ascii_case("localhost");
    whole && name(text) && text.contains(|letter: char| letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(folder: &Path, servers: &[&str]) -> (bool, String) {
        let servers: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
        let mut said = Vec::new();
        let changed = settle(folder, "eth0", &servers, &mut said).unwrap();
        (changed, String::from_utf8(said).unwrap())
    }

    #[test]
    fn a_lease_makes_a_file_and_its_end_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eth0.conf");
        assert_eq!(settled(folder.path(), &[]), (false, String::new()));
        let (changed, said) =
            settled(folder.path(), &["192.0.2.1", "2001:db8::1", "ntp.example", "192.0.2.1"]);
        assert_eq!((changed, said.as_str()), (true, "eth0: 192.0.2.1, 2001:db8::1, ntp.example\n"));
        let text = "# From DHCP on eth0; written anew with every lease.\n\
                    server 192.0.2.1 iburst\nserver 2001:db8::1 iburst\nserver ntp.example iburst\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(!settled(folder.path(), &["192.0.2.1", "2001:db8::1", "ntp.example"]).0);
        assert!(settled(folder.path(), &[]).0);
        assert!(!path.exists());
    }

    #[test]
    fn an_address_of_the_link_is_on_it() {
        let folder = tempfile::tempdir().unwrap();
        settled(folder.path(), &["fe80::1", "2001:db8::1"]);
        let text = fs::read_to_string(folder.path().join("eth0.conf")).unwrap();
        assert!(text.contains("server fe80::1%eth0 iburst\nserver 2001:db8::1 iburst\n"), "{text}");
        assert_eq!(on("fe80::1", "eth0-6"), "fe80::1%eth0");
    }

    #[test]
    fn a_hostile_network_names_servers_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let hostile = [
            "a\nkeys /etc/shadow",
            "#",
            "127.127.1.0 prefer",
            "-4",
            "0.0.0.0",
            "224.0.1.1",
            "..",
            "12",
            "",
            "127.127.1.0",
            "127.0.0.1",
            "::1",
            "::ffff:127.127.1.0",
            "255.255.255.255",
            "localhost",
            "a..b",
            "--folder=/etc",
        ];
        let (changed, said) = settled(folder.path(), &hostile);
        assert!(!changed, "{said}");
        assert_eq!(said.lines().count(), hostile.len());
        let many: Vec<String> = (1..=40).map(|number| format!("192.0.2.{number}")).collect();
        settled(folder.path(), &many.iter().map(String::as_str).collect::<Vec<_>>());
        let text = fs::read_to_string(folder.path().join("eth0.conf")).unwrap();
        assert_eq!(text.lines().count(), 1 + SERVERS_MAX);
        for name in ["", "../etc", "a/b", ".hidden", "a b"] {
            assert!(settle(folder.path(), name, &[], &mut Vec::new()).is_err(), "{name}");
        }
    }

    #[test]
    fn the_leases_of_networkd_come_and_go() {
        let (leases, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(leases.path().join("3"), "# private\nADDRESS=192.0.2.7\nNTP=192.0.2.1 192.0.2.2\n")
            .unwrap();
        fs::write(leases.path().join("4"), "ADDRESS=192.0.2.8\n").unwrap();
        fs::write(folder.path().join("networkd-2.conf"), "server 192.0.2.9 iburst\n").unwrap();
        fs::write(folder.path().join("eth0.conf"), "server 192.0.2.9 iburst\n").unwrap();
        let found = of_networkd(leases.path(), folder.path()).unwrap();
        let servers = vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()];
        let expected = [("networkd-2", Vec::new()), ("networkd-3", servers), ("networkd-4", Vec::new())];
        assert_eq!(found, expected.into_iter().map(|(name, of)| (name.to_owned(), of)).collect());
    }
}
