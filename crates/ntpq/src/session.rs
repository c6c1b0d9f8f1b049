//! From the command line through hosts and commands to an exit code.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::{Options, Target, TargetError};
use crate::client::{Client, ClientError};
use crate::command::{self, CommandError, Context, Heading, Next, table};
use crate::exit::Exit;
use crate::history;
use crate::interactive;
use crate::json;
use crate::keys::Choice;
use crate::settings::Settings;
use crate::verify::{self, Wanted};
use ntp_os::terminal::{self, Keys, Pressed};
use ntp_proto::auth::KeyId;
use serde_json::json;

/// How long between two tries to reach a daemon that is waited for.
const RETRY: Duration = Duration::from_millis(500);

/// Asks every host every command.
pub fn run(options: &Options) -> Exit {
    let mut out = io::stdout().lock();
    let mut err = io::stderr().lock();
    let settings = Settings::of(options);
    let worst = serve(options, &settings, &mut out, &mut err);
    let worst = match out.flush() {
        Err(reason) if reason.kind() != io::ErrorKind::BrokenPipe => worst.max(Exit::Usage),
        _ => worst,
    };
    if options.compatible_exit && worst != Exit::Usage { Exit::Done } else { worst }
}

/// What is asked of whom.
struct Plan {
    hosts: Vec<String>,
    commands: Vec<String>,
    verify: bool,
}

impl Plan {
    /// `why` and `verify` stand where hosts do: they are what ntpq is started for most by people who do not know it.
    fn of(options: &Options) -> Result<Self, &'static str> {
        let mut commands = options.commands.clone();
        if options.peers {
            commands.push("peers".to_owned());
        }
        let mut hosts = options.hosts.clone();
        let mut verify = false;
        match hosts.first().map(String::as_str) {
            // About this machine.
            Some("why") => {
                commands.push(hosts.join(" "));
                hosts = vec!["localhost".to_owned()];
            }
            Some("verify") => {
                verify = true;
                hosts.remove(0);
                if hosts.is_empty() {
                    hosts.push("localhost".to_owned());
                }
            }
            _ => {}
        }
        let thresholds =
            options.offset_max.is_some() || options.distance_max.is_some() || options.sources_min.is_some();
        if !verify && (thresholds || !options.wait.is_zero()) {
            return Err("--max-offset, --max-distance, --min-sources and --wait are for `ntpq verify`");
        }
        if verify && (!commands.is_empty() || options.interactive) {
            return Err("`ntpq verify` goes with no other command");
        }
        if options.watch.is_some() && options.interactive {
            return Err("--watch goes with commands that are given, not with those that are typed");
        }
        if options.watch.is_some() && commands.is_empty() && !verify {
            commands.push("peers".to_owned());
        }
        Ok(Self { hosts, commands, verify })
    }
}

fn serve(options: &Options, settings: &Settings, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    if let Some(folder) = &options.history {
        return match history::run(folder.as_deref(), settings.json, out) {
            Ok(()) => Exit::Done,
            Err(error) => {
                drop(writeln!(err, "{error}"));
                Exit::Usage
            }
        };
    }
    let plan = match Plan::of(options) {
        Ok(plan) => plan,
        Err(reason) => {
            drop(writeln!(err, "ntpq: {reason}"));
            return Exit::Usage;
        }
    };
    let Some(seconds) = options.watch else { return ask_all(&plan, options, settings, out, err).0 };
    terminal::give_back_when_ended();
    let keys = Keys::listen();
    loop {
        let screen = keys.is_some() && settings.colour;
        if screen {
            // The cursor goes home, and what was there is cleared.
            drop(out.write_all(b"\x1b[H\x1b[2J").and_then(|()| out.flush()));
        }
        let (worst, heard) = ask_all(&plan, options, settings, out, err);
        if !heard || out.flush().is_err() {
            return worst;
        }
        let interval = Duration::from_secs(seconds.into());
        match &keys {
            // Ctrl-C, Ctrl-D and Ctrl-\ are keys here.
            Some(keys) => match keys.wait(interval) {
                Pressed::Key(b'q' | b'Q' | 3 | 4 | 28) | Pressed::Closed => return worst,
                Pressed::Key(_) | Pressed::Nothing => {}
            },
            None => thread::sleep(interval),
        }
    }
}

