//! Which of many overlapping prefixes decides about an address, at a cost that hardly grows with
//! their number: the prefixes are cut into disjoint ranges once, and an index leads to a handful of
//! them by the leading bits in which they differ.

use core::num::NonZeroU32;

use super::restrictions::Restrictions;

/// The index has at most so many places: 256 KiB of them.
const INDEX_BITS_MAX: u32 = 16;

/// One prefix of contiguous bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    /// Its first address, in the upper bits.
    pub(super) first: u128,
    pub(super) ruling: Ruling,
}

impl Net {
    fn last(&self) -> u128 {
        self.first | u128::MAX.checked_shr(self.ruling.length.into()).unwrap_or(0)
    }
}

/// What a rule says, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    /// How many bits its prefix fixes.
    pub(super) length: u8,
    pub(super) restrictions: Restrictions,
    /// Its number, from 1 on.
    pub(super) rule: NonZeroU32,
}

/// What holds in a range: for senders on any port, and for those on port 123; `None` where no prefix
/// says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Decision {
    pub(super) any: Option<Ruling>,
    pub(super) ntp_port: Option<Ruling>,
}

impl Decision {
    /// The same within a more specific prefix.
    fn within(mut self, net: &Net) -> Self {
        if net.ruling.restrictions.has(Restrictions::NTPPORT) {
            self.ntp_port = Some(net.ruling);
        } else {
            self.any = Some(net.ruling);
            // Of two rules about the same prefix, the one about port 123 is the more specific.
            let same = self.ntp_port.is_some_and(|ruling| {
                ruling.length == net.ruling.length && ruling.restrictions.has(Restrictions::NTPPORT)
            });
            if !same {
                self.ntp_port = Some(net.ruling);
            }
        }
        self
    }
}

/// Disjoint ranges that cover every address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges {
    /// Where each begins; the first at 0.
    starts: Box<[u128]>,
    decisions: Box<[Decision]>,
    /// For each value of an address's bits above `shift`, less `base`: the range that holds the first
    /// such address.
    index: Box<[u32]>,
    base: u128,
    shift: u32,
}

impl Default for Ranges {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Ranges {
    /// Cuts the prefixes, in any order, into ranges. Of two equal ones the later counts.
    pub(super) fn new(mut nets: Vec<Net>) -> Self {
        nets.sort_by_key(|net| (net.first, net.ruling.length));
        let mut cut = Cut::default();
        cut.begin(0, Decision::default());
        // The prefixes that hold where the sweep stands, the most specific last.
        let mut open: Vec<(u128, Decision)> = Vec::new();
        for net in &nets {
            cut.close(&mut open, Some(net.first));
            let around = open.last().map_or_else(Decision::default, |(_, decision)| *decision);
            let decision = around.within(net);
            cut.begin(net.first, decision);
            open.push((net.last(), decision));
        }
        cut.close(&mut open, None);
        Self::indexed(cut)
    }

    fn indexed(cut: Cut) -> Self {
        // The first range begins at 0 whatever the rules say: what they have in common starts later.
        let base = cut.starts.get(1).copied().unwrap_or(0);
        let span = cut.starts.last().copied().unwrap_or(0).saturating_sub(base);
        let bits = cut.starts.len().next_power_of_two().trailing_zeros().min(INDEX_BITS_MAX);
        let shift = (u128::BITS - span.leading_zeros()).saturating_sub(bits);
        let places = u128::checked_shr(span, shift).unwrap_or(0);
        let place = |place: u128| {
            let first = base.saturating_add(place << shift);
            cut.starts.partition_point(|start| *start <= first).saturating_sub(1)
        };
        let index = (0..=places).map(|at| u32::try_from(place(at)).unwrap_or(u32::MAX)).collect();
        Self { starts: cut.starts.into(), decisions: cut.decisions.into(), index, base, shift }
    }

