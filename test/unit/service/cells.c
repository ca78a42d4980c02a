/* SPDX-License-Identifier: Apache-2.0 */
#include "cells.h"

#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "service/core_internal.h"
#include "world.h"

/* --- situations: each is brought about by events, x is the service ------------------------------- */

static void start(struct world *w, const char *name)
{
	(void)world_event(w, EV_START, name);
}

static void exit_leaving(struct world *w, const char *name)
{
	uint32_t id = core_find(w->core, name);

	(void)world_send(w, (struct core_event){ .kind = EV_EXITED, .id = id, .run = core_record(w->core, id)->run,
						 .code = 1, .leftovers = true });
}

static void inactive(struct world *w)
{
	(void)world_add_deps(w, "x", world_policy(), NULL);
}

static void inactive_by_status(struct world *w)
{
	struct service_policy p = world_policy();

	p.status = STATUS_STOP;
	(void)world_add(w, "x", &p);
}

static void blocked_on_dependency(struct world *w)
{
	struct service_policy p = world_policy();

	p.status = STATUS_STOP;
	(void)world_add(w, "dep", &p);
	(void)world_add_deps(w, "x", world_policy(), "requires:dep");
	start(w, "x");
}

static void blocked_with_leftovers(struct world *w)
{
	(void)world_add_deps(w, "x", world_policy(), NULL);
	(void)world_add_deps(w, "rival", world_policy(), "conflicts:x");
	start(w, "x");
	exit_leaving(w, "x");
	start(w, "rival");
	world_advance(w, 1 * SEC);
}

/* x is to stop, with what it left behind; first its user goes. */
static void inactive_with_leftovers(struct world *w)
{
	(void)world_add_deps(w, "user", world_policy(), "requires:x");
	blocked_with_leftovers(w);
	start(w, "user");
	(void)world_event(w, EV_STOP, "rival");
	world_stopped(w, "rival");
	exit_leaving(w, "x");
	start(w, "rival");
	world_advance(w, 100 * SEC);
	(void)world_event(w, EV_STOP, "x");
}

static void blocked_on_filters(struct world *w)
{
	struct service_policy p = world_policy();

	p.has_filters = true;
	(void)world_add(w, "x", &p);
	start(w, "x");
}

static void blocked_on_a_process(struct world *w)
{
	blocked_on_filters(w);
	(void)world_event(w, EV_FILTERS, "x"); /* not ok */
}

static struct service_policy all_keys(void)
{
	struct service_policy p = world_policy();

	p.has_pre_start = p.has_readiness = p.has_post_stop = p.critical = true;
	return p;
}

static void starting_pre_start(struct world *w)
{
	struct service_policy p = all_keys();

	(void)world_add(w, "x", &p);
	start(w, "x");
}

/* A dependent that is asked to stop at the same time is waited for. */
static void with_user(struct world *w, struct service_policy p)
{
	(void)world_add(w, "x", &p);
	(void)world_add_deps(w, "user", world_policy(), "after:x");
	start(w, "x");
	w->auto_spawn = true;
	start(w, "user");
	w->auto_spawn = false;
	(void)world_event(w, EV_STOP, "user");
}

static void starting_pre_start_going_down(struct world *w)
{
	with_user(w, all_keys());
	(void)world_event(w, EV_STOP, "x");
}

static void starting_spawn(struct world *w)
{
	w->auto_spawn = false;
	(void)world_add_deps(w, "x", world_policy(), NULL);
	start(w, "x");
}

static void starting_spawn_going_down(struct world *w)
{
	w->auto_spawn = false;
	with_user(w, world_policy());
	(void)world_event(w, EV_STOP, "x");
}

static void starting_until_ready(struct world *w)
{
	struct service_policy p = all_keys();

	p.has_pre_start = false;
	(void)world_add(w, "x", &p);
	start(w, "x");
}

static void inactive_scheduled(struct world *w)
{
	struct service_policy p = world_policy();

	p.oneshot = p.scheduled = true;
	(void)world_add(w, "x", &p);
	(void)world_event(w, EV_LOADED, "x");
}

