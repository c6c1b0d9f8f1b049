//! Why the clock is synchronized, or is not.

use ntp_proto::control::{SystemStatus, Variables};
use ntp_proto::time::{Date, UnixTime};

use super::source::Finding;
use crate::standing;

/// Sources that a vote needs to find a liar among them (RFC 8633 §3.2).
const SOURCES_WANTED: usize = 4;

/// The frequency beyond which a clock is hardly corrected, ppm.
const FREQUENCY_MAX: f64 = 490.0;

/// System events (RFC 9327 §3.1).
const SPIKE: u16 = 3;
const PANIC: u16 = 7;

/// What there is to say of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether the clock is synchronized to anybody.
    pub(crate) synchronized: bool,
    /// A word for programs.
    pub(crate) code: &'static str,
    /// One sentence.
    pub(crate) sentence: String,
    /// What else should be known, and done.
    pub(crate) notes: Vec<String>,
}

/// The one thing to say of the system, and what should be known besides. `leader` is who is followed, by
/// name, and how far the clock is from it, milliseconds.
pub(crate) fn judge(
    status: u16,
    variables: Variables<'_>,
    leader: Option<(&str, f64)>,
    sources: &[Finding],
    now: UnixTime,
) -> Verdict {
    let word = SystemStatus::of(status);
    let stratum = variables.integer("stratum").unwrap_or(16);
    let (has_time, itself) = (standing::has_time(variables), standing::follows_itself(status));
    let (code, sentence) = if has_time && itself {
        let sentence =
            format!("not synchronized to anybody: the machine serves its own clock at stratum {stratum}");
        ("local_clock", sentence)
    } else if has_time {
        followed(variables, stratum, leader)
    } else {
        unsynchronized(word.event, sources)
    };
    let notes = notes(variables, has_time, sources, now);
    Verdict { synchronized: has_time && !itself, code, sentence, notes }
}

fn followed(variables: Variables<'_>, stratum: i64, leader: Option<(&str, f64)>) -> (&'static str, String) {
    let number = |name: &str| variables.number(name).unwrap_or(0.0);
    let most = number("rootdelay") / 2.0 + number("rootdisp");
    // What the system says of itself is as old as its last correction.
    let offset = leader.map_or_else(|| number("offset"), |(_, offset)| offset).abs();
    let error = format!("the clock is off by about {offset:.3} ms, and by {most:.3} ms at most");
    match leader {
        Some((leader, _)) => {
            ("synchronized", format!("synchronized to {leader} at stratum {stratum}; {error}"))
        }
        None => (
            "holdover",
            format!(
                "running on what has been learnt, at stratum {stratum}, with nobody to follow now; {error}"
            ),
        ),
    }
}

fn unsynchronized(event: u16, sources: &[Finding]) -> (&'static str, String) {
    let count = |codes: &[&str]| sources.iter().filter(|source| codes.contains(&source.code)).count();
    let asked = sources.len() - count(&["pool", "local_clock", "duplicate"]);
    let unresolved = count(&["unresolved"]);
    let silent = count(&["unreachable", "no_route", "lost", "bogus", "authentication"]);
    let mute = silent + count(&["kiss_deny", "denied", "kiss_rate"]) + unresolved;
    let words = |text: &str| format!("not synchronized: {text}");
    if event == PANIC {
        return (
            "panic",
            words(
                "the clock is wrong beyond the panic threshold; start ntpd with -g once, or set it by hand",
            ),
        );
    }
    if asked == 0 {
        return ("no_sources", words("no server is configured; `ntpctl add-server HOST` adds one"));
    }
    if unresolved == asked {
        return (
            "no_names",
            words("no name of a server can be resolved; check the resolver and the network"),
        );
    }
    if mute == asked {
        return ("no_answers", words("no server answers; check the network and any firewall (UDP port 123)"));
    }
    if count(&["unsynchronized"]) + mute == asked {
        return ("no_time", words("no server that answers has the time itself"));
    }
    if count(&["falseticker"]) > 0 {
        return ("no_majority", words("the servers disagree, and no majority says who is right"));
    }
    if event == SPIKE {
        return (
            "spike",
            words("the clock seems to be off by so much that it waits to see whether that stays so"),
        );
    }
    if count(&["leader"]) > 0 {
        return ("correcting", words("a server leads, and the clock is being brought to it"));
    }
    if count(&["starting", "settling"]) > 0 {
        return ("starting", words("the first answers are being gathered"));
    }
    ("no_majority", words("no server could be chosen"))
}

