//! The shapes of attacks that other daemons and clients fell to, against ours: each is named after the
//! vulnerability that it is modelled on. The attacks on what is learnt from servers have tests of their own
//! in `ntp-proto` and `tests/sim`; SECURITY.md lists them all.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Write, stdout};
use std::net::{SocketAddr, UdpSocket};
use std::process::Child;
use std::thread;
use std::time::Duration;

use ntp_tests::{free_port, measure, ours, run, until, without_clock};

/// How long silence must last to be one.
const SILENCE: Duration = Duration::from_millis(50);

/// A daemon of ours that ends with the test.
struct Victim {
    daemon: Child,
    socket: UdpSocket,
    _folder: tempfile::TempDir,
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

impl Victim {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("ntp.conf");
        fs::write(&conf, "server 127.127.1.0\nserver 127.0.0.2 noselect\n").unwrap();
        let port = free_port();
        let daemon = without_clock(&ours("ntpd"))
            .args(["-n", "--clock=none", "--port", &port.to_string(), "-c"])
            .arg(&conf)
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        let victim = Self { daemon, socket, _folder: folder };
        assert!(until(Duration::from_secs(10), || measure(address).is_some()));
        victim
    }

    /// What comes back.
    fn ask(&self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.socket.set_read_timeout(Some(SILENCE)).unwrap();
        self.socket.send(packet).unwrap();
        let mut buffer = [0; 2048];
        let mut answers = Vec::new();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            answers.push(buffer[..length].to_vec());
        }
        answers
    }

    /// What nobody may change from outside: the associations, and who is followed.
    fn state(&self) -> Vec<Vec<u8>> {
        [control(1, 0, b""), control(2, 0, b"leap,stratum,refid,peer,rootdelay")]
            .iter()
            .flat_map(|question| self.ask(question))
            .collect()
    }
}

/// A request of mode 6.
fn control(opcode: u8, association: u16, data: &[u8]) -> Vec<u8> {
    let count = u16::try_from(data.len()).unwrap();
    let mut packet = vec![0x16, opcode, 0, 1, 0, 0];
    packet.extend(association.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(count.to_be_bytes());
    packet.extend(data);
    packet.resize(packet.len().next_multiple_of(4), 0);
    packet
}

/// A request of mode 6 that ends in a MAC of a key that nobody has.
fn signed(opcode: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = control(opcode, 0, data);
    packet.extend([0, 0, 0, 1]);
    packet.extend([0xaa; 16]);
    packet
}

/// A packet of the time protocol, with something behind its header.
fn time(first: u8, trailer: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 48];
    packet[0] = first;
    packet[40..48].copy_from_slice(&[9; 8]);
    packet.extend(trailer);
    packet
}

/// An extension field.
fn field(kind: u16, length: u16) -> Vec<u8> {
    let mut field = kind.to_be_bytes().to_vec();
    field.extend(length.to_be_bytes());
    field.resize(usize::from(length).max(4), 0);
    field
}

/// What must be met with silence or with an error of twelve bytes.
fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let long = [b'a'; 468];
    vec![
        // Overflows by what a request holds: in ctl_putdata and configure, in ctl_put, in ctl_getitem.
        ("CVE-2014-9295", control(8, 0, &long)),
        ("CVE-2017-6458", control(2, 0, &long)),
        ("CVE-2018-7182", control(2, 0, b" , =,=\"\" , \\, \t")),
        ("CVE-2019-6442", signed(8, b"restrict 0.0.0.0 mask 0.0.0.0 nomodify")),
        ("CVE-2019-6443", control(2, 0, b"\x01\x02\xff\xfe=peer")),
        ("CVE-2019-6444", signed(8, b"")[..28].to_vec()),
        ("CVE-2019-6445", signed(8, b"keys \"\"\ncontrolkey\n")),
        // Configuration from elsewhere, and what could be done with it.
        ("CVE-2015-5196", signed(8, b"pidfile /etc/passwd\ndriftfile /etc/shadow")),
        ("CVE-2015-7703", control(8, 0, b"driftfile /etc/shadow")),
        ("CVE-2015-7851", signed(9, b"../../etc/passwd")),
        ("CVE-2017-6463", control(8, 0, b"unpeer 4294967296")),
        ("CVE-2017-6464", control(8, 0, b"server 127.0.0.1 mode 99999999999999999999")),
        // Traps, set by anybody.
        ("CVE-2016-9310", control(6, 0, b"")),
        ("CVE-2016-9311", control(31, 0, b"")),
        // A list of clients without a proof, with addresses that are none.
        ("CVE-2016-7434", control(10, 0, b"nonce, laddr=[]:Hragbitz, frags=32, laddr=[]:Hragbitz")),
        ("CVE-2013-5211, mode 6", control(10, 0, b"nonce=0, frags=128, limit=256")),
        // A fragment is no request.
        ("fragment", {
            let mut packet = control(2, 0, b"leap");
            packet[1] |= 0x20;
            packet
        }),
    ]
}

