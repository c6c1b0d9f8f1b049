//! Lines of configuration that came by query: which are taken, and what becomes of those that came before.

use ntp_conf::directive::{Directive, Switch, interpret};
use ntp_conf::edit::canonical_host;
use ntp_conf::{Document, Severity};
use ntp_proto::system::Snapshot;

/// Lines that are taken by query.
const LINES_MAX: usize = 1000;

/// Lines that hold until the daemon ends, as if they stood at the end of ntp.conf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

#[derive(Clone, Debug)]
struct Line {
    text: String,
    /// The source that it names or takes out, if it does.
    source: Option<String>,
    /// Whether it says who may ask what.
    restricts: bool,
}

impl Lines {
    /// The lines.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|line| line.text.clone()).collect()
    }

    /// How many of them say who may ask what.
    pub(crate) fn restrictions(&self) -> usize {
        self.0.iter().filter(|line| line.restricts).count()
    }

    /// Takes a line, which holds when the configuration is read next; the reason why not names the column as ntpd
    /// does.
    pub(crate) fn take(&mut self, text: &str, snapshot: &Snapshot) -> Result<(), String> {
        let directive = judge(text)?;
        let mut line = Line { text: text.to_owned(), source: None, restricts: false };
        if let Directive::Source(source) = &directive {
            line.source = Some(canonical_host(&source.host));
        } else if let Directive::Unpeer(named) = &directive {
            let host = canonical_host(&host_of(named, snapshot)?);
            line = Line { text: format!("unpeer {host}"), source: Some(host), restricts: false };
        } else {
            line.restricts = matches!(directive, Directive::Restrict(_));
        }
        // The last word about a source holds, and `unpeer` would hold for a whole file; nothing need be said twice.
        self.0.retain(|known| {
            let about_it = known.source.is_some() && known.source == line.source;
            !about_it && known.text != line.text
        });
        if self.0.len() >= LINES_MAX {
            return Err(format!(
                "column 0 {LINES_MAX} lines are in force by query: write this one into ntp.conf"
            ));
        }
        self.0.push(line);
        Ok(())
    }
}

/// The host of a source that is named, or numbered as `associations` shows it.
fn host_of(named: &str, snapshot: &Snapshot) -> Result<String, String> {
    let wanted = canonical_host(named);
    let hosts = snapshot.peers.iter().map(|peer| {
        let address = peer.remote.ip().to_string();
        (peer.id.number().to_string(), peer.host.clone().unwrap_or_else(|| address.clone()), address)
    });
    let mut matching = hosts.filter(|(number, host, address)| {
        number == named || canonical_host(host) == wanted || *address == wanted
    });
    let found = matching.next().map(|(_, host, _)| host);
    found.ok_or_else(|| format!("column 0 there is no source {named}: see `ntpq -c associations`"))
}

/// Whether a line can be put in force while the daemon runs.
fn judge(text: &str) -> Result<Directive, String> {
    if text.contains(['\n', '\r']) {
        return Err("column 0 syntax error, one line at a time".to_owned());
    }
    if let Some(column) = text.chars().position(|c| c.is_control() && c != '\t') {
        return Err(format!("column {column} syntax error, a character that cannot be printed"));
    }
    let document = Document::parse(text.as_bytes());
    let Some(line) = document.line(0) else {
        return Err("column 0 syntax error, an empty line".to_owned());
    };
    let meaning = interpret("query", 1, &line);
    if let Some(error) = meaning.diagnostics.iter().find(|found| found.severity == Severity::Error) {
        return Err(format!("column {} syntax error, {}", error.location.column - 1, error.message));
    }
    let word = line.keyword().unwrap_or_default();
    let Some(directive) = meaning.directive else {
        let empty = line.tokens().is_empty();
        let reason = if empty { "syntax error, an empty line" } else { "this has no effect here" };
        return Err(format!("column 0 {reason}"));
    };
    match &directive {
        Directive::Source(_)
        | Directive::Unpeer(_)
        | Directive::Fudge(_)
        | Directive::Tos(_)
        | Directive::Restrict(_)
        | Directive::Limit(_)
        | Directive::Interface(_)
        | Directive::LogConfig(_)
        | Directive::TrustedKeys(_) => Ok(directive),
        Directive::Switch(switches) if switches.iter().all(|(switch, _)| is_live(*switch)) => Ok(directive),
        // Files are read and written where only whoever may write ntp.conf says.
        Directive::StatisticsFolder(_)
        | Directive::Statistics(_)
        | Directive::FileGeneration(_)
        | Directive::Keys(_)
        | Directive::ControlKey(_)
        | Directive::Reticence(_)
        | Directive::LeapFile(_)
        | Directive::Include(_) => {
            Err(format!("column 0 `{word}` is not taken by query: write it into ntp.conf, and reload"))
        }
        Directive::Switch(_)
        | Directive::DriftFile(_)
        | Directive::LogFile(_)
        | Directive::PidFile(_)
        | Directive::Tinker(_)
        | Directive::Mru(_)
        | Directive::CodePoint(_)
        | Directive::ServerThreads(_) => {
            Err(format!("column 0 `{word}` holds from a restart on: write it into ntp.conf"))
        }
    }
}

/// Whether a switch of `enable` and `disable` holds at once.
const fn is_live(switch: Switch) -> bool {
    matches!(switch, Switch::Monitor | Switch::Statistics)
}
