//! Advice: lines that are understood, and together are probably not what was meant.
//!
//! Here is what can be told from the text alone; what needs a look at other files is told by whoever
//! may read them.

use std::net::IpAddr;

use crate::cst::Line;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::directive::{AddressFamily, Restrict, RestrictTarget, Role, Source, Tinker, Tos};
use crate::grammar::{self, Dialect, Reading};
use crate::read::{At, Placed, Read};

/// Sources that a vote needs to find a liar among them (RFC 8633 §3.2).
const SOURCES_WANTED: usize = 4;

/// The longest word that classic ntpd survives.
const WORD_MAX: usize = 127;

/// The default of `tos maxclock`.
const MAXCLOCK: f64 = 10.0;

/// The most findings of one kind.
const FINDINGS_MAX: usize = 20;

/// Names of services that smear leap seconds: their time differs from everybody else's for a day.
const SMEARING: &[&str] = &[
    "time.google.com",
    "time1.google.com",
    "time2.google.com",
    "time3.google.com",
    "time4.google.com",
    "time.android.com",
    "time.facebook.com",
    "time1.facebook.com",
    "time2.facebook.com",
    "time3.facebook.com",
    "time4.facebook.com",
    "time5.facebook.com",
    "time.aws.com",
    "169.254.169.123",
    "fd00:ec2::123",
];

/// Directives of which lines are compared with each other.
const ASKED_ABOUT: [&str; 9] =
    ["restrict", "disable", "keys", "trustedkey", "server", "pool", "peer", "statistics", "statsdir"];

/// What is probably not meant, in the order of the lines.
pub fn lint(read: &Read) -> Vec<Diagnostic> {
    let mut linter = Linter { read, lines: ASKED_ABOUT.map(|_| Vec::new()), found: Vec::new() };
    linter.look();
    linter.sources();
    linter.smearing();
    linter.selection();
    linter.discipline();
    linter.access();
    linter.keys();
    linter.companions();
    linter.found
}

/// Advice about a word of a line, of one who has looked at more than the text.
pub fn advise(
    read: &Read,
    at: At,
    word: &str,
    code: &'static str,
    message: &str,
    remedy: &str,
) -> Option<Diagnostic> {
    let mut linter = Linter { read, lines: ASKED_ABOUT.map(|_| Vec::new()), found: Vec::new() };
    linter.warn(at, word, code, message, remedy);
    linter.found.pop()
}

/// A finding, before it has a place.
struct Advice<'a> {
    severity: Severity,
    code: &'static str,
    message: &'a str,
    in_force: &'a str,
    remedy: &'a str,
}

struct Linter<'r> {
    read: &'r Read,
    /// The lines of each directive that is asked about, read.
    lines: [Vec<(At, Reading)>; ASKED_ABOUT.len()],
    found: Vec<Diagnostic>,
}

