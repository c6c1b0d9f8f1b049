//! Words as they are written into a file.

use super::EditError;

/// A word as every daemon reads it back: in quotes where blanks or special characters ask for them.
///
/// # Errors
/// If no daemon could read it as it was meant: they drop bytes above 0x7f, know no escape for a
/// quote, and end a line at every newline.
pub fn quote(word: &str) -> Result<String, EditError> {
    if let Some(strange) = word.chars().find(|c| !c.is_ascii() || c.is_ascii_control() || *c == '"') {
        let reason = format!("{word:?} cannot be written into ntp.conf: {strange:?} has no place there");
        return Err(EditError::Nonsense(reason));
    }
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '#' | '{' | '}' | '(' | ')' | ';' | '|' | '=');
    if !word.is_empty() && word.chars().all(plain) { Ok(word.to_owned()) } else { Ok(format!("\"{word}\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cst::Line;
    use proptest::prelude::*;

    #[test]
    fn only_what_needs_quotes_gets_them() {
        assert_eq!(quote("/var/lib/ntp/ntp.drift").as_deref(), Ok("/var/lib/ntp/ntp.drift"));
        assert_eq!(quote("/tmp/a b").as_deref(), Ok("\"/tmp/a b\""));
        assert_eq!(quote("/tmp/a#b").as_deref(), Ok("\"/tmp/a#b\""));
        assert_eq!(quote("").as_deref(), Ok("\"\""));
        for word in ["a\"b", "a\nb", "\u{e9}", "\0"] {
            assert!(quote(word).is_err(), "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(word in "[ -~]{0,20}") {
            if let Ok(text) = quote(&word) {
                let line = format!("driftfile {text} x");
                let line = Line::parse(line.as_bytes());
                prop_assert_eq!(&*line.tokens()[1].text, word.as_str());
                prop_assert_eq!(line.tokens().len(), 3);
            }
        }
    }
}
