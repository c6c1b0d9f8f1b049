//! Asking the daemon whether a new server answers it.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use ntp_conf::edit::canonical_host;
use ntpq::client::{Client, ClientError};
use ntpq::values::Variables;

use crate::interrupt::Interrupt;

/// How often the daemon is asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long one answer of the daemon may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the daemon says of the new server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Answers,
    Waiting(String),
}

/// Waits until `host` answers the daemon; else says why it does not.
pub(crate) fn wait_for_answer(
    daemon: SocketAddr,
    host: &str,
    port: u16,
    timeout: Duration,
    interrupt: &Interrupt,
) -> Result<(), String> {
    let deadline = Instant::now() + timeout;
    loop {
        if interrupt.has_come() {
            return Err("interrupted before the server answered".to_owned());
        }
        let standing = ask(daemon, host, port)
            .unwrap_or_else(|error| Standing::Waiting(format!(
                "ntpd does not answer on {daemon} ({error}): does a `restrict` line keep this machine from asking?"
            )));
        match standing {
            Standing::Answers => return Ok(()),
            Standing::Waiting(reason) if Instant::now() >= deadline => return Err(reason),
            Standing::Waiting(_) => thread::sleep(INTERVAL),
        }
    }
}

fn ask(daemon: SocketAddr, host: &str, port: u16) -> Result<Standing, ClientError> {
    let mut client = Client::connect(daemon)?.with_patience(PATIENCE);
    for association in client.associations()? {
        let (_, items) = client.variables(association.id, &[])?;
        let variables = Variables(&items);
        if is_about(variables, host, port) {
            return Ok(judge(variables, host));
        }
    }
    Ok(Standing::Waiting("ntpd does not know the server, although it was restarted".to_owned()))
}

/// Whether an association is the server's: by its configured name, or by its address.
fn is_about(variables: Variables<'_>, host: &str, port: u16) -> bool {
    let wanted = canonical_host(host);
    let same = |name: Option<&str>| name.is_some_and(|name| canonical_host(name) == wanted);
    let place = variables.text("srcadr").and_then(|text| text.parse::<IpAddr>().ok());
    // A name without an address yet has no port either.
    let unresolved = place.is_some_and(|address| address.is_unspecified());
    let same_port = variables.integer("srcport").is_none_or(|known| known == i64::from(port)) || unresolved;
    (same(variables.text("srchost")) || same(variables.text("srcadr"))) && same_port
}

fn judge(variables: Variables<'_>, host: &str) -> Standing {
    if variables.integer("reach").unwrap_or(0) != 0 {
        return Standing::Answers;
    }
    let code = variables.text("refid").unwrap_or_default();
    let heard = variables.timestamp("rec").is_some();
    Standing::Waiting(match code {
        "DNS" => format!("the name {host} cannot be resolved"),
        "DUP" => format!("every address of {host} is already in use by another line"),
        "DENY" | "RSTR" => format!("{host} refuses to serve this machine ({code})"),
        "RATE" => format!("{host} says that it is asked too often (RATE)"),
        _ if heard => format!("{host} answers, but is itself not synchronized"),
        _ => format!(
            "{host} does not answer: is the name right, and does a firewall let UDP port 123 through?"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::parse_items;

    fn verdict(data: &str) -> Option<Standing> {
        let items = parse_items(data.as_bytes());
        let variables = Variables(&items);
        is_about(variables, "Time.example", 123).then(|| judge(variables, "Time.example"))
    }

    #[test]
    fn the_new_server_is_known_by_name_or_address() {
        let row = "srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", reach=0x1";
        assert_eq!(verdict(row), Some(Standing::Answers));
        assert_eq!(verdict("srcadr=192.0.2.1, srcport=123, reach=0x1"), None);
        assert_eq!(verdict("srcadr=192.0.2.1, srcport=9, srchost=\"time.example\", reach=0x1"), None);
    }

    #[test]
    fn silence_has_a_reason() {
        for (row, word) in [
            ("srcadr=0.0.0.0, srcport=0, srchost=\"time.example\", refid=DNS, reach=0x0", "resolved"),
            ("srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", refid=DENY, reach=0x0", "refuses"),
            (
                "srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", refid=INIT, rec=0xee.1, reach=0x0",
                "synchronized",
            ),
            ("srcadr=192.0.2.1, srcport=123, srchost=\"time.example\", refid=INIT, reach=0x0", "firewall"),
        ] {
            let Some(Standing::Waiting(reason)) = verdict(row) else { panic!("{row}") };
            assert!(reason.contains(word), "{reason}");
        }
    }
}
