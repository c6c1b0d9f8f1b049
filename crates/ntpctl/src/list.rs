//! `ntpctl list`: the servers, and where each of them stands.

use std::io::Write;
use std::path::Path;

use ntp_conf::directive::{AddressFamily, Source};
use ntp_conf::edit::commented_source;
use ntp_conf::{At, Document, Placed, Read, drop_in_directory};
use serde::Serialize;

use crate::cli::List;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::{file, printable};

/// One source, for programs.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    host: String,
    family: &'static str,
    options: Vec<String>,
    active: bool,
    file: String,
    line: u32,
    origin: &'static str,
    /// An earlier line names it as well, so this one is not used.
    duplicate: bool,
}

pub(crate) fn run(request: &List, settings: &Settings, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = &request.target.config;
    let read = file::read_all(path, ntp_conf::FILE_LEN_MAX)?;
    let of = |source: &Placed<Source>| row(&source.value, true, source.at, &read, path);
    let mut rows: Vec<Row> = read.configuration.sources.iter().map(of).collect();
    let again = |source: &Placed<Source>| Row { active: false, duplicate: true, ..of(source) };
    rows.extend(read.configuration.duplicates.iter().map(again));
    if request.all {
        rows.extend(commented(&read, path));
    }
    file::warn_of_gaps(&read);
    for warning in settings.warnings_of_dhcp(path) {
        drop(writeln!(std::io::stderr(), "ntpctl: {warning}"));
    }
    if request.json {
        let text = serde_json::to_string(&rows).map_err(std::io::Error::other)?;
        writeln!(out, "{text}")?;
        return Ok(Exit::Done);
    }
    for row in &rows {
        let sign = if row.active || row.duplicate { "" } else { "#" };
        let again = if row.duplicate { "  (named before: not used)" } else { "" };
        let words = [&[row.host.clone()][..], &row.options].concat().join(" ");
        let family = if row.family.is_empty() { String::new() } else { format!("{} ", row.family) };
        let text = format!("{sign}{} {family}{words}", row.kind);
        writeln!(out, "{:<48} {}:{}{}{again}", printable(&text), row.file, row.line, row.origin)?;
    }
    if rows.is_empty() {
        writeln!(out, "{}: no server; add one with `ntpctl add-server NAME`", path.display())?;
    }
    Ok(Exit::Done)
}

fn row(source: &Source, active: bool, at: At, read: &Read, main: &Path) -> Row {
    let path = read.configuration.file(at);
    let options = read.line(at).map(|line| options(&line, source)).unwrap_or_default();
    Row {
        kind: if source.reference_clock().is_some() { "clock" } else { source.role.keyword() },
        host: source.host.clone(),
        family: match source.family {
            AddressFamily::Any => "",
            AddressFamily::V4 => "-4",
            AddressFamily::V6 => "-6",
        },
        options,
        active,
        origin: if path == main {
            ""
        } else if path.starts_with(drop_in_directory(main)) {
            "  (ntp.d)"
        } else {
            "  (included)"
        },
        file: path.display().to_string(),
        line: at.line,
        duplicate: false,
    }
}

/// The words behind the host, as they stand there.
fn options(line: &ntp_conf::Line<'_>, source: &Source) -> Vec<String> {
    let words = line.tokens().iter().map(|token| token.text.to_string());
    words.skip_while(|word| *word != source.host).skip(1).collect()
}

/// Those that a comment sign switches off.
fn commented<'r>(read: &'r Read, main: &'r Path) -> impl Iterator<Item = Row> + use<'r> {
    read.documents.iter().enumerate().flat_map(move |(number, document)| {
        let file = u32::try_from(number).unwrap_or(u32::MAX);
        document.lines().enumerate().filter_map(move |(index, line)| {
            let at = At { file, line: u32::try_from(index + 1).unwrap_or(u32::MAX) };
            let source = commented_source(&line)?;
            let inner = Document::parse(line.commented_out()?);
            let options = inner.line(0).map(|line| options(&line, &source)).unwrap_or_default();
            Some(Row { options, ..row(&source, false, at, read, main) })
        })
    })
}
