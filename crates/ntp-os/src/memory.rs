//! How the process asks the kernel for memory.

#[cfg(target_env = "gnu")]
use crate::sys;

#[cfg(target_env = "gnu")]
/// Blocks of this many bytes and more get pages of their own, which go back to the kernel when they are freed.
const OWN_PAGES_FROM: i32 = 1 << 16;

/// Has large blocks go back to the kernel whenever they are freed, however large the ones before them were.
///
/// glibc raises its threshold with every large block that is freed. A daemon that reads its configuration
/// again and starts threads anew would, after a while, have its heap in pieces: three megabytes more, where
/// this keeps it as it began (`mallopt(3)`, `M_MMAP_THRESHOLD`). `false` where the allocator does not take it.
#[cfg(target_env = "gnu")]
pub fn return_large_blocks() -> bool {
    sys::memory::set_parameter(libc::M_MMAP_THRESHOLD, OWN_PAGES_FROM)
}

/// Other allocators have no such threshold.
#[cfg(not(target_env = "gnu"))]
pub const fn return_large_blocks() -> bool {
    false
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn glibc_takes_it() {
        assert!(return_large_blocks());
    }
}
