//! Signed requests of mode 6, and the answers to them (RFC 9327 §2; the padding is ntpd's).

use core::net::IpAddr;

use crate::auth::{CodeLength, KeyId, KeyTable, SharedKey};
use crate::wire::{Mac, take};

use super::message::CONTROL_HEADER_LEN;

/// A key's number.
const KEY_ID_LEN: usize = 4;

/// The lengths of codes: MD5 and CMAC, and everything else.
const CODE_LENS: [usize; 2] = [16, 20];

/// Header and data of a request are filled up to one of these before the code: both ntpq's fill up to 8, NTPsec's
/// newest daemon reads 4.
const PADDINGS: [usize; 2] = [8, 4];

/// Answers are filled up to this.
const PADDING: usize = 8;

/// The key that a request with so many bytes of data is signed with, if the code is right, the key is the one that
/// may be used for this and is trusted, and the sender may use it; and the code.
pub(super) fn prove<'k, 'd>(
    datagram: &'d [u8],
    count: usize,
    keys: &'k KeyTable,
    wanted: Option<KeyId>,
    from: IpAddr,
) -> Option<(&'k SharedKey, &'d [u8])> {
    let wanted = wanted?.number();
    let end = CONTROL_HEADER_LEN.saturating_add(count);
    PADDINGS.into_iter().find_map(|padding| {
        let (message, trailer) = datagram.split_at_checked(end.next_multiple_of(padding))?;
        let key_id = u32::from_be_bytes(take::<KEY_ID_LEN>(trailer, 0)?);
        let digest = trailer.get(KEY_ID_LEN..)?;
        if key_id != wanted || !CODE_LENS.contains(&digest.len()) {
            return None;
        }
        keys.prove(message, &Mac { key_id, digest }, from).map(|key| (key, digest))
    })
}

/// Fills a packet up and signs it.
pub fn sign(packet: &mut Vec<u8>, key: &SharedKey) {
    packet.resize(packet.len().next_multiple_of(PADDING), 0);
    let code = key.key.code(packet);
    packet.extend_from_slice(&key.id.number().to_be_bytes());
    packet.extend_from_slice(code.bytes(CodeLength::Cut));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Algorithm, Key};

    fn table() -> KeyTable {
        let key = |number: u32, algorithm, secret: &[u8]| SharedKey {
            id: KeyId::new(number).unwrap(),
            key: Key::new(algorithm, secret),
            from: Vec::new(),
            trusted: true,
        };
        KeyTable::new(vec![key(1, Algorithm::Sha1, b"secret"), key(2, Algorithm::Aes128Cmac, b"secret")])
    }

    fn signed(length: usize, padding: usize, number: u32) -> Vec<u8> {
        let mut packet = vec![0x16; CONTROL_HEADER_LEN + length];
        packet.resize(packet.len().next_multiple_of(padding), 0);
        let table = table();
        let key = table.trusted(KeyId::new(number).unwrap()).unwrap();
        let code = key.key.code(&packet);
        packet.extend(number.to_be_bytes());
        packet.extend(code.bytes(CodeLength::Cut));
        packet
    }

    #[test]
    fn both_ways_to_fill_up_are_understood_and_nothing_else() {
        let (table, from) = (table(), [127, 0, 0, 1].into());
        let proves = |packet: &[u8], length: usize, wanted: u32| {
            prove(packet, length, &table, KeyId::new(wanted), from).map(|(key, _)| key.id.number())
        };
        for length in 0..20 {
            for padding in [4, 8] {
                let packet = signed(length, padding, 1);
                assert_eq!(proves(&packet, length, 1), Some(1), "{length} {padding}");
                // Not the key for this, cut, changed, or without a code.
                assert_eq!(proves(&packet, length, 2), None);
                assert_eq!(proves(&packet[..packet.len() - 1], length, 1), None);
                assert_eq!(proves(&packet[..packet.len() - 20], length, 1), None);
                let mut changed = packet.clone();
                changed[3] ^= 1;
                assert_eq!(proves(&changed, length, 1), None);
            }
        }
        assert_eq!(proves(&signed(7, 8, 2), 7, 2), Some(2));
        assert_eq!(proves(&[0; 100], 0, 1), None);
        assert!(prove(&signed(7, 8, 1), 7, &table, None, from).is_none());
    }
}
