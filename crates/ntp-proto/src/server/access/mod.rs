//! `restrict`: who may ask what, by longest prefix.
//!
//! It governs who may ask us. DEVIATION(ntp 4.2.8): it does not govern whom we ask, because an
//! answer is accepted only on a socket connected to a configured server and with our nonce in it.

mod hits;
mod ranges;
mod restrictions;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU32;

use hits::Hits;
use ranges::{Net, Ranges, Ruling};

pub use restrictions::Restrictions;

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    bits: u128,
    mask: u128,
    v4: bool,
}

impl Prefix {
    /// The addresses that agree with `address` in the bits of `mask`; a mask need not be
    /// contiguous. `None` if the families differ.
    pub fn new(address: IpAddr, mask: IpAddr) -> Option<Self> {
        // An IPv4 address in its IPv6 form has a mask of that form, too.
        if let (IpAddr::V6(v6), IpAddr::V6(long)) = (address, mask)
            && let Some(v4) = v6.to_ipv4_mapped()
            && u128::from(long) >> 32 == u128::MAX >> 32
        {
            let mask = u128::from(long) & u128::from(u32::MAX);
            return Some(Self { bits: u128::from(u32::from(v4)) & mask, mask, v4: true });
        }
        let (bits, v4) = widen(address);
        let (mask, mask_v4) = widen(mask);
        (v4 == mask_v4).then_some(Self { bits: bits & mask, mask, v4 })
    }

    /// The addresses that agree with `address` in the first `length` bits. `None` if it has not so many.
    pub fn of_length(address: IpAddr, length: u8) -> Option<Self> {
        let mask = match address {
            IpAddr::V4(_) if length <= 32 => {
                IpAddr::V4(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0).into())
            }
            IpAddr::V6(_) if length <= 128 => {
                IpAddr::V6(u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Self::new(address, mask)
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

    /// Whether an address is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let (bits, v4) = widen(address);
        v4 == self.v4 && bits & self.mask == self.bits
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        narrow(self.bits, self.v4)
    }

    /// Its mask.
    pub fn mask(&self) -> IpAddr {
        narrow(self.mask, self.v4)
    }

    /// How many bits it fixes: the more, the more specific.
    pub fn length(&self) -> u8 {
        u8::try_from(self.mask.count_ones()).unwrap_or(u8::MAX)
    }

    /// As a range for one family's [`Ranges`], where its bits are the leading ones.
    fn net(&self, ruling: Ruling) -> Option<Net> {
        let spare = if self.v4 { V4_SPARE_BITS } else { 0 };
        let contiguous = (self.mask << spare).leading_ones() == self.mask.count_ones();
        contiguous.then(|| Net { first: self.bits << spare, ruling })
    }
}

/// The contrary of [`widen`].
fn narrow(bits: u128, v4: bool) -> IpAddr {
    match u32::try_from(bits & u128::from(u32::MAX)) {
        Ok(low) if v4 => IpAddr::V4(low.into()),
        _ => IpAddr::V6(bits.into()),
    }
}

/// An IPv4 address stands in the upper 32 of 128 bits.
const V4_SPARE_BITS: u32 = 96;

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

/// A rule as it is in force, and how often it has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleRow {
    /// Whom it is about.
    pub prefix: Prefix,
    /// What they may not do.
    pub restrictions: Restrictions,
    /// Datagrams about which it has decided.
    pub hits: u64,
}

/// All `restrict` lines.
#[derive(Clone, Debug)]
pub struct AccessList {
    v4: Ranges,
    v6: Ranges,
    /// Those whose mask has gaps, the most specific first. Nobody has many, and each costs.
    gapped: Vec<(Prefix, Ruling)>,
    source: Option<Restrictions>,
    /// Addresses of the servers that `source` is about, sorted.
    sources: Vec<IpAddr>,
    /// What any line says.
    mentioned: Restrictions,
    /// What is in force, lines about the same range as one, each at its number less 1.
    rules: Box<[(Prefix, Restrictions)]>,
    hits: Hits,
}

impl Default for AccessList {
    /// What holds where there is no line.
    fn default() -> Self {
        Self::beside_unwritten(&[])
    }
}

/// The same rules; how often each has decided makes no difference.
impl PartialEq for AccessList {
    fn eq(&self, other: &Self) -> bool {
        let Self { v4: _, v6: _, gapped: _, source, sources, mentioned, rules, hits: _ } = self;
        (source, sources, mentioned, rules) == (&other.source, &other.sources, &other.mentioned, &other.rules)
    }
}

impl Eq for AccessList {}

/// What holds where the file has no line: the time is for everybody, queries are for this machine.
fn unwritten() -> [Rule; 4] {
    let for_this_machine = Restrictions::NOQUERY | Restrictions::NOMRULIST;
    let rule = |address: IpAddr, length, restrictions| Rule {
        target: RuleTarget::Prefix(
            Prefix::of_length(address, length).unwrap_or_else(|| Prefix::host(address)),
        ),
        restrictions,
    };
    [
        rule(Ipv4Addr::UNSPECIFIED.into(), 0, for_this_machine),
        rule(Ipv4Addr::LOCALHOST.into(), 8, Restrictions::NONE),
        rule(Ipv6Addr::UNSPECIFIED.into(), 0, for_this_machine),
        rule(Ipv6Addr::LOCALHOST.into(), 128, Restrictions::NONE),
    ]
}

impl AccessList {
    /// What holds where the file has no line, and these lines besides.
    pub fn beside_unwritten(lines: &[Rule]) -> Self {
        let written = lines.iter().fold(Restrictions::NONE, |all, line| all | line.restrictions);
        let list = Self::new(&[&unwritten()[..], lines].concat());
        Self { mentioned: written, ..list }
    }

