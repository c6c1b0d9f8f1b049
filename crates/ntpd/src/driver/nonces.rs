//! The secrets that nonces are made with, of which none is used for long.

use std::io;
use std::time::Duration;

use ntp_proto::control::NonceKeys;
use ntp_proto::time::MonoTime;
use tracing::warn;

/// How long one is used.
const AGE_MAX: Duration = Duration::from_hours(1);

/// The present ones.
#[derive(Debug)]
pub(crate) struct NonceSecrets {
    keys: NonceKeys,
    since: MonoTime,
}

impl NonceSecrets {
    pub(crate) fn new(now: MonoTime) -> io::Result<Self> {
        Ok(Self { keys: NonceKeys::new(random()?), since: now })
    }

    /// Those that are good now.
    pub(super) fn at(&mut self, now: MonoTime) -> NonceKeys {
        if now.since(self.since) >= AGE_MAX {
            match random() {
                Ok(secret) => self.keys.renew(secret),
                Err(reason) => {
                    warn!("nonces are made with the secret from before: no random numbers: {reason}");
                }
            }
            self.since = now;
        }
        self.keys
    }
}

fn random() -> io::Result<(u64, u64)> {
    let number = || getrandom::u64().map_err(io::Error::other);
    Ok((number()?, number()?))
}
