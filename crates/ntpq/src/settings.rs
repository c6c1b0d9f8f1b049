//! What holds from one command to the next: how things are shown, and how daemons are asked.

use std::io::IsTerminal as _;

use crate::cli::Options;

/// Columns of a table where the terminal does not say.
const COLUMNS: usize = 79;

/// How things are shown, and how daemons are asked.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub(crate) struct Settings {
    /// Addresses instead of names.
    pub(crate) numeric: bool,
    /// Names as ntp.conf has them, and no others.
    pub(crate) source_names: bool,
    /// For programs.
    pub(crate) json: bool,
    /// Times with their units.
    pub(crate) units: bool,
    /// Long names on lines of their own.
    pub(crate) wide: bool,
    /// The columns of classic ntpq.
    pub(crate) classic: bool,
    /// Variables as they came.
    pub(crate) raw: bool,
    /// Rows in the colours of their standing.
    pub(crate) colour: bool,
    /// Columns of the terminal.
    pub(crate) columns: usize,
    /// `-4`, `-6`.
    pub(crate) families: (bool, bool),
    /// Packets and retries are told of.
    pub(crate) debug: u8,
    /// Every question is signed, not only those that have to be.
    pub(crate) sign_all: bool,
    /// The variables of `addvars`, which `readlist` asks for.
    pub(crate) variables: Vec<(String, Option<String>)>,
    /// What the originals' clients delay encryption by, milliseconds; nothing follows from it here.
    pub(crate) delay: u32,
}

impl Settings {
    pub(crate) fn of(options: &Options) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let measured = ntp_os::terminal::columns().filter(|_| terminal).map(usize::from);
        Self {
            numeric: options.numeric,
            source_names: options.source_names,
            json: options.json,
            units: options.units,
            wide: options.wide,
            classic: options.classic,
            raw: false,
            colour: terminal && !plain,
            columns: options.width.or(measured).unwrap_or(COLUMNS),
            families: (options.ipv4, options.ipv6),
            debug: options.debug.saturating_add(options.debug_level.unwrap_or(0)),
            sign_all: false,
            variables: Vec::new(),
            delay: 20,
        }
    }

    /// As a program of ours wants it.
    pub(crate) const fn plain() -> Self {
        Self {
            numeric: true,
            source_names: false,
            json: false,
            units: false,
            wide: false,
            classic: false,
            raw: false,
            colour: false,
            columns: COLUMNS,
            families: (false, false),
            debug: 0,
            sign_all: false,
            variables: Vec::new(),
            delay: 20,
        }
    }

    /// By how much the column of names may grow: what the terminal has to spare, as in NTPsec.
    pub(crate) fn more_columns(&self) -> usize {
        if self.classic { 0 } else { self.columns.saturating_sub(COLUMNS).min(24) }
    }
}
