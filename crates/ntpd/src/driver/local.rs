//! Answers to programs on this machine, as JSON: the same facts as mode 6 has, under the same names.

use std::net::{Ipv4Addr, SocketAddr};

use ntp_proto::control::{
    ControlHeader, ControlMessage, Item, Opcode, Reaction, Reassembly, Typed, listing, parse_items,
};
use ntp_proto::server::Restrictions;
use serde_json::{Map, Value, json};
use tracing::debug;

use super::Driver;
use super::control::Listing;
use crate::clock;
use crate::local::{Caller, LocalQuestion};

/// What can be asked.
const COMMANDS: &str = "associations, readvar, clockvar, ifstats, reslist, config";

/// Names in one question; each is asked for once.
const NAMES_MAX: usize = 256;

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
        let usage = |what: &str| {
            format!(
                "{what}: expected {{\"command\": NAME}}, with \"association\" and \"names\" for variables, \
                \"line\" for config; commands are {COMMANDS}"
            )
        };
        let question: Value = serde_json::from_str(line).map_err(|error| usage(&error.to_string()))?;
        let command = question["command"].as_str().ok_or_else(|| usage("no command"))?;
        let number = &question["association"];
        let association = if number.is_null() { Some(0) } else { number.as_u64() };
        let association = association
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| usage("no association has such a number"))?;
        let names = &question["names"];
        let list = names.as_array().map_or(&[][..], Vec::as_slice);
        if !(names.is_null() || names.is_array()) || list.len() > NAMES_MAX {
            return Err(usage("names are a list"));
        }
        let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        match command {
            "associations" => self.associations(),
            "readvar" => self.variables(Opcode::ReadVariables, association, &names),
            "clockvar" => self.variables(Opcode::ReadClock, association, &names),
            "ifstats" | "reslist" | "config" if !caller.is_trusted() => {
                Err(format!("{command} is for root and for whom ntpd runs as"))
            }
            "ifstats" => Ok(json!({ "interfaces": self.rows("ifstats")? })),
            "reslist" => Ok(json!({ "restrictions": self.rows("addr_restrictions")? })),
            "config" => {
                let line = question["line"].as_str().ok_or_else(|| usage("no line"))?;
                let who = format!("user {} (process {})", caller.user, caller.process);
                let said = self.put_in_force(line, &who);
                Ok(json!({ "in_force": said.is_ok(), "said": said.unwrap_or_else(|reason| reason) }))
            }
            _ => Err(usage("there is no such command")),
        }
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

fn value(item: &Item) -> Value {
    match item.typed() {
        Typed::Whole(number) => number.into(),
        Typed::Number(number) => number.into(),
        Typed::Numbers(numbers) => numbers.into(),
        Typed::Text(text) => text.into(),
        Typed::Missing => Value::Null,
    }
}
