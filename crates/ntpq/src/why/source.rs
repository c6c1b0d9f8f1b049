//! Why a source is used, or is not.

use ntp_proto::control::{PeerStatus, Variables};

/// What there is to say of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A word for programs.
    pub(crate) code: &'static str,
    /// Whether the clock follows it.
    pub(crate) used: bool,
    /// Whether it could be used if something were done.
    pub(crate) fault: bool,
    /// One sentence, of which the source is the subject, without it.
    pub(crate) sentence: String,
    /// What to do about it; empty where nothing needs to be done.
    pub(crate) remedy: &'static str,
}

/// Everything that is known of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// Its status word.
    pub(crate) status: u16,
    /// What is sent by default.
    pub(crate) variables: Variables<'a>,
    /// Counters: `sent`, `received`, `badauth`, `bogusorg`, `timereach`; perhaps none.
    pub(crate) counters: Variables<'a>,
}

/// ntpd's flash bits, of those that mean something here. The daemons do not agree which of the first and the fourth
/// says that a server is not synchronized.
const UNSYNCHRONIZED: i64 = 0x0004;
const DENIED: i64 = 0x0008;
const AUTHENTICATION: i64 = 0x0010;
const STRATUM: i64 = 0x0020;
const HEADER: i64 = 0x0040;
const PEER_STRATUM: i64 = 0x0200;
const DISTANCE: i64 = 0x0400;
const LOOP: i64 = 0x0800;

/// A source that has been asked so often without an answer is not merely slow.
const ASKED_OFTEN: i64 = 3;

/// After so many seconds a source that nothing has been sent to cannot be sent to.
const UNSENT_SECONDS: i64 = 20;

/// A finding about a source that is not used, and could be.
fn fault(code: &'static str, sentence: impl Into<String>, remedy: &'static str) -> Finding {
    Finding { code, used: false, fault: true, sentence: sentence.into(), remedy }
}

/// A finding about a source of which nothing needs to be done.
fn fine(code: &'static str, used: bool, sentence: impl Into<String>) -> Finding {
    Finding { code, used, fault: false, sentence: sentence.into(), remedy: "" }
}

/// The one thing to say of a source.
pub(crate) fn judge(source: &Source<'_>) -> Finding {
    without_address(source)
        .or_else(|| standing(source))
        .or_else(|| sent_away(source))
        .or_else(|| silent(source))
        .or_else(|| unfit(source))
        .unwrap_or_else(|| waiting(source))
}

/// Names without addresses, and lines that stand for others.
fn without_address(source: &Source<'_>) -> Option<Finding> {
    let selection = PeerStatus::of(source.status).selection;
    let code = source.variables.text("refid")?.trim_matches('.');
    Some(match code {
        "DNS" => fault(
            "unresolved",
            "has no address yet: its name cannot be resolved",
            "check the name, and that this machine's resolver works (`getent hosts NAME`)",
        ),
        "DUP" => fault(
            "duplicate",
            "is not asked, as all of its addresses are those of other lines",
            "delete one of the lines",
        ),
        "POOL" => fine("pool", false, "is a pool: the servers found by its name are listed by themselves"),
        "LOCL" if selection == 0 && is_local(source) => fine(
            "local_clock",
            false,
            "is the machine's own clock, which is followed only when no server can be",
        ),
        "LOCL" if is_local(source) => fault_used(
            "local_clock_used",
            "is the machine's own clock, and is followed because no server can be",
            "see what is said of the servers",
        ),
        _ => return None,
    })
}

impl Finding {
    /// The same of a source that contradicts the others, where none of them has a majority.
    pub(super) fn without_majority(&mut self) {
        if self.code == "falseticker" {
            self.sentence = self.sentence.replace(OUTVOTED, "the servers contradict each other");
            self.remedy = "ask more servers: four are enough to find one that lies";
        }
    }
}

fn fault_used(code: &'static str, sentence: &str, remedy: &'static str) -> Finding {
    Finding { used: true, ..fault(code, sentence, remedy) }
}

fn is_local(source: &Source<'_>) -> bool {
    source.variables.text("srcadr").is_some_and(|address| address.starts_with("127.127."))
}

/// What a majority says of one that it contradicts.
const OUTVOTED: &str = "a majority of the others agrees that it is wrong";

/// What the vote said.
fn standing(source: &Source<'_>) -> Option<Finding> {
    let offset = source.variables.number("offset").unwrap_or(0.0);
    Some(match PeerStatus::of(source.status).selection {
        1 => fault(
            "falseticker",
            format!("is off by {offset:.3} ms, and {OUTVOTED}"),
            "nothing, if this passes; else ask another server instead",
        ),
        2 => {
            fine("excess", false, "is right, but more servers are configured than are used (`tos maxclock`)")
        }
        3 => fine("outlier", false, "is right, but scatters more than others, and is left out of the mean"),
        4 => fine("candidate", true, "is right, and is used together with the one that leads"),
        5 => fine("backup", false, "is right, and is kept in reserve"),
        6 => {
            fine("leader", true, format!("is right, and leads: the clock is {:.3} ms from it", offset.abs()))
        }
        7 => fine("pulse", true, "gives a pulse each second, which is followed"),
        _ => return None,
    })
}

