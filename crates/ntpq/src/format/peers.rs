//! The table of `ntpq -p`, in NTPsec's 79 columns.

use std::net::IpAddr;

use ntp_proto::control::{PeerStatus, Variables};
use ntp_proto::time::NtpTimestamp;
use serde_json::{Value, json};

use super::scaled;

/// Which columns a table has, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `peers`.
    Plain,
    /// `apeers`: with the numbers of the associations.
    Numbered,
    /// `opeers`: with the addresses here, and the dispersion.
    Local,
    /// `rpeers`: with what is longest at the end.
    NamesLast,
}

impl Layout {
    /// The layout of a command; `None` for other commands. Those that begin with an `l` show what is not configured
    /// as well, which all do.
    pub(crate) fn of(command: &str) -> Option<Self> {
        match command {
            "peers" => Some(Self::Plain),
            "apeers" => Some(Self::Numbered),
            "opeers" => Some(Self::Local),
            "rpeers" => Some(Self::NamesLast),
            _ => None,
        }
    }

    /// The heading.
    pub(crate) fn header(self, style: Style) -> String {
        let (names, last) = match self {
            Self::Plain => ("refid      ", "jitter"),
            Self::Local => ("local      ", "disp"),
            Self::Numbered => ("refid   assid  ", "jitter"),
            Self::NamesLast => ("", "jitter"),
        };
        let width = if style.classic { 7 } else { 8 };
        let middle = format!("st t when poll reach   delay   offset {last:>width$}");
        match self {
            Self::NamesLast => format!(" {middle} refid           T remote"),
            Self::Numbered => format!("     remote{:more$}       {names}{middle}", "", more = style.more),
            Self::Plain | Self::Local => {
                format!("     remote{:more$}           {names}{middle}", "", more = style.more)
            }
        }
    }

    /// One row, without its newline.
    pub(crate) fn row(self, association: u16, cells: &Cells, style: Style) -> String {
        let Cells { tally, remote, refid, local, middle, jitter, dispersion } = cells;
        let width = NAME_WIDTH + style.more;
        let name = if style.wide && remote.chars().count() > width {
            format!("{tally}{remote}\n{:width$} ", "")
        } else {
            format!("{tally}{remote:<width$.width$}")
        };
        let refid = shortened(refid, style.classic);
        match self {
            Self::Plain => format!("{name} {refid:<NAME_WIDTH$} {middle} {jitter}"),
            Self::Numbered => {
                let refid = if refid.chars().count() > 8 || (!style.classic && refid.chars().count() == 8) {
                    "..."
                } else {
                    &refid
                };
                format!("{name} {refid:<9}{association:<6} {middle} {jitter}")
            }
            Self::Local => {
                let local = shortened(local, style.classic);
                format!("{name} {local:<NAME_WIDTH$} {middle} {dispersion}")
            }
            Self::NamesLast => format!(" {middle} {jitter} {refid:<NAME_WIDTH$} {tally} {remote}"),
        }
    }
}

/// How a table is laid out, whatever it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// The columns of classic ntpq.
    pub(crate) classic: bool,
    /// Times with their units.
    pub(crate) units: bool,
    /// Long names on lines of their own.
    pub(crate) wide: bool,
    /// By how much the column of names is wider than usual.
    pub(crate) more: usize,
}

impl Style {
    /// Columns of the whole table.
    pub(crate) const fn columns(self) -> usize {
        if self.classic { WIDTH - 1 } else { WIDTH + self.more }
    }
}

/// What a row shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    tally: char,
    remote: String,
    refid: String,
    local: String,
    /// From the stratum to the offset.
    middle: String,
    jitter: String,
    dispersion: String,
}

/// Columns of the table.
const WIDTH: usize = 79;

/// Columns of a name, and of a reference.
const NAME_WIDTH: usize = 15;

/// The tally codes, by selection.
const TALLY: [char; 8] = [' ', 'x', '.', '-', '+', '#', '*', 'o'];

