//! From the command line through hosts and commands to an exit code.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use crate::cli::{Options, Target};
use crate::client::{Client, ClientError};
use crate::command::{self, CommandError, Context, Heading, Next};
use crate::exit::Exit;
use crate::keys::Choice;
use ntp_proto::auth::KeyId;

/// Asks every host every command.
pub fn run(options: &Options) -> Exit {
    let mut out = io::stdout().lock();
    let mut err = io::stderr().lock();
    let worst = serve(options, &mut out, &mut err);
    match out.flush() {
        Err(reason) if reason.kind() != io::ErrorKind::BrokenPipe => worst.max(Exit::Usage),
        _ => worst,
    }
}

fn serve(options: &Options, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let mut commands = options.commands.clone();
    if options.peers {
        commands.push("peers".to_owned());
    }
    // `ntpq why [SOURCE]` is about this machine.
    let mut hosts = options.hosts.clone();
    if hosts.first().is_some_and(|word| word == "why") {
        commands.push(hosts.join(" "));
        hosts = vec!["localhost".to_owned()];
    }
    let is_why = |line: &String| line.split_whitespace().next() == Some("why");
    if options.json && (commands.is_empty() || !commands.iter().all(is_why)) {
        drop(writeln!(err, "ntpq: --json is for `why` only"));
        return Exit::Usage;
    }
    let width = hosts.iter().map(|host| host.chars().count()).max().unwrap_or(0);
    let mut worst = Exit::Done;
    for host in &hosts {
        let heading = (hosts.len() > 1).then_some(Heading { host, width });
        let outcome = ask(host, heading, &commands, options, out, err);
        worst = worst.max(outcome);
    }
    worst
}

fn ask(
    host: &str,
    heading: Option<Heading<'_>>,
    commands: &[String],
    options: &Options,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let opened = Target::resolve(host, options.ipv4, options.ipv6).and_then(|target| connect(&target));
    let mut client = match opened {
        Ok(client) => client,
        Err(reason) => {
            drop(writeln!(err, "ntpq: {reason}"));
            return Exit::NoAnswer;
        }
    };
    let mut key = Choice {
        id: options.key.map(std::num::NonZeroU32::get).and_then(KeyId::new),
        file: options.key_file.clone(),
        ..Choice::default()
    };
    let (numeric, json) = (options.numeric, options.json);
    let mut context = Context { client: &mut client, numeric, host, json, key: &mut key, heading };
    if commands.is_empty() {
        return converse(&mut context, out, err);
    }
    let mut worst = Exit::Done;
    for line in commands {
        match execute(line, &mut context, out, err) {
            Ok(Next::Quit) => break,
            Ok(Next::Continue) => {}
            Err(exit) => worst = worst.max(exit),
        }
    }
    worst
}

/// `localhost` is `::1` first, where a daemon may not listen: the address that answers is taken.
fn connect(target: &Target) -> Result<Client, String> {
    let mut last = Err(format!("{}: has no address", target.name));
    for address in &target.addresses {
        match Client::connect(*address) {
            Ok(mut client) if target.addresses.len() > 1 => match client.variables(0, &["leap"]) {
                Err(
                    error @ (ClientError::NobodyListens(_) | ClientError::TimedOut | ClientError::Socket(_)),
                ) => {
                    last = Err(error.to_string());
                }
                _ => return Ok(client),
            },
            Ok(client) => return Ok(client),
            Err(error) => last = Err(format!("{}: {error}", target.name)),
        }
    }
    last
}

/// Reads commands from standard input.
fn converse(context: &mut Context<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let prompt = io::stdin().is_terminal();
    let mut worst = Exit::Done;
    let mut lines = io::stdin().lock().lines();
    loop {
        if prompt {
            drop(write!(out, "ntpq> ").and_then(|()| out.flush()));
        }
        let Some(Ok(line)) = lines.next() else { return worst };
        match execute(&line, context, out, err) {
            Ok(Next::Quit) => return worst,
            Ok(Next::Continue) => {}
            Err(exit) => worst = worst.max(exit),
        }
    }
}

/// Runs one command; what went wrong is printed as the originals do, for scripts look for it.
fn execute(
    line: &str,
    context: &mut Context<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Next, Exit> {
    let error = match command::run(line, context, out) {
        Ok(next) => return Ok(next),
        Err(error) => error,
    };
    let exit = match &error {
        CommandError::Client(ClientError::Refused(_)) => Exit::Refused,
        CommandError::Client(
            ClientError::TimedOut
            | ClientError::NobodyListens(_)
            | ClientError::Inconsistent
            | ClientError::Socket(_),
        ) => Exit::NoAnswer,
        // A reader that went away, as `head` does, has seen what it wanted.
        CommandError::Output(reason) if reason.kind() == io::ErrorKind::BrokenPipe => return Ok(Next::Quit),
        CommandError::NotGood => return Err(Exit::NotGood),
        CommandError::Declined => return Err(Exit::Refused),
        CommandError::Usage(_) | CommandError::Output(_) => Exit::Usage,
    };
    let stars = if exit == Exit::Usage { "" } else { "***" };
    drop(writeln!(err, "{stars}{error}"));
    if matches!(error, CommandError::Client(ClientError::TimedOut)) && context.client.gives_time() {
        let host = context.host.escape_debug();
        drop(writeln!(
            err,
            "{host} is alive and gives the time, but answers no queries (`restrict ... noquery`)"
        ));
    }
    Err(exit)
}
