//! Words of older versions, or of other programs, that turn up in files all the same.

use super::Support::Neither;
use super::{Argument, Entry};

const ANYTHING: &[Argument] = &[Argument::Anything];

const fn removed(name: &'static str, meaning: &'static str, instead: &'static str) -> Entry {
    Entry::new(name, ANYTHING, meaning).of(Neither).rejected(instead)
}

const NO_RATE: &str = "the word for it is `discard` or `limit`";
const LONG_AGO: &str = "it was removed long ago: delete the line";

pub(super) const ENTRIES: &[Entry] = &[
    removed("authdelay", "cost of an authentication", LONG_AGO),
    removed("authenticate", "switches authentication", "write `enable auth` or `disable auth`"),
    removed("autokey", "Autokey parameters", "Autokey is broken and not implemented: delete the line"),
    removed("broadcastnovolley", "broadcast without calibration", LONG_AGO),
    removed("clientlimit", "clients per network", NO_RATE),
    removed("clientperiod", "time over which clients are counted", NO_RATE),
    removed("monitor", "switches the client list", "write `enable monitor` or `disable monitor`"),
    removed("precision", "precision of the clock", "it is measured: delete the line"),
    // chrony's and OpenNTPD's words.
    removed("allow", "lets clients ask (chrony)", "write `restrict NETWORK mask MASK nomodify noquery`"),
    removed("deny", "refuses clients (chrony)", "write `restrict NETWORK mask MASK ignore`"),
    removed("bindaddress", "address to serve on (chrony)", "write `interface listen ADDRESS`"),
    removed("cmdallow", "lets clients query (chrony)", "write `restrict ADDRESS` without `noquery`"),
    removed("confdir", "directory of more files (chrony)", "write `includefile DIRECTORY`"),
    removed("include", "more files (chrony)", "write `includefile FILE`"),
    removed("keyfile", "file of keys (chrony)", "write `keys FILE`"),
    removed(
        "leapsectz",
        "zone with leap seconds (chrony)",
        "write `leapfile /usr/share/zoneinfo/leap-seconds.list`",
    ),
    removed("leapseclist", "table of leap seconds (chrony)", "write `leapfile FILE`"),
    removed("local", "serves without sources (chrony)", "write `tos orphan STRATUM`"),
    removed("logdir", "directory of logs (chrony)", "write `statsdir DIRECTORY`"),
    removed("makestep", "steps at the start (chrony)", "ntpd steps by itself; see `tinker step`"),
    removed("maxdistance", "limit of root distance (chrony)", "write `tos maxdist SECONDS`"),
    removed("minsources", "sources needed (chrony)", "write `tos minsane N`"),
    removed(
        "rtcsync",
        "keeps the hardware clock (chrony)",
        "the kernel does that while ntpd runs: delete the line",
    ),
    removed("sourcedir", "directory of sources (chrony)", "write `includefile DIRECTORY`"),
    removed("listen", "address to serve on (OpenNTPD)", "write `interface listen ADDRESS`"),
    removed("servers", "servers behind one name (OpenNTPD)", "write `pool NAME iburst`"),
    removed("sensor", "a clock at this machine (OpenNTPD)", "reference clocks are not implemented"),
    removed("constraint", "time of web servers (OpenNTPD)", LONG_AGO),
    removed("constraints", "time of web servers (OpenNTPD)", LONG_AGO),
];
