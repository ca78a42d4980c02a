/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how a service looks in JSON. */
#include "rpc/service_out.h"

#include <string.h>

#include "base/mem.h"
#include "config/service_config.h"
#include "log/log.h"
#include "rpc/proc_info.h"
#include "service/core.h"
#include "service/why.h"

#define BLOCKS_MAX 64
#define WHY_MAX 16

pid_t service_pid(const struct supervisor *sup, uint32_t id)
{
	struct supervisor_info info;

	return supervisor_info(sup, id, &info) == 0 ? info.pid : 0;
}

/* --- blocks --------------------------------------------------------------------------------------- */

static size_t blocks_of(const struct supervisor *sup, uint32_t id, struct block blocks[BLOCKS_MAX])
{
	return MIN(core_blocks(supervisor_core(sup), id, blocks, BLOCKS_MAX), (size_t)BLOCKS_MAX);
}

/* Names of what blocks it in one way. */
static void write_block_names(const struct block *blocks, size_t n, enum block_kind kind, const char *key,
			      struct json_out *out)
{
	json_out_key(out, key);
	json_out_open_array(out);
	for (size_t i = 0; i < n; i++) {
		if (blocks[i].kind == kind && blocks[i].name)
			json_out_str(out, blocks[i].name);
	}
	json_out_close_array(out);
}

/* --- reason --------------------------------------------------------------------------------------- */

static void write_failure_field(const struct failure_info *f, const char *text, struct json_out *out)
{
	switch (f->kind) {
	case FAILURE_EXIT_CODE:
		json_out_member_int(out, "code", f->code);
		break;
	case FAILURE_SIGNAL:
		json_out_member_int(out, "signal", f->signal);
		break;
	case FAILURE_HEALTH:
		json_out_member_uint(out, "attempts", f->attempts);
		break;
	case FAILURE_DEPENDENCY:
		json_out_member_str(out, "service", f->name ? f->name : "");
		break;
	case FAILURE_MISSING:
		json_out_member_str(out, "dependency", f->name ? f->name : "");
		break;
	case FAILURE_SPAWN:
		json_out_member_str(out, "message", text);
		json_out_member_int(out, "errno", f->error);
		break;
	case FAILURE_NONE:
	case FAILURE_START_TIMEOUT:
	case FAILURE_STOP_TIMEOUT:
	case FAILURE_N:
		break;
	}
}

/* What people read of a state: why it failed, or what it waits for. Returns false if there is nothing to say. */
static bool describe(const struct supervisor *sup, uint32_t id, char *out, size_t size)
{
	const struct core *core = supervisor_core(sup);
	struct block blocks[BLOCKS_MAX];
	struct strbuf names = STRBUF(size - 1);
	size_t n;

	if (core_state(core, id) == SERVICE_FAILED) {
		core_failure_text(core, id, out, size);
		return core_failure(core, id).kind != FAILURE_EXIT_CODE; /* which exit_code tells */
	}
	if (core_state(core, id) != SERVICE_BLOCKED)
		return false;
	n = blocks_of(sup, id, blocks);
	for (size_t i = 0; i < n; i++) {
		if (blocks[i].kind == BLOCK_WAITING_ON && blocks[i].name)
			(void)strbuf_addf(&names, "%s%s", names.len ? ", " : "waiting on: ", blocks[i].name);
	}
	(void)str_copy(out, size, strbuf_str(&names));
	n = names.len;
	strbuf_fini(&names);
	return n > 0;
}

void service_write_reason(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	struct failure_info f = core_failure(core, id);
	char text[WHY_TEXT_MAX];

	json_out_key(out, "reason");
	if (f.kind == FAILURE_NONE) {
		json_out_null(out);
		return;
	}
	core_failure_text(core, id, text, sizeof(text));
	json_out_open_object(out);
	json_out_member_str(out, "type", failure_name(f.kind));
	write_failure_field(&f, text, out);
	json_out_member_str(out, "text", text);
	json_out_member_bool(out, "gave_up", f.gave_up);
	json_out_close_object(out);
}

