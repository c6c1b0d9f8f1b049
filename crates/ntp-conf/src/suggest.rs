//! "Did you mean ...?"

/// No word that could be meant is longer.
const LEN_MAX: usize = 64;

/// The candidate nearest to `word`, if it is within two edits and nearer than a different word of
/// that length would be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower: Vec<char> = word.to_ascii_lowercase().chars().take(LEN_MAX + 1).collect();
    if lower.len() > LEN_MAX {
        return None;
    }
    let limit = if word.len() <= 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&lower, candidate, limit)?, candidate)))
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

/// Edits to get from one word to the other, if they are no more than `limit`: insert, delete, replace, or swap neighbours.
fn distance(from: &[char], to: &str, limit: usize) -> Option<usize> {
    if from.len().abs_diff(to.chars().count()) > limit {
        return None;
    }
    let to: Vec<char> = to.chars().collect();
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
        // It becomes no less from here on.
        if current.iter().chain(&last).all(|edits| *edits > limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().filter(|edits| *edits <= limit)
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
        assert_eq!(nearest(&"server".repeat(1000), words), None);
        assert_eq!(nearest("eserver", words), Some("server"));
        assert_eq!(nearest("esrvre", words), Some("server"));
    }
}
