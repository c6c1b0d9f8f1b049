//! A nonce proves that whoever asks receives what is sent to its address (ntp 4.2.8, CVE-2013-5211).

use core::hash::Hasher as _;
use core::net::IpAddr;

use siphasher::sip::SipHasher13;
use subtle::ConstantTimeEq as _;

use crate::time::MonoTime;

use super::respond::Asker;

/// For how many seconds one is good.
const AGE_MAX: u64 = 16;

/// `nonce=` and 24 digits.
pub(super) fn of(asker: &Asker<'_>, now: MonoTime) -> String {
    format!("nonce={}", digits(asker, seconds(now)))
}

/// Whether it was made for this sender, of late.
pub(super) fn is_good(text: &str, asker: &Asker<'_>, now: MonoTime) -> bool {
    let made = text.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    made.is_some_and(|second| {
        let age = seconds(now).checked_sub(second);
        let same = digits(asker, second).as_bytes().ct_eq(text.as_bytes());
        age.is_some_and(|age| age <= AGE_MAX) && same.into()
    })
}

/// Made of the sender's address and port, of the time and of a secret of this run: nobody else gets the same.
fn digits(asker: &Asker<'_>, second: u64) -> String {
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
