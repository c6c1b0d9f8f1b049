//! What a Kiss-o'-Death makes us do (RFC 5905 §7.4). Only a kiss that carries our nonce gets here.

use crate::time::MonoTime;
use crate::wire::KissCode;

use super::{AssociationOptions, PollProcess};

/// Whether the server must never be asked again.
pub(super) const fn is_final(code: KissCode) -> bool {
    matches!(code, KissCode::Deny | KissCode::Restrict)
}

/// RATE raises the poll floor; DENY and RSTR need nothing more than [`is_final`]; others are only
/// noted.
pub(super) fn obey(code: KissCode, poll: &mut PollProcess, options: &AssociationOptions, now: MonoTime) {
    if code == KissCode::Rate {
        poll.raise_floor(options, now);
    }
}