/* --- states --------------------------------------------------------------------------------------- */

static void write_exit_code(const struct supervisor_info *info, struct json_out *out)
{
	json_out_key(out, "exit_code");
	if (info->has_exited && info->exit_signal == 0 && info->exit_code >= 0)
		json_out_int(out, info->exit_code);
	else
		json_out_null(out);
}

/* The state as an object: {state} and what belongs to that state. */
static void write_state(const struct supervisor *sup, uint32_t id, const struct supervisor_info *info, struct json_out *out)
{
	enum service_state state = core_state(supervisor_core(sup), id);
	struct block blocks[BLOCKS_MAX];
	size_t n;

	json_out_open_object(out);
	json_out_member_str(out, "state", service_state_name(state));
	switch (state) {
	case SERVICE_BLOCKED:
		n = blocks_of(sup, id, blocks);
		write_block_names(blocks, n, BLOCK_WAITING_ON, "waiting_on", out);
		break;
	case SERVICE_STARTING:
	case SERVICE_RUNNING:
	case SERVICE_STOPPING:
		json_out_member_int(out, "pid", info->pid);
		break;
	case SERVICE_EXITED:
		write_exit_code(info, out);
		break;
	case SERVICE_FAILED:
		service_write_reason(sup, id, out);
		break;
	case SERVICE_INACTIVE:
	case SERVICE_STATE_N:
		break;
	}
	json_out_close_object(out);
}

static int64_t next_start_ms(const struct supervisor *sup, uint32_t id)
{
	usec_t at = core_next_start(supervisor_core(sup), id);
	usec_t now = time_boottime();

	return at > now ? (int64_t)((at - now) / USEC_PER_MSEC) : 0;
}

static void write_blocked_by(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	struct block blocks[BLOCKS_MAX];
	size_t n = 0;

	if (core_state(supervisor_core(sup), id) == SERVICE_BLOCKED)
		n = blocks_of(sup, id, blocks);
	json_out_key(out, "blocked_by");
	json_out_open_array(out);
	for (size_t i = 0; i < n; i++) {
		if (blocks[i].name)
			json_out_str(out, blocks[i].name);
	}
	json_out_close_array(out);
}

static void write_tags(const struct service_config *config, struct json_out *out)
{
	json_out_key(out, "tags");
	json_out_open_array(out);
	for (size_t i = 0; config && config->tags && config->tags[i]; i++)
		json_out_str(out, config->tags[i]);
	json_out_close_array(out);
}

static void member_text(struct json_out *out, const char *key, const char *text)
{
	json_out_member_str(out, key, text && text[0] ? text : NULL);
}

static void write_health(const struct supervisor_info *info, struct json_out *out)
{
	member_text(out, "health_error", info->health_error);
	member_text(out, "health_error_kind", info->health_error_name);
	json_out_member_int(out, "health_error_value", info->health_error_value);
	member_text(out, "health_output", info->health_output);
	json_out_member_uint(out, "health_attempts", info->health_attempts);
	json_out_member_uint(out, "health_duration_us", info->health_duration);
	member_text(out, "status_text", info->status_text);
}

/* What is wrong with its log: the disk's error while it lasts, and lines that are in no segment for it. */
static void write_log(const struct supervisor *sup, const struct supervisor_info *info, struct json_out *out)
{
	struct log_engine *log = supervisor_log(sup);
	struct log_service *svc = log ? log_service_find(log, info->name) : NULL;
	struct log_stats stats = { 0 };

	if (svc)
		log_service_stats(svc, &stats);
	json_out_member_str(out, "log_error", stats.store_error ? strerror(stats.store_error) : NULL);
	json_out_member_uint(out, "log_dropped", stats.store_dropped);
}

/* From the spawn to its readiness, of the current or last run; 0: it did not become ready, or has no process. */
static usec_t ready_duration(const struct service_record *record)
{
	if (!record || !record->started_at || record->ready_at < record->started_at)
		return 0;
	return record->ready_at - record->started_at;
}

