//! The commands that change a file, each as a plan for it.

use std::io::Write;
use std::path::{Path, PathBuf};

use ntp_conf::directive::{AddressFamily, Role, Source};
use ntp_conf::edit::{self, Conflict, EditError, NewServer, Plan, canonical_host};
use ntp_conf::{At, Document, Placed, drop_in_directory, has_setting, lines_of, schema};

use crate::change::{Change, carry_out};
use crate::cli::{
    AddServer, Apply, DisableServer, EnableServer, RemoveServer, ReplaceServer, SetOption, SetServers,
    SetValue, UnsetOption,
};
use crate::exit::{Exit, Failure};
use crate::file;
use crate::settings::Settings;
use crate::verify::Expectation;

/// The file in `ntp.d` that `--drop-in` writes.
const DROP_IN: &str = "ntpctl.conf";

/// What the commands share.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) out: &'a mut dyn Write,
}

type Outcome = Result<Exit, Failure>;

pub(crate) fn add_server(request: &AddServer, context: &mut Context<'_>) -> Outcome {
    let mut options = Vec::new();
    if let Some(port) = request.port {
        options.extend(["port".to_owned(), port.to_string()]);
    }
    let given = |name: &str| request.options.iter().any(|word| word == name);
    // What is there already is not given what nobody asked for.
    let default = !request.no_iburst && !request.merge;
    if (default || request.iburst) && !given("iburst") {
        options.push("iburst".to_owned());
    }
    if request.prefer && !given("prefer") {
        options.push("prefer".to_owned());
    }
    options.extend(request.options.iter().cloned());
    let server = NewServer {
        role: if request.pool { Role::Pool } else { Role::Server },
        family: match (request.ipv4, request.ipv6) {
            (true, _) => AddressFamily::V4,
            (_, true) => AddressFamily::V6,
            _ => AddressFamily::Any,
        },
        host: request.host.clone(),
        options,
    };
    let wanted = server.check().map_err(|error| Failure::Usage(error.to_string()))?;
    let conflict = match (request.replace, request.merge) {
        (true, _) => Conflict::Replace,
        (_, true) => Conflict::Merge,
        _ => Conflict::Refuse,
    };
    if request.apply.drop_in
        && let Some((place, there)) = named_elsewhere(&request.apply, &wanted)?
    {
        if (there.role, &there.options) != (wanted.role, &wanted.options) {
            let reason = format!("{place}: {} is already there with other options", request.host);
            return Err(Failure::Refused(reason));
        }
        writeln!(context.out, "{place}: {} is already there; nothing to do", request.host)?;
        return Ok(Exit::Done);
    }
    let path = place_of(&request.apply, Some(&request.host), false)?;
    let answers = |new: &Document| vec![Expectation::answers_as(new, &wanted)];
    perform(&path, &request.apply, answers, context, |document| edit::add_server(document, &server, conflict))
}

/// The same server in a file that `--drop-in` does not write.
fn named_elsewhere(apply: &Apply, wanted: &Source) -> Result<Option<(String, Source)>, Failure> {
    let configuration = file::read_all(&apply.config, ntp_conf::FILE_LEN_MAX)?.configuration;
    let own = own_file(&apply.config, true);
    let port = |source: &Source| source.options.port.unwrap_or(123);
    let found = configuration.sources.iter().find(|source| {
        let same = (source.value.family, port(&source.value)) == (wanted.family, port(wanted));
        is_source(source, &wanted.host) && same && configuration.file(source.at) != own
    });
    Ok(found.map(|source| (configuration.place(source.at), source.value.clone())))
}

fn is_source(source: &Placed<Source>, host: &str) -> bool {
    canonical_host(&source.value.host) == canonical_host(host)
}

/// The configuration file, or the one beside it that `--drop-in` writes.
pub(crate) fn own_file(config: &Path, drop_in: bool) -> PathBuf {
    if drop_in { drop_in_directory(config).join(DROP_IN) } else { config.to_owned() }
}

pub(crate) fn remove_server(request: &RemoveServer, context: &mut Context<'_>) -> Outcome {
    let path = place_of(&request.apply, Some(&request.host), false)?;
    let gone = Expectation::Gone { host: request.host.clone() };
    name_its_rules(&path, request, context)?;
    let plan = |document: &Document| {
        let remove = match (request.comment, request.with_restrict) {
            (true, _) => edit::disable_server,
            (_, true) => edit::remove_server_and_rules,
            _ => edit::remove_server,
        };
        let plan = remove(document, &request.host);
        if let (Plan::Nothing { reason, .. }, true) = (&plan, request.strict) {
            return Err(EditError::Nonsense(reason.clone()));
        }
        Ok(plan)
    };
    perform(&path, &request.apply, |_| vec![gone], context, plan)
}

