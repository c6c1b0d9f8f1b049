//! Lists of things in an order of their own (operation 11, `READ_ORDLIST`): the sockets and the access list.

use core::fmt::Write as _;
use core::net::SocketAddr;

use crate::server::{Restrictions, RuleRow};
use crate::time::MonoTime;

use super::lines::Lines;

/// What is told of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRow {
    /// Its address.
    pub address: SocketAddr,
    /// The interface that has the address.
    pub name: String,
    /// What kind of address it is, in ntpd's numbers (`INT_*`).
    pub flags: u16,
    /// Datagrams that came to it.
    pub received: u64,
    /// Answers that left from it.
    pub sent: u64,
    /// Answers that could not.
    pub unsent: u64,
    /// Sources that answer to its address.
    pub peers: usize,
    /// Since when it listens.
    pub since: MonoTime,
}

/// What can be listed, made only when somebody who may asks for it.
pub trait Lists: core::fmt::Debug {
    /// The sockets that are listened on.
    fn interfaces(&self) -> Vec<InterfaceRow>;
    /// The access list.
    fn rules(&self) -> Vec<RuleRow>;
}

/// The most rows that one answer of mode 6 has: clients take 96 packets of it, and offsets end at 65 535 bytes.
const ROWS_MAX: usize = 256;

/// The text of a whole list, for whoever needs no proof; `None` for one that there is not.
pub fn listing(name: &str, lists: &dyn Lists, now: MonoTime) -> Option<Vec<u8>> {
    rows_of(name.as_bytes(), lists, usize::MAX, now)
}

/// The first rows of a list; the one that is named, or the sockets. `None` for one that there is not.
pub(super) fn list(name: &[u8], lists: &dyn Lists, now: MonoTime) -> Option<Vec<u8>> {
    rows_of(name, lists, ROWS_MAX, now)
}

fn rows_of(name: &[u8], lists: &dyn Lists, most: usize, now: MonoTime) -> Option<Vec<u8>> {
    fn first<T>(rows: &[T], most: usize) -> &[T] {
        rows.get(..most).unwrap_or(rows)
    }
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    match name.trim_ascii() {
        b"" | b"ifstats" => Some(interfaces(first(&lists.interfaces(), most), now)),
        b"addr_restrictions" => Some(rules(first(&lists.rules(), most))),
        _ => None,
    }
}

fn interfaces(rows: &[InterfaceRow], now: MonoTime) -> Vec<u8> {
    let mut lines = Lines::default();
    for (index, row) in rows.iter().enumerate() {
        let name: String =
            row.name.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).collect();
        for item in [
            format!("addr.{index}={}", row.address),
            format!("bcast.{index}="),
            format!("en.{index}=1"),
            format!("name.{index}=\"{name}\""),
            format!("flags.{index}={:#x}", row.flags),
            format!("tl.{index}=0"),
            format!("mc.{index}=0"),
            format!("rx.{index}={}", row.received),
            format!("tx.{index}={}", row.sent),
            format!("txerr.{index}={}", row.unsent),
            format!("pc.{index}={}", row.peers),
            format!("up.{index}={}", now.since(row.since).as_secs()),
        ] {
            lines.push(&item);
        }
    }
    lines.finish()
}

fn rules(rows: &[RuleRow]) -> Vec<u8> {
    let mut lines = Lines::default();
    for (index, row) in rows.iter().enumerate() {
        lines.push(&format!("addr.{index}={}", row.prefix.address()));
        lines.push(&format!("mask.{index}={}", row.prefix.mask()));
        lines.push(&format!("hits.{index}={}", row.hits));
        lines.push(&format!("flags.{index}={}", words(row.restrictions)));
    }
    lines.finish()
}

fn words(restrictions: Restrictions) -> String {
    let mut text = String::new();
    for name in restrictions.names() {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{}{name}", if text.is_empty() { "" } else { " " });
    }
    text
}
