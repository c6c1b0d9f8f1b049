//! Values with their units, from 1 to 999 of the unit that fits (`ntpq -u`).

use ntp_proto::control::schema::{Unit, unit_of};

const TIMES: &[&str] = &["ns", "us", "ms", "s", "ks"];
const FREQUENCIES: &[&str] = &["ppt", "ppb", "ppm", "ppk"];

/// The units that a variable may be shown in, and which of them it is sent in.
fn scale(name: &str) -> Option<(&'static [&'static str], usize)> {
    match unit_of(name)? {
        Unit::Milliseconds => Some((TIMES, 2)),
        Unit::Seconds => Some((TIMES, 3)),
        Unit::PartsPerMillion => Some((FREQUENCIES, 2)),
        Unit::Number
        | Unit::Bits
        | Unit::LogSeconds
        | Unit::Timestamp
        | Unit::Date
        | Unit::Address
        | Unit::Filter
        | Unit::Text => None,
    }
}

/// A variable with its unit; `None` if it has none, is no number, or is a whole one, which counts seconds: of those
/// Debian's ntpq gives only `tai` a unit.
pub(crate) fn variable(name: &str, raw: &str) -> Option<String> {
    let (units, unit) = scale(name)?;
    if !raw.contains('.') && name != "tai" {
        return None;
    }
    let (number, unit) = scaled(raw, units, unit)?;
    Some(format!("{number}{unit}"))
}

/// The same with no more digits than have room in eight columns, whole numbers as well.
pub(crate) fn shortened(name: &str, raw: &str) -> Option<String> {
    let (units, unit) = scale(name)?;
    Some(fit(raw, units, unit)?.trim_start().to_owned())
}

/// Milliseconds in eight columns.
pub(crate) fn millis(raw: &str) -> Option<String> {
    fit(raw, TIMES, 2)
}

fn fit(raw: &str, units: &[&'static str], unit: usize) -> Option<String> {
    let (number, unit) = scaled(raw, units, unit)?;
    let room = 8_usize.saturating_sub(unit.len());
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let over = number.len().saturating_sub(room).min(decimals);
    let shown = match number.parse::<f64>() {
        Ok(value) if over > 0 => {
            let point = if over == decimals { "." } else { "" };
            format!("{value:.*}{point}", decimals - over)
        }
        Ok(_) | Err(_) => number,
    };
    Some(format!("{shown:>room$}{unit}"))
}

/// Moves the point by thousands, without making up digits that were not sent.
fn scaled(raw: &str, units: &[&'static str], unit: usize) -> Option<(String, &'static str)> {
    let (sign, digits) = raw.strip_prefix('-').map_or(("", raw), |rest| ("-", rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The smallest unit has no decimals.
    let decimals = decimals.get(..(3 * unit).min(decimals.len()))?;
    let whole = whole.trim_start_matches('0');
    if whole.is_empty() && decimals.bytes().all(|byte| byte == b'0') {
        return Some(("0".to_owned(), units.get(unit - (decimals.len() / 3).min(unit))?));
    }
    if whole.is_empty() {
        let zeros = decimals.bytes().take_while(|byte| *byte == b'0').count();
        let steps = (zeros / 3 + 1).min(decimals.len() / 3).min(unit);
        let (moved, rest) = decimals.split_at_checked(3 * steps)?;
        let moved = moved.trim_start_matches('0');
        let moved = if moved.is_empty() { "0" } else { moved };
        return Some((join(sign, moved, rest), units.get(unit - steps)?));
    }
    let steps = ((whole.len() - 1) / 3).min(units.len() - 1 - unit);
    let (kept, moved) = whole.split_at_checked(whole.len() - 3 * steps)?;
    Some((join(sign, kept, &format!("{moved}{decimals}")), units.get(unit + steps)?))
}

fn join(sign: &str, whole: &str, decimals: &str) -> String {
    if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_debians_ntpq() {
        // transcripts/ntpsec-pnu.txt and ntpsec-rv-units.txt
        for (raw, expected) in [
            ("0.037288", "37.288us"),
            ("0.000000", "     0ns"),
            ("0.000060", "    60ns"),
            ("0.012946", "12.946us"),
            ("-0.012946", "-12.95us"),
            ("1.367887", "1.3679ms"),
            ("15937.500000", "15.9375s"),
            ("123456789.0", "123.46ks"),
        ] {
            assert_eq!(millis(raw).unwrap(), expected, "{raw}");
        }
        assert_eq!(variable("dispersion", "1.367887").unwrap(), "1.367887ms");
        assert_eq!(variable("rootdelay", "0.000").unwrap(), "0us");
        assert_eq!(variable("frequency", "-12.5").unwrap(), "-12.5ppm");
        for (name, raw) in [
            ("stratum", "2"),
            ("headway", "0"),
            ("ntscookies", "-1"),
            ("offset", "x.y"),
            ("offset", ""),
            ("offset", "1e9.0"),
            ("poll", "x"),
            ("poll", ""),
        ] {
            assert_eq!(variable(name, raw), None, "{name}={raw}");
        }
    }

    #[test]
    fn whole_numbers_and_long_ones_have_their_units() {
        assert_eq!(variable("tai", "37").unwrap(), "37s");
        assert_eq!(shortened("rootdisp", "15937.512345").unwrap(), "15.9375s");
        assert_eq!(shortened("clk_wander", "0.000").unwrap(), "0ppb");
    }
}
