//! The list of clients through mode 6 (`mrulist`; the exchange of ntp 4.2.8): a nonce first, so that a
//! forged sender gets nothing, then the entries in the order in which they were last seen, some in each
//! answer.

use core::fmt::Write as _;
use core::hash::Hasher as _;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use siphasher::sip::SipHasher13;

use crate::server::{ClientRecord, Restrictions};
use crate::time::{MonoTime, NtpDuration, NtpTimestamp, Reading};

use super::items::parse_items;
use super::message::{ErrorCode, FRAGMENT_LEN_MAX};
use super::respond::Asker;

/// The most fragments of one answer, whatever is asked for.
const FRAGMENTS_MAX: usize = 32;

/// The longest text of one entry.
const ENTRY_LEN_MAX: usize = 160;

/// What stands behind the last entry.
const TAIL_LEN_MAX: usize = 80;

/// What stands between entries.
const SEPARATOR: &str = ",\r\n";

/// For how many seconds a nonce is good.
const NONCE_AGE_MAX: u64 = 16;

/// Entries by which an unfinished list goes on.
const RESUME_MAX: usize = 64;

/// The answer to a request for a nonce.
pub(super) fn nonce(asker: &Asker<'_>, now: Reading) -> Vec<u8> {
    format!("nonce={}\r\n", nonce_of(asker, seconds(now.mono))).into_bytes()
}

