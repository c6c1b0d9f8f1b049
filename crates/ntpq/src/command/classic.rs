//! Reports as classic ntpq has them: its own variables, its own labels, values as they came.

use std::io::Write;

use ntp_proto::control::Variables;

use crate::format::report::classic_value;
use crate::format::status;
use crate::values::now;

use super::reports::some_of;
use super::{CommandError, Context};

/// A report of classic ntpq: variables and what they are called there.
pub(super) struct Report {
    name: &'static str,
    /// Whether the status word goes before it.
    status: bool,
    /// Columns of the labels.
    width: usize,
    rows: &'static [(&'static str, &'static str)],
}

const REPORTS: [Report; 8] = [
    Report {
        name: "sysinfo",
        status: true,
        width: 20,
        rows: &[
            ("peeradr", "system peer:"),
            ("peermode", "system peer mode:"),
            ("leap", "leap indicator:"),
            ("stratum", "stratum:"),
            ("precision", "log2 precision:"),
            ("rootdelay", "root delay:"),
            ("rootdisp", "root dispersion:"),
            ("refid", "reference ID:"),
            ("reftime", "reference time:"),
            ("sys_jitter", "system jitter:"),
            ("clk_jitter", "clock jitter:"),
            ("clk_wander", "clock wander:"),
            ("bcastdelay", "broadcast delay:"),
            ("authdelay", "symm. auth. delay:"),
        ],
    },
    Report {
        name: "sysstats",
        status: false,
        width: 24,
        rows: &[
            ("ss_uptime", "uptime:"),
            ("ss_reset", "sysstats reset:"),
            ("ss_received", "packets received:"),
            ("ss_thisver", "current version:"),
            ("ss_oldver", "older version:"),
            ("ss_badformat", "bad length or format:"),
            ("ss_badauth", "authentication failed:"),
            ("ss_declined", "declined:"),
            ("ss_restricted", "restricted:"),
            ("ss_limited", "rate limited:"),
            ("ss_kodsent", "KoD responses:"),
            ("ss_processed", "processed for time:"),
        ],
    },
    Report {
        name: "kerninfo",
        status: true,
        width: 23,
        rows: &[
            ("koffset", "pll offset:"),
            ("kfreq", "pll frequency:"),
            ("kmaxerr", "maximum error:"),
            ("kesterr", "estimated error:"),
            ("kstflags", "kernel status:"),
            ("ktimeconst", "pll time constant:"),
            ("kprecis", "precision:"),
            ("kfreqtol", "frequency tolerance:"),
            ("kppsfreq", "pps frequency:"),
            ("kppsstab", "pps stability:"),
            ("kppsjitter", "pps jitter:"),
            ("kppscalibdur", "calibration interval"),
            ("kppscalibs", "calibration cycles:"),
            ("kppsjitexc", "jitter exceeded:"),
            ("kppsstbexc", "stability exceeded:"),
            ("kppscaliberrs", "calibration errors:"),
        ],
    },
    Report {
        name: "monstats",
        status: false,
        width: 22,
        rows: &[
            ("mru_enabled", "enabled:"),
            ("mru_depth", "addresses:"),
            ("mru_deepest", "peak addresses:"),
            ("mru_maxdepth", "maximum addresses:"),
            ("mru_mindepth", "reclaim above count:"),
            ("mru_maxage", "reclaim older than:"),
            ("mru_mem", "kilobytes:"),
            ("mru_maxmem", "maximum kilobytes:"),
        ],
    },
    Report {
        name: "iostats",
        status: false,
        width: 24,
        rows: &[
            ("iostats_reset", "time since reset:"),
            ("total_rbuf", "receive buffers:"),
            ("free_rbuf", "free receive buffers:"),
            ("used_rbuf", "used receive buffers:"),
            ("rbuf_lowater", "low water refills:"),
            ("io_dropped", "dropped packets:"),
            ("io_ignored", "ignored packets:"),
            ("io_received", "received packets:"),
            ("io_sent", "packets sent:"),
            ("io_sendfailed", "packet send failures:"),
            ("io_wakeups", "input wakeups:"),
            ("io_goodwakeups", "useful input wakeups:"),
        ],
    },
    Report {
        name: "timerstats",
        status: false,
        width: 21,
        rows: &[
            ("timerstats_reset", "time since reset:"),
            ("timer_overruns", "timer overruns:"),
            ("timer_xmts", "calls to transmit:"),
        ],
    },
    Report {
        name: "authinfo",
        status: false,
        width: 19,
        rows: &[
            ("authreset", "time since reset:"),
            ("authkeys", "stored keys:"),
            ("authfreek", "free keys:"),
            ("authklookups", "key lookups:"),
            ("authknotfound", "keys not found:"),
            ("authkuncached", "uncached keys:"),
            ("authkexpired", "expired keys:"),
            ("authencrypts", "encryptions:"),
            ("authdecrypts", "decryptions:"),
        ],
    },
    Report {
        name: "pstats",
        status: true,
        width: 23,
        rows: &[
            ("srcadr", "remote host:"),
            ("srcport", ""),
            ("dstadr", "local address:"),
            ("dstport", ""),
            ("timerec", "time last received:"),
            ("timer", "time until next send:"),
            ("timereach", "reachability change:"),
            ("sent", "packets sent:"),
            ("received", "packets received:"),
            ("badauth", "bad authentication:"),
            ("bogusorg", "bogus origin:"),
            ("oldpkt", "duplicate:"),
            ("seldisp", "bad dispersion:"),
            ("selbroken", "bad reference time:"),
            ("candidate", "candidate order:"),
        ],
    },
];

/// The report of a name, where classic ntpq has one.
pub(super) fn find(name: &str) -> Option<Report> {
    REPORTS.into_iter().find(|report| report.name == name)
}

fn with_port(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

pub(super) fn run(
    report: &Report,
    association: u16,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let names: Vec<&str> = report.rows.iter().map(|(name, _)| *name).collect();
    let (word, items) = some_of(association, &names, context)?;
    if report.status {
        let text = if association == 0 { status::system(word) } else { status::peer(word) };
        writeln!(out, "associd={association} status={word:04x} {text},")?;
    }
    let (known, pivot) = (Variables(&items), now());
    // An address and its port stand together.
    for (name, label) in report.rows.iter().filter(|(_, label)| !label.is_empty()) {
        let port = name.strip_suffix("adr").and_then(|of| known.text(&format!("{of}port")));
        if let (Some(address), Some(port)) = (known.text(name), port) {
            writeln!(out, "{label:<width$}{}", with_port(address, port), width = report.width)?;
            continue;
        }
        let value = known.text(name).map_or_else(|| "-".to_owned(), |raw| classic_value(name, raw, pivot));
        writeln!(out, "{label:<width$}{value}", width = report.width)?;
    }
    Ok(())
}
