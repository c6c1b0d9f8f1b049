//! The signal in which a call ends that seccomp forbids.

use std::io;
use std::mem;
use std::ptr;

/// `siginfo_t` of a `SIGSYS`, as far as the number of the call (`sigaction(2)`).
#[repr(C)]
struct Forbidden {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    address: *mut libc::c_void,
    call: libc::c_int,
}

/// Has the process say which call it was, before it ends.
pub(crate) fn explain_forbidden_calls() -> io::Result<()> {
    // SAFETY: all bits zero are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *const Forbidden, *mut libc::c_void) = explain;
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
    // SAFETY: the handler is a function for as long as the program runs, and makes only calls that a handler may.
    let outcome = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn explain(_signal: libc::c_int, info: *const Forbidden, _context: *mut libc::c_void) {
    const DIGITS: usize = 10;
    // SAFETY: with SA_SIGINFO the kernel passes a pointer to a `siginfo_t`, which begins with these fields.
    let number = unsafe { (*info).call };
    let mut words = *b"the sandbox does not know call           \n";
    let mut rest = number.unsigned_abs();
    let end = words.len() - 1;
    for place in words[end - DIGITS..end].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    // SAFETY: the buffer is ours and as long as said; a handler may call `write`. If nobody reads it, so be it.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len()) };
    // SAFETY: a handler may call it, and it does not return.
    unsafe { libc::abort() };
}
