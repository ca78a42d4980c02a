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

static bool matches(const struct service_config *c, pid_t pid)
{
	struct tree_proc proc;
	char cmdline[CMDLINE_SIZE];

	if (tree_read(pid, &proc) < 0 || tree_is_dead(&proc))
		return false;
	tree_cmdline(pid, cmdline, sizeof(cmdline));
	for (const char *const *filter = c->process_filters; *filter; filter++) {
		if (strcasestr(proc.comm, *filter) || strcasestr(cmdline, *filter))
			return true;
	}
	return false;
}

/* Ours are not foreign: the server, the keeper, and whatever a service of this server started. */
static bool is_ours(const struct supervisor *sup, pid_t pid)
{
	if (pid == getpid() || pid == getppid() || pid == 1)
		return true;
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i] && core_record(sup->core, (uint32_t)i)->pid == pid)
			return true;
	}
	return false;
}

bool filters_clear(struct unit *unit)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool clear = true;

	while (proc && (entry = readdir(proc))) {
		int64_t pid;

		if (parse_int(entry->d_name, 2, INT32_MAX, &pid) < 0 || is_ours(unit->sup, (pid_t)pid) ||
		    !matches(unit->config, (pid_t)pid))
			continue;
		if (unit->config->kill_others) {
			diag(DIAG_WARN, "%s: killing process %d, which matches process_filters", unit->config->name, (int)pid);
			(void)kill((pid_t)pid, SIGKILL);
		} else {
			clear = false;
		}
	}
	if (proc)
		(void)closedir(proc);
	return clear;
}
