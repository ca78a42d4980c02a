/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: causes as sentences, and the walk from a state to its root. */
#include "service/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/kernel_names.h"
#include "base/mem.h"
#include "base/str.h"
#include "service/core_internal.h"

struct sentence {
	char *out;
	size_t size, len;
};

static void say(struct sentence *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct sentence *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->out + s->len, s->size - s->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->len = MIN(s->len + (size_t)n, s->size - 1);
}

static const char *name_of(const struct core *core, uint32_t id)
{
	const char *name = core_name(core, id);

	return name ? name : "a service that was removed";
}

void core_cause_text(const struct core *core, const struct cause *cause, char *out, size_t size)
{
	struct sentence s = { .out = out, .size = size };
	char signal[SIGNAL_NAME_SIZE];

	out[0] = '\0';
	switch ((enum rule)cause->rule) {
	case RULE_ASKED:
		if (cause->uid == UINT32_MAX)
			say(&s, "asked for");
		else
			say(&s, "asked for by uid %u", cause->uid);
		break;
	case RULE_BOOT:
		say(&s, "status = \"start\"");
		break;
	case RULE_CONFIG:
		say(&s, "the configuration changed");
		break;
	case RULE_PULLED:
		say(&s, "'%s', which was started, requires it", name_of(core, cause->other));
		break;
	case RULE_CASCADE:
		say(&s, "it requires '%s', which was asked to stop or restart", name_of(core, cause->other));
		break;
	case RULE_DEPENDENCY:
		if (cause->other == CORE_NONE)
			say(&s, "something that it depends on changed");
		else
			say(&s, "its dependency '%s' changed", name_of(core, cause->other));
		break;
	case RULE_DEP_CRASHED:
		say(&s, "'%s', which it requires, crashed", name_of(core, cause->other));
		break;
	case RULE_RESTART:
		say(&s, "the restart policy");
		break;
	case RULE_PROCESS:
		say(&s, "its process");
		break;
	case RULE_TIMEOUT:
		say(&s, "a time-out");
		break;
	case RULE_HEALTH:
		say(&s, "its health check");
		break;
	case RULE_LIMIT:
		say(&s, "max_restarts is used up");
		break;
	case RULE_CONFLICT:
		say(&s, "what it conflicted with is gone");
		break;
	case RULE_SHUTDOWN:
		say(&s, "the server shuts down");
		break;
	case RULE_GONE:
		say(&s, "the last of its processes is gone");
		break;
	case RULE_UNDO:
		say(&s, "its new definition did not come up, so the old one is back");
		break;
	case RULE_SCHEDULE:
		say(&s, "its schedule");
		break;
	case RULE_WATCH:
		say(&s, "a file that it watches changed");
		break;
	case RULE_NONE:
	case RULE_N:
		say(&s, "nobody asked for it");
		break;
	}
	if (cause->line)
		say(&s, " (line %u)", cause->line);
	if (cause->signal) {
		signal_name(cause->signal, signal);
		say(&s, ", after %s (%u) sent for uid %u", signal, cause->signal, cause->uid);
	}
}

static void say_exit(struct sentence *out, const struct service *s)
{
	char signal[SIGNAL_NAME_SIZE];

	if (!(s->rec.flags & RECORD_HAS_EXITED))
		return;
	signal_name(s->rec.exit_signal, signal);
	if (s->rec.exit_signal)
		say(out, "killed by %s (%d)", signal, s->rec.exit_signal);
	else if (s->rec.exit_code < 0)
		say(out, "ended while nobody watched, exit status unknown");
	else
		say(out, "exited with code %d", s->rec.exit_code);
	if (s->rec.flags & RECORD_CORE_DUMPED)
		say(out, " (core dumped)");
}

static void say_spawn_error(struct sentence *out, const struct service *s)
{
	/* an exit code without a step that failed is that of the shell that should have started the command */
	if (s->rec.flags & RECORD_HAS_EXITED && !s->rec.spawn_stage)
		say(out, "spawn error: command not %s (exit code %d of the shell)",
		    s->rec.spawn_errno == ENOENT ? "found" : "executable", s->rec.exit_code);
	else
		say(out, "spawn error: %s", s->spawn_text ? s->spawn_text : strerror(s->rec.spawn_errno));
}

