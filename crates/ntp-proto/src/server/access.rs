//! `restrict`: who may ask what, by longest prefix.
//!
//! It governs who may ask us. DEVIATION(ntp 4.2.8): it does not govern whom we ask, because an
//! answer is accepted only on a socket connected to a configured server and with our nonce in it.

use core::net::{IpAddr, SocketAddr};

/// The flags of a `restrict` line that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of the configuration language, each independent"
)]
pub struct Restrictions {
    /// Answer nothing at all.
    pub ignore: bool,
    /// Answer no time requests.
    pub noserve: bool,
    /// Answer no mode 6 queries.
    pub noquery: bool,
    /// The rule holds only for senders on port 123.
    pub ntpport: bool,
}

impl Restrictions {
    const fn union(self, other: Self) -> Self {
        Self {
            ignore: self.ignore || other.ignore,
            noserve: self.noserve || other.noserve,
            noquery: self.noquery || other.noquery,
            ntpport: self.ntpport || other.ntpport,
        }
    }
}

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    bits: u128,
    mask: u128,
    v4: bool,
}

impl Prefix {
    /// The addresses that agree with `address` in the bits of `mask`; a mask need not be
    /// contiguous. `None` if the families differ.
    pub fn new(address: IpAddr, mask: IpAddr) -> Option<Self> {
        let (bits, v4) = widen(address);
        let (mask, mask_v4) = widen(mask);
        // An IPv4 mask is widened like its address: the bits outside it say nothing.
        let mask = if mask_v4 { mask & u128::from(u32::MAX) } else { mask };
        (v4 == mask_v4).then_some(Self { bits: bits & mask, mask, v4 })
    }

    /// One address.
    pub fn host(address: IpAddr) -> Self {
        let (bits, v4) = widen(address);
        let mask = if v4 { u128::from(u32::MAX) } else { u128::MAX };
        Self { bits, mask, v4 }
    }

    /// Every address of a family.
    pub const fn everything(v4: bool) -> Self {
        Self { bits: 0, mask: 0, v4 }
    }

    fn holds(&self, address: IpAddr) -> bool {
        let (bits, v4) = widen(address);
        v4 == self.v4 && bits & self.mask == self.bits
    }

    /// How many bits it fixes: the more, the more specific.
    const fn length(&self) -> u32 {
        self.mask.count_ones()
    }
}

/// An address as 128 bits; IPv4, mapped or not, as its 32.
fn widen(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), true),
        IpAddr::V6(v6) => (u128::from(v6), false),
    }
}

/// Whom a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleTarget {
    /// A range of addresses.
    Prefix(Prefix),
    /// Every server that we ask (`restrict source`).
    Source,
}

/// One `restrict` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is about.
    pub target: RuleTarget,
    /// What they may not do.
    pub restrictions: Restrictions,
}

/// All `restrict` lines, the most specific first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessList {
    rules: Vec<(Prefix, Restrictions)>,
    source: Option<Restrictions>,
    sources: Vec<IpAddr>,
    /// Whether the file had any line at all.
    configured: bool,
}

impl AccessList {
    /// From the lines in order. Flags of lines about the same range add up, as in ntpd.
    pub fn new(lines: &[Rule]) -> Self {
        let mut list = Self { configured: !lines.is_empty(), ..Self::default() };
        for line in lines {
            match line.target {
                RuleTarget::Source => {
                    list.source = Some(list.source.unwrap_or_default().union(line.restrictions));
                }
                RuleTarget::Prefix(prefix) => list.add(prefix, line.restrictions),
            }
        }
        list.rules.sort_by_key(|(prefix, restrictions)| {
            (core::cmp::Reverse(prefix.length()), !restrictions.ntpport)
        });
        list
    }

    fn add(&mut self, prefix: Prefix, restrictions: Restrictions) {
        let same = |known: &&mut (Prefix, Restrictions)| {
            known.0 == prefix && known.1.ntpport == restrictions.ntpport
        };
        match self.rules.iter_mut().find(same) {
            Some((_, known)) => *known = known.union(restrictions),
            None => self.rules.push((prefix, restrictions)),
        }
    }

    /// The servers that `restrict source` is about.
    pub fn set_sources(&mut self, sources: Vec<IpAddr>) {
        self.sources = sources;
    }