static void starting_health_stops(struct world *w)
{
	struct service_policy p = world_policy();

	p.has_readiness = true;
	p.on_health = HEALTH_STOP;
	(void)world_add(w, "x", &p);
	start(w, "x");
}

static void starting_oneshot(struct world *w)
{
	struct service_policy p = world_policy();

	p.oneshot = true;
	(void)world_add(w, "x", &p);
	start(w, "x");
}

static void running(struct world *w)
{
	inactive(w);
	start(w, "x");
}

static void running_healthy(struct world *w)
{
	starting_until_ready(w);
	(void)world_event(w, EV_READY, "x");
}

static void running_with_dependent(struct world *w)
{
	struct service_policy p = world_policy();

	p.restart = RESTART_NEVER;
	(void)world_add(w, "x", &p);
	p.on_dependency_crash = CRASH_RESTART;
	(void)world_add_deps(w, "user", p, "requires:x");
	start(w, "user");
}

static void running_health_marks(struct world *w)
{
	struct service_policy p = world_policy();

	p.has_readiness = true;
	p.on_health = HEALTH_MARK;
	(void)world_add(w, "x", &p);
	start(w, "x");
	(void)world_event(w, EV_READY, "x");
}

static void running_health_stops(struct world *w)
{
	struct service_policy p = world_policy();

	p.has_readiness = true;
	p.on_health = HEALTH_STOP;
	(void)world_add(w, "x", &p);
	start(w, "x");
	(void)world_event(w, EV_READY, "x");
}

static void running_last_try(struct world *w)
{
	struct service_policy p = world_policy();

	p.max_restarts = 1;
	(void)world_add(w, "x", &p);
	start(w, "x");
	(void)world_exit(w, "x", 1, 0);
	world_advance(w, 1 * SEC);
}

static void running_going_down(struct world *w)
{
	with_user(w, world_policy());
	(void)world_event(w, EV_STOP, "x");
}

static void running_to_restart(struct world *w)
{
	with_user(w, world_policy());
	(void)world_event(w, EV_RESTART, "x");
}

static void running_killed_by_request(struct world *w)
{
	running(w);
	(void)world_send(w, (struct core_event){ .kind = EV_KILL_ASKED, .id = 0, .signal = SIGHUP, .uid = 7 });
}

static void running_target(struct world *w)
{
	struct service_policy p = world_policy();

	(void)world_add_deps(w, "dep", p, NULL);
	p.target = true;
	(void)world_add_deps(w, "x", p, "requires:dep");
	start(w, "dep");
	start(w, "x");
}

static void stopping_spawn(struct world *w)
{
	starting_spawn(w);
	(void)world_event(w, EV_STOP, "x");
}

static void stopping(struct world *w)
{
	running_healthy(w);
	(void)world_event(w, EV_STOP, "x");
}

static void stopping_after_exit(struct world *w)
{
	stopping(w);
	(void)world_exit(w, "x", 0, SIGTERM);
}

static void stopping_to_restart(struct world *w)
{
	running(w);
	(void)world_event(w, EV_RESTART, "x");
}

static void stopping_start_timeout(struct world *w)
{
	starting_until_ready(w);
	world_advance(w, 30 * SEC);
}

static void stopping_kill(struct world *w)
{
	stopping(w);
	world_advance(w, 10 * SEC);
}

static void stopping_kill_hung_spawn(struct world *w)
{
	stopping_spawn(w);
	world_advance(w, 10 * SEC);
}

static void stopping_post_stop(struct world *w)
{
	stopping_after_exit(w);
	(void)world_event(w, EV_GONE, "x");
}

static void stopping_post_stop_kill(struct world *w)
{
	stopping_post_stop(w);
	world_advance(w, 10 * SEC);
}

static void stopping_post_stop_crashed(struct world *w)
{
	running_healthy(w);
	exit_leaving(w, "x");
}

static void stopping_post_stop_taken_back(struct world *w)
{
	stopping_post_stop_crashed(w);
	(void)world_event(w, EV_STOP, "x");
}

