//! Lines of the statistics files, column by column as classic ntpd writes them, so that what reads those reads ours
//! (its `monopt` page; checked against Debian's NTPsec, which has one column more in `rawstats`).

use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;

use crate::control::{peer_event_word, peer_status, service_counter, system_event_word, system_status};
use crate::server::Counts;
use crate::system::{Exchange, PeerEvent, Record};
use crate::time::{NtpTimestamp, UnixTime};
use crate::wire::{ReferenceId, Stratum};

/// The Modified Julian Day of 1970-01-01.
const MJD_OF_UNIX: i64 = 40_587;

const DAY: i64 = 86_400;

/// What a peer event's number is in `protostats`: bit 7 tells it from the system's.
const PEER_EVENT: u16 = 0x80;

/// A line, its newline included: the Modified Julian Day, the second of the UTC day, and the record.
pub fn line(date: UnixTime, record: &Record) -> String {
    dated(date, &columns(record))
}

/// What `sysstats` shows of the counters, by their names in mode 6.
const COUNTERS: [&str; 10] = [
    "ss_received",
    "ss_processed",
    "ss_thisver",
    "ss_oldver",
    "ss_restricted",
    "ss_badformat",
    "ss_badauth",
    "ss_declined",
    "ss_limited",
    "ss_kodsent",
];

/// A line of `sysstats`: what has been counted in so many seconds.
pub fn counters_line(date: UnixTime, seconds: u64, counts: &Counts) -> String {
    let count = |name: &&str| format!(" {}", service_counter(name, counts).unwrap_or(0));
    let words: String = COUNTERS.iter().map(count).collect();
    dated(date, &format!("{seconds}{words}"))
}

fn dated(date: UnixTime, columns: &str) -> String {
    let (seconds, millis) = (date.seconds(), date.subsec_nanos() / 1_000_000);
    let (day, second) = (seconds.div_euclid(DAY) + MJD_OF_UNIX, seconds.rem_euclid(DAY));
    format!("{day} {second}.{millis:03} {columns}\n")
}

fn columns(record: &Record) -> String {
    match record {
        Record::Correction { offset, frequency, jitter, wander, time_constant } => format!(
            "{:.9} {:.6} {:.9} {:.6} {}",
            offset.as_seconds_f64(),
            frequency.as_ppm(),
            jitter.as_seconds_f64(),
            wander.as_ppm(),
            time_constant.exponent()
        ),
        Record::Source(peer) => format!(
            "{} {:04x} {:.9} {:.9} {:.9} {:.9}",
            address(peer.remote),
            peer_status(peer),
            peer.offset.as_seconds_f64(),
            peer.delay.as_seconds_f64(),
            peer.dispersion.as_seconds_f64(),
            peer.jitter.as_seconds_f64()
        ),
        Record::Exchange(exchange) => exchange_columns(exchange),
        Record::SourceEvent(peer, event) => {
            let word = peer_event_word(event.code());
            let code = event.code() | PEER_EVENT;
            let detail = match event {
                PeerEvent::Mobilize => format!(" assoc {}", peer.id.number()),
                PeerEvent::Unreachable
                | PeerEvent::Reachable
                | PeerEvent::Restart
                | PeerEvent::RateExceeded
                | PeerEvent::AccessDenied
                | PeerEvent::AuthFailed
                | PeerEvent::SystemPeer => String::new(),
            };
            format!("{} {:04x} {code:02x} {word}{detail}", address(peer.remote), peer_status(peer))
        }
        Record::SystemEvent(snapshot, event) => {
            let word = system_event_word(event.code());
            format!("0.0.0.0 {:04x} {:02x} {word}", system_status(snapshot), event.code())
        }
    }
}

fn address(address: SocketAddr) -> String {
    format!("{}", address.ip().to_canonical())
}

