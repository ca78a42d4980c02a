/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: all the processes of a service: its cgroup with its limits, its figures, and who outlived its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/str.h"
#include "supervisor/internal.h"

/* CPU % is the mean since somebody asked, and not of the instant between two that ask at once. */
#define SAMPLE_SPAN USEC_PER_SEC

/* --- the server's cgroup ------------------------------------------------------------------------ */

/* A pid comes again, with another start time. */
static uint64_t instance_of(pid_t pid, const struct tree_proc *proc)
{
	return proc->start << 22 ^ (uint64_t)pid;
}

uint64_t server_instance(void)
{
	struct tree_proc keeper = { 0 };

	(void)tree_read(getppid(), &keeper);
	return instance_of(getppid(), &keeper);
}

/* Of a keeper that is no more, or whose number another process has by now. */
static bool is_stale(const char *name, void *data)
{
	struct tree_proc proc = { 0 };
	unsigned long long instance;
	int pid;
	int end = 0;

	(void)data;
	if (sscanf(name, "zinit-%d-%llx%n", &pid, &instance, &end) != 2 || name[end] != '\0')
		return false;
	return tree_read(pid, &proc) < 0 || instance_of(pid, &proc) != instance;
}

static void sweep_stale(struct supervisor *sup)
{
	unsigned int n = keeper_link_generation(sup->keeper) == 0 ? cgroup_root_sweep(sup->cgroups, is_stale, NULL) : 0;

	if (n)
		diag(DIAG_INFO, "removed %u empty cgroups of servers that did not end in good order", n);
}

void cgroups_open(struct supervisor *sup)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "zinit-%d-%llx", (int)getppid(), (unsigned long long)sup->tag_instance);
	sup->cgroups = cgroup_root_open(NULL, name, getppid(), &sup->no_cgroups);
	if (sup->cgroups)
		sweep_stale(sup);
	else
		diag(DIAG_INFO, "%s", sup->no_cgroups.msg);
}

void cgroups_close(struct supervisor *sup)
{
	cgroup_root_close(sup->cgroups, core_is_shutting_down(sup->core));
}

/* --- one service's ------------------------------------------------------------------------------ */

static struct cgroup_limits limits_of(const struct service_config *c)
{
	return (struct cgroup_limits){ .memory_max = c->memory_max, .pids_max = c->pids_max, .cpu_max_pct = c->cpu_max };
}

/* Names of the controllers that `c` needs and that are not there. */
static void missing_controllers(const struct supervisor *sup, const struct service_config *c, struct strbuf *out)
{
	const struct {
		enum cgroup_controller controller;
		bool wanted;
	} rows[] = {
		{ CGROUP_MEMORY, c->memory_max > 0 },
		{ CGROUP_PIDS, c->pids_max > 0 },
		{ CGROUP_CPU, c->cpu_max > 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].wanted && !cgroup_root_has(sup->cgroups, rows[i].controller))
			(void)strbuf_addf(out, "%s%s", out->len ? ", " : "", cgroup_controller_name(rows[i].controller));
	}
}

void unit_check_limits(const struct unit *unit)
{
	struct supervisor *sup = unit->sup;
	const struct service_config *c = unit->config;
	AUTO(strbuf_fini) struct strbuf missing = STRBUF(128);

	if (sup->limits_warned || (!c->memory_max && !c->pids_max && !c->cpu_max))
		return;
	if (sup->cgroups)
		missing_controllers(sup, c, &missing);
	if (sup->cgroups && !missing.len)
		return;
	sup->limits_warned = true;
	if (sup->cgroups)
		diag(DIAG_WARN,
		     "%s: [limits] can't be kept in full: cgroup v2 has no controller %s here; the same goes for other services",
		     c->name, strbuf_str(&missing));
	else
		diag(DIAG_WARN, "%s: [limits] has no effect, here and in other services: %s", c->name, sup->no_cgroups.msg);
}

void unit_apply_limits(struct unit *unit)
{
	struct cgroup_limits limits = limits_of(unit->config);
	struct error err;

	if (unit->cgroup && cgroup_set_limits(unit->cgroup, &limits, &err) < 0 && err.code != EOPNOTSUPP)
		diag(DIAG_WARN, "%s: %s", unit->config->name, err.msg);
}

/* Of a new one, which has none. */
static void set_limits(struct unit *unit)
{
	if (unit->config->memory_max || unit->config->pids_max || unit->config->cpu_max)
		unit_apply_limits(unit);
}

