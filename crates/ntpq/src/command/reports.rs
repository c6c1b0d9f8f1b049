//! Reports: a table of variables of the system or of a source, each with a label.

use std::io::Write;

use ntp_proto::control::{ErrorCode, Item, Variables};
use serde_json::json;

use crate::client::ClientError;
use crate::format::report::Kind::{self, Address, Count, Decimal, Leap, Mode, Moment, Plain, Span, Words};
use crate::format::report::{line, line_of_two};
use crate::format::{status, units};
use crate::json;
use crate::names::Names;
use crate::settings::Settings;
use crate::values::now;

use super::{CommandError, Context};

/// A variable, how it is called, and how it is shown.
type Row = (&'static str, &'static str, Kind);

/// A report.
#[derive(Clone, Copy)]
pub(super) struct Report {
    name: &'static str,
    /// Whether the status word goes before it.
    status: bool,
    rows: &'static [Row],
    /// Rows that exist twice: since the start, and since the last reset.
    twins: &'static [Row],
}

const fn report(name: &'static str, status: bool, rows: &'static [Row]) -> Report {
    Report { name, status, rows, twins: &[] }
}

/// All of the system's.
const REPORTS: [Report; 8] = [
    report("sysinfo", true, SYSINFO),
    Report { name: "sysstats", status: false, rows: UPTIME, twins: SYSSTATS },
    report("kerninfo", true, KERNINFO),
    report("iostats", false, IOSTATS),
    report("timerstats", false, TIMERSTATS),
    report("monstats", false, MONSTATS),
    report("authinfo", false, AUTHINFO),
    report("ntsinfo", false, NTSINFO),
];

/// A source's.
pub(super) const PSTATS: Report = report("pstats", true, PEER);

const SYSINFO: &[Row] = &[
    ("peeradr", "system peer:      ", Plain),
    ("peermode", "system peer mode: ", Mode),
    ("leap", "leap indicator:   ", Leap),
    ("stratum", "stratum:          ", Plain),
    ("precision", "log2 precision:   ", Plain),
    ("rootdelay", "root delay:       ", Decimal),
    ("rootdisp", "root dispersion:  ", Decimal),
    ("rootdist", "root distance     ", Decimal),
    ("refid", "reference ID:     ", Words),
    ("reftime", "reference time:   ", Moment),
    ("sys_jitter", "system jitter:    ", Decimal),
    ("clk_jitter", "clock jitter:     ", Decimal),
    ("clk_wander", "clock wander:     ", Decimal),
    ("authdelay", "symm. auth. delay:", Decimal),
];

const UPTIME: &[Row] =
    &[("ss_uptime", "uptime:               ", Span), ("ss_numctlreq", "control requests:     ", Plain)];

const SYSSTATS: &[Row] = &[
    ("ss_reset", "sysstats reset:       ", Span),
    ("ss_received", "packets received:     ", Count),
    ("ss_thisver", "current version:      ", Count),
    ("ss_oldver", "older version:        ", Count),
    ("ss_ver1", "NTPv1 total:          ", Count),
    ("ss_ver1client", "NTPv1 clients:        ", Count),
    ("ss_ver1zero", "NTPv1 mode0:          ", Count),
    ("ss_ver1symm", "NTPv1 symm act:       ", Count),
    ("ss_badformat", "bad length or format: ", Count),
    ("ss_badauth", "authentication failed:", Count),
    ("ss_declined", "declined:             ", Count),
    ("ss_restricted", "restricted:           ", Count),
    ("ss_limited", "rate limited:         ", Count),
    ("ss_kodsent", "KoD responses:        ", Count),
    ("ss_processed", "processed for time:   ", Count),
];

const KERNINFO: &[Row] = &[
    ("koffset", "pll offset:          ", Decimal),
    ("kfreq", "pll frequency:       ", Decimal),
    ("kmaxerr", "maximum error:       ", Decimal),
    ("kesterr", "estimated error:     ", Decimal),
    ("kstflags", "kernel status:       ", Words),
    ("ktimeconst", "pll time constant:   ", Plain),
    ("kprecis", "precision:           ", Decimal),
    ("kfreqtol", "frequency tolerance: ", Plain),
    ("kppsfreq", "pps frequency:       ", Decimal),
    ("kppsstab", "pps stability:       ", Decimal),
    ("kppsjitter", "pps jitter:          ", Decimal),
    ("kppscalibdur", "calibration interval ", Plain),
    ("kppscalibs", "calibration cycles:  ", Plain),
    ("kppsjitexc", "jitter exceeded:     ", Plain),
    ("kppsstbexc", "stability exceeded:  ", Plain),
    ("kppscaliberrs", "calibration errors:  ", Plain),
];

