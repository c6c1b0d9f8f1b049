//! `mrulist`: the clients that a daemon remembers, the latest first.

use std::io::Write;

use ntp_proto::time::NtpTimestamp;

use crate::client::ClientRow;

use super::{CommandError, Context};

/// Flags of a row, as ntp 4.2.8 numbers them.
const LIMITED: u32 = 0x20;
const KOD: u32 = 0x400;

pub(super) fn run(context: &mut Context<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let list = context.client.clients()?;
    writeln!(out, "lstint avgint rstr r m v  count rport remote address")?;
    writeln!(out, "{}", "=".repeat(78))?;
    for row in list.rows.iter().rev() {
        writeln!(out, "{}", line(row, list.now))?;
    }
    Ok(())
}

fn line(row: &ClientRow, now: NtpTimestamp) -> String {
    let silence = (now - row.last).as_seconds_f64().max(0.0);
    let average = (row.last - row.first).as_seconds_f64() / f64::from(row.count.saturating_sub(1).max(1));
    let rate = match row.restrictions {
        flags if flags & KOD != 0 => 'K',
        flags if flags & LIMITED != 0 => 'L',
        _ => '.',
    };
    let (mode, version) = (row.mode_version & 7, row.mode_version >> 3 & 7);
    format!(
        "{silence:>6.0} {average:>6.0} {:>4x} {rate} {mode} {version} {:>6} {:>5} {}",
        row.restrictions,
        row.count,
        row.remote.port(),
        row.remote.ip()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_columns_of_the_originals() {
        let at = |seconds: u64| NtpTimestamp::from_bits(seconds << 32);
        let row = ClientRow {
            remote: "192.0.2.7:123".parse().unwrap(),
            first: at(1000),
            last: at(1640),
            count: 11,
            mode_version: 4 << 3 | 3,
            restrictions: 0x5a0,
        };
        assert_eq!(line(&row, at(1652)), "    12     64  5a0 K 3 4     11   123 192.0.2.7");
    }
}
