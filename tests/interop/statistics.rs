//! The statistics files: what reads NTPsec's reads ours, and the columns are the same.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ntp_tests::{Daemon, Net, Peer, ours, packaged, peer, run, skip, start_chronyd, start_ntpsec, until};

const SETS: [&str; 4] = ["loopstats", "peerstats", "rawstats", "protostats"];

/// The reader of NTPsec's `ntpviz`.
const READER: &str = "import sys, ntp.statfiles
stats = ntp.statfiles.NTPStats(sys.argv[1])
print(len(stats.loopstats), len(stats.peerstats), len(stats.rawstats), *stats.peersplit().keys())
";

/// Why there are no files to look at.
type Reason = String;

/// A server, and a folder for the files of whoever asks it.
struct Recorded {
    net: Net,
    folder: tempfile::TempDir,
    _server: Daemon,
}

impl Recorded {
    fn new() -> Result<Self, Reason> {
        let net = Net::new()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = start_chronyd(&peer(Peer::Chronyd)?, &net.server, folder.path());
        Ok(Self { net, folder, _server: server })
    }

    /// The configuration of a daemon that records everything below a folder of its own.
    fn configuration(&self, name: &str, more: &str) -> String {
        let statistics = self.folder.path().join(name);
        fs::create_dir(&statistics).unwrap();
        format!(
            "server 10.77.0.1 iburst minpoll 3 maxpoll 3\nstatsdir {}/\nstatistics {} clockstats sysstats\n{more}",
            statistics.display(),
            SETS.join(" ")
        )
    }

    fn start_ours(&self, name: &str, more: &str) -> Daemon {
        let conf = self.folder.path().join(format!("{name}.conf"));
        fs::write(&conf, self.configuration(name, more)).unwrap();
        let arguments = ["-n", "-c", &conf.display().to_string(), "--clock=virtual:offset=0.05"];
        let log = self.folder.path().join(format!("{name}.log"));
        Daemon::start(Some(&self.net.client), &ours("ntpd"), &arguments, &log)
    }

    fn text(&self, name: &str, set: &str) -> String {
        fs::read_to_string(self.folder.path().join(name).join(set)).unwrap_or_default()
    }

    /// Waits until every set has this many lines.
    fn wait(&self, name: &str, lines: usize) {
        let full = || SETS.iter().all(|set| self.text(name, set).lines().count() >= lines);
        let shown = || SETS.map(|set| format!("{set}:\n{}", self.text(name, set))).concat();
        assert!(until(Duration::from_secs(90), full), "{name}:\n{}", shown());
    }
}

/// How a word looks: a number with so many digits behind the point, an address, a word.
fn shape(word: &str) -> String {
    let fraction = || word.split_once('.').map(|(_, digits)| digits.len());
    if word.parse::<f64>().is_ok() {
        return format!("number.{}", fraction().unwrap_or(0));
    }
    if word.parse::<std::net::IpAddr>().is_ok() { "address".to_owned() } else { "word".to_owned() }
}

#[test]
fn the_columns_are_those_of_ntpsec() {
    let test = "the_columns_are_those_of_ntpsec";
    let (recorded, ntpsec) = match (Recorded::new(), peer(Peer::NtpsecNtpd)) {
        (Ok(recorded), Ok(ntpsec)) => (recorded, ntpsec),
        (Err(reason), _) | (_, Err(reason)) => return skip(test, &reason),
    };
    {
        let configuration = recorded.configuration("theirs", "");
        let _daemon = start_ntpsec(&ntpsec, &recorded.net.client, recorded.folder.path(), &configuration);
        recorded.wait("theirs", 1);
    }
    let _daemon = recorded.start_ours("ours", "");
    recorded.wait("ours", 3);
    for set in ["loopstats", "peerstats", "rawstats"] {
        let shapes = |name: &str| -> Vec<String> {
            let line = recorded.text(name, set).lines().next().unwrap_or_default().to_owned();
            line.split_whitespace().map(shape).collect()
        };
        let (theirs, ours) = (shapes("theirs"), shapes("ours"));
        // NTPsec counts lost packets behind what classic writes, and shows no reference that is not made of letters.
        let (mut ours, mut theirs) = (ours, theirs);
        if set == "rawstats" {
            assert_eq!(ours.len(), 17, "{}", recorded.text("ours", set));
            ours.truncate(16);
            theirs.truncate(16);
        }
        assert_eq!(ours, theirs, "{set}: {}\n{}", recorded.text("ours", set), recorded.text("theirs", set));
    }
    let events = recorded.text("ours", "protostats");
    for wanted in [" 0.0.0.0 c016 06 restart", " 10.77.0.1 8011 81 mobilize assoc ", " 84 reachable"] {
        assert!(events.contains(wanted), "{wanted:?} is not in\n{events}");
    }
}

#[test]
fn what_reads_ntpsecs_files_reads_ours() {
    let test = "what_reads_ntpsecs_files_reads_ours";
    if packaged("python3-ntp", "usr/lib/python3/dist-packages/ntp/statfiles.py").is_none() {
        return skip(test, "needs Debian's package python3-ntp");
    }
    let recorded = match Recorded::new() {
        Ok(recorded) => recorded,
        Err(reason) => return skip(test, &reason),
    };
    let daemon =
        recorded.start_ours("ours", "filegen rawstats type pid\nfilegen peerstats type month nolink\n");
    let folder = recorded.folder.path().join("ours");
    let found = |prefix: &str| {
        let entries = fs::read_dir(&folder).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(prefix))
            .count()
    };
    let full = || ["loopstats.20", "peerstats.20", "rawstats.#"].iter().all(|prefix| found(prefix) == 1);
    assert!(until(Duration::from_mins(1), full), "{:?}", fs::read_dir(&folder));
    assert!(!folder.join("peerstats").exists() && folder.join("loopstats").exists());
    let mut said = String::new();
    let read = until(Duration::from_mins(1), || {
        said = run(Command::new("/usr/bin/python3").args(["-c", READER]).arg(&folder)).both();
        let counts: Vec<usize> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        counts.len() == 3 && counts.iter().all(|count| *count >= 2) && said.contains("10.77.0.1")
    });
    assert!(read, "{said}");
    // What ntp.conf says no longer is not recorded any longer, from the next SIGHUP on.
    fs::write(recorded.folder.path().join("ours.conf"), "server 10.77.0.1 iburst minpoll 3 maxpoll 3\n")
        .unwrap();
    let hangup = Command::new("kill").args(["-HUP", &daemon.id().to_string()]).status();
    assert!(hangup.unwrap().success());
    let log = || fs::read_to_string(recorded.folder.path().join("ours.log")).unwrap_or_default();
    assert!(until(Duration::from_secs(10), || log().contains("is in force")), "{}", log());
    let size = || fs::metadata(folder.join("loopstats")).unwrap().len();
    let before = size();
    assert!(!until(Duration::from_secs(10), || size() > before), "{before}");
    assert!(Path::new(&folder).is_dir());
}
