//! seccomp: which calls to the kernel are possible. The list is what the daemon, its runtime and the C library's
//! resolver make; `cargo xtask test` runs every test against it, as a debug build ends at a call that is not on it.

use std::collections::BTreeMap;

use libc::{c_long, c_ulong};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::CallsError;
use crate::sys;

/// Memory, threads, time, signals and this process itself.
const PROCESS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    // With which musl aborts.
    libc::SYS_tkill,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_umask,
    // The C library makes threads with it, and falls back on `clone` only where it does not exist: see `UNKNOWN`.
    libc::SYS_clone3,
];

/// Files; which of them, Landlock decides.
const FILES: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fgetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_flistxattr,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
];

/// Sockets, but for making one.
const NETWORK: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
];

/// The same under names that newer processors never had.
#[cfg(target_arch = "x86_64")]
const OLD_NAMES: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_unlink,
    libc::SYS_mkdir,
    libc::SYS_chmod,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMES: &[c_long] = &[];

/// Reading and adjusting the clock, for who does.
const CLOCK: &[c_long] = &[libc::SYS_adjtimex, libc::SYS_clock_adjtime, libc::SYS_clock_settime];

/// Calls that are answered as by a kernel that does not have them, after which the C library makes another.
const UNKNOWN: &[c_long] = &[libc::SYS_clone3];

/// What `ioctl` is for: whether a socket waits, how much is there, whether it is a terminal, interfaces by name.
fn requests() -> [u64; 6] {
    [
        number(libc::FIONBIO),
        number(libc::FIONREAD),
        number(libc::FIOCLEX),
        number(libc::TCGETS),
        number(libc::SIOCGIFINDEX),
        number(libc::SIOCGIFNAME),
    ]
}

/// The C libraries differ in the type.
fn number<T: TryInto<u64>>(request: T) -> u64 {
    request.try_into().unwrap_or_default()
}

/// The bits of a socket's kind that are not flags.
const KIND: u64 = 0xf;

/// What keeps a condition out of the rules: a mistake of this file, which its test finds.
type Rules = Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError>;

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

fn any_of(
    conditions: impl IntoIterator<Item = Result<Vec<SeccompCondition>, BackendError>>,
) -> Result<Vec<SeccompRule>, BackendError> {
    conditions.into_iter().map(|all| SeccompRule::new(all?)).collect()
}

fn word(argument: libc::c_int) -> u64 {
    u64::from(argument.unsigned_abs())
}

/// UDP, TCP for long answers of name servers, local sockets, and questions to the kernel about routes and addresses;
/// no other protocol, and no packets past the kernel's own (netlink's sockets are raw by name only).
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let protocols = [
        (libc::SOCK_DGRAM, libc::IPPROTO_IP),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        (libc::SOCK_STREAM, libc::IPPROTO_IP),
        (libc::SOCK_STREAM, libc::IPPROTO_TCP),
    ];
    let inet = [libc::AF_INET, libc::AF_INET6].into_iter().flat_map(|domain| {
        protocols.map(|(kind, protocol)| {
            Ok(vec![is(0, word(domain))?, masked(1, KIND, word(kind))?, is(2, word(protocol))?])
        })
    });
    let routes = Ok(vec![is(0, word(libc::AF_NETLINK))?, is(2, word(libc::NETLINK_ROUTE))?]);
    any_of(inet.chain([Ok(vec![is(0, word(libc::AF_UNIX))?]), routes]))
}

/// The calls that are possible, and with which arguments where that matters.
fn allowed(clock: bool) -> Rules {
    let clock: &[c_long] = if clock { CLOCK } else { &[] };
    let plain = [PROCESS, FILES, NETWORK, OLD_NAMES, clock].concat();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        plain.into_iter().map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, sockets()?);
    rules.insert(libc::SYS_socketpair, any_of([Ok(vec![is(0, word(libc::AF_UNIX))?])])?);
    rules.insert(libc::SYS_ioctl, any_of(requests().map(|request| Ok(vec![is(1, request)?])))?);
    // Threads, and no processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(libc::SYS_clone, any_of([Ok(vec![masked(0, thread, thread)?])])?);
    // The name of a thread, and limits that are only read.
    let name = u64::from(libc::PR_SET_NAME.unsigned_abs());
    rules.insert(libc::SYS_prctl, any_of([Ok(vec![is(0, name)?])])?);
    let null = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, c_ulong::MIN)?;
    rules.insert(libc::SYS_prlimit64, any_of([Ok(vec![null])])?);
    Ok(rules)
}

/// A call that is not on the list ends a debug build, so that a test sees it; in the field it fails and costs
/// whatever asked for it.
const FORBIDDEN: SeccompAction =
    if cfg!(debug_assertions) { SeccompAction::Trap } else { SeccompAction::Errno(libc::EPERM as u32) };

pub(super) fn restrict(clock: bool) -> Result<(), CallsError> {
    let processor = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| CallsError::Processor)?;
    let refused = |reason: &dyn std::fmt::Display| CallsError::Refused(reason.to_string());
    if cfg!(debug_assertions) {
        sys::trap::explain_forbidden_calls()?;
    }
    let compile = |rules: Rules, otherwise, then| -> Result<BpfProgram, BackendError> {
        BpfProgram::try_from(SeccompFilter::new(rules?, otherwise, then, processor)?)
    };
    let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let first = compile(Ok(unknown), SeccompAction::Allow, missing).map_err(|reason| refused(&reason))?;
    let second =
        compile(allowed(clock), FORBIDDEN, SeccompAction::Allow).map_err(|reason| refused(&reason))?;
    seccompiler::apply_filter_all_threads(&first).map_err(|reason| refused(&reason))?;
    // `seccomp` itself is not on the list: this is the last filter.
    seccompiler::apply_filter_all_threads(&second).map_err(|reason| refused(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_makes_a_filter_and_names_no_call_that_starts_a_program() {
        for clock in [false, true] {
            let rules = allowed(clock).unwrap();
            for call in
                [libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_bpf, libc::SYS_mount]
            {
                assert!(!rules.contains_key(&call), "{call}");
            }
            assert_eq!(rules.contains_key(&libc::SYS_clock_settime), clock);
        }
    }
}
