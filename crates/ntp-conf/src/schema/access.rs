//! Who may ask, how often, on which addresses, and with which keys.

use super::Support::{Classic, Neither, Ntpsec, Ours};
use super::{Argument, Entry, KEY, PATH, Setting, Treatment, Value};

const ANY: Value = Value::Integer(0, 0xffff_ffff);

const AUTOKEY: &str = "Autokey is broken and not implemented: delete the line";

/// Flags of `restrict`.
const FLAGS: &[Setting] = &[
    Setting::flag("ignore", "answers nothing"),
    Setting::flag("noserve", "answers no time requests"),
    Setting::flag("noquery", "answers no queries"),
    Setting::flag("ntpport", "holds only for senders on port 123"),
    Setting::flag("limited", "answers only at a bounded rate"),
    Setting::flag("kod", "says so to whoever asks too often"),
    Setting::flag("notrust", "answers authenticated requests only"),
    Setting::flag("version", "answers only the present version of the protocol"),
    Setting::flag("flake", "drops one packet of ten, for tests"),
    Setting::flag("mssntp", "signs for Windows domains").accepted(),
    Setting::flag("nomodify", "no changes by queries, signed or not"),
    Setting::flag("nomrulist", "no list of clients"),
    Setting::flag("nopeer", "no associations by unknown peers").treated(Treatment::Satisfied),
    Setting::flag("notrap", "no traps").treated(Treatment::Satisfied),
    Setting::flag("noepeer", "no associations by unknown peers").of(Classic).treated(Treatment::Satisfied),
    Setting::flag("epeer", "the contrary, which is never done").of(Classic).treated(Treatment::Satisfied),
    Setting::flag("lowpriotrap", "traps of low priority").of(Classic).treated(Treatment::Satisfied),
    Setting::flag("lptrap", "traps of low priority").of(Neither).treated(Treatment::Satisfied),
    Setting::flag("serverresponse", "with `fuzz`, blurs answers").of(Classic).accepted(),
    Setting::flag("fuzz", "blurs answers").of(Classic).accepted(),
    Setting::with("ippeerlimit", Value::Integer(-1, 0xffff_ffff), "-1", "associations of one address")
        .of(Classic)
        .treated(Treatment::Satisfied),
];

/// What can be switched.
const SWITCHES: &[Setting] = &[
    Setting::flag("ntp", "corrects the clock; on by default"),
    Setting::flag("monitor", "keeps the list of clients; on by default"),
    Setting::flag("stats", "writes statistics; on by default"),
    Setting::flag("kernel", "uses the kernel's discipline; on by default").accepted(),
    Setting::flag("calibrate", "calibrates reference clocks").accepted(),
    Setting::flag("auth", "asks for authentication of new peers; on by default").of(Classic).accepted(),
    Setting::flag("bclient", "listens for broadcast time").of(Classic).accepted(),
    Setting::flag("mode7", "answers the old control protocol").of(Classic).accepted(),
    Setting::flag("pps", "uses a pulse").of(Neither).accepted(),
    Setting::flag("peer_clear_digest_early", "reaction to crypto-NAKs").of(Classic).accepted(),
    Setting::flag("unpeer_crypto_early", "reaction to crypto-NAKs").of(Classic).accepted(),
    Setting::flag("unpeer_crypto_nak_early", "reaction to crypto-NAKs").of(Classic).accepted(),
    Setting::flag("unpeer_digest_early", "reaction to crypto-NAKs").of(Classic).accepted(),
];

