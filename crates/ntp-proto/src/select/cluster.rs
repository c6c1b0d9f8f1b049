//! The cluster algorithm: of those that agree, the ones that scatter most are set aside
//! (RFC 5905 §11.2.2).

use super::Candidate;

/// Removes outliers from `survivors` until at least `least` are left or the worst one scatters no more
/// than the best one jitters by itself. Returns those removed.
pub(super) fn cluster<'c>(survivors: &mut Vec<&'c Candidate>, least: usize) -> Vec<&'c Candidate> {
    let mut removed = Vec::new();
    while survivors.len() > least.max(1) {
        let quietest = survivors.iter().map(|survivor| survivor.jitter.as_seconds_f64());
        let quietest = quietest.fold(f64::INFINITY, f64::min);
        let scatter = |survivor: &Candidate| {
            let square = |other: &&Candidate| (other.lead - survivor.lead).as_seconds_f64().powi(2);
            let sum: f64 = survivors.iter().map(square).sum();
            #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
            let others = (survivors.len() - 1) as f64;
            (sum / others).sqrt()
        };
        let scatters: Vec<f64> = survivors.iter().map(|survivor| scatter(survivor)).collect();
        let worst = scatters.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((index, scatter)) = worst else { break };
        let kept = survivors.get(index).is_none_or(|survivor| survivor.prefer || survivor.truechimer);
        if *scatter <= quietest || kept {
            break;
        }
        removed.push(survivors.remove(index));
    }
    removed
}
