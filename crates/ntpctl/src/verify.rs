//! Asking the daemon whether a change has come into force, and works.

use std::io::{Write as _, stderr};
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use ntp_conf::directive::{AddressFamily, Directive, Role, Source, interpret};
use ntp_conf::edit::canonical_host;
use ntp_conf::{Document, Line};
use ntp_proto::control::Variables;
use ntpq::client::{Client, ClientError};

use crate::interrupt::Interrupt;
use crate::settings::Settings;

/// How often the daemon is asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long one answer of the daemon may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the daemon says of the new server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Answers,
    Waiting(String),
}

/// What must be true of the daemon once it runs with a new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// It answers.
    Serves,
    /// A server answers it, at an address of that family.
    Answers { host: String, port: u16, family: AddressFamily },
    /// A member of a pool answers it: somebody on that port, whom no other line names by address.
    Member { host: String, port: u16, others: Vec<IpAddr> },
    /// It does not ask a server any longer.
    Gone { host: String },
}

impl Expectation {
    /// That a host answers as every line of a file says that names it.
    pub(crate) fn answers_in(document: &Document, host: &str) -> Vec<Self> {
        let sources = sources(document);
        let own = sources.iter().filter(|source| canonical_host(&source.host) == canonical_host(host));
        own.map(|source| Self::of_source(source, &sources)).collect()
    }

    /// That the server of one line answers.
    pub(crate) fn answers_as(document: &Document, source: &Source) -> Self {
        Self::of_source(source, &sources(document))
    }

    /// Of a pool, one member must answer.
    fn of_source(source: &Source, all: &[Source]) -> Self {
        let (host, port) = (source.host.clone(), source.options.port.unwrap_or(123));
        if source.role == Role::Pool {
            return Self::Member { host, port, others: all.iter().filter_map(Source::address).collect() };
        }
        Self::Answers { host, port, family: source.family }
    }

    /// What is waited for.
    pub(crate) fn hope(&self) -> String {
        match self {
            Self::Serves => "ntpd must answer".to_owned(),
            Self::Answers { host, .. } | Self::Member { host, .. } => format!("{host} must answer"),
            Self::Gone { host } => format!("ntpd must not ask {host} any longer"),
        }
    }

    /// What has come of it.
    pub(crate) fn success(&self) -> String {
        match self {
            Self::Serves => "ntpd runs with the change".to_owned(),
            Self::Answers { host, .. } | Self::Member { host, .. } => {
                format!("{host} answers; it is in use from now on")
            }
            Self::Gone { host } => format!("{host} is not asked any longer"),
        }
    }
}

/// Seconds counted on a terminal while somebody waits.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    started: Instant,
    last: u64,
}

impl Progress {
    pub(crate) fn new(shown: bool) -> Self {
        Self { shown, started: Instant::now(), last: 0 }
    }