/// What a server said instead of the time.
fn sent_away(source: &Source<'_>) -> Option<Finding> {
    let flash = source.variables.integer("flash").unwrap_or(0);
    let code = source.variables.text("refid").unwrap_or_default().trim_matches('.');
    match code {
        "RATE" => Some(fault(
            "kiss_rate",
            "says that it is asked too often (RATE), and is asked less often now",
            "remove `burst` and small `minpoll` from its line; ask whether others behind the same address ask it, too",
        )),
        "DENY" | "RSTR" => Some(fault(
            "kiss_deny",
            format!("refuses to serve it ({code}), and is not asked any more"),
            "use another server, or ask its operator",
        )),
        _ if flash & DENIED != 0 => {
            Some(fault("denied", "refuses to serve it", "use another server, or ask its operator"))
        }
        _ => None,
    }
}

/// Why nothing that could be used has come from it.
fn silent(source: &Source<'_>) -> Option<Finding> {
    let variables = &source.variables;
    if variables.integer("reach").unwrap_or(0) != 0 {
        return None;
    }
    let flash = variables.integer("flash").unwrap_or(0);
    let count = |name: &str| source.counters.integer(name);
    let sent = count("sent").or_else(|| variables.integer("unreach")).unwrap_or(0);
    let received = count("received").unwrap_or(0);
    if flash & AUTHENTICATION != 0 || count("badauth").unwrap_or(0) > 0 {
        let key = variables.integer("keyid").unwrap_or(0);
        return Some(fault(
            "authentication",
            format!("does not sign its answers with key {key} as we know it"),
            "compare number, type and secret of the key on both machines, and that both trust it (`trustedkey`)",
        ));
    }
    if count("bogusorg").unwrap_or(0) > 0 && count("bogusorg") == count("received") {
        return Some(fault(
            "bogus",
            format!("has sent {received} packets, none of which answers a request of ours"),
            "somebody may be forging them: look at them with tcpdump",
        ));
    }
    if flash & (UNSYNCHRONIZED | STRATUM | HEADER) != 0 {
        return unfit(source);
    }
    let was_heard = variables.timestamp("rec").is_some();
    Some(if was_heard {
        fault(
            "lost",
            format!(
                "has stopped answering: no reply to the last {} requests",
                variables.integer("unreach").unwrap_or(8)
            ),
            "check the network between, and whether the server still runs",
        )
    } else if count("sent") == Some(0) && count("timereach").is_some_and(|age| age >= UNSENT_SECONDS) {
        fault(
            "no_route",
            "could not be asked so far: no request to it leaves this machine".to_owned(),
            "check that the network is up, and the way there (`ip route get ADDRESS`)",
        )
    } else if sent < ASKED_OFTEN {
        fine("starting", false, "has only just been asked")
    } else if variables.integer("keyid").is_some_and(|key| key > 0) {
        fault(
            "unreachable",
            format!("has never answered: no reply to {sent} requests, which are signed"),
            "check that it knows our key, its address, the network and any firewall (UDP port 123, both ways)",
        )
    } else {
        fault(
            "unreachable",
            format!("has never answered: no reply to {sent} requests"),
            "check its address, the network and any firewall (UDP port 123, both ways)",
        )
    })
}

/// What keeps a server that answers from being followed.
fn unfit(source: &Source<'_>) -> Option<Finding> {
    let variables = &source.variables;
    let flash = variables.integer("flash").unwrap_or(0);
    let stratum = variables.integer("stratum").unwrap_or(16);
    if flash & AUTHENTICATION != 0 {
        return Some(fault(
            "authentication",
            "does not sign its answers any more as it should",
            "compare the key on both machines",
        ));
    }
    if flash & LOOP != 0 {
        return Some(fault(
            "loop",
            "has its time from this machine, so that nobody would know it from elsewhere",
            "nothing, if others are followed; else give both machines servers that are further up",
        ));
    }
    let says_so =
        variables.integer("leap") == Some(3) || stratum >= 16 || flash & (UNSYNCHRONIZED | STRATUM) != 0;
    if says_so && flash & HEADER == 0 {
        return Some(fault(
            "unsynchronized",
            "answers that it is not synchronized itself",
            "wait, if it has been started of late; else see to that server",
        ));
    }
    if flash & PEER_STRATUM != 0 {
        return Some(fault(
            "stratum",
            format!("has stratum {stratum}, which `tos floor` or `tos ceiling` excludes"),
            "change `tos`, or ask a server that is further up",
        ));
    }
    if flash & DISTANCE != 0 {
        let distance = variables.number("rootdelay").unwrap_or(0.0) / 2.0
            + variables.number("delay").unwrap_or(0.0) / 2.0
            + variables.number("rootdisp").unwrap_or(0.0)
            + variables.number("dispersion").unwrap_or(0.0);
        return Some(fault(
            "distance",
            format!("may be off by {distance:.0} ms by what it says itself, more than `tos maxdist` allows"),
            "wait for a few more answers; else ask a server that is nearer",
        ));
    }
    (flash & HEADER != 0).then(|| fault("header", "sends answers that make no sense", "use another server"))
}

