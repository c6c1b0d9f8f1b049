//! The client's side of `mrulist`: a list that comes in parts, each after a nonce that proves who asks.

use alloc::collections::BTreeSet;
use core::mem;
use core::net::SocketAddr;

use crate::time::NtpTimestamp;

use super::exchange::Question;
use super::items::parse_items;
use super::message::{ErrorCode, FRAGMENT_LEN_MAX, Opcode};
use super::reassembly::ReassemblyError;
use super::values::{Variables, timestamp};

/// Rows by which a list that is not finished goes on.
const RESUMED: usize = 8;

/// More clients than any daemon remembers.
const CLIENTS_MAX: usize = 1 << 18;

/// How long an answer may be, in fragments; shorter where one gets lost.
const BY_FRAGMENTS: [&str; 3] = [FIRST_BOUND, "frags=8", "frags=2"];

const FIRST_BOUND: &str = "frags=32";

/// How many rows, for a daemon that does not know fragments.
const BY_ROWS: &str = "limit=6";

/// How often a list may begin anew, because the daemon has forgotten all the rows by which it was to go on.
const RESTARTS_MAX: usize = 4;

/// One client of a daemon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientRow {
    /// Its address and port.
    pub remote: SocketAddr,
    /// When it was first seen.
    pub first: NtpTimestamp,
    /// When it was last seen.
    pub last: NtpTimestamp,
    /// Requests counted.
    pub count: u32,
    /// Version and mode of the last one, as in the first byte of a packet.
    pub mode_version: u32,
    /// The restrictions that held for it, as ntp 4.2.8 numbers them.
    pub restrictions: u32,
    /// Requests a second, lately; only NTPsec tells.
    pub score: Option<f64>,
    /// Requests that were not answered, likewise.
    pub dropped: Option<u32>,
}

/// The clients of a daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRows {
    /// In the order in which they were last seen.
    pub rows: Vec<ClientRow>,
    /// The daemon's time.
    pub now: NtpTimestamp,
}

/// A walk through the list of one daemon: ask [`question`](Self::question), give the answer to
/// [`accept`](Self::accept) or the refusal to [`refused`](Self::refused), until the rows come (RFC 9327 §4, opcode
/// 10; the options are those of ntp 4.2.8, `ntp_control.c`).
#[derive(Clone, Debug)]
pub struct Walk {
    /// Conditions, as they stand in every question.
    wish: String,
    /// How long an answer may be.
    bound: &'static str,
    /// The latest nonce, until it has been used.
    nonce: Option<String>,
    /// The rows that came last, by which the list goes on, the newest first.
    known: Vec<String>,
    rows: Vec<ClientRow>,
    seen: BTreeSet<(SocketAddr, u64)>,
    restarts: usize,
}

impl Walk {
    /// For the clients that meet all these conditions; none: for all.
    pub fn new(conditions: &[(String, String)]) -> Self {
        let conditions = conditions.iter();
        Self {
            wish: conditions.fold(String::new(), |wish, (name, value)| wish + ", " + name + "=" + value),
            bound: FIRST_BOUND,
            nonce: None,
            known: Vec::new(),
            rows: Vec::new(),
            seen: BTreeSet::new(),
            restarts: 0,
        }
    }

    /// What to ask now.
    pub fn question(&self) -> Question {
        let (opcode, data) = match &self.nonce {
            None => (Opcode::RequestNonce, Vec::new()),
            Some(nonce) => {
                let mut text = format!("nonce={nonce}, {}{}", self.bound, self.wish);
                // One is enough; more help where the first has asked again meanwhile.
                for row in &self.known {
                    if text.len().saturating_add(row.len()) > FRAGMENT_LEN_MAX {
                        break;
                    }
                    text.push_str(row);
                }
                (Opcode::ReadClients, text.into_bytes())
            }
        };
        Question { opcode, association: 0, data }
    }

