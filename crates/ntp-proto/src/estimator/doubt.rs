//! What an outlier may mean: nothing, a jump, or a frequency that is wrong.

use crate::time::MonoTime;

use super::bank::{Evidence, Lesson};

/// Posterior probability from which a sample is taken for an outlier.
const SUSPECT_FROM: f64 = 0.7;

/// Two residuals agree that differ by less than this share.
const AGREEMENT: f64 = 0.5;

/// The same for those of one source, which may have grown meanwhile: after equal times with a wrong
/// frequency the second is twice the first.
const REPETITION: f64 = 0.6;

/// The shortest time over which a frequency can have gone wrong, in seconds.
const FREQUENCY_SPAN_MIN: f64 = 16.0;

/// The most that a frequency is taken to have gone wrong when the clock has jumped.
const FREQUENCY_DOUBT_MAX: f64 = 1e-4;

/// The most that it is when the clock keeps jumping the same way: from one end of what a drift file may
/// say to the other.
const RAMP_DOUBT_MAX: f64 = 1e-3;

/// Whether a sample was an outlier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Doubt {
    /// It was none.
    None,
    /// It was, but a sample as wide as this one may well lie anywhere.
    Vague,
    /// It was, and tells something.
    Outlier(Outlier),
}

/// How far an outlier lay off, and when it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outlier {
    pub(super) residual: f64,
    pub(super) at: MonoTime,
}

impl Outlier {
    /// Whether another source's sample lay off by about the same.
    pub(super) fn agrees(&self, residual: f64) -> bool {
        (self.residual - residual).abs() < AGREEMENT * self.residual.abs()
    }

    /// Whether this one says the same as the outlier `before` it from the same source.
    pub(super) fn repeats(&self, before: &Self) -> bool {
        (self.residual - before.residual).abs() < REPETITION * self.residual.abs()
    }

    /// How much the frequency may have gone wrong for the clock to have jumped so.
    pub(super) fn rate_doubt(&self) -> f64 {
        (self.residual / (4.0 * FREQUENCY_SPAN_MIN)).abs().min(FREQUENCY_DOUBT_MAX)
    }

    /// The same for a clock that had jumped `before` already: a second time the same way, it is rather
    /// the frequency that is wrong, as after a start with a wrong drift file.
    pub(super) fn ramp_doubt(&self, before: Option<Self>) -> f64 {
        let before = before.filter(|before| before.residual * self.residual > 0.0);
        before.map_or(0.0, |before| {
            let span = self.at.since(before.at).as_secs_f64().max(1.0);
            (self.residual / span).abs().min(RAMP_DOUBT_MAX)
        })
    }
}

/// Judges a sample by what a bank made of it.
pub(super) fn doubt(evidence: &Evidence, lesson: &Lesson) -> Doubt {
    let view = &evidence.view;
    let residual = lesson.residual;
    let telling = view.width < 4.0 * view.scale || view.jump > 0.0 || residual.abs() > 2.0 * view.width;
    if lesson.outlier < SUSPECT_FROM {
        Doubt::None
    } else if view.suspect || !telling {
        Doubt::Vague
    } else {
        Doubt::Outlier(Outlier { residual, at: evidence.at })
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn outlier(residual: f64, seconds: u64) -> Outlier {
        Outlier { residual, at: MonoTime::ZERO + Duration::from_secs(seconds) }
    }

    #[test]
    fn a_second_jump_the_same_way_is_the_frequency() {
        let second = outlier(-0.012, 24);
        assert!((second.ramp_doubt(Some(outlier(-0.004, 12))) - 1e-3).abs() < 1e-12);
        assert!((outlier(1e-3, 100).ramp_doubt(Some(outlier(5e-4, 0))) - 1e-5).abs() < 1e-12);
        // The other way, or for the first time, it is a jump.
        assert!(second.ramp_doubt(Some(outlier(0.004, 12))).abs() < 1e-12);
        assert!(second.ramp_doubt(None).abs() < 1e-12);
        // Two within a second say no more than two a second apart.
        assert!((outlier(1e-4, 5).ramp_doubt(Some(outlier(1e-4, 5))) - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn one_jump_shakes_the_frequency_by_little() {
        assert!((outlier(6.4e-4, 0).rate_doubt() - 1e-5).abs() < 1e-12);
        assert!((outlier(-5.0, 0).rate_doubt() - FREQUENCY_DOUBT_MAX).abs() < 1e-12);
    }

    #[test]
    fn of_one_source_twice_as_far_says_the_same_of_another_it_does_not() {
        let (near, far) = (outlier(1.0, 0), outlier(2.0, 16));
        assert!(far.repeats(&near) && !near.agrees(far.residual));
        assert!(near.agrees(1.4) && !near.agrees(1.6) && !near.agrees(-1.0));
        assert!(!outlier(3.0, 16).repeats(&near) && !outlier(-1.0, 16).repeats(&near));
    }
}
