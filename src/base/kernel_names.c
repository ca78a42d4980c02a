/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the tables of signals, resource limits and capabilities. */
#include "base/kernel_names.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"

#define SIG_PREFIX "SIG"
#define CAP_PREFIX "CAP_"
#define RLIMIT_PREFIX "RLIMIT_"
#define PREFIX_LEN(prefix) (sizeof(prefix) - 1)

static const char *without(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncasecmp(name, prefix, len) == 0 ? name + len : name;
}

/* --- signals ---------------------------------------------------------------------------------- */

/* Of two names for one number the first is the one that is given out. */
static const struct {
	const char *name;
	int signo;
} signals[] = {
	{ "SIGHUP", SIGHUP },	    { "SIGINT", SIGINT },   { "SIGQUIT", SIGQUIT },	{ "SIGILL", SIGILL },
	{ "SIGTRAP", SIGTRAP },	    { "SIGABRT", SIGABRT }, { "SIGIOT", SIGABRT },	{ "SIGBUS", SIGBUS },
	{ "SIGFPE", SIGFPE },	    { "SIGKILL", SIGKILL }, { "SIGUSR1", SIGUSR1 },	{ "SIGSEGV", SIGSEGV },
	{ "SIGUSR2", SIGUSR2 },	    { "SIGPIPE", SIGPIPE }, { "SIGALRM", SIGALRM },	{ "SIGTERM", SIGTERM },
	{ "SIGSTKFLT", SIGSTKFLT }, { "SIGCHLD", SIGCHLD }, { "SIGCLD", SIGCHLD },	{ "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP },	    { "SIGTSTP", SIGTSTP }, { "SIGTTIN", SIGTTIN },	{ "SIGTTOU", SIGTTOU },
	{ "SIGURG", SIGURG },	    { "SIGXCPU", SIGXCPU }, { "SIGXFSZ", SIGXFSZ },	{ "SIGVTALRM", SIGVTALRM },
	{ "SIGPROF", SIGPROF },	    { "SIGWINCH", SIGWINCH }, { "SIGIO", SIGIO },	{ "SIGPOLL", SIGIO },
	{ "SIGPWR", SIGPWR },	    { "SIGSYS", SIGSYS },   { "SIGUNUSED", SIGSYS },
};

static const char *table_name(int signo)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i].signo == signo)
			return signals[i].name;
	}
	return NULL;
}

/* "RTMIN", "RTMIN+3", "RTMAX-2"; 0 if `bare` is none of these. */
static int realtime_from_name(const char *bare)
{
	bool from_min = strncasecmp(bare, "RTMIN", 5) == 0;
	int base = from_min ? SIGRTMIN : SIGRTMAX;
	int64_t offset;

	if (!from_min && strncasecmp(bare, "RTMAX", 5) != 0)
		return 0;
	bare += 5;
	if (!*bare)
		return base;
	if (*bare != (from_min ? '+' : '-') || bare[1] == '-')
		return 0;
	if (parse_int(bare + 1, 0, SIGRTMAX - SIGRTMIN, &offset) < 0)
		return 0;
	return from_min ? base + (int)offset : base - (int)offset;
}

static int signal_from_number(const char *name)
{
	int64_t number;

	if (parse_int(name, 1, SIGRTMAX, &number) < 0)
		return 0;
	return number >= SIGRTMIN || table_name((int)number) ? (int)number : 0;
}

int signal_from_name(const char *name, struct error *err)
{
	const char *bare = without(name, SIG_PREFIX);
	int signo = signal_from_number(name);
	const char *near;

	for (size_t i = 0; !signo && i < ARRAY_LEN(signals); i++) {
		if (strcasecmp(bare, signals[i].name + PREFIX_LEN(SIG_PREFIX)) == 0)
			signo = signals[i].signo;
	}
	if (!signo)
		signo = realtime_from_name(bare);
	if (signo > 0)
		return signo;
	near = signal_nearest(name);
	if (near)
		return error_set(err, EINVAL, "unknown signal '%s': did you mean %s?", name, near);
	return error_set(err, EINVAL, "unknown signal '%s': expected a name like SIGTERM, a number from 1 to %d, or "
			 "SIGRTMIN+n", name, SIGRTMAX);
}

void signal_name(int signo, char out[SIGNAL_NAME_SIZE])
{
	const char *name = table_name(signo);

	if (name)
		(void)str_copy(out, SIGNAL_NAME_SIZE, name);
	else if (signo == SIGRTMIN)
		(void)str_copy(out, SIGNAL_NAME_SIZE, "SIGRTMIN");
	else if (signo > SIGRTMIN && signo <= SIGRTMAX)
		(void)snprintf(out, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", signo - SIGRTMIN);
	else
		(void)snprintf(out, SIGNAL_NAME_SIZE, "%d", signo);
}

const char *signal_nearest(const char *name)
{
	const char *bare[ARRAY_LEN(signals)];
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		bare[i] = signals[i].name + PREFIX_LEN(SIG_PREFIX);
	near = str_nearest(without(name, SIG_PREFIX), bare, ARRAY_LEN(bare));
	return near ? near - PREFIX_LEN(SIG_PREFIX) : NULL;
}

/* --- resource limits -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "as", RLIMIT_AS },	       { "core", RLIMIT_CORE },	      { "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },       { "fsize", RLIMIT_FSIZE },     { "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },   { "nproc", RLIMIT_NPROC },     { "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },   { "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

int rlimit_from_name(const char *name, struct error *err)
{
	const char *bare = without(name, RLIMIT_PREFIX);
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++) {
		if (strcasecmp(bare, rlimits[i].name) == 0)
			return rlimits[i].resource;
	}
	near = rlimit_nearest(name);
	return error_set(err, EINVAL, "unknown limit '%s'%s%s%s", name, near ? ": did you mean '" : "", near ? near : "",
			 near ? "'?" : "");
}

const char *rlimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++) {
		if (rlimits[i].resource == resource)
			return rlimits[i].name;
	}
	return NULL;
}

const char *rlimit_nearest(const char *name)
{
	const char *names[ARRAY_LEN(rlimits)];

	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++)
		names[i] = rlimits[i].name;
	return str_nearest(without(name, RLIMIT_PREFIX), names, ARRAY_LEN(names));
}

/* --- capabilities ----------------------------------------------------------------------------- */

/* By number; capabilities(7). */
static const char *const capabilities[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

int capability_from_name(const char *name, struct error *err)
{
	const char *bare = without(name, CAP_PREFIX);
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (strcasecmp(bare, capabilities[i] + PREFIX_LEN(CAP_PREFIX)) == 0)
			return (int)i;
	}
	near = capability_nearest(name);
	return error_set(err, EINVAL, "unknown capability '%s'%s%s%s", name, near ? ": did you mean " : "", near ? near : "",
			 near ? "?" : "");
}

const char *capability_name(int capability)
{
	return capability >= 0 && (size_t)capability < ARRAY_LEN(capabilities) ? capabilities[capability] : NULL;
}

const char *capability_nearest(const char *name)
{
	const char *bare[ARRAY_LEN(capabilities)];
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		bare[i] = capabilities[i] + PREFIX_LEN(CAP_PREFIX);
	near = str_nearest(without(name, CAP_PREFIX), bare, ARRAY_LEN(bare));
	return near ? near - PREFIX_LEN(CAP_PREFIX) : NULL;
}