impl Linter<'_> {
    /// Reports about a word of a line.
    fn say(&mut self, at: At, word: &str, advice: &Advice<'_>) {
        if self.found.iter().filter(|finding| finding.code == advice.code).count() >= FINDINGS_MAX {
            return;
        }
        let Some(line) = self.read.line(at) else { return };
        let span = span_of(&line, word);
        let file = self.read.configuration.file(at).display().to_string();
        let number = usize::try_from(at.line).unwrap_or(usize::MAX);
        let place = Place { file: &file, number, line: &line };
        let finding = Diagnostic::new(advice.severity, advice.code, place, &span, advice.message);
        self.found.push(finding.in_force(advice.in_force).remedy(advice.remedy));
    }

    fn warn(&mut self, at: At, word: &str, code: &'static str, message: &str, remedy: &str) {
        self.say(at, word, &Advice { severity: Severity::Warning, code, message, in_force: "", remedy });
    }

    /// Takes every line apart, once.
    fn look(&mut self) {
        for at in &self.read.order {
            let Some(line) = self.read.line(*at) else { continue };
            if line.tokens().iter().any(|token| token.text.len() > WORD_MAX) {
                self.warn(*at, "", "L016", "classic ntpd ends at a word of more than 127 bytes", "");
            }
            let index = ASKED_ABOUT.iter().position(|name| line.keyword() == Some(name));
            let lines = index.and_then(|index| self.lines.get_mut(index));
            if let (Some(lines), Some(Ok(reading))) = (lines, grammar::read(&line, Dialect::Ours)) {
                lines.push((*at, reading));
            }
        }
    }

    /// The lines of a directive.
    fn lines(&self, name: &str) -> &[(At, Reading)] {
        let index = ASKED_ABOUT.iter().position(|asked| *asked == name);
        index.and_then(|index| self.lines.get(index)).map_or(&[], Vec::as_slice)
    }

    /// The place of the last line of a directive that has this setting.
    fn setting(&self, directive: &str, setting: &str) -> Option<At> {
        self.lines(directive).iter().rfind(|(_, reading)| has(reading, setting)).map(|(at, _)| *at)
    }

    fn network_sources(&self) -> Vec<&Placed<Source>> {
        let sources = self.read.configuration.sources.iter();
        sources.filter(|source| source.value.reference_clock().is_none()).collect()
    }

    fn has_pool(&self) -> bool {
        self.read.configuration.sources.iter().any(|source| source.value.role == Role::Pool)
    }

    /// Too few to find a liar, or one that excludes the others.
    fn sources(&mut self) {
        let sources: Vec<Placed<Source>> = self.network_sources().into_iter().cloned().collect();
        let lone = !self.has_pool() && (1..SOURCES_WANTED).contains(&sources.len());
        if let Some(last) = sources.last().filter(|_| lone) {
            let count = sources.len();
            let message = if count == 1 {
                "one server alone is believed whatever it says".to_owned()
            } else {
                format!("{count} servers are too few to outvote one that is wrong and lose another")
            };
            self.warn(last.at, &last.value.host, "L001", &message, "four or more find a liar (RFC 8633)");
        }
        for source in
            sources.iter().filter(|source| source.value.role == Role::Pool && source.value.options.prefer)
        {
            let message = "every member of the pool is preferred";
            self.warn(source.at, "prefer", "L002", message, "prefer one server, not a pool of strangers");
        }
    }

    /// Servers that smear leap seconds beside servers that do not.
    fn smearing(&mut self) {
        let smears = |source: &Source| {
            let host = crate::edit::canonical_host(&source.host);
            SMEARING.iter().any(|known| crate::edit::canonical_host(known) == host)
        };
        let sources: Vec<Placed<Source>> = self.network_sources().into_iter().cloned().collect();
        let (smeared, others): (Vec<_>, Vec<_>) = sources.iter().partition(|source| smears(&source.value));
        if let (Some(first), Some(_)) = (smeared.first(), others.first()) {
            let message = format!("{} smears leap seconds, and other servers do not", first.value.host);
            let remedy = "use servers of one kind only (RFC 8633 §3.7.1)";
            self.warn(first.at, &first.value.host, "L003", &message, remedy);
        }
    }

    /// `tos` values under which nobody can be followed.
    fn selection(&mut self) {
        let most = if self.has_pool() { usize::MAX } else { self.read.configuration.sources.len() };
        let mut last: [Option<(f64, At)>; 6] = [None; 6];
        for Placed { value, at } in &self.read.configuration.selection {
            let (index, value) = match *value {
                Tos::MinSane(count) => (0, f64::from(count)),
                Tos::MaxDist(seconds) => (1, seconds),
                Tos::MinDist(seconds) => (2, seconds),
                Tos::Floor(stratum) => (3, f64::from(stratum)),
                Tos::Ceiling(stratum) => (4, f64::from(stratum)),
                Tos::MaxClock(count) => (5, f64::from(count)),
                Tos::MinClock(_) | Tos::Orphan(_) | Tos::OrphanWait(_) => continue,
            };
            if let Some(known) = last.get_mut(index) {
                *known = Some((value, *at));
            }
        }
        let [sane, most_distant, least_distant, floor, ceiling, most_followed] = last;
        self.most_followed(most_followed);
        let nobody = "nobody is ever followed so";
        #[expect(clippy::cast_precision_loss, reason = "a count of sources")]
        if let Some((sane, at)) = sane.filter(|(sane, _)| *sane > most as f64) {
            let message = format!("{nobody}: `minsane {sane}` asks for more servers than there are");
            self.warn(at, "minsane", "L004", &message, "lower it, or add servers");
        }
        let distant = most_distant.map_or(1.5, |(value, _)| value);
        let least = least_distant.map_or(0.001, |(value, _)| value);
        if least / 2.0 >= distant
            && let Some((_, at)) = most_distant.or(least_distant)
        {
            let message =
                format!("{nobody}: every distance is at least half of `mindist` and below `maxdist`");
            self.warn(at, "tos", "L005", &message, "the defaults are `mindist 0.001` and `maxdist 1.5`");
        }
        let (lowest, limit) =
            (floor.map_or(0.0, |(value, _)| value), ceiling.map_or(15.0, |(value, _)| value));
        if lowest.max(1.0) >= limit
            && let Some((_, at)) = ceiling.or(floor)
        {
            let message = format!("{nobody}: no stratum lies between `floor` and `ceiling`");
            self.warn(at, "tos", "L006", &message, "the defaults are `floor 0` and `ceiling 15`");
        }
    }

    /// More servers than are followed at a time.
    fn most_followed(&mut self, given: Option<(f64, At)>) {
        let sources = self.network_sources();
        let servers: Vec<At> =
            sources.iter().filter(|source| source.value.role != Role::Pool).map(|source| source.at).collect();
        let (most, count) = (given.map_or(MAXCLOCK, |(most, _)| most), servers.len());
        #[expect(clippy::cast_precision_loss, reason = "a count of sources")]
        let Some(last) = servers.last().filter(|_| count as f64 > most) else { return };
        let at = given.map_or(*last, |(_, at)| at);
        let message =
            format!("`tos maxclock` is {most}: no more of the {count} servers are followed at a time");
        self.warn(at, "maxclock", "L017", &message, "raise it, or name fewer servers");
    }

    /// A panic below the step.
    fn discipline(&mut self) {
        let (mut panic, mut step) = (1000.0, (0.128, None));
        for Placed { value, at } in &self.read.configuration.tinkers {
            match *value {
                Tinker::Panic(seconds) => panic = seconds,
                Tinker::Step(seconds) => step = (seconds, Some(*at)),
                Tinker::StepForward(_)
                | Tinker::StepBackward(_)
                | Tinker::Stepout(_)
                | Tinker::Frequency(_) => {}
            }
        }
        if let (seconds, Some(at)) = step
            && panic > 0.0
            && seconds >= panic
        {
            let message = format!("an error above {panic} s ends ntpd before `step {seconds}` lets it step");
            self.warn(at, "step", "L007", &message, "raise `tinker panic` as well, or 0 for never");
        }
    }

    fn access(&mut self) {
        let rules = self.lines("restrict").to_vec();
        for (at, reading) in &rules {
            if has(reading, "kod") && !has(reading, "limited") {
                let message = "`kod` without `limited` is never sent: nobody asks too often";
                self.warn(*at, "kod", "L008", message, "write `limited` as well");
            }
        }
        let limited = rules.iter().find(|(_, reading)| has(reading, "limited"));
        if let (Some(at), Some(_)) = (self.setting("disable", "monitor"), limited) {
            let message = "without `monitor` nobody knows who asks too often: `limited` needs it";
            self.warn(at, "monitor", "L009", message, "delete the line");
        }
        let of_source = rules.iter().any(|(at, reading)| self.is_about(*at, reading, "source"));
        let no_peers = rules
            .iter()
            .find(|(at, reading)| has(reading, "nopeer") && self.is_about(*at, reading, "default"));
        if let (true, false, Some((at, _))) = (self.has_pool(), of_source, no_peers) {
            let advice = Advice {
                severity: Severity::Note,
                code: "L010",
                message: "classic ntpd asks no member of a pool under `nopeer`",
                in_force: "the pool is used",
                remedy: "for classic ntpd write `restrict source nomodify noquery` as well",
            };
            self.say(*at, "nopeer", &advice);
        }
        self.own_servers();
    }

    /// Whether the argument of a line is this word.
    fn is_about(&self, at: At, reading: &Reading, word: &str) -> bool {
        let line = self.read.line(at);
        let token = reading
            .arguments
            .first()
            .and_then(|index| Some(line.as_ref()?.tokens().get(*index)?.text == word));
        token.unwrap_or(false)
    }

    /// Servers whose answers classic ntpd would drop.
    fn own_servers(&mut self) {
        let rules = self.read.configuration.restrictions.clone();
        let of_source = rules.iter().any(|rule| rule.value.target == RestrictTarget::Source);
        for source in self.network_sources().into_iter().cloned().collect::<Vec<_>>() {
            let Some(rule) =
                deciding(&rules, &source.value).filter(|rule| rule.value.flags.ignore && !of_source)
            else {
                continue;
            };
            let place = self.read.configuration.place(rule.at);
            let message =
                format!("classic ntpd drops the answers of {}: {place} says `ignore`", source.value.host);
            let advice = Advice {
                severity: Severity::Warning,
                code: "L011",
                message: &message,
                in_force: "it is used here: `restrict` says who may ask, not who is asked",
                remedy: "for classic ntpd write `restrict source nomodify noquery` as well",
            };
            self.say(source.at, &source.value.host, &advice);
        }
    }

    fn keys(&mut self) {
        let (no_file, none_trusted) = (self.lines("keys").is_empty(), self.lines("trustedkey").is_empty());
        if let [_, .., (at, _)] = *self.lines("trustedkey") {
            let message = "classic ntpd trusts only the keys of the last such line";
            self.warn(at, "trustedkey", "L012", message, "write all keys in one line");
        }
        let keyed: Vec<At> =
            ["server", "pool", "peer"].into_iter().filter_map(|name| self.setting(name, "key")).collect();
        for at in keyed {
            for (missing, name) in [(no_file, "keys"), (none_trusted, "trustedkey")] {
                if missing {
                    let message = format!("`key` without a `{name}` line");
                    self.warn(at, "key", "L013", &message, &format!("add a line `{name}`"));
                }
            }
        }
    }

    /// Lines that mean something only beside others.
    fn companions(&mut self) {
        if let (Some((at, _)), true) = (self.lines("statistics").first(), self.lines("statsdir").is_empty()) {
            let (at, message) = (*at, "statistics without a directory to write them to");
            self.warn(at, "statistics", "L014", message, "add `statsdir /var/log/ntpsec/` or the like");
        }
        let clocks: Vec<(u8, u8)> = self
            .read
            .configuration
            .sources
            .iter()
            .filter_map(|source| source.value.reference_clock())
            .collect();
        let lone = |fudge: &&Placed<crate::directive::Fudge>| {
            !clocks.contains(&(fudge.value.driver, fudge.value.unit))
        };
        let alone: Vec<At> =
            self.read.configuration.fudges.iter().filter(lone).map(|fudge| fudge.at).collect();
        for at in alone {
            let message = "parameters of a clock that no `server` line names";
            self.warn(at, "fudge", "L015", message, "add the clock, or delete the line");
        }
    }
}

