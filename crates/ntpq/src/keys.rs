//! The key that questions are signed with.

use std::path::{Path, PathBuf};

use ntp_conf::read_keys;
use ntp_os::config_files;
use ntp_proto::auth::{Algorithm, Key, KeyId, SharedKey};

/// Where keys are, where nothing is said: with us and classic ntpd, and with NTPsec.
const FILES: [&str; 2] = ["/etc/ntp.keys", "/etc/ntpsec/ntp.keys"];

/// The longest file that is looked into.
const FILE_LEN_MAX: usize = 4 << 20;

/// What is known of the key so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Its number.
    pub(crate) id: Option<KeyId>,
    /// Its type, where its secret is said and not looked up.
    pub(crate) algorithm: Option<Algorithm>,
    /// Its secret, if it has been said.
    pub(crate) secret: Option<String>,
    /// The file to look it up in.
    pub(crate) file: Option<PathBuf>,
}

impl Choice {
    /// The key, if there is one to be used; in words, why there is none.
    pub(crate) fn key(&self) -> Result<SharedKey, String> {
        let id = self.id.ok_or("no key has been chosen: -a NUMBER, or `keyid NUMBER`")?;
        let shared = |key| SharedKey { id, key, from: Vec::new(), trusted: true };
        if let Some(secret) = &self.secret {
            return Ok(shared(said(self.algorithm.unwrap_or(Algorithm::Md5), secret)));
        }
        let usual = || FILES.iter().map(Path::new).find(|file| file.exists());
        let file = self.file.as_deref().or_else(usual);
        let file = file.ok_or_else(|| {
            format!(
                "there is no {}: name one with -k FILE, or say its secret: passwd",
                FILES.join(" and no ")
            )
        })?;
        look_up(file, id).map(shared)
    }
}

/// A secret as it is said: what is longer than this is in hexadecimal digits, as in a file of keys.
const PLAIN_LEN_MAX: usize = 20;

fn said(algorithm: Algorithm, secret: &str) -> Key {
    let in_digits = secret.len() > PLAIN_LEN_MAX && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line = format!("1 {} {secret}", algorithm.name());
    let read =
        in_digits.then(|| read_keys("", line.as_bytes(), &|word| Algorithm::from_name(word).is_some()));
    let decoded = read.and_then(|(keys, _)| Some(keys.into_iter().next()?.secret));
    Key::new(algorithm, decoded.as_deref().unwrap_or(secret.as_bytes()))
}

fn look_up(file: &Path, id: KeyId) -> Result<Key, String> {
    let name = file.display().to_string().escape_debug().to_string();
    let (_, content) =
        config_files::load_file(file, FILE_LEN_MAX).map_err(|error| format!("{name}: {error}"))?;
    let known = |word: &str| Algorithm::from_name(word).is_some();
    let (lines, _) = read_keys(&name, &content, &known);
    let line = lines.into_iter().rfind(|line| line.id == id.number());
    let line = line.ok_or_else(|| format!("{name} has no key {}", id.number()))?;
    let algorithm = Algorithm::from_name(&line.algorithm).ok_or_else(|| format!("{name}: unknown type"))?;
    Ok(Key::new(algorithm, &line.secret))
}
