//! Signed requests of mode 6, and the answers to them (RFC 9327 §2; the padding is ntpd's).

use core::net::IpAddr;

use crate::auth::{CodeLength, KeyId, KeyTable, SharedKey};
use crate::server::Trait;
use crate::wire::{Mac, take};

use super::message::{CONTROL_HEADER_LEN, ControlMessage};

/// A key's number.
const KEY_ID_LEN: usize = 4;

/// The lengths of codes: MD5 and CMAC, and everything else.
const CODE_LENS: [usize; 2] = [16, 20];

/// Header and data of a request are filled up to one of these before the code: both ntpq's fill up to 8, NTPsec's
/// newest daemon reads 4.
const PADDINGS: [usize; 2] = [8, 4];

/// Answers are filled up to this.
const PADDING: usize = 8;

/// How a request is signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signature<'k, 'd> {
    /// Not at all.
    None,
    /// Well, with the key that may be used for this, is trusted and is the sender's; and the code.
    Good(&'k SharedKey, &'d [u8]),
    /// With that key, but not well.
    Bad(&'k SharedKey),
    /// With another key.
    Unknown,
}

impl<'k, 'd> Signature<'k, 'd> {
    /// Reads what follows so many bytes of data.
    pub(super) fn of(
        datagram: &'d [u8],
        count: usize,
        keys: &'k KeyTable,
        wanted: Option<KeyId>,
        from: IpAddr,
    ) -> Self {
        let read = |(message, mac): (&[u8], Mac<'d>)| {
            let wanted = wanted.filter(|wanted| wanted.number() == mac.key_id);
            let Some(key) = wanted.and_then(|wanted| keys.trusted(wanted)) else { return Self::Unknown };
            let good = keys.prove(message, &mac, from).is_some();
            if good { Self::Good(key, mac.digest) } else { Self::Bad(key) }
        };
        // Filled up in the other way, a code begins in the middle of itself or before: its key is nobody's.
        codes(datagram, count).map(read).max_by_key(Self::weight).unwrap_or(Self::None)
    }

    /// How much it says.
    const fn weight(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Unknown => 1,
            Self::Bad(_) => 2,
            Self::Good(..) => 3,
        }
    }

    /// What is counted of it.
    pub(super) fn seen(&self) -> Option<Trait> {
        match self {
            Self::None => None,
            Self::Good(key, _) if key.key.algorithm().is_cipher() => Some(Trait::CmacGood),
            Self::Good(..) => Some(Trait::DigestGood),
            Self::Bad(key) if key.key.algorithm().is_cipher() => Some(Trait::CmacBad),
            Self::Bad(_) => Some(Trait::DigestBad),
            Self::Unknown => Some(Trait::KeyUnknown),
        }
    }
}

/// Whether an answer is signed with a key.
pub fn is_signed(packet: &[u8], key: &SharedKey) -> bool {
    let Some(message) = ControlMessage::parse(packet) else { return false };
    let count = usize::from(message.header.count);
    codes(packet, count).any(|(text, mac)| mac.key_id == key.id.number() && key.signs(text, &mac))
}

/// Every way to read what follows so many bytes of data as a code, with what it would sign; one where both ways to
/// fill up come to the same.
fn codes(datagram: &[u8], count: usize) -> impl Iterator<Item = (&[u8], Mac<'_>)> {
    let end = CONTROL_HEADER_LEN.saturating_add(count);
    let [long, short] = PADDINGS.map(|padding| end.next_multiple_of(padding));
    [Some(long), Some(short).filter(|short| *short != long)].into_iter().flatten().filter_map(move |end| {
        let (message, trailer) = datagram.split_at_checked(end)?;
        let key_id = u32::from_be_bytes(take::<KEY_ID_LEN>(trailer, 0)?);
        let digest = trailer.get(KEY_ID_LEN..)?;
        CODE_LENS.contains(&digest.len()).then_some((message, Mac { key_id, digest }))
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
    use super::super::message::{ControlHeader, Opcode};
    use super::*;
    use crate::auth::{Algorithm, Key};
    use crate::wire::Leap;

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
    fn an_answer_is_signed_or_it_is_not() {
        let table = table();
        let key = table.trusted(KeyId::new(1).unwrap()).unwrap();
        for data in [b"".as_slice(), b"Config Succeeded\r\n"] {
            let header = ControlHeader::request(Opcode::Configure, 7, 0).reply(Leap::None, 0);
            let mut packet = ControlMessage::write(&header, data);
            assert!(!is_signed(&packet, key));
            sign(&mut packet, key);
            assert!(is_signed(&packet, key));
            assert!(!is_signed(&packet, table.trusted(KeyId::new(2).unwrap()).unwrap()));
            packet[12] ^= 1;
            assert!(!is_signed(&packet, key));
        }
    }

    #[test]
    fn both_ways_to_fill_up_are_understood_and_nothing_else() {
        let (table, from) = (table(), [127, 0, 0, 1].into());
        let proves = |packet: &[u8], length: usize, wanted: u32| match Signature::of(
            packet,
            length,
            &table,
            KeyId::new(wanted),
            from,
        ) {
            Signature::Good(key, _) => Some(key.id.number()),
            Signature::None | Signature::Bad(_) | Signature::Unknown => None,
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
        let without = signed(7, 8, 1);
        assert!(matches!(Signature::of(&without, 7, &table, None, from), Signature::Unknown));
    }
}
