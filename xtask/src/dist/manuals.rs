//! Manual pages and completions, from the programs' own tables.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::write;
use crate::process::root;

/// Where each shell looks for completions of a program.
const COMPLETIONS: [(Shell, &str, &str, &str); 3] = [
    (Shell::Bash, "usr/share/bash-completion/completions/", "", ""),
    (Shell::Fish, "usr/share/fish/vendor_completions.d/", "", ".fish"),
    (Shell::Zsh, "usr/share/zsh/vendor-completions/", "_", ""),
];

/// The programs with the sections of their pages.
fn programs() -> [(Command, &'static str); 3] {
    [
        (ntpd::cli::Options::command(), "8"),
        (ntpctl::cli::Options::command(), "8"),
        (ntpq::cli::Options::command(), "1"),
    ]
}

/// Puts the pages and the completions where they belong under `stage`.
pub(super) fn place(stage: &Path, date: &str) -> Result<(), String> {
    for (command, section) in programs() {
        let name = command.get_name().to_owned();
        let folder = stage.join(format!("usr/share/man/man{section}"));
        let main = page(command.clone(), section, date)?;
        compressed(&folder.join(format!("{name}.{section}")), &main)?;
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            // clap takes names that live as long as the program.
            let full: &'static str = format!("{name}-{}", sub.get_name()).leak();
            let words = format!("{name} {}", sub.get_name());
            let one = page(sub.clone().name(full).display_name(full).bin_name(words), section, date)?;
            compressed(&folder.join(format!("{full}.{section}")), &one)?;
        }
        for (shell, folder, before, after) in COMPLETIONS {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), name.clone(), &mut script);
            write(&stage.join(folder).join(format!("{before}{name}{after}")), script)?;
        }
    }
    let configuration = ntp_conf::manual(env!("CARGO_PKG_VERSION"));
    compressed(&stage.join("usr/share/man/man5/ntp.conf.5"), configuration.as_bytes())
}

/// One page: what the command line says of itself, the commands of ntpq, and what `config/man` adds.
fn page(command: Command, section: &str, date: &str) -> Result<Vec<u8>, String> {
    let name = command.get_name().to_owned();
    let man = Man::new(command)
        .section(section)
        .date(date)
        .source(format!("ntp {}", env!("CARGO_PKG_VERSION")))
        .manual("Network Time Protocol");
    let mut text = Vec::new();
    let explain = |error: std::io::Error| format!("{name}: {error}");
    man.render(&mut text).map_err(explain)?;
    if name == "ntpq" {
        commands().to_writer(&mut text).map_err(explain)?;
    }
    let more = root().join("config/man").join(format!("{name}.roff"));
    if more.exists() {
        text.extend(fs::read(&more).map_err(explain)?);
    }
    Ok(text)
}

/// The commands of ntpq, for `-c` and at its prompt.
fn commands() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for (names, usage, meaning) in ntpq::commands() {
        roff.control("TP", []);
        roff.text([bold(names.join(", ")), roman(format!(" {usage}"))]);
        roff.text([roman(meaning)]);
    }
    roff
}

/// Writes a file as gzip does without a name and a time, so that it comes out the same every time.
pub(super) fn compressed(to: &Path, content: &[u8]) -> Result<(), String> {
    write(to, content)?;
    let mut gzip = std::process::Command::new("gzip");
    crate::process::output(gzip.args(["-9", "-n", "-f"]).arg(to)).map(drop)
}