static void exited_stopped(struct world *w)
{
	running(w);
	(void)world_event(w, EV_STOP, "x");
	world_stopped(w, "x");
}

static void exited_well(struct world *w)
{
	starting_oneshot(w);
	(void)world_exit(w, "x", 0, 0);
}

static void exited_well_with_leftovers(struct world *w)
{
	starting_oneshot(w);
	(void)world_send(w, (struct core_event){ .kind = EV_EXITED, .id = 0, .run = 1, .leftovers = true });
}

static void exited_to_restart(struct world *w)
{
	running(w);
	(void)world_exit(w, "x", 0, 0);
}

static void failed_to_restart(struct world *w)
{
	running(w);
	exit_leaving(w, "x");
}

static void failed_for_good(struct world *w)
{
	struct service_policy p = world_policy();

	p.restart = RESTART_NEVER;
	(void)world_add(w, "x", &p);
	start(w, "x");
	exit_leaving(w, "x");
}

static void failed_dependency(struct world *w)
{
	struct service_policy p = world_policy();

	p.restart = RESTART_NEVER;
	(void)world_add(w, "dep", &p);
	(void)world_add_deps(w, "x", p, "requires:dep");
	start(w, "dep");
	(void)world_exit(w, "dep", 1, 0);
	p.status = STATUS_IGNORE;
	(void)world_send(w, (struct core_event){ .kind = EV_LOADED, .id = core_find(w->core, "x") });
}

static void failed_missing(struct world *w)
{
	(void)world_add_deps(w, "x", world_policy(), "requires:nobody");
	start(w, "x");
}

static void failed_survivors(struct world *w)
{
	stopping_kill(w);
	(void)world_event(w, EV_SURVIVORS, "x");
}

static const struct {
	const char *name;
	void (*make)(struct world *w);
} situations[] = {
	{ "inactive", inactive },
	{ "inactive, status = stop", inactive_by_status },
	{ "inactive, scheduled", inactive_scheduled },
	{ "inactive, leftovers, dependent ends", inactive_with_leftovers },
	{ "blocked on a dependency", blocked_on_dependency },
	{ "blocked on a conflict, leftovers", blocked_with_leftovers },
	{ "blocked, filters are looked at", blocked_on_filters },
	{ "blocked on a process", blocked_on_a_process },
	{ "starting, pre_start", starting_pre_start },
	{ "starting, pre_start, going down", starting_pre_start_going_down },
	{ "starting, spawn", starting_spawn },
	{ "starting, spawn, going down", starting_spawn_going_down },
	{ "starting, not ready", starting_until_ready },
	{ "starting, on_failure = stop", starting_health_stops },
	{ "starting, oneshot", starting_oneshot },
	{ "running", running },
	{ "running, healthy", running_healthy },
	{ "running, dependent restarts", running_with_dependent },
	{ "running, on_failure = mark", running_health_marks },
	{ "running, on_failure = stop", running_health_stops },
	{ "running, last try", running_last_try },
	{ "running, going down", running_going_down },
	{ "running, to restart", running_to_restart },
	{ "running, signal sent by request", running_killed_by_request },
	{ "running target", running_target },
	{ "stopping, spawn in flight", stopping_spawn },
	{ "stopping", stopping },
	{ "stopping, process gone", stopping_after_exit },
	{ "stopping, to restart", stopping_to_restart },
	{ "stopping, start timeout", stopping_start_timeout },
	{ "stopping, killed", stopping_kill },
	{ "stopping, killed, spawn hangs", stopping_kill_hung_spawn },
	{ "stopping, post_stop", stopping_post_stop },
	{ "stopping, post_stop killed", stopping_post_stop_kill },
	{ "stopping, post_stop after a crash", stopping_post_stop_crashed },
	{ "stopping, post_stop, taken back", stopping_post_stop_taken_back },
	{ "exited, was stopped", exited_stopped },
	{ "exited well", exited_well },
	{ "exited well, leftovers", exited_well_with_leftovers },
	{ "exited, will restart", exited_to_restart },
	{ "failed, will restart, leftovers", failed_to_restart },
	{ "failed for good, leftovers", failed_for_good },
	{ "failed, dependency", failed_dependency },
	{ "failed, missing dependency", failed_missing },
	{ "failed, survivors", failed_survivors },
};

