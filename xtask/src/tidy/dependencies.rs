//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::process::{cargo, output, root};

/// Our crates and those of ours that each may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("ntp-proto", &[]),
    ("ntp-conf", &[]),
    ("ntp-os", &[]),
    ("ntp-sim", &["ntp-proto"]),
    ("ntpd", &["ntp-conf", "ntp-os", "ntp-proto"]),
    ("ntpq", &["ntp-conf", "ntp-os", "ntp-proto"]),
    ("ntpctl", &["ntp-conf", "ntp-os", "ntp-proto", "ntp-sim", "ntpd", "ntpq"]),
    // For the manual pages and completions of the package.
    ("xtask", &["ntp-conf", "ntpctl", "ntpd", "ntpq"]),
];

/// The crates that do no input or output, and what would let them.
const PURE: &[&str] = &["ntp-proto", "ntp-conf"];
const IMPURE: &[&str] = &["tokio", "mio", "nix", "rand", "getrandom"];

/// Licences that go with ours.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unlicense",
    "Unicode-3.0",
    "CC0-1.0",
    "BSL-1.0",
    "0BSD",
    "MIT-0",
];

pub(crate) fn check() -> Result<Vec<String>, String> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut findings = arrows(&metadata);
    findings.extend(purity(&metadata));
    findings.extend(licences(&metadata));
    findings.extend(reasons()?);
    Ok(findings)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Between our own crates only the arrows of ARCHITECTURE.md.
fn arrows(metadata: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else { continue };
        let normal =
            list(package, "dependencies").iter().filter(|used| used.get("kind").is_some_and(Value::is_null));
        for used in normal.map(|used| text(used, "name")) {
            let ours = ALLOWED.iter().any(|(known, _)| *known == used);
            if ours && !allowed.contains(&used) {
                findings.push(format!("{name} must not depend on {used}"));
            }
        }
    }
    findings
}

/// The pure crates reach nothing, however indirectly, that could read a clock or a socket.
fn purity(metadata: &Value) -> Vec<String> {
    let names: BTreeMap<&str, &str> = list(metadata, "packages")
        .iter()
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let nodes = metadata.get("resolve").map(|resolve| list(resolve, "nodes")).unwrap_or_default();
    let uses: BTreeMap<&str, Vec<&str>> =
        nodes.iter().map(|node| (text(node, "id"), normal_uses(node))).collect();
    let mut findings = Vec::new();
    for (id, name) in names.iter().filter(|(_, name)| PURE.contains(name)) {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![*id];
        while let Some(next) = waiting.pop() {
            if reached.insert(next) {
                waiting.extend(uses.get(next).into_iter().flatten());
            }
        }
        let reached: BTreeSet<&str> = reached.iter().filter_map(|id| names.get(id).copied()).collect();
        let bad = IMPURE.iter().filter(|impure| reached.contains(*impure));
        findings.extend(bad.map(|impure| format!("{name} must not reach {impure}")));
    }
    findings
}

fn normal_uses(node: &Value) -> Vec<&str> {
    let is_normal = |used: &&Value| {
        list(used, "dep_kinds").iter().any(|kind| kind.get("kind").is_some_and(Value::is_null))
    };
    list(node, "deps").iter().filter(is_normal).map(|used| text(used, "pkg")).collect()
}

/// Every licence of a dependency, or one of those it offers, goes with ours.
fn licences(metadata: &Value) -> Vec<String> {
    let fits = |licence: &str| {
        let offers = licence.replace('/', " OR ");
        offers.split(" OR ").any(|offer| {
            offer
                .trim_matches(['(', ')', ' '])
                .split(" AND ")
                .all(|part| LICENCES.contains(&part.trim_matches(['(', ')', ' '])))
        })
    };
    list(metadata, "packages")
        .iter()
        .filter(|package| !fits(text(package, "license")))
        .map(|package| {
            format!("{}: licence \"{}\" is not on the list", text(package, "name"), text(package, "license"))
        })
        .collect()
}

/// Every dependency of the workspace has a comment above it that says why it is there.
fn reasons() -> Result<Vec<String>, String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).map_err(|error| error.to_string())?;
    let mut inside = false;
    let mut before = "";
    let mut findings = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.contains('=') && !line.starts_with('#') {
            let ours = line.contains("path = ");
            if !before.starts_with('#') && !ours {
                findings.push(format!("Cargo.toml: no reason above `{line}`"));
            }
        }
        before = line;
    }
    Ok(findings)
}