    /// From the lines in order. Flags of lines about the same range add up, as in ntpd.
    pub fn new(lines: &[Rule]) -> Self {
        let mentioned = lines.iter().fold(Restrictions::NONE, |all, line| all | line.restrictions);
        let mut source: Option<Restrictions> = None;
        let mut merged: BTreeMap<(Prefix, bool), Restrictions> = BTreeMap::new();
        for line in lines {
            let known = match line.target {
                RuleTarget::Source => source.get_or_insert_default(),
                RuleTarget::Prefix(prefix) => {
                    // A line for port 123 alone is another one.
                    merged.entry((prefix, line.restrictions.has(Restrictions::NTPPORT))).or_default()
                }
            };
            *known |= line.restrictions;
        }
        let rules: Box<[(Prefix, Restrictions)]> =
            merged.into_iter().map(|((prefix, _), restrictions)| (prefix, restrictions)).collect();
        let (mut v4, mut v6, mut gapped) = (Vec::new(), Vec::new(), Vec::new());
        for ((prefix, restrictions), number) in rules.iter().zip(1..) {
            let Some(rule) = NonZeroU32::new(number) else { continue };
            let ruling = Ruling { length: prefix.length(), restrictions: *restrictions, rule };
            match prefix.net(ruling) {
                Some(net) if prefix.v4 => v4.push(net),
                Some(net) => v6.push(net),
                None => gapped.push((*prefix, ruling)),
            }
        }
        gapped.sort_by_key(|(_, ruling)| {
            (core::cmp::Reverse(ruling.length), !ruling.restrictions.has(Restrictions::NTPPORT))
        });
        let (v4, v6, hits) = (Ranges::new(v4), Ranges::new(v6), Hits::new(rules.len()));
        Self { v4, v6, gapped, source, sources: Vec::new(), mentioned, rules, hits }
    }

    /// The servers that `restrict source` is about.
    pub fn set_sources(&mut self, mut sources: Vec<IpAddr>) {
        sources.sort_unstable();
        sources.dedup();
        self.sources = sources;
    }

