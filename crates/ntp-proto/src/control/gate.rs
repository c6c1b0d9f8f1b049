//! How much mode 6 sends to whom: nobody can have the daemon flood somebody else, nor keep it busy.
//!
//! This machine and whoever signs may ask as much as they like. Anybody else has a bucket of packets, and all who have
//! not proven by a nonce that they receive what they ask for share one of bytes.

use alloc::collections::BTreeMap;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use crate::server::{Counts, Trait};
use crate::time::MonoTime;

/// Packets that one asker may get at once, and in a second.
const PACKETS: Allowance = Allowance { burst: 64, per_second: 16 };

/// Bytes that all unproven askers may get at once, and in a second.
const BYTES: Allowance = Allowance { burst: 64_000, per_second: 64_000 };

/// For how long a proof holds.
const PROOF: Duration = Duration::from_mins(1);

/// Askers that are remembered; of more, the one that was silent for longest is forgotten.
const ASKERS_MAX: usize = 1024;

#[derive(Clone, Copy)]
struct Allowance {
    burst: u64,
    per_second: u64,
}

/// A bucket of tokens, which time fills.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    /// Up to when it has been filled.
    filled: MonoTime,
}

impl Bucket {
    const fn full(allowance: Allowance, now: MonoTime) -> Self {
        Self { left: allowance.burst, filled: now }
    }

    /// Takes so many, if they are there.
    fn take(&mut self, count: u64, allowance: Allowance, now: MonoTime) -> bool {
        let millis = u64::try_from(now.since(self.filled).as_millis()).unwrap_or(u64::MAX);
        let grown = millis.saturating_mul(allowance.per_second) / 1000;
        if grown > 0 {
            self.left = self.left.saturating_add(grown).min(allowance.burst);
            self.filled = now;
        }
        let there = self.left >= count;
        if there {
            self.left = self.left.saturating_sub(count);
        }
        there
    }
}

#[derive(Clone, Copy, Debug)]
struct AskerState {
    packets: Bucket,
    proven: Option<MonoTime>,
    last: MonoTime,
}

/// For how long the code of a line of configuration is remembered, so that nobody can send it again.
const REPLAY: Duration = Duration::from_mins(5);

/// Codes that are remembered; while there are so many, no line is taken.
const CODES_MAX: usize = 256;

/// Decides who gets how much.
#[derive(Debug)]
pub struct Gate {
    askers: BTreeMap<u128, AskerState>,
    unproven: Bucket,
    /// Codes of lines of configuration, and when they came.
    codes: BTreeMap<Vec<u8>, MonoTime>,
    /// How questions were signed.
    counts: Counts,
}

impl Gate {
    /// With full buckets.
    pub const fn new(now: MonoTime) -> Self {
        Self {
            askers: BTreeMap::new(),
            unproven: Bucket::full(BYTES, now),
            codes: BTreeMap::new(),
            counts: Counts::ZERO,
        }
    }

    /// Whether an answer of so many packets and bytes may leave. A free asker is this machine, or has signed.
    pub(super) fn admits(&mut self, from: IpAddr, answer: &[Vec<u8>], is_free: bool, now: MonoTime) -> bool {
        if is_free || from.to_canonical().is_loopback() {
            return true;
        }
        let packets = u64::try_from(answer.len()).unwrap_or(u64::MAX);
        let bytes = answer.iter().fold(0, |sum: usize, packet| sum.saturating_add(packet.len()));
        let proven = self.is_proven(from, now);
        let bucket = &mut self.asker(from, now).packets;
        let enough = bucket.take(packets, PACKETS, now);
        if !enough {
            // It had to be made all the same.
            bucket.take(1, PACKETS, now);
        }
        enough && (proven || self.unproven.take(u64::try_from(bytes).unwrap_or(u64::MAX), BYTES, now))
    }

    /// Whether an asker has anything left at all: who has not is not worth making an answer for.
    pub fn is_open(&mut self, from: IpAddr, now: MonoTime) -> bool {
        if from.to_canonical().is_loopback() {
            return true;
        }
        let packets = &mut self.asker(from, now).packets;
        packets.take(0, PACKETS, now) && packets.left > 0
    }