const IOSTATS: &[Row] = &[
    ("iostats_reset", "time since reset:     ", Span),
    ("total_rbuf", "receive buffers:      ", Plain),
    ("free_rbuf", "free receive buffers: ", Plain),
    ("used_rbuf", "used receive buffers: ", Plain),
    ("rbuf_lowater", "low water refills:    ", Plain),
    ("io_dropped", "dropped packets:      ", Count),
    ("io_ignored", "ignored packets:      ", Count),
    ("io_received", "received packets:     ", Count),
    ("io_sent", "packets sent:         ", Count),
    ("io_sendfailed", "packet send failures: ", Count),
    ("io_wakeups", "input wakeups:        ", Plain),
    ("io_goodwakeups", "useful input wakeups: ", Plain),
];

const TIMERSTATS: &[Row] = &[
    ("timerstats_reset", "time since reset:  ", Span),
    ("timer_overruns", "timer overruns:    ", Plain),
    ("timer_xmts", "calls to transmit: ", Plain),
];

const MONSTATS: &[Row] = &[
    ("mru_enabled", "enabled:              ", Plain),
    ("mru_hashslots", "hash slots in use:    ", Plain),
    ("mru_depth", "addresses in use:     ", Plain),
    ("mru_deepest", "peak addresses:       ", Plain),
    ("mru_maxdepth", "maximum addresses:    ", Plain),
    ("mru_mindepth", "reclaim above count:  ", Plain),
    ("mru_maxage", "reclaim maxage:       ", Span),
    ("mru_minage", "reclaim minage:       ", Span),
    ("mru_mem", "kilobytes:            ", Plain),
    ("mru_maxmem", "maximum kilobytes:    ", Plain),
    ("mru_exists", "alloc: exists:        ", Plain),
    ("mru_new", "alloc: new:           ", Plain),
    ("mru_recycleold", "alloc: recycle old:   ", Plain),
    ("mru_recyclefull", "alloc: recycle full:  ", Plain),
    ("mru_none", "alloc: none:          ", Plain),
    ("mru_oldest_age", "age of oldest slot:   ", Span),
];

const AUTHINFO: &[Row] = &[
    ("authreset", "time since reset:    ", Span),
    ("authkeys", "stored keys:         ", Plain),
    ("authfreek", "free keys:           ", Plain),
    ("authklookups", "key lookups:         ", Plain),
    ("authknotfound", "keys not found:      ", Plain),
    ("authencrypts", "encryptions:         ", Count),
    ("authdigestencrypts", "digest encryptions:  ", Count),
    ("authcmacencrypts", "CMAC encryptions:    ", Count),
    ("authdecrypts", "decryptions:         ", Count),
    ("authdigestdecrypts", "digest decryptions:  ", Count),
    ("authdigestfails", "digest failures:     ", Count),
    ("authcmacdecrypts", "CMAC decryptions:    ", Count),
    ("authcmacfails", "CMAC failures:       ", Count),
    ("authkuncached", "uncached keys:       ", Plain),
    ("authkexpired", "expired keys:        ", Plain),
];

const NTSINFO: &[Row] = &[
    ("nts_client_send", "NTS client sends:          ", Plain),
    ("nts_client_recv_good", "NTS client recvs good:     ", Plain),
    ("nts_client_recv_bad", "NTS client recvs w error:  ", Plain),
    ("nts_server_recv_good", "NTS server recvs good:     ", Plain),
    ("nts_server_recv_bad", "NTS server recvs w error:  ", Plain),
    ("nts_server_send", "NTS server sends:          ", Plain),
    ("nts_cookie_make", "NTS make cookies:          ", Plain),
    ("nts_cookie_decode", "NTS decode cookies:        ", Plain),
    ("nts_cookie_decode_old", "NTS decode cookies old:    ", Plain),
    ("nts_cookie_decode_old2", "NTS decode cookies old2:   ", Plain),
    ("nts_cookie_decode_older", "NTS decode cookies older:  ", Plain),
    ("nts_cookie_decode_too_old", "NTS decode cookies too old:", Plain),
    ("nts_cookie_decode_error", "NTS decode cookies error:  ", Plain),
    ("nts_ke_probes_good", "NTS KE client probes good: ", Plain),
    ("nts_ke_probes_bad", "NTS KE client probes bad:  ", Plain),
    ("nts_ke_serves_good", "NTS KE serves good:        ", Plain),
    ("nts_ke_serves_bad", "NTS KE serves bad:         ", Plain),
];

