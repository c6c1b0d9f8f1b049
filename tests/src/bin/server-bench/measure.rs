//! One server in one round, and what all rounds come to.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ntp_tests::{Daemon, Net, beside};
use serde_json::json;

use crate::candidates::Candidate;

/// Where servers are.
const SERVER: &str = "10.77.0.1:123";

/// Addresses that ask: as many as the client lists are weighed with.
const ADDRESSES: u32 = 1_000_000;

/// Two namespaces and a generator.
pub(crate) struct Rig {
    net: Net,
    seconds: f64,
}

/// What was measured of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Processor time of the server for one request, microseconds.
    pub(crate) cpu_us: f64,
    /// The part of it that /proc/stat counts as the kernel's soft interrupts, of both ends.
    softirq_us: f64,
    /// Requests a second in a closed loop of 64.
    rate: f64,
    /// From the server's transmit stamp to the generator's receive stamp, microseconds: the median and the
    /// distance from the first to the last tenth, with one request outstanding and with 64.
    leg: [(f64, f64); 2],
    /// Requests without an answer, of all.
    loss: f64,
    rss_idle: f64,
    rss_after: f64,
    /// From the start to the first answer, milliseconds.
    first_answer: f64,
}

/// What the generator printed.
struct Asked {
    sent: f64,
    answered: f64,
    seconds: f64,
    legs: [f64; 3],
}

impl Rig {
    pub(crate) fn new(seconds: f64) -> Result<Self, String> {
        let net = Net::new()?;
        // The generator's addresses are all its own; the way back to them leads over the cable.
        for (namespace, words) in [
            (&net.client, "route add local 10.128.0.0/9 dev lo"),
            (&net.server, "route add 10.128.0.0/9 via 10.77.0.20"),
        ] {
            let mut command = Command::new("ip");
            command.args(["-n", namespace]).args(words.split(' '));
            let done = command.status().map_err(|error| error.to_string())?;
            if !done.success() {
                return Err(format!("ip {words} does not work"));
            }
        }
        // OpenNTPD runs as a user of its own, which exists in that namespace alone.
        net.name_users(&[("ntpd", 65_533)]);
        Ok(Self { net, seconds })
    }

    pub(crate) fn measure(&self, candidate: &Candidate) -> Result<Figures, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        write_rules(folder.path()).map_err(|error| error.to_string())?;
        let (program, arguments) = candidate.command(folder.path())?;
        // The first processor is the server's, the others the generator's.
        let words: Vec<String> = ["-c", "0"].iter().map(|word| (*word).to_owned()).collect();
        let on_first = if candidate.name.contains("2 threads") { Vec::new() } else { words };
        let mut all = on_first;
        let taskset = !all.is_empty();
        all.push(program.display().to_string());
        all.extend(arguments);
        let first = if taskset { "taskset".into() } else { program.clone() };
        let rest: Vec<&str> = all.iter().skip(usize::from(!taskset)).map(String::as_str).collect();
        let started = Instant::now();
        let daemon = Daemon::start(Some(&self.net.server), &first, &rest, &folder.path().join("log"));
        if candidate.idle {
            thread::sleep(Duration::from_secs(3));
            return Ok(Figures { rss_idle: memory(daemon.id()), ..Figures::unknown() });
        }
        let first_answer = self.wait_for_answer(candidate, started).map_err(|reason| {
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            format!("{}: {reason}\n{log}", candidate.name)
        })?;
        let rss_idle = memory(daemon.id());
        // Warm, and with every address once.
        self.ask(candidate, 64, 0.0, self.seconds / 2.0)?;
        let one = self.ask(candidate, 1, 0.0, self.seconds / 2.0)?;
        let (before, soft) = (processor_time(daemon.id()), softirq_time());
        let many = self.ask(candidate, 64, 0.0, self.seconds)?;
        let (spent, softirq) = (processor_time(daemon.id()) - before, softirq_time() - soft);
        let rss_after = self.weigh(candidate, daemon.id())?;
        let spread = |asked: &Asked| (asked.legs[1], asked.legs[2] - asked.legs[0]);
        Ok(Figures {
            cpu_us: spent * 1e6 / many.answered,
            softirq_us: softirq * 1e6 / many.answered,
            rate: many.answered / many.seconds,
            leg: [spread(&one), spread(&many)],
            loss: 1.0 - many.answered / many.sent,
            rss_idle,
            rss_after,
            first_answer,
        })
    }

    fn wait_for_answer(&self, candidate: &Candidate, started: Instant) -> Result<f64, String> {
        while started.elapsed() < Duration::from_mins(1) {
            if self.ask(candidate, 1, 0.0, 0.002)?.answered > 0.0 {
                return Ok(started.elapsed().as_secs_f64() * 1e3);
            }
            // The first address is the one that asks, and NTPsec's rate limit forgets it only in peace.
            if started.elapsed() > Duration::from_secs(2) {
                thread::sleep(Duration::from_secs(5));
            }
        }
        Err("does not answer".to_owned())
    }

    /// Resident memory after a million addresses have asked, each once.
    fn weigh(&self, candidate: &Candidate, pid: u32) -> Result<f64, String> {
        // In one go, for a generator begins with the first address: until it has come round.
        let mut seconds = 8.0;
        while candidate.secret.is_none() {
            let asked = self.ask(candidate, 256, 0.0, seconds)?;
            if asked.answered >= f64::from(ADDRESSES) || seconds > 60.0 {
                break;
            }
            seconds *= 2.0;
        }
        Ok(memory(pid))
    }

    fn ask(&self, candidate: &Candidate, outstanding: u32, rate: f64, seconds: f64) -> Result<Asked, String> {
        let mut command = self.net.on_client(Path::new("taskset"));
        command.args(["-c", "1"]).arg(beside("server-load")).args(["ask", SERVER]);
        command.args([seconds.to_string(), outstanding.to_string(), rate.to_string(), ADDRESSES.to_string()]);
        command.args(candidate.secret);
        let output = command.output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [sent, answered, _, seconds, low, middle, high] = figures[..] else {
            return Err(format!("no figures in {text:?}: {}", String::from_utf8_lossy(&output.stderr)));
        };
        Ok(Asked { sent, answered, seconds, legs: [low, middle, high] })
    }
}