/// What must be met with silence.
fn silenced() -> Vec<(&'static str, Vec<u8>)> {
    let mut oversized = time(0x23, &[]);
    oversized.resize(1400, 0);
    let mut zero_length_field = time(0x23, &field(0x0104, 0));
    zero_length_field.extend([0; 28]);
    vec![
        ("CVE-2013-5211, monlist", [&[0x17, 0, 3, 0x2a][..], &[0; 188]].concat()),
        ("CVE-2009-3563, error of mode 7", [&[0x97, 0, 3, 0x2a][..], &[0; 4]].concat()),
        ("CVE-2015-7871, crypto-NAK of a peer", time(0x21, &[0; 4])),
        ("CVE-2016-4957, crypto-NAK of a server", time(0x24, &[0; 4])),
        ("CVE-2015-7979, broadcast", time(0x25, &[])),
        ("CVE-2018-7185, answer without an origin", time(0x24, &[])),
        ("CVE-2014-9293, packet of a passive peer", time(0x22, &[])),
        (
            "CVE-2015-7691, field of Autokey that lies about its length",
            time(0x23, &field(0x0202, 0xfffc)[..64]),
        ),
        ("CVE-2015-7692, field of length 0", zero_length_field),
        ("CVE-2015-7702, half a field", time(0x23, &[1, 4, 0, 16, 0, 0])),
        ("datagram of 1400 zeros behind a header", oversized),
    ]
}

#[test]
fn what_felled_other_servers_leaves_ours_as_it_was() {
    let victim = Victim::new();
    let before = victim.state();
    assert!(before.len() >= 2, "{before:?}");
    for (name, packet) in refused() {
        let answers = victim.ask(&packet);
        let harmless = |answer: &Vec<u8>| answer.len() == 12 && answer[1] & 0xc0 == 0xc0;
        assert!(answers.len() <= 1 && answers.iter().all(harmless), "{name}: {answers:?}");
    }
    for (name, packet) in silenced() {
        assert_eq!(victim.ask(&packet), Vec::<Vec<u8>>::new(), "{name}");
    }
    // CVE-2026-26076 (ntpd-rs): as many fields as fit are no reason for a long answer, nor for more work.
    let fields = field(0x0304, 28).repeat(40);
    let answers = victim.ask(&time(0x23, &fields));
    assert!(answers.iter().all(|answer| answer.len() <= 48), "{answers:?}");
    // CVE-2016-1549: who asks as a peer is answered, and is no peer.
    assert_eq!(victim.ask(&time(0x21, &[])).len(), 1);
    assert_eq!(victim.state(), before);
}

#[test]
fn no_request_gets_much_more_than_it_brings() {
    // CVE-2013-5211 and what came after it: bytes out for each byte in, of everything that mode 6 has.
    let victim = Victim::new();
    let mut table = String::from("opcode  bytes in  bytes out  packets\n");
    for opcode in 0..32 {
        let asked = control(opcode, 0, b"");
        let answers = victim.ask(&asked);
        let length: usize = answers.iter().map(Vec::len).sum();
        writeln!(table, "{opcode:>6}  {:>8}  {length:>9}  {:>7}", asked.len(), answers.len()).unwrap();
        assert!(length <= 480 && answers.len() <= 1, "{table}");
    }
    drop(Write::write_all(&mut stdout().lock(), table.as_bytes()));
}

