//! `ntpctl query`: the time of any server, without setting anything.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ntp_proto::time::{NtpDuration, NtpTimestamp, UnixTime};
use ntp_proto::wire::{Header, Leap, Mode, Version};
use serde::Serialize;

use crate::cli::Query;
use crate::exit::{Exit, Failure};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between packets: what one server has to bear.
const INTERVAL: Duration = Duration::from_millis(200);

/// Addresses of one name that are asked.
const ADDRESSES_MAX: usize = 8;

/// What one address says, for programs.
#[derive(Debug, Serialize)]
struct Answer {
    server: String,
    address: String,
    stratum: Option<u8>,
    leap: Option<u8>,
    reference_id: Option<String>,
    offset_s: Option<f64>,
    delay_s: Option<f64>,
    root_distance_s: Option<f64>,
    error: Option<String>,
}

/// The least delayed exchange.
struct Sample {
    header: Header,
    offset: NtpDuration,
    delay: NtpDuration,
}

pub(crate) fn run(request: &Query, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    for host in &request.hosts {
        let found = resolve(host, request);
        let addresses = match found {
            Ok(addresses) => addresses,
            Err(reason) if request.hosts.len() == 1 && !request.json => {
                return Err(Failure::NoAnswer(format!("{host}: {reason}")));
            }
            Err(reason) => {
                Answer::failed(host, String::new(), reason).write(request.json, out)?;
                worst = Exit::NoAnswer;
                continue;
            }
        };
        let mut usable = false;
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            let answer = ask(host, address, request.samples);
            usable |= answer.error.is_none();
            answer.write(request.json, out)?;
        }
        // One address of a name is enough, but no name may be silent.
        if !usable {
            worst = Exit::NoAnswer;
        }
    }
    Ok(worst)
}

fn resolve(host: &str, request: &Query) -> Result<Vec<SocketAddr>, String> {
    let bare = host.parse().map(|address: std::net::IpAddr| SocketAddr::new(address, 123)).ok();
    let found: io::Result<Vec<SocketAddr>> = match bare {
        Some(address) => Ok(vec![address]),
        None if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            host.to_socket_addrs().map(Iterator::collect)
        }
        None => (host, 123).to_socket_addrs().map(Iterator::collect),
    };
    let mut addresses = found.map_err(|error| format!("cannot be resolved: {error}"))?;
    addresses.retain(|address| !(request.ipv4 && address.is_ipv6() || request.ipv6 && address.is_ipv4()));
    if addresses.is_empty() {
        return Err("has no address of that family".to_owned());
    }
    Ok(addresses)
}

fn ask(host: &str, address: SocketAddr, samples: u8) -> Answer {
    let place = if address.port() == 123 { address.ip().to_string() } else { address.to_string() };
    let mut best: Option<Sample> = None;
    let mut last = "no answer".to_owned();
    for number in 0..samples {
        if number > 0 {
            std::thread::sleep(INTERVAL);
        }
        match exchange(address) {
            Ok(sample) if best.as_ref().is_none_or(|best| sample.delay < best.delay) => best = Some(sample),
            Ok(_) => {}
            Err(reason) => {
                last = reason;
                // One silence says enough before anything has been heard.
                if best.is_none() {
                    break;
                }
            }
        }
    }
    match best {
        Some(sample) => Answer::of(host, place, &sample),
        None => Answer::failed(host, place, last),
    }
}

/// One request and its answer.
fn exchange(address: SocketAddr) -> Result<Sample, String> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    });
    let socket = socket.map_err(|error| error.to_string())?;
    let nonce = NtpTimestamp::from_bits(getrandom::u64().map_err(|error| error.to_string())?);
    let request = Header::request(Version::V4, 6, nonce);
    let departed = now();
    socket.send(&request.to_bytes()).map_err(|error| error.to_string())?;
    let mut buffer = [0; 1024];
    let (header, arrived) = loop {
        let length = socket.recv(&mut buffer).map_err(|error| in_words(&error))?;
        let arrived = now();
        let answer = buffer.get(..length).and_then(|bytes| Header::parse(bytes).ok());
        // What is not an answer to this request is not looked at.
        if let Some(header) = answer.filter(|header| header.origin == nonce && header.mode == Mode::Server) {
            break (header, arrived);
        }
        if arrived - departed > NtpDuration::from_seconds(2) {
            return Err("no answer".to_owned());
        }
    };
    if !header.stratum.is_synchronized() || header.leap == Leap::Unknown {
        return Err(match header.reference_id.code() {
            Some(code) if header.stratum.value() == 0 => format!("refuses ({code})"),
            _ => "is not synchronized itself".to_owned(),
        });
    }
    let offset = ((header.receive - departed) + (header.transmit - arrived)).half();
    let delay = (arrived - departed) - (header.transmit - header.receive);
    Ok(Sample { header, offset, delay })
}

fn in_words(error: &io::Error) -> String {
    let is = |kind| error.kind() == kind;
    if is(io::ErrorKind::WouldBlock) || is(io::ErrorKind::TimedOut) {
        "no answer".to_owned()
    } else if is(io::ErrorKind::ConnectionRefused) {
        "nothing listens there".to_owned()
    } else {
        error.to_string()
    }
}

fn now() -> NtpTimestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    NtpTimestamp::from_unix(UnixTime::new(seconds, since.subsec_nanos()))
}

/// Of stratum 1 the name of its clock, else an address or its hash.
fn reference(header: &Header) -> String {
    let code = header.reference_id.code().filter(|_| header.stratum.value() <= 1);
    code.unwrap_or_else(|| std::net::Ipv4Addr::from(header.reference_id.to_bytes()).to_string())
}

impl Answer {
    fn failed(server: &str, address: String, reason: String) -> Self {
        Self {
            server: server.to_owned(),
            address,
            stratum: None,
            leap: None,
            reference_id: None,
            offset_s: None,
            delay_s: None,
            root_distance_s: None,
            error: Some(reason),
        }
    }

    fn of(server: &str, address: String, sample: &Sample) -> Self {
        let header = &sample.header;
        let distance =
            (header.root_delay.to_duration() + sample.delay).half() + header.root_dispersion.to_duration();
        Self {
            stratum: Some(header.stratum.value()),
            leap: Some(header.leap.to_bits()),
            reference_id: Some(reference(header)),
            offset_s: Some(sample.offset.as_seconds_f64()),
            delay_s: Some(sample.delay.as_seconds_f64()),
            root_distance_s: Some(distance.as_seconds_f64()),
            error: None,
            ..Self::failed(server, address, String::new())
        }
    }

    fn write(&self, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
        if json {
            writeln!(out, "{}", serde_json::to_string(self).map_err(io::Error::other)?)?;
            return Ok(());
        }
        let place = if self.server == self.address || self.address.is_empty() {
            self.server.clone()
        } else {
            format!("{} ({})", self.server, self.address)
        };
        match (&self.error, self.offset_s, self.delay_s, self.root_distance_s) {
            (None, Some(offset), Some(delay), Some(distance)) => writeln!(
                out,
                "{place}: offset {offset:+.6} s, delay {delay:.6} s, within {distance:.6} s, stratum {}",
                self.stratum.unwrap_or(0)
            )?,
            (Some(reason), ..) => writeln!(out, "{place}: {reason}")?,
            _ => {}
        }
        Ok(())
    }
}