/// Whether a line has a setting.
fn has(reading: &Reading, name: &str) -> bool {
    reading.settings.iter().any(|given| given.setting.name == name)
}

/// Where a word stands in a line; its first word if it does not.
fn span_of(line: &Line<'_>, word: &str) -> std::ops::Range<usize> {
    let tokens = line.tokens();
    let found = tokens.iter().rfind(|token| token.text == word).or_else(|| tokens.first());
    found.map_or(0..1, |token| token.span.clone())
}

/// The rule that decides about a server with a literal address: the most specific that covers it.
fn deciding<'r>(rules: &'r [Placed<Restrict>], source: &Source) -> Option<&'r Placed<Restrict>> {
    let address = source.address();
    let specific = |rule: &Placed<Restrict>| match (&rule.value.target, address) {
        (RestrictTarget::Default(AddressFamily::Any), _) => Some(0),
        (RestrictTarget::Default(family), Some(address)) => {
            ((*family == AddressFamily::V4) == address.is_ipv4()).then_some(0)
        }
        (RestrictTarget::Network { address: network, mask }, Some(address)) => {
            covers(*network, *mask, address)
        }
        _ => None,
    };
    rules
        .iter()
        .filter_map(|rule| Some((specific(rule)?, rule)))
        .max_by_key(|(bits, rule)| (*bits, rule.value.flags.ignore))
        .map(|(_, rule)| rule)
}