fn exchange_columns(exchange: &Exchange) -> String {
    let header = &exchange.header;
    let times = [exchange.departed, header.receive, header.transmit, exchange.arrived].map(seconds);
    format!(
        "{} {} {} {} {} {} {} {} {} {:.6} {:.6} {}",
        address(exchange.remote),
        address(exchange.local),
        times.join(" "),
        header.leap.to_bits(),
        header.version.number(),
        header.mode.to_bits(),
        header.stratum.value(),
        header.poll,
        header.precision.exponent(),
        header.root_delay.to_duration().as_seconds_f64(),
        header.root_dispersion.to_duration().as_seconds_f64(),
        reference(header.reference_id, header.stratum)
    )
}

/// Seconds since 1900 in the present era, with nine digits behind the point.
fn seconds(timestamp: NtpTimestamp) -> String {
    let bits = timestamp.to_bits();
    let fraction = (u128::from(bits & 0xffff_ffff) * 1_000_000_000) >> 32;
    format!("{}.{fraction:09}", bits >> 32)
}

/// Up to four letters between points where a clock is named, or an address.
fn reference(id: ReferenceId, stratum: Stratum) -> String {
    let code = id.code().filter(|_| stratum.value() <= 1 || !stratum.is_synchronized());
    code.map_or_else(|| format!("{id}"), |code| format!(".{code}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Frequency, NtpDuration, PollExponent};
    use crate::wire::{Header, Version};

    #[test]
    fn a_correction_has_the_columns_of_loopstats() {
        // 2026-11-26 02:01:33.292 UTC is the second that Debian's NTPsec wrote as MJD 61370, 7293.292.
        let date = UnixTime::new(1_795_658_493, 292_000_000);
        let record = Record::Correction {
            offset: NtpDuration::from_seconds_f64(0.000_002_7),
            frequency: Frequency::from_ppm(-12.5),
            jitter: NtpDuration::from_seconds_f64(0.000_000_956),
            wander: Frequency::ZERO,
            time_constant: PollExponent::DEFAULT_MIN,
        };
        let words: Vec<String> = line(date, &record).split(' ').map(str::to_owned).collect();
        let [day, second, offset, frequency, jitter, wander, exponent] = &words[..] else {
            unreachable!("{words:?}")
        };
        assert_eq!(
            [day, second, frequency, wander, exponent],
            ["61370", "7293.292", "-12.500000", "0.000000", "6\n"]
        );
        let near = |word: &str, wanted: f64| (word.parse::<f64>().unwrap() - wanted).abs() < 2e-9;
        assert!(near(offset, 0.000_002_7) && near(jitter, 0.000_000_956), "{words:?}");
    }

    #[test]
    fn an_exchange_has_the_columns_of_rawstats() {
        let time = |seconds: u64| NtpTimestamp::from_bits(seconds << 32 | 0x8000_0000);
        let mut header = Header::request(Version::V4, 6, NtpTimestamp::ZERO);
        (header.receive, header.transmit) = (time(4_004_647_287), time(4_004_647_288));
        let exchange = Exchange {
            remote: "[::ffff:10.79.0.1]:123".parse().unwrap(),
            local: "10.79.0.2:4000".parse().unwrap(),
            departed: time(4_004_647_286),
            arrived: time(4_004_647_289),
            header,
        };
        let text = line(UnixTime::new(0, 0), &Record::Exchange(Box::new(exchange)));
        let times = "4004647286.500000000 4004647287.500000000 4004647288.500000000 4004647289.500000000";
        assert!(text.starts_with(&format!("40587 0.000 10.79.0.1 10.79.0.2 {times} ")), "{text}");
        assert_eq!(text.split_whitespace().count(), 17, "{text}");
    }

    #[test]
    fn counters_have_the_columns_of_sysstats() {
        let text = counters_line(UnixTime::new(86_399, 999_999_999), 3600, &Counts::default());
        assert_eq!(text, "40587 86399.999 3600 0 0 0 0 0 0 0 0 0 0\n");
    }
}