    /// What holds for an address.
    pub(super) fn find(&self, address: u128) -> Decision {
        let Some(above) = address.checked_sub(self.base) else {
            return self.decisions.first().copied().unwrap_or_default();
        };
        let place = usize::try_from(above.checked_shr(self.shift).unwrap_or(0)).unwrap_or(usize::MAX);
        let last = self.starts.len().saturating_sub(1);
        let from = self.index.get(place).map_or(last, |range| *range as usize);
        let to = self.index.get(place.saturating_add(1)).map_or(last, |range| *range as usize);
        let candidates = self.starts.get(from..=to).unwrap_or_default();
        let later = candidates.partition_point(|start| *start <= address).saturating_sub(1);
        self.decisions.get(from.saturating_add(later)).copied().unwrap_or_default()
    }
}

/// Ranges in the making.
#[derive(Default)]
struct Cut {
    starts: Vec<u128>,
    decisions: Vec<Decision>,
}

impl Cut {
    /// From this address on, `decision` holds.
    fn begin(&mut self, start: u128, decision: Decision) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.decisions.pop();
        }
        if self.decisions.last() != Some(&decision) {
            self.starts.push(start);
            self.decisions.push(decision);
        }
    }

    /// Ends the prefixes that end before an address, or all of them.
    fn close(&mut self, open: &mut Vec<(u128, Decision)>, before: Option<u128>) {
        while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|before| *last < before)) {
            let around = open.last().map_or_else(Decision::default, |(_, decision)| *decision);
            if let Some(next) = last.checked_add(1) {
                self.begin(next, around);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by looking at every prefix.
    fn slowly(nets: &[Net], address: u128) -> Decision {
        let mut holding: Vec<&Net> =
            nets.iter().filter(|net| (net.first..=net.last()).contains(&address)).collect();
        holding.sort_by_key(|net| net.ruling.length);
        holding.into_iter().fold(Decision::default(), Decision::within)
    }

    fn net() -> impl Strategy<Value = Net> {
        // Few leading and few trailing bits vary, so that prefixes nest and touch.
        (0_u8..=128, any::<u8>(), any::<u8>(), any::<bool>(), 0_u8..3).prop_map(
            |(length, high, low, port, kind)| {
                let bits = (u128::from(high & 0xc1) << 120) | u128::from(low & 3) | (0x2001 << 100);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                let flag =
                    [Restrictions::IGNORE, Restrictions::NOSERVE, Restrictions::NONE][usize::from(kind)];
                let restrictions = flag | Restrictions::NTPPORT.when(port);
                Net { first: bits & mask, ruling: Ruling { length, restrictions, rule: NonZeroU32::MIN } }
            },
        )
    }

    proptest! {
        #[test]
        fn it_finds_what_a_search_of_all_finds(
            nets in proptest::collection::vec(net(), 0..40),
            probes in proptest::collection::vec((any::<usize>(), -1_i8..=1, any::<bool>()), 1..40),
        ) {
            let mut unique: Vec<Net> = Vec::new();
            for net in nets {
                let port = |net: &Net| net.ruling.restrictions.has(Restrictions::NTPPORT);
                if unique.iter().all(|known| (known.first, known.ruling.length, port(known)) != (net.first, net.ruling.length, port(&net))) {
                    unique.push(net);
                }
            }
            let ranges = Ranges::new(unique.clone());
            for (which, step, end) in probes {
                let edge = match unique.get(which % (unique.len() + 1)) {
                    Some(net) => if end { net.last() } else { net.first },
                    None => u128::MAX / 3,
                };
                let address = edge.saturating_add_signed(step.into());
                prop_assert_eq!(ranges.find(address), slowly(&unique, address), "{:#x}", address);
            }
        }
    }

    #[test]
    fn a_range_takes_little_memory() {
        assert_eq!(size_of::<Decision>(), 16);
    }

    #[test]
    fn a_hundred_thousand_rules_leave_a_handful_to_search() {
        let net = |number: u128| Net {
            first: (0x2001_0db8 << 96) | (number * 7919) << 48,
            ruling: Ruling { length: 80, restrictions: Restrictions::NOSERVE, rule: NonZeroU32::MIN },
        };
        let ranges = Ranges::new((0..100_000).map(net).collect());
        assert_eq!(ranges.starts.len(), 200_001);
        let longest = ranges.index.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest <= Some(8), "{longest:?}");
    }
}