/// A server with which nothing is wrong, and that is not used all the same.
fn waiting(source: &Source<'_>) -> Finding {
    let reach = source.variables.integer("reach").unwrap_or(0);
    if reach.count_ones() < 4 {
        return fine("settling", false, "answers, but not often enough yet to be judged");
    }
    fine(
        "not_selected",
        false,
        "answers, and is not used: its line says `noselect`, or there is no majority yet",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::{Item, parse_items};

    fn judged(status: u16, variables: &str, counters: &str) -> Finding {
        let items = |text: &str| -> Vec<Item> { parse_items(text.as_bytes()) };
        let (variables, counters) = (items(variables), items(counters));
        judge(&Source { status, variables: Variables(&variables), counters: Variables(&counters) })
    }

    #[test]
    fn every_fault_has_its_own_sentence() {
        let good = "srcadr=192.0.2.1, refid=10.0.0.1, stratum=2, leap=0, reach=0xff, offset=3.5, rec=0x1.1, flash=0x0";
        let silent = "srcadr=192.0.2.1, refid=INIT, stratum=16, leap=3, reach=0x0, flash=0x1000, keyid=5";
        let mut sentences = std::collections::BTreeSet::new();
        for (status, variables, counters, code) in [
            (0x961a, good.to_owned(), "", "leader"),
            (0x941a, good.to_owned(), "", "candidate"),
            (0x931a, good.to_owned(), "", "outlier"),
            (0x921a, good.to_owned(), "", "excess"),
            (0x951a, good.to_owned(), "", "backup"),
            (0x971a, good.to_owned(), "", "pulse"),
            (0x911a, good.to_owned(), "", "falseticker"),
            (0x9014, good.to_owned(), "", "not_selected"),
            (0x9014, good.replace("0xff", "0x3"), "", "settling"),
            (0x9014, good.replace("flash=0x0", "flash=0x800"), "", "loop"),
            (0x9014, good.replace("flash=0x0", "flash=0x400"), "", "distance"),
            (0x9014, good.replace("flash=0x0", "flash=0x200"), "", "stratum"),
            (0x9014, good.replace("flash=0x0", "flash=0x10"), "", "authentication"),
            (0x9014, good.replace("flash=0x0", "flash=0x40"), "", "header"),
            (0x9014, good.replace("stratum=2", "stratum=16"), "", "unsynchronized"),
            (0x8011, silent.replace("0x1000", "0x1020"), "sent=9, received=9", "unsynchronized"),
            (0x8011, silent.to_owned(), "sent=9, received=0", "unreachable"),
            (0x8011, silent.replace("keyid=5", "keyid=0"), "sent=9, received=0", "unreachable"),
            (0x8011, silent.to_owned(), "sent=1, received=0, timereach=30", "starting"),
            (0x8011, silent.to_owned(), "sent=0, received=0, timereach=3", "starting"),
            (0x8011, silent.to_owned(), "sent=0, received=0, timereach=30", "no_route"),
            (0x8013, format!("{silent}, rec=0x5.5, unreach=9"), "sent=90, received=50", "lost"),
            (0x8011, silent.to_owned(), "sent=9, received=9, badauth=9", "authentication"),
            (0x8011, silent.to_owned(), "sent=9, received=4, bogusorg=4", "bogus"),
            (0x8017, silent.replace("INIT", "RATE"), "sent=9", "kiss_rate"),
            (0x8018, silent.replace("INIT", "DENY"), "sent=9", "kiss_deny"),
            (0x8011, silent.replace("0x1000", "0x8"), "sent=9", "denied"),
            (0x8011, silent.replace("INIT", "DNS"), "", "unresolved"),
            (0x8011, silent.replace("INIT", "DUP"), "", "duplicate"),
            (0x8011, silent.replace("INIT", "POOL"), "", "pool"),
            (0x9014, "srcadr=127.127.1.0, refid=LOCL, reach=0xff, stratum=5".to_owned(), "", "local_clock"),
            (
                0x961a,
                "srcadr=127.127.1.0, refid=LOCL, reach=0xff, stratum=5".to_owned(),
                "",
                "local_clock_used",
            ),
        ] {
            let found = judged(status, &variables, counters);
            assert_eq!(found.code, code, "{variables}, {counters}: {found:?}");
            assert!(found.fault != found.remedy.is_empty(), "{found:?}");
            sentences.insert(found.sentence);
        }
        assert!(sentences.len() >= 28, "{sentences:?}");
    }

    #[test]
    fn nothing_at_all_is_still_an_answer() {
        assert_eq!(judged(0, "", "").code, "starting");
    }
}
