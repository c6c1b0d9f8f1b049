//! Which of several sockets of one address a datagram goes to.
//!
//! The kernel would go by sender *and port*: a client that asks from many ports would be many to the list of
//! clients and to the rate limit. A small program (classic BPF) goes by the sender alone.

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::AttachReusePortCbpf;

use crate::udp::Socket;

/// Where the sender stands in the header of IPv4 (RFC 791), and in that of IPv6 the network of 64 bits (RFC 8200).
const V4_SENDER: u32 = 12;
const V6_SENDER: [u32; 2] = [8, 12];

/// 2^32 by the golden ratio: multiplied with it, the upper half of a number depends on all of it (Knuth).
const MIX: u32 = 0x9e37_79b9;

/// Has the sockets of an address, of which this is one that was opened beside the first, share senders evenly.
///
/// # Errors
/// Where the kernel does not take the program: it goes on spreading by sender and port.
pub fn by_sender(socket: &Socket, sockets: u32) -> io::Result<()> {
    let mut program = program(socket.local_address()?, sockets);
    let length = u16::try_from(program.len()).unwrap_or(0);
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    setsockopt(socket.inner(), AttachReusePortCbpf, &program)?;
    Ok(())
}

/// Returns a number below `sockets`.
fn program(address: SocketAddr, sockets: u32) -> Vec<libc::sock_filter> {
    let network_header = u32::from_ne_bytes(libc::SKF_NET_OFF.to_ne_bytes());
    let load =
        |offset: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, network_header.wrapping_add(offset));
    let mix = step(libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K, MIX);
    let mut program = if address.is_ipv4() {
        vec![load(V4_SENDER), mix]
    } else {
        let [upper, lower] = V6_SENDER.map(load);
        let keep = step(libc::BPF_MISC | libc::BPF_TAX, 0);
        vec![upper, mix, keep, lower, step(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X, 0), mix]
    };
    program.push(step(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 16));
    program.push(step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, sockets.max(1)));
    program.push(step(libc::BPF_RET | libc::BPF_A, 0));
    program
}

fn step(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k: value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    /// Which of the sockets has something to read.
    fn reached(sockets: &[Socket]) -> Vec<usize> {
        std::thread::sleep(Duration::from_millis(20));
        let mut buffer = [0; 16];
        let mut reached = Vec::new();
        for (index, socket) in sockets.iter().enumerate() {
            while socket.receive(&mut buffer).is_ok() {
                reached.push(index);
            }
        }
        reached
    }

    #[test]
    fn a_sender_reaches_one_socket_from_all_its_ports() {
        let first = Socket::listen("0.0.0.0:0".parse().unwrap()).unwrap();
        let others: Vec<Socket> = (0..3).map(|_| first.listen_beside().unwrap()).collect();
        by_sender(&others[0], 4).unwrap();
        let port = first.local_address().unwrap().port();
        let sockets: Vec<Socket> = [first].into_iter().chain(others).collect();
        let mut used = [false; 4];
        for last in 1..=40 {
            for _ in 0..5 {
                let client = UdpSocket::bind(("127.0.0.".to_owned() + &last.to_string(), 0)).unwrap();
                client.send_to(b"x", ("127.0.0.1", port)).unwrap();
            }
            let mut reached = reached(&sockets);
            assert_eq!(reached.len(), 5);
            reached.dedup();
            assert_eq!(reached.len(), 1, "127.0.0.{last}: {reached:?}");
            used[reached[0]] = true;
        }
        assert_eq!(used, [true; 4]);
    }

    #[test]
    fn it_works_for_ipv6_as_well() {
        let Ok(first) = Socket::listen("[::1]:0".parse().unwrap()) else { return };
        let sockets = [first.listen_beside().unwrap(), first];
        by_sender(&sockets[0], 2).unwrap();
        let port = sockets[0].local_address().unwrap().port();
        for _ in 0..20 {
            UdpSocket::bind("[::1]:0").unwrap().send_to(b"x", ("::1", port)).unwrap();
        }
        let mut reached = reached(&sockets);
        assert_eq!(reached.len(), 20);
        reached.dedup();
        assert_eq!(reached.len(), 1);
    }
}