/// How many bits a network that holds an address fixes.
fn covers(network: IpAddr, mask: IpAddr, address: IpAddr) -> Option<u32> {
    match (network, mask, address) {
        (IpAddr::V4(network), IpAddr::V4(mask), IpAddr::V4(address)) => {
            let [network, mask, address] = [network, mask, address].map(u32::from);
            (network & mask == address & mask).then_some(mask.count_ones())
        }
        (IpAddr::V6(network), IpAddr::V6(mask), IpAddr::V6(address)) => {
            let [network, mask, address] = [network, mask, address].map(u128::from);
            (network & mask == address & mask).then_some(mask.count_ones())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Limits, LoadError, Loaded, read_within};
    use std::path::Path;

    fn codes(text: &str) -> Vec<&'static str> {
        let mut loader = |path: &Path| {
            let loaded = Loaded { path: path.to_owned(), content: text.as_bytes().to_vec() };
            if path == Path::new("f") { Ok(vec![loaded]) } else { Err(LoadError::Missing) }
        };
        let read = read_within(Path::new("f"), &mut loader, Limits::default()).unwrap();
        lint(&read).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn what_is_probably_not_meant_is_told() {
        let four = "server a\nserver b\nserver c\nserver 192.0.2.1\n";
        for (more, code) in [
            ("server time.google.com", "L003"),
            ("tos minsane 10", "L004"),
            ("tos maxdist 0", "L005"),
            ("tos mindist 16", "L005"),
            ("tos ceiling 1", "L006"),
            ("tos floor 15", "L006"),
            ("tinker step 2000", "L007"),
            ("restrict default kod", "L008"),
            ("restrict default limited\ndisable monitor", "L009"),
            ("restrict default ignore", "L011"),
            ("restrict 192.0.2.0 mask 255.255.255.0 ignore", "L011"),
            ("trustedkey 1\ntrustedkey 2", "L012"),
            ("server d key 5", "L013"),
            ("statistics loopstats", "L014"),
            ("fudge 127.127.1.0 stratum 10", "L015"),
            ("pool p prefer", "L002"),
            ("pool p\nrestrict default nopeer", "L010"),
            ("tos maxclock 3", "L017"),
        ] {
            assert!(
                codes(&format!("{four}{more}\n")).contains(&code),
                "{more}: {:?}",
                codes(&format!("{four}{more}\n"))
            );
        }
        assert_eq!(codes("server a\n"), ["L001"]);
    }

    #[test]
    fn what_is_well_has_no_advice() {
        for text in [
            "pool a iburst\nrestrict default kod limited nomodify nopeer noquery\nrestrict source nomodify\n",
            "server a\nserver b\nserver c\nserver d\ntos minsane 3 minclock 4\ntinker panic 0 step 5\n",
            "server time1.google.com\nserver time2.google.com\nserver time3.google.com\nserver time4.google.com\n",
            "pool a\nrestrict default ignore\nrestrict source nomodify\n",
            "pool a\nstatsdir /s\nstatistics loopstats\nserver 127.127.1.0\nfudge 127.127.1.0 stratum 10\n",
            "pool a key 5\nkeys /k\ntrustedkey 5 6\n",
            "",
        ] {
            assert_eq!(codes(text), [""; 0], "{text}");
        }
    }
}
