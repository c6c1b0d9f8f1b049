//! Files that are read and written: includes, logs, statistics.

use super::Support::{Classic, Ntpsec};
use super::{Argument, Entry, PATH, Setting, Value};

const SETS: Value = Value::Choice(&[
    "clockstats",
    "cryptostats",
    "loopstats",
    "peerstats",
    "protostats",
    "rawstats",
    "sysstats",
    "timingstats",
    "usestats",
]);

const LIMIT: Value = Value::Integer(-1, 1 << 40);

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("includefile", &[PATH], "reads another file, or every *.conf of a directory, here"),
    Entry::new("logfile", &[PATH], "where is logged").without("the system's log"),
    Entry::new("logconfig", &[Argument::Rest("CLASS", Value::Text)], "which changes of state are logged"),
    Entry::new("pidfile", &[PATH], "where the process number is written"),
    Entry::new("saveconfigdir", &[PATH], "where ntpq saves configurations").of(Classic).accepted(),
    Entry::new("statsdir", &[PATH], "where statistics are recorded").without("they are not recorded"),
    Entry::new("statistics", &[], "which statistics are recorded").needing(&[
        Setting::flag("loopstats", "the discipline"),
        Setting::flag("peerstats", "every source"),
        Setting::flag("rawstats", "the four times of every exchange"),
        Setting::flag("sysstats", "counters of the daemon"),
        Setting::flag("protostats", "events"),
        Setting::flag("clockstats", "reference clocks, of which there are none").accepted(),
        Setting::flag("cryptostats", "Autokey").of(Classic).accepted(),
        Setting::flag("timingstats", "processing times").of(Classic).accepted(),
        Setting::flag("usestats", "use of resources").of(Ntpsec).accepted(),
    ]),
    Entry::new("filegen", &[Argument::Needed("SET", SETS)], "how statistics files are rotated").taking(&[
        Setting::with("file", Value::Text, "", "name of the file"),
        Setting::with(
            "type",
            Value::Choice(&["none", "pid", "day", "week", "month", "year", "age"]),
            "day",
            "when a new one is begun",
        ),
        Setting::flag("link", "the plain name is a link to the newest"),
        Setting::flag("nolink", "it is not"),
        Setting::flag("enable", "the file is written"),
        Setting::flag("disable", "it is not"),
    ]),
    Entry::new("setvar", &[Argument::Assignment], "an additional variable for mode 6")
        .taking(&[Setting::flag("default", "it is among those that are sent unasked")])
        .accepted(),
    Entry::new("reset", &[], "resets counters")
        .needing(&[
            Setting::flag("allpeers", "of all sources"),
            Setting::flag("auth", "of authentication"),
            Setting::flag("ctl", "of control messages"),
            Setting::flag("io", "of packets"),
            Setting::flag("mem", "of memory"),
            Setting::flag("sys", "of the system"),
            Setting::flag("timer", "of timers"),
        ])
        .accepted(),
    Entry::new("rlimit", &[], "limits of memory and open files")
        .needing(&[
            Setting::with("memlock", LIMIT, "", "locked memory, MiB"),
            Setting::with("stacksize", LIMIT, "", "stack, pages"),
            Setting::with("filenum", LIMIT, "", "open files"),
        ])
        .accepted(),
    Entry::new(
        "mdnstries",
        &[Argument::Needed("COUNT", Value::Integer(0, 1_000_000))],
        "attempts to register with mDNS",
    )
    .accepted(),
    Entry::new("trap", &[Argument::Needed("ADDRESS", Value::Address)], "sends events somewhere")
        .taking(&[
            Setting::with("port", Value::Integer(1, 65_535), "", "to this port").of(Classic),
            Setting::with("interface", Value::Address, "", "from this address").of(Classic),
        ])
        .of(Classic)
        .rejected("traps are not implemented"),
    Entry::new("simulate", &[Argument::Anything], "runs the simulator")
        .of(Classic)
        .rejected("there is no built-in simulator: see `ntpctl simulate`"),
    Entry::new("end", &[], "stops reading the file")
        .rejected("delete the line, or comment out what follows it"),
];