/// Made of the sender's address and the time, and of a secret: nobody else gets the same.
fn nonce_of(asker: &Asker<'_>, second: u64) -> String {
    let mut hasher = SipHasher13::new_with_keys(asker.nonce_key.0, asker.nonce_key.1);
    match asker.from.ip() {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    hasher.write_u16(asker.from.port());
    hasher.write_u64(second);
    format!("{second:08x}{:016x}", hasher.finish())
}

fn seconds(at: MonoTime) -> u64 {
    at.since(MonoTime::ZERO).as_secs()
}

fn is_good(text: &str, asker: &Asker<'_>, now: MonoTime) -> bool {
    let made = text.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    made.is_some_and(|second| {
        let age = seconds(now).checked_sub(second);
        age.is_some_and(|age| age <= NONCE_AGE_MAX) && nonce_of(asker, second) == text
    })
}

/// What is asked for.
#[derive(Debug, Default)]
struct Wish {
    fragments: usize,
    limit: usize,
    mincount: u32,
    longest_silence: Option<Duration>,
    /// Flags that all must be there, and of which one must.
    all: u16,
    any: u16,
    /// Entries that are known already, the newest first.
    known: Vec<(Option<SocketAddr>, NtpTimestamp)>,
}

impl Wish {
    fn read(data: &[u8], asker: &Asker<'_>, now: MonoTime) -> Result<Self, ErrorCode> {
        let mut wish = Self { limit: usize::MAX, ..Self::default() };
        let mut proven = false;
        for item in parse_items(data) {
            let value = item.value.as_str();
            let number = || integer(value).ok_or(ErrorCode::BadValue);
            match item.name.as_str() {
                "nonce" => proven = is_good(value, asker, now),
                "frags" => wish.fragments = usize::try_from(number()?).unwrap_or(FRAGMENTS_MAX),
                "limit" => wish.limit = usize::try_from(number()?).unwrap_or(usize::MAX),
                "mincount" => wish.mincount = u32::try_from(number()?).unwrap_or(u32::MAX),
                "maxlstint" => wish.longest_silence = Some(Duration::from_secs(number()?)),
                "resall" => wish.all = u16::try_from(number()?).unwrap_or(u16::MAX),
                "resany" => wish.any = u16::try_from(number()?).unwrap_or(u16::MAX),
                name => wish.note_known(name, value),
            }
        }
        // Without it, the answer could be sent to somebody who did not ask.
        if proven { Ok(wish) } else { Err(ErrorCode::UnknownVariable) }
    }

    /// `addr.N` comes before its `last.N`.
    fn note_known(&mut self, name: &str, value: &str) {
        if self.known.len() > RESUME_MAX {
            return;
        }
        if name.starts_with("addr.") {
            self.known.push((value.parse().ok(), NtpTimestamp::ZERO));
        } else if name.starts_with("last.")
            && let (Some(last), Some(time)) = (self.known.last_mut(), timestamp(value))
        {
            last.1 = time;
        }
    }

    fn room(&self) -> usize {
        let fragments = if self.fragments == 0 { FRAGMENTS_MAX } else { self.fragments.min(FRAGMENTS_MAX) };
        fragments.saturating_mul(FRAGMENT_LEN_MAX).saturating_sub(TAIL_LEN_MAX)
    }
}

/// One client as it is shown.
#[derive(Clone, Copy, Debug)]
struct Row {
    record: ClientRecord,
    first: NtpTimestamp,
    last: NtpTimestamp,
    restrictions: u16,
}

/// The next part of the list.
pub(super) fn list(asker: &Asker<'_>, now: Reading, data: &[u8]) -> Result<Vec<u8>, ErrorCode> {
    if asker.restrictions.has(Restrictions::NOMRULIST) {
        return Err(ErrorCode::Restricted);
    }
    let wish = Wish::read(data, asker, now.mono)?;
    let rows = rows(asker, now, &wish);
    let from = begin(&rows, &wish.known);
    let mut text = String::new();
    let mut shown = 0_usize;
    let rest = rows.get(from..).unwrap_or_default();
    for row in rest {
        if shown >= wish.limit || text.len().saturating_add(ENTRY_LEN_MAX) > wish.room() {
            let part = text.strip_suffix(SEPARATOR).unwrap_or(&text);
            return Ok(format!("{part}\r\n").into_bytes());
        }
        write(&mut text, shown, row);
        shown = shown.saturating_add(1);
    }
    // What ends the list.
    let newest = rows.last().map_or(NtpTimestamp::ZERO, |row| row.last);
    let _infallible = write!(text, "now=0x{:?}, last.newest=0x{newest:?}\r\n", now.system);
    Ok(text.into_bytes())
}

/// All clients that are wanted, in the order in which they were last seen.
#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap and spans saturate")]
fn rows(asker: &Asker<'_>, now: Reading, wish: &Wish) -> Vec<Row> {
    let mut rows = Vec::new();
    for list in asker.clients {
        list.for_each(now.mono, |record| {
            let silence = now.mono.since(record.last);
            let restrictions = restrictions(asker, &record);
            let wanted = record.count >= wish.mincount
                && wish.longest_silence.is_none_or(|longest| silence <= longest)
                && restrictions & wish.all == wish.all
                && (wish.any == 0 || restrictions & wish.any != 0);
            if wanted {
                let moment = |at: MonoTime| now.system - now.mono.diff(at);
                let (first, last) = (moment(record.first), moment(record.last));
                rows.push(Row { record, first, last, restrictions });
            }
        });
    }
    rows.sort_by_key(|row| (row.record.last, row.record.remote));
    rows
}

/// The flags that hold for a client; those about the rate only while it is limited.
fn restrictions(asker: &Asker<'_>, record: &ClientRecord) -> u16 {
    let all = asker.rules.access.restrictions(record.remote);
    let about_rate = (Restrictions::LIMITED | Restrictions::KOD).to_mode6();
    if record.limited { all.to_mode6() } else { all.to_mode6() & !about_rate }
}

/// Where the list goes on: behind the newest entry that is known and has not changed since; else behind all
/// that are no newer.
#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap and spans saturate")]
fn begin(rows: &[Row], known: &[(Option<SocketAddr>, NtpTimestamp)]) -> usize {
    for (address, last) in known {
        let is_it = |row: &Row| Some(row.record.remote) == *address && near(row.last, *last);
        if let Some(index) = rows.iter().position(is_it) {
            return index.saturating_add(1);
        }
    }
    let newest = known.first().map(|(_, last)| *last);
    newest.map_or(0, |newest| rows.partition_point(|row| (row.last - newest) <= NtpDuration::ZERO))
}

/// Timestamps are reckoned back from the present: the clock may have been slewed in between.
#[expect(clippy::arithmetic_side_effects, reason = "timestamps wrap and spans saturate")]
fn near(one: NtpTimestamp, other: NtpTimestamp) -> bool {
    (one - other).abs() < NtpDuration::from_millis(2)
}

fn write(text: &mut String, index: usize, row: &Row) {
    let record = &row.record;
    let mode_version = u16::from(record.version) << 3 | u16::from(record.mode.to_bits());
    // Writing to a string cannot fail.
    let _infallible = write!(
        text,
        "addr.{index}={}, last.{index}=0x{:?}, first.{index}=0x{:?}, ct.{index}={}, mv.{index}={mode_version}, \
         rs.{index}={:#x}{SEPARATOR}",
        record.remote, row.last, row.first, record.count, row.restrictions
    );
}

fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `0xSSSSSSSS.FFFFFFFF`
fn timestamp(text: &str) -> Option<NtpTimestamp> {
    let (seconds, fraction) = text.strip_prefix("0x")?.split_once('.')?;
    let part = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u64::from);
    Some(NtpTimestamp::from_bits(part(seconds)? << 32 | part(fraction)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeyTable;
    use crate::server::{
        AccessList, ClientTable, Counts, Prefix, RateLimit, Request, Rule, RuleTarget, ServerRules, respond,
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
        let mut table = ClientTable::new(1 << 20, None, (5, 6), MonoTime::ZERO);
        let reference = Reference::unsynchronized(Precision::new(-20), MonoTime::ZERO);
        let bytes = Header::request(Version::V4, 6, NtpTimestamp::from_bits(9)).to_bytes();
        for number in 0..count {
            let from = SocketAddr::new(core::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 123);
            let at = MonoTime::ZERO + Duration::from_millis(10 * u64::from(number));
            let request = Request { bytes: &bytes, from, received: NtpTimestamp::from_bits(1 << 40), at };
            respond(&reference, &rules, &mut table, &request);
        }
        (table, rules)
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
        let (restrictions, counts) = (Restrictions::NONE, Counts::default());
        let clients = [table.list()];
        act(&Asker { from, restrictions, clients: &clients, rules: &rules, counts, nonce_key: (7, 8) })
    }

    fn text_of(data: Vec<u8>) -> String {
        String::from_utf8(data).unwrap()
    }

    fn nonce_for(asker: &Asker<'_>) -> String {
        text_of(nonce(asker, now())).trim().to_owned()
    }

    #[test]
    fn the_whole_list_comes_in_parts_and_nobody_twice() {
        with_asker(700, "127.0.0.1:5000", |asker| {
            let (mut seen, mut known, mut parts) = (BTreeSet::new(), String::new(), 0);
            loop {
                let question = format!("{}, frags=8{known}", nonce_for(asker));
                let data = list(asker, now(), question.as_bytes()).unwrap();
                assert!(data.len() <= 8 * FRAGMENT_LEN_MAX);
                let items = parse_items(&data);
                let last = |index: &str| {
                    items.iter().find(|item| item.name == format!("last.{index}")).unwrap().value.clone()
                };
                for item in items.iter().filter(|item| item.name.starts_with("addr.")) {
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
    fn without_its_own_fresh_nonce_nobody_gets_anything() {
        let of_another = with_asker(3, "127.0.0.1:5001", nonce_for);
        with_asker(3, "127.0.0.1:5000", |asker| {
            let own = nonce_for(asker);
            let ask = |at: Reading, text: &str| list(asker, at, text.as_bytes());
            for text in ["", "frags=8", "nonce=", "nonce=0000003c0000000000000000", &of_another] {
                assert_eq!(ask(now(), text), Err(ErrorCode::UnknownVariable), "{text}");
            }
            assert!(ask(now(), &own).is_ok());
            let later = Reading { mono: now().mono + Duration::from_secs(NONCE_AGE_MAX + 1), ..now() };
            assert_eq!(ask(later, &own), Err(ErrorCode::UnknownVariable));
            assert_eq!(ask(now(), &format!("{own}, limit=x")), Err(ErrorCode::BadValue));
            let closed = Asker { restrictions: Restrictions::NOMRULIST, ..*asker };
            assert_eq!(list(&closed, now(), own.as_bytes()), Err(ErrorCode::Restricted));
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_question_gets_a_bounded_answer(rest in "[ -~]{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            with_asker(200, "127.0.0.1:5000", |asker| {
                let own = nonce_for(asker);
                for tail in [rest.as_bytes(), &bytes[..]] {
                    let question = [own.as_bytes(), b", ", tail].concat();
                    if let Ok(data) = list(asker, now(), &question) {
                        assert!(data.len() <= FRAGMENTS_MAX * FRAGMENT_LEN_MAX, "{}", data.len());
                        assert!(data.is_ascii());
                    }
                }
            });
        }
    }
}
