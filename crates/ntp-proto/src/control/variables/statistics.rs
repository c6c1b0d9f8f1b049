//! The counters among the variables of the system.

use crate::association::Counters;
use crate::auth::KeyTable;
use crate::server::{ClientTable, Counts, Outcome, Restrictions, Trait};
use crate::system::PeerSnapshot;

use super::{Facts, millis, quoted, seconds};

/// A counter, or what the kernel says; `None` if it is neither.
pub(super) fn statistics(name: &str, facts: &Facts<'_>) -> Option<String> {
    let since_start = || seconds(facts.now(), facts.snapshot.system.started);
    match name {
        "ss_uptime" | "ss_reset" | "iostats_reset" | "timerstats_reset" | "authreset" => Some(since_start()),
        _ => {
            let count = service_counter(name, &facts.asker.statistics.counts)
                .or_else(|| clients(name, facts))
                .or_else(|| traffic(name, facts))
                .or_else(|| authentication(name, facts));
            count.map(|count| count.to_string()).or_else(|| kernel(name, facts))
        }
    }
}

/// The same of the present hour only, for names that end in [`THIS_HOUR`](super::super::schema::THIS_HOUR).
pub(super) fn of_this_hour(name: &str, facts: &Facts<'_>) -> Option<String> {
    let statistics = facts.asker.statistics;
    let (since, before) = &statistics.before;
    match name {
        "ss_uptime" => None,
        "ss_reset" => Some(seconds(facts.now(), *since)),
        _ => service_counter(name, &statistics.counts.since(before)).map(|count| count.to_string()),
    }
}

/// What came to the service port, under the names of mode 6; `None` for any other name.
pub fn service_counter(name: &str, counts: &Counts) -> Option<u64> {
    let of_version_1 =
        [Trait::Version1Client, Trait::Version1Reserved, Trait::Version1Symmetric, Trait::Version1Other];
    Some(match name {
        "ss_numctlreq" => counts.of(&[Outcome::Control]),
        "ss_received" => counts.total(),
        "ss_thisver" => counts.with(&[Trait::ThisVersion]),
        "ss_oldver" => counts.with(&[Trait::OlderVersion]).wrapping_add(counts.with(&of_version_1)),
        "ss_ver1" => counts.with(&of_version_1),
        "ss_ver1client" => counts.with(&[Trait::Version1Client]),
        "ss_ver1zero" => counts.with(&[Trait::Version1Reserved]),
        "ss_ver1symm" => counts.with(&[Trait::Version1Symmetric]),
        "ss_badformat" => counts.of(&[Outcome::Malformed]),
        "ss_badauth" => counts.of(&[Outcome::Refused, Outcome::Unauthentic]),
        "ss_declined" => counts.of(&[Outcome::NotRequest, Outcome::Stale]),
        "ss_restricted" => counts.of(&[Outcome::Restricted, Outcome::OldVersion]),
        "ss_limited" => counts.of(&[Outcome::Limited, Outcome::Kissed]),
        "ss_kodsent" => counts.of(&[Outcome::Kissed]),
        "ss_processed" => counts.of(&[Outcome::Answered]),
        _ => return None,
    })
}

/// The list of clients.
fn clients(name: &str, facts: &Facts<'_>) -> Option<u64> {
    let memory = |entries: u64| {
        let bytes = ClientTable::memory_for(usize::try_from(entries).unwrap_or(usize::MAX));
        u64::try_from(bytes.div_ceil(1024)).unwrap_or(u64::MAX)
    };
    let list = || facts.occupancy();
    Some(match name {
        "mru_enabled" => {
            let rules = facts.asker.rules;
            let limits = rules.access.mentions(Restrictions::LIMITED);
            u64::from(rules.monitor) | u64::from(limits) << 1
        }
        // A place is kept until another client takes it.
        "mru_hashslots" | "mru_depth" | "mru_deepest" | "mru_new" => list().used,
        "mru_maxdepth" | "mru_mindepth" => list().room,
        "mru_mem" => memory(list().used),
        "mru_maxmem" => memory(list().room),
        "mru_exists" => list().known,
        "mru_recyclefull" => list().replaced,
        "mru_oldest_age" => list().oldest.as_secs(),
        "mru_maxage" | "mru_minage" | "mru_recycleold" | "mru_none" => 0,
        _ => return None,
    })
}

