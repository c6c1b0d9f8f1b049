//! ntpd-rs' ntp.toml.

use std::path::Path;

use toml::{Table, Value};

use super::{Imported, SERVED, UNSERVED, plain, poll_exponent};

pub(super) fn import(path: &Path, text: &str) -> Result<Imported, String> {
    let table: Table = toml::from_str(text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut imported = Imported::default();
    let place = plain(&path.display().to_string());
    let mut serves = false;
    let polls = polls(table.get("source-defaults"), &place, &mut imported);
    for (key, value) in &table {
        match (key.as_str(), value) {
            ("source", Value::Array(sources)) => {
                for source in sources {
                    import_source(source, &polls, &place, &mut imported);
                }
            }
            ("source-defaults", _) => {}
            ("synchronization", Value::Table(table)) => synchronization(table, &place, &mut imported),
            ("server", Value::Array(servers)) => serves |= serve(servers, &place, &mut imported),
            _ => imported.leave(&place, &format!("[{key}]"), "ntpd has nothing like it"),
        }
    }
    // Unless everything about serving was understood, nobody is served.
    let flags: &[&str] = if serves { SERVED } else { UNSERVED };
    imported.access("", &[&["restrict", "default"], flags].concat());
    for own in ["127.0.0.1", "::1"] {
        imported.access("", &["restrict", own]);
    }
    Ok(imported)
}

/// `minpoll` and `maxpoll` from a table with `poll-interval-limits`.
fn polls(table: Option<&Value>, place: &str, imported: &mut Imported) -> Vec<String> {
    let Some(Value::Table(table)) = table else { return Vec::new() };
    let mut options = Vec::new();
    for (key, value) in table {
        if key != "poll-interval-limits" {
            imported.leave(place, &format!("{key} = {}", shown(value)), "ntpd has nothing like it");
            continue;
        }
        for (name, of) in [("minpoll", "min"), ("maxpoll", "max")] {
            // They are powers of two already.
            let exponent = value.get(of).and_then(Value::as_integer).and_then(|n| i32::try_from(n).ok());
            if let Some(exponent) = exponent {
                let (text, clamped) = poll_exponent(2_f64.powi(exponent.clamp(-99, 99)));
                if clamped {
                    imported.leave(
                        place,
                        &format!("{of} = {exponent}"),
                        "ntpd's poll exponents go from 3 to 17",
                    );
                }
                options.extend([name.to_owned(), text]);
            }
        }
    }
    options
}

fn import_source(source: &Value, polls: &[String], place: &str, imported: &mut Imported) {
    let text = |key: &str| source.get(key).and_then(Value::as_str);
    let line = shown(source);
    let (mode, address) = (text("mode").unwrap_or_default(), text("address").unwrap_or_default());
    let keyword = match mode {
        "server" => "server",
        "pool" => "pool",
        "nts" | "nts-pool" => {
            let why = "NTS is not implemented, and unauthenticated time is not what was asked for";
            return imported.leave(place, &line, why);
        }
        _ => return imported.leave(place, &line, "ntpd has no such source"),
    };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port))
            if port.parse::<u16>().is_ok()
                && !host.ends_with(':')
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port))
        }
        _ => (address, None),
    };
    let mut options = Vec::new();
    if let Some(port) = port.filter(|port| *port != "123") {
        options.extend(["port".to_owned(), port.to_owned()]);
    }
    options.push("iburst".to_owned());
    options.extend(polls.iter().cloned());
    imported.source(place, keyword, host, &options);
    for (key, value) in source.as_table().into_iter().flatten() {
        match key.as_str() {
            "mode" | "address" => {}
            "count" => imported.leave(
                place,
                &format!("count = {}", shown(value)),
                "pools grow to `tos maxclock` members, all of them together",
            ),
            _ => imported.leave(place, &format!("{key} = {}", shown(value)), "ntpd has nothing like it"),
        }
    }
}

