/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the look for foreign processes that match a service's process_filters. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/diag.h"
#include "base/parse.h"
#include "process/tree.h"
#include "supervisor/internal.h"

#define CMDLINE_SIZE 4096

static bool matches(const struct service_config *c, const struct tree_proc *proc)
{
	char cmdline[CMDLINE_SIZE];

	tree_cmdline(proc->pid, cmdline, sizeof(cmdline));
	for (const char *const *filter = c->process_filters; *filter; filter++) {
		if (strcasestr(proc->comm, *filter) || strcasestr(cmdline, *filter))
			return true;
	}
	return false;
}

/*
 * Ours are not foreign: the server, the keeper, their helpers, and whatever another service of this server started, by the
 * tag that all of it carries. What is left of an earlier run of the service itself is in its way like a stranger.
 */
static bool is_ours(const struct unit *unit, const struct tree_proc *proc)
{
	const struct supervisor *sup = unit->sup;
	uint64_t tag;

	if (proc->pid == getpid() || proc->pid == getppid() || proc->pid == 1 || proc->ppid == getpid())
		return true;
	tag = tree_read_tag(proc->pid);
	for (size_t i = 0; i < sup->units_n; i++) {
		const struct unit *other = sup->units[i];

		if (!other)
			continue;
		if (core_record(sup->core, (uint32_t)i)->pid == proc->pid)
			return true;
		if (other != unit && tag && tag == tree_tag(sup->tag_instance, other->config->name))
			return true;
	}
	return false;
}

static bool is_in_the_way(const struct unit *unit, pid_t pid, struct tree_proc *out)
{
	return tree_read(pid, out) == 0 && !tree_is_dead(out) && matches(unit->config, out) && !is_ours(unit, out);
}

bool filters_clear(struct unit *unit)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	struct tree_proc found;
	bool clear = true;

	while (proc && (entry = readdir(proc))) {
		int64_t pid;

		if (parse_int(entry->d_name, 2, INT32_MAX, &pid) < 0 || !is_in_the_way(unit, (pid_t)pid, &found))
			continue;
		if (unit->config->kill_others) {
			diag(DIAG_WARN, "%s: killing process %d, which matches process_filters", unit->config->name, (int)pid);
			(void)tree_signal(&found, SIGKILL, NULL);
		} else {
			clear = false;
		}
	}
	if (proc)
		(void)closedir(proc);
	return clear;
}