static void say_failure(const struct core *core, const struct service *s, struct sentence *out)
{
	struct failure_info info = core_failure(core, s->id);
	char signal[SIGNAL_NAME_SIZE];

	/* a service on its way down knows already what it will be failed with */
	switch (info.kind == FAILURE_NONE ? (enum failure)s->rec.failure : info.kind) {
	case FAILURE_EXIT_CODE:
	case FAILURE_SIGNAL:
		say_exit(out, s);
		break;
	case FAILURE_START_TIMEOUT:
		say(out, "start timeout");
		break;
	case FAILURE_STOP_TIMEOUT:
		say(out, "stop timeout");
		break;
	case FAILURE_HEALTH:
		say(out, "health check failed after %u attempts", s->rec.attempts);
		break;
	case FAILURE_DEPENDENCY:
		say(out, "dependency '%s' failed", info.name ? info.name : "?");
		break;
	case FAILURE_SPAWN:
		say_spawn_error(out, s);
		break;
	case FAILURE_MISSING:
		say(out, "missing dependency '%s'", info.name ? info.name : "?");
		break;
	case FAILURE_NONE:
	case FAILURE_N:
		break;
	}
	if (s->rec.state == SERVICE_FAILED && info.gave_up)
		say(out, ", gave up after %u restart%s", s->rec.tries, s->rec.tries == 1 ? "" : "s");
	if (s->rec.cause.signal) {
		signal_name(s->rec.cause.signal, signal);
		say(out, " (%s sent for uid %u)", signal, s->rec.cause.uid);
	}
}

void core_failure_text(const struct core *core, uint32_t id, char *out, size_t size)
{
	const struct service *s = core_get(core, id);
	struct sentence sentence = { .out = out, .size = size };

	out[0] = '\0';
	if (s)
		say_failure(core, s, &sentence);
}

/* --- the walk --------------------------------------------------------------------------------------- */

/* The other service that a wish came from, or CORE_NONE. */
static uint32_t wished_by(const struct service *s)
{
	switch ((enum rule)s->rec.wish_cause.rule) {
	case RULE_PULLED:
	case RULE_CASCADE:
	case RULE_DEP_CRASHED:
		return s->rec.wish_cause.other;
	case RULE_NONE:
	case RULE_ASKED:
	case RULE_BOOT:
	case RULE_CONFIG:
	case RULE_DEPENDENCY:
	case RULE_RESTART:
	case RULE_PROCESS:
	case RULE_TIMEOUT:
	case RULE_HEALTH:
	case RULE_LIMIT:
	case RULE_CONFLICT:
	case RULE_SHUTDOWN:
	case RULE_GONE:
	case RULE_UNDO:
	case RULE_SCHEDULE:
	case RULE_WATCH:
	case RULE_N:
		break;
	}
	return CORE_NONE;
}

/* How much a dependency in this state explains: who waits for several waits most for the one that will not come. */
static unsigned int weight(const struct service *s)
{
	switch ((enum service_state)s->rec.state) {
	case SERVICE_FAILED:
		return 6;
	case SERVICE_EXITED:
		return 5;
	case SERVICE_INACTIVE:
		return 4;
	case SERVICE_STOPPING:
		return 3;
	case SERVICE_BLOCKED:
		return 2;
	case SERVICE_STARTING:
		return 1;
	case SERVICE_RUNNING:
	case SERVICE_STATE_N:
		break;
	}
	return 0;
}

static uint32_t explain_blocked(const struct core *core, const struct service *s, struct sentence *out)
{
	struct block all[32];
	size_t n = MIN(core_blocks(core, s->id, all, ARRAY_LEN(all)), ARRAY_LEN(all));
	const struct block *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct service *other = core_get(core, all[i].id);

		if (!best || (other && core_get(core, best->id) && weight(other) > weight(core_get(core, best->id))))
			best = &all[i];
	}
	if (!best) {
		say(out, "is about to start");
		return CORE_NONE;
	}
	switch (best->kind) {
	case BLOCK_WAITING_ON:
		say(out, "waits for '%s' (%s)", best->name, dep_kind_name(best->dep));
		break;
	case BLOCK_CONFLICTS_WITH:
		say(out, "conflicts with '%s', which is active", best->name);
		break;
	case BLOCK_PORT:
		say(out, "port conflict on %u: already in use by '%s'", best->port, best->name);
		break;
	case BLOCK_PROCESS:
		say(out, "a foreign process matches its process_filters");
		break;
	case BLOCK_RESTART_DELAY:
	case BLOCK_KIND_N:
		break;
	}
	if (n > 1)
		say(out, " and %zu more", n - 1);
	return best->id;
}