/* What we add to the reference's members. */
static void write_additions(const struct supervisor *sup, uint32_t id, const struct supervisor_info *info,
			    struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	const struct service_record *record = core_record(core, id);
	const struct service_config *config = info->config;

	json_out_member_uint(out, "uptime_ms", info->uptime / USEC_PER_MSEC);
	json_out_member_uint(out, "ready_duration_us", ready_duration(record));
	json_out_member_uint(out, "restart_count", record ? record->restarts : 0);
	json_out_member_int(out, "last_start", info->started_at / 1000000);
	json_out_member_int(out, "last_stop", info->ended_at / 1000000);
	json_out_member_int(out, "exit_signal", info->has_exited ? info->exit_signal : 0);
	json_out_member_uint(out, "oom_kills", info->oom_kills);
	json_out_member_str(out, "undone", info->undone);
	json_out_member_bool(out, "on_trial", info->on_trial);
	write_blocked_by(sup, id, out);
	json_out_member_str(out, "wish", service_wish_name(record ? (enum service_wish)record->wish : WISH_DOWN));
	json_out_member_str(out, "health", info->health);
	write_health(info, out);
	json_out_member_uint(out, "run", info->run);
	json_out_member_int(out, "next_start_ms", next_start_ms(sup, id));
	json_out_member_str(out, "schedule", config ? config->schedule : NULL);
	json_out_member_int(out, "next_run", info->next_run / 1000000);
	json_out_member_str(out, "description", config ? config->description : NULL);
	json_out_member_str(out, "class", config && config->class == CONFIG_CLASS_SYSTEM ? "system" : "user");
	json_out_member_bool(out, "oneshot", config && config->oneshot);
	json_out_member_str(out, "path", info->path);
	write_tags(config, out);
	write_log(sup, info, out);
}

void service_write_status(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	enum service_state state = core_state(supervisor_core(sup), id);
	struct supervisor_info info;
	char text[WHY_TEXT_MAX];

	if (supervisor_info(sup, id, &info) < 0) {
		json_out_null(out);
		return;
	}
	json_out_open_object(out);
	json_out_member_str(out, "name", info.name);
	json_out_member_str(out, "state", service_state_name(state));
	json_out_member_int(out, "pid", info.pid);
	if ((state == SERVICE_EXITED || state == SERVICE_FAILED) && info.has_exited && info.exit_code >= 0)
		json_out_member_int(out, "exit_code", info.exit_code);
	if (describe(sup, id, text, sizeof(text)))
		json_out_member_str(out, "error", text);
	service_write_reason(sup, id, out);
	json_out_member_bool(out, "is_target", info.config && info.config->is_target);
	write_additions(sup, id, &info, out);
	json_out_close_object(out);
}

static bool is_satisfied(const struct core *core, enum dep_kind kind, uint32_t other)
{
	if (kind == DEP_CONFLICTS)
		return !core_is_active(core, other);
	return kind == DEP_WANTS || core_is_satisfied(core, other);
}

static void write_dependencies(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	struct supervisor_info info;
	enum dep_kind kind;
	const char *name;
	uint32_t other;

	json_out_key(out, "dependencies");
	json_out_open_array(out);
	for (size_t i = 0; core_dependency(core, id, i, &kind, &name, &other); i++) {
		if (other == CORE_NONE || supervisor_info(sup, other, &info) < 0)
			continue; /* clients expect a state; service.why names what is missing */
		json_out_open_object(out);
		json_out_member_str(out, "name", name);
		json_out_member_str(out, "dep_type", dep_kind_name(kind));
		json_out_member_bool(out, "satisfied", is_satisfied(core, kind, other));
		json_out_key(out, "state");
		write_state(sup, other, &info, out);
		json_out_close_object(out);
	}
	json_out_close_array(out);
}

