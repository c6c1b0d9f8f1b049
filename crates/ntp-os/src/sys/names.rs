//! `getnameinfo(3)`.

use std::ffi::CStr;

use nix::sys::socket::{SockaddrLike as _, SockaddrStorage};

/// The host name of an address, if it has one.
pub(crate) fn name_of(address: &SockaddrStorage) -> Option<String> {
    let mut buffer = [0_u8; libc::NI_MAXHOST as usize];
    let capacity = libc::socklen_t::try_from(buffer.len()).ok()?;
    // SAFETY: both buffers are valid for the lengths given with them and outlive the call; the
    // service part is not asked for, with a null pointer and no length.
    let outcome = unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.len(),
            buffer.as_mut_ptr().cast(),
            capacity,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if outcome != 0 {
        return None;
    }
    CStr::from_bytes_until_nul(&buffer).ok()?.to_str().ok().map(str::to_owned)
}
