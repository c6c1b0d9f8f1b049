//! Who has asked, how often and when: a table of fixed size that answers in constant time.
//!
//! An entry is found by a keyed hash, so that nobody can choose addresses that fall together, in a
//! bucket of four; a newcomer takes the place of the one that was silent for longest. There is one
//! writer; whoever wants to list the clients reads beside it, without a lock.

mod rate;

use alloc::sync::Arc;
use core::hash::Hasher as _;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use siphasher::sip::SipHasher13;

use crate::time::MonoTime;
use crate::wire::{Mode, Version};

pub use rate::RateLimit;

use super::access::Restrictions;

/// Entries in a bucket: two cache lines, which processors fetch together.
const WAYS: usize = 4;

/// What an entry takes, bytes.
const ENTRY_LEN: usize = 32;

/// The most entries: 2^24, which take half a gibibyte.
const ENTRIES_MAX: usize = 1 << 24;

/// Requests counted; one that asks more often keeps this number.
const COUNT_MAX: u64 = (1 << 24) - 1;

/// One client.
#[derive(Debug, Default)]
struct Entry {
    /// The address, as IPv6.
    address: [AtomicU64; 2],
    /// When it was first and last seen, in ticks.
    times: AtomicU64,
    /// From the top: count 24, port 16, debt 16, version 3, mode 3, told 1, limited 1.
    rest: AtomicU64,
}

/// Entries that share a hash.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Bucket([Entry; WAYS]);

/// The clients of one server thread, for reading.
#[derive(Debug)]
pub struct ClientList {
    buckets: Box<[Bucket]>,
    epoch: MonoTime,
    /// Visits of clients that were known, and newcomers that took another's place.
    known: AtomicU64,
    replaced: AtomicU64,
}

/// The clients of one server thread, for that thread.
#[derive(Debug)]
pub struct ClientTable {
    list: Arc<ClientList>,
    key: (u64, u64),
    random: u64,
    lane: usize,
}

/// One client, as the list of clients shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its address and the port it last asked from.
    pub remote: SocketAddr,
    /// When it was first seen.
    pub first: MonoTime,
    /// When it was last seen.
    pub last: MonoTime,
    /// Requests counted.
    pub count: u32,
    /// The mode of its last request.
    pub mode: Mode,
    /// The version of its last request.
    pub version: u8,
    /// Whether its last request was beyond the rate limit.
    pub limited: bool,
}

/// How full a list of clients is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Clients in it.
    pub used: u64,
    /// Clients that it has room for.
    pub room: u64,
    /// How long ago the one that is silent for longest asked.
    pub oldest: Duration,
    /// Requests of clients that were in it.
    pub known: u64,
    /// Clients that took the place of another.
    pub replaced: u64,
}

impl Occupancy {
    /// That of two lists.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            used: self.used.saturating_add(other.used),
            room: self.room.saturating_add(other.room),
            oldest: self.oldest.max(other.oldest),
            known: self.known.wrapping_add(other.known),
            replaced: self.replaced.wrapping_add(other.replaced),
        }
    }
}

/// With one writer, no locked instruction is needed.
fn increase(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

/// What the rate limit says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is answered.
    Admitted,
    /// It is beyond the limit; the client may hear so.
    LimitedAloud,
    /// It is beyond the limit.
    Limited,
}

/// A request as the table sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) from: SocketAddr,
    pub(super) mode: Mode,
    pub(super) version: Version,
    pub(super) at: MonoTime,
}

impl ClientTable {
    /// A table of about `memory` bytes and of no more than `entries_max` entries, if that is given.
    /// `key` must be random: whoever knows it can make addresses fall together. So must `seed`, of what is drawn
    /// by lot: who sees the lots learns nothing about the key.
    pub fn new(
        memory: usize,
        entries_max: Option<usize>,
        key: (u64, u64),
        seed: u64,
        epoch: MonoTime,
    ) -> Self {
        let wanted = (memory / ENTRY_LEN).min(entries_max.unwrap_or(ENTRIES_MAX)).clamp(WAYS, ENTRIES_MAX);
        // Any number will do for the hash, so that no memory asked for is left out.
        let buckets = (0..wanted / WAYS).map(|_| Bucket::default()).collect();
        let (known, replaced) = (AtomicU64::new(0), AtomicU64::new(0));
        let list = Arc::new(ClientList { buckets, epoch, known, replaced });
        Self { list, key, random: seed | 1, lane: 0 }
    }

    /// The table of the thread with this number, which counts apart from the others.
    #[must_use]
    pub const fn in_lane(mut self, lane: usize) -> Self {
        self.lane = lane;
        self
    }

    pub(super) const fn lane(&self) -> usize {
        self.lane
    }

