//! Message authentication codes.

use aes::{Aes128, Aes256};
use cmac::digest::{Digest, KeyInit as _};
use cmac::{Cmac, Mac as _};
use core::fmt;
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

/// The longest code on the wire: longer digests are cut, so that a MAC can be told from an extension
/// field by its length (RFC 7822 §3; as chrony, NTPsec and ntp 4.2.8 do).
const CODE_LEN_MAX: usize = 20;

/// The longest digest: chrony's clients send it whole in version 3, which has no extension fields, and expect
/// the same.
const DIGEST_LEN_MAX: usize = 64;

/// How a code is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5 of key and packet (RFC 5905 §7.3); open to forgery (RFC 8573).
    Md5,
    /// SHA-1 of key and packet.
    Sha1,
    /// SHA-224 of key and packet.
    Sha224,
    /// SHA-256 of key and packet.
    Sha256,
    /// SHA-384 of key and packet.
    Sha384,
    /// SHA-512 of key and packet.
    Sha512,
    /// AES-128-CMAC (RFC 4493): what RFC 8573 asks for.
    Aes128Cmac,
    /// AES-256-CMAC.
    Aes256Cmac,
}

/// Names in keys files: those of classic ntpd, NTPsec and chrony, in lower case. The first of an
/// algorithm is the one to write.
const NAMES: [(&str, Algorithm); 17] = [
    ("md5", Algorithm::Md5),
    ("m", Algorithm::Md5),
    ("sha1", Algorithm::Sha1),
    ("sha", Algorithm::Sha1),
    ("sha224", Algorithm::Sha224),
    ("sha256", Algorithm::Sha256),
    ("sha384", Algorithm::Sha384),
    ("sha512", Algorithm::Sha512),
    ("aes128cmac", Algorithm::Aes128Cmac),
    ("aes", Algorithm::Aes128Cmac),
    ("aes128", Algorithm::Aes128Cmac),
    ("cmac", Algorithm::Aes128Cmac),
    ("cmac128", Algorithm::Aes128Cmac),
    ("aescmac", Algorithm::Aes128Cmac),
    ("aes256cmac", Algorithm::Aes256Cmac),
    ("aes256", Algorithm::Aes256Cmac),
    ("cmac256", Algorithm::Aes256Cmac),
];

impl Algorithm {
    /// By its name in a keys file; letter case and dashes do not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        let name: String = name.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// The name to write into a keys file.
    pub fn name(self) -> String {
        let name = NAMES.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| *name);
        name.to_ascii_uppercase()
    }

    /// Whether it has known weaknesses (RFC 8573, RFC 6151).
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }

    /// The bytes of a good key: what the cipher takes, or as much as the digest is worth.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Md5 | Self::Aes128Cmac => 16,
            Self::Sha1 | Self::Sha224 | Self::Sha256 | Self::Sha384 | Self::Sha512 => 20,
            Self::Aes256Cmac => 32,
        }
    }

    /// Whether it is a CMAC, of which keys of another length than [`Self::key_len`] are filled up or cut; else
    /// it is a digest.
    pub const fn is_cipher(self) -> bool {
        matches!(self, Self::Aes128Cmac | Self::Aes256Cmac)
    }
}

/// How much of a code is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CodeLength {
    /// At most 20 bytes.
    #[default]
    Cut,
    /// All of it, before version 4 alone.
    Whole,
}

impl CodeLength {
    /// That of a code that was received.
    pub const fn of(code: &[u8]) -> Self {
        if code.len() > CODE_LEN_MAX { Self::Whole } else { Self::Cut }
    }
}

/// A code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    bytes: [u8; DIGEST_LEN_MAX],
    length: usize,
}

impl Code {
    fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; DIGEST_LEN_MAX];
        let length = digest.len().min(DIGEST_LEN_MAX);
        for (slot, byte) in bytes.iter_mut().zip(digest) {
            *slot = *byte;
        }
        Self { bytes, length }
    }

    /// What of it is sent.
    pub fn bytes(&self, length: CodeLength) -> &[u8] {
        let sent = match length {
            CodeLength::Cut => self.length.min(CODE_LEN_MAX),
            CodeLength::Whole => self.length,
        };
        self.bytes.get(..sent).unwrap_or_default()
    }
}

/// A secret, made ready for its algorithm so that a packet costs no more than its own bytes.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    state: State,
}

#[derive(Clone)]
enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Aes128Cmac(Cmac<Aes128>),
    Aes256Cmac(Cmac<Aes256>),
}