    /// Takes in the answer; all rows, once they are there. An answer that brings nothing new and does not end the
    /// list is an error, as is a list without end.
    pub fn accept(&mut self, data: &[u8]) -> Result<Option<ClientRows>, ReassemblyError> {
        let items = parse_items(data);
        let variables = Variables(&items);
        if self.nonce.take().is_none() {
            let nonce = variables.text("nonce").ok_or(ReassemblyError::Inconsistent)?;
            self.nonce = Some(nonce.to_owned());
            return Ok(None);
        }
        let part = rows_of(&variables);
        // Each part brings the nonce for the next.
        self.nonce = variables.text("nonce").map(ToOwned::to_owned);
        let newest = part.iter().rev().take(RESUMED).enumerate();
        let resume = |(index, (row, last)): (_, &(ClientRow, _))| {
            format!(", addr.{index}={}, last.{index}={last}", row.remote)
        };
        self.known = newest.map(resume).collect();
        // Whoever asked again meanwhile comes again, with another moment.
        let before = self.rows.len();
        for (row, _) in part {
            if self.seen.insert((row.remote, row.last.to_bits())) {
                self.rows.push(row);
            }
        }
        if let Some(now) = variables.timestamp("now") {
            return Ok(Some(ClientRows { rows: mem::take(&mut self.rows), now }));
        }
        if self.rows.len() == before || before > CLIENTS_MAX {
            return Err(ReassemblyError::Inconsistent);
        }
        Ok(None)
    }

    /// Whether the walk can go on after a part did not come: with shorter ones, of which fewer get lost.
    pub fn lost(&mut self) -> bool {
        let was_part = self.nonce.take().is_some();
        let shorter = BY_FRAGMENTS.into_iter().skip_while(|bound| *bound != self.bound).nth(1);
        self.bound = shorter.unwrap_or(self.bound);
        was_part && shorter.is_some()
    }

    /// Whether the walk can go on after a refusal: another way if the daemon does not know fragments, from the start
    /// if it has forgotten where the list was.
    pub fn refused(&mut self, code: ErrorCode) -> bool {
        if self.nonce.take().is_none() {
            return false;
        }
        match code {
            ErrorCode::BadValue | ErrorCode::UnknownVariable if !self.known.is_empty() => {
                self.known.clear();
                self.restarts = self.restarts.saturating_add(1);
                self.restarts <= RESTARTS_MAX
            }
            ErrorCode::BadValue if self.bound != BY_ROWS => {
                self.bound = BY_ROWS;
                true
            }
            ErrorCode::BadValue
            | ErrorCode::UnknownVariable
            | ErrorCode::Permission
            | ErrorCode::BadFormat
            | ErrorCode::BadOpcode
            | ErrorCode::BadAssociation
            | ErrorCode::Restricted
            | ErrorCode::Other(_) => false,
        }
    }
}

/// The fields of a row, while they are collected.
#[derive(Default)]
struct Fields<'a> {
    index: &'a str,
    remote: Option<SocketAddr>,
    first: Option<NtpTimestamp>,
    last: Option<(NtpTimestamp, &'a str)>,
    count: Option<u32>,
    mode_version: Option<u32>,
    restrictions: Option<u32>,
    score: Option<f64>,
    dropped: Option<u32>,
}

impl Fields<'_> {
    fn row(&self) -> Option<(ClientRow, String)> {
        let (last, text) = self.last?;
        let row = ClientRow {
            remote: self.remote?,
            first: self.first?,
            last,
            count: self.count?,
            mode_version: self.mode_version?,
            restrictions: self.restrictions?,
            score: self.score,
            dropped: self.dropped,
        };
        Some((row, text.to_owned()))
    }
}

