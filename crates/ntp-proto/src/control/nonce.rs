//! A nonce proves that whoever asks receives what is sent to its address (ntp 4.2.8, CVE-2013-5211).

use core::hash::Hasher as _;
use core::net::IpAddr;

use siphasher::sip::SipHasher13;
use subtle::ConstantTimeEq as _;

use crate::time::MonoTime;

use super::respond::Asker;

/// For how many seconds one is good.
const AGE_MAX: u64 = 16;

/// The secrets that nonces are made with: the one of now, and the one before, whose nonces may be on their way.
#[derive(Clone, Copy, Debug)]
pub struct NonceKeys {
    current: (u64, u64),
    former: (u64, u64),
}

impl NonceKeys {
    /// With a secret that nobody else knows.
    pub const fn new(secret: (u64, u64)) -> Self {
        Self { current: secret, former: secret }
    }

    /// Goes on with a new one.
    pub const fn renew(&mut self, secret: (u64, u64)) {
        *self = Self { current: secret, former: self.current };
    }
}

/// `nonce=` and 24 digits.
pub(super) fn of(asker: &Asker<'_>, now: MonoTime) -> String {
    format!("nonce={}", digits(asker, asker.nonce_keys.current, seconds(now)))
}

/// Whether it was made for this sender, of late.
pub(super) fn is_good(text: &str, asker: &Asker<'_>, now: MonoTime) -> bool {
    let made = text.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    made.is_some_and(|second| {
        let age = seconds(now).checked_sub(second);
        let is_of = |key| digits(asker, key, second).as_bytes().ct_eq(text.as_bytes());
        let same = is_of(asker.nonce_keys.current) | is_of(asker.nonce_keys.former);
        age.is_some_and(|age| age <= AGE_MAX) && same.into()
    })
}

/// Made of the sender's address and port, of the time and of a secret: nobody else gets the same.
fn digits(asker: &Asker<'_>, key: (u64, u64), second: u64) -> String {
    let mut hasher = SipHasher13::new_with_keys(key.0, key.1);
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
