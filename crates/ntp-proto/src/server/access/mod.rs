//! `restrict`: who may ask what, by longest prefix.
//!
//! It governs who may ask us. DEVIATION(ntp 4.2.8): it does not govern whom we ask, because an
//! answer is accepted only on a socket connected to a configured server and with our nonce in it.

mod ranges;
mod restrictions;

use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};

use ranges::{Net, Ranges};

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
        // An IPv4 mask is widened like its address: the bits outside it say nothing.
        let mask = if mask_v4 { mask & u128::from(u32::MAX) } else { mask };
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
    fn net(&self, restrictions: Restrictions) -> Option<Net> {
        let spare = if self.v4 { V4_SPARE_BITS } else { 0 };
        let contiguous = (self.mask << spare).leading_ones() == self.mask.count_ones();
        contiguous.then(|| Net { first: self.bits << spare, length: self.length(), restrictions })
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

/// All `restrict` lines.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessList {
    v4: Ranges,
    v6: Ranges,
    /// Those whose mask has gaps, the most specific first. Nobody has many, and each costs.
    gapped: Vec<(Prefix, Restrictions)>,
    source: Option<Restrictions>,
    sources: Vec<IpAddr>,
    /// Whether the file had any line at all.
    configured: bool,
    /// What any line says.
    mentioned: Restrictions,
}

impl AccessList {
    /// From the lines in order. Flags of lines about the same range add up, as in ntpd.
    pub fn new(lines: &[Rule]) -> Self {
        let mut source: Option<Restrictions> = None;
        let mut rules: BTreeMap<(Prefix, bool), Restrictions> = BTreeMap::new();
        for line in lines {
            let known = match line.target {
                RuleTarget::Source => source.get_or_insert_default(),
                RuleTarget::Prefix(prefix) => {
                    rules.entry((prefix, line.restrictions.has(Restrictions::NTPPORT))).or_default()
                }
            };
            *known |= line.restrictions;
        }
        let (mut v4, mut v6, mut gapped) = (Vec::new(), Vec::new(), Vec::new());
        for ((prefix, _), restrictions) in rules {
            match prefix.net(restrictions) {
                Some(net) if prefix.v4 => v4.push(net),
                Some(net) => v6.push(net),
                None => gapped.push((prefix, restrictions)),
            }
        }
        gapped.sort_by_key(|(prefix, restrictions)| {
            (core::cmp::Reverse(prefix.length()), !restrictions.has(Restrictions::NTPPORT))
        });
        let configured = !lines.is_empty();
        let mentioned = lines.iter().fold(Restrictions::NONE, |all, line| all | line.restrictions);
        let (v4, v6) = (Ranges::new(v4), Ranges::new(v6));
        Self { v4, v6, gapped, source, sources: Vec::new(), configured, mentioned }
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
        let address = from.ip().to_canonical();
        let matching = self.matching(address, from.port() == 123);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let template = self.source.filter(|_| self.sources.binary_search(&address).is_ok());
        match (matching, template) {
            // An explicit line about exactly this host outranks the template for servers.
            (Some((length, restrictions)), Some(_)) if length == bits => restrictions,
            (_, Some(template)) => template,
            (Some((_, restrictions)), None) => restrictions,
            // Without any line, the state of the daemon is nobody's business but this machine's.
            (None, None) => (Restrictions::NOQUERY | Restrictions::NOMRULIST)
                .when(!self.configured && !address.is_loopback()),
        }
    }

    /// The most specific rule: the bits it fixes, and what it says.
    fn matching(&self, address: IpAddr, ntp_port: bool) -> Option<(u8, Restrictions)> {
        let (bits, v4) = widen(address);
        let decision = if v4 { self.v4.find(bits << V4_SPARE_BITS) } else { self.v6.find(bits) };
        let found = if ntp_port { decision.ntp_port } else { decision.any };
        let gapped = self.gapped.iter().find(|(prefix, restrictions)| {
            prefix.holds(address) && (ntp_port || !restrictions.has(Restrictions::NTPPORT))
        });
        match gapped.map(|(prefix, restrictions)| (prefix.length(), *restrictions)) {
            Some(gapped) if found.is_none_or(|(length, _)| length < gapped.0) => Some(gapped),
            _ => found,
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