/// What is shown of a source. `name` shows an address as a name; `now` is this machine's time.
pub(crate) fn cells(
    status: u16,
    variables: Variables<'_>,
    now: NtpTimestamp,
    style: Style,
    name: &mut dyn FnMut(IpAddr) -> Option<String>,
) -> Cells {
    let selection = usize::from(PeerStatus::of(status).selection);
    let tally = TALLY.get(selection).copied().unwrap_or(' ');
    let stratum = variables.integer("stratum").unwrap_or(16);
    let kind = kind(variables);
    let when = interval(when(variables, now));
    let poll = interval(poll_seconds(variables));
    let reach = variables.integer("reach").unwrap_or(0);
    let number = |name: &str| number(name, variables, style);
    let (delay, offset) = (number("delay"), number("offset"));
    let offset = if style.classic { format!("{offset:>8}") } else { offset };
    Cells {
        tally,
        remote: remote(variables, name),
        refid: reference(variables.text("refid").unwrap_or_default(), style),
        local: variables.text("dstadr").unwrap_or_default().to_owned(),
        middle: format!("{stratum:2} {kind} {when:>4.4} {poll:>4.4}  {reach:3o} {delay:>8} {offset}"),
        jitter: number(if variables.text("jitter").is_some() { "jitter" } else { "dispersion" }),
        dispersion: number("dispersion"),
    }
}

/// Whatever `name` makes of an address that is one, else the configured name, else the address.
fn remote(variables: Variables<'_>, name: &mut dyn FnMut(IpAddr) -> Option<String>) -> String {
    let address = variables.text("srcadr").unwrap_or_default();
    let host = variables.text("srchost").filter(|host| !host.is_empty());
    let is_place = address != "0.0.0.0" && address != "::" && !address.starts_with("127.127.");
    match (is_place, address.parse::<IpAddr>()) {
        (true, Ok(parsed)) => name(parsed).unwrap_or_else(|| address.to_owned()),
        _ => host.unwrap_or(address).to_owned(),
    }
}

/// Milliseconds, in seven or eight columns.
fn number(name: &str, variables: Variables<'_>, style: Style) -> String {
    let width = if style.classic { 7 } else { 8 };
    let Some(value) = variables.number(name) else { return format!("{:>width$}", '-') };
    if style.classic {
        // What does not fit is cut off.
        return format!("{:>7.7}", format!("{value:.3}"));
    }
    let in_unit = variables.text(name).filter(|_| style.units).and_then(super::units::millis);
    let decimals = if has_microseconds(variables) { 4 } else { 3 };
    in_unit.unwrap_or_else(|| scaled(value, decimals))
}

/// A code stands between dots. Classic ntpq shows a local clock by its name.
fn reference(refid: &str, style: Style) -> String {
    let unit = refid.strip_prefix("127.127.1.").filter(|_| style.classic);
    match unit {
        Some(unit) => format!("LOCAL({unit})"),
        None if refid.contains(['.', ':']) => refid.to_owned(),
        None => format!(".{refid}."),
    }
}

/// What is too long for its column loses its beginning.
fn shortened(shown: &str, classic: bool) -> String {
    let length = shown.chars().count();
    if length <= NAME_WIDTH {
        return shown.to_owned();
    }
    let kept: String = shown.chars().skip(length - NAME_WIDTH + 1).collect();
    format!("{}{kept}", if classic { '_' } else { '-' })
}

