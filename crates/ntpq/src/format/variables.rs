//! The text of `rv`: items wrapped at 78 columns, values made readable.

use ntp_proto::control::{Item, escaped, integer, timestamp};
use ntp_proto::time::UnixTime;

use crate::values::{classic_date, date};

/// Columns that a line may fill.
const LINE_WIDTH: usize = 78;

/// The same of classic ntpq.
const CLASSIC_WIDTH: usize = 72;

/// The last eight measurements, in milliseconds; old daemons of classic's call the last of them otherwise than ours.
const FILTERS: [&str; 4] = ["filtdelay", "filtoffset", "filtdisp", "filterror"];

fn is_filter(name: &str) -> bool {
    FILTERS.contains(&name)
}

/// Names of the flash bits, from the lowest.
const FLASH: [&str; 13] = [
    "pkt_dup",
    "pkt_bogus",
    "pkt_unsync",
    "pkt_denied",
    "pkt_auth",
    "pkt_stratum",
    "pkt_header",
    "pkt_autokey",
    "pkt_crypto",
    "peer_stratum",
    "peer_dist",
    "peer_loop",
    "peer_unreach",
];

/// All items, with a newline at the end. `pivot` tells the era of timestamps.
pub(crate) fn cooked(items: &[Item], pivot: UnixTime, units: bool) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let mut column = 0;
    for (index, item) in items.iter().enumerate() {
        let in_unit = if units { super::units::variable(&item.name, &item.value) } else { None };
        let cell = match in_unit {
            Some(shown) => format!("{}={shown}", item.name),
            None if units && is_filter(&item.name) => {
                format!("{}={} ms", item.name, value(item, pivot))
            }
            None => format!("{}={}", item.name, value(item, pivot)),
        };
        let separator = if index + 1 < items.len() { ", " } else { "" };
        let is_row = is_filter(&item.name);
        // As if something came after the last one, too: so does Debian's ntpq.
        let width = cell.chars().count() + ", ".len();
        if column > 0 && (column + width > LINE_WIDTH || is_row) {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            column = 0;
        }
        text.push_str(&cell);
        text.push_str(separator);
        // The eight numbers of a filter have a line of their own.
        column = if is_row { LINE_WIDTH } else { column + width };
    }
    text.push('\n');
    text
}

/// The same in classic ntpq's words and lines: values as they came, dates of another form, lines of 72 columns.
pub(crate) fn classic(items: &[Item], pivot: UnixTime) -> String {
    let mut text = String::new();
    let mut column = 0;
    for item in items {
        let is_row = is_filter(&item.name);
        let cell = if is_row {
            format!("{:<11}{}", format!("{}=", item.name), classic_filter(&item.value))
        } else {
            format!("{}={}", item.name, classic_value(item, pivot))
        };
        let length = cell.chars().count();
        if column > 0 {
            let wraps = is_row || column + length + 2 > CLASSIC_WIDTH;
            text.push_str(if wraps { ",\n" } else { ", " });
            column = if wraps { 0 } else { column + 2 };
        }
        text.push_str(&cell);
        column = if is_row { CLASSIC_WIDTH } else { column + length };
    }
    text.push('\n');
    text
}

fn classic_value(item: &Item, pivot: UnixTime) -> String {
    let raw = item.value.as_str();
    match item.name.as_str() {
        "leap" | "reach" => value(item, pivot),
        "flash" => integer(raw).map_or_else(|| raw.to_owned(), |bits| flash(bits, ", ")),
        "reftime" | "clock" | "org" | "rec" | "xmt" => classic_moment(raw, pivot),
        "refid" => {
            raw.strip_prefix("127.127.1.").map_or_else(|| raw.to_owned(), |unit| format!("LOCAL({unit})"))
        }
        _ if item.quoted => format!("\"{raw}\""),
        _ => raw.to_owned(),
    }
}

/// A moment and its date, which classic ntpq shows in local time, and ours in UTC.
pub(super) fn classic_moment(raw: &str, pivot: UnixTime) -> String {
    timestamp(raw).map_or_else(|| raw.to_owned(), |time| format!("{time:?}  {}", classic_date(time, pivot)))
}

fn classic_filter(raw: &str) -> String {
    let numbers: Option<Vec<f64>> = raw.split_whitespace().map(|part| part.parse().ok()).collect();
    let Some(numbers) = numbers else { return raw.to_owned() };
    // Seven characters at most, right in eight columns.
    let cell = |number: &f64| format!("{:>8.7}", format!("{number:.2}"));
    numbers.iter().fold(String::new(), |text, number| text + &cell(number))
}