    /// Takes over those clients of another list that `wanted` picks out, as far as there is room: whoever asked last
    /// stays. Both lists must have begun at the same moment.
    pub fn adopt(&mut self, former: &ClientList, wanted: impl Fn(IpAddr) -> bool, now: MonoTime) {
        let now = self.list.ticks(now);
        for entry in former.buckets.iter().flat_map(|bucket| &bucket.0).filter(|entry| !entry.is_empty()) {
            let address = [entry.address[0].load(Relaxed), entry.address[1].load(Relaxed)];
            let Some(bucket) = self.list.buckets.get(self.place(address)) else { continue };
            let place = bucket.find(address, now);
            if wanted(joined(address)) && place.age(now) > entry.age(now) {
                place.copy(entry);
            }
        }
    }

    /// The memory that so many entries take.
    pub const fn memory_for(entries: usize) -> usize {
        entries.saturating_mul(ENTRY_LEN)
    }

    /// The same clients for whoever lists them.
    pub fn list(&self) -> Arc<ClientList> {
        Arc::clone(&self.list)
    }

    /// A number drawn by lot (xorshift): good enough to be fair, and no secret depends on it.
    pub(super) const fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d).swap_bytes()
    }

    /// Notes a request; says what becomes of it if `restrictions` limit its sender.
    pub(super) fn visit(
        &mut self,
        visit: &Visit,
        limit: &RateLimit,
        restrictions: Restrictions,
    ) -> Admission {
        let random = self.random();
        let now = self.list.ticks(visit.at);
        let address = halves(visit.from.ip());
        let Some(bucket) = self.list.buckets.get(self.place(address)) else { return Admission::Admitted };
        let entry = bucket.find(address, now);
        let known = entry.is(address);
        if known {
            increase(&self.list.known);
        } else if !entry.is_empty() {
            increase(&self.list.replaced);
        }
        let old = if known { Rest::unpack(entry.rest.load(Relaxed)) } else { Rest::default() };
        let (first, last) =
            if known { unpack_times(entry.times.load(Relaxed)) } else { (now, limit.long_before(now)) };
        let (debt, fits) = limit.charge(old.debt, last, now);
        let beyond = restrictions.has(Restrictions::LIMITED) && !fits;
        let leaks = !beyond || RateLimit::leaks(random);
        // Once in an interval; intervals begin for all at the same marks.
        let was_told = old.told && !limit.is_past_mark(last, now);
        let tells = !leaks && restrictions.has(Restrictions::KOD) && !was_told;
        let rest = Rest {
            count: old.count.saturating_add(1),
            port: visit.from.port(),
            debt,
            version: visit.version.number(),
            mode: visit.mode.to_bits(),
            told: was_told || tells,
            limited: beyond,
        };
        entry.address[0].store(address[0], Relaxed);
        entry.address[1].store(address[1], Relaxed);
        // The last moment never moves back.
        let latest = if known && rate::elapsed(last, now) == 0 { last } else { now };
        entry.times.store(u64::from(first) << 32 | u64::from(latest), Relaxed);
        entry.rest.store(rest.pack(), Relaxed);
        if leaks {
            Admission::Admitted
        } else if tells {
            Admission::LimitedAloud
        } else {
            Admission::Limited
        }
    }

    /// Which bucket an address belongs to. IPv6 clients share one for each network of 64 bits, which
    /// is what one of them can fill by itself.
    fn place(&self, address: [u64; 2]) -> usize {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write_u64(network(address));
        let buckets = self.list.buckets.len() as u128;
        // The upper half of a product instead of a remainder: no division, and any number of buckets.
        usize::try_from((u128::from(hasher.finish()) * buckets) >> 64).unwrap_or(0)
    }
}

impl ClientList {
    /// Calls back for every client, in no order. What was longer ago than 194 days seems later.
    pub fn for_each(&self, now: MonoTime, mut each: impl FnMut(ClientRecord)) {
        for entry in self.buckets.iter().flat_map(|bucket| &bucket.0) {
            if let Some(record) = self.record(entry, now) {
                each(record);
            }
        }
    }

    /// How full it is.
    pub fn occupancy(&self, now: MonoTime) -> Occupancy {
        let (mut used, mut oldest) = (0_u64, Duration::ZERO);
        self.for_each(now, |record| {
            used += 1;
            oldest = oldest.max(now.since(record.last));
        });
        let (known, replaced) = (self.known.load(Relaxed), self.replaced.load(Relaxed));
        let room = u64::try_from(self.capacity()).unwrap_or(u64::MAX);
        Occupancy { used, room, oldest, known, replaced }
    }

    /// How many clients there is room for.
    pub fn capacity(&self) -> usize {
        self.buckets.len() * WAYS
    }

