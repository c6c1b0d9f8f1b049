//! The list of clients through mode 6 (`mrulist`; the exchange of ntp 4.2.8): a nonce first, so that a
//! forged sender gets nothing, then the entries in the order in which they were last seen, some in each
//! answer.
//!
//! An answer takes two walks through the table and memory for no more entries than it shows, however many
//! clients there are.

use alloc::collections::{BTreeMap, BinaryHeap};
use core::cmp::Reverse;
use core::fmt::Write as _;
use core::net::SocketAddr;
use core::time::Duration;

use crate::server::{ClientRecord, Restrictions};
use crate::time::{MonoTime, NtpDuration, NtpTimestamp, Reading};

use super::items::parse_items;
use super::message::{ErrorCode, FRAGMENT_LEN_MAX};
use super::nonce;
use super::respond::Asker;
use super::values::{integer, timestamp};

/// The most fragments of one answer, whatever is asked for.
const FRAGMENTS_MAX: usize = 32;

/// The longest text of one entry, and less than the shortest.
const ENTRY_LEN: core::ops::Range<usize> = 90..180;

/// What stands before the first entry and behind the last one.
const FRAME_LEN_MAX: usize = 260;

/// What stands between entries.
const SEPARATOR: &str = ",\r\n";

/// Entries by which an unfinished list goes on; who asks names sixteen.
const RESUME_MAX: usize = 64;

/// The most that may be asked for (ntp 4.2.8, `ntp_control.c`).
const FRAGMENTS_ASKED_MAX: usize = 128;
const ENTRIES_ASKED_MAX: usize = 256;

/// The most clients that `recent` can pick out; for more, all are listed.
const RECENT_MAX: usize = 4096;

/// What is asked for.
#[derive(Debug, Default)]
struct Wish {
    /// How many of them there may be; 0 where nothing is said.
    fragments: usize,
    limit: usize,
    mincount: u32,
    longest_silence: Option<Duration>,
    shortest_silence: Duration,
    recent: usize,
    /// Flags that all must be there, and of which one must.
    all: u16,
    any: u16,
    /// Entries that are known already, the newest first.
    known: Vec<(Option<SocketAddr>, NtpTimestamp)>,
}

/// Why a list is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The sender may not have asked: it hears nothing.
    Unproven,
    /// It hears why.
    With(ErrorCode),
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self::With(code)
    }
}

impl Wish {
    fn read(data: &[u8], asker: &Asker<'_>, now: MonoTime) -> Result<Self, Refused> {
        let mut wish = Self::default();
        let mut proven = false;
        let mut unreadable = false;
        for item in parse_items(data) {
            let value = item.value.as_str();
            let mut number = || {
                let number = integer(value).and_then(|number| u64::try_from(number).ok());
                unreadable |= number.is_none();
                number.unwrap_or(0)
            };
            let mut count = || usize::try_from(number()).unwrap_or(usize::MAX);
            match item.name.as_str() {
                "nonce" => proven = nonce::is_good(value, asker, now),
                "frags" => wish.fragments = count(),
                "limit" => wish.limit = count(),
                "mincount" => wish.mincount = u32::try_from(number()).unwrap_or(u32::MAX),
                "maxlstint" => wish.longest_silence = Some(Duration::from_secs(number())),
                "minlstint" => wish.shortest_silence = Duration::from_secs(number()),
                "recent" => wish.recent = count(),
                "resall" => wish.all = u16::try_from(number()).unwrap_or(u16::MAX),
                "resany" => wish.any = u16::try_from(number()).unwrap_or(u16::MAX),
                name => wish.note_known(name, value),
            }
        }
        // Without it, the answer could be sent to somebody who did not ask.
        if !proven {
            return Err(Refused::Unproven);
        }
        let without = wish.fragments == 0 && wish.limit == 0;
        let beyond = wish.fragments > FRAGMENTS_ASKED_MAX || wish.limit > ENTRIES_ASKED_MAX;
        if unreadable || without || beyond { Err(ErrorCode::BadValue.into()) } else { Ok(wish) }
    }

    /// `addr.N` comes before its `last.N`.
    fn note_known(&mut self, name: &str, value: &str) {
        if name.starts_with("addr.") && self.known.len() < RESUME_MAX {
            self.known.push((value.parse().ok(), NtpTimestamp::ZERO));
        } else if name.starts_with("last.")
            && let (Some(last), Some(time)) = (self.known.last_mut(), timestamp(value))
        {
            last.1 = time;
        }
    }

    /// How long the answer may be, without what stands around the entries.
    fn room(&self) -> usize {
        let fragments = if self.fragments == 0 { FRAGMENTS_MAX } else { self.fragments.min(FRAGMENTS_MAX) };
        fragments.saturating_mul(FRAGMENT_LEN_MAX).saturating_sub(FRAME_LEN_MAX)
    }

