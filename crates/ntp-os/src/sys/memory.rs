//! The C library's allocator.

/// Sets one of the parameters that `mallopt(3)` names; `false` where it is not taken.
pub(crate) fn set_parameter(name: libc::c_int, value: libc::c_int) -> bool {
    // SAFETY: mallopt takes two numbers and touches no memory of ours.
    unsafe { libc::mallopt(name, value) == 1 }
}