#[test]
fn two_servers_do_not_talk_to_each_other_for_ever() {
    // DSA-1948, ntpd-rs 1.6.2: one forged packet from one to the other.
    let (one, other) = (Victim::new(), Victim::new());
    for first in [0x23, 0x21, 0x1b, 0x0b] {
        let answers = one.ask(&time(first, &[]));
        assert_eq!(answers.len(), 1, "{first:#x}");
        assert_eq!(other.ask(&answers[0]), Vec::<Vec<u8>>::new(), "{first:#x}");
    }
}

/// Answers every question of mode 6 with the same text.
fn liar(text: String) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if length < 12 {
                continue;
            }
            // One association; its variables, and everything else, are the text.
            let data: &[u8] = if buffer[1] == 1 { &[0, 7, 0x96, 0x1a] } else { text.as_bytes() };
            let parts: Vec<&[u8]> = data.chunks(468).collect();
            for (index, part) in parts.iter().enumerate() {
                let mut packet = buffer[..12].to_vec();
                packet[1] |= if index + 1 < parts.len() { 0xa0 } else { 0x80 };
                packet[8..10].copy_from_slice(&u16::try_from(468 * index).unwrap().to_be_bytes());
                packet[10..12].copy_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
                packet.extend(*part);
                packet.resize(packet.len().next_multiple_of(4), 0);
                drop(socket.send_to(&packet, from));
            }
        }
    });
    port
}

#[test]
fn what_felled_other_clients_is_printed_harmlessly() {
    let digits = "9".repeat(400);
    let answers = [
        (
            "CVE-2018-7183, an array of a thousand",
            format!("srcadr=10.0.0.1, filtdelay={}", "1.0 ".repeat(1000)),
        ),
        (
            "CVE-2023-26551, digits before the point",
            format!("srcadr=10.0.0.1, offset={digits}.0, delay=-{digits}"),
        ),
        (
            "CVE-2023-26552, digits behind the point",
            format!("srcadr=10.0.0.1, offset=0.{digits}, jitter=.{digits}"),
        ),
        ("CVE-2023-26553, no digits", "srcadr=10.0.0.1, offset=., delay=-, jitter=".to_owned()),
        ("CVE-2023-26554, sign and point", "srcadr=10.0.0.1, offset=-.-, delay=+., jitter=1e999".to_owned()),
        ("CVE-2023-26555, a clock's words", format!("srcadr=10.0.0.1, reftime=0x{digits}.{digits}, rec=0x")),
        ("CVE-2009-0159, a long name", format!("srcadr={0}, srchost=\"{0}\", refid={0}", "a".repeat(3000))),
        ("CVE-2015-7852, escapes", "srcadr=\"\x1b[2J\x1b]0;x\x07\", refid=\"\u{80}\u{9b}\"".to_owned()),
        (
            "CVE-2015-7855, an address that is none",
            "addr.0=[::ffff:1:2:3:4:5:6:7:8]:99999999, last.0=0x1.1, now=0x2.2".to_owned(),
        ),
    ];
    for (name, text) in answers {
        let host = format!("127.0.0.1:{}", liar(text));
        for words in
            [["-n", "-c", "peers"], ["-n", "-c", "rv"], ["-n", "-c", "rv &1"], ["-n", "-c", "mrulist"]]
        {
            let printed = run(without_clock(&ours("ntpq")).args(words).arg(&host));
            assert!((0..=5).contains(&printed.status), "{name}, {words:?}: {printed:?}");
            let both = printed.both();
            assert!(both.chars().all(|c| c == '\n' || !c.is_control()), "{name}, {words:?}: {both:?}");
            assert!(both.len() < 100_000, "{name}, {words:?}: {} bytes", both.len());
        }
    }
    // CVE-2018-12327: a name of thousands of characters.
    for host in [format!("[{}", "A".repeat(5000)), "[".to_owned(), "A".repeat(5000), "[::1%".to_owned()] {
        let printed = run(without_clock(&ours("ntpq")).args(["-p", &host]));
        assert!((1..=2).contains(&printed.status), "{printed:?}");
    }
}
