//! Numbers as a line of bars.

/// Bars, the lowest first.
const BARS: [char; 8] =
    ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];

/// The line, and what its lowest and highest bar stand for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sparkline {
    pub(super) text: String,
    pub(super) least: f64,
    pub(super) most: f64,
}

/// The values in so many columns, each the value furthest from zero in its share; `None` without any.
pub(super) fn of(values: &[f64], columns: usize) -> Option<Sparkline> {
    let columns = columns.min(values.len()).max(1);
    let share = values.len().div_ceil(columns);
    let furthest = |part: &[f64]| part.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let shown: Vec<f64> = values.chunks(share.max(1)).filter_map(furthest).collect();
    let least = shown.iter().copied().reduce(f64::min)?;
    let most = shown.iter().copied().reduce(f64::max)?;
    let text = shown.iter().map(|value| bar((value - least) / (most - least))).collect();
    Some(Sparkline { text, least, most })
}

/// The bar for a share of the height; the lowest where there is no height.
fn bar(share: f64) -> char {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7; a NaN gives 0")]
    let index = (share * 7.0).round() as usize;
    BARS.get(index).copied().unwrap_or(BARS[7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_climbs_and_peaks_are_kept() {
        let ramp: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(of(&ramp, 8).unwrap().text, BARS.iter().collect::<String>());
        let mut flat = vec![0.0; 1000];
        flat[777] = 5.0;
        let line = of(&flat, 10).unwrap();
        assert_eq!((line.text.chars().count(), line.text.chars().nth(7)), (10, Some(BARS[7])));
        assert_eq!(of(&[], 10), None);
        assert_eq!(of(&[2.0], 10).unwrap().text.chars().count(), 1);
    }
}
