//! `ntpctl status`: whether the clock is right, as the daemon says.

use std::io::Write;

use ntp_proto::control::Variables;
use ntpq::client::{Client, ClientError};
use serde::Serialize;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// What is known, for programs.
#[derive(Debug, Serialize)]
struct Status {
    synchronized: bool,
    system_peer: Option<String>,
    stratum: Option<i64>,
    offset_s: Option<f64>,
    root_distance_s: Option<f64>,
    frequency_ppm: Option<f64>,
    sources: usize,
    reachable: usize,
}

/// The bits of a peer status word that say how it stands (RFC 9327 §3.2).
const SYSTEM_PEER: u16 = 6;

pub(crate) fn run(request: &cli::Status, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let status = ask(settings).map_err(|error| {
        Failure::NoAnswer(format!(
            "ntpd does not answer on {} ({error}): is {} running?",
            settings.daemon, settings.unit
        ))
    })?;
    if request.json {
        writeln!(out, "{}", serde_json::to_string(&status).map_err(std::io::Error::other)?)?;
    } else {
        write_words(&status, out)?;
    }
    Ok(if status.synchronized { Exit::Done } else { Exit::NoAnswer })
}

fn ask(settings: &Settings) -> Result<Status, ClientError> {
    let mut client = Client::connect(settings.daemon)?;
    let (_, items) = client.variables(0, &[])?;
    let system = Variables(&items);
    let associations = client.associations()?;
    let mut reachable = 0;
    let mut leader = None;
    for association in &associations {
        let (status, items) = client.variables(association.id, &["srcadr", "srchost", "reach"])?;
        let variables = Variables(&items);
        let host = variables
            .text("srchost")
            .filter(|host| !host.is_empty())
            .or_else(|| variables.text("srcadr"))
            .unwrap_or_default();
        reachable += usize::from(
            variables
                .text("reach")
                .is_some_and(|reach| !reach.trim_start_matches("0x").trim_matches('0').is_empty()),
        );
        if status >> 8 & 7 == SYSTEM_PEER {
            leader = Some(host.to_owned());
        }
    }
    let millis = |name: &str| system.number(name).map(|value| value / 1e3);
    let distance = match (millis("rootdelay"), millis("rootdisp")) {
        (Some(delay), Some(dispersion)) => Some(delay / 2.0 + dispersion),
        _ => None,
    };
    let stratum = system.integer("stratum");
    let leap = system.text("leap").unwrap_or_default();
    Ok(Status {
        synchronized: !matches!(leap, "11" | "3") && stratum.is_some_and(|stratum| stratum < 16),
        system_peer: leader,
        stratum,
        offset_s: millis("offset"),
        root_distance_s: distance,
        frequency_ppm: system.number("frequency"),
        sources: associations.len(),
        reachable,
    })
}

fn write_words(status: &Status, out: &mut dyn Write) -> Result<(), Failure> {
    let time = |seconds: Option<f64>| {
        seconds.map_or_else(|| "unknown".to_owned(), |value| format!("{:.3} ms", value * 1e3))
    };
    if status.synchronized {
        let leader = status.system_peer.as_deref().unwrap_or("its own clock");
        writeln!(out, "the clock follows {leader} (stratum {})", status.stratum.unwrap_or(0))?;
        writeln!(out, "    offset                  {}", time(status.offset_s))?;
        writeln!(out, "    at most off by          {}", time(status.root_distance_s))?;
        if let Some(frequency) = status.frequency_ppm {
            writeln!(out, "    frequency correction    {frequency:.3} ppm")?;
        }
    } else {
        writeln!(out, "the clock is not synchronized")?;
    }
    writeln!(out, "    sources that answer     {} of {}", status.reachable, status.sources)?;
    Ok(())
}
