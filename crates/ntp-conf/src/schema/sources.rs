//! Servers, pools and reference clocks.

use super::Support::{Classic, Ntpsec, Ours};
use super::{Argument, Entry, KEY, Setting, Treatment, Value};

const HOST: &[Argument] = &[Argument::Family, Argument::Needed("HOST", Value::Text)];

const POLL: Value = Value::Integer(0, 17);

const AUTOKEY: &str = "Autokey is broken and not implemented";

/// Options of `server`, `pool` and `peer`.
const OPTIONS: &[Setting] = &[
    Setting::flag("iburst", "asks quickly at the start"),
    Setting::flag("burst", "asks eight times at every poll"),
    Setting::flag("prefer", "is followed before all others, if it is no liar"),
    Setting::flag("noselect", "is measured and never followed"),
    Setting::flag("true", "is believed whatever the others say"),
    Setting::with("minpoll", POLL, "6", "shortest poll interval, a power of two in seconds"),
    Setting::with("maxpoll", POLL, "10", "longest poll interval, a power of two in seconds"),
    Setting::with("version", Value::Integer(1, 4), "4", "version of the protocol"),
    Setting::with("port", Value::Integer(1, 65_535), "123", "UDP port of the server").of(Ours),
    Setting::with("key", KEY, "", "symmetric key of the exchanges"),
    Setting::with("mode", Value::Integer(0, i64::MAX), "", "mode of a reference clock").accepted(),
    Setting::flag("preempt", "may be replaced by a better one").of(Classic).accepted(),
    Setting::flag("xleave", "interleaved mode").of(Classic).accepted(),
    Setting::flag("autokey", AUTOKEY).of(Classic).accepted(),
    Setting::flag("preconn", "connects before the first packet").of(Classic).accepted(),
    Setting::flag("xmtnonce", "random transmit timestamps, which are always used here")
        .of(Classic)
        .treated(Treatment::Satisfied),
    Setting::with("ttl", Value::Integer(0, 255), "", "reach of multicast packets").of(Classic).accepted(),
    Setting::with("ident", Value::Text, "", "Autokey group").of(Classic).accepted(),
    Setting::flag("nts", "Network Time Security").of(Ntpsec).accepted(),
    Setting::flag("noval", "does not validate the NTS certificate").of(Ntpsec).accepted(),
    Setting::with("ca", Value::Text, "", "certificates that the NTS server is checked with")
        .of(Ntpsec)
        .accepted(),
    Setting::with("cert", Value::Text, "", "certificate of an NTS client").of(Ntpsec).accepted(),
    Setting::with("aead", Value::Text, "", "algorithm of NTS").of(Ntpsec).accepted(),
    Setting::with("bias", Value::Number(-1e3, 1e3), "0", "offset of this server, seconds")
        .of(Ntpsec)
        .accepted(),
    Setting::with("time1", Value::Number(-1e3, 1e3), "", "parameter of a reference clock")
        .of(Ntpsec)
        .accepted(),
    Setting::with("time2", Value::Number(-1e3, 1e3), "", "parameter of a reference clock")
        .of(Ntpsec)
        .accepted(),
    Setting::with("stratum", Value::Integer(0, 16), "", "stratum of a reference clock").of(Ntpsec).accepted(),
    Setting::with("refid", Value::Text, "", "identifier of a reference clock").of(Ntpsec).accepted(),
    Setting::with("path", Value::Text, "", "device of a reference clock").of(Ntpsec).accepted(),
    Setting::with("ppspath", Value::Text, "", "device of its pulse").of(Ntpsec).accepted(),
    Setting::with("baud", Value::Integer(0, i64::MAX), "", "speed of its line").of(Ntpsec).accepted(),
    Setting::with("subtype", Value::Integer(0, i64::MAX), "", "mode of a reference clock")
        .of(Ntpsec)
        .accepted(),
    Setting::with("flag1", Value::Boolean, "", "switch of a reference clock").of(Ntpsec).accepted(),
    Setting::with("flag2", Value::Boolean, "", "switch of a reference clock").of(Ntpsec).accepted(),
    Setting::with("flag3", Value::Boolean, "", "switch of a reference clock").of(Ntpsec).accepted(),
    Setting::with("flag4", Value::Boolean, "", "switch of a reference clock").of(Ntpsec).accepted(),
];

/// Parameters of `fudge`.
const FUDGES: &[Setting] = &[
    Setting::with("stratum", Value::Integer(0, 16), "5", "stratum of the clock"),
    Setting::with("refid", Value::Text, "LOCL", "identifier of the clock, four letters"),
    Setting::with("abbrev", Value::Text, "", "the same as refid").of(Classic).accepted(),
    Setting::with("time1", Value::Number(-1e9, 1e9), "0", "offset of the clock, seconds").accepted(),
    Setting::with("time2", Value::Number(-1e9, 1e9), "0", "a second offset").accepted(),
    Setting::with("minjitter", Value::Number(0.0, 1e9), "", "least jitter, seconds").of(Classic).accepted(),
    Setting::with("flag1", Value::Boolean, "0", "a switch of the driver").accepted(),
    Setting::with("flag2", Value::Boolean, "0", "a switch of the driver").accepted(),
    Setting::with("flag3", Value::Boolean, "0", "a switch of the driver").accepted(),
    Setting::with("flag4", Value::Boolean, "0", "a switch of the driver").accepted(),
];

