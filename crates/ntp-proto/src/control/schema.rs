//! Every variable of mode 6: name, unit and meaning. From this table come the daemon's answers, their JSON,
//! and `ntpq help VARIABLE`.
//!
//! The names are those of RFC 9327 §4, of classic ntpd and of NTPsec together: one unknown name refuses a whole
//! request, so that a daemon that lacks some cannot be asked by half of the clients. Those that begin with `ib_`
//! are our own.

/// In what a value is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number without a unit, or a count.
    Number,
    /// A set of bits, in hexadecimal.
    Bits,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Parts per million.
    PartsPerMillion,
    /// A power of two, in seconds.
    LogSeconds,
    /// A moment, as an NTP timestamp in hexadecimal.
    Timestamp,
    /// A moment, as `YYYYMMDDhhmm` in UTC.
    Date,
    /// An address, perhaps with a port, or a code.
    Address,
    /// Eight milliseconds, the newest first.
    Filter,
    /// Words.
    Text,
}

impl Unit {
    /// In words; empty for what has none.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Number | Self::Text | Self::Address => "",
            Self::Bits => "bits",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::PartsPerMillion => "ppm",
            Self::LogSeconds => "log2 s",
            Self::Timestamp => "NTP timestamp",
            Self::Date => "YYYYMMDDhhmm UTC",
            Self::Filter => "ms, eight, the newest first",
        }
    }
}

/// One variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// In what it is given.
    pub unit: Unit,
    /// Whether it is sent where nothing is asked for by name.
    pub by_default: bool,
    /// What it says.
    pub meaning: &'static str,
}

const fn sent(name: &'static str, unit: Unit, meaning: &'static str) -> Variable {
    Variable { name, unit, by_default: true, meaning }
}

const fn named(name: &'static str, unit: Unit, meaning: &'static str) -> Variable {
    Variable { name, unit, by_default: false, meaning }
}

use Unit::{
    Address, Bits, Date, Filter, LogSeconds, Milliseconds, Number, PartsPerMillion, Seconds, Text, Timestamp,
};

/// In what a variable of any kind is given; `None` for a name that no table has. `NAME_r` is what `NAME` is.
pub fn unit_of(name: &str) -> Option<Unit> {
    let name = name.strip_suffix("_r").unwrap_or(name);
    let mut all = SYSTEM.iter().chain(PEER).chain(CLOCK);
    all.find(|variable| variable.name == name).map(|variable| variable.unit)
}

