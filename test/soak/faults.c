/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: calls that fail on demand, for tests. Preloaded into the server; whoever knows the file that $ZINIT_FAULTS names says
 * what is to fail: calls of one kind, from the n-th on, so many of them, with this errno. Other processes that inherit the
 * preload are left alone. The counts are in the file, so the caller sees whether n was reached.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
	KIND_NONE,
	KIND_MEMORY, /* malloc, calloc, realloc */
	KIND_FD,     /* whatever makes a descriptor */
	KIND_MAP,    /* mmap, ftruncate of what is to be mapped */
	KIND_WRITE,  /* to a regular file: write, fsync, rename, unlink, mkdir, open for writing */
	KIND_READ,   /* from a regular file */
	KIND_SEND,   /* sendmsg, sendto */
	KIND_EPOLL,  /* epoll_ctl */
};

/* The file: written by the test, but for the counts. */
struct faults {
	_Atomic int32_t pid;  /* of the process that is meant; 0: none */
	_Atomic int32_t kind; /* enum kind */
	_Atomic int32_t error;
	_Atomic int32_t unused;
	_Atomic int64_t from;   /* the first call that fails, from 0 */
	_Atomic int64_t count;  /* how many fail */
	_Atomic int64_t seen;   /* calls of that kind since `from` was set */
	_Atomic int64_t failed;
};

static struct faults *faults;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("ZINIT_FAULTS");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = (void *)syscall(SYS_mmap, NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)syscall(SYS_close, fd);
	if (at != MAP_FAILED)
		faults = at;
}

static bool fails(enum kind kind)
{
	int64_t at;

	if (!faults || atomic_load(&faults->kind) != (int32_t)kind || atomic_load(&faults->pid) != (int32_t)syscall(SYS_getpid))
		return false;
	at = atomic_fetch_add(&faults->seen, 1) - atomic_load(&faults->from);
	if (at < 0 || at >= atomic_load(&faults->count))
		return false;
	(void)atomic_fetch_add(&faults->failed, 1);
	errno = atomic_load(&faults->error);
	return true;
}

static bool is_file(int fd)
{
	struct stat st;

	return syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISREG(st.st_mode);
}

/* The real function, looked up at each call: this is a test. */
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

/* --- memory: glibc's own names for the real ones, since dlsym() itself allocates --- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *at, size_t size);

void *malloc(size_t size)
{
	return fails(KIND_MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(KIND_MEMORY) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
	return fails(KIND_MEMORY) ? NULL : __libc_realloc(at, size);
}

/* --- descriptors --- */

static int open_any(int dir, const char *path, int flags, va_list rest)
{
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;

	if (fails(KIND_FD) || ((flags & O_ACCMODE) != O_RDONLY && fails(KIND_WRITE)))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define OPEN(name)                                         \
	int name(const char *path, int flags, ...)         \
	{                                                  \
		va_list rest;                              \
		int fd;                                    \
                                                           \
		va_start(rest, flags);                     \
		fd = open_any(AT_FDCWD, path, flags, rest); \
		va_end(rest);                              \
		return fd;                                 \
	}

#define OPENAT(name)                                        \
	int name(int dir, const char *path, int flags, ...) \
	{                                                   \
		va_list rest;                               \
		int fd;                                     \
                                                            \
		va_start(rest, flags);                      \
		fd = open_any(dir, path, flags, rest);      \
		va_end(rest);                               \
		return fd;                                  \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int pipe2(int fds[2], int flags)
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

int socket(int domain, int type, int protocol)
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_socketpair, domain, type, protocol, fds);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_accept4, fd, addr, len, flags);
}

int memfd_create(const char *name, unsigned int flags)
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int eventfd(unsigned int value, int flags)
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_eventfd2, value, flags);
}

int dup(int fd)
{
	return fails(KIND_FD) ? -1 : (int)syscall(SYS_dup, fd);
}

static int fcntl_any(int fd, int command, long value)
{
	if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && fails(KIND_FD))
		return -1;
	return (int)syscall(SYS_fcntl, fd, command, value);
}

#define FCNTL(name)                               \
	int name(int fd, int command, ...)        \
	{                                         \
		va_list rest;                     \
		long value;                       \
                                                  \
		va_start(rest, command);          \
		value = va_arg(rest, long);       \
		va_end(rest);                     \
		return fcntl_any(fd, command, value); \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

DIR *opendir(const char *path)
{
	return fails(KIND_FD) ? NULL : REAL(opendir)(path);
}

/* pidfd_open(2) has no function of its own in this libc */
long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	va_list rest;
	long a[6];

	if (!real)
		real = (long (*)(long, ...))(uintptr_t)dlsym(RTLD_NEXT, "syscall");
	va_start(rest, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(rest, long);
	va_end(rest);
	if (number == SYS_pidfd_open && fails(KIND_FD))
		return -1;
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- maps --- */

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return fails(KIND_MAP) ? MAP_FAILED : (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return mmap(at, size, prot, flags, fd, offset);
}

int ftruncate(int fd, off_t size)
{
	return fails(KIND_MAP) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

/* --- files --- */

ssize_t write(int fd, const void *data, size_t n)
{
	return is_file(fd) && fails(KIND_WRITE) ? -1 : syscall(SYS_write, fd, data, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	return is_file(fd) && fails(KIND_WRITE) ? -1 : syscall(SYS_writev, fd, v, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	return is_file(fd) && fails(KIND_WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at)
{
	return pwrite(fd, data, n, at);
}

int fsync(int fd)
{
	return fails(KIND_WRITE) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return fails(KIND_WRITE) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int unlink(const char *path)
{
	return fails(KIND_WRITE) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
	return fails(KIND_WRITE) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rename(const char *from, const char *to)
{
	return fails(KIND_WRITE) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

ssize_t read(int fd, void *data, size_t n)
{
	return is_file(fd) && fails(KIND_READ) ? -1 : syscall(SYS_read, fd, data, n);
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
	return is_file(fd) && fails(KIND_READ) ? -1 : syscall(SYS_pread64, fd, data, n, at);
}

ssize_t pread64(int fd, void *data, size_t n, off_t at)
{
	return pread(fd, data, n, at);
}

/* --- sockets and epoll --- */

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	return fails(KIND_SEND) ? -1 : syscall(SYS_sendmsg, fd, m, flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	return op == EPOLL_CTL_ADD && fails(KIND_EPOLL) ? -1 : (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}
