//! Status words in words.

use ntp_proto::control::{PeerStatus, SystemStatus, peer_event_word, system_event_word};
use ntp_proto::wire::Leap;

/// What the system follows, by number (RFC 9327 §3.1).
const SOURCES: [&str; 10] = [
    "sync_unspec",
    "sync_pps",
    "sync_lf_radio",
    "sync_hf_radio",
    "sync_uhf_radio",
    "sync_local",
    "sync_ntp",
    "sync_other",
    "sync_wristwatch",
    "sync_telephone",
];

/// Events of clocks, by number.
const CLOCK_EVENTS: [&str; 7] = [
    "clk_unspec",
    "clk_no_reply",
    "clk_bad_format",
    "clk_fault",
    "clk_bad_signal",
    "clk_bad_date",
    "clk_bad_time",
];

/// Standings, by number.
const CONDITIONS: [&str; 8] =
    ["reject", "falsetick", "excess", "outlier", "candidate", "backup", "sys.peer", "pps.peer"];

/// `leap_none, sync_ntp, 1 event, clock_sync`
pub(crate) fn system(word: u16) -> String {
    let status = SystemStatus::of(word);
    let leap = match status.leap {
        Leap::None => "leap_none",
        Leap::Insert => "leap_add_sec",
        Leap::Delete => "leap_del_sec",
        Leap::Unknown => "leap_alarm",
    };
    let source = named(&SOURCES, status.source);
    format!("{leap}, {source}, {}, {}", events(status.event_count), system_event_word(status.event))
}

/// `conf, reach, sel_sys.peer, 3 events, sys_peer`
pub(crate) fn peer(word: u16) -> String {
    let status = PeerStatus::of(word);
    let mut parts = Vec::new();
    for (name, set) in [
        ("conf", status.configured),
        ("authenb", status.authenable),
        ("auth", status.authentic),
        ("reach", status.reachable),
        ("bcast", status.broadcast),
    ] {
        if set {
            parts.push(name.to_owned());
        }
    }
    parts.push(format!("sel_{}", named(&CONDITIONS, status.selection.into())));
    parts.push(events(status.event_count));
    let last = peer_event_word(status.event);
    if !last.is_empty() {
        parts.push(last.to_owned());
    }
    parts.join(", ")
}

/// `no events, clk_unspec`
pub(crate) fn clock(word: u16) -> String {
    let [count, event] = word.to_be_bytes();
    format!("{}, {}", events(count.into()), named(&CLOCK_EVENTS, event.into()))
}

/// The word for what the system follows.
pub(crate) fn source(number: u16) -> &'static str {
    named(&SOURCES, number)
}

/// The word for a standing in the selection.
pub(crate) fn condition(selection: u8) -> &'static str {
    named(&CONDITIONS, selection.into())
}

/// One row of `associations`, without its newline.
pub(crate) fn association_row(index: usize, id: u16, word: u16) -> String {
    let status = PeerStatus::of(word);
    let yes = |set: bool| if set { "yes" } else { "no" };
    let reach = if status.broadcast { "none" } else { yes(status.reachable) };
    let auth = match (status.authenable, status.authentic) {
        (false, _) => "none",
        (true, true) => "ok ",
        (true, false) => "bad",
    };
    let row = format!(
        "{index:3} {id:5}  {word:04x}   {:>3}  {:>4}  {auth:>4} {:>9} {:>11} {:2}",
        yes(status.configured),
        reach,
        named(&CONDITIONS, status.selection.into()),
        peer_event_word(status.event),
        status.event_count
    );
    row.trim_end().to_owned()
}

fn events(count: u16) -> String {
    match count {
        0 => "no events".to_owned(),
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

fn named(names: &[&'static str], number: u16) -> &'static str {
    names.get(usize::from(number)).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_the_originals_print_them() {
        assert_eq!(system(0x0015), "leap_none, sync_unspec, 1 event, clock_sync");
        assert_eq!(peer(0xb61a), "conf, auth, reach, sel_sys.peer, 1 event, sys_peer");
        assert_eq!(peer(0x8013), "conf, sel_reject, 1 event, unreachable");
        assert_eq!(system(0xffff), "leap_alarm, unknown, 15 events, stale_leapsecond_values");
    }

    #[test]
    fn association_rows_are_those_of_debians_ntpq() {
        assert_eq!(
            association_row(2, 17768, 0xb61a),
            "  2 17768  b61a   yes   yes  none  sys.peer    sys_peer  1"
        );
        assert_eq!(
            association_row(5, 17771, 0x8013),
            "  5 17771  8013   yes    no  none    reject unreachable  1"
        );
    }
}