static void say_wish(const struct core *core, const struct service *s, struct sentence *out)
{
	char text[WHY_TEXT_MAX];

	core_cause_text(core, &s->rec.wish_cause, text, sizeof(text));
	say(out, "%s", text);
}

static uint32_t explain_down(const struct core *core, const struct service *s, struct sentence *out)
{
	if (s->rec.wish_cause.rule == RULE_NONE) {
		say(out, "was never started");
		if (s->policy.status != STATUS_START)
			say(out, " (status = \"%s\")", s->policy.status == STATUS_STOP ? "stop" : "ignore");
		return CORE_NONE;
	}
	say_wish(core, s, out);
	return wished_by(s);
}

static void say_next_start(const struct core *core, const struct service *s, usec_t now, struct sentence *out)
{
	usec_t next = core_next_start(core, s->id);
	char span[16];

	if (!next)
		return;
	time_span(next > now ? next - now : 0, span, sizeof(span));
	say(out, "; starts again in %s", span);
}

static uint32_t explain_ended(const struct core *core, const struct service *s, usec_t now, struct sentence *out)
{
	if (s->rec.state == SERVICE_FAILED) {
		say_failure(core, s, out);
		say_next_start(core, s, now, out);
		return s->rec.failure == FAILURE_DEPENDENCY ? s->rec.failure_other : CORE_NONE;
	}
	if (s->rec.wish == WISH_DOWN)
		return explain_down(core, s, out);
	say_exit(out, s);
	say_next_start(core, s, now, out);
	return CORE_NONE;
}

static uint32_t explain_active(const struct core *core, const struct service *s, struct sentence *out)
{
	if (s->rec.state == SERVICE_STOPPING && s->rec.failure) {
		say_failure(core, s, out);
		return CORE_NONE;
	}
	if (s->rec.state == SERVICE_STOPPING && s->rec.flags & RECORD_CRASHED) {
		say_exit(out, s);
		say(out, ", post_stop runs");
		return CORE_NONE;
	}
	if (need_going_down(s) && s->rec.state != SERVICE_STOPPING)
		say(out, "is to %s once its dependents are gone: ", s->rec.wish == WISH_DOWN ? "stop" : "restart");
	else if (s->rec.state == SERVICE_STARTING && s->rec.phase == PHASE_READY && !s->policy.oneshot)
		say(out, "is not ready yet: ");
	say_wish(core, s, out);
	return wished_by(s);
}

/* One sentence about `s`; returns the service that explains it further, or CORE_NONE. */
static uint32_t explain(const struct core *core, const struct service *s, usec_t now, struct why_step *step)
{
	struct sentence out = { .out = step->text, .size = sizeof(step->text) };

	step->id = s->id;
	step->state = (enum service_state)s->rec.state;
	step->cause = s->rec.cause;
	step->rule = (enum rule)s->rec.cause.rule;
	say(&out, "%s is %s: ", core_name(core, s->id), service_state_name(step->state));
	switch (step->state) {
	case SERVICE_BLOCKED:
		return explain_blocked(core, s, &out);
	case SERVICE_INACTIVE:
		return explain_down(core, s, &out);
	case SERVICE_STARTING:
	case SERVICE_RUNNING:
	case SERVICE_STOPPING:
		return explain_active(core, s, &out);
	case SERVICE_EXITED:
	case SERVICE_FAILED:
		return explain_ended(core, s, now, &out);
	case SERVICE_STATE_N:
		break;
	}
	return CORE_NONE;
}

static bool seen(const struct why_step *steps, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].id == id)
			return true;
	}
	return false;
}

size_t core_why(const struct core *core, uint32_t id, usec_t now, struct why_step *out, size_t max)
{
	size_t n = 0;

	while (core_get(core, id) && n < max && !seen(out, n, id)) {
		memset(&out[n], 0, sizeof(out[n]));
		id = explain(core, core_get(core, id), now, &out[n]);
		n++;
	}
	if (n)
		out[n - 1].root = n < max || !core_get(core, id) || seen(out, n, id);
	return n;
}
