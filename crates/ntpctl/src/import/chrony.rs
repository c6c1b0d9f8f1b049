//! chrony.conf, with what it includes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ntp_os::config_files;

use super::{Imported, plain};

/// The longest file, and how deep files may include each other.
const FILE_LEN_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 5;

/// Flags of a restriction for those who get time, and for those who do not.
const SERVED: &[&str] = &["kod", "limited", "nomodify", "noquery"];
const UNSERVED: &[&str] = &["nomodify", "noquery", "noserve"];

/// Options that mean the same in ntp.conf.
const SAME_FLAGS: &[&str] = &["iburst", "burst", "prefer", "noselect"];
const SAME_VALUES: &[&str] = &["maxpoll", "key", "port", "version"];

/// Options that only tune what ntpd learns by itself.
const NEEDLESS: &[&str] = &[
    "asymmetry",
    "auto_offline",
    "copy",
    "extfield",
    "filter",
    "maxdelay",
    "maxdelaydevratio",
    "maxdelayquant",
    "maxdelayratio",
    "maxsamples",
    "maxunreach",
    "mindelay",
    "minsamples",
    "minstratum",
    "offline",
    "polltarget",
    "presend",
    "xleave",
];

/// Of these, those that take no value.
const NEEDLESS_FLAGS: &[&str] = &["auto_offline", "copy", "offline", "xleave"];

pub(super) fn import(path: &Path, text: &str) -> Imported {
    let mut reader = Reader { imported: Imported::default(), serves: false };
    reader.file(path, text, 0);
    // chrony serves nobody unless it is told to.
    let flags = if reader.serves { SERVED } else { UNSERVED };
    reader.imported.access("", &[&["restrict", "default"], flags].concat());
    for own in ["127.0.0.1", "::1"] {
        reader.imported.access("", &["restrict", own]);
    }
    reader.imported
}

struct Reader {
    imported: Imported,
    /// Everybody.
    serves: bool,
}

impl Reader {
    fn file(&mut self, path: &Path, text: &str, depth: usize) {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            // As chrony: a comment is a whole line, and begins with any of these.
            if line.is_empty() || line.starts_with(['#', '%', ';', '!']) {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let place = format!("{}:{}", plain(&path.display().to_string()), index + 1);
            if let Some((directive, rest)) = words.split_first() {
                self.directive(&place, &directive.to_lowercase(), rest, (path, depth));
            }
        }
    }

    fn directive(&mut self, place: &str, name: &str, rest: &[&str], from: (&Path, usize)) {
        let line = || [&[name], rest].concat().join(" ");
        let first = rest.first().copied();
        match (name, first) {
            ("server" | "peer", Some(host)) => {
                self.source(place, "server", host, rest.get(1..).unwrap_or_default());
            }
            ("pool", Some(host)) => self.source(place, "pool", host, rest.get(1..).unwrap_or_default()),
            ("allow" | "deny", _) => self.access(place, name == "allow", rest),
            ("leapsectz", _) => {
                self.imported.setting(place, &["leapfile", "/usr/share/zoneinfo/leap-seconds.list"]);
            }
            ("leapseclist", Some(file)) => self.imported.setting(place, &["leapfile", file]),
            ("local", _) => self.local(place, rest),
            ("maxdistance", Some(seconds)) => self.imported.setting(place, &["tos", "maxdist", seconds]),
            ("minsources", Some(count)) => self.imported.setting(place, &["tos", "minsane", count]),
            ("bindaddress", Some(address)) => {
                self.imported.setting(place, &["interface", "ignore", "wildcard"]);
                self.imported.setting(place, &["interface", "listen", address]);
            }
            ("driftfile", _) => self.imported.leave(
                place,
                &line(),
                "ntpd's drift file has another format: it is /var/lib/ntp/ntp.drift, and fills itself",
            ),
            ("makestep", _) => self.imported.leave(
                place,
                &line(),
                "ntpd steps an error above `tinker step` by itself; `-g` allows one of any size at the start",
            ),
            ("rtcsync", _) => {
                self.imported.leave(
                    place,
                    &line(),
                    "the kernel copies the time to the hardware clock by itself",
                );
            }
            ("keyfile", Some(_)) => {
                self.imported.leave(place, &line(), "keys are not acted on yet, and the two formats differ");
            }
            ("include" | "confdir" | "sourcedir", Some(_)) => self.include(place, name, rest, from),
            _ => self.imported.leave(place, &line(), "ntpd has nothing like it"),
        }
    }

