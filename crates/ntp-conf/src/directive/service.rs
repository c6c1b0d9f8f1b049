//! How clients are served: how often, from how much memory, with which keys, by how many threads.

use super::Words;

/// What `discard` and `limit` say, each in its own words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// `discard average`: least average interval, a power of two in seconds.
    Interval(u8),
    /// `discard minimum`: least interval between two requests, seconds.
    Minimum(u32),
    /// `limit average`: requests a second on average.
    Rate(f64),
    /// `limit burst`: requests at once.
    Burst(f64),
    /// `limit kod`: words about it, a second.
    Kod(f64),
}

/// What `mru` says of the list of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mru {
    /// `maxdepth`: the most entries.
    MaxDepth(u32),
    /// `maxmem`: the most memory, KiB.
    MaxMemory(u32),
    /// `mindepth`: so many entries there must be room for.
    MinDepth(u32),
}

/// What `mode6` says of strangers' queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reticence {
    /// `strict`: one packet a question.
    Strict,
    /// `terse`: nothing of program and machine.
    Terse,
}

/// How many threads serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ServerThreads {
    /// As many as there are processors, once there is work for them.
    #[default]
    Auto,
    /// So many, from the start; 0 leaves the work to the main loop.
    Fixed(u16),
}

pub(super) fn read_limits(words: &Words<'_, '_>) -> Vec<Limit> {
    let discards = words.reading.entry.name == "discard";
    let number = |text: &str| crate::grammar::number(text);
    let whole = |text: &str| crate::grammar::integer(text);
    let settings = words.settings().filter_map(|(name, value)| match (discards, name) {
        (true, "average") => Some(Limit::Interval(u8::try_from(whole(value)?).ok()?)),
        (true, "minimum") => Some(Limit::Minimum(u32::try_from(whole(value)?).ok()?)),
        (false, "average") => Some(Limit::Rate(number(value)?)),
        (false, "burst") => Some(Limit::Burst(number(value)?)),
        (false, "kod") => Some(Limit::Kod(number(value)?)),
        _ => None,
    });
    settings.collect()
}

pub(super) fn read_mru(words: &Words<'_, '_>) -> Vec<Mru> {
    let settings = words.settings().filter_map(|(name, value)| {
        let number = u32::try_from(crate::grammar::integer(value)?).ok()?;
        match name {
            "maxdepth" => Some(Mru::MaxDepth(number)),
            "maxmem" => Some(Mru::MaxMemory(number)),
            "mindepth" => Some(Mru::MinDepth(number)),
            _ => None,
        }
    });
    settings.collect()
}

pub(super) fn read_reticence(words: &Words<'_, '_>) -> Vec<Reticence> {
    let known = [("strict", Reticence::Strict), ("terse", Reticence::Terse)];
    known.into_iter().filter(|(name, _)| words.has(name)).map(|(_, meant)| meant).collect()
}

/// The numbers of keys, as ranges of which both ends belong to it: `5`, `(5 ... 9)`.
pub(super) fn read_trusted_keys(words: &Words<'_, '_>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut open = false;
    for index in 0..words.reading.arguments.len() {
        let text = words.argument(index).unwrap_or_default();
        let bare = text.trim_start_matches('(').trim_end_matches(')');
        if bare == "..." {
            open = true;
        } else if let Some(number) =
            crate::grammar::integer(bare).and_then(|number| u32::try_from(number).ok())
        {
            match ranges.last_mut().filter(|_| open) {
                Some(range) => range.1 = number,
                None => ranges.push((number, number)),
            }
            open = false;
        }
    }
    ranges
}

/// More threads than any machine has processors.
const THREADS_MAX: u16 = 256;

pub(super) fn read_server_threads(words: &mut Words<'_, '_>) -> Option<ServerThreads> {
    if words.argument(0)? == "auto" {
        return Some(ServerThreads::Auto);
    }
    let count = words.whole_argument(0).filter(|count| *count <= THREADS_MAX);
    if count.is_none() {
        let message = format!("`server-threads` needs `auto` or a number from 0 to {THREADS_MAX}");
        let word = words.argument_word(0)?;
        words.findings.error("E004", word, &message).note(super::IGNORED, "");
    }
    count.map(ServerThreads::Fixed)
}
