//! `mrulist`: the clients that a daemon remembers, the latest first unless something else is asked for.

use std::cmp::Ordering;
use std::io::Write;
use std::net::IpAddr;
use std::time::Instant;

use ntp_proto::control::ClientRow;
use ntp_proto::time::NtpTimestamp;
use serde_json::{Value, json};

use crate::json;
use crate::names::Names;

use super::{CommandError, Context};

/// Flags of a row, as ntp 4.2.8 numbers them.
const LIMITED: u32 = 0x20;
const KOD: u32 = 0x400;

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Silence,
    Interval,
    Address,
    Count,
    Score,
}

/// Which rows are wanted, in which order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wish {
    sort: Sort,
    reversed: bool,
    count_min: u32,
    silence_max: Option<f64>,
    silence_min: Option<f64>,
    any: u32,
    all: u32,
    recent: Option<usize>,
    score_min: Option<f64>,
    local: Option<IpAddr>,
}

impl Wish {
    fn parse(words: &[&str]) -> Result<Self, CommandError> {
        let usage = |word: &str| {
            let word = word.escape_debug();
            CommandError::Usage(format!(
                "***mrulist: `{word}' is no option of it, or has no such value: see help mrulist"
            ))
        };
        let mut wish = Self::default();
        for word in words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty()) {
            let wrong = || usage(word);
            match word.split_once('=') {
                None if word == "limited" => wish.any |= LIMITED,
                None if word == "kod" => wish.any |= KOD,
                None => return Err(wrong()),
                Some(("sort", order)) => wish.sort_by(order).ok_or_else(wrong)?,
                Some((name, value)) => wish.condition(name, value).ok_or_else(wrong)?,
            }
        }
        Ok(wish)
    }

    /// The conditions as daemons know them, each once. They count in whole seconds.
    fn conditions(&self) -> Vec<(String, String)> {
        let number = |is: u32| (is > 0).then(|| is.to_string());
        let bits = |is: u32| (is > 0).then(|| format!("{is:#x}"));
        let seconds = |is: Option<f64>| is.map(|seconds| format!("{seconds:.0}"));
        let all = [
            ("mincount", number(self.count_min)),
            ("resany", bits(self.any)),
            ("resall", bits(self.all)),
            ("maxlstint", seconds(self.silence_max.map(f64::ceil))),
            ("minlstint", seconds(self.silence_min.map(f64::floor))),
            ("minscore", self.score_min.map(|score| score.to_string())),
            ("laddr", self.local.map(|address| address.to_string())),
            ("recent", self.recent.map(|count| count.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    fn sort_by(&mut self, order: &str) -> Option<()> {
        let (reversed, name) = order.strip_prefix('-').map_or((false, order), |name| (true, name));
        self.reversed = reversed;
        self.sort = match name {
            "lstint" => Sort::Silence,
            "avgint" => Sort::Interval,
            "addr" => Sort::Address,
            "count" => Sort::Count,
            "score" => Sort::Score,
            _ => return None,
        };
        Some(())
    }

    fn condition(&mut self, name: &str, value: &str) -> Option<()> {
        let number = || ntp_proto::control::integer(value).and_then(|number| u32::try_from(number).ok());
        let seconds = || value.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
        match name {
            "mincount" => self.count_min = number()?,
            "resany" => self.any |= number()?,
            "resall" => self.all = number()?,
            "maxlstint" => self.silence_max = Some(seconds()?),
            "minlstint" => self.silence_min = Some(seconds()?),
            "minscore" => self.score_min = Some(seconds()?),
            "laddr" => self.local = Some(value.parse().ok()?),
            "recent" => self.recent = Some(usize::try_from(number()?).ok()?),
            _ => return None,
        }
        Some(())
    }

    /// Daemons of other times do not know every condition: what is known here holds here as well.
    fn admits(&self, row: &ClientRow, now: NtpTimestamp) -> bool {
        let silence = silence(row, now);
        row.count >= self.count_min
            && (self.any == 0 || row.restrictions & self.any != 0)
            && row.restrictions & self.all == self.all
            && self.silence_max.is_none_or(|most| silence <= most)
            && self.silence_min.is_none_or(|least| silence >= least)
    }

    fn compare(&self, one: &ClientRow, other: &ClientRow) -> Ordering {
        let order = match self.sort {
            Sort::Silence => Ordering::Equal,
            Sort::Interval => interval(one).total_cmp(&interval(other)),
            Sort::Address => {
                (one.remote.ip(), one.remote.port()).cmp(&(other.remote.ip(), other.remote.port()))
            }
            Sort::Count => one.count.cmp(&other.count),
            Sort::Score => one.score.unwrap_or(0.0).total_cmp(&other.score.unwrap_or(0.0)),
        };
        if self.reversed { order.reverse() } else { order }
    }
}

pub(super) fn run(
    words: &[&str],
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let wish = Wish::parse(words)?;
    let began = Instant::now();
    let list = context.client.clients(&wish.conditions())?;
    let collected = began.elapsed();
    let mut rows: Vec<&ClientRow> = list.rows.iter().rev().filter(|row| wish.admits(row, list.now)).collect();
    rows.truncate(wish.recent.unwrap_or(usize::MAX));
    if wish.sort == Sort::Silence && wish.reversed {
        rows.reverse();
    }
    // Stable: equal rows stay in the order of their silence.
    rows.sort_by(|one, other| wish.compare(one, other));
    if context.settings.json {
        let rows: Vec<Value> = rows.into_iter().map(|row| object(row, list.now)).collect();
        return json::write(&context.host, "mrulist", json!({ "clients": rows }), out);
    }
    let classic = context.settings.classic;
    let (header, width) = if classic {
        ("lstint avgint rstr r m v  count rport remote address", 78)
    } else {
        (" lstint avgint rstr r m v  count    score   drop rport remote address", 69)
    };
    writeln!(out, "{header}\n{}", "=".repeat(width))?;
    let mut names = Names::default();
    for row in &rows {
        let address = row.remote.ip();
        let name = if context.settings.numeric { None } else { names.of(address) };
        let place = match name {
            Some(name) if context.settings.wide => format!("{address} ({name})"),
            Some(name) => name,
            None => address.to_string(),
        };
        writeln!(out, "{}", line(row, list.now, &place, classic))?;
    }
    if !classic {
        writeln!(out, "# Collected {} slots in {:.3} seconds", list.rows.len(), collected.as_secs_f64())?;
    }
    Ok(())
}

/// Seconds since it was last seen.
fn silence(row: &ClientRow, now: NtpTimestamp) -> f64 {
    (now - row.last).as_seconds_f64().max(0.0)
}

/// Seconds from one request to the next, on average.
fn interval(row: &ClientRow) -> f64 {
    (row.last - row.first).as_seconds_f64() / f64::from(row.count.saturating_sub(1).max(1))
}

fn line(row: &ClientRow, now: NtpTimestamp, place: &str, classic: bool) -> String {
    let silence = silence(row, now);
    let rate = match row.restrictions {
        flags if flags & KOD != 0 => 'K',
        flags if flags & LIMITED != 0 => 'L',
        _ => '.',
    };
    let (mode, version) = (row.mode_version & 7, row.mode_version >> 3 & 7);
    let (flags, count, port) = (row.restrictions, row.count, row.remote.port());
    if classic {
        // Over one interval too many, as the original has it.
        let average = (row.last - row.first).as_seconds_f64() / f64::from(count.max(1));
        return format!(
            "{silence:>6.0} {average:>6.0} {flags:>4x} {rate} {mode} {version} {count:>6} {port:>5} {place}"
        );
    }
    let average = interval(row);
    let average = match average {
        _ if count == 1 => format!("{:>6}", 0),
        long if long > 5.0 => format!("{long:>6.0}"),
        short if short >= 1.0 => format!("{short:>6.2}"),
        short => format!("{short:>6.3}"),
    };
    let score = row.score.map_or_else(|| "-".to_owned(), |score| format!("{score:8.3}"));
    let dropped = row.dropped.map_or_else(|| "-".to_owned(), |dropped| format!("{dropped:4}"));
    format!(
        "{silence:>7.0} {average} {flags:>4x} {rate} {mode} {version} {count:>6} {score:>8} {dropped:>6} {port:>5} {place}"
    )
}

fn object(row: &ClientRow, now: NtpTimestamp) -> Value {
    json!({
        "address": row.remote.ip().to_string(),
        "port": row.remote.port(),
        "last_s": silence(row, now),
        "interval_s": interval(row),
        "count": row.count,
        "mode": row.mode_version & 7,
        "version": row.mode_version >> 3 & 7,
        "restrictions": row.restrictions,
        "limited": row.restrictions & LIMITED != 0,
        "kod": row.restrictions & KOD != 0,
        "score": row.score,
        "dropped": row.dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> NtpTimestamp {
        NtpTimestamp::from_bits(seconds << 32)
    }

    fn row() -> ClientRow {
        ClientRow {
            remote: "192.0.2.7:123".parse().unwrap(),
            first: at(1000),
            last: at(1640),
            count: 11,
            mode_version: 4 << 3 | 3,
            restrictions: 0x5a0,
            score: Some(0.091),
            dropped: Some(0),
        }
    }

    #[test]
    fn a_row_has_the_columns_of_the_originals() {
        assert_eq!(
            line(&row(), at(1652), "192.0.2.7", true),
            "    12     58  5a0 K 3 4     11   123 192.0.2.7"
        );
        assert_eq!(
            line(&row(), at(1652), "192.0.2.7", false),
            "     12     64  5a0 K 3 4     11    0.091      0   123 192.0.2.7"
        );
    }

    #[test]
    fn rows_are_chosen_and_sorted_as_asked() {
        let wish = Wish::parse(&["sort=-count", "mincount=11", "limited,kod", "maxlstint=20"]).unwrap();
        assert_eq!((wish.sort, wish.reversed, wish.any), (Sort::Count, true, LIMITED | KOD));
        assert!(wish.admits(&row(), at(1652)) && !wish.admits(&row(), at(1700)));
        assert!(!wish.admits(&ClientRow { count: 10, ..row() }, at(1652)));
        assert!(!wish.admits(&ClientRow { restrictions: 0, ..row() }, at(1652)));
        let busy = ClientRow { count: 12, ..row() };
        assert_eq!(wish.compare(&busy, &row()), Ordering::Less);
        let conditions = wish.conditions();
        assert!(conditions.contains(&("resany".to_owned(), "0x420".to_owned())), "{conditions:?}");
        let uneven = Wish::parse(&["maxlstint=20.5", "resany=0x10", "limited"]).unwrap().conditions();
        assert!(uneven.contains(&("maxlstint".to_owned(), "21".to_owned())), "{uneven:?}");
        assert!(uneven.contains(&("resany".to_owned(), "0x30".to_owned())), "{uneven:?}");
        for bad in ["sort=size", "mincount=x", "mincount", "frags=9", "laddr=here", "maxlstint=-1"] {
            assert!(Wish::parse(&[bad]).is_err(), "{bad}");
        }
    }
}
