//! Servers: added, removed, switched off and on, exchanged.

use std::net::{IpAddr, Ipv4Addr};

use crate::cst::{Document, Line};
use crate::directive::{AddressFamily, Directive, RestrictTarget, Role, Source, SourceOptions, interpret};

use super::{
    EditError, Patch, Plan, canonical_host, commented_source, first_mistake, insert_line, network_sources,
    quote, replace_line, replace_word, setting, source_of, splice,
};

/// A server to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    /// `server` or `pool`.
    pub role: Role,
    /// `-4`, `-6` or neither.
    pub family: AddressFamily,
    /// Name or address.
    pub host: String,
    /// Its options, word by word as in the file.
    pub options: Vec<String>,
}

/// What to do if the server stands there with other options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Conflict {
    /// Nothing: it is an error.
    #[default]
    Refuse,
    /// Its options are replaced.
    Replace,
    /// The new options are added to those that are there.
    Merge,
}

impl NewServer {
    /// The words behind the directive.
    fn words(&self, separator: &str) -> String {
        let family = match self.family {
            AddressFamily::Any => "",
            AddressFamily::V4 => "-4 ",
            AddressFamily::V6 => "-6 ",
        };
        let mut text = format!("{}{separator}{family}{}", self.role.keyword(), self.host);
        for word in &self.options {
            text.push(' ');
            text.push_str(word);
        }
        text
    }

    /// The source that the line will be read as.
    ///
    /// # Errors
    /// If the name or an option is no good, in words.
    pub fn check(&self) -> Result<Source, EditError> {
        let nonsense = |reason: String| Err(EditError::Nonsense(reason));
        let name = &self.host;
        if name.is_empty() || quote(name).as_deref() != Ok(name.as_str()) {
            return nonsense(format!("{name:?} cannot be a server's name"));
        }
        for word in &self.options {
            if quote(word).as_deref() != Ok(word.as_str()) {
                return nonsense(format!("{word:?} is no option of a server"));
            }
        }
        let text = self.words(" ");
        let meaning = interpret("", 1, &Line::parse(text.as_bytes()));
        match meaning.directive {
            Some(Directive::Source(source)) if source.reference_clock().is_some() => {
                nonsense(format!("{name} is a reference clock, not a server"))
            }
            Some(Directive::Source(source)) if !source.family_fits() => {
                nonsense(format!("{name} is no address of that family"))
            }
            Some(Directive::Source(source)) if source.host == *name => {
                first_mistake(&meaning.diagnostics).map(|()| source)
            }
            _ if name.contains("://") => {
                nonsense(format!("{name:?} cannot be a server's name: give the bare name"))
            }
            _ if name.parse::<std::net::SocketAddr>().is_ok() || name.matches(':').count() == 1 => {
                nonsense(format!("{name:?} cannot be a server's name: give the port with --port"))
            }
            _ => nonsense(format!("{name:?} cannot be a server's name")),
        }
    }

    /// Whether a source in the file is this one.
    fn is(&self, source: &Source, wanted: &Source) -> bool {
        canonical_host(&source.host) == canonical_host(&self.host)
            && source.family == self.family
            && source.options.port.unwrap_or(123) == wanted.options.port.unwrap_or(123)
    }
}

/// Plans to add a server beside those that are there.
///
/// # Errors
/// If the server makes no sense, or stands there with other options and nothing was said about that.
pub fn add_server(document: &Document, server: &NewServer, conflict: Conflict) -> Result<Plan, EditError> {
    let wanted = server.check()?;
    for (index, source) in network_sources(document) {
        if !server.is(&source, &wanted) {
            continue;
        }
        let number = index + 1;
        let Some(line) = document.line(index) else { continue };
        let same =
            |options: &SourceOptions| SourceOptions { port: options.port.or(Some(123)), ..options.clone() };
        let damaged = conflict == Conflict::Replace && setting::is_damaged(&line);
        if source.role == server.role && same(&source.options) == same(&wanted.options) && !damaged {
            let reason = format!("{} is already there", server.host);
            return Ok(Plan::Nothing { line: Some(number), reason });
        }
        return match conflict {
            Conflict::Refuse => {
                let text = crate::diagnostic::printable(line.raw()).trim().to_owned();
                let reason = format!(
                    "{} is already there with other options: {text}; say --merge or --replace",
                    server.host
                );
                Err(EditError::Conflict { line: number, reason })
            }
            Conflict::Replace => Ok(Plan::Change(vec![replace_line(index, with_options(&line, server))])),
            Conflict::Merge if source.role != server.role => {
                let reason = format!("{} is a `{}` there; say --replace", server.host, source.role.keyword());
                Err(EditError::Conflict { line: number, reason })
            }
            Conflict::Merge => setting::merge(document, index, &server.options),
        };
    }
    Ok(Plan::Change(vec![insertion(document, server)]))
}

