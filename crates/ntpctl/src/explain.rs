//! `ntpctl explain`: what a directive is for, what a line means, what a configuration comes to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;

use ntp_conf::directive::{AddressFamily, Restrict, RestrictTarget};
use ntp_conf::schema::{self, Entry, Setting, Support, Treatment, Value};
use ntp_conf::{
    Dialect, Document, Placed, Read, directive, drop_in_directory, effective, lines_of, syntax_error,
    understood,
};

use crate::cli::Explain;
use crate::exit::{Exit, Failure};
use crate::{file, printable};

/// Directives whose values make up the overview, in this order.
const OVERVIEW: [&str; 4] = ["driftfile", "leapfile", "tinker", "tos"];

pub(crate) fn run(request: &Explain, out: &mut dyn Write) -> Result<Exit, Failure> {
    let config = || file::read_all(&request.target.config, ntp_conf::FILE_LEN_MAX);
    match request.words.as_slice() {
        [] => overview(&config()?, request, out)?,
        [word] if !word.contains(char::is_whitespace) => match schema::entry(word) {
            // Without a file the directive is explained all the same.
            Some(entry) => explain_directive(entry, config().ok().as_ref(), out)?,
            None => explain_line(word, out)?,
        },
        words => explain_line(&words.join(" "), out)?,
    }
    Ok(Exit::Done)
}

fn explain_directive(entry: &'static Entry, read: Option<&Read>, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}\n    {}", entry.synopsis(), entry.meaning)?;
    if !entry.default.is_empty() {
        writeln!(out, "    Without it: {}.", entry.default)?;
    }
    for words in [support(entry.support), treatment(entry.treatment)].into_iter().flatten() {
        writeln!(out, "    {words}")?;
    }
    if !entry.settings.is_empty() {
        writeln!(out)?;
    }
    for setting in entry.settings {
        writeln!(out, "    {:<14} {}", setting.name, about(setting))?;
    }
    let Some(read) = read else { return Ok(()) };
    let mut places = lines_of(read, entry).peekable();
    if places.peek().is_some() {
        writeln!(out, "\nIt stands in:")?;
    }
    for at in places {
        let text = read.line(at).map(|line| String::from_utf8_lossy(line.raw()).trim().to_owned());
        writeln!(out, "    {:<24} {}", read.configuration.place(at), printable(&text.unwrap_or_default()))?;
    }
    Ok(())
}

/// A setting in one line.
fn about(setting: &Setting) -> String {
    let default = Some(setting.default).filter(|default| !default.is_empty());
    let default = default.map(|default| format!("; default {default}"));
    let remarks = [support(setting.support), treatment(setting.treatment)].into_iter().flatten();
    let remarks = remarks.map(|words| format!(" ({})", words.trim_end_matches('.').to_lowercase()));
    let range = setting.value.filter(|value| !matches!(value, Value::Text));
    let range = range.map(|value| format!("; {}", value.described()));
    [setting.meaning.to_owned()].into_iter().chain(range).chain(default).chain(remarks).collect()
}

fn support(support: Support) -> Option<String> {
    let words = match support {
        Support::Both => return None,
        Support::Classic => "Classic ntpd only.",
        Support::Ntpsec => "NTPsec only.",
        Support::Neither => "No daemon of today knows it.",
        Support::Ours => "This ntpd only.",
    };
    Some(words.to_owned())
}

fn treatment(treatment: Treatment) -> Option<String> {
    match treatment {
        Treatment::Acted => None,
        Treatment::Satisfied => Some("Always so here.".to_owned()),
        Treatment::Accepted => Some("Accepted, and not acted on.".to_owned()),
        Treatment::Rejected(instead) => Some(format!("Not supported: {instead}.")),
    }
}

fn explain_line(text: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let document = Document::parse(text.as_bytes());
    let Some(line) = document.line(0).filter(|_| document.len() == 1) else {
        return Err(Failure::Usage("explain one line at a time".to_owned()));
    };
    match understood(Dialect::Ours, &line) {
        Some(words) => {
            let entry = line.keyword().and_then(schema::entry);
            writeln!(out, "{words}\n    {}", entry.map_or("", |entry| entry.meaning))?;
            let named = line.tokens().iter().skip(1).filter_map(|token| {
                entry?.settings.iter().find(|setting| setting.name == token.text && !token.quoted)
            });
            for setting in named {
                writeln!(out, "    {:<14} {}", setting.name, about(setting))?;
            }
        }
        None => writeln!(out, "nothing follows from this line")?,
    }
    for finding in directive::interpret("line", 1, &line).diagnostics {
        writeln!(out, "\n{finding}")?;
    }
    for dialect in [Dialect::Classic, Dialect::Ntpsec] {
        if let Some((_, kept)) = syntax_error(dialect, &line) {
            let kept = kept.map_or_else(|| "ignores it".to_owned(), |kept| format!("reads `{kept}`"));
            writeln!(out, "\n{} reports a syntax error, and {kept}", dialect.name())?;
        }
    }
    Ok(())
}

