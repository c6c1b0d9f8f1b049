//! `clock_adjtime(2)` on `CLOCK_REALTIME`.

use std::io;

/// A `timex` that asks for nothing.
pub(crate) fn empty() -> libc::timex {
    // SAFETY: timex is a plain C structure of integers, for which all zeros are a valid value.
    unsafe { std::mem::zeroed() }
}

/// Reads, and with `modes` set changes, the state of the system clock. Returns the clock state.
pub(crate) fn clock_adjtime(request: &mut libc::timex) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes only the structure behind the pointer, which is valid and
    // exclusively borrowed for the length of the call.
    let state = unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, request) };
    if state < 0 { Err(io::Error::last_os_error()) } else { Ok(state) }
}
