//! The lines of `sysinfo`, `sysstats` and their like, in NTPsec's columns.

use ntp_proto::control::{integer, timestamp};
use ntp_proto::time::UnixTime;

use crate::values::date;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it came.
    Plain,
    /// A number with a point, without the zeros behind it.
    Decimal,
    /// Words; nothing where there are none.
    Words,
    /// An address, or the name that it has.
    Address,
    /// Two bits.
    Leap,
    /// The name of a mode.
    Mode,
    /// A moment, and its date.
    Moment,
    /// A span, as hours, minutes and seconds.
    Span,
    /// A count, and how many of it there were in a second of the last span.
    Count,
}

/// The modes, by number (RFC 5905 §7.3).
const MODES: [&str; 9] =
    ["unspec", "sym_active", "sym_passive", "client", "server", "broadcast", "control", "private", "bclient"];

/// Columns of a value.
const WIDTH: usize = 13;

/// A value as classic ntpq shows it in a report.
pub(crate) fn classic_value(name: &str, raw: &str, pivot: UnixTime) -> String {
    match (name, integer(raw)) {
        ("leap", Some(leap)) => format!("{:02b}", leap & 3),
        ("peermode", Some(mode)) => mode_name(mode),
        ("reftime", _) => super::variables::classic_moment(raw, pivot),
        _ => raw.to_owned(),
    }
}

fn mode_name(mode: i64) -> String {
    let name = usize::try_from(mode).ok().and_then(|mode| MODES.get(mode));
    name.map_or_else(|| format!("mode#{mode}"), |name| (*name).to_owned())
}

/// A line; `span` are the seconds over which counts were made. A value that the daemon does not have is a dash.
pub(crate) fn line(
    label: &str,
    kind: Kind,
    value: Option<&str>,
    span: &mut i64,
    pivot: UnixTime,
) -> Option<String> {
    let shown = cell(kind, value, span, pivot)?;
    if kind == Kind::Mode {
        return Some(format!("{label}  {shown}"));
    }
    let text = format!("{label:>WIDTH$} {shown:>WIDTH$}");
    Some(if kind == Kind::Count { format!("{text} {}", rate(value, *span)) } else { text })
}

/// A line of a counter since the start and since the last reset; each with its span.
pub(crate) fn line_of_two(
    label: &str,
    kind: Kind,
    values: [Option<&str>; 2],
    spans: &mut [i64; 2],
    pivot: UnixTime,
) -> Option<String> {
    let [first, second] = spans;
    let one = cell(kind, values[0], first, pivot)?;
    let other = cell(kind, values[1], second, pivot)?;
    let text = format!("{label:>WIDTH$} {one:>WIDTH$} {other:>WIDTH$}");
    let rates = || format!(" {} {}", rate(values[0], *first), rate(values[1], *second));
    Some(if kind == Kind::Count { text + &rates() } else { text })
}

fn cell(kind: Kind, value: Option<&str>, span: &mut i64, pivot: UnixTime) -> Option<String> {
    let Some(raw) = value else { return Some("-".to_owned()) };
    let number = integer(raw);
    Some(match (kind, number) {
        (Kind::Words | Kind::Address, _) => Some(raw).filter(|raw| !raw.is_empty())?.to_owned(),
        (Kind::Leap, Some(leap)) => format!("{:02b}", leap & 3),
        (Kind::Mode, Some(mode)) => mode_name(mode),
        (Kind::Span, Some(seconds)) => {
            *span = seconds;
            hours(seconds)
        }
        (Kind::Moment, _) => match timestamp(raw) {
            Some(time) => format!("{time:?} {}", date(time, pivot)),
            None => raw.to_owned(),
        },
        (Kind::Decimal, _) => super::variables::number(raw),
        // A set of bits is shown as a number.
        (Kind::Plain | Kind::Count, Some(number)) => number.to_string(),
        (Kind::Plain | Kind::Count | Kind::Leap | Kind::Mode | Kind::Span, _) => raw.to_owned(),
    })
}

/// `00:12:19`, with days before it where there are any.
fn hours(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let days = if seconds >= 86_400 { format!("{}D ", seconds / 86_400) } else { String::new() };
    format!("{days}{:02}:{:02}:{:02}", seconds % 86_400 / 3600, seconds % 3600 / 60, seconds % 60)
}

/// Packets in a second, or seconds for a packet.
fn rate(value: Option<&str>, span: i64) -> String {
    let count = value.and_then(integer).unwrap_or(0);
    if count == 0 || span <= 0 {
        return format!("{:>10}{:<3}", "", "");
    }
    #[expect(clippy::cast_precision_loss, reason = "rounded to whole numbers")]
    let (count, span) = (count as f64, span as f64);
    if count > span {
        format!("{:>10}{:<3}", format!("{:?}", (count / span).round_ties_even()), "p/s")
    } else {
        format!("{:>10}{:<3}", format!("{:?}", (span / count).round_ties_even()), "s/p")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_debians_ntpq() {
        // transcripts/ntpsec-sysstats.txt, -iostats.txt, -sysinfo.txt
        let pivot = UnixTime::new(1_795_000_000, 0);
        let mut spans = [0, 0];
        let both = |value| [Some(value), Some(value)];
        let mut two = |label, kind, value| line_of_two(label, kind, both(value), &mut spans, pivot).unwrap();
        assert_eq!(
            two("sysstats reset:       ", Kind::Span, "739"),
            "sysstats reset:             00:12:19      00:12:19"
        );
        assert_eq!(
            two("packets received:     ", Kind::Count, "622"),
            "packets received:                622           622        1.0s/p        1.0s/p"
        );
        assert_eq!(
            two("declined:             ", Kind::Count, "0"),
            "declined:                          0             0                            "
        );
        let mut span = 744;
        let mut one = |label, kind, value| line(label, kind, Some(value), &mut span, pivot).unwrap();
        assert_eq!(
            one("packets sent:         ", Kind::Count, "803"),
            "packets sent:                    803        1.0p/s"
        );
        assert_eq!(one("leap indicator:   ", Kind::Leap, "0"), "leap indicator:               00");
        assert_eq!(one("system peer mode: ", Kind::Mode, "3"), "system peer mode:   client");
        assert_eq!(one("root delay:       ", Kind::Decimal, "0.040"), "root delay:                 0.04");
        assert_eq!(one("enabled:              ", Kind::Plain, "0x3"), "enabled:                           3");
        assert_eq!(hours(200_000), "2D 07:33:20");
        assert_eq!(line("x:", Kind::Words, Some(""), &mut span, pivot), None);
        assert_eq!(
            line("kernel status:       ", Kind::Words, None, &mut span, pivot).unwrap(),
            "kernel status:                    -"
        );
    }
}
