//! The servers that are measured.

use std::fs;
use std::path::{Path, PathBuf};

use ntp_tests::{Peer, beside, packaged, peer};

/// A server, how to start it, and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: &'static [&'static str],
    configuration: Option<String>,
    /// The secret that requests are signed with.
    pub(crate) secret: Option<&'static str>,
    /// The program that a shell starts.
    zeroth: Option<PathBuf>,
    /// A client only: it is not asked, but weighed.
    pub(crate) idle: bool,
}

/// The secret of the authenticated runs: 16 bytes, which all programs take.
const SECRET: &str = "0123456789abcdef";

/// What a server on the Internet has switched on: an access list, the rate limit, the list of clients.
const OURS: &str = "server 127.127.1.0\nfudge 127.127.1.0 stratum 1\nserver-threads 1\n\
    restrict default kod limited nomodify nopeer noquery\nrestrict 127.0.0.1\n";

const CHRONY: &str =
    "local stratum 1\nallow\nratelimit interval 3 burst 8\ncmdport 0\nbindcmdaddress /\npidfile FOLDER/pid\n";

const NTPSEC: &str = "server 127.127.1.0 minpoll 3\nfudge 127.127.1.0 stratum 1\ntos orphanwait 1\n\
    restrict default kod limited nomodify nopeer noquery\nrestrict 127.0.0.1\n";

const NTPD: &[&str] = &["-n", "-c", "CONF", "--clock=none"];
const CHRONYD: &[&str] = &["-x", "-d", "-u", "root", "-f", "CONF"];
const OPENNTPD: &str = "mount -t tmpfs none /var/lib && mkdir -p /var/lib/openntpd/run /var/lib/openntpd/db && \
    exec \"$0\" -d -f \"$1\"";

impl Candidate {
    /// The words that start it, with its files in a folder.
    pub(crate) fn command(&self, folder: &Path) -> Result<(PathBuf, Vec<String>), String> {
        let io = |error: std::io::Error| error.to_string();
        let place = |name: &str| folder.join(name).display().to_string();
        if let Some(text) = &self.configuration {
            let text = text.replace("FOLDER", &folder.display().to_string());
            fs::write(folder.join("conf"), text).map_err(io)?;
            fs::write(folder.join("keys"), format!("10 AES128 HEX:{}\n", hex(SECRET))).map_err(io)?;
            fs::write(folder.join("ntp.keys"), format!("10 AES-128 {SECRET}\n")).map_err(io)?;
        }
        let program = self.zeroth.as_ref().map(|program| program.display().to_string()).unwrap_or_default();
        let word = |word: &&str| word.replace("CONF", &place("conf")).replace("PROGRAM", &program);
        let arguments = self.arguments.iter().map(word).collect();
        Ok((self.program.clone(), arguments))
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// All that are here, and what to install for the others.
pub(crate) fn all() -> (Vec<Candidate>, Vec<String>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let base = |name, program: &Path, arguments, configuration: &str| Candidate {
        name,
        program: program.to_owned(),
        arguments,
        configuration: Some(configuration.to_owned()),
        secret: None,
        zeroth: None,
        idle: false,
    };
    let ntpd = beside("ntpd");
    let load = beside("server-load");
    found.push(base("ours", &ntpd, NTPD, OURS));
    found.push(base(
        "ours with 2 threads",
        &ntpd,
        NTPD,
        &OURS.replace("server-threads 1", "server-threads 2"),
    ));
    found.push(base(
        "ours with 10^5 rules",
        &ntpd,
        NTPD,
        &(OURS.to_owned() + "includefile FOLDER/rules.d\n"),
    ));
    let keys = "keys FOLDER/ntp.keys\ntrustedkey 10\n";
    let signed = base("ours with CMAC", &ntpd, NTPD, &(OURS.to_owned() + keys));
    found.push(Candidate { secret: Some(SECRET), ..signed });
    let client = base("ours as client", &ntpd, NTPD, "server 10.77.0.20\nrestrict default noserve\n");
    found.push(Candidate { idle: true, ..client });
    match peer(Peer::Chronyd) {
        Ok(program) => {
            found.push(base("chronyd", &program, CHRONYD, CHRONY));
            let signed =
                base("chronyd with CMAC", &program, CHRONYD, &(CHRONY.to_owned() + "keyfile FOLDER/keys\n"));
            found.push(Candidate { secret: Some(SECRET), ..signed });
        }
        Err(reason) => missing.push(reason),
    }
    match peer(Peer::NtpsecNtpd) {
        Ok(program) => {
            found.push(base("ntpsec", &program, &["-n", "-c", "CONF"], NTPSEC));
            let signed = base("ntpsec, CMAC", &program, &["-n", "-c", "CONF"], &(NTPSEC.to_owned() + keys));
            found.push(Candidate { secret: Some(SECRET), ..signed });
        }
        Err(reason) => missing.push(reason),
    }
    match packaged("openntpd", "usr/sbin/ntpd") {
        Some(program) => {
            let configuration = "listen on *\nserver 10.77.0.20\n";
            // It wants folders that only its package makes; the mount is seen in its namespace alone.
            let one =
                base("openntpd", Path::new("/bin/sh"), &["-c", OPENNTPD, "PROGRAM", "CONF"], configuration);
            found.push(Candidate { zeroth: Some(program), ..one });
        }
        None => missing.push("needs Debian's package openntpd, unpacked".to_owned()),
    }
    found.push(Candidate {
        name: "raw echo",
        program: load,
        arguments: &["echo", "123"],
        configuration: None,
        secret: None,
        zeroth: None,
        idle: false,
    });
    (found, missing)
}