/// A line with the words of another server, and its own indent and comment.
fn with_options(line: &Line<'_>, server: &NewServer) -> Vec<u8> {
    let tokens = line.tokens();
    let span = match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..0,
    };
    splice(line, span, server.words(&String::from_utf8_lossy(line.separator())).as_bytes())
}

/// Behind the last source; else behind the last one commented out; else before the first
/// `restrict`; else at the end.
fn insertion(document: &Document, server: &NewServer) -> Patch {
    let last = network_sources(document).next_back().map(|(index, _)| index);
    let commented = || document.lines().rposition(|line| commented_source(&line).is_some());
    let restrict = || document.lines().position(|line| line.keyword() == Some("restrict"));
    let at = match last {
        Some(index) => index + 1,
        None => commented().map(|index| index + 1).or_else(restrict).unwrap_or(document.len()),
    };
    let model = last.and_then(|index| document.line(index));
    let indent = model.as_ref().map(Line::indent).unwrap_or_default();
    let separator =
        model.as_ref().map_or_else(|| " ".into(), |line| String::from_utf8_lossy(line.separator()));
    insert_line(document, at, &[indent, server.words(&separator).as_bytes()].concat())
}

/// Whether a line's source is this host.
fn is_host(source: &Source, host: &str) -> bool {
    canonical_host(&source.host) == canonical_host(host)
}

fn not_there(host: &str) -> String {
    format!("{host} is not there")
}

/// The active lines of a host, counted from 0.
fn lines_of_host<'d>(document: &'d Document, host: &str) -> impl Iterator<Item = (usize, Line<'d>)> {
    let lines = document.lines().enumerate();
    lines.filter(move |(_, line)| source_of(line).is_some_and(|source| is_host(&source, host)))
}

const fn removal(index: usize) -> Patch {
    Patch { lines: index..index + 1, with: Vec::new() }
}

/// Plans to remove every active line of a host, with its own comment but not those above it.
pub fn remove_server(document: &Document, host: &str) -> Plan {
    let patches = lines_of_host(document, host).map(|(index, _)| removal(index)).collect();
    Plan::of(patches, || not_there(host))
}

/// Plans to remove every active line of a host, and every `restrict` line that is about it alone.
pub fn remove_server_and_rules(document: &Document, host: &str) -> Plan {
    let is_rule = |line: &Line<'_>| match interpret("", 1, line).directive {
        Some(Directive::Restrict(rule)) => restricts_only(&rule.target, host),
        _ => false,
    };
    let rules = document.lines().enumerate().filter(|(_, line)| is_rule(line));
    let mut own = lines_of_host(document, host).peekable();
    // The rules of a host that is no server are somebody else's.
    if own.peek().is_none() {
        return Plan::of(Vec::new(), || not_there(host));
    }
    Plan::of(own.chain(rules).map(|(index, _)| removal(index)).collect(), || not_there(host))
}

/// Whether an access rule is about this host and nobody else.
pub fn restricts_only(target: &RestrictTarget, host: &str) -> bool {
    match target {
        RestrictTarget::Default(_) | RestrictTarget::Source => false,
        RestrictTarget::Network { address, mask } => {
            let is_whole = match mask {
                IpAddr::V4(mask) => *mask == Ipv4Addr::BROADCAST,
                IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
            };
            is_whole && is_same(&address.to_string(), host)
        }
        RestrictTarget::Name { host: name, mask } => mask.is_none() && is_same(name, host),
    }
}

/// Plans to comment out every active line of a host.
pub fn disable_server(document: &Document, host: &str) -> Plan {
    let own = lines_of_host(document, host);
    let patches = own.map(|(index, line)| replace_line(index, [b"#", line.raw()].concat())).collect();
    Plan::of(patches, || {
        let off = document.lines().position(|line| switched_off(&line, host).is_some());
        off.map_or_else(
            || not_there(host),
            |index| format!("{host} is switched off already, in line {}", index + 1),
        )
    })
}