    /// What a sender may not do.
    pub fn restrictions(&self, from: SocketAddr) -> Restrictions {
        let address = from.ip();
        // An explicit line about exactly this host outranks the template for servers.
        let matching = self.rules.iter().find(|(prefix, restrictions)| {
            prefix.holds(address) && (!restrictions.ntpport || from.port() == 123)
        });
        let template = self.source.filter(|_| self.sources.contains(&address.to_canonical()));
        match (matching, template) {
            (Some((prefix, restrictions)), Some(_)) if *prefix == Prefix::host(address) => *restrictions,
            (_, Some(template)) => template,
            (Some((_, restrictions)), None) => *restrictions,
            // Without any line, the state of the daemon is nobody's business but this machine's.
            (None, None) => Restrictions {
                noquery: !self.configured && !address.to_canonical().is_loopback(),
                ..Restrictions::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(address: &str, mask: &str, restrictions: Restrictions) -> Rule {
        let prefix = Prefix::new(address.parse().unwrap(), mask.parse().unwrap()).unwrap();
        Rule { target: RuleTarget::Prefix(prefix), restrictions }
    }

    const IGNORE: Restrictions =
        Restrictions { ignore: true, noserve: false, noquery: false, ntpport: false };
    const NOQUERY: Restrictions =
        Restrictions { ignore: false, noserve: false, noquery: true, ntpport: false };
    const OPEN: Restrictions = Restrictions { ignore: false, noserve: false, noquery: false, ntpport: false };

    fn ask(list: &AccessList, from: &str) -> Restrictions {
        list.restrictions(from.parse().unwrap())
    }

    #[test]
    fn the_longest_prefix_decides() {
        let list = AccessList::new(&[
            rule("0.0.0.0", "0.0.0.0", IGNORE),
            rule("10.0.0.0", "255.0.0.0", NOQUERY),
            rule("10.1.2.3", "255.255.255.255", OPEN),
        ]);
        assert_eq!(ask(&list, "192.0.2.1:9"), IGNORE);
        assert_eq!(ask(&list, "10.9.9.9:9"), NOQUERY);
        assert_eq!(ask(&list, "10.1.2.3:9"), OPEN);
        assert_eq!(ask(&list, "[::ffff:10.9.9.9]:9"), NOQUERY);
        // IPv6 has lines of its own.
        assert_eq!(ask(&list, "[2001:db8::1]:9"), OPEN);
    }

    #[test]
    fn flags_about_the_same_range_add_up() {
        let noserve = Restrictions { noserve: true, ..OPEN };
        let list = AccessList::new(&[
            rule("10.0.0.0", "255.0.0.0", NOQUERY),
            rule("10.0.0.0", "255.0.0.0", noserve),
        ]);
        assert_eq!(ask(&list, "10.0.0.1:9"), Restrictions { noquery: true, noserve: true, ..OPEN });
    }

    #[test]
    fn ntpport_lines_hold_for_port_123_only() {
        let list = AccessList::new(&[
            rule("0.0.0.0", "0.0.0.0", NOQUERY),
            rule("0.0.0.0", "0.0.0.0", Restrictions { ntpport: true, ..IGNORE }),
        ]);
        assert!(ask(&list, "192.0.2.1:123").ignore);
        assert!(!ask(&list, "192.0.2.1:124").ignore);
    }

    #[test]
    fn the_template_holds_for_our_servers() {
        let source = Rule { target: RuleTarget::Source, restrictions: NOQUERY };
        let mut list = AccessList::new(&[rule("0.0.0.0", "0.0.0.0", IGNORE), source]);
        list.set_sources(vec!["192.0.2.5".parse().unwrap()]);
        assert_eq!(ask(&list, "192.0.2.5:123"), NOQUERY);
        assert_eq!(ask(&list, "192.0.2.6:123"), IGNORE);
    }

    #[test]
    fn without_lines_only_this_machine_may_query() {
        let list = AccessList::default();
        assert!(!ask(&list, "127.0.0.1:9").noquery);
        assert!(!ask(&list, "[::1]:9").noquery);
        assert!(ask(&list, "192.0.2.1:9").noquery);
        assert!(!ask(&list, "192.0.2.1:9").noserve);
    }

    #[test]
    fn families_do_not_mix_in_a_prefix() {
        assert_eq!(Prefix::new("10.0.0.0".parse().unwrap(), "ffff::".parse().unwrap()), None);
    }

    proptest! {
        #[test]
        fn a_host_rule_always_wins(address: u32, length in 0_u32..32) {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            let v4 = |bits: u32| IpAddr::V4(bits.into());
            let wide = Prefix::new(v4(address), v4(mask)).unwrap();
            let list = AccessList::new(&[
                Rule { target: RuleTarget::Prefix(wide), restrictions: IGNORE },
                Rule { target: RuleTarget::Prefix(Prefix::host(v4(address))), restrictions: NOQUERY },
            ]);
            prop_assert_eq!(list.restrictions(SocketAddr::new(v4(address), 5)), NOQUERY);
        }
    }
}
