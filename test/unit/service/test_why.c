/* SPDX-License-Identifier: Apache-2.0 */
/* Causes: sentences, and the walk to the root, with one injected fault in random graphs. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/why.h"

static void load_all(struct world *w)
{
	for (uint32_t id = core_next(w->core, CORE_NONE); id != CORE_NONE; id = core_next(w->core, id))
		(void)world_send(w, (struct core_event){ .kind = EV_LOADED, .id = id });
}

static const char *root_of(const struct world *w, const char *name, struct why_step *steps, size_t max)
{
	size_t n = core_why(w->core, core_find(w->core, name), w->now, steps, max);

	assert_true(n > 0);
	assert_true(steps[n - 1].root);
	return core_name(w->core, steps[n - 1].id);
}

/* Acceptance 16. */
static void member_of_a_target_is_the_root(void **state)
{
	struct world w;
	struct why_step steps[8];
	struct service_policy t = world_policy();
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	t.target = true;
	p.restart = RESTART_NEVER;
	p.oneshot = true;
	(void)world_add_deps(&w, "b", world_policy(), "requires:t");
	(void)world_add_deps(&w, "t", t, "requires:ok requires:member");
	(void)world_add_deps(&w, "ok", world_policy(), NULL);
	(void)world_add_deps(&w, "member", p, NULL);
	load_all(&w);
	world_exit(&w, "member", 4, 0);
	assert_string_equal(root_of(&w, "b", steps, ARRAY_LEN(steps)), "member");
	assert_string_equal(steps[0].text, "b is failed: dependency 't' failed");
	assert_string_equal(steps[1].text, "t is failed: dependency 'member' failed");
	assert_string_equal(steps[2].text, "member is failed: exited with code 4");
	world_fini(&w);
}

static void every_state_has_its_sentence(void **state)
{
	struct world w;
	struct why_step steps[8];
	struct service_policy p = world_policy();

	(void)state;
	world_init(&w);
	(void)world_add_deps(&w, "db", world_policy(), NULL);
	(void)world_add_deps(&w, "api", p, "requires:db");
	(void)root_of(&w, "db", steps, 8);
	assert_string_equal(steps[0].text, "db is inactive: was never started");
	world_event(&w, EV_START, "api");
	assert_string_equal(root_of(&w, "db", steps, 8), "api");
	assert_string_equal(steps[0].text, "db is running: 'api', which was started, requires it");
	assert_string_equal(steps[1].text, "api is running: asked for by uid 1000");
	world_send(&w, (struct core_event){ .kind = EV_KILL_ASKED, .id = 0, .signal = 9, .uid = 7 });
	world_exit(&w, "db", 0, 9);
	(void)root_of(&w, "db", steps, 8);
	assert_string_equal(steps[0].text,
			    "db is failed: killed by SIGKILL (9) (SIGKILL sent for uid 7); starts again in 1.0s");
	world_advance(&w, 1 * SEC);
	world_event(&w, EV_STOP, "db");
	assert_string_equal(root_of(&w, "api", steps, 8), "db");
	assert_string_equal(steps[0].text,
			    "api is stopping: it requires 'db', which was asked to stop or restart");
	assert_string_equal(steps[1].text, "db is running: is to stop once its dependents are gone: asked for by uid 1000");
	world_fini(&w);
}

/* One for each reason of a failure, for what is blocked, and for what is down because somebody wants it so. */
enum fault {
	FAULT_SPAWN,
	FAULT_EXIT,
	FAULT_SIGNAL,
	FAULT_SLOW,      /* it does not come up, and its time is not over yet */
	FAULT_START,     /* … and it is */
	FAULT_HEALTHY,   /* its health check fails before it is ready */
	FAULT_PRE_START,
	FAULT_NOBODY,    /* it requires what does not exist */
	FAULT_BACKOFF,   /* it crashed, and will be tried again */
	FAULT_PROCESS,   /* a foreign process is in its way */
	FAULT_STOP,
	FAULT_N
};

static unsigned int draw(uint64_t *seed, unsigned int below)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*seed >> 33) % below;
}

static bool reaches(const struct world *w, uint32_t from, uint32_t to)
{
	enum dep_kind kind;
	const char *name;
	uint32_t dep;

	if (from == to)
		return true;
	for (size_t i = 0; core_dependency(w->core, from, i, &kind, &name, &dep); i++) {
		if (kind == DEP_REQUIRES && reaches(w, dep, to))
			return true;
	}
	return false;
}

static void end_stop(struct world *w, uint32_t faulty)
{
	uint64_t run = core_record(w->core, faulty)->run;

	world_send(w, (struct core_event){ .kind = EV_EXITED, .id = faulty, .run = run, .code = -1, .signal = 15 });
	world_send(w, (struct core_event){ .kind = EV_GONE, .id = faulty, .run = run });
}

