/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: finding, after the server's death, the processes that it was about to start, and the helper commands it ran. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "process/tree.h"
#include "supervisor/internal.h"

/* A child between clone(2) and its first instructions needs microseconds; on a machine that swaps, more. */
#define HALF_SPAWNED_TRIES 5000
#define HALF_SPAWNED_PAUSE_NS 1000000L

/* Ours, or that of the server before us, which may have been another one. */
static bool runs_server(const struct supervisor *sup, pid_t pid)
{
	char path[32];
	struct stat theirs;
	struct stat ours;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &theirs) < 0)
		return false;
	if (sup->earlier_program.dev == theirs.st_dev && sup->earlier_program.ino == theirs.st_ino)
		return true;
	return stat("/proc/self/exe", &ours) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Its pid is known, so it is not the one that we look for; it may hang in front of its exec for long. */
static bool is_on_record(const struct supervisor *sup, pid_t pid)
{
	for (uint32_t id = 0; id < state_end(sup->state); id++) {
		bool found = *state_spawn_pid(sup->state, id) == pid;

		for (unsigned int i = 0; i < STATE_HELPERS; i++)
			found = found || *state_helper(sup->state, id, i) == pid;
		if (found)
			return true;
	}
	return false;
}

/* A child of the keeper that still runs the server's program, and is not us: cloned, but not yet on record. */
static bool half_spawned_exists(const struct supervisor *sup)
{
	struct tree_list list = { 0 };
	bool found = false;

	if (tree_descendants(getppid(), &list) == 0) {
		for (size_t i = 0; i < list.n; i++)
			found = found || (list.procs[i].ppid == getppid() && list.procs[i].pid != getpid() &&
					  runs_server(sup, list.procs[i].pid) && !is_on_record(sup, list.procs[i].pid));
	}
	tree_list_fini(&list);
	return found;
}

pid_t half_spawned_pid(const struct supervisor *sup, const volatile pid_t *slot)
{
	for (int i = 0; i < HALF_SPAWNED_TRIES && *slot <= 0 && half_spawned_exists(sup); i++)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = HALF_SPAWNED_PAUSE_NS }, NULL);
	return *slot > 0 ? *slot : 0;
}

volatile pid_t *helper_pid_slot(struct unit *unit, volatile pid_t *own)
{
	volatile pid_t *slot = state_take_helper(unit->sup->state, unit->id);

	*own = 0;
	return slot ? slot : own;
}

/* A number that another process may have by now is not touched: what is ours is a child of the keeper, as we are. */
static bool is_sibling(pid_t pid)
{
	struct tree_proc proc;

	return tree_read(pid, &proc) == 0 && proc.ppid == getppid();
}

void half_spawned_end(const volatile pid_t *slot)
{
	pid_t pid = *slot;

	if (pid > 0 && is_sibling(pid))
		(void)kill(-pid, SIGKILL);
}

void helpers_end(struct unit *unit)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);

	for (unsigned int i = 0; i < STATE_HELPERS; i++) {
		volatile pid_t *slot = state_helper(unit->sup->state, unit->id, i);
		pid_t pid = *slot ? half_spawned_pid(unit->sup, slot) : 0;

		if (pid && pid != record->pid && is_sibling(pid))
			(void)kill(-pid, SIGKILL);
		*slot = 0;
	}
}
