//! The floor: receives in batches with stamps and packet information, and sends everything back.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ntp_os::batch::{Arrivals, Departures};
use ntp_os::udp::Socket;

/// As many as a server takes at once, and sends at once.
const BATCH: usize = 64;
const SUB_BATCH: usize = 8;

pub(crate) fn run(port: &str) -> Result<String, String> {
    let port: u16 = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let io = |error: std::io::Error| error.to_string();
    let socket = Socket::listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).map_err(io)?;
    socket.wait_at_most(Duration::from_hours(1)).map_err(io)?;
    socket.make_room(4 << 20);
    let (mut arrivals, mut departures) = (Arrivals::new(BATCH), Departures::new(SUB_BATCH));
    loop {
        let count = arrivals.receive(socket.inner(), BATCH).map_err(io)?;
        for index in 0..count {
            let Some((_, bytes)) = arrivals.get(index) else { continue };
            // As a server's answer, so that the generator takes it for one.
            let mut answer = [0_u8; 80];
            let length = bytes.len().min(answer.len());
            if let (Some(place), Some(asked)) = (answer.get_mut(..length), bytes.get(..length)) {
                place.copy_from_slice(asked);
            }
            answer[0] = 0b00_100_100;
            answer[1] = 1;
            answer.copy_within(40..48, 24);
            if departures.reply_to(&arrivals, index) {
                departures.put(departures.len() - 1, &answer[..length]);
            }
            if departures.is_full() {
                departures.send_all(socket.inner());
            }
        }
        departures.send_all(socket.inner());
    }
}