    fn tick(&mut self, reason: &str) {
        let seconds = self.started.elapsed().as_secs();
        if self.shown && seconds != self.last {
            self.last = seconds;
            let text: String = reason.chars().take(60).collect();
            drop(write!(stderr(), "\r{seconds:>4} s: {text:<60}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.last > 0 {
            drop(write!(stderr(), "\r{:<70}\r", ""));
        }
    }
}

/// Waits until an expectation is met; else says why it is not.
pub(crate) fn wait_for(
    daemon: SocketAddr,
    expectation: &Expectation,
    deadline: Instant,
    interrupt: &Interrupt,
    mut progress: Progress,
) -> Result<(), String> {
    loop {
        if interrupt.has_come() {
            return Err("interrupted before the change was known to work".to_owned());
        }
        let standing = ask(daemon, expectation)
            .unwrap_or_else(|error| Standing::Waiting(format!(
                "ntpd does not answer on {daemon} ({error}): does a `restrict` line keep this machine from asking?"
            )));
        match standing {
            Standing::Answers => return Ok(()),
            Standing::Waiting(reason) if Instant::now() >= deadline => return Err(reason),
            Standing::Waiting(reason) => {
                progress.tick(&reason);
                thread::sleep(INTERVAL);
            }
        }
    }
}

/// The same for a daemon that only has to run.
pub(crate) fn wait_until_it_serves(settings: &Settings) -> Result<(), String> {
    let interrupt = Interrupt::watch().map_err(|error| format!("signals cannot be watched: {error}"))?;
    let deadline = Instant::now() + Duration::from_secs(settings.answer_timeout);
    wait_for(settings.daemon, &Expectation::Serves, deadline, &interrupt, Progress::new(false))
}

fn ask(daemon: SocketAddr, expectation: &Expectation) -> Result<Standing, ClientError> {
    let mut client = Client::connect(daemon)?.with_patience(PATIENCE);
    let associations = client.associations()?;
    let mut unmet = None;
    for association in associations {
        let (_, items) = client.variables(association.id, &[])?;
        let variables = Variables(&items);
        match expectation {
            Expectation::Answers { host, port, family }
                if is_about(variables, host, Some(*port)) && is_of(variables, *family) =>
            {
                return Ok(judge(variables, host));
            }
            Expectation::Member { port, others, .. } if is_member(variables, *port, others) => {
                return Ok(Standing::Answers);
            }
            Expectation::Member { host, .. } if is_about(variables, host, None) => {
                unmet = Some(judge(variables, host));
            }
            Expectation::Gone { host } if is_about(variables, host, None) => {
                return Ok(Standing::Waiting(format!("ntpd still asks {host}: does another file name it?")));
            }
            Expectation::Serves
            | Expectation::Answers { .. }
            | Expectation::Member { .. }
            | Expectation::Gone { .. } => {}
        }
    }
    Ok(match expectation {
        Expectation::Serves | Expectation::Gone { .. } => Standing::Answers,
        Expectation::Answers { .. } | Expectation::Member { .. } => unmet.unwrap_or_else(|| {
            Standing::Waiting("ntpd does not know the server, although it was restarted".to_owned())
        }),
    })
}

/// Whether an association is somebody's who answers and came from a pool: such a one has no name.
fn is_member(variables: Variables<'_>, port: u16, others: &[IpAddr]) -> bool {
    let nameless = variables.text("srchost").is_none_or(str::is_empty);
    let address = variables.text("srcadr").and_then(|text| text.parse().ok());
    let new = address.is_some_and(|address| !others.contains(&address));
    let same_port = variables.integer("srcport") == Some(i64::from(port));
    nameless && new && same_port && variables.integer("reach").unwrap_or(0) != 0
}

fn source_of(line: &Line<'_>) -> Option<Source> {
    if let Directive::Source(source) = interpret("", 1, line).directive? { Some(source) } else { None }
}

fn sources(document: &Document) -> Vec<Source> {
    document.lines().filter_map(|line| source_of(&line)).collect()
}

/// Whether an association's address is of a family; one that has none yet may become so.
fn is_of(variables: Variables<'_>, family: AddressFamily) -> bool {
    let address = variables.text("srcadr").and_then(|text| text.parse::<IpAddr>().ok());
    address.filter(|address| !address.is_unspecified()).is_none_or(|address| match family {
        AddressFamily::Any => true,
        AddressFamily::V4 => address.is_ipv4(),
        AddressFamily::V6 => address.is_ipv6(),
    })
}

/// Whether an association is the server's: by its configured name, or by its address.
fn is_about(variables: Variables<'_>, host: &str, port: Option<u16>) -> bool {
    let wanted = canonical_host(host);
    let same = |name: Option<&str>| name.is_some_and(|name| canonical_host(name) == wanted);
    let place = variables.text("srcadr").and_then(|text| text.parse::<IpAddr>().ok());
    // A name without an address yet has no port either.
    let unresolved = place.is_some_and(|address| address.is_unspecified());
    let known = variables.integer("srcport");
    let same_port = port.is_none_or(|port| known.is_none_or(|known| known == i64::from(port))) || unresolved;
    (same(variables.text("srchost")) || same(variables.text("srcadr"))) && same_port
}

fn judge(variables: Variables<'_>, host: &str) -> Standing {
    if variables.integer("reach").unwrap_or(0) != 0 {
        return Standing::Answers;
    }
    let code = variables.text("refid").unwrap_or_default();
    let heard = variables.timestamp("rec").is_some();
    Standing::Waiting(match code {
        "DNS" => format!("the name {host} cannot be resolved"),
        "DUP" => format!("every address of {host} is already in use by another line"),
        "DENY" | "RSTR" => format!("{host} refuses to serve this machine ({code})"),
        "RATE" => format!("{host} says that it is asked too often (RATE)"),
        _ if heard => format!("{host} answers, but is itself not synchronized"),
        _ => format!(
            "{host} does not answer: is the name right, and does a firewall let UDP port {} through?",
            variables.integer("srcport").filter(|port| *port > 0).unwrap_or(123)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::{Variables, parse_items};

    fn verdict(data: &str) -> Option<Standing> {
        let items = parse_items(data.as_bytes());
        let variables = Variables(&items);
        is_about(variables, "Time.example", Some(123)).then(|| judge(variables, "Time.example"))
    }

    #[test]
    fn the_new_server_is_known_by_name_or_address() {
        let row = "srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", reach=0x1";
        assert_eq!(verdict(row), Some(Standing::Answers));
        assert_eq!(verdict("srcadr=192.0.2.1, srcport=123, reach=0x1"), None);
        assert_eq!(verdict("srcadr=192.0.2.1, srcport=9, srchost=\"time.example\", reach=0x1"), None);
    }

    #[test]
    fn silence_has_a_reason() {
        for (row, word) in [
            ("srcadr=0.0.0.0, srcport=0, srchost=\"time.example\", refid=DNS, reach=0x0", "resolved"),
            ("srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", refid=DENY, reach=0x0", "refuses"),
            (
                "srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", refid=INIT, rec=0xee.1, reach=0x0",
                "synchronized",
            ),
            ("srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", refid=INIT, reach=0x0", "firewall"),
        ] {
            let Some(Standing::Waiting(reason)) = verdict(row) else { panic!("{row}") };
            assert!(reason.contains(word), "{reason}");
        }
    }
}