/// The variables of the system (association 0), in the order in which they are sent.
pub const SYSTEM: &[Variable] = &[
    sent("leap", Number, "the leap second that is coming: 0 none, 1 inserted, 2 deleted, 3 not synchronized"),
    sent("stratum", Number, "how many servers there are from here to a clock; 16 is not synchronized"),
    sent("precision", LogSeconds, "the precision of the local clock"),
    sent("rootdelay", Milliseconds, "the round trip to the clock at the root"),
    sent("rootdisp", Milliseconds, "the dispersion on the way to the clock at the root"),
    sent("refid", Address, "whom the system follows"),
    sent("reftime", Timestamp, "when the system clock was last corrected"),
    sent("tc", LogSeconds, "the time constant of the discipline"),
    sent("peer", Number, "the association that is followed, 0 for none"),
    sent("offset", Milliseconds, "true time minus system time, as far as it is known"),
    sent("frequency", PartsPerMillion, "the correction of the clock's frequency"),
    sent("sys_jitter", Milliseconds, "the uncertainty of the offset"),
    sent("clk_jitter", Milliseconds, "RMS of the last corrections"),
    sent("clock", Timestamp, "the time"),
    sent("processor", Text, "the machine's architecture"),
    sent("system", Text, "the operating system"),
    sent("version", Text, "the program"),
    sent("clk_wander", PartsPerMillion, "RMS of the last changes of frequency"),
    sent("tai", Seconds, "TAI minus UTC"),
    sent("leapsec", Date, "the last or the coming change of TAI minus UTC"),
    sent("expire", Date, "when the table of leap seconds expires"),
    sent("mintc", LogSeconds, "the smallest time constant"),
    named(
        "rootdist",
        Milliseconds,
        "the most by which the time here can be wrong: half the delay and the dispersion",
    ),
    named("peeradr", Address, "the address of the server that is followed"),
    named("peermode", Number, "the mode in which it is asked"),
    named("bcastdelay", Milliseconds, "for broadcast, which is not implemented: 0"),
    named("authdelay", Milliseconds, "what a code takes to compute: 0, as it is not compensated for"),
    named("ib_sigw", PartsPerMillion, "the wander of the local oscillator in the root of a second"),
    named("ib_weights", Text, "how probable each model of the local oscillator is, percent"),
    named("mru_enabled", Bits, "whether clients are remembered: 1 if asked to, 2 for the rate limit"),
    named("mru_hashslots", Number, "buckets of the list of clients in use"),
    named("mru_depth", Number, "clients that are remembered"),
    named("mru_deepest", Number, "the most there have been"),
    named("mru_maxdepth", Number, "how many there is room for"),
    named("mru_mindepth", Number, "how many are kept whatever their age"),
    named("mru_maxage", Seconds, "an older one gives way to a newcomer: 0, as the oldest of four does"),
    named("mru_minage", Seconds, "a younger one gives way to none: 0, as above"),
    named("mru_mem", Number, "memory in use, KiB"),
    named("mru_maxmem", Number, "memory set aside, KiB"),
    named("mru_exists", Number, "requests of clients that were remembered"),
    named("mru_new", Number, "clients for whom there was a free place"),
    named("mru_recycleold", Number, "clients that took another's place because it was old: 0, as above"),
    named("mru_recyclefull", Number, "clients that took another's place"),
    named("mru_none", Number, "clients for whom there was no place: 0, as there always is one"),
    named("mru_oldest_age", Seconds, "how long ago the most silent client that is remembered asked"),
    named("ss_uptime", Seconds, "since the daemon started"),
    named("ss_reset", Seconds, "since the counters below began"),
    named("ss_numctlreq", Number, "queries of mode 6"),
    named("ss_received", Number, "packets that came to the service port"),
    named("ss_thisver", Number, "of them, of version 4"),
    named("ss_oldver", Number, "of them, of versions 1 to 3"),
    named("ss_ver1", Number, "of them, of version 1"),
    named("ss_ver1client", Number, "of them, of version 1 with the mode of a client"),
    named("ss_ver1zero", Number, "of them, of version 1 without a mode"),
    named("ss_ver1symm", Number, "of them, of version 1 with the mode of an active peer"),
    named("ss_badformat", Number, "packets that made no sense"),
    named("ss_badauth", Number, "packets with a wrong code, or without one that was needed"),
    named("ss_declined", Number, "packets that were no requests, or came too late"),
    named("ss_restricted", Number, "packets of senders that are not served"),
    named("ss_limited", Number, "requests beyond the rate limit"),
    named("ss_kodsent", Number, "of them, those that were told so"),
    named("ss_processed", Number, "requests that got the time"),
    named("koffset", Milliseconds, "what is left of a correction in the kernel"),
    named("kfreq", PartsPerMillion, "the kernel's correction of the frequency"),
    named("kmaxerr", Milliseconds, "the most by which the clock can be wrong, as the kernel tells it"),
    named("kesterr", Milliseconds, "by how much it probably is"),
    named("kstflags", Text, "what state the kernel's clock is in"),
    named("ktimeconst", LogSeconds, "the time constant of the kernel's own loop, which is not used"),
    named("kprecis", Milliseconds, "the kernel's precision"),
    named("kfreqtol", PartsPerMillion, "the most by which the kernel corrects the frequency"),
    named("kppsfreq", PartsPerMillion, "the frequency of a pulse per second"),
    named("kppsstab", PartsPerMillion, "how steady it is"),
    named("kppsjitter", Milliseconds, "the jitter of the pulse"),
    named("kppscalibdur", Seconds, "how long it is calibrated for"),
    named("kppscalibs", Number, "how often it has been"),
    named("kppsjitexc", Number, "how often its jitter was too large"),
    named("kppsstbexc", Number, "how often its frequency was unsteady"),
    named("kppscaliberrs", Number, "how often a calibration failed"),
    named("iostats_reset", Seconds, "since the counters below began"),
    named("total_rbuf", Number, "buffers for datagrams"),
    named("free_rbuf", Number, "of them, those that are free"),
    named("used_rbuf", Number, "of them, those that are not"),
    named("rbuf_lowater", Number, "how often there were too few: 0, as they are fixed"),
    named("io_dropped", Number, "datagrams for which there was no time"),
    named("io_ignored", Number, "datagrams that were not looked at"),
    named("io_received", Number, "datagrams received"),
    named("io_sent", Number, "datagrams sent"),
    named("io_sendfailed", Number, "datagrams that could not be sent"),
    named("io_wakeups", Number, "how often something to read woke the daemon"),
    named("io_goodwakeups", Number, "how often there was something"),
    named("timerstats_reset", Seconds, "since the counters below began"),
    named("timer_overruns", Number, "how often the timer came more than a second late"),
    named("timer_xmts", Number, "how often a server was asked"),
    named("authreset", Seconds, "since the counters below began"),
    named("authkeys", Number, "keys that are known"),
    named("authfreek", Number, "room for more keys: 0, as it is made when needed"),
    named("authklookups", Number, "how often a key was looked up"),
    named("authknotfound", Number, "how often it was not found, or not trusted"),
    named("authencrypts", Number, "codes computed for what was sent"),
    named("authdigestencrypts", Number, "of them, digests"),
    named("authcmacencrypts", Number, "of them, CMACs"),
    named("authdecrypts", Number, "codes computed for what was received"),
    named("authdigestdecrypts", Number, "of them, digests that were right"),
    named("authdigestfails", Number, "of them, digests that were wrong"),
    named("authcmacdecrypts", Number, "of them, CMACs that were right"),
    named("authcmacfails", Number, "of them, CMACs that were wrong"),
    named("authkuncached", Number, "keys that had to be made ready: 0, as they always are"),
    named("authkexpired", Number, "keys that have expired: 0, as they do not"),
    named("nts_client_send", Number, "for NTS, which is not implemented: 0"),
    named("nts_client_recv_good", Number, "the same"),
    named("nts_client_recv_bad", Number, "the same"),
    named("nts_server_send", Number, "the same"),
    named("nts_server_recv_good", Number, "the same"),
    named("nts_server_recv_bad", Number, "the same"),
    named("nts_cookie_make", Number, "the same"),
    named("nts_cookie_decode", Number, "the same"),
    named("nts_cookie_decode_old", Number, "the same"),
    named("nts_cookie_decode_old2", Number, "the same"),
    named("nts_cookie_decode_older", Number, "the same"),
    named("nts_cookie_decode_too_old", Number, "the same"),
    named("nts_cookie_decode_error", Number, "the same"),
    named("nts_ke_probes_good", Number, "the same"),
    named("nts_ke_probes_bad", Number, "the same"),
    named("nts_ke_serves_good", Number, "the same"),
    named("nts_ke_serves_bad", Number, "the same"),
    named("sys_var_list", Text, "the names of all these"),
];

