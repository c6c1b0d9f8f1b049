//! "Did you mean ...?"

/// The candidate nearest to `word`, if it is within two edits and nearer than a different word of
/// that length would be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let limit = if word.len() <= 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// What was probably meant by a word: another case, a value glued on with `=` or as digits, a typo.
pub(crate) fn meant<'a>(text: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let bare = text.split_once('=').map_or(text, |(name, _)| name);
    let digits = bare.trim_end_matches(|c: char| c.is_ascii_digit());
    let exact = candidates.iter().copied().find(|name| *name == bare || *name == digits);
    exact.or_else(|| nearest(bare, candidates.iter().copied()))
}

/// Edits to get from one word to the other: insert, delete, replace, or swap neighbours.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(64).collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, have) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, want) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(have != want);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *have == to[column - 1] && from[row - 1] == *want {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_found_in_real_files_are_understood() {
        let words = ["server", "iburst", "burst", "prefer", "restrict", "driftfile", "notrap"];
        for (typo, meant) in
            [("sevrer", "server"), ("ibrust", "iburst"), ("notrapp", "notrap"), ("SERVER", "server")]
        {
            assert_eq!(nearest(typo, words), Some(meant));
        }
        assert_eq!(nearest("bananas", words), None);
        assert_eq!(nearest("", words), None);
    }
}