static void write_usage(pid_t pid, struct json_out *out)
{
	struct proc_info proc = { 0 };

	if (pid > 0)
		(void)proc_info_read(pid, &proc); /* gone meanwhile: zeroes */
	json_out_key(out, "cpu_percent");
	json_out_real(out, proc.cpu_percent);
	json_out_member_uint(out, "memory_bytes", proc.memory_bytes);
}

/* What list_full and status_full have in common. */
static void write_head(const struct supervisor *sup, uint32_t id, const struct supervisor_info *info, struct json_out *out)
{
	json_out_member_str(out, "name", info->name);
	json_out_key(out, "state");
	write_state(sup, id, info, out);
	json_out_member_bool(out, "is_target", info->config && info->config->is_target);
	json_out_member_int(out, "pid", info->pid);
	write_exit_code(info, out);
	write_additions(sup, id, info, out);
}

void service_write_row(const struct supervisor *sup, uint32_t id, bool usage, struct json_out *out)
{
	struct supervisor_info info;

	if (supervisor_info(sup, id, &info) < 0)
		return;
	json_out_open_object(out);
	write_head(sup, id, &info, out);
	if (usage)
		write_usage(info.pid, out);
	json_out_close_object(out);
}

void service_write_full(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	struct supervisor_info info;

	if (supervisor_info(sup, id, &info) < 0) {
		json_out_null(out);
		return;
	}
	json_out_open_object(out);
	write_head(sup, id, &info, out);
	json_out_key(out, "uptime_secs");
	if (info.pid > 0)
		json_out_uint(out, info.uptime / USEC_PER_SEC);
	else
		json_out_null(out);
	write_dependencies(sup, id, out);
	write_usage(info.pid, out);
	json_out_close_object(out);
}

/* --- why ------------------------------------------------------------------------------------------ */

char service_symbol(enum service_state state)
{
	static const char symbols[SERVICE_STATE_N + 1] = {
		[SERVICE_INACTIVE] = '-', [SERVICE_BLOCKED] = '?', [SERVICE_STARTING] = '>', [SERVICE_RUNNING] = '+',
		[SERVICE_STOPPING] = '<', [SERVICE_EXITED] = '.',  [SERVICE_FAILED] = 'X',   [SERVICE_STATE_N] = '!',
	};

	return symbols[state];
}

void service_write_why_texts(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	struct why_step steps[WHY_MAX];
	size_t n = core_why(supervisor_core(sup), id, time_boottime(), steps, WHY_MAX);

	json_out_open_array(out);
	for (size_t i = 0; i < MIN(n, (size_t)WHY_MAX); i++)
		json_out_str(out, steps[i].text);
	json_out_close_array(out);
}

static void write_steps(const struct core *core, const struct why_step *steps, size_t n, struct json_out *out)
{
	json_out_key(out, "steps");
	json_out_open_array(out);
	for (size_t i = 0; i < n; i++) {
		json_out_open_object(out);
		json_out_member_str(out, "service", steps[i].id == CORE_NONE ? NULL : core_name(core, steps[i].id));
		json_out_member_str(out, "state", steps[i].id == CORE_NONE ? NULL : service_state_name(steps[i].state));
		json_out_member_str(out, "rule", rule_name(steps[i].rule));
		json_out_member_bool(out, "root", steps[i].root);
		json_out_member_str(out, "text", steps[i].text);
		json_out_close_object(out);
	}
	json_out_close_array(out);
}

static void write_port_conflict(const struct block *blocks, size_t n, struct json_out *out)
{
	struct strbuf text = STRBUF(1024);

	for (size_t i = 0; i < n; i++) {
		if (blocks[i].kind == BLOCK_PORT)
			(void)strbuf_addf(&text, "%sport %u in use by service %s", text.len ? ", " : "", blocks[i].port,
					  blocks[i].name ? blocks[i].name : "another");
	}
	if (text.len)
		json_out_member_str(out, "port_conflict", text.data);
	strbuf_fini(&text);
}

static const char *state_of(const struct core *core, uint32_t id)
{
	return id == CORE_NONE ? "missing" : service_state_name(core_state(core, id));
}

