//! `ntpctl simulate`: what would become of a configuration in a described world.
//!
//! `picture.rs` draws the offset as SVG, `sparkline.rs` in a line of text.

mod picture;
mod sparkline;

use std::fs::{self, File};
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use ntp_proto::select::Standing;
use ntp_proto::system::{Event, Outcome, SourceConfig, SourceKind, SystemConfig, Target};
use ntp_proto::time::{Frequency, Precision};
use ntp_sim::{ClientScenario, Scenario, WhatIf, what_if};

use crate::cli::Simulate;
use crate::exit::{Exit, Failure};
use crate::file;

/// Columns of the sparkline.
const COLUMNS: usize = 72;

/// Sources that are listed.
const SOURCES_SHOWN: usize = 40;

pub(crate) fn run(request: &Simulate, out: &mut dyn Write) -> Result<Exit, Failure> {
    let scenario = ntp_sim::load(&request.scenario).map_err(Failure::Usage)?;
    let (config, frequency) = match &request.config {
        None => (ntp_sim::system_config(&scenario), None),
        Some(path) => configuration(path, &scenario, out)?,
    };
    if let Some(plot) = &request.plot {
        refuse_to_replace(plot)?;
    }
    writeln!(out, "{}: {}", request.scenario.display(), scenario.description)?;
    let report = what_if(&scenario, request.seed, config, frequency);
    write_figures(&scenario, &report, out)?;
    write_offset(&report, out)?;
    write_sources(&report, out)?;
    if let Some(path) = &request.plot {
        picture::draw(path, &scenario.description, &report)
            .map_err(|reason| Failure::NotWritten(format!("{}: {reason}", path.display())))?;
        writeln!(out, "\n{} is written", path.display())?;
    }
    Ok(Exit::Done)
}

/// A picture may replace an older picture, and nothing else.
fn refuse_to_replace(plot: &Path) -> Result<(), Failure> {
    let mut start = [0; 4];
    let is_picture = match fs::metadata(plot) {
        Err(_) => true,
        Ok(found) if !found.is_file() => false,
        Ok(found) if found.len() == 0 => true,
        Ok(_) => {
            File::open(plot).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"<svg"
        }
    };
    if is_picture {
        return Ok(());
    }
    let reason = "is there already, and is no SVG picture; name another file for it";
    Err(Failure::Usage(format!("{} {reason}", plot.display())))
}

/// The user's own configuration, as ntpd would run it, and the frequency that it says to start with.
/// What it names must be in the world.
fn configuration(
    path: &Path,
    scenario: &Scenario,
    out: &mut dyn Write,
) -> Result<(SystemConfig, Option<Frequency>), Failure> {
    let read = file::read_all(path, ntp_conf::FILE_LEN_MAX)?;
    let mut found = read.configuration;
    // Nobody forges anything there: keys are left out.
    for source in &mut found.sources {
        source.value.options.key = None;
    }
    for finding in file::errors(&read.diagnostics) {
        writeln!(out, "{finding}\n")?;
    }
    // As Debian starts it.
    let options = ntpd::cli::Options::parse_from(["ntpd", "-g"]);
    let (config, complaints) = ntpd::system_config(&found, &options, Precision::new(-24), &Arc::default());
    for complaint in complaints {
        writeln!(out, "warning: {complaint}")?;
    }
    writeln!(out, "note: ntpd is started with -g, as Debian does: the first correction may be of any size")?;
    if config.discipline.disabled {
        writeln!(out, "warning: `disable ntp`: the clock is watched and never set")?;
    }
    if found.leap_file.is_some() && scenario.leap.is_some() {
        writeln!(out, "warning: the leap file is not read here: leap seconds come from the servers")?;
    }
    if ways(&scenario.client) != ways(&ClientScenario::default()) {
        writeln!(out, "note: how to ask is said by {}, not by the scenario's [client]", path.display())?;
    }
    if config.sources.is_empty() {
        return Err(Failure::Usage(format!("{}: names no server that could be asked", path.display())));
    }
    let strangers: Vec<String> =
        config.sources.iter().filter_map(|source| stranger(source, scenario)).collect();
    if let Some(first) = strangers.first().filter(|_| strangers.len() == config.sources.len()) {
        return Err(Failure::Usage(format!(
            "{}: none of its servers is in the scenario; say `name = \"{first}\"` (or `address = ...`) in one \
             of its [[server]] tables",
            path.display(),
        )));
    }
    for name in strangers {
        writeln!(out, "warning: {name} is not in the scenario: it will not answer")?;
    }
    Ok((config, ntpd::frequency(&found)))
}

/// What of a scenario's client a configuration says itself.
const fn ways(client: &ClientScenario) -> ((u8, u8), bool, bool, bool) {
    (client.polls, client.iburst, client.panic_gate, client.slew)
}

/// A source that the world does not know, as the configuration names it.
fn stranger(source: &SourceConfig, scenario: &Scenario) -> Option<String> {
    match &source.kind {
        SourceKind::LocalClock { .. } => None,
        SourceKind::Server(Target::Address(address)) => {
            (!scenario.addresses().contains(address)).then(|| address.to_string())
        }
        SourceKind::Server(Target::Name(name)) | SourceKind::Pool(name) => {
            let servers = scenario.servers.iter().filter_map(|server| server.name.as_deref());
            let known = servers.chain(scenario.names.iter().map(|entry| entry.name.as_str()));
            (!known.into_iter().any(|known| known == name)).then(|| name.clone())
        }
    }
}

