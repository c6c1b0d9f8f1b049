//! Answers to programs on this machine, as JSON: the same facts as mode 6 has, under the same names.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use ntp_proto::control::{
    ControlHeader, ControlMessage, ErrorCode, Item, Opcode, Reaction, Reassembly, ReassemblyError, Typed,
    listing, parse_items,
};
use ntp_proto::server::{ClientRecord, Restrictions};
use ntp_proto::time::MonoTime;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::{debug, info};

use super::Driver;
use super::control::Listing;
use crate::clock;
use crate::local::{Caller, LocalQuestion};

/// What can be asked.
const COMMANDS: &str = "associations, readvar, clockvar, mrulist, ifstats, reslist, config, reload";

/// Clients in an answer: unless more are asked for, and at most.
const CLIENTS_SHOWN: usize = 100;
const CLIENTS_MAX: usize = 1000;

/// Names in one question; each is asked for once.
const NAMES_MAX: usize = 256;

/// A question, as it comes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    command: String,
    #[serde(default)]
    association: u16,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default = "clients_shown")]
    limit: usize,
    line: Option<String>,
}

const fn clients_shown() -> usize {
    CLIENTS_SHOWN
}

impl Question {
    fn read(line: &str) -> Result<Self, String> {
        if line.trim().is_empty() {
            return Err(usage("an empty line"));
        }
        let question: Self = serde_json::from_str(line).map_err(|error| usage(&error.to_string()))?;
        if question.names.len() > NAMES_MAX {
            return Err(format!("there are more than {NAMES_MAX} names: ask for fewer at once"));
        }
        if question.limit > CLIENTS_MAX {
            return Err(format!("a limit is at most {CLIENTS_MAX}"));
        }
        Ok(question)
    }
}

fn usage(what: &str) -> String {
    format!(
        "{what}: expected {{\"command\": NAME}}, with \"association\" and \"names\" for variables, \"limit\" for \
        mrulist, \"line\" for config; commands are {COMMANDS}"
    )
}

impl Driver {
    /// Answers a question; whoever has gone away meanwhile gets nothing.
    pub(super) fn answer_locally(&mut self, question: LocalQuestion) {
        let LocalQuestion { line, caller, answer } = question;
        let reply = self.reply_to(&line, caller).unwrap_or_else(|reason| json!({ "error": reason }));
        if answer.send(reply.to_string()).is_err() {
            debug!("process {} has not waited for its answer", caller.process);
        }
    }

    fn reply_to(&mut self, line: &str, caller: Caller) -> Result<Value, String> {
        let question = Question::read(line)?;
        let names: Vec<&str> = question.names.iter().map(String::as_str).collect();
        match question.command.as_str() {
            "associations" => self.associations(),
            "readvar" => self.variables(Opcode::ReadVariables, question.association, &names),
            "clockvar" => self.variables(Opcode::ReadClock, question.association, &names),
            "mrulist" => self.clients(question.limit),
            "ifstats" | "reslist" | "config" | "reload" if !caller.is_trusted() => {
                Err(format!("{} is for root and for whom ntpd runs as", question.command))
            }
            "ifstats" => Ok(json!({ "interfaces": self.rows("ifstats")? })),
            "reslist" => Ok(json!({ "restrictions": self.rows("addr_restrictions")? })),
            "config" => {
                let line = question.line.as_deref().ok_or_else(|| usage("no line"))?;
                let said = self.put_in_force(line, &caller.to_string());
                Ok(json!({ "in_force": said.is_ok(), "said": said.unwrap_or_else(|reason| reason) }))
            }
            "reload" => self.reload_for(caller),
            _ => Err(usage("there is no such command")),
        }
    }

    /// Reads the configuration anew, as SIGHUP has it do.
    fn reload_for(&mut self, caller: Caller) -> Result<Value, String> {
        let now = clock::now().map_err(|error| error.to_string())?;
        info!("{caller} has the configuration read anew");
        let reloaded = self.reload_and_tell(now);
        Ok(json!({
            "in_force": reloaded.outcome.is_ok(),
            "said": reloaded.said(),
            "complaints": reloaded.complaints.kept,
            "complaints_left_out": reloaded.complaints.left_out,
        }))
    }

