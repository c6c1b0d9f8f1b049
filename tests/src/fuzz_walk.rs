//! Harness of the list of clients: a walk through the list of a daemon of ours, on a network that loses and changes
//! packets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ntp_proto::auth::KeyTable;
use ntp_proto::control::{
    Asker, Caution, ControlHeader, ControlMessage, Gate, Identity, NonceKeys, Question, Reaction, Reassembly,
    ReassemblyError, Statistics, Walk, respond,
};
use ntp_proto::server::{
    AccessList, ClientTable, RateLimit, Request, Restrictions, ServerRules, respond as serve,
};
use ntp_proto::system::{Reference, Snapshot};
use ntp_proto::time::{MonoTime, NtpTimestamp, Precision, Reading};

use crate::fuzz_control::{Empty, snapshot};

/// Steps after which any walk has ended: an honest list of this length takes fewer.
const STEPS_MAX: usize = 4096;

/// Clients of a daemon here.
const CLIENTS_MAX: usize = 250;

/// What may be asked for besides.
const CONDITIONS: [(&str, &str); 6] = [
    ("mincount", "2"),
    ("recent", "17"),
    ("maxlstint", "3"),
    ("minlstint", "1"),
    ("resall", "0x1"),
    ("mincount", "-3"),
];

/// A daemon with its clients.
struct Daemon {
    clients: ClientTable,
    rules: ServerRules,
    gate: Gate,
    now: MonoTime,
    stranger: bool,
    snapshot: Snapshot,
}

impl Daemon {
    fn new(stranger: bool) -> Self {
        let rules = ServerRules {
            access: AccessList::new(&[]),
            keys: Arc::new(KeyTable::new(Vec::new())),
            limit: RateLimit::default(),
            monitor: true,
        };
        let clients = ClientTable::new(1 << 14, None, (1, 2), 3, MonoTime::ZERO);
        Self {
            clients,
            rules,
            gate: Gate::new(MonoTime::ZERO),
            now: MonoTime::ZERO,
            stranger,
            snapshot: snapshot(),
        }
    }

    /// A request for the time from one of many addresses, short ones and long ones.
    fn visit(&mut self, which: u16, wait: u8) -> SocketAddr {
        self.now = self.now + Duration::from_millis(u64::from(wait));
        let [high, low] = which.to_be_bytes();
        let from = if low % 3 == 0 {
            SocketAddr::from((
                [0x2001, 0xdb8, 0x1111 + u16::from(high), 0x2222 ^ which, 0x3333, 0x4444, 0x5555, 0x6666],
                41_234,
            ))
        } else {
            SocketAddr::from(([10, 0, high, low], 123))
        };
        let mut packet = [0; 48];
        packet[0] = 0x23;
        let received = NtpTimestamp::from_bits(1 << 62);
        let reference = Reference::unsynchronized(Precision::new(-20), MonoTime::ZERO);
        let request = Request { bytes: &packet, from, received, at: self.now, waited: Duration::ZERO };
        let _verdict = serve(&reference, &self.rules, &mut self.clients, &request);
        from
    }

    fn answer(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let identity = Identity { version: "v", processor: "p", system: "s", now: self.reading() };
        let asker = Asker {
            from: SocketAddr::from((if self.stranger { [192, 0, 2, 77] } else { [127, 0, 0, 1] }, 5000)),
            restrictions: Restrictions::NONE,
            clients: &[self.clients.list()],
            rules: &self.rules,
            statistics: &Statistics::default(),
            buffers: 1,
            caution: Caution::default(),
            nonce_keys: NonceKeys::new((1, 2)),
            control_key: None,
            lists: &Empty,
        };
        match respond(&self.snapshot, &identity, &asker, &mut self.gate, packet) {
            Reaction::Answer(packets) => packets,
            Reaction::Configure(line) => unreachable!("nobody has signed {line:?}"),
        }
    }

    /// The two clocks, which drift apart a little.
    fn reading(&self) -> Reading {
        let since = u64::try_from(self.now.since(MonoTime::ZERO).as_micros()).unwrap_or(0);
        let system = NtpTimestamp::from_bits((0xeeae_4cbc << 32) + since * 4295 + since / 7);
        Reading { mono: self.now, system }
    }
}

/// What comes of one question: its data, a refusal, or nothing.
fn ask(
    daemon: &mut Daemon,
    question: &Question,
    sequence: u16,
    fate: u8,
) -> Option<Result<Vec<u8>, ReassemblyError>> {
    let request = ControlHeader::request(question.opcode, sequence, question.association);
    assert!(question.data.len() <= 468, "{} bytes", question.data.len());
    let mut reassembly = Reassembly::new(request);
    for (number, mut packet) in
        daemon.answer(&ControlMessage::write(&request, &question.data)).into_iter().enumerate()
    {
        // One of them is lost, or changed on its way.
        if number == usize::from(fate >> 4) {
            match fate & 0xf {
                0 => continue,
                1 => {
                    let place = (usize::from(fate) * 31) % packet.len();
                    packet[place] ^= 1 << (fate % 8);
                }
                _ => {}
            }
        }
        match reassembly.accept(&packet) {
            Ok(None) => {}
            Ok(Some(response)) => return Some(Ok(response.data)),
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

/// Whatever happens: the walk ends, and a list that comes whole and unchanged has everybody once.
pub(crate) fn walk(input: &[u8]) {
    let mut fates = input.iter().copied();
    let mut next = || fates.next().unwrap_or(0xff);
    let (kind, many) = (next(), next());
    let mut daemon = Daemon::new(kind & 1 == 1);
    let wish =
        CONDITIONS.get(usize::from(kind >> 1)).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut asked = BTreeSet::new();
    for number in 0..(usize::from(many) * 2).min(CLIENTS_MAX) {
        let which = u16::try_from(number).unwrap_or(0);
        asked.insert(daemon.visit(which, many % 5));
    }
    let mut walk = Walk::new(wish.as_slice());
    let (mut undisturbed, mut rows) = (wish.is_none(), None);
    for step in 0..=STEPS_MAX {
        assert!(step < STEPS_MAX, "it never ends");
        let fate = next();
        // Somebody asks again meanwhile.
        if fate & 0xf == 2 {
            asked.insert(daemon.visit(u16::from(fate), 1));
        }
        daemon.now = daemon.now + Duration::from_millis(u64::from(fate));
        undisturbed &= fate & 0xf > 1;
        let sequence = u16::try_from(step).unwrap_or(0);
        match ask(&mut daemon, &walk.question(), sequence, fate) {
            Some(Ok(data)) => match walk.accept(&data) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    rows = Some(found);
                    break;
                }
                Err(_) => break,
            },
            Some(Err(ReassemblyError::Refused(code))) if walk.refused(code) => {}
            None if walk.lost() => {}
            Some(Err(_)) | None => break,
        }
    }
    // A stranger may be told less than all.
    if undisturbed && !daemon.stranger {
        let remembered = daemon.clients.list();
        let mut known = BTreeSet::new();
        remembered.for_each(daemon.now, |record| {
            known.insert(record.remote);
        });
        let listed: BTreeSet<SocketAddr> =
            rows.iter().flat_map(|rows| rows.rows.iter().map(|row| row.remote)).collect();
        let missing: Vec<&SocketAddr> = known.difference(&listed).collect();
        assert!(missing.is_empty() && listed.is_subset(&asked), "missing of {}: {missing:?}", known.len());
    }
}