/// A hundred thousand networks, in a folder of files that are not too long.
fn write_rules(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("rules.d"))?;
    for part in 0..10_u32 {
        let mut text = String::new();
        for rule in 0..10_000_u32 {
            let bits = 0xac10_0000_u32.wrapping_add((part * 10_000 + rule).wrapping_mul(40_503) << 8);
            let address = std::net::Ipv4Addr::from(bits & 0xffff_ff00);
            // Not the generator's own, nor the namespaces'.
            let address =
                if address.octets()[0] == 10 { std::net::Ipv4Addr::new(172, 16, 0, 0) } else { address };
            text = text + "restrict " + &address.to_string() + " mask 255.255.255.0 ignore\n";
        }
        fs::write(folder.join(format!("rules.d/{part}.conf")), text)?;
    }
    Ok(())
}

/// The processes of a server: itself and its children.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut index = 0;
    while let Some(parent) = all.get(index).copied() {
        let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        all.extend(list.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        index += 1;
    }
    all
}

/// Processor time so far, seconds, of all threads.
fn processor_time(pid: u32) -> f64 {
    let threads = family(pid).into_iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task"))).flatten();
    let nanos = threads.filter_map(Result::ok).filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// The machine's time in soft interrupts so far, seconds: as coarse as the kernel's tick.
fn softirq_time() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.lines().next().and_then(|line| line.split_whitespace().nth(7)?.parse::<f64>().ok());
    ticks.unwrap_or(0.0) / 100.0
}

/// Resident memory, KiB.
fn memory(pid: u32) -> f64 {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    family(pid).into_iter().map(of).sum()
}

impl Figures {
    const fn unknown() -> Self {
        let nothing = f64::NAN;
        Self {
            cpu_us: nothing,
            softirq_us: nothing,
            rate: nothing,
            leg: [(nothing, nothing); 2],
            loss: nothing,
            rss_idle: nothing,
            rss_after: nothing,
            first_answer: nothing,
        }
    }

    /// The median of every figure by itself.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |pick: &dyn Fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let leg = |index: usize| (of(&|one| one.leg[index].0), of(&|one| one.leg[index].1));
        Self {
            cpu_us: of(&|one| one.cpu_us),
            softirq_us: of(&|one| one.softirq_us),
            rate: of(&|one| one.rate),
            leg: [leg(0), leg(1)],
            loss: of(&|one| one.loss),
            rss_idle: of(&|one| one.rss_idle),
            rss_after: of(&|one| one.rss_after),
            first_answer: of(&|one| one.first_answer),
        }
    }
}

/// What a request costs chronyd that is asked in the same way, and what it costs to give it back unread.
fn references(rows: &[(&str, Figures)], name: &str) -> (f64, f64) {
    let cost = |wanted: &str| {
        rows.iter().find(|(name, _)| *name == wanted).map_or(f64::NAN, |(_, figures)| figures.cpu_us)
    };
    (cost(if name.ends_with("CMAC") { "chronyd with CMAC" } else { "chronyd" }), cost("raw echo"))
}

pub(crate) fn table(rows: &[(&str, Figures)], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<18} {:>7} {:>7} {:>6} {:>8} {:>8} {:>15} {:>15} {:>7} {:>8} {:>8} {:>7}",
        "server",
        "us/req",
        "chronyd",
        "floor",
        "softirq",
        "req/s",
        "leg 1, us",
        "leg 64, us",
        "loss %",
        "idle kB",
        "after kB",
        "ms"
    )?;
    for (name, one) in rows {
        let (chronyd, floor) = references(rows, name);
        let leg = |index: usize| format!("{:.1} +-{:.1}", one.leg[index].0, one.leg[index].1 / 2.0);
        writeln!(
            out,
            "{name:<18} {:>7.2} {:>7.3} {:>6.3} {:>8.2} {:>8.0} {:>15} {:>15} {:>7.3} {:>8.0} {:>8.0} {:>7.1}",
            one.cpu_us,
            one.cpu_us / chronyd,
            one.cpu_us / floor,
            one.softirq_us,
            one.rate,
            leg(0),
            leg(1),
            one.loss * 100.0,
            one.rss_idle,
            one.rss_after,
            one.first_answer
        )?;
    }
    Ok(())
}

pub(crate) fn json(rows: &[(&str, Figures)], out: &mut dyn Write) -> io::Result<()> {
    for (name, one) in rows {
        let (chronyd, floor) = references(rows, name);
        let object = json!({
            "server": name,
            "cpu_us_per_request": one.cpu_us,
            "ratio_to_chronyd": one.cpu_us / chronyd,
            "ratio_to_floor": one.cpu_us / floor,
            "softirq_us_per_request": one.softirq_us,
            "requests_per_second": one.rate,
            "return_leg_us_median": one.leg[1].0,
            "return_leg_us_spread": one.leg[1].1,
            "return_leg_us_median_at_1": one.leg[0].0,
            "return_leg_us_spread_at_1": one.leg[0].1,
            "rss_kb_idle": one.rss_idle,
            "rss_kb_after_clients": one.rss_after,
            "first_answer_ms": one.first_answer,
            "loss": one.loss,
        });
        writeln!(out, "{object}")?;
    }
    Ok(())
}