const PEER: &[Row] = &[
    ("srcadr", "remote host:          ", Address),
    ("dstadr", "local address:        ", Address),
    ("timerec", "time last received:   ", Span),
    ("timer", "time until next send: ", Span),
    ("timereach", "reachability change:  ", Plain),
    ("sent", "packets sent:         ", Plain),
    ("received", "packets received:     ", Plain),
    ("badauth", "bad authentication:   ", Plain),
    ("bogusorg", "bogus origin:         ", Plain),
    ("oldpkt", "duplicate:            ", Plain),
    ("seldisp", "bad dispersion:       ", Plain),
    ("selbroken", "bad reference time:   ", Plain),
    ("candidate", "candidate order:      ", Plain),
    ("ntscookies", "count of nts cookies: ", Plain),
];

/// The report of a name.
pub(super) fn find(name: &str) -> Option<Report> {
    REPORTS.into_iter().find(|report| report.name == name)
}

pub(super) fn run(
    report: Report,
    association: u16,
    context: &mut Context<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let twins: Vec<String> = report.twins.iter().map(|(name, ..)| format!("{name}_r")).collect();
    let names: Vec<&str> = report.rows.iter().map(|(name, ..)| *name).collect();
    let (word, mut items) = some_of(association, &names, context)?;
    if !twins.is_empty() {
        let names = report.twins.iter().map(|(name, ..)| *name);
        let both: Vec<&str> = names.chain(twins.iter().map(String::as_str)).collect();
        items.extend(some_of(association, &both, context)?.1);
    }
    if context.settings.json {
        let body = json!({ "association": association, "variables": json::variables(&items) });
        return json::write(&context.host, report.name, body, out);
    }
    if report.status {
        let text = if association == 0 { status::system(word) } else { status::peer(word) };
        writeln!(out, "associd={association} status={word:04x} {text},")?;
    }
    let (known, pivot) = (Variables(&items), now());
    let (mut span, mut names) = (1, Names::default());
    for (name, label, kind) in report.rows {
        let value = known.text(name);
        let readable = value.and_then(|raw| readable(name, *kind, raw, context.settings, &mut names));
        // What is readable already is shown as it is.
        let (kind, value) = if readable.is_some() { (Words, readable.as_deref()) } else { (*kind, value) };
        if let Some(line) = line(label, kind, value, &mut span, pivot) {
            writeln!(out, "{line}")?;
        }
    }
    let mut spans = [0, 0];
    for ((name, label, kind), twin) in report.twins.iter().zip(&twins) {
        let values = [known.text(name), known.text(twin)];
        if let Some(line) = line_of_two(label, *kind, values, &mut spans, pivot) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// What says more to a person than the value as it came: a number with its unit, the name of an address.
fn readable(name: &str, kind: Kind, raw: &str, settings: &Settings, names: &mut Names) -> Option<String> {
    match kind {
        Decimal if settings.units => units::shortened(name, raw),
        Address if !settings.numeric => names.of(raw.parse().ok()?),
        Decimal | Address | Plain | Words | Leap | Mode | Moment | Span | Count => None,
    }
}

/// Those variables of an association that there are. One that there is not refuses a whole question: then halves
/// are asked for, until it is alone.
pub(super) fn some_of(
    association: u16,
    names: &[&str],
    context: &mut Context<'_>,
) -> Result<(u16, Vec<Item>), ClientError> {
    match context.client.variables(association, names) {
        Err(ClientError::Refused(ErrorCode::UnknownVariable)) => {}
        other => return other,
    }
    if names.len() <= 1 {
        return Ok((0, Vec::new()));
    }
    let (first, second) = names.split_at(names.len() / 2);
    let (word, mut items) = some_of(association, first, context)?;
    let (other, more) = some_of(association, second, context)?;
    items.extend(more);
    Ok((if word == 0 { other } else { word }, items))
}