fn notes(variables: Variables<'_>, synchronized: bool, sources: &[Finding], now: UnixTime) -> Vec<String> {
    let mut notes = Vec::new();
    let servers =
        sources.iter().filter(|source| !matches!(source.code, "pool" | "local_clock" | "local_clock_used"));
    let servers = servers.count();
    if synchronized && (1..SOURCES_WANTED).contains(&servers) {
        notes.push(if servers == 1 {
            "there is one server only: nobody would notice if it were wrong (four are enough to find a liar)"
                .to_owned()
        } else {
            format!("there are {servers} servers only: four are enough to find one that lies")
        });
    }
    if let Some(expired) = variables.text("expire").and_then(|text| expiry(text, now)) {
        notes.push(format!(
            "the table of leap seconds has expired on {expired}: apt install --only-upgrade tzdata"
        ));
    }
    if variables.number("frequency").is_some_and(|ppm| ppm.abs() >= FREQUENCY_MAX) {
        notes.push(
            "the clock's frequency is wrong by almost 500 ppm, which is as much as can be corrected: \
             the oscillator is faulty, or a virtual machine's clock source is"
                .to_owned(),
        );
    }
    notes
}

/// The date of `YYYYMMDDhhmm`, if that has passed.
fn expiry(text: &str, now: UnixTime) -> Option<String> {
    let part = |range: core::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let date = (part(0..4)?, part(4..6)?, part(6..8)?);
    let today = Date::of(now);
    ((today.year, today.month, today.day) > date)
        .then(|| format!("{:04}-{:02}-{:02}", date.0, date.1, date.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::parse_items;

    const NOW: UnixTime = UnixTime::new(1_795_000_000, 0);

    fn finding(code: &'static str) -> Finding {
        Finding { code, used: false, fault: true, sentence: String::new(), remedy: "x" }
    }

    fn judged(status: u16, variables: &str, leader: Option<&str>, codes: &[&'static str]) -> Verdict {
        let items = parse_items(variables.as_bytes());
        let leader = leader.map(|name| (name, -0.5));
        let sources: Vec<Finding> = codes.iter().map(|code| finding(code)).collect();
        judge(status, Variables(&items), leader, &sources, NOW)
    }

    #[test]
    fn every_state_has_its_own_sentence() {
        let good = "leap=0, stratum=2, offset=-0.5, rootdelay=4.0, rootdisp=1.0, frequency=3.0";
        let bad = "leap=3, stratum=16";
        for (status, variables, leader, codes, code) in [
            (
                0x0615,
                good,
                Some("a.example"),
                vec!["leader", "candidate", "candidate", "outlier"],
                "synchronized",
            ),
            (0x0618, good, None, vec!["lost"], "holdover"),
            (0x0515, good, Some("LOCAL(0)"), vec!["local_clock_used"], "local_clock"),
            (0xc017, bad, None, vec!["settling"], "panic"),
            (0xc013, bad, None, vec!["settling"], "spike"),
            (0xc016, bad, None, vec![], "no_sources"),
            (0xc016, bad, None, vec!["pool"], "no_sources"),
            (0xc016, bad, None, vec!["unresolved", "unresolved", "local_clock"], "no_names"),
            (0xc016, bad, None, vec!["unresolved", "unreachable", "kiss_deny"], "no_answers"),
            (0xc016, bad, None, vec!["unsynchronized", "unreachable"], "no_time"),
            (0xc018, bad, None, vec!["falseticker", "falseticker", "candidate"], "no_majority"),
            (0xc016, bad, None, vec!["starting", "unreachable"], "starting"),
        ] {
            let verdict = judged(status, variables, leader, &codes);
            assert_eq!(verdict.code, code, "{codes:?}: {verdict:?}");
            let synchronized = variables == good && code != "local_clock";
            assert_eq!(verdict.synchronized, synchronized, "{codes:?}");
        }
        let verdict =
            judged(0x0615, good, Some("a.example"), &["leader", "candidate", "candidate", "outlier"]);
        let sentence = "synchronized to a.example at stratum 2; the clock is off by about 0.500 ms, and by 3.000 ms at most";
        assert_eq!((verdict.sentence.as_str(), verdict.notes), (sentence, Vec::new()));
    }

    #[test]
    fn what_else_should_be_known_is_noted() {
        let variables = "leap=0, stratum=2, expire=202606280000, frequency=-499.5";
        let notes = judged(0x0615, variables, Some("a"), &["leader"]).notes;
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("one server only") && notes[1].contains("2026-06-28"), "{notes:?}");
        let later = judged(0x0615, "leap=0, stratum=2, expire=202706280000", Some("a"), &["leader"; 4]).notes;
        assert_eq!(later, Vec::<String>::new());
    }
}