/// Secrets are not printed.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Key {
    /// From a secret. That of a cipher is filled up with zeros or cut, as NTPsec does.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        let exact = |length| {
            let mut bytes = secret.to_vec();
            bytes.resize(length, 0);
            bytes
        };
        let state = match algorithm {
            Algorithm::Md5 => State::Md5(Md5::new_with_prefix(secret)),
            Algorithm::Sha1 => State::Sha1(Sha1::new_with_prefix(secret)),
            Algorithm::Sha224 => State::Sha224(Sha224::new_with_prefix(secret)),
            Algorithm::Sha256 => State::Sha256(Sha256::new_with_prefix(secret)),
            Algorithm::Sha384 => State::Sha384(Sha384::new_with_prefix(secret)),
            Algorithm::Sha512 => State::Sha512(Sha512::new_with_prefix(secret)),
            Algorithm::Aes128Cmac => {
                let mut key = aes::cipher::Key::<Aes128>::default();
                key.copy_from_slice(&exact(16));
                State::Aes128Cmac(Cmac::new(&key))
            }
            Algorithm::Aes256Cmac => {
                let mut key = aes::cipher::Key::<Aes256>::default();
                key.copy_from_slice(&exact(32));
                State::Aes256Cmac(Cmac::new(&key))
            }
        };
        Self { algorithm, state }
    }

    /// How it makes codes.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a secret of so many bytes is taken as it is.
    pub const fn takes(algorithm: Algorithm, length: usize) -> bool {
        !algorithm.is_cipher() || length == algorithm.key_len()
    }

    /// The code of a message.
    pub fn code(&self, message: &[u8]) -> Code {
        fn digest(state: &(impl Digest + Clone), message: &[u8]) -> Code {
            Code::new(&state.clone().chain_update(message).finalize())
        }
        match &self.state {
            State::Md5(state) => digest(state, message),
            State::Sha1(state) => digest(state, message),
            State::Sha224(state) => digest(state, message),
            State::Sha256(state) => digest(state, message),
            State::Sha384(state) => digest(state, message),
            State::Sha512(state) => digest(state, message),
            State::Aes128Cmac(state) => {
                Code::new(&state.clone().chain_update(message).finalize().into_bytes())
            }
            State::Aes256Cmac(state) => {
                Code::new(&state.clone().chain_update(message).finalize().into_bytes())
            }
        }
    }

    /// Whether a code is this message's; takes as long for a wrong one as for the right one
    /// (CVE-2016-1550).
    pub fn verifies(&self, message: &[u8], code: &[u8]) -> bool {
        self.code(message).bytes(CodeLength::of(code)).ct_eq(code).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn cmac_is_that_of_rfc_4493() {
        let key = Key::new(Algorithm::Aes128Cmac, &hex("2b7e151628aed2a6abf7158809cf4f3c"));
        // RFC 4493 §4, examples 1 to 3.
        for (message, code) in [
            ("", "bb1d6929e95937287fa37d129b756746"),
            ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
            (
                "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
                "dfa66747de9ae63030ca32611497c827",
            ),
        ] {
            assert_eq!(key.code(&hex(message)).bytes(CodeLength::Cut), hex(code));
        }
    }

    #[test]
    fn cmac_of_256_bits_is_that_of_nist() {
        // NIST SP 800-38B, examples D.3: AES-256, messages of 0, 16 and 40 bytes.
        let secret = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        let key = Key::new(Algorithm::Aes256Cmac, &hex(secret));
        for (message, code) in [
            ("", "028962f61b7bf89efc6b551f4667d983"),
            ("6bc1bee22e409f96e93d7e117393172a", "28a7023f452e8f82bd4bf28d8c37c35c"),
            (
                "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
                "aaf3d8f1de5640c232f5b169b9c911e6",
            ),
        ] {
            assert_eq!(key.code(&hex(message)).bytes(CodeLength::Cut), hex(code));
        }
    }

    #[test]
    fn digests_are_of_key_and_message_and_cut_to_twenty_bytes() {
        // RFC 1321 §A.5: MD5 ("abc"); FIPS 180: SHA-1 and SHA-2 of "abc".
        for (algorithm, code) in [
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a3"),
            (Algorithm::Sha224, "23097d223405d8228642a477bda255b32aadbce4"),
            (Algorithm::Sha384, "cb00753f45a35e8bb5a03d699ac65007272c32ab"),
            (Algorithm::Sha512, "ddaf35a193617abacc417349ae20413112e6fa4e"),
        ] {
            let key = Key::new(algorithm, b"a");
            assert_eq!(key.code(b"bc").bytes(CodeLength::Cut), hex(code), "{algorithm:?}");
            assert!(key.verifies(b"bc", &hex(code)));
            assert!(!key.verifies(b"bd", &hex(code)));
            assert!(!key.verifies(b"bc", &hex(code)[1..]));
        }
        // Whole, but nothing in between.
        let key = Key::new(Algorithm::Sha256, b"a");
        let whole = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(key.code(b"bc").bytes(CodeLength::Whole), whole);
        assert!(key.verifies(b"bc", &whole) && !key.verifies(b"bc", &whole[..24]));
    }

    #[test]
    fn names_are_those_of_the_three_daemons() {
        for (name, algorithm) in [
            ("M", Algorithm::Md5),
            ("md5", Algorithm::Md5),
            ("SHA-1", Algorithm::Sha1),
            ("sha256", Algorithm::Sha256),
            ("AES-128", Algorithm::Aes128Cmac),
            ("AES128CMAC", Algorithm::Aes128Cmac),
            ("AES256", Algorithm::Aes256Cmac),
        ] {
            assert_eq!(Algorithm::from_name(name), Some(algorithm), "{name}");
            assert_eq!(Algorithm::from_name(&algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("ripemd160"), None);
    }
}
