//! The time that a daemon serves, held against this machine's clock.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ntp_proto::time::{NtpDuration, NtpTimestamp, UnixTime};
use ntp_proto::wire::{Header, Version};

/// Asks a daemon for the time, on this machine or in the namespace that the caller is in, and
/// returns its answer with how far it is ahead of this machine's clock.
pub fn measure(daemon: SocketAddr) -> Option<(Header, NtpDuration)> {
    let any = if daemon.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(daemon).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let departed = now();
    let request = Header::request(Version::V4, 6, departed);
    socket.send(&request.to_bytes()).ok()?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).ok()?;
    let arrived = now();
    let answer = Header::parse(buffer.get(..length)?).ok()?;
    let ahead = ((answer.receive - departed) + (answer.transmit - arrived)).half();
    (answer.origin == departed).then_some((answer, ahead))
}

fn now() -> NtpTimestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    NtpTimestamp::from_unix(UnixTime::new(seconds, since.subsec_nanos()))
}
