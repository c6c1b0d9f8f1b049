//! Advice that needs a look at the files that a configuration names.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ntp_conf::schema::entry;
use ntp_conf::{Diagnostic, Effective, Read, advise, effective, has_setting, read_keys};
use ntp_os::{config_files, unit};
use ntp_proto::auth::Algorithm;
use ntp_proto::discipline::LeapTable;
use ntp_proto::time::{Date, UnixTime};

/// The longest file that is looked into.
const LENGTH_MAX: usize = 1 << 20;

/// Everything that the files beside it have against a configuration.
pub(crate) fn of_files(main: &Path, read: &Read) -> Vec<Diagnostic> {
    let argument = |name: &str| -> Option<Effective> {
        effective(read, entry(name)?)
            .into_iter()
            .find(|value| value.setting.is_none() && !value.value.is_empty())
    };
    let mut found = Vec::new();
    found.extend(argument("keys").into_iter().flat_map(|value| keys(read, &value)));
    found.extend(argument("leapfile").and_then(|value| leap_file(read, &value)));
    found.extend(argument("driftfile").and_then(|value| drift_file(read, &value)));
    found.extend(argument("statsdir").and_then(|value| folder(read, &value)));
    for (name, usual) in [
        ("driftfile", "/var/lib/ntp/ntp.drift"),
        ("statsdir", "/var/log/ntpstats/"),
        ("logfile", "/var/log/ntpstats/ntp.log"),
        ("pidfile", "/run/ntp/ntpd.pid"),
    ] {
        found.extend(argument(name).and_then(|value| unwritable(main, read, &value, usual)));
    }
    for name in ["keys", "leapfile"] {
        found.extend(argument(name).and_then(|value| hidden(main, read, &value)));
    }
    found
}

fn keys(read: &Read, value: &Effective) -> Vec<Diagnostic> {
    let path = Path::new(&value.value);
    let say = |code, message: &str, remedy: &str| advise(read, value.at, &value.value, code, message, remedy);
    let Ok((_, content)) = config_files::load_file(path, LENGTH_MAX) else {
        return say("L020", "the file of keys cannot be read", "").into_iter().collect();
    };
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.mode());
    let open = mode & 0o007 != 0;
    let algorithm = Algorithm::from_name;
    let (lines, mut found) = read_keys(&value.value, &content, &|name| algorithm(name).is_some());
    let weak = lines.iter().any(|line| algorithm(&line.algorithm) == Some(Algorithm::Md5));
    let open = open.then(|| {
        say("L021", "everybody on this machine may read the keys", &format!("chmod 640 {}", path.display()))
    });
    let weak =
        weak.then(|| say("L022", "it holds MD5 keys, which are easy to forge", "use AES128CMAC or SHA256"));
    found.extend([open, weak].into_iter().flatten().flatten());
    found
}

fn leap_file(read: &Read, value: &Effective) -> Option<Diagnostic> {
    let say = |code, message: &str, remedy: &str| advise(read, value.at, &value.value, code, message, remedy);
    let content = match config_files::load_file(Path::new(&value.value), LENGTH_MAX) {
        Ok((_, content)) => content,
        Err(error) => {
            return say(
                "L023",
                &format!("the table of leap seconds cannot be read: {error}"),
                "apt install tzdata",
            );
        }
    };
    let checked = !has_setting(read, value.at, "ignorehash");
    match LeapTable::parse(&String::from_utf8_lossy(&content), checked) {
        Err(error) => say("L024", &format!("this is no table of leap seconds: {error}"), ""),
        Ok(table) if table.expires() <= now() => {
            let message = format!("the table of leap seconds has expired, on {}", Date::of(table.expires()));
            say("L025", &message, "apt install --only-upgrade tzdata")
        }
        Ok(_) => None,
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), 0)
}

fn drift_file(read: &Read, value: &Effective) -> Option<Diagnostic> {
    let path = Path::new(&value.value);
    let say = |code, message: &str, remedy: &str| advise(read, value.at, &value.value, code, message, remedy);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    if !parent.is_dir() {
        return say("L026", &format!("there is no folder {}", parent.display()), "make it, or name another");
    }
    None
}

/// What the unit lets ntpd do matters for the file that the unit runs.
fn is_the_units(main: &Path) -> bool {
    main == Path::new("/etc/ntp.conf")
}

fn unwritable(main: &Path, read: &Read, value: &Effective, usual: &str) -> Option<Diagnostic> {
    let path = Path::new(&value.value);
    if !is_the_units(main) || unit::is_writable(path) {
        return None;
    }
    let message = "the packaged unit lets ntpd write nowhere there, or in a /tmp of its own";
    let remedy =
        format!("the usual place is {usual}; `systemctl edit ntp` with ReadWritePaths= opens another");
    advise(read, value.at, &value.value, "L027", message, &remedy)
}

fn hidden(main: &Path, read: &Read, value: &Effective) -> Option<Diagnostic> {
    let path = Path::new(&value.value);
    if !is_the_units(main) || !unit::is_hidden(path) {
        return None;
    }
    let message = format!("the packaged unit hides {} from ntpd", unit::HIDDEN.join(", "));
    advise(read, value.at, &value.value, "L029", &message, "the usual place is /etc")
}

fn folder(read: &Read, value: &Effective) -> Option<Diagnostic> {
    let missing = !Path::new(&value.value).is_dir();
    missing.then(|| {
        advise(
            read,
            value.at,
            &value.value,
            "L028",
            "there is no such folder",
            "make it, for ntpd to write to",
        )
    })?
}
