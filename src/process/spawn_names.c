/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: names of stages, limits and capabilities, and the sentence about a failed spawn. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/str.h"
#include "process/spawn.h"

static const struct {
	const char *name;
	const char *what; /* begins the sentence; a value in quotes follows if there is one */
} stages[SPAWN_STAGE_N] = {
	[SPAWN_OK] = { "ok", "started" },
	[SPAWN_PREPARE] = { "prepare", "cannot prepare the start" },
	[SPAWN_COMMAND] = { "command", "no command to run" },
	[SPAWN_ENV_FILE] = { "env_file", "cannot read env_file" },
	[SPAWN_USER] = { "user", "cannot look up user" },
	[SPAWN_GROUP] = { "group", "cannot look up group" },
	[SPAWN_GROUPS] = { "supplementary_groups", "cannot look up supplementary group" },
	[SPAWN_CLONE] = { "clone", "cannot create a process" },
	[SPAWN_CGROUP] = { "cgroup", "cannot enter the cgroup" },
	[SPAWN_SESSION] = { "session", "cannot make a process group" },
	[SPAWN_FDS] = { "fds", "cannot set up descriptor" },
	[SPAWN_STDIN] = { "stdin", "cannot open stdin" },
	[SPAWN_OOM_SCORE] = { "oom_score_adj", "cannot set oom_score_adj" },
	[SPAWN_NICE] = { "nice", "cannot set nice" },
	[SPAWN_RLIMIT] = { "rlimits", "cannot set limit" },
	[SPAWN_CAPABILITIES] = { "capabilities", "cannot set capability" },
	[SPAWN_SETGROUPS] = { "setgroups", "cannot set" },
	[SPAWN_SETGID] = { "setgid", "cannot change to group" },
	[SPAWN_SETUID] = { "setuid", "cannot change to user" },
	[SPAWN_DIR] = { "dir", "cannot change to directory" },
	[SPAWN_NO_NEW_PRIVILEGES] = { "no_new_privileges", "cannot set no_new_privileges" },
	[SPAWN_EXEC] = { "exec", "cannot execute" },
	[SPAWN_KILLED] = { "killed", "killed during step" },
};

const char *spawn_stage_name(enum spawn_stage stage)
{
	return (unsigned int)stage < SPAWN_STAGE_N ? stages[stage].name : "?";
}

/* What the errno means in this stage, where strerror(3) would mislead. */
static const char *reason(const struct spawn_result *r)
{
	if (r->stage == SPAWN_USER && r->error == ENOENT)
		return "no such user";
	if (r->stage == SPAWN_GROUP && r->error == ENOENT)
		return "no such group";
	if (r->stage == SPAWN_GROUPS && r->error == ENOENT)
		return "no such group";
	if (r->stage == SPAWN_CLONE && r->error == EAGAIN)
		return "Resource temporarily unavailable (a limit on processes is reached)";
	if (r->stage == SPAWN_STDIN && r->error == EINVAL)
		return "the path must be absolute";
	return strerror(r->error);
}

void spawn_result_text(const struct spawn_result *result, char *out, size_t size)
{
	unsigned int stage = (unsigned int)result->stage < SPAWN_STAGE_N ? result->stage : SPAWN_PREPARE;
	bool tells_all = stage == SPAWN_ENV_FILE || (stage == SPAWN_PREPARE && result->value[0]);

	if (stage == SPAWN_OK || stage == SPAWN_KILLED)
		(void)snprintf(out, size, "%s%s%s", stages[stage].what, result->value[0] ? " " : "", result->value);
	else if (tells_all)
		(void)snprintf(out, size, "%s: %s", stages[stage].what, result->value);
	else if (result->value[0])
		(void)snprintf(out, size, "%s '%s': %s", stages[stage].what, result->value, reason(result));
	else
		(void)snprintf(out, size, "%s: %s", stages[stage].what, reason(result));
}

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

int spawn_rlimit_from_name(const char *name, struct error *err)
{
	const char *bare = strncasecmp(name, "RLIMIT_", 7) == 0 ? name + 7 : name;
	const char *names[ARRAY_LEN(rlimits)];
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++) {
		if (strcasecmp(bare, rlimits[i].name) == 0)
			return rlimits[i].resource;
		names[i] = rlimits[i].name;
	}
	near = str_nearest(bare, names, ARRAY_LEN(names));
	return error_set(err, EINVAL, "unknown limit '%s'%s%s%s", name, near ? ": did you mean '" : "", near ? near : "",
			 near ? "'?" : "");
}

const char *spawn_rlimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++) {
		if (rlimits[i].resource == resource)
			return rlimits[i].name;
	}
	return NULL;
}

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

int spawn_capability_from_name(const char *name, struct error *err)
{
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (strcasecmp(name, capabilities[i]) == 0 || strcasecmp(name, capabilities[i] + 4) == 0)
			return (int)i;
	}
	near = str_nearest(name, capabilities, ARRAY_LEN(capabilities));
	return error_set(err, EINVAL, "unknown capability '%s'%s%s%s", name, near ? ": did you mean " : "", near ? near : "",
			 near ? "?" : "");
}

const char *spawn_capability_name(int capability)
{
	return capability >= 0 && (size_t)capability < ARRAY_LEN(capabilities) ? capabilities[capability] : NULL;
}