/// Datagrams, wake-ups and timers.
fn traffic(name: &str, facts: &Facts<'_>) -> Option<u64> {
    let statistics = facts.asker.statistics;
    let (counts, io) = (&statistics.counts, &statistics.io);
    let answers = || counts.of(&[Outcome::Answered, Outcome::Kissed, Outcome::Refused]);
    let asked = || of_peers(facts, |_| true, |counters| counters.sent);
    let answered = || of_peers(facts, |_| true, |counters| counters.received);
    Some(match name {
        // They are of the threads that use them, and never run out.
        "total_rbuf" | "free_rbuf" => facts.asker.buffers,
        "used_rbuf" | "rbuf_lowater" => 0,
        "io_dropped" => counts.of(&[Outcome::Stale]),
        "io_ignored" => counts.of(&[Outcome::Restricted]),
        "io_received" => counts.total().wrapping_add(answered()),
        "io_sent" => answers().wrapping_add(io.sent).wrapping_add(asked()).saturating_sub(counts.unsent),
        "io_sendfailed" => counts.unsent.wrapping_add(io.unsent),
        "io_wakeups" => counts.batches.wrapping_add(io.wakeups),
        "io_goodwakeups" => counts.batches.wrapping_add(io.useful_wakeups),
        "timer_overruns" => statistics.late_timers,
        "timer_xmts" => asked(),
        _ => return None,
    })
}

/// A counter of all associations together that are asked for.
fn of_peers(
    facts: &Facts<'_>,
    wanted: impl Fn(&PeerSnapshot) -> bool,
    count: impl Fn(&Counters) -> u64,
) -> u64 {
    let peers = facts.snapshot.peers.iter().filter(|peer| wanted(peer));
    peers.fold(0, |sum, peer| sum.wrapping_add(count(&peer.counters)))
}

/// Keys and codes: the server's, and those of the servers that are asked.
fn authentication(name: &str, facts: &Facts<'_>) -> Option<u64> {
    let counts = &facts.asker.statistics.counts;
    let keys: &KeyTable = &facts.asker.rules.keys;
    let is_cipher = |peer: &PeerSnapshot| {
        peer.key.and_then(|id| keys.trusted(id)).map(|key| key.key.algorithm().is_cipher())
    };
    let of = |cipher: bool, count: fn(&Counters) -> u64| {
        of_peers(facts, |peer| is_cipher(peer) == Some(cipher), count)
    };
    let sent = |cipher: bool| of(cipher, |counters| counters.sent);
    let bad = |cipher: bool| of(cipher, |counters| counters.unauthentic);
    let good = |cipher: bool| {
        of(cipher, |counters| {
            counters.received.saturating_sub(counters.unauthentic).saturating_sub(counters.bogus)
        })
    };
    let encrypts = |cipher: bool| {
        counts.with(&[if cipher { Trait::CmacGood } else { Trait::DigestGood }]).wrapping_add(sent(cipher))
    };
    let right = |cipher: bool| {
        counts.with(&[if cipher { Trait::CmacGood } else { Trait::DigestGood }]).wrapping_add(good(cipher))
    };
    let wrong = |cipher: bool| {
        counts.with(&[if cipher { Trait::CmacBad } else { Trait::DigestBad }]).wrapping_add(bad(cipher))
    };
    let decrypts = || [right(true), right(false), wrong(true), wrong(false)].iter().sum::<u64>();
    let unknown = counts.with(&[Trait::KeyUnknown]);
    Some(match name {
        "authkeys" => u64::try_from(keys.len()).unwrap_or(u64::MAX),
        "authklookups" => decrypts().wrapping_add(unknown),
        "authknotfound" => unknown,
        "authencrypts" => encrypts(true).wrapping_add(encrypts(false)),
        "authdigestencrypts" => encrypts(false),
        "authcmacencrypts" => encrypts(true),
        "authdecrypts" => decrypts(),
        "authdigestdecrypts" => right(false),
        "authdigestfails" => wrong(false),
        "authcmacdecrypts" => right(true),
        "authcmacfails" => wrong(true),
        "authfreek" | "authkuncached" | "authkexpired" => 0,
        // NTS is not implemented.
        _ if name.starts_with("nts_") => 0,
        _ => return None,
    })
}

/// What the kernel says of its clock.
fn kernel(name: &str, facts: &Facts<'_>) -> Option<String> {
    let kernel = &facts.asker.statistics.kernel;
    let pulse = &kernel.pulse;
    let ppm = |frequency: crate::time::Frequency| format!("{:.6}", frequency.as_ppm());
    Some(match name {
        "koffset" => millis(kernel.offset, 6),
        "kfreq" => ppm(kernel.frequency),
        "kmaxerr" => millis(kernel.maximum_error, 3),
        "kesterr" => millis(kernel.estimated_error, 3),
        "kstflags" => quoted(&kernel.flags()),
        "ktimeconst" => kernel.time_constant.to_string(),
        "kprecis" => millis(kernel.precision, 6),
        "kfreqtol" => format!("{:.0}", kernel.tolerance.as_ppm()),
        "kppsfreq" => ppm(pulse.frequency),
        "kppsstab" => ppm(pulse.stability),
        "kppsjitter" => millis(pulse.jitter, 6),
        "kppscalibdur" => 1_u64.checked_shl(pulse.interval).unwrap_or(0).to_string(),
        "kppscalibs" => pulse.calibrations.to_string(),
        "kppsjitexc" => pulse.jittery.to_string(),
        "kppsstbexc" => pulse.unsteady.to_string(),
        "kppscaliberrs" => pulse.failed.to_string(),
        _ => return None,
    })
}
