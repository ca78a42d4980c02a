/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the names of signals, resource limits and capabilities, and what a service may be called. */
#include "config/names.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"
#include "config/service_config.h"

#define CAP_PREFIX "CAP_"
#define SIG_PREFIX "SIG"

const struct rlimit_name rlimit_names[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};
const size_t rlimit_names_n = ARRAY_LEN(rlimit_names);

/* aliases after the name that is written out */
static const struct {
	const char *name;
	int signo;
} signals[] = {
	{ "SIGHUP", SIGHUP },	    { "SIGINT", SIGINT },   { "SIGQUIT", SIGQUIT },
	{ "SIGILL", SIGILL },	    { "SIGTRAP", SIGTRAP }, { "SIGABRT", SIGABRT },
	{ "SIGIOT", SIGABRT },	    { "SIGBUS", SIGBUS },   { "SIGFPE", SIGFPE },
	{ "SIGKILL", SIGKILL },	    { "SIGUSR1", SIGUSR1 }, { "SIGSEGV", SIGSEGV },
	{ "SIGUSR2", SIGUSR2 },	    { "SIGPIPE", SIGPIPE }, { "SIGALRM", SIGALRM },
	{ "SIGTERM", SIGTERM },
#ifdef SIGSTKFLT
	{ "SIGSTKFLT", SIGSTKFLT },
#endif
	{ "SIGCHLD", SIGCHLD },	    { "SIGCONT", SIGCONT }, { "SIGSTOP", SIGSTOP },
	{ "SIGTSTP", SIGTSTP },	    { "SIGTTIN", SIGTTIN }, { "SIGTTOU", SIGTTOU },
	{ "SIGURG", SIGURG },	    { "SIGXCPU", SIGXCPU }, { "SIGXFSZ", SIGXFSZ },
	{ "SIGVTALRM", SIGVTALRM }, { "SIGPROF", SIGPROF }, { "SIGWINCH", SIGWINCH },
	{ "SIGIO", SIGIO },	    { "SIGPOLL", SIGIO },   { "SIGPWR", SIGPWR },
	{ "SIGSYS", SIGSYS },
};

static const char *const capabilities[] = {
	"CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
	"CAP_BLOCK_SUSPEND",   "CAP_BPF",	   "CAP_CHECKPOINT_RESTORE",
	"CAP_CHOWN",	       "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",	       "CAP_FSETID",	   "CAP_IPC_LOCK",
	"CAP_IPC_OWNER",       "CAP_KILL",	   "CAP_LEASE",
	"CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",	   "CAP_MAC_OVERRIDE",
	"CAP_MKNOD",	       "CAP_NET_ADMIN",	   "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",   "CAP_NET_RAW",	   "CAP_PERFMON",
	"CAP_SETFCAP",	       "CAP_SETGID",	   "CAP_SETPCAP",
	"CAP_SETUID",	       "CAP_SYS_ADMIN",	   "CAP_SYS_BOOT",
	"CAP_SYS_CHROOT",      "CAP_SYS_MODULE",   "CAP_SYS_NICE",
	"CAP_SYS_PACCT",       "CAP_SYS_PTRACE",   "CAP_SYS_RAWIO",
	"CAP_SYS_RESOURCE",    "CAP_SYS_TIME",	   "CAP_SYS_TTY_CONFIG",
	"CAP_SYSLOG",	       "CAP_WAKE_ALARM",
};

bool config_name_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		unsigned char c = (unsigned char)name[n];

		if (n == LIMIT_NAME || c >= 0x80 ||
		    !(isalnum(c) || c == '-' || c == '_' || (c == '.' && n > 0)))
			return false;
	}
	return n > 0;
}

/* "+3" after RTMIN, "-3" after RTMAX, or nothing. */
static int realtime_offset(const char *s, char sign, int max)
{
	int64_t offset = 0;

	if (*s && (*s != sign || parse_int(s + 1, 0, max, &offset) < 0))
		return -EINVAL;
	return (int)offset;
}

static int realtime_signal(const char *name)
{
	bool from_min = strncasecmp(name, "RTMIN", 5) == 0;
	int offset;

	if (!from_min && strncasecmp(name, "RTMAX", 5) != 0)
		return -EINVAL;
	offset = realtime_offset(name + 5, from_min ? '+' : '-', SIGRTMAX - SIGRTMIN);
	if (offset < 0)
		return offset;
	return from_min ? SIGRTMIN + offset : SIGRTMAX - offset;
}

static bool signal_known(int signo)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i].signo == signo)
			return true;
	}
	return signo >= SIGRTMIN && signo <= SIGRTMAX;
}

int config_signal_from_name(const char *name)
{
	int64_t number;

	if (parse_int(name, 1, SIGRTMAX, &number) == 0)
		return signal_known((int)number) ? (int)number : -EINVAL;
	if (strncasecmp(name, SIG_PREFIX, strlen(SIG_PREFIX)) == 0)
		name += strlen(SIG_PREFIX);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (strcasecmp(signals[i].name + strlen(SIG_PREFIX), name) == 0)
			return signals[i].signo;
	}
	return realtime_signal(name);
}

void config_signal_name(int signo, char out[SIGNAL_NAME_SIZE])
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i].signo == signo) {
			(void)str_copy(out, SIGNAL_NAME_SIZE, signals[i].name);
			return;
		}
	}
	if (signo == SIGRTMIN)
		(void)str_copy(out, SIGNAL_NAME_SIZE, "SIGRTMIN");
	else /* never cut: the offset is below 100 */
		(void)snprintf(out, SIGNAL_NAME_SIZE, "SIGRTMIN+%u",
			       (unsigned int)(signo - SIGRTMIN) % 100);
}

const char *signal_nearest(const char *name)
{
	const char *names[2 * ARRAY_LEN(signals)];
	const char *best;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		names[i] = signals[i].name;
		names[ARRAY_LEN(signals) + i] = signals[i].name + strlen(SIG_PREFIX);
	}
	best = str_nearest(name, names, ARRAY_LEN(names));
	return best;
}

const char *capability_name(const char *name)
{
	if (strncasecmp(name, CAP_PREFIX, strlen(CAP_PREFIX)) == 0)
		name += strlen(CAP_PREFIX);
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (strcasecmp(capabilities[i] + strlen(CAP_PREFIX), name) == 0)
			return capabilities[i];
	}
	return NULL;
}

const char *capability_nearest(const char *name)
{
	return str_nearest(name, capabilities, ARRAY_LEN(capabilities));
}