    /// The clients that were seen last, the latest first: one walk through the table, however many there are.
    fn clients(&self, limit: usize) -> Result<Value, String> {
        let now = clock::now().map_err(|error| error.to_string())?;
        let mut latest = BTreeMap::new();
        for list in self.service.clients() {
            list.for_each(now, |record| {
                latest.insert((Reverse(record.last), record.remote), record);
                if latest.len() > limit {
                    latest.pop_last();
                }
            });
        }
        let rows: Vec<Value> = latest.into_values().map(|record| client(&record, now)).collect();
        Ok(json!({ "clients": rows }))
    }

    fn associations(&mut self) -> Result<Value, String> {
        let (_, data) = self.ask(Opcode::ReadStatus, 0, &[])?;
        let (pairs, _) = data.as_chunks::<4>();
        let row = |[a, b, c, d]: &[u8; 4]| json!({ "association": u16::from_be_bytes([*a, *b]), "status": u16::from_be_bytes([*c, *d]) });
        Ok(json!({ "associations": pairs.iter().map(row).collect::<Vec<Value>>() }))
    }

    fn variables(&mut self, opcode: Opcode, association: u16, names: &[&str]) -> Result<Value, String> {
        let (status, data) = self.ask(opcode, association, names)?;
        let items = parse_items(&data);
        let variables: Map<String, Value> =
            items.iter().map(|item| (item.name.clone(), value(item))).collect();
        Ok(json!({ "association": association, "status": status, "variables": variables }))
    }

    /// What the responder says to this machine.
    fn ask(&mut self, opcode: Opcode, association: u16, names: &[&str]) -> Result<(u16, Vec<u8>), String> {
        let request = ControlHeader::request(opcode, 1, association);
        let packet = ControlMessage::write(&request, names.join(",").as_bytes());
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reaction = self.react(&packet, here, Restrictions::NONE).map_err(|error| error.to_string())?;
        let Reaction::Answer(packets) = reaction else { return Err("that is no question".to_owned()) };
        let mut reassembly = Reassembly::new(request);
        for packet in packets {
            match reassembly.accept(&packet) {
                Ok(Some(response)) => return Ok((response.status, response.data)),
                Ok(None) => {}
                Err(ReassemblyError::Refused(code)) => return Err(refusal(code).to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("there is no answer to that".to_owned())
    }

    /// The rows of a list.
    fn rows(&self, name: &str) -> Result<Vec<Value>, String> {
        let now = clock::now().map_err(|error| error.to_string())?;
        let text = listing(name, &Listing { driver: self }, now).unwrap_or_default();
        let mut rows: Vec<Map<String, Value>> = Vec::new();
        for item in parse_items(&text) {
            let Some((name, index)) = item.name.rsplit_once('.') else { continue };
            let Ok(index) = index.parse::<usize>() else { continue };
            // Rows come one after the other.
            if index == rows.len() {
                rows.push(Map::new());
            }
            if let Some(row) = rows.get_mut(index) {
                row.insert(name.to_owned(), value(&item));
            }
        }
        Ok(rows.into_iter().map(Value::Object).collect())
    }
}

/// What the daemon's refusals of mode 6 mean here.
const fn refusal(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadAssociation => "there is no such association: ask for associations",
        ErrorCode::UnknownVariable => "there is no variable of that name: ask for readvar without names",
        ErrorCode::Permission | ErrorCode::Restricted => "that is not permitted",
        ErrorCode::BadFormat | ErrorCode::BadOpcode | ErrorCode::BadValue | ErrorCode::Other(_) => {
            "that cannot be asked"
        }
    }
}

/// Under the names that `ntpq --json -c mrulist` has.
fn client(record: &ClientRecord, now: MonoTime) -> Value {
    let intervals = f64::from(record.count.saturating_sub(1).max(1));
    json!({
        "address": record.remote.ip().to_string(),
        "port": record.remote.port(),
        "last_s": now.since(record.last).as_secs_f64(),
        "interval_s": record.last.since(record.first).as_secs_f64() / intervals,
        "count": record.count,
        "mode": record.mode.to_bits(),
        "version": record.version,
        "limited": record.limited,
    })
}

fn value(item: &Item) -> Value {
    match item.typed() {
        Typed::Whole(number) => number.into(),
        Typed::Number(number) => number.into(),
        Typed::Numbers(numbers) => numbers.into(),
        Typed::Text(text) => text.into(),
        Typed::Missing => Value::Null,
    }
}
