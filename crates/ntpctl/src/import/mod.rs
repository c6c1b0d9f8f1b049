//! `ntpctl import`: an ntp.conf that does what another daemon's configuration says.
//!
//! One file for each format. What cannot be carried over is listed in the result and on standard
//! error, never dropped silently.

mod chrony;
mod ntpd_rs;
mod timesyncd;

use std::io::{Write, stderr};
use std::path::Path;

use ntp_conf::directive::interpret;
use ntp_conf::edit::quote;
use ntp_conf::{Document, Severity};
use ntp_os::atomic_file::replace;

use crate::cli::{Format, Import};
use crate::exit::{Exit, Failure};
use crate::file;

/// Flags of a restriction for those who get time, and for those who do not.
const SERVED: &[&str] = &["kod", "limited", "nomodify", "noquery"];
const UNSERVED: &[&str] = &["nomodify", "noquery", "noserve"];

/// The most that is carried over of one kind.
const LINES_MAX: usize = 2000;

/// A configuration in the making.
#[derive(Debug, Default, PartialEq, Eq)]
struct Imported {
    /// `server` and `pool` lines.
    sources: Vec<String>,
    /// Other directives that are carried over.
    settings: Vec<String>,
    /// `restrict` lines.
    access: Vec<String>,
    /// What is not carried over, and why.
    left: Vec<String>,
    /// There was more than is read: nothing of it must be believed.
    overflow: bool,
}

impl Imported {
    /// Something that is not carried over, with its place.
    fn leave(&mut self, place: &str, what: &str, why: &str) {
        self.overflow |= self.left.len() >= LINES_MAX;
        if !self.overflow {
            self.left.push(format!("{place}: {}: {why}", plain(what)));
        }
    }

    /// A source with its options, unless it could not be written.
    fn source(&mut self, place: &str, keyword: &str, host: &str, options: &[String]) {
        let mut words = vec![keyword.to_owned(), host.to_owned()];
        words.extend(options.iter().cloned());
        self.line(place, &words, |imported| &mut imported.sources);
    }

    fn setting(&mut self, place: &str, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.line(place, &words, |imported| &mut imported.settings);
    }

    fn access(&mut self, place: &str, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.line(place, &words, |imported| &mut imported.access);
    }

    /// A line of these words, if ntpd will read it as it is meant.
    fn line(&mut self, place: &str, words: &[String], of: fn(&mut Self) -> &mut Vec<String>) {
        let quoted: Result<Vec<String>, _> = words.iter().map(|word| quote(word)).collect();
        let text = match quoted {
            Ok(quoted) => quoted.join(" "),
            Err(error) => return self.leave(place, &words.join(" "), &error.to_string()),
        };
        let document = Document::parse(text.as_bytes());
        let findings = document.line(0).map(|line| interpret("", 1, &line).diagnostics).unwrap_or_default();
        match findings.iter().find(|finding| finding.severity == Severity::Error) {
            Some(error) => {
                let why = error.message.clone();
                self.leave(place, &text, &why);
            }
            None if of(self).contains(&text) => {}
            None if of(self).len() >= LINES_MAX => self.overflow = true,
            None => of(self).push(text),
        }
    }

    /// The file.
    fn print(&self, from: &Path) -> String {
        let mut lines = vec![format!("# From {}, by ntpctl import.", plain(&from.display().to_string()))];
        if !self.left.is_empty() {
            lines.extend(["#", "# Not carried over:"].map(ToOwned::to_owned));
            lines.extend(self.left.iter().map(|line| format!("#   {line}")));
        }
        lines.extend(["", "driftfile /var/lib/ntp/ntp.drift"].map(ToOwned::to_owned));
        lines.extend(self.settings.iter().cloned());
        for part in [&self.sources, &self.access] {
            lines.push(String::new());
            lines.extend(part.iter().cloned());
        }
        lines.join("\n") + "\n"
    }
}

/// A text read as each of the formats that it can be; for harnesses.
pub fn import_text(path: &Path, text: &str) -> Vec<String> {
    let sure = [chrony::import(path, text), timesyncd::import(path, text)];
    let all = sure.into_iter().chain(ntpd_rs::import(path, text));
    all.map(|imported| imported.print(path)).collect()
}