    fn source(&mut self, place: &str, keyword: &str, host: &str, rest: &[&str]) {
        let mut options: Vec<String> = Vec::new();
        let mut rest = rest.iter().copied();
        let mut authenticated = false;
        while let Some(option) = rest.next() {
            match option {
                _ if SAME_FLAGS.contains(&option) => options.push(option.to_owned()),
                "trust" => options.push("true".to_owned()),
                _ if SAME_VALUES.contains(&option) => {
                    options.extend([option.to_owned(), rest.next().unwrap_or_default().to_owned()]);
                }
                "minpoll" => {
                    let value = rest.next().unwrap_or_default();
                    let clamped =
                        value.parse::<i32>().map_or_else(|_| value.to_owned(), |n| n.max(3).to_string());
                    if clamped != value {
                        self.imported.leave(place, &format!("minpoll {value}"), "ntpd's least is 3, 8 s");
                    }
                    options.extend(["minpoll".to_owned(), clamped]);
                }
                "maxsources" => {
                    let value = rest.next().unwrap_or_default();
                    self.imported.leave(
                        place,
                        &format!("maxsources {value}"),
                        "pools grow to `tos maxclock` members, all of them together",
                    );
                }
                "nts" => authenticated = true,
                _ => {
                    let value = if takes_value(option) { rest.next().unwrap_or_default() } else { "" };
                    let why = if NEEDLESS.contains(&option) {
                        "ntpd learns that by itself"
                    } else {
                        "ntpd has nothing like it"
                    };
                    self.imported.leave(place, format!("{option} {value}").trim(), why);
                }
            }
        }
        if authenticated {
            let line = format!("{keyword} {host} nts");
            let why = "NTS is not implemented, and unauthenticated time is not what was asked for";
            self.imported.leave(place, &line, why);
            return;
        }
        self.imported.source(place, keyword, host, &options);
    }

    fn access(&mut self, place: &str, allow: bool, rest: &[&str]) {
        let flags = if allow { SERVED } else { UNSERVED };
        let Some(network) = rest.iter().rfind(|word| **word != "all") else {
            self.serves |= allow;
            return;
        };
        let Some(words) = restriction(network) else {
            let line = format!("{} {}", if allow { "allow" } else { "deny" }, rest.join(" "));
            self.imported.leave(place, &line, "this is no address or network");
            return;
        };
        let words: Vec<&str> = words.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        self.imported.access(place, &words);
    }

    fn local(&mut self, place: &str, rest: &[&str]) {
        let after =
            |name: &str| rest.iter().position(|word| *word == name).and_then(|at| rest.get(at + 1)).copied();
        self.imported.setting(place, &["tos", "orphan", after("stratum").unwrap_or("10")]);
        if after("distance").is_some() || rest.contains(&"orphan") {
            self.imported.leave(
                place,
                &format!("local {}", rest.join(" ")),
                "only the stratum is carried over",
            );
        }
    }

    fn include(&mut self, place: &str, name: &str, rest: &[&str], (from, depth): (&Path, usize)) {
        if depth >= DEPTH_MAX {
            self.imported.leave(place, name, "files include each other too deeply");
            return;
        }
        for word in rest {
            let target = from.parent().unwrap_or_else(|| Path::new("/")).join(word);
            let found = match name {
                "include" => files_of_pattern(&target),
                "sourcedir" => config_files::load_with(&target, "sources", FILE_LEN_MAX),
                _ => config_files::load_with(&target, "conf", FILE_LEN_MAX),
            };
            match found {
                Ok(files) => {
                    for (path, content) in files {
                        self.file(&path, &String::from_utf8_lossy(&content), depth + 1);
                    }
                }
                Err(config_files::ReadError::Missing) => {}
                Err(error) => self.imported.leave(place, word, &error.to_string()),
            }
        }
    }
}