/// What programs are told of a source.
pub(crate) fn object(association: u16, status: u16, variables: Variables<'_>, now: NtpTimestamp) -> Value {
    let selection = usize::from(PeerStatus::of(status).selection);
    let reach = variables.integer("reach").unwrap_or(0);
    let seconds = Some(when(variables, now)).filter(|seconds| *seconds > 0);
    json!({
        "assid": association,
        "tally": TALLY.get(selection).copied().unwrap_or(' ').to_string(),
        "condition": super::status::condition(PeerStatus::of(status).selection),
        "remote": variables.text("srcadr"),
        "name": variables.text("srchost").filter(|host| !host.is_empty()),
        "local": variables.text("dstadr"),
        "refid": variables.text("refid"),
        "stratum": variables.integer("stratum"),
        "type": kind(variables).to_string(),
        "when_s": seconds,
        "poll_s": poll_seconds(variables),
        // The newest poll first.
        "reach": (0..8).map(|bit| reach >> bit & 1 == 1).collect::<Vec<bool>>(),
        "delay_ms": variables.number("delay"),
        "offset_ms": variables.number("offset"),
        "jitter_ms": variables.number("jitter"),
        "dispersion_ms": variables.number("dispersion"),
        "flash": super::variables::flash_names(variables.integer("flash").unwrap_or(0)),
    })
}

/// What kind of source it is, from the mode in which it is asked.
fn kind(variables: Variables<'_>) -> char {
    let source = variables.text("srcadr").unwrap_or_default();
    match variables.integer("hmode") {
        Some(1) => 's',
        Some(2) => 'S',
        Some(3) if variables.text("srchost").is_some_and(|host| host.contains('(')) => 'l',
        Some(3) if variables.text("refid") == Some("POOL") => 'p',
        Some(3) if source.starts_with("224.") => 'a',
        Some(3) => nts_cookies(variables).unwrap_or('u'),
        Some(5) if source.starts_with("224.") => 'M',
        Some(5) => 'B',
        Some(6) => 'b',
        _ => '?',
    }
}

/// How many cookies an NTS association has left, as a digit.
fn nts_cookies(variables: Variables<'_>) -> Option<char> {
    let cookies = u32::try_from(variables.integer("ntscookies")?).ok()?;
    char::from_digit(cookies.min(9), 10)
}

/// Seconds since the last answer, else since the server was last corrected.
fn when(variables: Variables<'_>, now: NtpTimestamp) -> i64 {
    let last = variables.timestamp("rec").or_else(|| variables.timestamp("reftime"));
    last.map_or(0, |last| (now - last).as_nanos() / 1_000_000_000)
}

/// The shorter of both poll intervals. Some servers send exponents that they cannot mean.
fn poll_seconds(variables: Variables<'_>) -> i64 {
    let exponent = |name: &str| variables.integer(name).filter(|exponent| *exponent >= 0).unwrap_or(6);
    1_i64 << exponent("hpoll").min(exponent("ppoll")).clamp(0, 17)
}

/// The originals choose four decimals where the delay has six.
fn has_microseconds(variables: Variables<'_>) -> bool {
    let delay = variables.text("delay").unwrap_or_default();
    delay.rsplit_once('.').is_some_and(|(_, decimals)| decimals.len() == 6)
}

