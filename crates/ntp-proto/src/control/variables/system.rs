//! The variables of the system.

use crate::association::AssociationId;
use crate::system::PeerSnapshot;

use super::super::schema::{self, THIS_HOUR};
use super::statistics::{of_this_hour, statistics};
use super::{CLIENT, Facts, date, learnt, millis, quoted, reference, timestamp};

/// A variable of the system; `None` if there is no such name. An empty value is not sent by default.
pub(in super::super) fn system(name: &str, facts: &Facts<'_>) -> Option<String> {
    if let Some(name) = name.strip_suffix(THIS_HOUR) {
        return of_this_hour(name, facts);
    }
    let name = schema::find(schema::SYSTEM, name)?.name;
    values(name, facts).or_else(|| more(name, facts)).or_else(|| statistics(name, facts))
}

/// What is sent by default.
fn values(name: &str, facts: &Facts<'_>) -> Option<String> {
    let variables = &facts.snapshot.system;
    let known = &variables.reference;
    let identity = facts.identity;
    let leap = variables.leap_table.as_ref();
    Some(match name {
        "leap" => known.leap.to_bits().to_string(),
        "stratum" => known.stratum.value().to_string(),
        "precision" => known.precision.exponent().to_string(),
        "rootdelay" => millis(known.root_delay, 3),
        "rootdisp" => millis(known.root_dispersion(facts.now()), 3),
        "refid" => reference(known.reference_id, known.stratum),
        "reftime" => timestamp(known.reference_timestamp),
        "tc" => variables.time_constant.exponent().to_string(),
        "peer" => variables.system_peer.map_or(0, AssociationId::number).to_string(),
        "offset" => millis(variables.offset, 6),
        "frequency" => format!("{:.6}", variables.frequency.as_ppm()),
        "sys_jitter" => millis(variables.jitter, 6),
        "clk_jitter" => millis(variables.clock_jitter, 6),
        "clock" => timestamp(identity.now.system),
        "processor" => told(identity.processor),
        "system" => told(identity.system),
        "version" => quoted(identity.version),
        "clk_wander" => format!("{:.6}", variables.clock_wander.as_ppm()),
        "tai" => learnt(leap, |leap| leap.tai.to_string()),
        "leapsec" => learnt(leap, |leap| date(leap.change)),
        "expire" => learnt(leap, |leap| date(leap.expires)),
        "mintc" => variables.time_constant_min.exponent().to_string(),
        _ => return None,
    })
}

/// Quoted, but nothing where it is not told.
fn told(text: &str) -> String {
    if text.is_empty() { String::new() } else { quoted(text) }
}

/// What is sent by name.
fn more(name: &str, facts: &Facts<'_>) -> Option<String> {
    let variables = &facts.snapshot.system;
    let oscillator = variables.oscillator.as_ref();
    Some(match name {
        "rootdist" => millis(variables.reference.root_distance(facts.now()), 3),
        "peeradr" => leader(facts).map_or_else(|| "0.0.0.0:0".to_owned(), |peer| peer.remote.to_string()),
        "peermode" => leader(facts).map_or("0", |_| CLIENT).to_owned(),
        "bcastdelay" | "authdelay" => "0.000".to_owned(),
        "ib_sigw" => learnt(oscillator, |one| format!("{:.6}", one.wander.as_ppm())),
        "ib_weights" => {
            learnt(oscillator, |one| quoted(&one.models.map(|percent| percent.to_string()).join(" ")))
        }
        "sys_var_list" => quoted(&schema::names(schema::SYSTEM)),
        _ => return None,
    })
}

/// The source that is followed.
fn leader<'a>(facts: &Facts<'a>) -> Option<&'a PeerSnapshot> {
    let id = facts.snapshot.system.system_peer?;
    facts.snapshot.peers.iter().find(|peer| peer.id == id)
}