fn synchronization(table: &Table, place: &str, imported: &mut Imported) {
    for (key, value) in table {
        let number = value.as_integer().map(|number| number.to_string());
        match (key.as_str(), number) {
            ("minimum-agreeing-sources", Some(number)) => {
                imported.setting(place, &["tos", "minsane", &number]);
            }
            ("local-stratum", Some(number)) => imported.setting(place, &["tos", "orphan", &number]),
            ("single-step-panic-threshold", Some(number)) => {
                imported.setting(place, &["tinker", "panic", &number]);
            }
            _ => imported.leave(place, &format!("{key} = {}", shown(value)), "ntpd has nothing like it"),
        }
    }
}

/// Whether everybody may be served: what is understood of the servers says nothing else.
fn serve(servers: &[Value], place: &str, imported: &mut Imported) -> bool {
    let mut open = !servers.is_empty();
    for (key, value) in servers.iter().filter_map(Value::as_table).flatten() {
        let address = value.as_str().and_then(|text| text.strip_suffix(":123"));
        match (key.as_str(), address) {
            ("listen", Some("[::]")) => {}
            ("listen", Some("0.0.0.0")) => imported.setting(place, &["interface", "ignore", "ipv6"]),
            ("listen", Some(address)) => {
                imported.setting(place, &["interface", "ignore", "wildcard"]);
                imported.setting(place, &["interface", "listen", address]);
            }
            ("allowlist" | "denylist", _) => {
                let allow = key == "allowlist";
                let filter = value.get("filter").and_then(Value::as_array).into_iter().flatten();
                for network in filter.filter_map(Value::as_str) {
                    let flags = if allow { SERVED } else { UNSERVED };
                    imported.access(place, &[&["restrict", network], flags].concat());
                }
                open &= !allow;
            }
            _ => {
                open = false;
                let why = "ntpd has nothing like it, so nobody is served";
                imported.leave(place, &format!("[[server]] {key} = {}", shown(value)), why);
            }
        }
    }
    open
}

/// A value in one line.
fn shown(value: &Value) -> String {
    plain(&serde_json::to_string(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_what_they_are_judged_by() {
        let text = "[[source]]\nmode = \"pool\"\naddress = \"pool.example\"\ncount = 4\n[[source]]\nmode = \"server\"\naddress = \"a.example:1123\"\n[[source]]\nmode = \"nts\"\naddress = \"nts.example\"\n[source-defaults]\npoll-interval-limits = { min = 4, max = 9 }\n[synchronization]\nminimum-agreeing-sources = 3\nlocal-stratum = 6\n[observability]\nlog-level = \"info\"\n[[server]]\nlisten = \"192.0.2.1:123\"\n";
        let imported = import(Path::new("ntp.toml"), text).unwrap();
        assert_eq!(
            imported.sources,
            [
                "pool pool.example iburst minpoll 4 maxpoll 9",
                "server a.example port 1123 iburst minpoll 4 maxpoll 9",
            ]
        );
        assert_eq!(
            imported.settings,
            ["interface ignore wildcard", "interface listen 192.0.2.1", "tos orphan 6", "tos minsane 3"]
        );
        let left = imported.left.join("\n");
        for word in ["count = 4", "nts.example", "[observability]"] {
            assert!(left.contains(word), "{word}: {left}");
        }
        assert_eq!(
            imported.access.first().map(String::as_str),
            Some("restrict default kod limited nomodify noquery")
        );
        let access = |text: &str| import(Path::new("x"), text).unwrap().access;
        let closed = "restrict default nomodify noquery noserve".to_owned();
        for text in [
            "",
            "[server]\nlisten = \"0.0.0.0:123\"\n",
            "[[server]]\nlisten = \"0.0.0.0:1123\"\n",
            "[[server]]\nlisten = \"0.0.0.0:123\"\nallowlist = { filter = [\"192.168.0.0/16\"], action = \"ignore\" }\n",
        ] {
            assert!(access(text).contains(&closed), "{text}: {:?}", access(text));
        }
        let lan = "[[server]]\nlisten = \"0.0.0.0:123\"\nallowlist = { filter = [\"192.168.0.0/16\"], action = \"ignore\" }\n";
        assert!(access(lan).contains(&"restrict 192.168.0.0/16 kod limited nomodify noquery".to_owned()));
        assert!(import(Path::new("x"), "= 5").is_err());
    }
}