/// Plans to take the comment sign off a host's lines: off line number `only`, or off all of them where none
/// could stand for another.
///
/// # Errors
/// If the host is not there at all, or several lines name the same source.
pub fn enable_server(document: &Document, host: &str, only: Option<usize>) -> Result<Plan, EditError> {
    if let Some((index, _)) = network_sources(document).find(|(_, source)| is_host(source, host)) {
        let reason = format!("{host} is in use already");
        return Ok(Plan::Nothing { line: Some(index + 1), reason });
    }
    let off =
        document.lines().enumerate().filter_map(|(index, line)| Some((index, switched_off(&line, host)?)));
    let off: Vec<(usize, Source)> =
        off.filter(|(index, _)| only.is_none_or(|only| only == index + 1)).collect();
    if off.is_empty() {
        let place = only.map_or_else(String::new, |line| format!(" in line {line}"));
        let reason = format!("{}, not even as a comment{place}; add it with add-server", not_there(host));
        return Err(EditError::Nonsense(reason));
    }
    let identity = |source: &Source| (source.family, source.options.port.unwrap_or(123));
    for (at, (index, source)) in off.iter().enumerate() {
        if let Some((first, _)) = off[..at].iter().find(|(_, known)| identity(known) == identity(source)) {
            let lines = format!("lines {} and {}", first + 1, index + 1);
            let reason = format!("{lines} both name {host} in a comment: say which with --line N");
            return Err(EditError::Conflict { line: first + 1, reason });
        }
    }
    let without = |(index, _): &(usize, Source)| {
        let line = document.line(*index)?;
        let sign = line.comment()?;
        Some(replace_line(*index, splice(&line, sign..sign + 1, b"")))
    };
    Ok(Plan::of(off.iter().filter_map(without).collect(), || not_there(host)))
}

/// The source that a comment switches off, if it is this host: whoever names it knows that the word is one,
/// and what `disable-server` has written may be anything behind its sign.
pub fn switched_off(line: &Line<'_>, host: &str) -> Option<Source> {
    let text = line.commented_out()?;
    let source = source_of(&Line::parse(text)).filter(|source| is_host(source, host))?;
    // Prose begins behind one blank, and goes on in words that are no options.
    let one_blank = text.starts_with(b" ") && !text.starts_with(b"  ");
    let is_prose = one_blank && commented_source(line).is_none();
    (!is_prose).then_some(source)
}

/// Plans to put another host in the place of one, on every line of it; the options stay.
///
/// # Errors
/// If one is not there, or the other is there already or can be none.
pub fn replace_server(document: &Document, old: &str, new: &str) -> Result<Plan, EditError> {
    let server = NewServer {
        role: Role::Server,
        family: AddressFamily::Any,
        host: new.to_owned(),
        options: Vec::new(),
    };
    server.check()?;
    if let Some((index, _)) = network_sources(document).find(|(_, source)| is_host(source, new)) {
        let reason = format!("{new} is already there");
        if network_sources(document).any(|(_, source)| is_host(&source, old)) && !is_same(old, new) {
            return Err(EditError::Conflict { line: index + 1, reason });
        }
        return Ok(Plan::Nothing { line: Some(index + 1), reason });
    }
    let mut patches = Vec::new();
    for (index, source) in network_sources(document).filter(|(_, source)| is_host(source, old)) {
        let Some(line) = document.line(index) else { continue };
        let token = line.tokens().iter().skip(1).find(|token| token.text == source.host);
        patches.extend(token.map(|token| replace_line(index, replace_word(&line, token.span.clone(), new))));
    }
    if patches.is_empty() {
        return Err(EditError::Nonsense(not_there(old)));
    }
    Ok(Plan::of(patches, || not_there(old)))
}

fn is_same(one: &str, other: &str) -> bool {
    canonical_host(one) == canonical_host(other)
}

/// Plans to have these servers and no others: lines of those that stay are left as they are, the
/// others go, and new ones come behind the last that was there. Comments stay.
///
/// # Errors
/// If one of them makes no sense.
pub fn set_servers(document: &Document, servers: &[NewServer]) -> Result<Plan, EditError> {
    if servers.is_empty() {
        return Err(EditError::Nonsense("name at least one server".to_owned()));
    }
    let mut wanted: Vec<&NewServer> = Vec::new();
    for server in servers {
        server.check()?;
        if !wanted.iter().any(|known| is_same(&known.host, &server.host)) {
            wanted.push(server);
        }
    }
    let mut patches = Vec::new();
    let mut there = Vec::new();
    for (index, source) in network_sources(document) {
        if wanted.iter().any(|server| is_host(&source, &server.host)) {
            there.push(source);
        } else {
            patches.push(removal(index));
        }
    }
    wanted.retain(|server| !there.iter().any(|source| is_host(source, &server.host)));
    // All new lines form one insertion, which must not fall apart.
    let mut added: Option<Patch> = None;
    for server in wanted {
        let next = insertion(document, server);
        match &mut added {
            None => added = Some(next),
            // Only the first supplies a newline that the file lacks.
            Some(all) => {
                all.with.extend(next.with.into_iter().skip_while(|byte| matches!(byte, b'\r' | b'\n')));
            }
        }
    }
    patches.extend(added);
    Ok(Plan::of(patches, || "these are the servers already".to_owned()))
}
