/*
 * Stands between a program and libc, as a simulator that replaces clock and sockets does. Counts each
 * call by the name of the system call behind it and passes it on as that system call, so that strace
 * sees the same calls (it cannot see those that the kernel's shared page answers).
 *
 * COUNT_FILE          where the counts are written at the end, a line each: name, blank, count
 * REFUSE_TIMESTAMPS   if set, the kernel seems to know no receive timestamps
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum call {
    CLOCK_GETTIME, CLOCK_GETRES, CLOCK_SETTIME, CLOCK_ADJTIME, ADJTIMEX, GETTIMEOFDAY, SETTIMEOFDAY,
    SOCKET, BIND, CONNECT, SENDTO, SENDMSG, SENDMMSG, RECVFROM, RECVMSG, RECVMMSG,
    SETSOCKOPT, GETSOCKOPT, GETSOCKNAME, GETPEERNAME, CALLS
};

static const char *const names[CALLS] = {
    "clock_gettime", "clock_getres", "clock_settime", "clock_adjtime", "adjtimex", "gettimeofday",
    "settimeofday", "socket", "bind", "connect", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
    "recvmmsg", "setsockopt", "getsockopt", "getsockname", "getpeername",
};

static atomic_long counts[CALLS];

static void count(enum call call) { atomic_fetch_add(&counts[call], 1); }

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("COUNT_FILE");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    for (int call = 0; call < CALLS; call++)
        fprintf(file, "%s %ld\n", names[call], atomic_load(&counts[call]));
    fclose(file);
}

#define PASS(type, name, NAME, parameters, ...) \
    type name parameters { count(NAME); return (type)syscall(SYS_##name, __VA_ARGS__); }

PASS(int, clock_gettime, CLOCK_GETTIME, (clockid_t clock, struct timespec *time), clock, time)
PASS(int, clock_getres, CLOCK_GETRES, (clockid_t clock, struct timespec *time), clock, time)
PASS(int, clock_settime, CLOCK_SETTIME, (clockid_t clock, const struct timespec *time), clock, time)
PASS(int, clock_adjtime, CLOCK_ADJTIME, (clockid_t clock, struct timex *timex), clock, timex)
PASS(int, adjtimex, ADJTIMEX, (struct timex *timex), timex)
PASS(int, gettimeofday, GETTIMEOFDAY, (struct timeval *time, void *zone), time, zone)
PASS(int, settimeofday, SETTIMEOFDAY, (const struct timeval *time, const struct timezone *zone), time, zone)
PASS(int, socket, SOCKET, (int domain, int type, int protocol), domain, type, protocol)
PASS(int, bind, BIND, (int fd, const struct sockaddr *address, socklen_t length), fd, address, length)
PASS(int, connect, CONNECT, (int fd, const struct sockaddr *address, socklen_t length), fd, address, length)
PASS(ssize_t, sendto, SENDTO,
     (int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size),
     fd, bytes, length, flags, to, size)
PASS(ssize_t, sendmsg, SENDMSG, (int fd, const struct msghdr *message, int flags), fd, message, flags)
PASS(int, sendmmsg, SENDMMSG, (int fd, struct mmsghdr *messages, unsigned length, int flags),
     fd, messages, length, flags)
PASS(ssize_t, recvfrom, RECVFROM,
     (int fd, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *size),
     fd, bytes, length, flags, from, size)
PASS(ssize_t, recvmsg, RECVMSG, (int fd, struct msghdr *message, int flags), fd, message, flags)
PASS(int, recvmmsg, RECVMMSG,
     (int fd, struct mmsghdr *messages, unsigned length, int flags, struct timespec *patience),
     fd, messages, length, flags, patience)
PASS(int, getsockopt, GETSOCKOPT, (int fd, int level, int name, void *value, socklen_t *length),
     fd, level, name, value, length)
PASS(int, getsockname, GETSOCKNAME, (int fd, struct sockaddr *address, socklen_t *length), fd, address, length)
PASS(int, getpeername, GETPEERNAME, (int fd, struct sockaddr *address, socklen_t *length), fd, address, length)

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    return sendto(fd, bytes, length, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
    return recvfrom(fd, bytes, length, flags, NULL, NULL);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    count(SETSOCKOPT);
    int stamps = level == SOL_SOCKET && (name == SO_TIMESTAMPING || name == SO_TIMESTAMPNS);
    if (stamps && getenv("REFUSE_TIMESTAMPS")) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
