//! The manual page ntp.conf(5), from the schema.

use crate::schema::{Entry, Setting, Support, Treatment, Value, entries};

const HEAD: &str = r".SH NAME
ntp.conf \- configuration of ntpd
.SH DESCRIPTION
The file holds one directive on each line. Words are separated by blanks or tabs; a
.B #
outside of quotes begins a comment, even behind a word. A word in double quotes may hold blanks; there is no
way to write a quote inside of one. Keywords are lower case. No line continues on the next.
.PP
A mistake costs the word it is about, and no more: ntpd and
.B ntpctl check
name its line and column, what is in force all the same, and what to write instead.
.PP
Files named by
.B includefile
are read where they are named, those of the directory
.I ntp.d
beside the file after it, in the order of their names. Of a directive that holds one value, the last line
counts; restrictions of the same address add up.
";

const TAIL: &str = r".SH FILES
.I /etc/ntp.conf
.SH SEE ALSO
.BR ntpctl (8),
.BR ntpd (8),
.BR ntpq (1)
";

/// The page, for man(7).
pub fn manual(version: &str) -> String {
    let mut lines = vec![format!(".TH NTP.CONF 5 \"\" \"ntp {version}\" \"File formats\"")];
    lines.extend(HEAD.lines().map(ToOwned::to_owned));
    lines.push(".SH DIRECTIVES".to_owned());
    let is_rejected = |entry: &&Entry| matches!(entry.treatment, Treatment::Rejected(_));
    let (rejected, known): (Vec<&Entry>, Vec<&Entry>) = entries().partition(is_rejected);
    for entry in known {
        lines.extend(directive(entry));
    }
    lines.push(".SH NOT SUPPORTED".to_owned());
    lines.push("These lines are kept, and reported with what to do instead.".to_owned());
    for entry in rejected {
        if let Treatment::Rejected(instead) = entry.treatment {
            lines.push(format!(
                ".TP\n.B {}\n{}: {}.",
                escape(entry.name),
                escape(entry.meaning),
                escape(instead)
            ));
        }
    }
    lines.extend(TAIL.lines().map(ToOwned::to_owned));
    lines.join("\n") + "\n"
}

fn directive(entry: &Entry) -> Vec<String> {
    let mut lines = vec![".TP".to_owned(), format!(".B {}", escape(&entry.synopsis()))];
    let default = Some(entry.default).filter(|default| !default.is_empty());
    let default = default.map(|default| format!(" Without it: {}.", escape(default))).unwrap_or_default();
    let remark = remark(entry.support, entry.treatment);
    lines.push(format!("{}.{default}{remark}", sentence(entry.meaning)));
    if !entry.settings.is_empty() {
        lines.push(".RS".to_owned());
        lines.extend(entry.settings.iter().flat_map(setting));
        lines.push(".RE".to_owned());
    }
    lines
}

fn setting(setting: &Setting) -> [String; 3] {
    let value = if setting.value.is_some() { " \\fIVALUE\\fR" } else { "" };
    let default = Some(setting.default).filter(|default| !default.is_empty());
    let default = default.map(|default| format!(" Default: {}.", escape(default))).unwrap_or_default();
    let remark = remark(setting.support, setting.treatment);
    let range = setting.value.filter(|value| !matches!(value, Value::Text));
    let range = range.map(|value| format!(" It is {}.", escape(&value.described()))).unwrap_or_default();
    let text = format!("{}.{range}{default}{remark}", sentence(setting.meaning));
    [".TP".to_owned(), format!("\\fB{}\\fR{value}", escape(setting.name)), text]
}

fn remark(support: Support, treatment: Treatment) -> String {
    let known = match support {
        Support::Both => "",
        Support::Classic => " (Classic ntpd.)",
        Support::Ntpsec => " (NTPsec.)",
        Support::Neither => " (No daemon of today.)",
        Support::Ours => " (This ntpd only.)",
    };
    let done = match treatment {
        Treatment::Acted | Treatment::Rejected(_) => "",
        Treatment::Satisfied => " Always so here.",
        Treatment::Accepted => " Accepted, and not acted on.",
    };
    format!("{done}{known}")
}

/// A text as the beginning of a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    escape(&(first + characters.as_str()))
}

/// Text that roff takes for nothing but text.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_and_setting_has_its_place() {
        let page = manual("5.0.0");
        for entry in entries() {
            assert!(page.contains(&escape(entry.name)), "{}", entry.name);
            if matches!(entry.treatment, Treatment::Rejected(_)) {
                continue;
            }
            for setting in entry.settings {
                assert!(page.contains(&format!("\\fB{}\\fR", escape(setting.name))), "{}", setting.name);
            }
        }
    }

    #[test]
    fn every_request_is_one_that_man_knows() {
        for line in manual("5.0.0").lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split(' ').next().unwrap_or_default();
            let known = [".TH", ".SH", ".PP", ".TP", ".B", ".I", ".BR", ".RS", ".RE"];
            assert!(known.contains(&request), "{line}");
        }
    }
}
