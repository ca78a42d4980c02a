/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between spawn.c, which prepares and collects, and spawn_child.c, which runs in the child. The child shares the memory of
 * its parent, which sleeps meanwhile: everything it needs is laid out in a plan before, and it only writes to the
 * fields marked so.
 */
#ifndef PROCESS_SPAWN_INTERNAL_H
#define PROCESS_SPAWN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "process/env.h"
#include "process/spawn.h"

struct spawn_move {
	int source; /* -1: /dev/null. The child replaces it */
	int target;
};

#define SPAWN_MOVES_MAX (3 + SPAWN_FD_TARGET_MAX)

struct spawn_plan {
	const struct spawn_request *request;
	struct env env;
	char **words; /* of a command that was split */
	char *const *argv;
	char **candidates;
	const char *shell_argv[4]; /* what to run if a split command turns out to be a script without "#!" */
	bool split;

	bool set_user, set_group;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;

	char oom_text[8];
	size_t oom_len;
	int last_capability;

	struct spawn_move moves[SPAWN_MOVES_MAX];
	size_t n_moves;
	int max_target;

	bool born_in_cgroup; /* clone3 has put the child there */

	/* written by the child */
	volatile enum spawn_stage at; /* the step it is in */
	volatile int error; /* 0: that step has not failed */
	volatile size_t index; /* which limit, capability, candidate */
	volatile bool by_shell;
};

/** The child: carries out the plan, does not return. `plan` is a struct spawn_plan. */
int spawn_child(void *plan);

#endif