void unit_open_cgroup(struct unit *unit)
{
	struct error err;

	if (unit->cgroup || !unit->sup->cgroups || unit->config->is_target)
		return;
	unit->cgroup = cgroup_open(unit->sup->cgroups, unit->config->name, &err);
	if (!unit->cgroup)
		diag(DIAG_WARN, "%s: it runs without a cgroup: %s", unit->config->name, err.msg);
	set_limits(unit);
}

int unit_cgroup_fd(struct unit *unit, bool *out_join)
{
	int r;

	*out_join = false;
	unit_open_cgroup(unit);
	if (!unit->cgroup)
		return -1;
	r = cgroup_renew(unit->cgroup);
	if (r == 1) {
		unit->last.oom_kills = 0;
		set_limits(unit);
	}
	*out_join = r < 0; /* somebody lives in it */
	return cgroup_fd_or_none(unit->cgroup);
}

void unit_close_cgroup(struct unit *unit, bool remove)
{
	if (unit->cgroup && remove)
		(void)cgroup_remove(unit->cgroup);
	cgroup_close(unit->cgroup);
	unit->cgroup = NULL;
}

uint64_t unit_oom_kills(struct unit *unit)
{
	uint64_t kills = 0;
	uint64_t before = unit->last.oom_kills;

	if (!unit->cgroup || !cgroup_root_has(unit->sup->cgroups, CGROUP_MEMORY))
		return 0;
	kills = cgroup_oom_kills(unit->cgroup);
	unit->last.oom_kills = kills;
	return kills > before ? kills - before : 0;
}

/* --- looking ------------------------------------------------------------------------------------ */

/* Closes with query_fini(). */
static struct tree_query query_of(const struct unit *unit)
{
	struct stop_target target;

	unit_target(unit, &target);
	return (struct tree_query){
		.main = target.main,
		.reaper = getppid(),
		.tag = target.tag,
		.cgroup_fd = cgroup_fd_or_none(unit->cgroup),
	};
}

static void query_fini(struct tree_query *query)
{
	auto_close(&query->cgroup_fd);
}

int supervisor_stats(struct supervisor *sup, uint32_t id, bool with_pss, struct stats *out)
{
	struct unit *unit = unit_at(sup, id);
	usec_t now = time_boottime();
	struct stats_sample sample;
	struct tree_query query;
	int r;

	if (!unit)
		return -ENOENT;
	if (unit->sample.when < core_record(sup->core, id)->started_at)
		unit->sample = (struct stats_sample){ 0 };
	sample = unit->sample;
	query = query_of(unit);
	r = stats_read(&query, unit->cgroup, now, with_pss, &sample, out);
	query_fini(&query);
	if (r == 0 && now - unit->sample.when >= SAMPLE_SPAN)
		unit->sample = sample;
	return r;
}

int supervisor_processes(struct supervisor *sup, uint32_t id, stats_tree_fn fn, void *data)
{
	struct unit *unit = unit_at(sup, id);
	struct tree_query query;
	int r;

	if (!unit)
		return -ENOENT;
	query = query_of(unit);
	r = stats_tree(&query, fn, data);
	query_fini(&query);
	return r;
}

int unit_snapshot(const struct unit *unit, struct snapshot **out)
{
	struct tree_query query = query_of(unit);
	int r = snapshot_take(&query, out);

	query_fini(&query);
	return r;
}

int supervisor_survivors(struct supervisor *sup, uint32_t id, struct tree_list *out)
{
	struct unit *unit = unit_at(sup, id);
	const struct service_record *record = unit ? core_record(sup->core, id) : NULL;
	struct tree_query query;
	int r;

	if (!record)
		return -ENOENT;
	if (record->pid || (!(record->flags & RECORD_SURVIVORS) && unit->config->kill_mode != CONFIG_KILL_PROCESS))
		return 0;
	if (unit->stop)
		return stop_survivors(unit->stop, out);
	query = query_of(unit);
	r = tree_members(&query, out);
	query_fini(&query);
	return r;
}

bool unit_note_leftovers(struct unit *unit, bool again)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);
	struct stop_target target;

	if (!record->run || record->pid || unit->stop || core_is_active(unit->sup->core, unit->id))
		return false;
	unit_target(unit, &target);
	if (stop_finds(unit->sup->stopper, &target, again))
		core_note_leftovers(unit->sup->core, unit->id);
	return true;
}

void unit_survivors_text(struct unit *unit, char *out, size_t size)
{
	struct tree_list list = { 0 };

	out[0] = '\0';
	if (supervisor_survivors(unit->sup, unit->id, &list) == 0 && list.n)
		stop_survivors_text(&list, out, size);
	tree_list_fini(&list);
}