fn overview(read: &Read, request: &Explain, out: &mut dyn Write) -> Result<(), Failure> {
    file::warn_of_gaps(read);
    writeln!(out, "files, in the order in which they are read:")?;
    for path in &read.configuration.files {
        writeln!(out, "    {}", path.display())?;
    }
    let drop_ins = drop_in_directory(&request.target.config);
    if !read.configuration.files.iter().any(|path| path.starts_with(&drop_ins)) {
        writeln!(out, "    ({} holds none)", drop_ins.display())?;
    }
    writeln!(out, "\nvalues in force:")?;
    for entry in OVERVIEW.into_iter().filter_map(schema::entry) {
        values(read, entry, out)?;
    }
    writeln!(out, "\nservers: {} (see `ntpctl list`)", read.configuration.sources.len())?;
    writeln!(out, "\nwho may ask; the first that fits counts:")?;
    for (whom, what, places) in access(read) {
        writeln!(out, "    {whom:<32} {what:<36} {places}")?;
    }
    Ok(())
}

fn values(read: &Read, entry: &'static Entry, out: &mut dyn Write) -> Result<(), Failure> {
    let found = effective(read, entry);
    if entry.settings.is_empty() || !entry.needs_setting {
        match found.iter().find(|value| value.setting.is_none()) {
            Some(value) if !value.value.is_empty() => {
                let place = read.configuration.place(value.at);
                writeln!(out, "    {:<36} {place}", format!("{} {}", entry.name, printable(&value.value)))?;
            }
            Some(value) => {
                let place = read.configuration.place(value.at);
                writeln!(out, "    {:<36} {place}", format!("{} (none)", entry.name))?;
            }
            None => writeln!(out, "    {:<36} default", format!("{} (none)", entry.name))?,
        }
    }
    for setting in entry.settings.iter().filter(|setting| !setting.default.is_empty()) {
        let own = found.iter().find(|value| value.setting == Some(setting.name));
        let (value, place) = match own {
            Some(value) => (printable(&value.value), read.configuration.place(value.at)),
            None => (setting.default.to_owned(), "default".to_owned()),
        };
        if own.is_some() || setting.treatment == Treatment::Acted {
            writeln!(out, "    {:<36} {place}", format!("{} {} {value}", entry.name, setting.name))?;
        }
    }
    Ok(())
}

/// Whom a rule is about, so that equal ones compare equal: how specific it is, and then what.
type Key = (u32, String, bool);

/// The access list as it is searched: the most specific first; what equal ones forbid adds up.
fn access(read: &Read) -> Vec<(String, String, String)> {
    let mut rules: BTreeMap<Reverse<Key>, Vec<&Placed<Restrict>>> = BTreeMap::new();
    for rule in &read.configuration.restrictions {
        for (specific, whom) in describe(&rule.value.target) {
            let key = (specific, whom, rule.value.flags.ntpport);
            rules.entry(Reverse(key)).or_default().push(rule);
        }
    }
    let mut shown: Vec<(String, String, String)> = Vec::new();
    for (Reverse((_, whom, _)), same) in &rules {
        let places: Vec<String> = same.iter().map(|rule| read.configuration.place(rule.at)).collect();
        shown.push((whom.clone(), allowed(same), places.join(", ")));
    }
    for family in [V4, V6] {
        if !rules.keys().any(|Reverse((_, whom, ntpport))| whom == family && !ntpport) {
            let what =
                if rules.is_empty() { "time; queries from this machine only" } else { "time and queries" };
            shown.push((family.to_owned(), what.to_owned(), "default".to_owned()));
        }
    }
    shown
}

const V4: &str = "everybody, IPv4";
const V6: &str = "everybody, IPv6";

fn allowed(rules: &[&Placed<Restrict>]) -> String {
    let any = |flag: fn(&Restrict) -> bool| rules.iter().any(|rule| flag(&rule.value));
    let ignore = any(|rule| rule.flags.ignore);
    let mut text = match (ignore || any(|rule| rule.flags.noserve), ignore || any(|rule| rule.flags.noquery))
    {
        (true, true) => "nothing".to_owned(),
        (true, false) => "queries".to_owned(),
        (false, true) => "time".to_owned(),
        (false, false) => "time and queries".to_owned(),
    };
    if any(|rule| rule.flags.ntpport) {
        text += " (if they ask from port 123)";
    }
    text
}

/// Whom a rule is about, and how specific that is.
fn describe(target: &RestrictTarget) -> Vec<(u32, String)> {
    let one = |specific, text: String| vec![(specific, text)];
    match target {
        RestrictTarget::Default(AddressFamily::Any) => vec![(0, V4.to_owned()), (0, V6.to_owned())],
        RestrictTarget::Default(AddressFamily::V4) => one(0, V4.to_owned()),
        RestrictTarget::Default(AddressFamily::V6) => one(0, V6.to_owned()),
        RestrictTarget::Source => one(128, "the servers that are asked".to_owned()),
        RestrictTarget::Network { address, mask } => match (address, mask) {
            // Without a mask, these too mean everybody.
            (IpAddr::V4(address), _) if address.is_unspecified() => one(0, V4.to_owned()),
            (IpAddr::V6(address), _) if address.is_unspecified() => one(0, V6.to_owned()),
            (IpAddr::V4(address), IpAddr::V4(mask)) => {
                let (network, ones) = (*address & *mask, u32::from(*mask).count_ones());
                one(ones, if ones == 32 { network.to_string() } else { format!("{network} mask {mask}") })
            }
            (IpAddr::V6(address), IpAddr::V6(mask)) => {
                let (network, ones) = (*address & *mask, u128::from(*mask).count_ones());
                one(ones, if ones == 128 { network.to_string() } else { format!("{network} mask {mask}") })
            }
            _ => Vec::new(),
        },
        RestrictTarget::Name { host, mask: None } => one(127, host.clone()),
        RestrictTarget::Name { host, mask: Some(mask) } => one(126, format!("{host} mask {mask}")),
    }
}
