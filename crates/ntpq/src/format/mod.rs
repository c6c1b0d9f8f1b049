//! Columns as Debian's ntpq has them, byte for byte.

pub(crate) mod peers;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod units;
pub(crate) mod variables;

/// A number in eight columns, with as many decimals as fit. `decimals` is 4 where the daemon sends
/// microseconds, else 3; a minus sign takes the place of one.
pub(crate) fn scaled(value: f64, decimals: usize) -> String {
    let (magnitude, room) = if value < 0.0 { (-value, 10.0) } else { (value, 1.0) };
    let mut limit = if decimals == 4 { 1_000.0 } else { 10_000.0 } / room;
    let mut places = decimals;
    while places > 0 && magnitude >= limit {
        limit *= 10.0;
        places -= 1;
    }
    // A number that no clock can mean would push the columns apart.
    if magnitude >= 1e8 / room {
        return format!("{value:8.0e}");
    }
    // Where no decimals fit, what is behind the point is cut off, not rounded.
    let shown = if places == 0 { value.trunc() } else { value };
    format!("{shown:8.places$}")
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn numbers_lose_decimals_as_they_grow() {
        for (value, expected) in [
            (0.0103, "  0.0103"),
            (999.5, "999.5000"),
            (1000.0, "1000.000"),
            (15937.5, "15937.50"),
            (123_456.7, "123456.7"),
            (1_234_567.0, " 1234567"),
            (-0.0768, " -0.0768"),
            (-99.5, "-99.5000"),
            (-100.0, "-100.000"),
            (-1000.0, "-1000.00"),
            (-123_456.0, " -123456"),
        ] {
            assert_eq!(scaled(value, 4), expected, "{value}");
        }
        assert!(scaled(1e308, 4).len() <= 8 && scaled(-1e300, 3).len() <= 8);
        assert_eq!(scaled(9999.5, 3), "9999.500");
        assert_eq!(scaled(-1000.0, 3), "-1000.00");
    }
}