/* --- events ------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	struct core_event ev; /* id and run are filled in */
	unsigned int todo;    /* instead of an event: what the core itself may queue */
} events[] = {
	{ "LOADED", { .kind = EV_LOADED }, 0 },
	{ "START", { .kind = EV_START, .rule = RULE_ASKED }, 0 },
	{ "START scheduled", { .kind = EV_START, .rule = RULE_SCHEDULE }, 0 },
	{ "START pulled", { .rule = RULE_PULLED }, TODO_START },
	{ "STOP", { .kind = EV_STOP, .rule = RULE_ASKED }, 0 },
	{ "RESTART", { .kind = EV_RESTART, .rule = RULE_ASKED }, 0 },
	{ "RESTART cascade", { .rule = RULE_CASCADE }, TODO_AGAIN },
	{ "KILL_ASKED", { .kind = EV_KILL_ASKED, .signal = SIGUSR1, .uid = 5 }, 0 },
	{ "FILTERS ok", { .kind = EV_FILTERS, .ok = true }, 0 },
	{ "FILTERS found", { .kind = EV_FILTERS }, 0 },
	{ "PRE_START_DONE", { .kind = EV_PRE_START_DONE }, 0 },
	{ "PRE_START_FAILED", { .kind = EV_PRE_START_FAILED, .code = 4 }, 0 },
	{ "SPAWNED", { .kind = EV_SPAWNED, .pid = 77 }, 0 },
	{ "SPAWN_FAILED", { .kind = EV_SPAWN_FAILED, .stage = 2, .error = ENOENT }, 0 },
	{ "SPAWN_FAILED transient", { .kind = EV_SPAWN_FAILED, .stage = 2, .error = EAGAIN, .transient = true }, 0 },
	{ "READY", { .kind = EV_READY }, 0 },
	{ "HEALTH ok", { .kind = EV_HEALTH, .ok = true }, 0 },
	{ "HEALTH bad", { .kind = EV_HEALTH, .attempts = 3 }, 0 },
	{ "EXITED 0", { .kind = EV_EXITED }, 0 },
	{ "EXITED 3", { .kind = EV_EXITED, .code = 3 }, 0 },
	{ "EXITED SEGV, leftovers", { .kind = EV_EXITED, .code = -1, .signal = SIGSEGV, .leftovers = true }, 0 },
	{ "EXITED 127 of the shell", { .kind = EV_EXITED, .code = 127, .error = ENOENT }, 0 },
	{ "GONE", { .kind = EV_GONE }, 0 },
	{ "SURVIVORS", { .kind = EV_SURVIVORS }, 0 },
	{ "POST_STOP_DONE", { .kind = EV_POST_STOP_DONE }, 0 },
	{ "TIMER", { .kind = EV_TIMER }, 0 },
	{ "TIMER shutdown", { .rule = RULE_NONE }, TODO_KILL },
	{ "CHECK", { .rule = RULE_NONE }, TODO_CHECK | TODO_FULL },
};

/* --- what came of it ------------------------------------------------------------------------------- */

static const char *const flag_names[] = { "again", "unhealthy", "gave_up", "leftovers", "survivors", "has_exited",
					  "core_dumped", "crashed", "ports", "by_hand", "post_ran", "clean_up", "probes" };
static const char *const timer_names[TIMER_KIND_N] = { "none", "start", "stop", "restart", "shutdown" };

static const char *result_name(int r)
{
	switch (r) {
	case 0:
		return "";
	case -EALREADY:
		return "EALREADY ";
	case -ESTALE:
		return "ESTALE ";
	case -ESHUTDOWN:
		return "ESHUTDOWN ";
	case -EPROTO:
		return "not expected ";
	default:
		return "? ";
	}
}