    /// Whether these servers, and no others, are the ones that `restrict source` is about.
    pub fn has_sources(&self, sources: &[IpAddr]) -> bool {
        let mut sorted = sources.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        self.sources == sorted
    }

    /// Whether any line has these flags.
    pub const fn mentions(&self, flags: Restrictions) -> bool {
        self.mentioned.has(flags)
    }

    /// What a sender may not do.
    pub fn restrictions(&self, from: SocketAddr) -> Restrictions {
        self.ruling(from).0
    }

    /// The same of the sender of a datagram, which counts for the rule that decides; every thread counts in a lane of
    /// its own.
    pub(super) fn decide(&self, from: SocketAddr, lane: usize) -> Restrictions {
        let (restrictions, rule) = self.ruling(from);
        if let Some(rule) = rule {
            self.hits.count(place(rule), lane);
        }
        restrictions
    }

    /// Goes on counting from where a former list was, for the rules that both have.
    pub fn count_on_from(&self, former: &Self) {
        if core::ptr::eq(self, former) {
            return;
        }
        let key = |(prefix, restrictions): &(Prefix, Restrictions)| {
            (*prefix, restrictions.has(Restrictions::NTPPORT))
        };
        for (at, rule) in self.rules.iter().enumerate() {
            if let Ok(before) = former.rules.binary_search_by_key(&key(rule), key) {
                self.hits.add(at, 0, former.hits.of(before));
            }
        }
    }

    /// The rules in force: those of IPv4 before those of IPv6, the most specific first.
    pub fn rows(&self) -> Vec<RuleRow> {
        let row = |(at, (prefix, restrictions)): (usize, &(Prefix, Restrictions))| RuleRow {
            prefix: *prefix,
            restrictions: *restrictions,
            hits: self.hits.of(at),
        };
        let mut rows: Vec<RuleRow> = self.rules.iter().enumerate().map(row).collect();
        rows.sort_by_key(|row| (!row.prefix.v4, core::cmp::Reverse(row.prefix.length())));
        rows
    }

    fn ruling(&self, from: SocketAddr) -> (Restrictions, Option<NonZeroU32>) {
        let address = from.ip().to_canonical();
        let matching = self.matching(address, from.port() == 123);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let template = self.source.filter(|_| self.sources.binary_search(&address).is_ok());
        match (matching, template) {
            // A line about this very address says more than one about all servers.
            (Some(ruling), Some(_)) if ruling.length == bits => (ruling.restrictions, Some(ruling.rule)),
            (_, Some(template)) => (template, None),
            (Some(ruling), None) => (ruling.restrictions, Some(ruling.rule)),
            (None, None) => (Restrictions::NONE, None),
        }
    }

