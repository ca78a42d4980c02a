/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: names of stages, and the sentence about a failed spawn. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