/// Options of broadcast and manycast lines, which only classic ntpd has.
const SHOUTED: &[Setting] = &[
    Setting::with("key", KEY, "", "symmetric key").of(Classic),
    Setting::with("version", Value::Integer(1, 4), "4", "version of the protocol").of(Classic),
    Setting::with("minpoll", POLL, "6", "interval").of(Classic),
    Setting::with("maxpoll", POLL, "10", "interval").of(Classic),
    Setting::with("ttl", Value::Integer(0, 255), "127", "reach").of(Classic),
    Setting::with("mode", Value::Integer(0, i64::MAX), "", "unused").of(Classic),
    Setting::with("ident", Value::Text, "", AUTOKEY).of(Classic),
    Setting::flag("autokey", AUTOKEY).of(Classic),
    Setting::flag("burst", "unused").of(Classic),
    Setting::flag("iburst", "unused").of(Classic),
    Setting::flag("noselect", "unused").of(Classic),
    Setting::flag("preempt", "unused").of(Classic),
    Setting::flag("prefer", "is followed before others").of(Classic),
    Setting::flag("true", "is believed").of(Classic),
    Setting::flag("xleave", "interleaved mode").of(Classic),
];

const NO_BROADCAST: &str = "time from anybody who shouts is not believed: use `server` or `pool`";

const UNIT: Setting = Setting::with("unit", Value::Integer(0, 255), "0", "which one of its kind").of(Ntpsec);

/// Options of `refclock`: those of `server`, and the unit.
const CLOCK_OPTIONS: &[Setting] = &{
    let mut all = [UNIT; OPTIONS.len() + 1];
    let mut index = 0;
    while index < OPTIONS.len() {
        all[index] = OPTIONS[index];
        index += 1;
    }
    all
};

const CLOCK: Argument = Argument::Needed("127.127.TYPE.UNIT", Value::Address);

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("server", HOST, "a server to get time from").taking(OPTIONS),
    Entry::new("pool", HOST, "a name with many servers behind it").taking(OPTIONS),
    Entry::new("peer", HOST, "a server to exchange time with; treated as `server`").taking(OPTIONS),
    Entry::new("refclock", &[Argument::Needed("DRIVER", Value::Text)], "a reference clock")
        .taking(CLOCK_OPTIONS)
        .of(Ntpsec)
        .accepted(),
    Entry::new("fudge", &[CLOCK], "parameters of a reference clock").needing(FUDGES),
    Entry::new("device", &[CLOCK], "device paths of a reference clock")
        .needing(&[
            Setting::with("timedata", Value::Text, "", "device with the time"),
            Setting::with("ppsdata", Value::Text, "", "device with the pulse"),
        ])
        .of(Classic)
        .rejected("write `path` on the `refclock` line"),
    Entry::new("unpeer", &[Argument::Family, Argument::Needed("HOST", Value::Address)], "removes a source"),
    Entry::new("unconfig", &[Argument::Family, Argument::Needed("HOST", Value::Address)], "removes a source"),
    Entry::new("broadcast", HOST, "sends time to a broadcast or multicast address")
        .taking(SHOUTED)
        .of(Classic)
        .rejected(NO_BROADCAST),
    Entry::new("manycastclient", HOST, "finds servers by multicast")
        .taking(SHOUTED)
        .of(Classic)
        .rejected("use `pool`"),
    Entry::new("broadcastclient", &[], "listens for broadcast time").of(Classic).rejected(NO_BROADCAST),
    Entry::new("manycastserver", &[Argument::Rest("ADDRESS", Value::Text)], "is found by multicast")
        .of(Classic)
        .rejected(NO_BROADCAST),
    Entry::new("multicastclient", &[Argument::Rest("ADDRESS", Value::Text)], "listens for multicast time")
        .of(Classic)
        .rejected(NO_BROADCAST),
    Entry::new(
        "broadcastdelay",
        &[Argument::Needed("SECONDS", Value::Number(-1e9, 1e9))],
        "delay assumed for broadcast time",
    )
    .of(Classic)
    .rejected(NO_BROADCAST),
    Entry::new("ttl", &[Argument::Rest("HOPS", Value::Integer(0, 255))], "reach of multicast discovery")
        .of(Classic)
        .rejected("use `pool`"),
    Entry::new("phone", &[Argument::Rest("NUMBER", Value::Text)], "numbers of a telephone time service")
        .rejected("modem clocks are not implemented"),
];