pub(crate) fn run(request: &Import, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = request.file.as_path();
    let content = file::read(path)?;
    if content.len() > ntp_conf::FILE_LEN_MAX {
        let reason = format!("{}: has more than {} bytes", path.display(), ntp_conf::FILE_LEN_MAX);
        return Err(Failure::Refused(reason));
    }
    let text = String::from_utf8_lossy(&content).into_owned();
    let format = match request.format {
        Some(format) => format,
        None => recognize(path, &text).ok_or_else(|| {
            Failure::Usage(format!(
                "{}: whose configuration is this? say --format chrony, timesyncd or ntpd-rs",
                path.display()
            ))
        })?,
    };
    let imported = match format {
        Format::Chrony => chrony::import(path, &text),
        Format::Timesyncd => timesyncd::import(path, &text),
        Format::NtpdRs => ntpd_rs::import(path, &text).map_err(Failure::Usage)?,
    };
    if imported.overflow {
        let reason =
            format!("{}: says more than {LINES_MAX} things; is this the right file?", path.display());
        return Err(Failure::Refused(reason));
    }
    if imported.sources.is_empty() {
        for line in &imported.left {
            drop(writeln!(stderr(), "ntpctl: {line}"));
        }
        return Err(Failure::Refused(format!("{}: names no server that ntpd could ask", path.display())));
    }
    for line in &imported.left {
        drop(writeln!(stderr(), "ntpctl: not carried over: {line}"));
    }
    let result = imported.print(path);
    match &request.output {
        None => out.write_all(result.as_bytes())?,
        Some(output) => {
            let refuse = |reason: String| Failure::NotWritten(format!("{}: {reason}", output.display()));
            if output.symlink_metadata().is_ok() {
                return Err(refuse("is there already, and is not overwritten".to_owned()));
            }
            replace(output, result.as_bytes(), None, 0o644).map_err(|error| refuse(error.to_string()))?;
            writeln!(out, "{} is written; look at it, then: ntpctl check {0}", output.display())?;
        }
    }
    Ok(Exit::Done)
}

/// Whose configuration it is, by its name and by what only that one has.
fn recognize(path: &Path, text: &str) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let lines = || text.lines().map(str::trim);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if ending == "toml" || lines().any(|line| line == "[[source]]") {
        return Some(Format::NtpdRs);
    }
    if name.contains("timesyncd") || lines().any(|line| line == "[Time]") {
        return Some(Format::Timesyncd);
    }
    let words = ["makestep", "rtcsync", "leapsectz", "ntsdumpdir", "cmdport", "hwtimestamp"];
    let is_chrony =
        || lines().any(|line| line.split_whitespace().next().is_some_and(|word| words.contains(&word)));
    (name.contains("chrony") || ending == "sources" || is_chrony()).then_some(Format::Chrony)
}

/// Text that fits into a comment and onto a terminal.
fn plain(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() || !c.is_ascii() { '?' } else { c }).collect()
}

/// A poll interval as a power of two that ntpd takes, and whether that is another one.
fn poll_exponent(seconds: f64) -> (String, bool) {
    let exponent = seconds.log2().round();
    let clamped = exponent.clamp(3.0, 17.0);
    (format!("{clamped:.0}"), (clamped - exponent).abs() > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let of = |name: &str, text: &str| recognize(Path::new(name), text);
        assert_eq!(of("/etc/chrony/chrony.conf", ""), Some(Format::Chrony));
        assert_eq!(of("x.conf", "server a\nmakestep 1 3\n"), Some(Format::Chrony));
        assert_eq!(of("timesyncd.conf", ""), Some(Format::Timesyncd));
        assert_eq!(of("x", "[Time]\nNTP=a\n"), Some(Format::Timesyncd));
        assert_eq!(of("ntp.toml", ""), Some(Format::NtpdRs));
        assert_eq!(of("ntp.conf", "server a\n"), None);
    }
}
