//! `mode6`: how little strangers get for their questions.
//!
//! A stranger is neither this machine nor has it signed its request, so that the address it gives may be somebody
//! else's.

use alloc::vec::Vec;

use super::items::separator;
use super::message::FRAGMENT_LEN_MAX;

/// What holds for strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Caution {
    /// One packet a question (`mode6 strict`), unless a nonce has proven the address of late.
    pub strict: bool,
    /// Nothing of version, machine and operating system (`mode6 terse`).
    pub terse: bool,
}

const LINE_END: &[u8] = b"\r\n";

/// As much of a text as so many packets hold, cut between two items.
pub(super) fn first_packets(packets: usize, mut data: Vec<u8>) -> Vec<u8> {
    let room = FRAGMENT_LEN_MAX.saturating_mul(packets);
    if data.len() <= room {
        return data;
    }
    let end = room.saturating_sub(LINE_END.len());
    let mut separates = separator();
    let commas = data.iter().take(end).enumerate().filter(|(_, byte)| separates(byte));
    let last = commas.last().map_or(end, |(index, _)| index);
    data.truncate(last);
    data.extend_from_slice(LINE_END);
    data
}

/// As much as one packet holds of a list of numbers and status words, of four bytes each.
pub(super) fn first_associations(mut data: Vec<u8>) -> Vec<u8> {
    data.truncate(FRAGMENT_LEN_MAX & !3);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_between_two_items() {
        let short = b"a=1, b=2\r\n".to_vec();
        assert_eq!(first_packets(1, short.clone()), short);
        let item = "version=\"ntpd, of today\", ";
        let long = first_packets(1, item.repeat(30).into_bytes());
        assert!(long.len() <= FRAGMENT_LEN_MAX && long.len() + item.len() >= FRAGMENT_LEN_MAX);
        assert!(long.ends_with(b"today\"\r\n"), "{}", String::from_utf8_lossy(&long));
        // One item longer than a packet is cut wherever it must be.
        assert_eq!(first_packets(1, vec![b'x'; 2000]).len(), FRAGMENT_LEN_MAX);
        assert_eq!(first_packets(2, vec![b'x'; 2000]).len(), 2 * FRAGMENT_LEN_MAX);
    }

    #[test]
    fn a_list_ends_between_two_associations() {
        assert_eq!(first_associations(vec![1; 4 * 200]).len(), 468);
        assert_eq!(first_associations(vec![1; 8]).len(), 8);
    }
}