    /// Whether an asker has shown of late that it gets what is sent to its address.
    pub(super) fn is_proven(&mut self, from: IpAddr, now: MonoTime) -> bool {
        self.asker(from, now).proven.is_some_and(|at| now.since(at) < PROOF)
    }

    /// What has been counted of signed questions.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Counts a signed question.
    pub(super) fn note(&mut self, seen: Trait) {
        self.counts.add(seen);
    }

    /// Notes that an asker has shown a nonce that was sent to its address.
    pub(super) fn prove(&mut self, from: IpAddr, now: MonoTime) {
        self.asker(from, now).proven = Some(now);
    }

    /// Whether a line with this code has not come before, of late.
    pub(super) fn is_first(&mut self, code: &[u8], now: MonoTime) -> bool {
        self.codes.retain(|_, came| now.since(*came) < REPLAY);
        self.codes.len() < CODES_MAX && self.codes.insert(code.to_vec(), now).is_none()
    }

    fn asker(&mut self, from: IpAddr, now: MonoTime) -> &mut AskerState {
        let key = network(from);
        if self.askers.len() >= ASKERS_MAX && !self.askers.contains_key(&key) {
            let stalest = self.askers.iter().min_by_key(|(_, state)| state.last).map(|(key, _)| *key);
            stalest.and_then(|key| self.askers.remove(&key));
        }
        let fresh = AskerState { packets: Bucket::full(PACKETS, now), proven: None, last: now };
        let state = self.askers.entry(key).or_insert(fresh);
        state.last = now;
        state
    }
}

/// What tells askers apart: an IPv4 address, or a network of IPv6.
fn network(from: IpAddr) -> u128 {
    match from.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6) >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_millis(millis)
    }

    fn sent(gate: &mut Gate, from: &str, size: usize, millis: u64) -> usize {
        let answer = [vec![0; size]];
        let from = from.parse().unwrap();
        (0..1000).filter(|_| gate.admits(from, &answer, false, at(millis))).count()
    }

    #[test]
    fn a_stranger_gets_64_packets_and_16_in_a_second() {
        let mut gate = Gate::new(at(0));
        assert_eq!(sent(&mut gate, "192.0.2.1", 480, 0), 64);
        assert_eq!(sent(&mut gate, "192.0.2.1", 480, 1000), 16);
        assert!(!gate.is_open("192.0.2.1".parse().unwrap(), at(1000)));
        assert_eq!(sent(&mut gate, "192.0.2.1", 480, 100_000), 64);
        // What is made for nothing costs as well.
        let long = vec![vec![0; 480]; 65];
        let from = "192.0.2.2".parse().unwrap();
        let made =
            (0..1000).take_while(|_| gate.is_open(from, at(0)) && !gate.admits(from, &long, false, at(0)));
        assert_eq!(made.count(), 64);
        // This machine is no stranger.
        assert_eq!(sent(&mut gate, "127.0.0.1", 480, 0), 1000);
        assert_eq!(sent(&mut gate, "::ffff:127.0.0.1", 480, 0), 1000);
    }

    #[test]
    fn strangers_share_a_bound_that_a_proof_lifts() {
        let mut gate = Gate::new(at(0));
        let all: usize = (0..10).map(|last| sent(&mut gate, &format!("192.0.2.{last}"), 480, 0)).sum();
        assert_eq!(all, 64_000 / 480);
        gate.prove("192.0.2.99".parse().unwrap(), at(0));
        assert_eq!(sent(&mut gate, "192.0.2.99", 480, 0), 64);
    }

    #[test]
    fn the_memory_is_bounded_and_a_network_is_one_asker() {
        let mut gate = Gate::new(at(0));
        for number in 0..10_000_u32 {
            gate.admits(IpAddr::from(number.to_be_bytes()), &[Vec::new()], false, at(u64::from(number)));
        }
        assert_eq!(gate.askers.len(), ASKERS_MAX);
        let other = "2001:db8::1".parse().unwrap();
        let before = (0..64).filter(|_| gate.admits(other, &[Vec::new()], false, at(0))).count();
        assert_eq!(
            (before, gate.admits("2001:db8::2".parse().unwrap(), &[Vec::new()], false, at(0))),
            (64, false)
        );
    }
}