static void inject(struct world *w, uint32_t faulty, enum fault fault)
{
	static const struct core_event events[FAULT_N] = {
		[FAULT_SPAWN] = { .kind = EV_SPAWN_FAILED, .error = ENOENT },
		[FAULT_EXIT] = { .kind = EV_EXITED, .code = 9 },
		[FAULT_SIGNAL] = { .kind = EV_EXITED, .code = -1, .signal = 11 },
		[FAULT_START] = { .kind = EV_TIMER, .timer = TIMER_START },
		[FAULT_HEALTHY] = { .kind = EV_HEALTH, .attempts = 3 },
		[FAULT_PRE_START] = { .kind = EV_PRE_START_FAILED, .code = 2 },
		[FAULT_BACKOFF] = { .kind = EV_EXITED, .code = 9 },
		[FAULT_PROCESS] = { .kind = EV_FILTERS },
		[FAULT_STOP] = { .kind = EV_STOP, .rule = RULE_ASKED, .uid = 5 },
	};
	struct core_event ev = events[fault];

	if (ev.kind == EV_NONE)
		return;
	ev.id = faulty;
	ev.run = core_record(w->core, faulty)->run;
	if (fault == FAULT_START || fault == FAULT_HEALTHY)
		world_send(w, (struct core_event){ .kind = EV_SPAWNED, .id = faulty, .run = ev.run, .pid = 1 });
	if (fault == FAULT_START)
		w->now += 30 * SEC;
	world_send(w, ev);
	if (fault == FAULT_START || fault == FAULT_HEALTHY)
		end_stop(w, faulty);
}

/* All processes come up at once, except that of `faulty`, which is left for inject(). */
static void spawn_all_but(struct world *w, uint32_t faulty)
{
	for (bool more = true; more;) {
		more = false;
		for (uint32_t id = core_next(w->core, CORE_NONE); id != CORE_NONE; id = core_next(w->core, id)) {
			const struct service_record *rec = core_record(w->core, id);

			if (rec->phase != PHASE_SPAWN || id == faulty)
				continue;
			world_send(w, (struct core_event){ .kind = EV_SPAWNED, .id = id, .run = rec->run, .pid = 1 });
			more = true;
		}
	}
}

static void one_random_graph(uint64_t seed, enum fault fault)
{
	struct world w;
	struct why_step steps[64];
	unsigned int n = 2 + draw(&seed, 30);
	uint32_t faulty = draw(&seed, n);
	struct service_policy p = world_policy();

	world_init(&w);
	w.auto_spawn = false;
	p.restart = RESTART_NEVER;
	for (unsigned int i = 0; i < n; i++) {
		char name[16];
		char deps[256] = "";
		size_t len = 0;

		(void)snprintf(name, sizeof(name), "s%u", i);
		for (unsigned int j = 0; j < i && len < 200; j++) {
			if (draw(&seed, 5) == 0)
				len += (size_t)snprintf(deps + len, sizeof(deps) - len, "%srequires:s%u", len ? " " : "", j);
		}
		p.target = i != faulty && draw(&seed, 6) == 0;
		p.has_readiness = i == faulty && (fault == FAULT_START || fault == FAULT_HEALTHY);
		p.has_pre_start = i == faulty && fault == FAULT_PRE_START;
		p.has_filters = i == faulty && fault == FAULT_PROCESS;
		p.restart = i == faulty && fault == FAULT_BACKOFF ? RESTART_ALWAYS : RESTART_NEVER;
		if (i == faulty && fault == FAULT_NOBODY)
			(void)snprintf(deps + len, sizeof(deps) - len, "%srequires:nobody", len ? " " : "");
		(void)world_add_deps(&w, name, p, deps);
	}
	load_all(&w);
	spawn_all_but(&w, fault == FAULT_STOP ? CORE_NONE : faulty);
	inject(&w, faulty, fault);
	for (uint32_t id = 0; id < n; id++) {
		if (id == faulty || !reaches(&w, id, faulty))
			continue;
		assert_int_not_equal(core_is_satisfied(w.core, id) && fault != FAULT_STOP, true);
		assert_string_equal(root_of(&w, core_name(w.core, id), steps, ARRAY_LEN(steps)),
				    core_name(w.core, faulty));
	}
	world_fini(&w);
}

static void the_injected_fault_is_the_root(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		for (int fault = 0; fault < FAULT_N; fault++)
			one_random_graph(seed, (enum fault)fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member_of_a_target_is_the_root),
		cmocka_unit_test(every_state_has_its_sentence),
		cmocka_unit_test(the_injected_fault_is_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