    fn record(&self, entry: &Entry, now: MonoTime) -> Option<ClientRecord> {
        let address = || [entry.address[0].load(Relaxed), entry.address[1].load(Relaxed)];
        let before = address();
        let (first, last) = unpack_times(entry.times.load(Relaxed));
        let rest = Rest::unpack(entry.rest.load(Relaxed));
        // The writer may have replaced the entry meanwhile: then it is listed the next time.
        if rest.count == 0 || address() != before {
            return None;
        }
        let remote = SocketAddr::new(joined(before), rest.port);
        // Reckoned from the epoch, so that it is the same moment whenever it is asked for.
        let whole = rate::ticks(now.since(self.epoch));
        let moment = |ticks: u32| {
            let ago = rate::elapsed(ticks, self.ticks(now));
            self.epoch + rate::span(whole.saturating_sub(u64::from(ago)))
        };
        let (first, last) = (moment(first), moment(last));
        let mode = Mode::from_bits(rest.mode);
        Some(ClientRecord {
            remote,
            first,
            last,
            count: rest.count,
            mode,
            version: rest.version,
            limited: rest.limited,
        })
    }

    /// Ticks since the table was made; they wrap after 194 days.
    #[expect(clippy::cast_possible_truncation, reason = "wrapping is meant")]
    fn ticks(&self, at: MonoTime) -> u32 {
        rate::ticks(at.since(self.epoch)) as u32
    }
}

impl Bucket {
    /// The entry of an address, or the one that makes room for it.
    fn find(&self, address: [u64; 2], now: u32) -> &Entry {
        let [first, others @ ..] = &self.0;
        let mut stalest = first;
        let mut stalest_age = first.age(now);
        if first.is(address) {
            return first;
        }
        for entry in others {
            if entry.is(address) {
                return entry;
            }
            let age = entry.age(now);
            if age > stalest_age {
                (stalest, stalest_age) = (entry, age);
            }
        }
        stalest
    }
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.rest.load(Relaxed) == 0
    }

    /// Whether it is about this client.
    fn is(&self, address: [u64; 2]) -> bool {
        let own = [self.address[0].load(Relaxed), self.address[1].load(Relaxed)];
        network(own) == network(address) && !self.is_empty()
    }

    /// Becomes what another one is.
    fn copy(&self, other: &Self) {
        for (own, new) in self.address.iter().zip(&other.address) {
            own.store(new.load(Relaxed), Relaxed);
        }
        self.times.store(other.times.load(Relaxed), Relaxed);
        self.rest.store(other.rest.load(Relaxed), Relaxed);
    }

    /// For how long it has been silent, in ticks; for ever where there is none.
    fn age(&self, now: u32) -> u64 {
        if self.is_empty() {
            return u64::MAX;
        }
        u64::from(rate::elapsed(unpack_times(self.times.load(Relaxed)).1, now))
    }
}

/// The fields of an entry that share a word.
#[derive(Clone, Copy, Default)]
struct Rest {
    count: u32,
    port: u16,
    debt: u16,
    version: u8,
    mode: u8,
    told: bool,
    limited: bool,
}

impl Rest {
    fn pack(self) -> u64 {
        u64::from(self.count).min(COUNT_MAX) << 40
            | u64::from(self.port) << 24
            | u64::from(self.debt) << 8
            | u64::from(self.version & 7) << 5
            | u64::from(self.mode & 7) << 2
            | u64::from(self.told) << 1
            | u64::from(self.limited)
    }

    #[expect(clippy::cast_possible_truncation, reason = "fields are cut out of a word")]
    const fn unpack(word: u64) -> Self {
        Self {
            count: (word >> 40) as u32,
            port: (word >> 24) as u16,
            debt: (word >> 8) as u16,
            version: (word >> 5) as u8 & 7,
            mode: (word >> 2) as u8 & 7,
            told: word >> 1 & 1 == 1,
            limited: word & 1 == 1,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "halves of a word")]
const fn unpack_times(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// The address of two words.
fn joined(halves: [u64; 2]) -> IpAddr {
    let ip = Ipv6Addr::from(u128::from(halves[0]) << 64 | u128::from(halves[1]));
    IpAddr::V6(ip).to_canonical()
}

/// An address as two words; IPv4 in its mapped form.
#[expect(clippy::cast_possible_truncation, reason = "halves of an address")]
fn halves(address: IpAddr) -> [u64; 2] {
    let mapped = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let bits = u128::from(mapped);
    [(bits >> 64) as u64, bits as u64]
}

/// What tells clients apart: the upper half of an IPv6 address, an IPv4 address whole (the upper half
/// of its mapped form is zero).
const fn network(address: [u64; 2]) -> u64 {
    if address[0] == 0 { address[1] } else { address[0] }
}

#[cfg(test)]
mod tests;