fn write_figures(scenario: &Scenario, report: &WhatIf, out: &mut dyn Write) -> Result<(), Failure> {
    let measured = &report.measured;
    let hours = report.length / 3600.0;
    match report.synchronized {
        Some(seconds) => writeln!(out, "  synchronized after      {seconds:.0} s")?,
        None => writeln!(out, "  synchronized            never: the figures are of a clock left to itself")?,
    }
    match (report.synchronized, measured.below_millisecond) {
        (Some(first), Some(seconds)) => {
            let seconds = seconds.max(first);
            writeln!(out, "  within 1 ms after       {seconds:.0} s, and for a minute at least")?;
        }
        (Some(_), None) => writeln!(out, "  within 1 ms             never for a minute")?,
        (None, _) => {}
    }
    if report.length > scenario.skip {
        writeln!(out, "  RMS offset              {}", time(measured.rms))?;
        writeln!(out, "  largest offset          {}", time(measured.max_error))?;
        writeln!(out, "  RMS frequency error     {:.4} ppm", measured.frequency_rms * 1e6)?;
        if scenario.skip > 0.0 {
            writeln!(out, "                          (without the first {:.0} s)", scenario.skip)?;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let packets = measured.packets as f64;
    writeln!(out, "  packets an hour         {:.1}", packets / hours)?;
    match measured.bound_violations {
        0 => writeln!(out, "  outside its own bound   never")?,
        seconds => writeln!(out, "  outside its own bound   {seconds} s")?,
    }
    let count = |wanted: fn(&Event) -> bool| report.events.iter().filter(|event| wanted(event)).count();
    let steps = count(|event| matches!(event, Event::Stepping(_)));
    let splits = count(|event| matches!(event, Event::NoMajority { .. }));
    if !scenario.clock.jumps.is_empty() {
        writeln!(out, "                          (not counted from a jump of the clock to the next answer)")?;
    }
    writeln!(out, "  steps of the clock      {steps}")?;
    if splits > 0 {
        writeln!(out, "  no majority             {splits} times")?;
    }
    let is_too_few = |event: &&Event| matches!(event, Event::TooFew { .. });
    if let Some(Event::TooFew { agreeing, needed }) = report.events.iter().rfind(is_too_few) {
        writeln!(out, "  too few survive         {agreeing}, and `tos minsane` asks for {needed}")?;
    }
    match report.outcome {
        Some(Outcome::Panic(by)) => {
            writeln!(out, "  ended after {:.0} s: off by {by}, beyond the panic threshold", report.length)?;
        }
        Some(Outcome::Set | Outcome::NoTime) | None => {}
    }
    Ok(())
}

fn write_offset(report: &WhatIf, out: &mut dyn Write) -> Result<(), Failure> {
    // What comes before the clock is right would hide all that follows.
    let shown: Vec<f64> =
        report.trace.iter().filter(|point| point.bound.is_some()).map(|point| point.error).collect();
    if let Some(line) = sparkline::of(&shown, COLUMNS) {
        writeln!(
            out,
            "\noffset once synchronized, from {} (low) to {} (high):",
            time(line.least),
            time(line.most)
        )?;
        writeln!(out, "{}", line.text)?;
    }
    Ok(())
}

fn write_sources(report: &WhatIf, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "\n{:<40} {:>8} {:>6}  at the end", "source", "followed", "led")?;
    for source in report.sources.iter().take(SOURCES_SHOWN) {
        let address = source.remote.ip();
        let label =
            source.host.as_ref().map_or_else(|| address.to_string(), |host| format!("{host} ({address})"));
        let (followed, led) = (source.followed * 100.0, source.led * 100.0);
        writeln!(out, "{label:<40} {followed:>6.0} % {led:>4.0} %  {}", standing(source.standing))?;
        let mut told = 0;
        for event in &report.events {
            if let Event::Unfit { remote, reason } = event
                && *remote == source.remote
                && told & reason.flash() == 0
            {
                told |= reason.flash();
                writeln!(out, "{:<40} {reason}", "")?;
            }
        }
    }
    if report.sources.len() > SOURCES_SHOWN {
        writeln!(out, "and {} more", report.sources.len() - SOURCES_SHOWN)?;
    }
    Ok(())
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Reject => "not considered",
        Standing::Falseticker => "x outvoted",
        Standing::Excess => "# more than are needed",
        Standing::Outlier => "- scatters more than the others",
        Standing::Candidate | Standing::Backup => "+ followed",
        Standing::SystemPeer | Standing::PpsPeer => "* leads",
    }
}

/// A unit of time.
struct Unit {
    name: &'static str,
    /// How many of them a second has.
    in_second: f64,
    /// Digits worth showing behind the point.
    digits: usize,
}

impl Unit {
    /// The one that suits times of this size, seconds.
    fn of(size: f64) -> Self {
        match size.abs() {
            size if size < 1e-3 => Self { name: "us", in_second: 1e6, digits: 1 },
            size if size < 1.0 => Self { name: "ms", in_second: 1e3, digits: 2 },
            _ => Self { name: "s", in_second: 1.0, digits: 3 },
        }
    }
}

/// A time in the unit that suits it.
fn time(seconds: f64) -> String {
    let Unit { name, in_second, digits } = Unit::of(seconds);
    format!("{:.digits$} {name}", seconds * in_second)
}