/// The variables of an association.
pub const PEER: &[Variable] = &[
    sent("srcadr", Address, "its address"),
    sent("srcport", Number, "its port"),
    sent("srchost", Text, "the name that it was found by"),
    sent("dstadr", Address, "the address here that it answers to"),
    sent("dstport", Number, "the port here"),
    sent("leap", Number, "the leap second that it announces"),
    sent("hmode", Number, "the mode in which we ask: 3 is client"),
    sent("stratum", Number, "its stratum"),
    sent("ppoll", LogSeconds, "the interval that it names"),
    sent("hpoll", LogSeconds, "the interval in which we ask"),
    sent("precision", LogSeconds, "the precision of its clock"),
    sent("rootdelay", Milliseconds, "its round trip to the clock at the root"),
    sent("rootdisp", Milliseconds, "its dispersion on the way to the clock at the root"),
    sent("refid", Address, "whom it follows"),
    sent("reftime", Timestamp, "when its clock was last corrected"),
    sent("rec", Timestamp, "when its last answer came"),
    sent("reach", Bits, "which of the last eight requests it answered, the last one lowest"),
    sent("unreach", Number, "requests since its last answer"),
    sent("delay", Milliseconds, "the round trip to it"),
    sent("offset", Milliseconds, "its time minus ours"),
    sent("jitter", Milliseconds, "how much its answers differ"),
    sent("dispersion", Milliseconds, "how uncertain they are"),
    sent("keyid", Number, "the key that packets are signed with, 0 for none"),
    sent("filtdelay", Filter, "the round trips of its last answers"),
    sent("filtoffset", Filter, "the offsets of its last answers"),
    sent("pmode", Number, "the mode in which it answers: 4 is server"),
    sent("filtdisp", Filter, "the dispersions of its last answers"),
    sent("flash", Bits, "why its last answer was not used"),
    sent("headway", Seconds, "how long it must not be asked: 0, as that is kept in its interval"),
    named("config", Number, "whether a line of ntp.conf names it"),
    named("authenable", Number, "whether its packets must be signed"),
    named("authentic", Number, "whether its last answer was"),
    named("org", Timestamp, "when its last answer left there, by its clock; unknown"),
    named("xmt", Timestamp, "when it was last asked; unknown"),
    named("mode", Number, "the mode of a reference clock's driver: 0"),
    named("bias", Milliseconds, "what is added to its offset: 0"),
    named("timer", Seconds, "until it is asked again"),
    named("timerec", Seconds, "since its last answer"),
    named("timereach", Seconds, "since it became reachable or ceased to be"),
    named("sent", Number, "requests sent"),
    named("received", Number, "packets received"),
    named("badauth", Number, "answers with a wrong code, or without the one that was needed"),
    named("bogusorg", Number, "packets that answered nothing we had asked"),
    named("oldpkt", Number, "packets that came twice; they are among those"),
    named("seldisp", Number, "answers that failed a test"),
    named("selbroken", Number, "answers with an impossible time; they are among those"),
    named("candidate", Number, "how it stands in the selection, from 0 to 7"),
    named("ntscookies", Number, "cookies of NTS: -1 for none"),
    named("ib_dmin", Milliseconds, "the shortest round trip of late"),
    named("ib_scale", Milliseconds, "the usual size of what a round trip has beyond that"),
    named("ib_bias", Milliseconds, "what its path seems to add to its offset"),
    named("ib_shape", Text, "what the noise on its path looks like"),
    named("peer_var_list", Text, "the names of all these"),
];

