//! Every directive that classic ntpd 4.2.8 or NTPsec knows, in one table.
//!
//! The typed parser, the suggestions and the notes about what is not done all come from here; help
//! texts and the man page will.

/// Which daemons know a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Classic ntpd and NTPsec.
    Both,
    /// Classic ntpd only.
    Classic,
    /// NTPsec only.
    Ntpsec,
    /// Neither, any longer.
    Neither,
}

/// What this daemon does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// What it says.
    Acted,
    /// Keeps it, and notes that nothing follows from it (yet).
    Accepted,
    /// Keeps the line and reports an error that says what to write instead.
    Rejected(&'static str),
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its keyword.
    pub name: &'static str,
    /// Who knows it.
    pub support: Support,
    /// What becomes of it here.
    pub treatment: Treatment,
    /// What it is for.
    pub meaning: &'static str,
}

const fn acted(name: &'static str, support: Support, meaning: &'static str) -> Entry {
    Entry { name, support, treatment: Treatment::Acted, meaning }
}

const fn accepted(name: &'static str, support: Support, meaning: &'static str) -> Entry {
    Entry { name, support, treatment: Treatment::Accepted, meaning }
}

const fn rejected(
    name: &'static str,
    support: Support,
    meaning: &'static str,
    instead: &'static str,
) -> Entry {
    Entry { name, support, treatment: Treatment::Rejected(instead), meaning }
}

use Support::{Both, Classic, Neither, Ntpsec};

const NO_BROADCAST: &str = "time from anybody who shouts is not believed: use `server` or `pool`";
const NO_AUTOKEY: &str = "Autokey is broken and not implemented: delete the line";
const NO_RATE: &str = "the word for it is `discard` or `limit`";

/// The table, in the order of the alphabet.
pub const SCHEMA: &[Entry] = &[
    rejected("authdelay", Neither, "cost of an authentication", "it was removed long ago: delete the line"),
    rejected(
        "authenticate",
        Neither,
        "switches authentication",
        "it was removed: write `enable auth` or `disable auth`",
    ),
    rejected("autokey", Classic, "Autokey parameters", NO_AUTOKEY),
    rejected("automax", Classic, "Autokey session key lifetime", NO_AUTOKEY),
    rejected("broadcast", Classic, "sends time to a broadcast or multicast address", NO_BROADCAST),
    rejected("broadcastclient", Classic, "listens for broadcast time", NO_BROADCAST),
    rejected("broadcastdelay", Classic, "delay assumed for broadcast time", NO_BROADCAST),
    rejected("broadcastnovolley", Neither, "broadcast without calibration", NO_BROADCAST),
    rejected("clientlimit", Neither, "clients per network", NO_RATE),
    rejected("clientperiod", Neither, "time over which clients are counted", NO_RATE),
    accepted("controlkey", Both, "key for changes through mode 6"),
    rejected("crypto", Classic, "Autokey parameters", NO_AUTOKEY),
    accepted("delrestrict", Classic, "deletes a restriction"),
    rejected("device", Classic, "device paths of a reference clock", "write `path` on the `refclock` line"),
    acted("disable", Both, "switches features off"),
    accepted("discard", Both, "parameters of rate limiting"),
    acted("driftfile", Both, "where the frequency is remembered"),
    accepted("dscp", Both, "differentiated services code point of packets"),
    acted("enable", Both, "switches features on"),
    rejected("end", Both, "stops reading the file", "delete the line, or comment out what follows it"),
    accepted("extra", Ntpsec, "a second service port"),
    accepted("filegen", Both, "how statistics files are rotated"),
    acted("fudge", Both, "parameters of a reference clock"),
    rejected("ident", Classic, "Autokey group", NO_AUTOKEY),
    acted("includefile", Both, "reads another file here"),
    acted("interface", Both, "which addresses to listen on"),
    accepted("keys", Both, "file of symmetric keys"),
    rejected("keysdir", Classic, "directory of Autokey keys", NO_AUTOKEY),
    acted("leapfile", Both, "table of leap seconds"),
    accepted("leapsmearinterval", Classic, "spreads a leap second for clients"),
    accepted("limit", Ntpsec, "parameters of rate limiting"),
    accepted("logconfig", Both, "what is logged"),
    accepted("logfile", Both, "where is logged"),
    rejected("manycastclient", Classic, "finds servers by multicast", "use `pool`"),
    rejected("manycastserver", Classic, "is found by multicast", NO_BROADCAST),
    accepted("mdnstries", Both, "attempts to register with mDNS"),
    rejected("monitor", Neither, "switches the client list", "write `enable monitor` or `disable monitor`"),
    accepted("mru", Both, "size of the client list"),
    rejected("multicastclient", Classic, "listens for multicast time", NO_BROADCAST),
    acted("nic", Both, "which addresses to listen on (same as interface)"),
    accepted("nonvolatile", Both, "change of frequency worth remembering"),
    rejected(
        "ntpsigndsocket",
        Both,
        "socket of Samba's signing daemon",
        "signing for Windows domains is not implemented",
    ),
    accepted("nts", Ntpsec, "parameters of Network Time Security"),
    acted("peer", Both, "a server to exchange time with; treated as `server`"),
    rejected("phone", Both, "numbers of a telephone time service", "modem clocks are not implemented"),
    accepted("pidfile", Both, "where the process number is written"),
    accepted("pollskewlist", Classic, "random spread of polls"),
    acted("pool", Both, "a name with many servers behind it"),
    rejected("precision", Neither, "precision of the clock", "it is measured: delete the line"),
    accepted("refclock", Ntpsec, "a reference clock"),
    accepted("requestkey", Both, "key for changes through mode 7"),
    accepted("reset", Both, "resets counters"),
    acted("restrict", Both, "who may ask what"),
    rejected("revoke", Classic, "Autokey private value lifetime", NO_AUTOKEY),
    accepted("rlimit", Both, "limits of memory and open files"),
    accepted("saveconfigdir", Classic, "where ntpq saves configurations"),
    acted("server", Both, "a server to get time from"),
    accepted("setvar", Both, "an additional variable for mode 6"),
    rejected("simulate", Classic, "runs the simulator", "there is no built-in simulator"),
    accepted("statistics", Both, "which statistics are recorded"),
    accepted("statsdir", Both, "where statistics are recorded"),
    accepted("tick", Both, "length of the clock's tick"),
    acted("tinker", Both, "thresholds of the clock discipline"),
    acted("tos", Both, "thresholds of the selection"),
    rejected("trap", Classic, "sends events somewhere", "traps are not implemented"),
    accepted("trustedkey", Both, "which keys are trusted"),
    rejected("ttl", Classic, "reach of multicast discovery", "use `pool`"),
    accepted("unconfig", Both, "removes a source"),
    accepted("unpeer", Both, "removes a source"),
    accepted("unrestrict", Ntpsec, "removes restrictions"),
];

/// The entry of a keyword.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    SCHEMA.binary_search_by(|entry| entry.name.cmp(name)).ok().and_then(|index| SCHEMA.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_name_is_found() {
        assert!(SCHEMA.is_sorted_by(|a, b| a.name < b.name));
        assert!(SCHEMA.iter().all(|row| entry(row.name).is_some_and(|found| found.name == row.name)));
        assert!(entry("sevrer").is_none());
    }
}