/// Access rules that are about the server alone and stay.
fn name_its_rules(path: &Path, request: &RemoveServer, context: &mut Context<'_>) -> Result<(), Failure> {
    let configuration = file::read_all(&request.apply.config, ntp_conf::FILE_LEN_MAX)?.configuration;
    for rule in &configuration.restrictions {
        let is_here = configuration.file(rule.at) == path;
        if !edit::restricts_only(&rule.value.target, &request.host) || request.with_restrict && is_here {
            continue;
        }
        let place = configuration.place(rule.at);
        let remedy = if is_here { "--with-restrict removes it too" } else { "it is in another file" };
        writeln!(context.out, "note: {place} restricts {} and stays: {remedy}", request.host)?;
    }
    Ok(())
}

pub(crate) fn enable_server(request: &EnableServer, context: &mut Context<'_>) -> Outcome {
    let path = place_of(&request.apply, Some(&request.host), true)?;
    let answers = |new: &Document| Expectation::answers_in(new, &request.host);
    let plan = |document: &Document| edit::enable_server(document, &request.host, request.line);
    // What was switched off comes back as it was, whatever is wrong with it.
    perform_whatever(&path, &request.apply, answers, context, plan, true)
}

pub(crate) fn disable_server(request: &DisableServer, context: &mut Context<'_>) -> Outcome {
    let path = place_of(&request.apply, Some(&request.host), false)?;
    let gone = Expectation::Gone { host: request.host.clone() };
    perform(
        &path,
        &request.apply,
        |_| vec![gone],
        context,
        |document| Ok(edit::disable_server(document, &request.host)),
    )
}

pub(crate) fn replace_server(request: &ReplaceServer, context: &mut Context<'_>) -> Outcome {
    let path = place_of(&request.apply, Some(&request.old), false)?;
    let expected = |new: &Document| {
        let mut expected = Expectation::answers_in(new, &request.new);
        expected.push(Expectation::Gone { host: request.old.clone() });
        expected
    };
    perform(&path, &request.apply, expected, context, |document| {
        edit::replace_server(document, &request.old, &request.new)
    })
}

pub(crate) fn set_servers(request: &SetServers, context: &mut Context<'_>) -> Outcome {
    let role = if request.pool { Role::Pool } else { Role::Server };
    let options = vec!["iburst".to_owned()];
    let server = |host: &String| NewServer {
        role,
        family: AddressFamily::Any,
        host: host.clone(),
        options: options.clone(),
    };
    let servers: Vec<NewServer> = request.hosts.iter().map(server).collect();
    let path = place_of(&request.apply, None, false)?;
    warn_of_others(&path, request, context)?;
    let expected =
        |new: &Document| request.hosts.iter().flat_map(|host| Expectation::answers_in(new, host)).collect();
    perform(&path, &request.apply, expected, context, |document| edit::set_servers(document, &servers))
}

/// Servers that other files name are not touched.
fn warn_of_others(path: &Path, request: &SetServers, context: &mut Context<'_>) -> Result<(), Failure> {
    let read = file::read_all(&request.apply.config, ntp_conf::FILE_LEN_MAX)?;
    let configuration = &read.configuration;
    for source in &configuration.sources {
        let is_wanted = |host: &String| is_source(source, host);
        let stays = source.value.reference_clock().is_none() && !request.hosts.iter().any(is_wanted);
        if stays && configuration.file(source.at) != path {
            let place = configuration.place(source.at);
            writeln!(context.out, "warning: {} stays: {place} names it", source.value.host)?;
        }
    }
    Ok(())
}

pub(crate) fn set_option(request: &SetOption, context: &mut Context<'_>) -> Outcome {
    let path = place_of(&request.apply, Some(&request.host), false)?;
    // Of these the server itself must take notice.
    let reaches_it = ["key", "port", "version"].contains(&request.option.as_str());
    let expected = |new: &Document| {
        if reaches_it { Expectation::answers_in(new, &request.host) } else { vec![Expectation::Serves] }
    };
    perform(&path, &request.apply, expected, context, |document| {
        edit::set_option(document, &request.host, &request.option, request.value.as_deref())
    })
}

pub(crate) fn unset_option(request: &UnsetOption, context: &mut Context<'_>) -> Outcome {
    let path = place_of(&request.apply, Some(&request.host), false)?;
    perform(
        &path,
        &request.apply,
        |_| vec![Expectation::Serves],
        context,
        |document| edit::unset_option(document, &request.host, &request.option),
    )
}

pub(crate) fn set(request: &SetValue, context: &mut Context<'_>) -> Outcome {
    on_value(request, context, edit::set, false)
}

pub(crate) fn unset(request: &SetValue, context: &mut Context<'_>) -> Outcome {
    on_value(request, context, edit::unset, true)
}

