//! Harnesses of the server: any datagram, and any file of keys.

use std::sync::Arc;
use std::time::Duration;

use ntp_conf::read_keys;
use ntp_proto::auth::{Algorithm, CodeLength, Key, KeyId, KeyTable, SharedKey};
use ntp_proto::server::{
    AccessList, ClientTable, Prefix, RateLimit, Request, Restrictions, Rule, RuleTarget, ServerRules,
    Verdict, respond,
};
use ntp_proto::system::Reference;
use ntp_proto::time::{MonoTime, NtpTimestamp, Precision};
use ntp_proto::wire::Packet;

/// What a datagram becomes on its way to the parser: its first byte decides about most.
const FIRST_BYTES: [u8; 6] = [0x23, 0x1b, 0x21, 0x0b, 0x24, 0x16];

/// Whatever arrives: an answer is no longer than its request and is itself not answered, and a packet that can
/// be read is written as it was.
pub(crate) fn request(input: &[u8]) {
    let target = RuleTarget::Prefix(Prefix::everything(true));
    let restrictions = Restrictions::LIMITED | Restrictions::KOD;
    let rules = ServerRules {
        access: AccessList::new(&[Rule { target, restrictions }]),
        keys: Arc::new(rules_keys()),
        limit: RateLimit::default(),
        monitor: true,
    };
    let mut clients = ClientTable::new(1 << 12, None, (1, 2), 3, MonoTime::ZERO);
    let reference = Reference::unsynchronized(Precision::new(-20), MonoTime::ZERO);
    let mut ask = |bytes: &[u8], millis: u64| {
        let at = MonoTime::ZERO + Duration::from_millis(millis);
        let from = std::net::SocketAddr::from(([192, 0, 2, 1], 123));
        let request =
            Request { bytes, from, received: NtpTimestamp::from_bits(1 << 40), at, waited: Duration::ZERO };
        respond(&reference, &rules, &mut clients, &request)
    };
    // Lengths around those at which header, MAC and fields end.
    for (number, chunk) in input.chunks(150).take(40).enumerate() {
        let mut bytes = chunk.to_vec();
        if let Some(first) = bytes.first_mut() {
            *first = FIRST_BYTES.get(usize::from(*first) % 7).copied().unwrap_or(*first);
        }
        // Half of them begin with a whole header, so that the rest is what is tried.
        if number % 2 == 0 {
            bytes.splice(1..1, [0; 47]);
        }
        // A third is signed, some of them in version 3 with the whole code, and may be cut or changed after.
        if number % 3 == 2 {
            sign(&mut bytes, chunk);
        }
        let millis = 1000 * u64::try_from(number).unwrap_or(0);
        if let Ok(packet) = Packet::parse(&bytes) {
            let mut again = Vec::new();
            packet.write(&mut again);
            assert_eq!(again, bytes);
        }
        if let Verdict::Answer(mut reply) = ask(&bytes, millis) {
            reply.seal(NtpTimestamp::from_bits(2 << 40), &rules_keys());
            assert!(reply.as_bytes().len() <= bytes.len().max(48), "{bytes:?}");
            assert!(matches!(ask(reply.as_bytes(), millis), Verdict::Silence(_)), "{bytes:?}");
        }
    }
}

/// Makes a signed request of it: with a CMAC in version 4, or with the whole of a digest in version 3; now and then
/// with a byte that was changed after.
fn sign(bytes: &mut Vec<u8>, chunk: &[u8]) {
    let choice = chunk.last().copied().unwrap_or(0);
    bytes.resize(48, 0);
    let (first, number) = if choice & 1 == 0 { (0x23, 1) } else { (0x1b, 2) };
    if let Some(byte) = bytes.first_mut() {
        *byte = first;
    }
    let Some(key) = KeyId::new(number).map(shared) else { return };
    let code = key.key.code(bytes);
    bytes.extend(number.to_be_bytes());
    bytes.extend(code.bytes(if choice & 2 == 0 { CodeLength::Cut } else { CodeLength::Whole }));
    if choice & 0b1100 == 0b1100
        && let Some(byte) = bytes.get_mut(usize::from(choice) % 68)
    {
        *byte ^= 1;
    }
}

/// Key 1 makes a CMAC, any other a digest.
fn shared(id: KeyId) -> SharedKey {
    let algorithm = if id.number() == 1 { Algorithm::Aes128Cmac } else { Algorithm::Sha512 };
    SharedKey { id, key: Key::new(algorithm, b"sixteen bytes ok"), from: Vec::new(), trusted: true }
}

fn rules_keys() -> KeyTable {
    KeyTable::new([1, 2].into_iter().filter_map(KeyId::new).map(shared).collect())
}

/// Whatever a file of keys holds: what is taken is a key, and what is said shows no secret.
pub(crate) fn keys(input: &[u8]) {
    let (keys, findings) = read_keys("f", input, &|name| Algorithm::from_name(name).is_some());
    for key in &keys {
        assert!(key.id != 0 && (1..=64).contains(&key.secret.len()));
        let made = Algorithm::from_name(&key.algorithm).map(|algorithm| Key::new(algorithm, &key.secret));
        assert!(made.is_some_and(|key| matches!(key.code(input).bytes(CodeLength::Cut).len(), 16 | 20)));
    }
    for finding in &findings {
        let text = finding.to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