static void write_record(struct strbuf *out, const struct world *w, const struct service_record *rec)
{
	(void)strbuf_addf(out, "%s %s", service_state_name((enum service_state)rec->state),
			  service_wish_name((enum service_wish)rec->wish));
	if (rec->phase)
		(void)strbuf_addf(out, " phase=%s", service_phase_name((enum service_phase)rec->phase));
	if (rec->failure)
		(void)strbuf_addf(out, " failure=%s", failure_name((enum failure)rec->failure));
	if (rec->timer)
		(void)strbuf_addf(out, " timer=%s+%llums", rec->timer < TIMER_KIND_N ? timer_names[rec->timer] : "?",
				  (unsigned long long)(rec->deadline - w->now) / 1000);
	(void)strbuf_addf(out, " run=%llu", (unsigned long long)rec->run);
	if (rec->pid)
		(void)strbuf_addf(out, " pid=%d", rec->pid);
	if (rec->exit_code || rec->exit_signal)
		(void)strbuf_addf(out, " exit=%d/%u", rec->exit_code, rec->exit_signal);
	if (rec->tries || rec->spawn_tries)
		(void)strbuf_addf(out, " tries=%u/%u", rec->tries, rec->spawn_tries);
	if (rec->kill_signal)
		(void)strbuf_addf(out, " kill=%u", rec->kill_signal);
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
		if (rec->flags & 1U << i)
			(void)strbuf_addf(out, " %s", flag_names[i]);
	}
}

static void write_effects(struct strbuf *out, const struct world *w)
{
	const char *before = " |";

	for (size_t i = 0; i < w->log_n; i++) {
		const struct effect *e = &w->log[i];

		(void)strbuf_addf(out, "%s ", before);
		before = ",";
		if (e->id != core_find(w->core, "x"))
			(void)strbuf_addf(out, "%s: ", e->id == CORE_NONE ? "-" : core_name(w->core, e->id));
		if (e->kind == EFFECT_ANNOUNCE)
			(void)strbuf_addf(out, "%s by %s", service_state_name((enum service_state)e->to),
					  rule_name((enum rule)e->cause.rule));
		else
			(void)strbuf_addf(out, "%s", effect_kind_name(e->kind));
	}
}

static int happen(struct world *w, size_t i)
{
	uint32_t id = core_find(w->core, "x");
	const struct service_record *rec = core_record(w->core, id);
	struct core_event ev = events[i].ev;
	struct effects fx;

	if (events[i].todo) {
		core_get(w->core, id)->via_rule = (uint8_t)ev.rule;
		core_get(w->core, id)->via_other = CORE_NONE;
		core_queue(w->core, core_get(w->core, id), events[i].todo);
		core_continue(w->core, w->now, &fx);
		world_carry_out(w, &fx);
		return 0;
	}
	ev.id = id;
	ev.run = rec->run;
	if (ev.kind == EV_TIMER) {
		/* without a timer the one that would come late */
		ev.timer = rec->timer ? (enum timer_kind)rec->timer : TIMER_START;
		w->now = rec->deadline > w->now ? rec->deadline : w->now;
	}
	return world_send(w, ev);
}

static void write_line(struct strbuf *out, size_t situation, size_t event)
{
	static struct world w;
	int r;

	world_init(&w);
	situations[situation].make(&w);
	w.auto_spawn = false;
	world_forget(&w);
	r = happen(&w, event);
	(void)strbuf_addf(out, "    %-24s %s", events[event].name, result_name(r));
	write_record(out, &w, world_record(&w, "x"));
	write_effects(out, &w);
	if (core_bugs(w.core, NULL) && r != -EPROTO)
		(void)strbuf_addf(out, " BUG");
	(void)strbuf_addf(out, "\n");
	core_free(w.core);
}

int cells_write(struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(situations); i++) {
		(void)strbuf_addf(out, "%s\n", situations[i].name);
		for (size_t j = 0; j < ARRAY_LEN(events); j++)
			write_line(out, i, j);
	}
	return strbuf_addf(out, "%s", "");
}