const INTERFACE: &[Argument] = &[
    Argument::Needed("ACTION", Value::Choice(&["listen", "ignore", "drop"])),
    Argument::Needed("INTERFACE", Value::Text),
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("restrict", &[Argument::Restriction], "who may ask what")
        .taking(FLAGS)
        .without("all may ask all"),
    Entry::new("unrestrict", &[Argument::Restriction], "takes restrictions back")
        .taking(FLAGS)
        .of(Ntpsec)
        .accepted(),
    Entry::new("delrestrict", &[Argument::Restriction], "takes a restriction back").of(Classic).accepted(),
    Entry::new("interface", INTERFACE, "which addresses to listen on").without("all"),
    Entry::new("nic", INTERFACE, "the same as interface"),
    Entry::new("enable", &[], "switches features on").needing(SWITCHES),
    Entry::new("disable", &[], "switches features off").needing(SWITCHES),
    Entry::new("discard", &[], "parameters of rate limiting")
        .needing(&[
            Setting::with(
                "average",
                Value::Integer(0, 32),
                "3",
                "least average interval, a power of two in seconds",
            )
            .of(Classic),
            Setting::with("minimum", ANY, "0", "least interval between two requests, seconds").of(Classic),
            Setting::with("monitor", ANY, "3000", "how seldom an old client is forgotten")
                .of(Classic)
                .accepted(),
        ])
        .of(Classic),
    Entry::new("limit", &[], "parameters of rate limiting")
        .needing(&[
            Setting::with("average", Value::Number(0.000_01, 1e6), "0.125", "packets a second").of(Ntpsec),
            Setting::with("burst", Value::Number(1.0, 1e4), "8", "packets at once").of(Ntpsec),
            Setting::with("kod", Value::Number(0.0, 1e9), "0.125", "answers that say so, a second")
                .of(Ntpsec),
        ])
        .of(Ntpsec),
    Entry::new("mru", &[], "size of the client list").needing(&[
        Setting::with("maxdepth", ANY, "", "most entries"),
        Setting::with("maxmem", ANY, "1024", "most memory, KiB"),
        Setting::with("mindepth", ANY, "", "entries that there must be room for"),
        Setting::with("maxage", ANY, "", "age above which an entry is reused, seconds")
            .treated(Treatment::Satisfied),
        Setting::with("minage", ANY, "", "age below which none is reused, seconds").of(Ntpsec).accepted(),
        Setting::with("initalloc", ANY, "", "entries at the start").accepted(),
        Setting::with("initmem", ANY, "", "memory at the start, KiB").accepted(),
        Setting::with("incalloc", ANY, "", "entries added at a time").accepted(),
        Setting::with("incmem", ANY, "", "memory added at a time, KiB").accepted(),
    ]),
    Entry::new(
        "server-threads",
        &[Argument::Needed("COUNT", Value::Text)],
        "how many threads serve clients: a number, or auto",
    )
    .of(Ours)
    .without("auto"),
    Entry::new("mode6", &[], "how little strangers are told that may ask queries")
        .needing(&[
            Setting::flag("strict", "one packet an answer, until a nonce has proven the address").of(Ours),
            Setting::flag("terse", "nothing of version, machine and operating system").of(Ours),
        ])
        .of(Ours),
    Entry::new("keys", &[PATH], "file of symmetric keys"),
    Entry::new("trustedkey", &[Argument::Keys], "which keys are trusted"),
    Entry::new(
        "controlkey",
        &[Argument::Needed("KEY", KEY)],
        "key that queries are signed with that list or change something",
    ),
    Entry::new("requestkey", &[Argument::Needed("KEY", KEY)], "key for changes through mode 7").accepted(),
    Entry::new("nts", &[], "parameters of Network Time Security")
        .needing(&[
            Setting::flag("enable", "serves NTS").of(Ntpsec),
            Setting::flag("disable", "does not").of(Ntpsec),
            Setting::with("mintls", Value::Text, "", "least version of TLS").of(Ntpsec),
            Setting::with("maxtls", Value::Text, "", "greatest version of TLS").of(Ntpsec),
            Setting::with("cert", Value::Text, "", "certificate").of(Ntpsec),
            Setting::with("key", Value::Text, "", "its key").of(Ntpsec),
            Setting::with("cookie", Value::Text, "", "file of cookie keys").of(Ntpsec),
            Setting::with("ca", Value::Text, "", "trusted certificates").of(Ntpsec),
            Setting::with("aead", Value::Text, "", "algorithm").of(Ntpsec),
            Setting::with("tlsciphersuites", Value::Text, "", "ciphers of TLS 1.3").of(Ntpsec),
        ])
        .of(Ntpsec)
        .accepted(),
    Entry::new("dscp", &[Argument::Needed("CODE", Value::Integer(0, 63))], "service code point of packets")
        .without("46"),
    Entry::new("extra", &[Argument::Anything], "a second service port").of(Neither).accepted(),
    Entry::new("ntpsigndsocket", &[PATH], "socket of Samba's signing daemon")
        .rejected("signing for Windows domains is not implemented"),
    Entry::new("keysdir", &[PATH], "directory of Autokey keys").of(Classic).rejected(AUTOKEY),
    Entry::new("crypto", &[], "Autokey parameters")
        .taking(&[
            Setting::with("host", Value::Text, "", AUTOKEY).of(Classic),
            Setting::with("ident", Value::Text, "", AUTOKEY).of(Classic),
            Setting::with("pw", Value::Text, "", AUTOKEY).of(Classic),
            Setting::with("randfile", Value::Text, "", AUTOKEY).of(Classic),
            Setting::with("digest", Value::Text, "", AUTOKEY).of(Classic),
            Setting::with("revoke", ANY, "", AUTOKEY).of(Classic),
        ])
        .of(Classic)
        .rejected(AUTOKEY),
    Entry::new("ident", &[Argument::Needed("GROUP", Value::Text)], "Autokey group")
        .of(Classic)
        .rejected(AUTOKEY),
    Entry::new("automax", &[Argument::Needed("LOG", ANY)], "Autokey session key lifetime")
        .of(Classic)
        .rejected(AUTOKEY),
    Entry::new("revoke", &[Argument::Needed("LOG", ANY)], "Autokey private value lifetime")
        .of(Classic)
        .rejected(AUTOKEY),
];
