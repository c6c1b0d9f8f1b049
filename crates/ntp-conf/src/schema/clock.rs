//! How the clock is corrected, and whom it follows.

use super::Support::{Classic, Ntpsec};
use super::{Argument, Entry, PATH, SECONDS, Setting, Value};

/// More than 24 sources are never followed at once.
const CLOCKS: Value = Value::Integer(0, 1000);
const CLOCK_COUNT: Value = Value::Count(0, 1000);
const STRATUM: Value = Value::Integer(0, 16);

const THRESHOLDS: &[Setting] = &[
    Setting::with("minsane", CLOCKS, "1", "survivors needed to follow any"),
    Setting::with("minclock", CLOCK_COUNT, "3", "survivors that clustering leaves"),
    Setting::with("maxclock", CLOCK_COUNT, "10", "most survivors, and most members of pools"),
    Setting::with(
        "maxdist",
        Value::Number(0.0, 16.0),
        "1.5",
        "root distance above which nobody is followed, seconds",
    ),
    Setting::with(
        "mindist",
        Value::Number(0.0, 16.0),
        "0.001",
        "least root distance that is reckoned with, seconds",
    ),
    Setting::with("floor", STRATUM, "0", "sources of a lower stratum are not followed"),
    Setting::with("ceiling", STRATUM, "15", "nor those of this or a higher one"),
    Setting::with("orphan", STRATUM, "16", "stratum at which this machine serves its own time"),
    Setting::with(
        "orphanwait",
        Value::Integer(0, 1_000_000),
        "300",
        "seconds without time after which it does",
    ),
    Setting::with("maxdisp", Value::Number(0.0, 16.0), "16", "dispersion of a source that is silent")
        .of(Ntpsec)
        .accepted(),
    Setting::with("cohort", Value::Boolean, "0", "follows sources of the same stratum")
        .of(Classic)
        .accepted(),
    Setting::with("beacon", Value::Integer(0, i64::MAX), "3600", "interval of manycast probes")
        .of(Classic)
        .accepted(),
    Setting::with("bcpollbstep", Value::Integer(0, 4), "0", "step of broadcast polls").of(Classic).accepted(),
    Setting::with("basedate", Value::Text, "", "earliest date of the clock").of(Classic).accepted(),
];

const TINKERS: &[Setting] = &[
    Setting::with("panic", SECONDS, "1000", "an error above so many seconds ends the daemon; 0 never"),
    Setting::with("step", SECONDS, "0.128", "an error above so many seconds is stepped; 0 never"),
    Setting::with("stepfwd", SECONDS, "0.128", "the same for a clock that is behind"),
    Setting::with("stepback", SECONDS, "0.128", "the same for a clock that is ahead"),
    Setting::with("stepout", SECONDS, "300", "seconds for which a large error lasts before it is stepped"),
    Setting::with("freq", Value::Number(-500.0, 500.0), "", "frequency correction to start with, ppm"),
    Setting::with("allan", Value::Number(-1e9, 1e9), "11", "Allan intercept of the old discipline")
        .accepted(),
    Setting::with("dispersion", Value::Number(-1e9, 1e9), "15", "growth of errors, ppm").accepted(),
    Setting::with("huffpuff", Value::Number(-1e9, 1e9), "", "length of the huff-n'-puff filter, seconds")
        .accepted(),
    Setting::with("tick", Value::Number(-1e9, 1e9), "", "length of the clock's tick").accepted(),
];

const DRIFT: &[Argument] =
    &[Argument::Optional("FILE", Value::Text), Argument::Optional("TOLERANCE", Value::Number(0.0, 1e9))];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("tos", &[], "thresholds of the selection").needing(THRESHOLDS),
    Entry::new("tinker", &[], "thresholds of the clock discipline").needing(TINKERS),
    Entry::new("driftfile", DRIFT, "where the frequency is remembered").without("nowhere"),
    Entry::new("leapfile", &[PATH], "table of leap seconds").taking(&[
        Setting::flag("checkhash", "the table's hash must be right; the default").of(Classic),
        Setting::flag("ignorehash", "it need not be").of(Classic),
    ]),
    Entry::new(
        "leapsmearinterval",
        &[Argument::Needed("SECONDS", Value::Integer(0, 1_000_000))],
        "spreads a leap second for clients",
    )
    .of(Classic)
    .accepted(),
    Entry::new(
        "nonvolatile",
        &[Argument::Needed("TOLERANCE", Value::Number(0.0, 1e9))],
        "change of frequency worth remembering",
    )
    .accepted(),
    Entry::new(
        "tick",
        &[Argument::Needed("MICROSECONDS", Value::Number(0.0, 1e9))],
        "length of the clock's tick",
    )
    .accepted(),
    Entry::new("pollskewlist", &[Argument::Anything], "random spread of polls").of(Classic).accepted(),
];