    /// No more entries than that will be shown.
    fn entries_max(&self) -> usize {
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        limit.min(self.room().div_ceil(ENTRY_LEN.start))
    }

    fn wants(&self, record: &ClientRecord, now: MonoTime, asker: &Asker<'_>) -> bool {
        let silence = now.since(record.last);
        record.count >= self.mincount
            && silence >= self.shortest_silence
            && self.longest_silence.is_none_or(|longest| silence <= longest)
            && (self.all == 0 && self.any == 0 || {
                let flags = restrictions(asker, record);
                flags & self.all == self.all && (self.any == 0 || flags & self.any != 0)
            })
    }
}

/// How long may pass between reading the one clock and the other.
const READING_SLACK: Duration = Duration::from_millis(50);

/// The part of an age by which a slewed clock may be off since: more than any slew.
const SLEW_SLACK: u32 = 128;

/// A place in the list: when a client was last seen, and who it is.
type Place = (MonoTime, SocketAddr);

/// One part of the list.
struct Part {
    /// The entry behind which it begins, if that is one that was named.
    behind: Option<Place>,
    /// Its entries, in order: as many as could be shown, and perhaps one more.
    entries: BTreeMap<Place, ClientRecord>,
    /// When the newest of the whole list was seen.
    newest: Option<MonoTime>,
}

/// The next part of the list.
pub(super) fn list(asker: &Asker<'_>, now: Reading, data: &[u8]) -> Result<Vec<u8>, Refused> {
    if asker.restrictions.has(Restrictions::NOMRULIST) {
        return Err(ErrorCode::Restricted.into());
    }
    let wish = Wish::read(data, asker, now.mono)?;
    let part = find(asker, now, &wish);
    let mut text = nonce::of(asker, now.mono);
    // Writing to a string cannot fail.
    if let Some((last, remote)) = part.behind {
        let _infallible = write!(text, ", last.older=0x{:?}, addr.older={remote}", when(now, last));
    }
    let room = wish.room().saturating_add(text.len());
    for (shown, record) in part.entries.values().enumerate() {
        if shown >= wish.entries_max() || text.len().saturating_add(ENTRY_LEN.end) > room {
            text.push_str("\r\n");
            return Ok(text.into_bytes());
        }
        text.push_str(SEPARATOR);
        write_entry(&mut text, shown, record, restrictions(asker, record), now);
    }
    // What ends the list.
    let newest = part.newest.map_or(NtpTimestamp::ZERO, |newest| when(now, newest));
    let _infallible = write!(text, "{SEPARATOR}now=0x{:?}, last.newest=0x{newest:?}\r\n", now.system);
    Ok(text.into_bytes())
}

/// Walks through the tables: first for where the list goes on, then for what comes there.
fn find(asker: &Asker<'_>, now: Reading, wish: &Wish) -> Part {
    let each = |act: &mut dyn FnMut(ClientRecord)| {
        for list in asker.clients {
            list.for_each(now.mono, |record| {
                if wish.wants(&record, now.mono, asker) {
                    act(record);
                }
            });
        }
    };
    let mut newest = None;
    // The newest named entry that has not changed since, by its rank among those named.
    let mut behind: Option<(usize, Place)> = None;
    let mut recent = BinaryHeap::new();
    let wants_recent = (1..=RECENT_MAX).contains(&wish.recent);
    each(&mut |record| {
        newest = newest.max(Some(record.last));
        if wants_recent {
            recent.push(Reverse(record.last));
            if recent.len() > wish.recent {
                recent.pop();
            }
        }
        let is_it = |known: &(Option<SocketAddr>, NtpTimestamp)| {
            let last = when(now, record.last);
            known.0 == Some(record.remote) && near(last, known.1, now.mono.since(record.last))
        };
        if let Some(rank) = wish.known.iter().position(is_it)
            && behind.is_none_or(|(best, _)| rank < best)
        {
            behind = Some((rank, (record.last, record.remote)));
        }
    });
    let behind = behind.map(|(_, place)| place);
    let since = recent.peek().map(|oldest| oldest.0);
    // Where all of them have changed: behind whatever is no newer than the newest of them.
    let named = wish.known.first().map(|(_, last)| *last);
    let mut entries = BTreeMap::new();
    each(&mut |record| {
        let place = (record.last, record.remote);
        let comes = match (behind, named) {
            (Some(behind), _) => place > behind,
            (None, Some(named)) => is_after(when(now, record.last), named),
            (None, None) => true,
        };
        if comes && since.is_none_or(|since| record.last >= since) {
            entries.insert(place, record);
            if entries.len() > wish.entries_max().saturating_add(1) {
                entries.pop_last();
            }
        }
    });
    Part { behind, entries, newest }
}