/// What a daemon sent, as it came; control characters are no part of any answer.
pub(crate) fn raw(data: &[u8]) -> String {
    let mut text = String::new();
    for line in data.split(|byte| *byte == b'\n') {
        text.push_str(&escaped(line.strip_suffix(b"\r").unwrap_or(line)));
        text.push('\n');
    }
    // What ends with a line has none after it.
    let ended = data.ends_with(b"\n");
    text.truncate(text.len() - usize::from(ended));
    text
}

fn value(item: &Item, pivot: UnixTime) -> String {
    let raw = item.value.as_str();
    match item.name.as_str() {
        "leap" => integer(raw).map_or_else(|| raw.to_owned(), |leap| format!("{:02b}", leap & 3)),
        "reach" => integer(raw).map_or_else(|| raw.to_owned(), |reach| format!("{reach:03o}")),
        "flash" => integer(raw).map_or_else(|| raw.to_owned(), |bits| flash(bits, " ")),
        "reftime" | "clock" | "org" | "rec" | "xmt" => match timestamp(raw) {
            Some(time) => format!("{time:?} {}", date(time, pivot)),
            None => raw.to_owned(),
        },
        name if is_filter(name) => filter(raw),
        _ if item.quoted => format!("\"{raw}\""),
        _ => number(raw),
    }
}

/// `0.038000` as `0.038`: the zeros say nothing.
pub(super) fn number(raw: &str) -> String {
    match raw.parse::<f64>() {
        Ok(value) if value.is_finite() && raw.contains('.') => format!("{value:?}"),
        _ => raw.to_owned(),
    }
}

/// Eight numbers in columns; anything else as it came.
fn filter(raw: &str) -> String {
    let numbers: Option<Vec<f64>> = raw.split_whitespace().map(|part| part.parse().ok()).collect();
    match numbers {
        Some(numbers) => numbers.iter().fold(String::from(" "), |text, number| format!("{text}{number:9.2}")),
        None => raw.to_owned(),
    }
}

/// The names of the flash bits that are set.
pub(super) fn flash_names(bits: i64) -> Vec<&'static str> {
    let set = FLASH.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect()
}

fn flash(bits: i64, separator: &str) -> String {
    let names = flash_names(bits);
    if bits == 0 { "00 ok".to_owned() } else { format!("{bits:02x} {}", names.join(separator)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::parse_items;

    const PIVOT: UnixTime = UnixTime::new(1_795_000_000, 0);

    /// What NTPsec 1.2.2 sent, and what Debian's ntpq printed of it.
    #[test]
    fn system_variables_read_as_debians_ntpq_prints_them() {
        let data = b"leap=0, stratum=3, precision=-24, rootdelay=0.038, rootdisp=1.990,\r\n\
            refid=10.77.0.2, reftime=0xeeae4cbc.857e427b, tc=4, peer=17768,\r\n\
            offset=0.010329, frequency=0.000000, sys_jitter=0.007731, clk_jitter=0.007868,\r\n\
            clock=0xeeae4cff.6242db75, processor=\"x86_64\", version=\"ntpd ntpsec-1.2.2\"\r\n";
        let expected = "\
leap=00, stratum=3, precision=-24, rootdelay=0.038, rootdisp=1.99,
refid=10.77.0.2, reftime=eeae4cbc.857e427b 2026-11-23T05:25:16.521Z, tc=4,
peer=17768, offset=0.010329, frequency=0.0, sys_jitter=0.007731,
clk_jitter=0.007868, clock=eeae4cff.6242db75 2026-11-23T05:26:23.383Z,
processor=\"x86_64\", version=\"ntpd ntpsec-1.2.2\"
";
        assert_eq!(cooked(&parse_items(data), PIVOT, false), expected);
    }

    #[test]
    fn filters_have_lines_of_their_own_and_flash_has_names() {
        let data = b"delay=0.5, filtdelay=0.06 0.06 0.07 0.06 0.06 0.07 0.06 0.04, flash=0x1400, reach=0xff";
        let expected = "\
delay=0.5,
filtdelay=      0.06     0.06     0.07     0.06     0.06     0.07     0.06     0.04,
flash=1400 peer_dist peer_unreach, reach=377
";
        assert_eq!(cooked(&parse_items(data), PIVOT, false), expected);
    }

    #[test]
    fn junk_comes_through_harmless() {
        let data = b"filtdelay=O 0.07 0\x1b, flash=x, reach=, reftime=0xzz.1";
        let text = cooked(&parse_items(data), PIVOT, false);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
