//! `verify`: one line, and an exit status for scripts, health checks and units that wait for the clock.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, ClientError};
use crate::command::CommandError;
use crate::exit::Exit;
use crate::json;
use crate::standing;
use ntp_proto::control::Variables;

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// What must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// The offset may be this large, milliseconds.
    pub(crate) offset_max: Option<f64>,
    /// And the root distance, milliseconds.
    pub(crate) distance_max: Option<f64>,
    /// So many sources must be used.
    pub(crate) sources_min: Option<usize>,
}

/// What is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Found {
    synchronized: bool,
    stratum: i64,
    /// Milliseconds, where the daemon says so.
    offset: Option<f64>,
    /// How far off the clock may be at most, milliseconds, likewise.
    distance: Option<f64>,
    sources: usize,
}

/// Where it falls short.
#[derive(Clone, Debug, PartialEq)]
enum Shortfall {
    Unsynchronized,
    Threshold(String),
}

impl Found {
    fn ask(client: &mut Client) -> Result<Self, ClientError> {
        let names = ["leap", "stratum", "offset", "rootdelay", "rootdisp"];
        let (word, items) = client.variables(0, &names)?;
        let known = Variables(&items);
        let stratum = known.integer("stratum").unwrap_or(16);
        let sources = client.associations()?.iter().filter(|one| standing::is_used(one.status)).count();
        Ok(Self {
            synchronized: standing::has_time(known) && !standing::follows_itself(word),
            stratum,
            offset: known.number("offset"),
            distance: known
                .number("rootdelay")
                .and_then(|delay| Some(delay / 2.0 + known.number("rootdisp")?)),
            sources,
        })
    }

    fn shortfall(&self, wanted: &Wanted) -> Option<Shortfall> {
        if !self.synchronized {
            return Some(Shortfall::Unsynchronized);
        }
        let Wanted { offset_max, distance_max, sources_min } = *wanted;
        let too_much = |what: &str, is: Option<f64>, most: Option<f64>| {
            let most = most?;
            match is {
                Some(is) if is.abs() <= most => None,
                Some(is) => Some(format!("{what} is {is:.6} ms, and {most} ms are allowed")),
                None => Some(format!("{what} is not told, and {most} ms are allowed")),
            }
        };
        let too_few = || {
            let least = sources_min.filter(|least| self.sources < *least)?;
            Some(format!("sources used: {}, and {least} are wanted", self.sources))
        };
        too_much("the offset", self.offset, offset_max)
            .or_else(|| too_much("the root distance", self.distance, distance_max))
            .or_else(too_few)
            .map(Shortfall::Threshold)
    }
}

/// Looks until what is wanted holds, or the time is over; says how it stands.
pub(crate) fn run(
    client: &mut Client,
    host: &str,
    wanted: &Wanted,
    end: Instant,
    for_programs: bool,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    loop {
        let looked = Found::ask(client);
        let good = looked.as_ref().is_ok_and(|found| found.shortfall(wanted).is_none());
        let left = end.saturating_duration_since(Instant::now());
        if good || left.is_zero() {
            let found = looked?;
            return report(&found, found.shortfall(wanted), host, for_programs, out);
        }
        thread::sleep(INTERVAL.min(left));
    }
}

fn report(
    found: &Found,
    shortfall: Option<Shortfall>,
    host: &str,
    for_programs: bool,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let (exit, words) = match shortfall {
        None => {
            let Found { stratum, offset, distance, sources, .. } = found;
            let millis =
                |value: &Option<f64>| value.map_or_else(|| "unknown".to_owned(), |ms| format!("{ms:.3} ms"));
            let (offset, distance) = (millis(offset), millis(distance));
            let words = format!(
                "synchronized: stratum {stratum}, offset {offset}, root distance {distance}, sources used: {sources}"
            );
            (Exit::Done, words)
        }
        Some(Shortfall::Unsynchronized) => {
            (Exit::NotGood, format!("not synchronized: `ntpq -c why {host}` says why"))
        }
        Some(Shortfall::Threshold(words)) => (Exit::Threshold, words),
    };
    if for_programs {
        let body = json!({
            "good": exit == Exit::Done,
            "synchronized": found.synchronized,
            "stratum": found.stratum,
            "offset_ms": found.offset,
            "root_distance_ms": found.distance,
            "sources_used": found.sources,
            "sentence": words,
        });
        json::write(host, "verify", body, out)?;
    } else {
        writeln!(out, "{host}: {words}")?;
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Found =
        Found { synchronized: true, stratum: 2, offset: Some(-0.5), distance: Some(12.0), sources: 3 };

    #[test]
    fn each_threshold_is_looked_at() {
        let nothing = Wanted::default();
        assert_eq!(GOOD.shortfall(&nothing), None);
        assert_eq!(
            Found { synchronized: false, ..GOOD }.shortfall(&nothing),
            Some(Shortfall::Unsynchronized)
        );
        for (wanted, part) in [
            (Wanted { offset_max: Some(0.4), ..nothing }, "the offset is -0.500000 ms"),
            (Wanted { distance_max: Some(10.0), ..nothing }, "the root distance is 12.000000 ms"),
            (Wanted { sources_min: Some(4), ..nothing }, "sources used: 3"),
        ] {
            let Some(Shortfall::Threshold(words)) = GOOD.shortfall(&wanted) else {
                unreachable!("{wanted:?}")
            };
            assert!(words.starts_with(part), "{words}");
        }
        let silent = Found { offset: None, ..GOOD };
        assert!(silent.shortfall(&Wanted { offset_max: Some(1e9), ..nothing }).is_some());
        let generous = Wanted { offset_max: Some(0.5), distance_max: Some(12.0), sources_min: Some(3) };
        assert_eq!(GOOD.shortfall(&generous), None);
    }
}
