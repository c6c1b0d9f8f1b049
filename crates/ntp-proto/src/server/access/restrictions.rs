//! The flags of a `restrict` line.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// What somebody may not do: a set of the flags that mean something here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Restrictions(u16);

/// The flags by the names they have in ntp.conf, in the order in which ntpd lists them.
const NAMES: [(Restrictions, &str); 11] = [
    (Restrictions::NTPPORT, "ntpport"),
    (Restrictions::IGNORE, "ignore"),
    (Restrictions::NOSERVE, "noserve"),
    (Restrictions::NOTRUST, "notrust"),
    (Restrictions::NOQUERY, "noquery"),
    (Restrictions::NOMODIFY, "nomodify"),
    (Restrictions::NOMRULIST, "nomrulist"),
    (Restrictions::LIMITED, "limited"),
    (Restrictions::VERSION, "version"),
    (Restrictions::KOD, "kod"),
    (Restrictions::FLAKE, "flake"),
];

impl Restrictions {
    /// Everything is allowed.
    pub const NONE: Self = Self(0);
    /// Nothing at all is answered.
    pub const IGNORE: Self = Self(1);
    /// No time requests are answered.
    pub const NOSERVE: Self = Self(1 << 1);
    /// No mode 6 queries are answered.
    pub const NOQUERY: Self = Self(1 << 2);
    /// The rule holds only for senders on port 123.
    pub const NTPPORT: Self = Self(1 << 3);
    /// No more is answered than the rate limit allows.
    pub const LIMITED: Self = Self(1 << 4);
    /// Whoever asks too often is told so now and then.
    pub const KOD: Self = Self(1 << 5);
    /// Only authenticated requests are answered.
    pub const NOTRUST: Self = Self(1 << 6);
    /// Only requests of version 4 are answered.
    pub const VERSION: Self = Self(1 << 7);
    /// The list of clients is not shown.
    pub const NOMRULIST: Self = Self(1 << 8);
    /// One request in ten is dropped, for tests.
    pub const FLAKE: Self = Self(1 << 9);
    /// Nothing may be changed by mode 6, signed or not.
    pub const NOMODIFY: Self = Self(1 << 10);

    /// Whether all of `flags` are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// `self`, if `set`; else nothing.
    #[must_use]
    pub const fn when(self, set: bool) -> Self {
        if set { self } else { Self::NONE }
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
    }

    /// The flags as ntpd's mode 6 shows them (`rstr`, the numbers of ntp 4.2.8's `RES_` constants).
    pub const fn to_mode6(self) -> u16 {
        const NUMBERS: [(Restrictions, u16); 10] = [
            (Restrictions::IGNORE, 0x0001),
            (Restrictions::NOSERVE, 0x0002),
            (Restrictions::NOTRUST, 0x0004),
            (Restrictions::VERSION, 0x0008),
            (Restrictions::LIMITED, 0x0020),
            (Restrictions::NOQUERY, 0x0040),
            (Restrictions::NOMODIFY, 0x0080),
            (Restrictions::KOD, 0x0400),
            (Restrictions::FLAKE, 0x1000),
            (Restrictions::NOMRULIST, 0x2000),
        ];
        let mut bits = 0;
        let mut index = 0;
        while index < NUMBERS.len() {
            if self.has(NUMBERS[index].0) {
                bits |= NUMBERS[index].1;
            }
            index += 1;
        }
        bits
    }
}

impl BitOr for Restrictions {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Restrictions {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Restrictions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.names()).finish()
    }
}
