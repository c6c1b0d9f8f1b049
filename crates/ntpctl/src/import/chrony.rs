//! chrony.conf, with what it includes.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ntp_os::config_files;

use super::{Imported, SERVED, UNSERVED, plain};

/// The longest file, and how deep files may include each other.
const FILE_LEN_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 5;

/// The most files that one configuration may include, directly or not.
const FILES_MAX: usize = 256;

/// Options that mean the same in ntp.conf.
const SAME_FLAGS: &[&str] = &["iburst", "burst", "prefer", "noselect"];
const SAME_VALUES: &[&str] = &["port", "version"];

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
    let mut reader =
        Reader { imported: Imported::default(), access: BTreeMap::new(), closed: false, included: 0 };
    reader.file(path, text, 0);
    if reader.closed {
        reader.access.clear();
    }
    // chrony serves nobody unless it is told to; of a network the last word counts.
    let of = |allow: bool| if allow { SERVED } else { UNSERVED };
    let whole = |v6: bool| reader.access.get(&(v6, 0, 0)).copied().unwrap_or(false);
    if whole(false) == whole(true) {
        reader.imported.access("", &[&["restrict", "default"], of(whole(false))].concat());
    } else {
        for (v6, flag) in [(false, "-4"), (true, "-6")] {
            reader.imported.access("", &[&["restrict", flag, "default"], of(whole(v6))].concat());
        }
    }
    for ((v6, length, bits), allow) in reader.access.iter().filter(|((_, length, _), _)| *length > 0) {
        let network = restriction(*v6, *length, *bits);
        let words: Vec<&str> = ["restrict"].into_iter().chain(network.iter().map(String::as_str)).collect();
        reader.imported.access("", &[&words, of(*allow)].concat());
    }
    for own in ["127.0.0.1", "::1"] {
        reader.imported.access("", &["restrict", own]);
    }
    reader.imported
}

/// A network: whether it is IPv6, how many bits it fixes, and which.
type Network = (bool, u32, u128);

struct Reader {
    imported: Imported,
    /// Who is served: of a network the last word counts.
    access: BTreeMap<Network, bool>,
    /// `port 0`: nobody is, whatever else is said.
    closed: bool,
    /// Files read so far.
    included: usize,
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
                if name == "peer" {
                    self.imported.leave(place, &line(), "a peer is asked as a server, and not told the time");
                }
                self.source(place, "server", host, rest.get(1..).unwrap_or_default());
            }
            ("pool", Some(host)) => self.source(place, "pool", host, rest.get(1..).unwrap_or_default()),
            ("allow" | "deny", _) => self.access(place, name == "allow", rest),
            ("port", Some("0")) => {
                self.closed = true;
                self.imported.leave(place, &line(), "nobody is served, as it says");
            }
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
                self.imported.leave(
                    place,
                    &line(),
                    "the two formats differ: write the keys anew, or make them with `ntpctl keygen`",
                );
            }
            ("include" | "confdir" | "sourcedir", Some(_)) => self.include(place, name, rest, from),
            _ => self.imported.leave(place, &line(), "ntpd has nothing like it"),
        }
    }

    fn source(&mut self, place: &str, keyword: &str, host: &str, rest: &[&str]) {
        let mut options: Vec<String> = Vec::new();
        let mut rest = rest.iter().copied();
        let mut authenticated = None;
        while let Some(option) = rest.next() {
            // chrony does not care for the case of its words.
            match option.to_lowercase().as_str() {
                option if SAME_FLAGS.contains(&option) => options.push(option.to_owned()),
                "trust" => options.push("true".to_owned()),
                option if SAME_VALUES.contains(&option) => {
                    options.extend([option.to_owned(), rest.next().unwrap_or_default().to_owned()]);
                }
                "maxpoll" => {
                    let value = rest.next().unwrap_or_default();
                    let clamped = value
                        .parse::<i32>()
                        .map_or_else(|_| value.to_owned(), |n| n.clamp(3, 17).to_string());
                    if clamped != value {
                        self.imported.leave(place, &format!("maxpoll {value}"), "ntpd's go from 3 to 17");
                    }
                    options.extend(["maxpoll".to_owned(), clamped]);
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
                "nts" => authenticated = Some("nts"),
                "key" => {
                    rest.next();
                    authenticated = Some("key");
                }
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
        if let Some(how) = authenticated {
            let line = format!("{keyword} {host} {how}");
            let why = "unauthenticated time is not what was asked for, and what authenticates it is not carried over";
            self.imported.leave(place, &line, why);
            return;
        }
        self.imported.source(place, keyword, host, &options);
    }

    fn access(&mut self, place: &str, allow: bool, rest: &[&str]) {
        let all = rest.first() == Some(&"all");
        let word = rest.get(usize::from(all));
        let named = word.and_then(|word| network(word));
        if word.is_some() && named.is_none() {
            let line = format!("{} {}", if allow { "allow" } else { "deny" }, rest.join(" "));
            let why = "names are not carried over; write the address into a `restrict` line";
            self.imported.leave(place, &line, why);
            return;
        }
        let networks = named.map_or_else(|| vec![(false, 0, 0), (true, 0, 0)], |network| vec![network]);
        for network in networks {
            if all {
                // What was said of parts of it is said no longer.
                self.access.retain(|part, _| !contains(network, *part));
            }
            self.access.insert(network, allow);
        }
        self.imported.overflow |= self.access.len() > super::LINES_MAX / 2;
    }

    fn local(&mut self, place: &str, rest: &[&str]) {
        let after =
            |name: &str| rest.iter().position(|word| *word == name).and_then(|at| rest.get(at + 1)).copied();
        self.imported.setting(place, &["tos", "orphan", after("stratum").unwrap_or("10")]);
        let others = rest.iter().enumerate().any(|(index, word)| {
            let is_stratum = *word == "stratum" || index > 0 && rest.get(index - 1) == Some(&"stratum");
            !is_stratum
        });
        if others {
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
            let files = match found {
                Ok(files) => files,
                Err(error) => {
                    self.imported.leave(place, &format!("{name} {word}"), &error.to_string());
                    continue;
                }
            };
            for (path, content) in files {
                self.included += 1;
                if self.included > FILES_MAX || content.len() > FILE_LEN_MAX {
                    self.imported.overflow = true;
                    return;
                }
                self.file(&path, &String::from_utf8_lossy(&content), depth + 1);
            }
        }
    }
}

/// The files that a shell pattern means, in the order of their names.
fn files_of_pattern(pattern: &Path) -> Result<Vec<config_files::Content>, config_files::ReadError> {
    let text = pattern.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        return config_files::load_file(pattern, FILE_LEN_MAX).map(|file| vec![file]);
    }
    let paths = glob::glob(&text).map_err(|error| config_files::ReadError::Other(io::Error::other(error)))?;
    let files = paths.filter_map(Result::ok).filter(|path| path.is_file()).take(FILES_MAX);
    let found: Vec<_> =
        files.map(|path| config_files::load_file(&path, FILE_LEN_MAX)).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(config_files::ReadError::Missing) } else { Ok(found) }
}

