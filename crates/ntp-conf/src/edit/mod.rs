//! Edits as patches of whole lines: what is not named by a patch stays byte for byte.

use std::net::IpAddr;
use std::ops::Range;

use crate::cst::{Document, Line};
use crate::directive::{AddressFamily, Directive, Role, Source, interpret};

/// A server to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    /// Name or address.
    pub host: String,
    /// UDP port, if not 123.
    pub port: Option<u16>,
    /// `iburst`.
    pub iburst: bool,
    /// `prefer`.
    pub prefer: bool,
}

impl NewServer {
    /// The line without indent and terminator.
    fn line(&self, separator: &str) -> String {
        let mut text = format!("server{separator}{}", self.host);
        if let Some(port) = self.port {
            text.push_str(" port ");
            text.push_str(&port.to_string());
        }
        for (name, on) in [("iburst", self.iburst), ("prefer", self.prefer)] {
            if on {
                text.push(' ');
                text.push_str(name);
            }
        }
        text
    }

    /// The source that the line will be read as, or what is wrong with it.
    pub fn check(&self) -> Result<Source, String> {
        if self.host.is_empty()
            || self.host.chars().any(|c| c.is_whitespace() || c == '#' || c == '"')
            || !self.host.is_ascii()
        {
            return Err(format!("{:?} cannot be a server's name", self.host));
        }
        let document = Document::parse(self.line(" ").as_bytes());
        let line = document.lines().first().ok_or_else(|| "empty".to_owned())?;
        match interpret("", 1, line).directive {
            Some(Directive::Source(source)) if source.reference_clock().is_some() => {
                Err(format!("{} is a reference clock, not a server", self.host))
            }
            Some(Directive::Source(source)) if source.host == self.host => Ok(source),
            _ if self.host.parse::<std::net::SocketAddr>().is_ok() || self.host.matches(':').count() == 1 => {
                Err(format!("{:?} cannot be a server's name: give the port with --port", self.host))
            }
            _ => Err(format!("{:?} cannot be a server's name", self.host)),
        }
    }
}

/// What adding a server to a file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// The file changes by this patch.
    Change(Patch),
    /// The server stands there already, with the same options.
    Present {
        /// Its line, from 1.
        line: usize,
    },
    /// The server stands there with other options.
    Conflict {
        /// Its line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

/// Whole lines replaced by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Which lines, counted from 0; empty for an insertion.
    pub lines: Range<usize>,
    /// What takes their place.
    pub with: Vec<u8>,
}

impl Patch {
    /// The file with the patch applied.
    pub fn apply(&self, document: &Document) -> Vec<u8> {
        let lines = document.lines();
        let part = |range: Range<usize>| {
            lines.get(range).unwrap_or_default().iter().flat_map(|line| line.raw().iter().copied())
        };
        let end = self.lines.end.min(lines.len());
        part(0..self.lines.start.min(lines.len()))
            .chain(self.with.iter().copied())
            .chain(part(end..lines.len()))
            .collect()
    }
}

/// Plans to add a server beside those that are there.
pub fn add_server(document: &Document, server: &NewServer) -> Addition {
    for (index, line) in document.lines().iter().enumerate() {
        let Some(source) = source_of(line) else { continue };
        let same_port = source.options.port == server.port;
        if canonical_host(&source.host) == canonical_host(&server.host)
            && same_port
            && source.family == AddressFamily::Any
        {
            let number = index + 1;
            let same = source.role == Role::Server
                && source.options.iburst == server.iburst
                && source.options.prefer == server.prefer;
            let text = String::from_utf8_lossy(line.raw()).trim().to_owned();
            return if same {
                Addition::Present { line: number }
            } else {
                Addition::Conflict { line: number, text }
            };
        }
    }
    Addition::Change(insertion(document, server))
}

/// Behind the last source; else behind the last one commented out; else before the first
/// `restrict`; else at the end.
fn insertion(document: &Document, server: &NewServer) -> Patch {
    let lines = document.lines();
    let last_source = lines
        .iter()
        .rposition(|line| source_of(line).is_some_and(|source| source.reference_clock().is_none()));
    let last_commented = || lines.iter().rposition(is_commented_source);
    let first_restrict = || lines.iter().position(|line| line.keyword() == Some("restrict"));
    let (at, model) = match last_source {
        Some(index) => (index + 1, lines.get(index)),
        None => {
            (last_commented().map(|index| index + 1).or_else(first_restrict).unwrap_or(lines.len()), None)
        }
    };
    let neighbour = at.checked_sub(1).and_then(|before| lines.get(before));
    let ending = newline_of(document, neighbour);
    let indent = model.map(Line::indent).unwrap_or_default();
    let separator = model.map_or_else(|| " ".into(), |line| String::from_utf8_lossy(line.separator()));
    let mut with = Vec::new();
    // Behind a line that ends the file without a newline, that newline comes first.
    if neighbour.is_some_and(|line| line.terminator().is_empty()) {
        with.extend_from_slice(ending);
    }
    with.extend_from_slice(indent);
    with.extend_from_slice(server.line(&separator).as_bytes());
    with.extend_from_slice(ending);
    Patch { lines: at..at, with }
}

/// The newline of the neighbouring line, or of the file's first line, or LF.
fn newline_of<'a>(document: &'a Document, neighbour: Option<&'a Line>) -> &'a [u8] {
    neighbour
        .into_iter()
        .chain(document.lines().first())
        .map(Line::terminator)
        .find(|terminator| !terminator.is_empty())
        .unwrap_or(b"\n")
}

fn source_of(line: &Line) -> Option<Source> {
    if let Directive::Source(source) = interpret("", 1, line).directive? { Some(source) } else { None }
}

/// Whether a comment is a source line switched off, such as `#server ntp.example.net iburst`.
fn is_commented_source(line: &Line) -> bool {
    let Some(text) = line.commented_out() else { return false };
    let text = text.strip_prefix(b" ").or_else(|| text.strip_prefix(b"\t")).unwrap_or(text);
    let document = Document::parse(text);
    document.lines().first().is_some_and(|line| {
        // Prose such as "# server lines go here" is no source: every word must be understood.
        line.indent().is_empty() && source_of(line).is_some() && interpret("", 1, line).diagnostics.is_empty()
    })
}

/// Two names for the same host compare equal: letter case, a final dot, brackets and the ways to
/// write an IPv6 address do not matter.
pub fn canonical_host(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => bare.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