/// The variables of a reference clock.
pub const CLOCK: &[Variable] = &[
    sent("name", Text, "its name"),
    sent("timecode", Text, "what it said last"),
    sent("poll", Number, "how often it was asked"),
    sent("noreply", Number, "how often it said nothing"),
    sent("badformat", Number, "how often it made no sense"),
    sent("baddata", Number, "how often it cannot have been right"),
    sent("stratum", Number, "its stratum"),
    sent("refid", Address, "its code"),
    sent("flags", Bits, "its driver's flags"),
    sent("device", Text, "what it is"),
    named("type", Number, "the number of its driver"),
    named("fudgetime1", Milliseconds, "what `fudge` adds: 0"),
    named("fudgetime2", Milliseconds, "the same: 0"),
    named("clock_var_list", Text, "the names of all these"),
];

/// Counters of the server also exist with this ending, for what they have been in the present hour (NTPsec counts likewise).
pub const THIS_HOUR: &str = "_r";

/// A variable of a table by its name.
pub fn find(table: &'static [Variable], name: &str) -> Option<&'static Variable> {
    table.iter().find(|variable| variable.name == name)
}

/// The names of a table, with commas in between.
pub(super) fn names(table: &[Variable]) -> String {
    let names: Vec<&str> = table.iter().map(|variable| variable.name).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_comes_twice() {
        for table in [SYSTEM, PEER, CLOCK] {
            for (index, variable) in table.iter().enumerate() {
                assert!(!table[..index].iter().any(|other| other.name == variable.name), "{}", variable.name);
            }
        }
    }
}