/// Asks every host; the worst that came of it, and whether anybody still reads what is said.
fn ask_all(
    plan: &Plan,
    options: &Options,
    settings: &Settings,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> (Exit, bool) {
    let width = plan.hosts.iter().map(|host| host.chars().count()).max().unwrap_or(0);
    let mut worst = Exit::Done;
    for host in &plan.hosts {
        let heading = (plan.hosts.len() > 1).then_some(Heading { width });
        // What a command changes holds for this host, and this time.
        let mut settings = settings.clone();
        let (exit, heard) = ask(host, heading, plan, options, &mut settings, out, err);
        worst = worst.max(exit);
        if !heard {
            return (worst, false);
        }
    }
    (worst, true)
}

fn ask(
    host: &str,
    heading: Option<Heading>,
    plan: &Plan,
    options: &Options,
    settings: &mut Settings,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> (Exit, bool) {
    let end = Instant::now() + options.wait;
    let mut client = match open(host, options, end) {
        Ok(client) => client,
        Err(failure) => {
            let exit = target_exit(&failure);
            let reason = match table::meant(host) {
                Ok(command) if table::names().any(|name| name == host) => {
                    let others =
                        plan.hosts.iter().filter(|other| *other != host).map(|other| format!(" {other}"));
                    format!("{failure}; for the command: ntpq -c {command}{}", others.collect::<String>())
                }
                Ok(_) | Err(_) => failure.to_string(),
            };
            drop(writeln!(err, "ntpq: {reason}"));
            if settings.json {
                drop(json::write(host, "", json!({ "error": reason }), out));
            }
            return (exit, true);
        }
    };
    client.set_debug(settings.debug > 0);
    match options.log_file.as_deref().map(|path| (path, File::options().create(true).append(true).open(path)))
    {
        Some((_, Ok(file))) => client.set_log(Some(Arc::new(file))),
        Some((path, Err(reason))) => {
            drop(writeln!(err, "ntpq: {}: {reason}", path.display().to_string().escape_debug()));
            return (Exit::Usage, true);
        }
        None => {}
    }
    let mut key = Choice {
        id: options.key.map(std::num::NonZeroU32::get).and_then(KeyId::new),
        file: options.key_file.clone(),
        ..Choice::default()
    };
    if plan.verify {
        let wanted = Wanted {
            offset_max: options.offset_max,
            distance_max: options.distance_max,
            sources_min: options.sources_min,
        };
        return match verify::run(&mut client, host, &wanted, end, settings.json, out) {
            Ok(exit) => (exit, true),
            Err(error) if error.is_unread() => (Exit::Done, false),
            Err(error) => {
                if settings.json {
                    drop(json::write(host, "verify", json!({ "error": error.to_string() }), out));
                }
                (explain(&error, &client, host, err), true)
            }
        };
    }
    let mut context =
        Context { client: &mut client, host: host.to_owned(), settings, key: &mut key, heading };
    let mut worst = Exit::Done;
    for line in &plan.commands {
        match execute(line, &mut context, out, err) {
            Ok(Next::Quit) => return (worst, true),
            Ok(Next::Unread) => return (worst, false),
            Ok(Next::Continue) => {}
            Err(exit) => worst = worst.max(exit),
        }
    }
    if plan.commands.is_empty() || options.interactive {
        worst = worst.max(converse(&mut context, out, err));
    }
    (worst, true)
}

/// Opens a conversation; while there is patience, again: a name may not resolve yet, nor a daemon listen.
fn open(host: &str, options: &Options, end: Instant) -> Result<Client, TargetError> {
    loop {
        let opened = Target::resolve(host, options.ipv4, options.ipv6).and_then(|target| connect(&target));
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || !matches!(opened, Err(TargetError::Unresolved(_))) {
            return opened;
        }
        thread::sleep(RETRY.min(left));
    }
}

/// `localhost` is `::1` first, where a daemon may not listen: the address that answers is taken. Where none does, the
/// last one: not every command asks, and each says what came of it.
pub(crate) fn connect(target: &Target) -> Result<Client, TargetError> {
    let mut last = Err(TargetError::Unresolved(format!("{}: has no address", target.name)));
    for address in &target.addresses {
        match Client::connect(*address) {
            Ok(mut client) if target.addresses.len() > 1 => {
                let answer = client.variables(0, &["leap"]);
                let silent = matches!(
                    answer,
                    Err(ClientError::NobodyListens(_) | ClientError::TimedOut | ClientError::Socket(_))
                );
                if !silent {
                    return Ok(client);
                }
                last = Ok(client);
            }
            Ok(client) => return Ok(client),
            Err(error) if last.is_err() => {
                last = Err(TargetError::Unresolved(format!("{}: {error}", target.name)));
            }
            Err(_) => {}
        }
    }
    last
}

/// Reads commands: from a terminal with editing, history and completion, else line by line.
fn converse(context: &mut Context<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    if io::stdin().is_terminal() {
        return interactive::converse(context, out, err);
    }
    let mut worst = Exit::Done;
    // Bytes that are no text are in no command, and end nothing.
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { return worst };
        match execute(&String::from_utf8_lossy(&line), context, out, err) {
            Ok(Next::Quit | Next::Unread) => return worst,
            Ok(Next::Continue) => {}
            Err(exit) => worst = worst.max(exit),
        }
    }
    worst
}

/// Runs one command; what went wrong is printed as the originals do, for scripts look for it.
pub(crate) fn execute(
    line: &str,
    context: &mut Context<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Next, Exit> {
    match command::run(line, context, out) {
        Ok(next) => Ok(next),
        // A reader that went away, as `head` does, has seen what it wanted.
        Err(error) if error.is_unread() => Ok(Next::Unread),
        Err(error) => Err(explain(&error, context.client, &context.host, err)),
    }
}

const fn target_exit(failure: &TargetError) -> Exit {
    match failure {
        TargetError::Malformed(_) => Exit::Usage,
        TargetError::Unresolved(_) => Exit::NoAnswer,
    }
}

/// Says what went wrong; what it is called among exit codes.
fn explain(error: &CommandError, client: &Client, host: &str, err: &mut dyn Write) -> Exit {
    let exit = match error {
        CommandError::Client(ClientError::Refused(_)) => Exit::Refused,
        CommandError::Client(
            ClientError::TimedOut
            | ClientError::NobodyListens(_)
            | ClientError::Inconsistent
            | ClientError::Unsigned(_)
            | ClientError::Socket(_),
        ) => Exit::NoAnswer,
        CommandError::Unreachable(failure) => target_exit(failure),
        CommandError::NotGood => return Exit::NotGood,
        CommandError::Declined => return Exit::Refused,
        CommandError::Client(ClientError::TooLong) | CommandError::Usage(_) | CommandError::Output(_) => {
            Exit::Usage
        }
    };
    let stars = if exit == Exit::Usage { "" } else { "***" };
    drop(writeln!(err, "{stars}{error}"));
    if matches!(error, CommandError::Client(ClientError::TimedOut)) && client.gives_time() {
        let host = host.escape_debug();
        drop(writeln!(
            err,
            "{host} is alive and gives the time, but answers no queries (`restrict ... noquery`)"
        ));
    }
    exit
}
