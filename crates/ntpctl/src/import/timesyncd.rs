//! systemd's timesyncd.conf, with its drop-ins.

use std::path::Path;

use ntp_os::config_files;

use super::{Imported, plain, poll_exponent};

const FILE_LEN_MAX: usize = 1 << 20;

/// The most that `tos maxdist` may be, seconds.
const ROOT_DISTANCE_MAX: f64 = 16.0;

/// What systemd's own file says of its comments.
const TELLS_DEFAULTS: &str = "show the compile time defaults";

/// What the files say together: later ones win, an empty value takes back what came before.
#[derive(Default)]
struct Settings {
    servers: Vec<(String, String)>,
    /// `None` as long as no line says anything of them: those that systemd was built with are used.
    fallback: Option<Vec<(String, String)>>,
    /// Those that systemd was built with, of which its own file tells in a comment.
    built_in: Vec<(String, String)>,
    root_distance: Option<(String, f64)>,
    polls: [Option<(String, f64)>; 2],
}

pub(super) fn import(path: &Path, text: &str) -> Imported {
    let mut imported = Imported::default();
    let mut settings = Settings::default();
    read(path, text, &mut settings, &mut imported);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let drop_ins = path.with_file_name(format!("{name}.d"));
    match config_files::load(&drop_ins, FILE_LEN_MAX) {
        Ok(files) => {
            for (path, content) in files {
                read(&path, &String::from_utf8_lossy(&content), &mut settings, &mut imported);
            }
        }
        Err(config_files::ReadError::Missing) => {}
        Err(error) => imported.leave(&plain(&drop_ins.display().to_string()), "drop-ins", &error.to_string()),
    }
    let options = options(&settings, &mut imported);
    let fallback = settings.fallback.as_ref().unwrap_or(&settings.built_in);
    let named = if settings.servers.is_empty() { fallback } else { &settings.servers };
    for (place, host) in named {
        imported.source(place, "server", host, &options);
    }
    if !settings.servers.is_empty() {
        for (place, host) in settings.fallback.iter().flatten() {
            imported.leave(
                place,
                &format!("FallbackNTP={host}"),
                "it was asked only if no other server was named",
            );
        }
    }
    if let Some((place, seconds)) = &settings.root_distance {
        imported.setting(place, &["tos", "maxdist", &seconds.to_string()]);
    }
    // timesyncd is a client: nobody is served.
    imported.access("", &["restrict", "default", "nomodify", "noquery", "noserve"]);
    for own in ["127.0.0.1", "::1"] {
        imported.access("", &["restrict", own]);
    }
    imported
}

fn options(settings: &Settings, imported: &mut Imported) -> Vec<String> {
    let mut options = vec!["iburst".to_owned()];
    for (name, given) in ["minpoll", "maxpoll"].iter().zip(&settings.polls) {
        if let Some((place, seconds)) = given {
            let (exponent, clamped) = poll_exponent(*seconds);
            if clamped {
                imported.leave(place, &format!("an interval of {seconds} s"), "ntpd's go from 8 s to 36 h");
            }
            options.extend([(*name).to_owned(), exponent]);
        }
    }
    options
}

fn read(path: &Path, text: &str, settings: &mut Settings, imported: &mut Imported) {
    let mut section = String::new();
    let tells_defaults = text.contains(TELLS_DEFAULTS);
    let joined = joined(text);
    for (index, line) in joined.iter().map(|(index, line)| (*index, line.as_str())) {
        let line = line.trim();
        let place = format!("{}:{}", plain(&path.display().to_string()), index + 1);
        let hosts = |value: &str| -> Vec<(String, String)> {
            value.split_whitespace().map(|host| (place.clone(), host.to_owned())).collect()
        };
        if let Some(value) = line.strip_prefix("#FallbackNTP=").filter(|_| tells_defaults) {
            settings.built_in = hosts(value);
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            line.clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| section == "[Time]") else {
            imported.leave(&place, line, "this is not understood");
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let seconds = seconds(value);
        match (key, seconds) {
            ("NTP", _) if value.is_empty() => settings.servers.clear(),
            ("FallbackNTP", _) if value.is_empty() => settings.fallback = Some(Vec::new()),
            ("NTP", _) => settings.servers.extend(hosts(value)),
            ("FallbackNTP", _) => settings.fallback.get_or_insert_default().extend(hosts(value)),
            ("RootDistanceMaxSec", Some(seconds)) => {
                if seconds > ROOT_DISTANCE_MAX {
                    imported.leave(&place, line, "ntpd's `tos maxdist` goes to 16 s");
                }
                settings.root_distance = Some((place, seconds.min(ROOT_DISTANCE_MAX)));
            }
            ("PollIntervalMinSec", Some(seconds)) => settings.polls[0] = Some((place, seconds)),
            ("PollIntervalMaxSec", Some(seconds)) => settings.polls[1] = Some((place, seconds)),
            _ => imported.leave(&place, line, "ntpd has nothing like it"),
        }
    }
}

/// The lines, counted from 0; one that ends in a backslash goes on in the next.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_end().strip_suffix('\\');
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(bare.unwrap_or(line));
            }
            None => lines.push((index, bare.unwrap_or(line).to_owned())),
        }
        goes_on = bare.is_some();
    }
    lines
}

/// A length of time as systemd writes it: `32`, `5min 20s`, `1h`.
fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += number
            * match rest.get(..letters)? {
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "ms" | "msec" => 1e-3,
                "us" | "usec" => 1e-6,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                _ => return None,
            };
        rest = rest.get(letters..)?.trim_start();
    }
    (total > 0.0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_with_their_polls_and_the_fallback_only_without_them() {
        let text = "[Time]\n#NTP=old\nNTP=a.example \\\n  b.example\nFallbackNTP=c.example\nRootDistanceMaxSec=5s\nPollIntervalMinSec=32\nPollIntervalMaxSec=34min 8s\nSaveIntervalSec=60\n";
        let imported = import(Path::new("/nonexistent/timesyncd.conf"), text);
        assert_eq!(
            imported.sources,
            ["server a.example iburst minpoll 5 maxpoll 11", "server b.example iburst minpoll 5 maxpoll 11"]
        );
        assert_eq!(imported.settings, ["tos maxdist 5"]);
        assert_eq!(imported.left.len(), 2);
        assert!(imported.left.iter().any(|line| line.contains("SaveIntervalSec")), "{:?}", imported.left);
        let fallback = import(Path::new("/nonexistent/t"), "[Time]\nNTP=a\nNTP=\nFallbackNTP=c.example\n");
        assert_eq!(fallback.sources, ["server c.example iburst"]);
        // A comment counts only where the file says that its comments tell what systemd does without it.
        let shipped =
            format!("# Entries in this file {TELLS_DEFAULTS}.\n[Time]\n#FallbackNTP=d.example e.example\n");
        let of = |text: &str| import(Path::new("/nonexistent/t"), text).sources;
        assert_eq!(of(&shipped), ["server d.example iburst", "server e.example iburst"]);
        assert_eq!(of(&format!("{shipped}FallbackNTP=\n")), [""; 0]);
        assert_eq!(of(&format!("{shipped}NTP=a.example\n")), ["server a.example iburst"]);
        assert_eq!(of("[Time]\n#FallbackNTP=d.example\n"), [""; 0]);
    }

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("32", Some(32.0)),
            ("5min 20s", Some(320.0)),
            ("1h", Some(3600.0)),
            ("x", None),
            ("", None),
            ("5 parsecs", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
