//! The values of the variables of mode 6 and how they are written (RFC 9327 §4).
//!
//! `system.rs` has those of the system, `statistics.rs` the counters among them, `peer.rs` those of an
//! association, `clock.rs` those of a reference clock. Milliseconds carry six decimals, because Debian's ntpq
//! chooses its wider columns by that.

mod clock;
mod peer;
mod statistics;
mod system;

use core::cell::OnceCell;

use crate::server::Occupancy;
use crate::system::Snapshot;
use crate::time::{Date, MonoTime, NtpDuration, NtpTimestamp, UnixTime};
use crate::wire::{ReferenceId, Stratum};

use super::respond::{Asker, Identity};
use super::statistics::occupancy;

pub(super) use clock::clock;
pub(super) use peer::peer;
pub use statistics::service_counter;
pub(super) use system::system;

/// The mode of a client and of a server as numbers.
const CLIENT: &str = "3";
const SERVER: &str = "4";

/// Everything that values are made of.
pub(super) struct Facts<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) identity: &'a Identity<'a>,
    pub(super) asker: &'a Asker<'a>,
    /// Counted when it is first asked for: the lists are long.
    occupancy: OnceCell<Occupancy>,
}

impl<'a> Facts<'a> {
    pub(super) const fn new(
        snapshot: &'a Snapshot,
        identity: &'a Identity<'a>,
        asker: &'a Asker<'a>,
    ) -> Self {
        Self { snapshot, identity, asker, occupancy: OnceCell::new() }
    }

    fn occupancy(&self) -> Occupancy {
        *self.occupancy.get_or_init(|| occupancy(self.asker.clients, self.now()))
    }

    const fn now(&self) -> MonoTime {
        self.identity.now.mono
    }
}

/// A value that is empty until it has been learnt.
fn learnt<T>(known: Option<&T>, write: impl Fn(&T) -> String) -> String {
    known.map(write).unwrap_or_default()
}

fn seconds(now: MonoTime, since: MonoTime) -> String {
    now.since(since).as_secs().to_string()
}

fn millis(duration: NtpDuration, decimals: usize) -> String {
    format!("{:.decimals$}", duration.as_millis_f64())
}

fn timestamp(time: NtpTimestamp) -> String {
    format!("0x{time:?}")
}

/// `YYYYMMDDhhmm`, in UTC.
fn date(time: UnixTime) -> String {
    let Date { year, month, day } = Date::of(time);
    let minutes = time.seconds().rem_euclid(86_400).div_euclid(60);
    format!("{year:04}{month:02}{day:02}{:02}{:02}", minutes.div_euclid(60), minutes.rem_euclid(60))
}

/// Text between quotes: printable ASCII without quotes and backslashes, whatever it held.
fn quoted(text: &str) -> String {
    let harmless = |c: char| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' };
    format!("\"{}\"", text.chars().map(harmless).collect::<String>())
}

/// What somebody follows: a code at stratum 0, 1 and 16, an address in between.
fn reference(refid: ReferenceId, stratum: Stratum) -> String {
    let code = refid.code().filter(|_| !stratum.is_synchronized() || stratum.value() <= 1);
    code.unwrap_or_else(|| refid.to_string())
}
