//! The size of a terminal.

use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The columns of a terminal; `None` where there is none.
pub(crate) fn columns(terminal: BorrowedFd<'_>) -> Option<u16> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open while it is borrowed, and TIOCGWINSZ writes one `winsize`, which lives on.
    let outcome = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (outcome == 0 && size.ws_col > 0).then_some(size.ws_col)
}