/// The rows of one answer, each with its `last` as it was written. Fields of a row stand together, `addr` first in
/// some daemons and anywhere in others.
fn rows_of(variables: &Variables<'_>) -> Vec<(ClientRow, String)> {
    let (mut rows, mut fields) = (Vec::new(), Fields::default());
    for item in variables.0 {
        let Some((name, index)) = item.name.split_once('.') else { continue };
        if index != fields.index {
            rows.extend(fields.row());
            fields = Fields { index, ..Fields::default() };
        }
        let value = item.value.as_str();
        let moment = || timestamp(value).filter(|time| !time.is_zero());
        let number = || super::values::integer(value).and_then(|number| u32::try_from(number).ok());
        match name {
            "addr" => fields.remote = value.parse().ok(),
            "first" => fields.first = moment(),
            "last" => fields.last = moment().map(|time| (time, value)),
            "ct" => fields.count = number(),
            "mv" => fields.mode_version = number(),
            "rs" => fields.restrictions = number(),
            "sc" => fields.score = value.parse().ok().filter(|score: &f64| score.is_finite()),
            "dr" => fields.dropped = number(),
            _ => {}
        }
    }
    rows.extend(fields.row());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(from: u8, to: u8, end: &str) -> Vec<u8> {
        let row = |number: u8| {
            format!(
                "addr.{index}=10.0.0.{number}:123, last.{index}=0x0000001{number}.0, first.{index}=0x00000001.0, \
                 ct.{index}=1, mv.{index}=35, rs.{index}=0x0, ",
                index = number - from
            )
        };
        ((from..to).map(row).collect::<String>() + end).into_bytes()
    }

    fn asked(walk: &Walk) -> String {
        String::from_utf8(walk.question().data).unwrap()
    }

    #[test]
    fn every_part_needs_a_nonce_and_goes_on_behind_the_last() {
        let mut walk = Walk::new(&[("mincount".to_owned(), "1".to_owned())]);
        assert_eq!(walk.question().opcode, Opcode::RequestNonce);
        assert_eq!(walk.accept(b"nonce=abc\r\n"), Ok(None));
        assert_eq!(asked(&walk), "nonce=abc, frags=32, mincount=1");
        assert_eq!(walk.accept(&part(1, 4, "")), Ok(None));
        assert_eq!(walk.question().opcode, Opcode::RequestNonce);
        assert_eq!(walk.accept(b"nonce=def"), Ok(None));
        assert!(asked(&walk).contains(", addr.0=10.0.0.3:123, last.0=0x00000013.0, addr.1=10.0.0.2:123"));
        // The last row comes once more; it is counted once.
        let rows = walk.accept(&part(3, 6, "now=0x00000020.0")).unwrap().unwrap();
        assert_eq!(rows.rows.len(), 5);
        assert_eq!(rows.rows[4].remote, "10.0.0.5:123".parse().unwrap());
    }

    #[test]
    fn a_question_fits_one_packet_however_long_the_addresses_are() {
        let mut walk = Walk::new(&[("mincount".to_owned(), "1".to_owned())]);
        walk.accept(b"nonce=0000003c0000000000000000").unwrap();
        let row = |index: usize| {
            format!(
                "addr.{index}=[2001:db8:1111:2222:3333:4444:5555:{index:x}]:41234, last.{index}=0xeeae4cbc.857e42{index:02x}, \
                 first.{index}=0xeeae4cbc.00000000, ct.{index}=1, mv.{index}=35, rs.{index}=0x0, "
            )
        };
        let part = "nonce=0000003d0000000000000000, ".to_owned() + &(0..20).map(row).collect::<String>();
        assert_eq!(walk.accept(part.as_bytes()), Ok(None));
        // The nonce came with the part.
        let question = asked(&walk);
        assert!(
            question.starts_with("nonce=0000003d0000000000000000, frags=32, mincount=1, addr.0=[2001"),
            "{question}"
        );
        assert!(question.contains(", addr.3=") && question.len() <= FRAGMENT_LEN_MAX, "{question}");
    }

    #[test]
    fn what_gets_lost_is_asked_for_in_shorter_parts() {
        let mut walk = Walk::new(&[]);
        assert!(!walk.lost(), "nobody is there");
        let mut walk = Walk::new(&[]);
        for bound in ["frags=32", "frags=8", "frags=2"] {
            walk.accept(b"nonce=abc").unwrap();
            assert_eq!(asked(&walk), format!("nonce=abc, {bound}"));
            assert_eq!(walk.lost(), bound != "frags=2");
        }
    }

    #[test]
    fn a_daemon_cannot_keep_it_busy_for_ever() {
        let mut walk = Walk::new(&[]);
        assert_eq!(walk.accept(b"stratum=3"), Err(ReassemblyError::Inconsistent));
        let mut walk = Walk::new(&[]);
        walk.accept(b"nonce=abc").unwrap();
        walk.accept(&part(1, 3, "")).unwrap();
        walk.accept(b"nonce=abc").unwrap();
        assert_eq!(walk.accept(&part(1, 3, "")), Err(ReassemblyError::Inconsistent));
        let mut walk = Walk::new(&[]);
        let mut refusals = 0;
        loop {
            walk.accept(b"nonce=abc").unwrap();
            if !walk.refused(ErrorCode::BadValue) {
                break;
            }
            refusals += 1;
        }
        assert_eq!((refusals, walk.refused(ErrorCode::BadValue)), (1, false));
    }

    #[test]
    fn it_begins_anew_when_all_rows_are_forgotten() {
        let mut walk = Walk::new(&[]);
        walk.accept(b"nonce=abc").unwrap();
        walk.accept(&part(1, 3, "")).unwrap();
        walk.accept(b"nonce=def").unwrap();
        assert!(walk.refused(ErrorCode::UnknownVariable));
        walk.accept(b"nonce=ghi").unwrap();
        assert_eq!(asked(&walk), "nonce=ghi, frags=32");
        assert_eq!(walk.accept(&part(1, 5, "now=0x00000020.0")).unwrap().unwrap().rows.len(), 4);
    }
}
