//! The keys of this machine.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{CodeLength, Key, KeyId};
use crate::server::Prefix;
use crate::wire::{Datagram, Mac};

/// A key that others share.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// Its number.
    pub id: KeyId,
    /// The secret.
    pub key: Key,
    /// Who may use it; everybody, if there is nobody here.
    pub from: Vec<Prefix>,
    /// Whether it is in use (`trustedkey`).
    pub trusted: bool,
}

impl SharedKey {
    /// Appends a MAC to a packet.
    pub fn sign(&self, datagram: &mut Datagram, length: CodeLength) {
        let code = self.key.code(datagram.as_bytes());
        datagram.push(&self.id.number().to_be_bytes());
        datagram.push(code.bytes(length));
    }

    /// Whether a packet's MAC is one of this key.
    pub fn signs(&self, message: &[u8], mac: &Mac<'_>) -> bool {
        mac.key_id == self.id.number() && self.key.verifies(message, mac.digest)
    }

    /// Whether somebody at this address may use it: a key of one client makes nobody another
    /// (CVE-2015-7974).
    fn admits(&self, from: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|prefix| prefix.holds(from))
    }
}

/// How the packets of an association are protected.
#[derive(Clone, Copy, Debug)]
pub enum Protection<'k> {
    /// Not at all.
    Open,
    /// With this key, both ways.
    Key(&'k SharedKey),
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    /// In the order of their numbers.
    keys: Vec<SharedKey>,
}

impl KeyTable {
    /// Of several keys of one number the last is used, as in the daemons.
    pub fn new(mut keys: Vec<SharedKey>) -> Self {
        keys.reverse();
        keys.sort_by_key(|key| key.id);
        keys.dedup_by_key(|key| key.id);
        Self { keys }
    }

    /// The key of a number, if it is trusted.
    pub fn trusted(&self, id: KeyId) -> Option<&SharedKey> {
        let index = self.keys.binary_search_by_key(&id, |key| key.id).ok()?;
        self.keys.get(index).filter(|key| key.trusted)
    }

    /// How packets of an association are protected that has this key, or none; `None` if it has one that
    /// is not there or not trusted, and must neither ask nor believe.
    pub fn protection(&self, id: Option<KeyId>) -> Option<Protection<'_>> {
        match id {
            None => Some(Protection::Open),
            Some(id) => self.trusted(id).map(Protection::Key),
        }
    }

    /// Whether there is a key of that number at all.
    pub fn has(&self, id: KeyId) -> bool {
        self.keys.binary_search_by_key(&id, |key| key.id).is_ok()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that proves a message to be its sender's: known, trusted, the sender's own, and the code
    /// is right.
    pub fn prove(&self, message: &[u8], mac: &Mac<'_>, from: IpAddr) -> Option<&SharedKey> {
        let key = self.trusted(KeyId::new(mac.key_id)?).filter(|key| key.admits(from))?;
        key.signs(message, mac).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Algorithm;

    fn key(id: u32, secret: &[u8], trusted: bool) -> SharedKey {
        let key = Key::new(Algorithm::Sha1, secret);
        SharedKey { id: KeyId::new(id).unwrap(), key, from: Vec::new(), trusted }
    }

    #[test]
    fn only_a_trusted_key_of_the_sender_proves_anything() {
        let bound = SharedKey { from: vec![Prefix::host([192, 0, 2, 1].into())], ..key(3, b"c", true) };
        let table = KeyTable::new(vec![key(2, b"b", false), key(1, b"old", true), bound, key(1, b"a", true)]);
        let proves = |id: u32, secret: &[u8], from: [u8; 4]| {
            let code = Key::new(Algorithm::Sha1, secret).code(b"message");
            let mac = Mac { key_id: id, digest: code.bytes(CodeLength::Cut) };
            table.prove(b"message", &mac, from.into()).map(|key| key.id.number())
        };
        assert_eq!(proves(1, b"a", [192, 0, 2, 9]), Some(1));
        assert_eq!(proves(1, b"old", [192, 0, 2, 9]), None);
        assert_eq!(proves(2, b"b", [192, 0, 2, 9]), None);
        assert_eq!(proves(3, b"c", [192, 0, 2, 1]), Some(3));
        assert_eq!(proves(3, b"c", [192, 0, 2, 2]), None);
        assert_eq!(proves(0, b"a", [192, 0, 2, 9]), None);
        assert_eq!(proves(4, b"a", [192, 0, 2, 9]), None);
        assert!(table.has(KeyId::new(2).unwrap()) && table.len() == 3);
    }
}