/// A time in four columns: seconds, minutes, hours or days.
fn interval(seconds: i64) -> String {
    if seconds <= 0 {
        return "-".to_owned();
    }
    if seconds <= 2048 {
        return seconds.to_string();
    }
    let minutes = (seconds + 29) / 60;
    if minutes <= 300 {
        return format!("{minutes}m");
    }
    let hours = (minutes + 29) / 60;
    if hours <= 96 {
        return format!("{hours}h");
    }
    format!("{}d", (hours + 11) / 24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::parse_items;

    fn numeric(_: IpAddr) -> Option<String> {
        None
    }

    /// Answers that NTPsec 1.2.2 gave, and what Debian's ntpq made of them (its transcript).
    #[test]
    fn rows_are_byte_for_byte_those_of_debians_ntpq() {
        let rec: u64 = 0xeeae_4c8c_0000_0000;
        let now = NtpTimestamp::from_bits(rec + (1 << 32));
        for (status, data, expected) in [
            (
                0xb61a,
                "srcadr=10.77.0.2, refid=127.127.1.1, stratum=2, hmode=3, ppoll=99, hpoll=4, rec=0xeeae4c8c.00000000, reach=0xff, delay=0.038000, offset=0.010329, jitter=0.008000",
                "*10.77.0.2       127.127.1.1      2 u    1   16  377   0.0380   0.0103   0.0080",
            ),
            (
                0x8011,
                "srcadr=10.77.0.99, refid=INIT, stratum=16, hmode=3, ppoll=9, hpoll=9, rec=0x00000000.00000000, reach=0x0, delay=0.000000, offset=0.000000, jitter=0.000060",
                " 10.77.0.99      .INIT.          16 u    -  512    0   0.0000   0.0000   0.0001",
            ),
            (
                0x8013,
                "srcadr=127.127.1.0, srchost=\"LOCAL(0)\", refid=LOCL, stratum=12, hmode=3, ppoll=6, hpoll=6, rec=0xeeae4924.00000000, reach=0x0, delay=0.000000, offset=0.000000, jitter=0.000000",
                " LOCAL(0)        .LOCL.          12 l  873   64    0   0.0000   0.0000   0.0000",
            ),
            (
                // A classic daemon sends three decimals.
                0x963a,
                "srcadr=fd77:1234:5678:9abc::2, refid=fd77:1234:5678:9abc::1, stratum=2, hmode=3, ppoll=4, hpoll=4, rec=0xeeae4c8c.00000000, reach=0x1, delay=0.038, offset=-1.5, jitter=0.008",
                "*fd77:1234:5678: -4:5678:9abc::1  2 u    1   16    1    0.038   -1.500    0.008",
            ),
        ] {
            let items = parse_items(data.as_bytes());
            let cells = cells(status, Variables(&items), now, Style::default(), &mut numeric);
            assert_eq!(Layout::Plain.row(1, &cells, Style::default()), expected);
        }
    }

    #[test]
    fn other_layouts_have_their_own_columns() {
        let data = b"srcadr=10.77.0.2, dstadr=10.77.0.10, refid=127.127.1.1, stratum=2, hmode=3, ppoll=99, hpoll=4, rec=0xeeae4c8c.00000000, reach=0xff, delay=0.039700, offset=0.009800, jitter=0.008800, dispersion=15937.5";
        let items = parse_items(data);
        let now = NtpTimestamp::from_bits((0xeeae_4c8c_u64 + 6) << 32);
        let cells = cells(0xb61a, Variables(&items), now, Style::default(), &mut numeric);
        // transcripts/ntpsec-apeers.txt and -opeers.txt; the last one is as it was meant.
        for (layout, expected) in [
            (
                Layout::Numbered,
                "*10.77.0.2       ...      17768   2 u    6   16  377   0.0397   0.0098   0.0088",
            ),
            (
                Layout::Local,
                "*10.77.0.2       10.77.0.10       2 u    6   16  377   0.0397   0.0098 15937.50",
            ),
            (
                Layout::NamesLast,
                "  2 u    6   16  377   0.0397   0.0098   0.0088 127.127.1.1     * 10.77.0.2",
            ),
        ] {
            assert_eq!(layout.row(17768, &cells, Style::default()), expected);
        }
    }

    #[test]
    fn a_row_of_nothing_is_still_a_row() {
        let cells = cells(0, Variables(&[]), NtpTimestamp::ZERO, Style::default(), &mut numeric);
        let text = Layout::Plain.row(1, &cells, Style::default());
        assert_eq!(text.split_whitespace().count(), 9, "{text}");
    }

    #[test]
    fn intervals_change_their_unit() {
        for (seconds, expected) in [
            (-5, "-"),
            (0, "-"),
            (2048, "2048"),
            (2049, "34m"),
            (18_000, "300m"),
            (18_100, "5h"),
            (400_000, "5d"),
        ] {
            assert_eq!(interval(seconds), expected, "{seconds}");
        }
    }
}