static void add_blocks(const struct core *core, const struct block *blocks, size_t n, struct strbuf *text)
{
	for (size_t i = 0; i < n; i++) {
		if (blocks[i].kind == BLOCK_WAITING_ON)
			(void)strbuf_addf(text, "\n  -> waiting on %s (%s)", blocks[i].name, state_of(core, blocks[i].id));
		else if (blocks[i].kind == BLOCK_CONFLICTS_WITH)
			(void)strbuf_addf(text, "\n  !> conflicts with %s (%s)", blocks[i].name, state_of(core, blocks[i].id));
		else if (blocks[i].kind == BLOCK_PORT)
			(void)strbuf_addf(text, "\n  !> port %u in use by service %s", blocks[i].port, blocks[i].name);
		else if (blocks[i].kind == BLOCK_PROCESS)
			(void)strbuf_puts(text, "\n  !> a foreign process matches process_filters");
	}
}

void service_add_next_run(ts_ns next, struct strbuf *out)
{
	ts_ns now = time_realtime();
	char span[16];

	if (!next) {
		(void)strbuf_puts(out, "no next run");
		return;
	}
	time_span((usec_t)(MAX(next - now, (ts_ns)0) / 1000), span, sizeof(span));
	(void)strbuf_addf(out, "next run in %s", span);
}

static void write_ascii(const struct supervisor *sup, uint32_t id, const struct block *blocks, size_t blocks_n,
			const struct why_step *steps, size_t steps_n, const char *undone, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	enum service_state state = core_state(core, id);
	struct strbuf text = STRBUF(64 << 10);
	int64_t wait_ms = next_start_ms(sup, id);
	struct supervisor_info info;

	(void)strbuf_addf(&text, "[%c] %s (%s)", service_symbol(state), core_name(core, id), service_state_name(state));
	add_blocks(core, blocks, blocks_n, &text);
	for (size_t i = 0; i < steps_n; i++)
		(void)strbuf_addf(&text, "\n  %s%s", i == 0 ? "" : "because ", steps[i].text);
	if (undone)
		(void)strbuf_addf(&text, "\n  its last new definition was taken back: %s", undone);
	if (wait_ms > 0)
		(void)strbuf_addf(&text, "\n  next start in %.1f s", (double)wait_ms / 1000);
	if (supervisor_info(sup, id, &info) == 0 && info.config && info.config->schedule) {
		(void)strbuf_addf(&text, "\n  schedule %s: ", info.config->schedule);
		service_add_next_run(info.next_run, &text);
	}
	json_out_member_str(out, "ascii", strbuf_str(&text));
	strbuf_fini(&text);
}

void service_write_why(const struct supervisor *sup, uint32_t id, struct json_out *out)
{
	const struct core *core = supervisor_core(sup);
	enum service_state state = core_state(core, id);
	struct block blocks[BLOCKS_MAX];
	struct why_step steps[WHY_MAX];
	size_t steps_n = MIN(core_why(core, id, time_boottime(), steps, WHY_MAX), (size_t)WHY_MAX);
	size_t n = state == SERVICE_BLOCKED ? blocks_of(sup, id, blocks) : 0;
	struct supervisor_info info = { 0 };

	(void)supervisor_info(sup, id, &info);
	json_out_open_object(out);
	json_out_member_str(out, "name", core_name(core, id));
	json_out_member_bool(out, "blocked", state == SERVICE_BLOCKED);
	write_block_names(blocks, n, BLOCK_WAITING_ON, "waiting_on", out);
	write_block_names(blocks, n, BLOCK_CONFLICTS_WITH, "conflicts_with", out);
	write_port_conflict(blocks, n, out);
	write_ascii(sup, id, blocks, n, steps, steps_n, info.undone, out);
	json_out_member_str(out, "state", service_state_name(state));
	service_write_reason(sup, id, out);
	json_out_member_int(out, "next_start_ms", next_start_ms(sup, id));
	json_out_member_str(out, "undone", info.undone);
	write_steps(core, steps, steps_n, out);
	json_out_close_object(out);
}