    /// What the most specific rule says.
    fn matching(&self, address: IpAddr, ntp_port: bool) -> Option<Ruling> {
        let (bits, v4) = widen(address);
        let decision = if v4 { self.v4.find(bits << V4_SPARE_BITS) } else { self.v6.find(bits) };
        let found = if ntp_port { decision.ntp_port } else { decision.any };
        let gapped = self.gapped.iter().find(|(prefix, ruling)| {
            prefix.holds(address) && (ntp_port || !ruling.restrictions.has(Restrictions::NTPPORT))
        });
        match gapped.map(|(_, ruling)| *ruling) {
            Some(gapped) if found.is_none_or(|found| found.length < gapped.length) => Some(gapped),
            _ => found,
        }
    }
}

/// Where a rule stands.
const fn place(rule: NonZeroU32) -> usize {
    rule.get() as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(address: &str, mask: &str, restrictions: Restrictions) -> Rule {
        let prefix = Prefix::new(address.parse().unwrap(), mask.parse().unwrap()).unwrap();
        Rule { target: RuleTarget::Prefix(prefix), restrictions }
    }

    const IGNORE: Restrictions = Restrictions::IGNORE;
    const NOQUERY: Restrictions = Restrictions::NOQUERY;
    const OPEN: Restrictions = Restrictions::NONE;

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
    fn lines_beside_what_is_not_written_add_to_it() {
        let list = AccessList::beside_unwritten(&[rule("192.0.2.7", "255.255.255.255", IGNORE)]);
        assert_eq!(ask(&list, "192.0.2.7:9"), IGNORE);
        assert!(ask(&list, "192.0.2.8:9").has(NOQUERY) && ask(&list, "[2001:db8::1]:9").has(NOQUERY));
        assert_eq!(ask(&list, "127.0.0.1:9"), OPEN);
        assert_eq!(ask(&AccessList::new(&[]), "192.0.2.8:9"), OPEN);
    }

    #[test]
    fn flags_about_the_same_range_add_up() {
        let noserve = Restrictions::NOSERVE;
        let list = AccessList::new(&[
            rule("10.0.0.0", "255.0.0.0", NOQUERY),
            rule("10.0.0.0", "255.0.0.0", noserve),
        ]);
        assert_eq!(ask(&list, "10.0.0.1:9"), NOQUERY | noserve);
    }

    #[test]
    fn ntpport_lines_hold_for_port_123_only() {
        let list = AccessList::new(&[
            rule("0.0.0.0", "0.0.0.0", NOQUERY),
            rule("0.0.0.0", "0.0.0.0", IGNORE | Restrictions::NTPPORT),
        ]);
        assert!(ask(&list, "192.0.2.1:123").has(IGNORE));
        assert!(!ask(&list, "192.0.2.1:124").has(IGNORE));
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
        assert!(!ask(&list, "127.0.0.1:9").has(NOQUERY));
        assert!(!ask(&list, "[::1]:9").has(NOQUERY));
        assert!(ask(&list, "192.0.2.1:9").has(NOQUERY));
        assert!(!ask(&list, "192.0.2.1:9").has(Restrictions::NOSERVE));
    }

    #[test]
    fn rules_count_what_they_decide_and_go_on_when_read_anew() {
        let lines = [
            rule("0.0.0.0", "0.0.0.0", IGNORE),
            rule("10.0.0.0", "255.0.0.0", NOQUERY),
            rule("::", "::", OPEN),
        ];
        let list = AccessList::new(&lines);
        for (lane, from) in
            ["10.0.0.1:9", "10.1.0.1:123", "192.0.2.1:9", "[2001:db8::1]:9"].iter().enumerate()
        {
            list.decide(from.parse().unwrap(), lane);
        }
        let hits = |list: &AccessList| list.rows().iter().map(|row| row.hits).collect::<Vec<_>>();
        assert_eq!(hits(&list), [2, 1, 1]);
        // One rule goes, one comes.
        let renewed = AccessList::new(&[lines[0], lines[1], rule("10.1.0.0", "255.255.0.0", OPEN)]);
        renewed.count_on_from(&list);
        assert_eq!(hits(&renewed), [0, 2, 1]);
        assert_ne!(list, renewed);
        assert_eq!(AccessList::default().rows().len(), 4);
    }

    #[test]
    fn a_mask_with_gaps_counts_its_bits() {
        let list = AccessList::new(&[
            rule("10.0.0.0", "255.0.0.0", IGNORE),
            rule("10.0.7.0", "255.0.255.0", NOQUERY),
            rule("10.1.7.1", "255.255.255.255", OPEN),
        ]);
        assert_eq!(ask(&list, "10.3.7.9:9"), NOQUERY);
        assert_eq!(ask(&list, "10.3.8.9:9"), IGNORE);
        assert_eq!(ask(&list, "10.1.7.1:9"), OPEN);
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        let list =
            AccessList::new(&[rule("::ffff:10.0.0.0", "ffff:ffff:ffff:ffff:ffff:ffff:ff00:0", IGNORE)]);
        assert_eq!(ask(&list, "10.9.9.9:9"), IGNORE);
        assert_eq!(ask(&list, "11.9.9.9:9"), OPEN);
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
