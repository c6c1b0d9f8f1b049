//! Items separated by commas, broken into lines as ntpd does (RFC 9327 §4).

/// Column after which a line is broken.
const LINE_LEN_MAX: usize = 72;

/// The text of an answer.
#[derive(Default)]
pub(super) struct Lines {
    text: String,
    column: usize,
}

impl Lines {
    pub(super) fn push(&mut self, item: &str) {
        if !self.text.is_empty() {
            let wanted = self.column.saturating_add(item.len()).saturating_add(2);
            let (separator, column) =
                if wanted > LINE_LEN_MAX { (",\r\n", 0) } else { (", ", self.column.saturating_add(2)) };
            self.text.push_str(separator);
            self.column = column;
        }
        self.text.push_str(item);
        self.column = self.column.saturating_add(item.len());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.text.into_bytes()
    }
}
