/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting one process, and knowing exactly why it could not be started.
 *
 * A request is plain values; spawn_run() carries it out and blocks its thread until the new program
 * runs or has failed (clone with CLONE_VM | CLONE_VFORK: nothing is copied, so the cost does not grow
 * with the caller's memory). A failure is never a mere "exited 127": it comes back as the step that
 * failed, its errno and the value that was tried. The child touches nothing but its own stack and the
 * shared failure record, and makes raw system calls only.
 *
 * Servers use spawner.h, which runs this in threads of its own. See docs/internals/process.md.
 */
#ifndef PROCESS_SPAWN_H
#define PROCESS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/limits.h"

/** The steps in the order in which they are taken. Up to SPAWN_CLONE there is no child yet. */
enum spawn_stage {
	SPAWN_OK,
	SPAWN_PREPARE, /* memory, the child's stack, descriptors of the request */
	SPAWN_COMMAND, /* nothing to run: no argv, empty command */
	SPAWN_ENV_FILE,
	SPAWN_USER,
	SPAWN_GROUP,
	SPAWN_GROUPS, /* a supplementary group */
	SPAWN_CLONE,
	SPAWN_CGROUP,
	SPAWN_SESSION, /* setsid or setpgid */
	SPAWN_FDS,
	SPAWN_STDIN,
	SPAWN_OOM_SCORE,
	SPAWN_NICE,
	SPAWN_RLIMIT,
	SPAWN_CAPABILITIES,
	SPAWN_SETGROUPS,
	SPAWN_SETGID,
	SPAWN_SETUID,
	SPAWN_DIR,
	SPAWN_NO_NEW_PRIVILEGES,
	SPAWN_EXEC,
	SPAWN_KILLED, /* the child was killed before it came to exec */
	SPAWN_STAGE_N
};

enum spawn_session {
	SPAWN_NEW_GROUP, /* own process group: what a service gets */
	SPAWN_NEW_SESSION, /* own session, therefore own group too */
	SPAWN_SAME_GROUP, /* stay in the caller's group */
};

struct spawn_rlimit {
	int resource; /* RLIMIT_NOFILE … */
	uint64_t soft; /* UINT64_MAX: infinity */
	uint64_t hard;
};

struct spawn_fd {
	int source; /* open in the caller, >= 0 */
	int target; /* number in the child, 3 .. SPAWN_FD_TARGET_MAX, no two alike */
};

#define SPAWN_FD_TARGET_MAX LIMIT_SERVICE_FD
/** With which a child ends that could not be made into the program. */
#define SPAWN_EXIT_CODE 127

/**
 * What to start. Start from SPAWN_REQUEST: zero is not the default of every field. All pointers are borrowed.
 * Lists of strings end with NULL; a NULL list is an empty one.
 */
struct spawn_request {
	const char *command; /* a string for `sh -c`; or NULL, then argv */
	const char *const *argv; /* run without a shell; argv[0] without '/' is looked up in the service's PATH */
	bool always_shell; /* do not run a simple command without a shell (see command.h) */

	const char *dir; /* NULL: the caller's */
	const char *const *base_env; /* "KEY=value"; NULL: environ */
	const char *const *env_files; /* a leading '-' allows the file to be missing */
	const char *const *env; /* "KEY=value", wins over the above */
	bool env_expand; /* ${VAR} in `env` stands for what was set before */

	const char *user; /* name or number; NULL: no change. Its group and groups are taken unless given below */
	const char *group; /* name or number */
	const char *const *groups; /* supplementary ones, added to those of `user` */

	int umask; /* -1: the caller's */
	bool set_nice, set_oom_score_adj;
	int nice; /* -20 .. 19 */
	int oom_score_adj; /* -1000 .. 1000 */
	const struct spawn_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	bool set_capabilities; /* `capabilities` is then the whole bounding, inheritable, permitted and ambient set */
	uint64_t capabilities; /* bit CAP_x */

	const char *stdin_path; /* absolute; NULL: stdin_fd, or /dev/null if that is -1 */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null. They may be the same descriptor */
	const struct spawn_fd *fds; /* more descriptors to pass */
	size_t n_fds;

	enum spawn_session session;
	int cgroup_fd; /* directory of a cgroup v2 to be born in; -1: the caller's */
	bool join_cgroup; /* the child enters it by cgroup.procs: see cgroup_renew() */
	bool as_sibling; /* CLONE_PARENT: the caller's parent is the parent */
	/*
	 * Mark of the service on the process and all its descendants (tree.h); 0: none. It is kept as the soft
	 * RLIMIT_LOCKS, which the kernel has not used since 2.4.25 and which is inherited by whatever is born later.
	 */
	uint64_t tag;
	/* NULL, or where the pid is written before the child runs its first instruction of the program's way */
	volatile pid_t *pid_slot;
	/* NULL, or where a child that fails writes why before it ends: the stage << 16 | errno. For those who outlive the caller. */
	volatile uint32_t *failure_slot;
};

#define SPAWN_REQUEST                                                                              \
	((struct spawn_request){ .umask = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1,    \
				 .cgroup_fd = -1 })

#define SPAWN_VALUE_MAX 256

struct spawn_result {
	enum spawn_stage stage; /* SPAWN_OK: the program runs */
	int error; /* positive errno of that stage */
	/*
	 * > 0: the process. On failure it is 0, or, with as_sibling, the pid of the child that failed: it is a zombie
	 * whose exit the parent will be told of, and which means nothing.
	 */
	pid_t pid;
	int pidfd; /* owned by who gets the result; -1 on failure, or where the kernel has none */
	bool by_shell; /* /bin/sh was started: its 126 and 127 may be spawn errors (child_is_shell_error()) */
	char value[SPAWN_VALUE_MAX]; /* what was tried: the path, the user's name, "nofile=65536:65536"; cut if longer */
};

struct spawn_stack;

/**
 * The child's stack (a guard page below), to be used by one thread at a time for any number of spawns.
 * Returns NULL with errno set.
 */
struct spawn_stack *spawn_stack_new(void);
/** NULL is fine. */
void spawn_stack_free(struct spawn_stack *stack);

/**
 * Start a process. Blocks until exec has happened or failed: a dead mount may make that long, so an event loop
 * does not call it. All signals should be blocked in the calling thread.
 *
 * Fills `result` completely. Returns 0 if the program runs, else -result->error.
 */
int spawn_run(struct spawn_stack *stack, const struct spawn_request *request, struct spawn_result *result);

/** One block of memory that holds `request` and all that it points to (not the descriptors, not *pid_slot). For free(3). NULL: no memory. */
struct spawn_request *spawn_request_copy(const struct spawn_request *request);

/** "exec", "setuid" …: for records and JSON. */
const char *spawn_stage_name(enum spawn_stage stage);
/**
 * A sentence about a failure: "exec '/usr/bin/nope': No such file or directory". Cut at `size`.
 */
void spawn_result_text(const struct spawn_result *result, char *out, size_t size);

#endif
