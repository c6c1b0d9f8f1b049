//! Answers for programs: one object a line, with the names and the numbers of the daemon.
//!
//! Every object has `host` and `command`. What a daemon sends as a number stays one, in its unit (mode 6:
//! milliseconds for offsets, delays and dispersions, ppm for frequencies, seconds for counters of time); everything
//! else is text. Names may be added to an object, and none changes its meaning.

use std::io::Write;

use ntp_proto::control::{Item, PeerStatus, SystemStatus, Typed, peer_event_word, system_event_word};
use serde_json::{Map, Value, json};

use crate::command::CommandError;
use crate::format::status;

/// Writes one object.
pub(crate) fn write(host: &str, command: &str, body: Value, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut object = Map::new();
    object.insert("host".to_owned(), host.into());
    object.insert("command".to_owned(), command.into());
    if let Value::Object(fields) = body {
        object.extend(fields);
    }
    let text = serde_json::to_string(&Value::Object(object)).map_err(std::io::Error::other)?;
    Ok(writeln!(out, "{text}")?)
}

/// Variables by name.
pub(crate) fn variables(items: &[Item]) -> Value {
    let pairs = items.iter().map(|item| (item.name.clone(), value(item)));
    Value::Object(pairs.collect())
}

/// A number where it is one and was not in quotes; else text.
pub(crate) fn value(item: &Item) -> Value {
    match item.typed() {
        Typed::Whole(number) => number.into(),
        Typed::Number(number) => number.into(),
        Typed::Numbers(numbers) => numbers.into(),
        Typed::Text(text) => text.into(),
        Typed::Missing => Value::Null,
    }
}

/// A system status word, taken apart.
pub(crate) fn system_status(word: u16) -> Value {
    let facts = SystemStatus::of(word);
    json!({
        "word": word,
        "leap": facts.leap.to_bits(),
        "source": status::source(facts.source),
        "events": facts.event_count,
        "last_event": system_event_word(facts.event),
    })
}

/// A peer status word, taken apart.
pub(crate) fn peer_status(word: u16) -> Value {
    let facts = PeerStatus::of(word);
    json!({
        "word": word,
        "configured": facts.configured,
        "authentication": facts.authenable,
        "authentic": facts.authentic,
        "reachable": facts.reachable,
        "condition": status::condition(facts.selection),
        "events": facts.event_count,
        "last_event": peer_event_word(facts.event),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp_proto::control::parse_items;

    #[test]
    fn numbers_are_numbers_and_the_rest_is_text() {
        let data = b"stratum=2, offset=-0.010329, reach=0xff, reftime=0xeeae4cbc.857e427b, refid=1234, \
            version=\"4\", filtdelay=0.06 0.07, precision=-24, x=, tc=, huge=1e999, name=inf";
        let object = variables(&parse_items(data));
        for (name, expected) in [
            ("stratum", json!(2)),
            ("offset", json!(-0.010_329)),
            ("reach", json!(255)),
            ("reftime", json!("0xeeae4cbc.857e427b")),
            ("version", json!("4")),
            ("filtdelay", json!([0.06, 0.07])),
            ("precision", json!(-24)),
            ("x", json!("")),
            ("tc", json!(null)),
            ("refid", json!("1234")),
            ("huge", json!("1e999")),
            ("name", json!("inf")),
        ] {
            assert_eq!(object[name], expected, "{name}");
        }
    }
}
