/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the table of signals, and sending them by pidfd. */
#include "process/signal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"

/* linux/pidfd.h of Linux 6.9 */
#define SIGNAL_PIDFD_GROUP (1U << 2)
#define SIGNAL_MAX 64

/* Names without "SIG". Of two names for one number the first is the one that is shown. */
static const struct {
	const char *name;
	int signo;
} signals[] = {
	{ "HUP", SIGHUP },	 { "INT", SIGINT },	  { "QUIT", SIGQUIT },	     { "ILL", SIGILL },
	{ "TRAP", SIGTRAP },	 { "ABRT", SIGABRT },	  { "IOT", SIGABRT },	     { "BUS", SIGBUS },
	{ "FPE", SIGFPE },	 { "KILL", SIGKILL },	  { "USR1", SIGUSR1 },	     { "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 },	 { "PIPE", SIGPIPE },	  { "ALRM", SIGALRM },	     { "TERM", SIGTERM },
	{ "STKFLT", SIGSTKFLT }, { "CHLD", SIGCHLD },	  { "CLD", SIGCHLD },	     { "CONT", SIGCONT },
	{ "STOP", SIGSTOP },	 { "TSTP", SIGTSTP },	  { "TTIN", SIGTTIN },	     { "TTOU", SIGTTOU },
	{ "URG", SIGURG },	 { "XCPU", SIGXCPU },	  { "XFSZ", SIGXFSZ },	     { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF },	 { "WINCH", SIGWINCH },	  { "IO", SIGIO },	     { "POLL", SIGIO },
	{ "PWR", SIGPWR },	 { "SYS", SIGSYS },	  { "UNUSED", SIGSYS },
};

/* "RTMIN", "RTMIN+3", "RTMAX-2"; 0 if `name` is none of these. */
static int realtime_from_name(const char *name)
{
	bool from_min = strncasecmp(name, "RTMIN", 5) == 0;
	int base = from_min ? SIGRTMIN : SIGRTMAX;
	int64_t offset;

	if (!from_min && strncasecmp(name, "RTMAX", 5) != 0)
		return 0;
	name += 5;
	if (!*name)
		return base;
	if (*name != (from_min ? '+' : '-') || name[1] == '-')
		return 0;
	if (parse_int(name + 1, 0, SIGRTMAX - SIGRTMIN, &offset) < 0)
		return 0;
	return from_min ? base + (int)offset : base - (int)offset;
}

/* Names the signals that the writer may have meant. */
static int unknown(const char *name, const char *bare, struct error *err)
{
	const char *names[ARRAY_LEN(signals)];
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		names[i] = signals[i].name;
	near = str_nearest(bare, names, ARRAY_LEN(names));
	if (near)
		return error_set(err, EINVAL, "unknown signal '%s': did you mean SIG%s?", name, near);
	return error_set(err, EINVAL, "unknown signal '%s': expected a name like SIGTERM, a number from 1 to %d, or "
			 "SIGRTMIN+n", name, SIGNAL_MAX);
}

int signal_from_name(const char *name, struct error *err)
{
	const char *bare = strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
	int64_t number;
	int signo;

	if (parse_int(name, 1, SIGNAL_MAX, &number) == 0)
		return (int)number;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (strcasecmp(bare, signals[i].name) == 0)
			return signals[i].signo;
	}
	signo = realtime_from_name(bare);
	if (signo > 0)
		return signo;
	return unknown(name, bare, err);
}

static const char *bare_name(int signo)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i].signo == signo)
			return signals[i].name;
	}
	return NULL;
}

void signal_name(int signo, char out[SIGNAL_NAME_SIZE])
{
	const char *bare = bare_name(signo);

	if (bare)
		(void)snprintf(out, SIGNAL_NAME_SIZE, "SIG%s", bare);
	else if (signo == SIGRTMIN)
		(void)str_copy(out, SIGNAL_NAME_SIZE, "SIGRTMIN");
	else if (signo > SIGRTMIN && signo <= SIGRTMAX)
		(void)snprintf(out, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", signo - SIGRTMIN);
	else
		(void)snprintf(out, SIGNAL_NAME_SIZE, "%d", signo);
}

int signal_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

static int send_by_pidfd(int pidfd, int signo, unsigned int flags)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, flags) < 0 ? -errno : 0;
}

int signal_process(int pidfd, pid_t pid, int signo)
{
	int r = pidfd >= 0 ? send_by_pidfd(pidfd, signo, 0) : -ENOSYS;

	if (r != -ENOSYS)
		return r;
	if (pid <= 0)
		return -ESRCH;
	return kill(pid, signo) < 0 ? -errno : 0;
}

int signal_group(int pidfd, pid_t pgid, int signo)
{
	int r = pidfd >= 0 ? send_by_pidfd(pidfd, signo, SIGNAL_PIDFD_GROUP) : -ENOSYS;

	/* EINVAL: a kernel that does not know the flag */
	if (r != -ENOSYS && r != -EINVAL)
		return r;
	if (pgid <= 1)
		return -ESRCH;
	return kill(-pgid, signo) < 0 ? -errno : 0;
}

bool signal_has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}
