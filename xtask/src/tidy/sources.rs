//! Sizes of files, stray printing, forbidden words.

use std::fs;

use crate::process::root;

/// A file of code is one topic; tests do not count.
const FILE_LINES_MAX: usize = 800;

/// The longest test module that may stand in the file that it tests.
const TEST_LINES_MAX: usize = 300;

/// The longest `main.rs` of a program.
const MAIN_LINES_MAX: usize = 40;

/// What must not stand in code; clippy finds most of it, but not where it is switched off.
const FORBIDDEN: &[&str] = &["todo!(", "unimplemented!(", "#![allow(", "#[allow(", "FIXME"];

pub(crate) fn check(files: &[String]) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    for file in files {
        let text = read(file)?;
        findings.extend(sizes(file, &text));
        // This file must name what it forbids.
        if !file.ends_with("tidy/sources.rs") {
            findings.extend(words(file, &text));
        }
        if file.starts_with("crates/") && file.ends_with("/lib.rs") && !file.contains("ntp-os") {
            let forbids = text.contains("#![forbid(unsafe_code)]");
            findings.extend((!forbids).then(|| format!("{file}: lacks #![forbid(unsafe_code)]")));
        }
        if text.contains("unsafe {")
            && !file.starts_with("crates/ntp-os/src/sys/")
            && !file.ends_with("tidy/sources.rs")
        {
            findings.push(format!("{file}: unsafe code belongs into ntp-os/src/sys"));
        }
    }
    Ok(findings)
}

/// Nothing that is committed names the machine that it was made on.
pub(crate) fn check_texts(files: &[String]) -> Vec<String> {
    let here = root().display().to_string();
    let mut findings = Vec::new();
    for file in files {
        let Ok(bytes) = fs::read(root().join(file)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        if text.contains(&here) {
            findings.push(format!("{file}: names this machine's {here}"));
        }
        // Fixtures are as broken as they need to be.
        let fixture = file.contains("/fixtures/") || file.contains("/fuzz/corpus/");
        if !bytes.is_empty() && !bytes.ends_with(b"\n") && !fixture {
            findings.push(format!("{file}: lacks a newline at its end"));
        }
    }
    findings
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))
}

fn sizes(file: &str, text: &str) -> Vec<String> {
    let total = text.lines().count();
    let code = text.lines().position(|line| line.starts_with("mod tests {")).unwrap_or(total);
    let is_test = file.ends_with("tests.rs") || file.contains("/tests/") || file.starts_with("tests/");
    let mut findings = Vec::new();
    if code > FILE_LINES_MAX && !is_test {
        findings.push(format!("{file}: {code} lines of code, more than {FILE_LINES_MAX}"));
    }
    if total - code > TEST_LINES_MAX {
        findings.push(format!("{file}: {} lines of tests belong into a file of their own", total - code));
    }
    if file.starts_with("crates/") && file.ends_with("/main.rs") && total > MAIN_LINES_MAX {
        findings.push(format!("{file}: {total} lines, more than {MAIN_LINES_MAX}"));
    }
    findings
}

fn words(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
            findings.push(format!("{file}:{number}: {word}"));
        }
        let prints = ["println!", "eprintln!", "print!(", "dbg!("].iter().any(|word| line.contains(word));
        if prints && file.starts_with("crates/") {
            findings.push(format!("{file}:{number}: prints; write to a `dyn Write` instead"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_is_found() {
        assert_eq!(words("crates/a/src/b.rs", "fn f() { println!(\"x\") }\n#[allow(dead_code)]\n").len(), 2);
        assert_eq!(sizes("crates/a/src/b.rs", &"x\n".repeat(801)).len(), 1);
        assert_eq!(sizes("crates/a/src/main.rs", &"x\n".repeat(41)).len(), 1);
        assert_eq!(sizes("crates/a/src/tests.rs", &"x\n".repeat(801)).len(), 0);
    }
}