/// A moment as a timestamp of the present clock.
#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap and spans saturate")]
fn when(now: Reading, at: MonoTime) -> NtpTimestamp {
    now.system - now.mono.diff(at)
}

#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap and spans saturate")]
fn is_after(one: NtpTimestamp, other: NtpTimestamp) -> bool {
    one - other > NtpDuration::ZERO
}

/// Whether two moments, one of them so long ago, are the same. Timestamps are reckoned back from the present: the
/// clock may have been slewed in between, and the two clocks read one after the other. Who has asked again since was
/// last seen later by about that long.
#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap and spans saturate")]
fn near(one: NtpTimestamp, other: NtpTimestamp, age: Duration) -> bool {
    let slack = READING_SLACK + age / SLEW_SLACK;
    let tolerance = Duration::from_millis(2) + slack.min(age / 2);
    (one - other).abs() < NtpDuration::from_std(tolerance)
}

/// The flags that hold for a client; those about the rate only while it is limited.
fn restrictions(asker: &Asker<'_>, record: &ClientRecord) -> u16 {
    let all = asker.rules.access.restrictions(record.remote);
    let about_rate = (Restrictions::LIMITED | Restrictions::KOD).to_mode6();
    if record.limited { all.to_mode6() } else { all.to_mode6() & !about_rate }
}