/// Whether an option of chrony's that is not carried over has a value behind it.
fn takes_value(option: &str) -> bool {
    let valued = ["certset", "ntsport", "offset"];
    valued.contains(&option) || NEEDLESS.contains(&option) && !NEEDLESS_FLAGS.contains(&option)
}

/// A network as chrony writes it: of an IPv4 address the last parts may be left out.
fn network(word: &str) -> Option<Network> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (word, None),
    };
    let parts = address.split('.').count();
    let short = address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && parts < 4;
    let whole = if short { format!("{address}{}", ".0".repeat(4 - parts)) } else { address.to_owned() };
    let own = if short { u32::try_from(parts * 8).unwrap_or(32) } else { 128 };
    Some(match whole.parse().ok()? {
        IpAddr::V4(v4) => {
            let length = length.unwrap_or(own).min(32);
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            (false, length, u128::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let length = length.unwrap_or(128).min(128);
            (true, length, u128::from(v6) & u128::MAX.checked_shl(128 - length).unwrap_or(0))
        }
    })
}

/// Whether one network lies within another.
fn contains((v6, length, bits): Network, (part_v6, part_length, part): Network) -> bool {
    let size = if v6 { 128 } else { 32 };
    let mask = u128::MAX.checked_shl(size - length).unwrap_or(0);
    v6 == part_v6 && part_length >= length && part & mask == bits
}

/// The words of `restrict` for a network.
fn restriction(v6: bool, length: u32, bits: u128) -> [String; 3] {
    let (address, mask) = if v6 {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        (IpAddr::from(bits.to_be_bytes()), IpAddr::from(mask.to_be_bytes()))
    } else {
        let bits = u32::try_from(bits).unwrap_or(0);
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        (IpAddr::from(bits.to_be_bytes()), IpAddr::from(mask.to_be_bytes()))
    };
    [address.to_string(), "mask".to_owned(), mask.to_string()]
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
                "restrict default nomodify noquery noserve",
                "restrict 192.168.0.0 mask 255.255.0.0 kod limited nomodify noquery",
                "restrict 192.168.1.5 mask 255.255.255.255 nomodify noquery noserve",
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
    fn of_a_network_the_last_word_counts() {
        let access = |text: &str| import(Path::new("c"), &format!("server a\n{text}\n")).access;
        let has = |text: &str, line: &str| access(text).iter().any(|known| known == line);
        let (open, closed) =
            ("restrict default kod limited nomodify noquery", "restrict default nomodify noquery noserve");
        assert!(
            has("", closed)
                && has("allow", open)
                && has("allow\ndeny", closed)
                && has("allow\ndeny all", closed)
        );
        assert!(has("allow\nport 0", closed));
        assert!(has("deny\nallow", open) && has("allow 0/0\nallow ::/0", open));
        assert!(has("allow 0/0", "restrict -4 default kod limited nomodify noquery"));
        assert!(has("allow 0/0", "restrict -6 default nomodify noquery noserve"));
        // `all` takes back what was said of parts.
        let lan = "restrict 10.0.0.0 mask 255.0.0.0 kod limited nomodify noquery";
        assert!(has("allow 10/8", lan) && has("allow 10/8\ndeny", lan) && !has("allow 10/8\ndeny all", lan));
        assert!(!has(
            "allow 10.1/16\ndeny all 10/8",
            "restrict 10.1.0.0 mask 255.255.0.0 kod limited nomodify noquery"
        ));
        assert!(!has("allow 10/8\ndeny 10/8", lan) && has("deny 10/8\nallow 10/8", lan));
    }

    #[test]
    fn authentication_is_never_dropped_in_silence() {
        for how in ["nts", "NTS", "key 5", "Key 5"] {
            let imported =
                import(Path::new("c"), &format!("server a.example iburst {how}\nserver b.example\n"));
            assert_eq!(imported.sources, ["server b.example"]);
            assert!(imported.left.iter().any(|line| line.contains("a.example")), "{:?}", imported.left);
        }
    }

    #[test]
    fn too_much_is_refused_not_cut() {
        let lines: Vec<String> =
            (0..3000_u32).map(|n| format!("allow 10.{}.{}.0/24", n / 256, n % 256)).collect();
        let many = lines.join("\n");
        assert!(import(Path::new("c"), &many).overflow);
        assert!(!import(Path::new("c"), "include /nonexistent/*.conf\n").left.is_empty());
    }
}
