//! `statistics` and `filegen`: what is recorded, and in which files.

use super::{Directive, Words};

/// What is recorded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatisticsSet {
    /// `loopstats`: the discipline.
    Loop,
    /// `peerstats`: every source.
    Peer,
    /// `rawstats`: the times of every exchange.
    Raw,
    /// `sysstats`: counters of the daemon.
    System,
    /// `protostats`: events.
    Protocol,
}

impl StatisticsSet {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Loop, Self::Peer, Self::Raw, Self::System, Self::Protocol];

    /// Its name in ntp.conf, which is that of its file as well if nothing else is said.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loop => "loopstats",
            Self::Peer => "peerstats",
            Self::Raw => "rawstats",
            Self::System => "sysstats",
            Self::Protocol => "protostats",
        }
    }

    /// The set of this name. Of the others of classic ntpd and NTPsec there is nothing to record here: they are
    /// about Autokey, reference clocks and the cost of operations.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }
}

/// When a new file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FileAge {
    /// Never.
    None,
    /// Whenever the daemon starts.
    Process,
    /// Every UTC day.
    #[default]
    Day,
    /// Every week.
    Week,
    /// Every month.
    Month,
    /// Every year.
    Year,
    /// After every day that the daemon has run.
    Age,
}

/// What `filegen` says; what it does not say stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileGeneration {
    /// Of which files.
    pub set: StatisticsSet,
    /// `file`: their name.
    pub file: Option<String>,
    /// `type`: when a new one is begun.
    pub age: Option<FileAge>,
    /// `link` or `nolink`: whether the plain name leads to the newest.
    pub link: Option<bool>,
    /// `enable` or `disable`.
    pub enabled: bool,
}

pub(super) fn read_sets(words: &Words<'_, '_>) -> Vec<StatisticsSet> {
    let given = words.reading.settings.iter();
    given.filter_map(|given| StatisticsSet::named(given.setting.name)).collect()
}

pub(super) fn read_file_generation(words: &mut Words<'_, '_>) -> Option<Directive> {
    // Files of sets that there is nothing to record of stay empty, as they do elsewhere.
    let Some(set) = StatisticsSet::named(words.argument(0)?) else {
        return Some(Directive::Statistics(Vec::new()));
    };
    let file = words.value("file").filter(|name| !name.is_empty()).map(str::to_owned);
    // The file lies in `statsdir`, whoever writes the line.
    if file.as_ref().is_some_and(|name| name.split('/').any(|part| part == "..")) {
        let word = words.setting("file").and_then(|given| given.value)?;
        words
            .findings
            .error("E013", word, "a file of statistics lies below `statsdir`")
            .note("nothing of the line", "name it without `..`");
        return None;
    }
    let age = words.value("type").and_then(|name| match name {
        "none" => Some(FileAge::None),
        "pid" => Some(FileAge::Process),
        "day" => Some(FileAge::Day),
        "week" => Some(FileAge::Week),
        "month" => Some(FileAge::Month),
        "year" => Some(FileAge::Year),
        "age" => Some(FileAge::Age),
        _ => None,
    });
    let last = |yes: &str, no: &str| {
        let mut given = words.reading.settings.iter().rev().map(|given| given.setting.name);
        given.find(|name| [yes, no].contains(name)).map(|name| name == yes)
    };
    Some(Directive::FileGeneration(FileGeneration {
        set,
        file,
        age,
        link: last("link", "nolink"),
        // To speak of a file is to want it.
        enabled: last("enable", "disable").unwrap_or(true),
    }))
}
