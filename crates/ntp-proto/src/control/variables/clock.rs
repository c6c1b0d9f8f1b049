//! The variables of a reference clock. There is one kind, the local clock.

use crate::system::PeerSnapshot;

use super::super::schema;
use super::quoted;

/// A variable of a reference clock; `None` if there is no such name.
pub(in super::super) fn clock(name: &str, clock: &PeerSnapshot) -> Option<String> {
    Some(match schema::find(schema::CLOCK, name)?.name {
        "name" => quoted("LOCAL"),
        "timecode" => quoted(""),
        // It is there, and says nothing that could be wrong.
        "poll" | "noreply" | "badformat" | "baddata" | "flags" => "0".to_owned(),
        "stratum" => clock.stratum.value().to_string(),
        "refid" => clock.reference_id.code().unwrap_or_else(|| clock.reference_id.to_string()),
        "device" => quoted("Undisciplined local clock"),
        "type" => "1".to_owned(),
        "fudgetime1" | "fudgetime2" => "0.000".to_owned(),
        "clock_var_list" => quoted(&schema::names(schema::CLOCK)),
        _ => return None,
    })
}
