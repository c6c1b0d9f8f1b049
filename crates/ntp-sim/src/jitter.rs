//! The words for a path's queueing.

use serde::{Deserialize, Deserializer, de};

/// How long packets queue on one leg.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// `exp MEAN`
    Exponential(f64),
    /// `gamma K MEAN`: the sum of K exponentials.
    Gamma(u32, f64),
    /// `lognormal MEDIAN SIGMA`
    Lognormal(f64, f64),
    /// `gauss DEVIATION`, without its sign.
    Gaussian(f64),
    /// `gilbert MEDIAN SIGMA amp=MEAN in=P out=P`: lognormal, and bad spells that are entered and left
    /// with these chances at each packet and add an exponential.
    Gilbert {
        /// Of the lognormal, seconds.
        median: f64,
        /// Of the lognormal.
        sigma: f64,
        /// Mean of what a bad spell adds, seconds.
        amp: f64,
        /// Chance that a bad spell begins.
        enter: f64,
        /// Chance that it ends.
        leave: f64,
    },
}

/// The words that are understood, for messages.
const WORDS: &str = "\"none\", \"exp MEAN\", \"gamma K MEAN\", \"lognormal MEDIAN SIGMA\", \
\"gauss DEVIATION\" or \"gilbert MEDIAN SIGMA amp=MEAN in=P out=P\"";

/// More exponentials than this are a Gaussian.
const GAMMA_MAX: u32 = 100;

impl Jitter {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let kind = words.next()?;
        let rest: Vec<&str> = words.collect();
        let number = |index: usize, name: &str| -> Option<f64> {
            let word = rest.get(index)?.strip_prefix(name)?;
            word.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
        };
        let (jitter, arguments) = match kind {
            "none" => (Self::None, 0),
            "exp" => (Self::Exponential(number(0, "")?), 1),
            "gamma" => {
                let shape = rest.first()?.parse().ok().filter(|shape| (1..=GAMMA_MAX).contains(shape))?;
                (Self::Gamma(shape, number(1, "")?), 2)
            }
            "lognormal" => (Self::Lognormal(number(0, "")?, number(1, "")?), 2),
            "gauss" => (Self::Gaussian(number(0, "")?), 1),
            "gilbert" => {
                let jitter = Self::Gilbert {
                    median: number(0, "")?,
                    sigma: number(1, "")?,
                    amp: number(2, "amp=")?,
                    enter: number(3, "in=")?,
                    leave: number(4, "out=")?,
                };
                (jitter, 5)
            }
            _ => return None,
        };
        (rest.len() == arguments).then_some(jitter)
    }
}

impl<'de> Deserialize<'de> for Jitter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("\"{text}\" is no jitter: write {WORDS}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_nonsense_is_not() {
        assert_eq!(Jitter::parse("exp 1e-3"), Some(Jitter::Exponential(1e-3)));
        assert_eq!(Jitter::parse("gamma 4 0.5e-3"), Some(Jitter::Gamma(4, 0.5e-3)));
        let gilbert = Jitter::Gilbert { median: 5e-3, sigma: 0.8, amp: 80e-3, enter: 0.02, leave: 0.2 };
        assert_eq!(Jitter::parse("gilbert 5e-3 0.8 amp=80e-3 in=0.02 out=0.2"), Some(gilbert));
        for nonsense in
            ["", "exp", "exp x", "exp 1 2", "exp -1", "exp nan", "gamma 0 1", "gamma 1e9 1", "foo 1"]
        {
            assert_eq!(Jitter::parse(nonsense), None, "{nonsense}");
        }
    }
}