fn on_value(
    request: &SetValue,
    context: &mut Context<'_>,
    plan: fn(&Document, &[String]) -> Result<Plan, EditError>,
    only_place: bool,
) -> Outcome {
    let own = || own_file(&request.apply.config, request.apply.drop_in);
    let places = places_of_value(request)?;
    if only_place
        && let [first, .., last] = places.as_slice()
        && first.0 != last.0
    {
        let reason = format!("{} and {} set it: edit one of them first, with -c", first.1, last.1);
        return Err(Failure::Refused(reason));
    }
    let path = places.into_iter().next_back().map_or_else(own, |(path, _)| path);
    let expected = |_: &Document| vec![Expectation::Serves];
    perform(&path, &request.apply, expected, context, |document| plan(document, &request.words))
}

/// The files in which a value stands, the one that counts last; if it stands nowhere, the file with the
/// last line of its directive.
fn places_of_value(request: &SetValue) -> Result<Vec<(PathBuf, String)>, Failure> {
    if request.apply.drop_in {
        return Ok(Vec::new());
    }
    let Some(entry) = request.words.first().and_then(|word| schema::entry(word)) else {
        return Ok(Vec::new());
    };
    let read = file::read_all(&request.apply.config, ntp_conf::FILE_LEN_MAX)?;
    let name = request.words.get(1).map(String::as_str).filter(|_| entry.needs_setting);
    let lines: Vec<At> = lines_of(&read, entry).collect();
    let mut own: Vec<At> =
        lines.iter().copied().filter(|at| name.is_none_or(|name| has_setting(&read, *at, name))).collect();
    if own.is_empty() {
        own.extend(lines.last());
    }
    let place = |at: At| (read.configuration.file(at).to_owned(), read.configuration.place(at));
    Ok(own.into_iter().map(place).collect())
}

/// Where a change belongs: the file that holds the host's line, which may be an included one; else
/// the configuration file, or the one in `ntp.d`.
fn place_of(apply: &Apply, host: Option<&str>, commented: bool) -> Result<PathBuf, Failure> {
    let Some(host) = host.filter(|_| !apply.drop_in) else {
        return Ok(own_file(&apply.config, apply.drop_in));
    };
    let read = file::read_all(&apply.config, ntp_conf::FILE_LEN_MAX)?;
    let configuration = &read.configuration;
    let all = configuration.sources.iter().chain(&configuration.duplicates);
    let mut own = all.filter(|source| is_source(source, host));
    if let Some(first) = own.next() {
        // One change is one file: what two of them name is for a person to sort out.
        return match own.find(|other| other.at.file != first.at.file) {
            None => Ok(configuration.file(first.at).to_owned()),
            Some(second) => {
                let places = [first, second].map(|source| configuration.place(source.at));
                let reason = format!("{} name {host}: edit one of them first, with -c", places.join(" and "));
                Err(Failure::Refused(reason))
            }
        };
    }
    let is_off =
        |document: &&Document| document.lines().any(|line| edit::switched_off(&line, host).is_some());
    let files = configuration.files.iter().zip(&read.documents);
    let found = files.filter(|_| commented).find(|(_, document)| is_off(document));
    Ok(found.map_or_else(|| apply.config.clone(), |(path, _)| path.clone()))
}

/// Plans, and carries the plan out.
fn perform(
    path: &Path,
    apply: &Apply,
    expected: impl FnOnce(&Document) -> Vec<Expectation>,
    context: &mut Context<'_>,
    plan: impl FnOnce(&Document) -> Result<Plan, EditError>,
) -> Outcome {
    perform_whatever(path, apply, expected, context, plan, false)
}

/// The same; `whatever` says whether new errors are no reason against it.
fn perform_whatever(
    path: &Path,
    apply: &Apply,
    expected: impl FnOnce(&Document) -> Vec<Expectation>,
    context: &mut Context<'_>,
    plan: impl FnOnce(&Document) -> Result<Plan, EditError>,
    whatever: bool,
) -> Outcome {
    let old = if apply.drop_in { file::read_if_there(path)? } else { Some(file::read(path)?) };
    file::refuse_foreign(path, old.as_deref().unwrap_or_default())?;
    file::refuse_if_no_configuration(path, old.as_deref().unwrap_or_default())?;
    let document = Document::parse(old.as_deref().unwrap_or_default());
    let plan = plan(&document).map_err(|error| match error {
        EditError::Nonsense(reason) => Failure::Usage(reason),
        EditError::Conflict { line, reason } => {
            Failure::Refused(format!("{}:{line}: {reason}", path.display()))
        }
    })?;
    if let Plan::Nothing { line, reason } = &plan {
        let line = line.map_or_else(String::new, |line| format!(":{line}"));
        writeln!(context.out, "{}{line}: {reason}; nothing to do", path.display())?;
        return Ok(Exit::Done);
    }
    if path != apply.config {
        writeln!(context.out, "the change belongs into {}", path.display())?;
    }
    let new = plan.apply(&document);
    let expected = expected(&Document::parse(&new));
    let change = Change { path, old: old.as_deref(), new: &new, expected, whatever };
    carry_out(&change, apply, context.settings, context.out)
}
