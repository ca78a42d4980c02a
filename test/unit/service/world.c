/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <string.h>

#include "base/str.h"

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->core = core_new(1);
	assert_non_null(w->core);
	w->now = 1000 * SEC;
	w->auto_spawn = true;
}

void world_fini(struct world *w)
{
	const char *text;

	if (core_bugs(w->core, &text))
		fail_msg("%s", text);
	core_free(w->core);
}

struct service_policy world_policy(void)
{
	return (struct service_policy){
		.restart_delay = 1 * SEC,
		.restart_delay_max = 60 * SEC,
		.stability = 10 * SEC,
		.start_timeout = 30 * SEC,
		.stop_timeout = 10 * SEC,
	};
}

uint32_t world_add(struct world *w, const char *name, const struct service_policy *policy)
{
	struct error err = { 0 };
	uint32_t id = CORE_NONE;

	if (core_add(w->core, name, policy, &id, &err) < 0)
		fail_msg("%s", err.msg);
	return id;
}

uint32_t world_add_deps(struct world *w, const char *name, struct service_policy policy, const char *deps)
{
	struct policy_dep list[32];
	char text[512];
	char *save = NULL;

	(void)str_copy(text, sizeof(text), deps ? deps : "");
	policy.deps = list;
	policy.deps_n = 0;
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *colon = strchr(word, ':');
		struct policy_dep *dep = &list[policy.deps_n++];

		*colon = '\0';
		memset(dep, 0, sizeof(*dep));
		dep->name = colon + 1;
		for (int k = 0; k < DEP_KIND_N; k++) {
			if (strcmp(word, dep_kind_name((enum dep_kind)k)) == 0)
				dep->kind = (enum dep_kind)k;
		}
	}
	return world_add(w, name, &policy);
}

void world_carry_out(struct world *w, struct effects *fx)
{
	for (;;) {
		for (uint32_t id = core_take_dirty(w->core); id != CORE_NONE; id = core_take_dirty(w->core))
			assert_non_null(core_record(w->core, id));
		for (uint32_t i = 0; i < fx->n; i++) {
			assert_true(w->log_n < WORLD_LOG_MAX);
			w->log[w->log_n++] = fx->v[i];
		}
		if (!core_pending(w->core))
			return;
		core_continue(w->core, w->now, fx);
	}
}

int world_send(struct world *w, struct core_event ev)
{
	struct effects fx;
	int r;

	r = core_step(w->core, &ev, w->now, &fx);
	world_carry_out(w, &fx);
	while (w->answered < w->log_n) {
		struct effect e = w->log[w->answered++];

		if (e.kind == EFFECT_SPAWN && w->auto_spawn)
			(void)world_send(w, (struct core_event){ .kind = EV_SPAWNED, .id = e.id, .run = e.run,
								 .pid = (int32_t)(1000 + e.run) });
	}
	w->result = r;
	return r;
}

int world_event(struct world *w, enum event_kind kind, const char *name)
{
	uint32_t id = core_find(w->core, name);

	return world_send(w, (struct core_event){ .kind = kind, .id = id, .run = core_record(w->core, id)->run,
						  .rule = RULE_ASKED, .uid = 1000 });
}

int world_exit(struct world *w, const char *name, int code, int signal)
{
	uint32_t id = core_find(w->core, name);

	return world_send(w, (struct core_event){ .kind = EV_EXITED, .id = id, .run = core_record(w->core, id)->run,
						  .code = signal ? -1 : code, .signal = signal });
}

void world_stopped(struct world *w, const char *name)
{
	(void)world_exit(w, name, 0, 15);
	(void)world_event(w, EV_GONE, name);
}

/* The service whose timer is due first, or CORE_NONE. */
static uint32_t first_due(const struct world *w, usec_t until)
{
	uint32_t best = CORE_NONE;

	for (uint32_t id = core_next(w->core, CORE_NONE); id != CORE_NONE; id = core_next(w->core, id)) {
		const struct service_record *rec = core_record(w->core, id);

		if (rec->timer == TIMER_NONE || rec->deadline > until)
			continue;
		if (best == CORE_NONE || rec->deadline < core_record(w->core, best)->deadline)
			best = id;
	}
	return best;
}

void world_advance(struct world *w, usec_t span)
{
	usec_t until = w->now + span;
	uint32_t id;

	while ((id = first_due(w, until)) != CORE_NONE) {
		const struct service_record *rec = core_record(w->core, id);

		if (rec->deadline > w->now)
			w->now = rec->deadline;
		(void)world_send(w, (struct core_event){ .kind = EV_TIMER, .id = id,
							 .timer = (enum timer_kind)rec->timer });
	}
	w->now = until;
}

void world_forget(struct world *w)
{
	w->log_n = w->answered = 0;
}

size_t world_count(const struct world *w, enum effect_kind kind, const char *name)
{
	uint32_t id = name ? core_find(w->core, name) : CORE_NONE;
	size_t n = 0;

	for (size_t i = 0; i < w->log_n; i++) {
		if (w->log[i].kind == kind && (!name || w->log[i].id == id))
			n++;
	}
	return n;
}

const struct service_record *world_record(const struct world *w, const char *name)
{
	return core_record(w->core, core_find(w->core, name));
}

enum service_state world_state(const struct world *w, const char *name)
{
	return core_state(w->core, core_find(w->core, name));
}