fn write_entry(text: &mut String, index: usize, record: &ClientRecord, restrictions: u16, now: Reading) {
    let mode_version = u16::from(record.version) << 3 | u16::from(record.mode.to_bits());
    // Writing to a string cannot fail.
    let _infallible = write!(
        text,
        "addr.{index}={}, last.{index}=0x{:?}, first.{index}=0x{:?}, ct.{index}={}, mv.{index}={mode_version}, \
         rs.{index}={restrictions:#x}",
        record.remote,
        when(now, record.last),
        when(now, record.first),
        record.count,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeyTable;
    use crate::control::Statistics;
    use crate::server::{
        AccessList, ClientTable, Prefix, RateLimit, Request, Rule, RuleRow, RuleTarget, ServerRules, respond,
    };
    use crate::system::Reference;
    use crate::time::Precision;
    use crate::wire::{Header, Version};
    use alloc::collections::BTreeSet;
    use alloc::sync::Arc;
    use proptest::prelude::*;

    /// A table that `count` clients have asked, one after the other.
    fn asked_by(count: u32) -> (ClientTable, ServerRules) {
        let target = RuleTarget::Prefix(Prefix::everything(true));
        let rule = Rule { target, restrictions: Restrictions::LIMITED };
        let (keys, limit) = (Arc::new(KeyTable::default()), RateLimit::default());
        let rules = ServerRules { access: AccessList::new(&[rule]), keys, limit, monitor: true };
        let mut table = ClientTable::new(1 << 20, None, (5, 6), 7, MonoTime::ZERO);
        let reference = Reference::unsynchronized(Precision::new(-20), MonoTime::ZERO);
        let bytes = Header::request(Version::V4, 6, NtpTimestamp::from_bits(9)).to_bytes();
        for number in 0..count {
            let from = SocketAddr::new(core::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 123);
            let at = MonoTime::ZERO + Duration::from_millis(10 * u64::from(number));
            let request = Request {
                bytes: &bytes,
                from,
                received: NtpTimestamp::from_bits(1 << 40),
                at,
                waited: Duration::ZERO,
            };
            respond(&reference, &rules, &mut table, &request);
        }
        (table, rules)
    }

    #[derive(Debug)]
    struct Nothing;
    impl super::super::Lists for Nothing {
        fn interfaces(&self) -> Vec<super::super::InterfaceRow> {
            Vec::new()
        }
        fn rules(&self) -> Vec<RuleRow> {
            Vec::new()
        }
    }

    fn now() -> Reading {
        Reading {
            mono: MonoTime::from_nanos(60_000_000_000),
            system: NtpTimestamp::from_bits(4_000_000_000 << 32),
        }
    }

    fn with_asker<T>(count: u32, from: &str, act: impl FnOnce(&Asker<'_>) -> T) -> T {
        let (table, rules) = asked_by(count);
        let from = from.parse().unwrap();
        let (restrictions, statistics) = (Restrictions::NONE, Statistics::default());
        let clients = [table.list()];
        act(&Asker {
            from,
            restrictions,
            clients: &clients,
            rules: &rules,
            statistics: &statistics,
            buffers: 1,
            caution: super::super::Caution::default(),
            nonce_keys: super::super::NonceKeys::new((7, 8)),
            control_key: None,
            lists: &Nothing,
        })
    }

    fn nonce_for(asker: &Asker<'_>) -> String {
        nonce::of(asker, now().mono)
    }

    #[test]
    fn the_whole_list_comes_in_parts_and_nobody_twice() {
        with_asker(700, "127.0.0.1:5000", |asker| {
            let (mut seen, mut known, mut parts) = (BTreeSet::new(), String::new(), 0);
            loop {
                let question = format!("{}, frags=8{known}", nonce_for(asker));
                let had_known = !known.is_empty();
                let data = list(asker, now(), question.as_bytes()).unwrap();
                assert!(data.len() <= 8 * FRAGMENT_LEN_MAX);
                let items = parse_items(&data);
                assert_eq!(items[0].name, "nonce");
                assert_eq!(items.iter().any(|item| item.name == "addr.older"), had_known);
                let last = |index: &str| {
                    items.iter().find(|item| item.name == format!("last.{index}")).unwrap().value.clone()
                };
                for item in
                    items.iter().filter(|item| item.name.starts_with("addr.") && item.name != "addr.older")
                {
                    assert!(seen.insert(item.value.clone()), "{} twice", item.value);
                    known = format!(", addr.0={}, last.0={}", item.value, last(&item.name[5..]));
                }
                parts += 1;
                if items.iter().any(|item| item.name == "now") {
                    break;
                }
            }
            assert_eq!(seen.len(), 700);
            assert!(parts > 10, "{parts}");
        });
    }

    #[test]
    fn a_nonce_outlives_one_new_secret_and_no_second() {
        with_asker(3, "127.0.0.1:5000", |asker| {
            let text = format!("{}, frags=8", nonce_for(asker));
            let mut asker = *asker;
            asker.nonce_keys.renew((70, 80));
            assert!(list(&asker, now(), text.as_bytes()).is_ok());
            asker.nonce_keys.renew((700, 800));
            assert_eq!(list(&asker, now(), text.as_bytes()), Err(Refused::Unproven));
        });
    }

    #[test]
    fn without_its_own_fresh_nonce_nobody_gets_anything() {
        let of_another = with_asker(3, "127.0.0.1:5001", nonce_for);
        with_asker(3, "127.0.0.1:5000", |asker| {
            let own = nonce_for(asker);
            let ask = |at: Reading, text: &str| list(asker, at, text.as_bytes());
            for text in ["", "frags=8", "nonce=", "nonce=0000003c0000000000000000", &of_another] {
                let text = format!("{text}, frags=8");
                assert_eq!(ask(now(), &text), Err(Refused::Unproven), "{text}");
            }
            let good = format!("{own}, frags=8");
            assert!(ask(now(), &good).is_ok());
            let later = Reading { mono: now().mono + Duration::from_secs(17), ..now() };
            assert_eq!(ask(later, &good), Err(Refused::Unproven));
            for bad in ["limit=x", "mincount=2", "frags=129", "limit=257", "frags=0, limit=0"] {
                let refused = ask(now(), &format!("{own}, {bad}"));
                assert_eq!(refused, Err(Refused::With(ErrorCode::BadValue)), "{bad}");
            }
            let closed = Asker { restrictions: Restrictions::NOMRULIST, ..*asker };
            assert_eq!(list(&closed, now(), good.as_bytes()), Err(Refused::With(ErrorCode::Restricted)));
        });
    }

    #[test]
    fn those_that_are_wanted_come_and_no_others() {
        with_asker(700, "127.0.0.1:5000", |asker| {
            let ask = |words: &str| {
                let data = list(asker, now(), format!("{}, {words}", nonce_for(asker)).as_bytes()).unwrap();
                let items = parse_items(&data);
                let of = |name: &str| items.iter().filter(|item| item.name.starts_with(name)).count();
                (of("addr."), of("now"))
            };
            assert_eq!(ask("limit=7"), (7, 0));
            assert_eq!(ask("frags=32, recent=5"), (5, 1));
            assert_eq!(ask("frags=32, mincount=2"), (0, 1));
            // They came every ten milliseconds from the start on, and a minute has passed.
            assert_eq!(ask("frags=32, minlstint=60"), (1, 1));
            assert_eq!(ask("frags=32, maxlstint=54"), (100, 1));
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_question_gets_a_bounded_answer(rest in "[ -~]{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            with_asker(200, "127.0.0.1:5000", |asker| {
                let own = nonce_for(asker);
                for tail in [rest.as_bytes(), &bytes[..]] {
                    let question = [own.as_bytes(), b", frags=9, ", tail].concat();
                    if let Ok(data) = list(asker, now(), &question) {
                        assert!(data.len() <= FRAGMENTS_MAX * FRAGMENT_LEN_MAX, "{}", data.len());
                        assert!(data.is_ascii());
                    }
                }
            });
        }
    }
}
