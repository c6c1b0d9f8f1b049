//! Which value of a directive counts, and where it stands.

use crate::grammar::{self, Dialect};
use crate::read::{At, Read};
use crate::schema::Entry;

/// A value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting of the directive; `None` for its argument.
    pub setting: Option<&'static str>,
    /// Its value as it was written; empty for a setting that takes none.
    pub value: String,
    /// Where it stands.
    pub at: At,
}

/// The values of a directive that count: the last of each setting, and of the argument.
pub fn effective(read: &Read, entry: &Entry) -> Vec<Effective> {
    let mut found: Vec<Effective> = Vec::new();
    let mut set = |setting, value: &str, at| {
        found.retain(|known| known.setting != setting);
        found.push(Effective { setting, value: value.to_owned(), at });
    };
    for at in lines_of(read, entry) {
        let Some(line) = read.line(at) else { continue };
        let Some(Ok(reading)) = grammar::read(&line, Dialect::Ours) else { continue };
        if !reading.complete {
            continue;
        }
        let text = |word: usize| line.tokens().get(word).map_or("", |token| &*token.text);
        match reading.arguments.first() {
            Some(argument) => set(None, text(*argument), at),
            // A bare `driftfile` switches the file off.
            None if entry.name == "driftfile" => set(None, "", at),
            None => {}
        }
        for given in &reading.settings {
            set(Some(given.setting.name), given.value.map_or("", text), at);
        }
    }
    found
}

/// Every line of a directive, in the order in which they hold.
pub fn lines_of<'r>(read: &'r Read, entry: &'r Entry) -> impl Iterator<Item = At> + use<'r> {
    let is = |at: &At| read.line(*at).is_some_and(|line| line.keyword() == Some(entry.name));
    read.order.iter().copied().filter(move |at| is(at))
}

/// Whether the line at a place has a setting of this name.
pub fn has_setting(read: &Read, at: At, name: &str) -> bool {
    let Some(line) = read.line(at) else { return false };
    let Some(Ok(reading)) = grammar::read(&line, Dialect::Ours) else { return false };
    reading.settings.iter().any(|given| given.setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Limits, LoadError, Loaded, read_within};
    use crate::schema;
    use std::path::Path;

    #[test]
    fn the_last_value_counts() {
        let text = "tinker panic 0 step 1\ndriftfile /a\ntinker panic 5\ntinker step x\ndriftfile \"/b c\"\n";
        let mut loader = |path: &Path| {
            let loaded = Loaded { path: path.to_owned(), content: text.as_bytes().to_vec() };
            if path == Path::new("f") { Ok(vec![loaded]) } else { Err(LoadError::Missing) }
        };
        let read = read_within(Path::new("f"), &mut loader, Limits::default()).unwrap();
        let values = |name| -> Vec<(Option<&str>, String, u32)> {
            let found = effective(&read, schema::entry(name).unwrap());
            found.into_iter().map(|one| (one.setting, one.value, one.at.line)).collect()
        };
        assert_eq!(values("tinker"), [(Some("step"), "1".to_owned(), 1), (Some("panic"), "5".to_owned(), 3)]);
        assert_eq!(values("driftfile"), [(None, "/b c".to_owned(), 5)]);
        assert_eq!(values("tos"), []);
    }
}