/// A file, or all that end alike: `/etc/chrony/conf.d/*.conf`.
fn files_of_pattern(pattern: &Path) -> Result<Vec<config_files::Content>, config_files::ReadError> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.strip_prefix("*.") {
        Some(extension) => config_files::load_with(
            pattern.parent().unwrap_or_else(|| Path::new("/")),
            extension,
            FILE_LEN_MAX,
        ),
        None => config_files::load_file(&PathBuf::from(pattern), FILE_LEN_MAX).map(|file| vec![file]),
    }
}

/// Whether an option of chrony's that is not carried over has a value behind it.
fn takes_value(option: &str) -> bool {
    let valued = ["certset", "ntsport", "offset"];
    valued.contains(&option) || NEEDLESS.contains(&option) && !NEEDLESS_FLAGS.contains(&option)
}

/// `restrict` with an address or a network: chrony lets the last parts of an IPv4 address be left out.
fn restriction(word: &str) -> Option<Vec<String>> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (word, None),
    };
    let parts = address.split('.').count();
    let short = address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && parts < 4;
    let (whole, own) = if short {
        let padded = format!("{address}{}", ".0".repeat(4 - parts));
        (padded, u32::try_from(parts * 8).unwrap_or(32))
    } else {
        (address.to_owned(), 128)
    };
    let mask = match whole.parse().ok()? {
        IpAddr::V4(_) => {
            let length = length.unwrap_or(own).min(32);
            IpAddr::from(u32::MAX.checked_shl(32 - length).unwrap_or(0).to_be_bytes())
        }
        IpAddr::V6(_) => {
            let length = length.unwrap_or(128).min(128);
            IpAddr::from(u128::MAX.checked_shl(128 - length).unwrap_or(0).to_be_bytes())
        }
    };
    Some(vec!["restrict".to_owned(), whole, "mask".to_owned(), mask.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_carried_over_and_the_rest_is_listed() {
        let text = "! a comment\nserver ntp1.example iburst minpoll 2 maxpoll 9 xleave trust\npool pool.example iburst maxsources 4\nserver secure.example nts iburst\nallow 192.168/16\ndeny 192.168.1.5\nlocal stratum 8 orphan\nmakestep 1 3\nleapsectz right/UTC\nrtcsync\nbogus thing\n";
        let imported = import(Path::new("chrony.conf"), text);
        assert_eq!(
            imported.sources,
            ["server ntp1.example iburst minpoll 3 maxpoll 9 true", "pool pool.example iburst"]
        );
        assert_eq!(
            imported.access,
            [
                "restrict 192.168.0.0 mask 255.255.0.0 kod limited nomodify noquery",
                "restrict 192.168.1.5 mask 255.255.255.255 nomodify noquery noserve",
                "restrict default nomodify noquery noserve",
                "restrict 127.0.0.1",
                "restrict ::1",
            ]
        );
        assert_eq!(imported.settings, ["tos orphan 8", "leapfile /usr/share/zoneinfo/leap-seconds.list"]);
        let left = imported.left.join("\n");
        for word in [
            "minpoll 2",
            "xleave",
            "maxsources 4",
            "secure.example nts",
            "makestep",
            "rtcsync",
            "bogus thing",
        ] {
            assert!(left.contains(word), "{word}: {left}");
        }
        assert!(left.contains("chrony.conf:2: "), "{left}");
    }

    #[test]
    fn who_serves_nobody_serves_nobody_afterwards() {
        let closed = import(Path::new("c"), "server a\n");
        assert_eq!(
            closed.access.first().map(String::as_str),
            Some("restrict default nomodify noquery noserve")
        );
        let open = import(Path::new("c"), "server a\nallow\n");
        assert_eq!(
            open.access.first().map(String::as_str),
            Some("restrict default kod limited nomodify noquery")
        );
        assert!(!open.access.iter().any(|line| line.contains("noserve")), "{open:?}");
    }
}
