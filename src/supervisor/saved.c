/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the layout of a service's record in the state. */
#include "supervisor/saved.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "service/core.h"

#define FIELD(member, at, ...) { #member, offsetof(struct saved, member), sizeof(((struct saved *)0)->member), at, __VA_ARGS__ }
#define ANY 0, false
#define FLAG 2, false

const struct saved_field saved_fields[] = {
	FIELD(core.run, 0, ANY),
	FIELD(core.since, 8, ANY),
	FIELD(core.started_at, 16, ANY),
	FIELD(core.ready_at, 24, ANY),
	FIELD(core.ended_at, 32, ANY),
	FIELD(core.deadline, 40, ANY),
	FIELD(core.delay, 48, ANY),
	FIELD(core.cause.at, 56, ANY),
	FIELD(core.cause.other, 64, ANY),
	FIELD(core.cause.uid, 68, ANY),
	FIELD(core.cause.line, 72, ANY),
	FIELD(core.cause.event, 76, EV_KIND_N, false),
	FIELD(core.cause.rule, 77, RULE_N, false),
	FIELD(core.cause.signal, 78, ANY),
	FIELD(core.wish_cause.at, 80, ANY),
	FIELD(core.wish_cause.other, 88, ANY),
	FIELD(core.wish_cause.uid, 92, ANY),
	FIELD(core.wish_cause.line, 96, ANY),
	FIELD(core.wish_cause.event, 100, EV_KIND_N, false),
	FIELD(core.wish_cause.rule, 101, RULE_N, false),
	FIELD(core.wish_cause.signal, 102, ANY),
	FIELD(core.restarts, 104, ANY),
	FIELD(core.tries, 108, ANY),
	FIELD(core.spawn_tries, 112, ANY),
	FIELD(core.failure_other, 116, ANY),
	FIELD(core.attempts, 120, ANY),
	FIELD(core.pid, 124, ANY),
	FIELD(core.spawn_errno, 128, ANY),
	FIELD(core.exit_code, 132, ANY),
	FIELD(core.exit_signal, 134, ANY),
	FIELD(core.spawn_stage, 135, ANY),
	FIELD(core.state, 136, SERVICE_STATE_N, true),
	FIELD(core.wish, 137, WISH_N, true),
	FIELD(core.phase, 138, PHASE_N, true),
	FIELD(core.failure, 139, FAILURE_N, true),
	FIELD(core.timer, 140, TIMER_SHUTDOWN, true),
	FIELD(core.blocked, 141, ANY),
	FIELD(core.flags, 142, ANY),
	FIELD(core.kill_signal, 144, ANY),
	FIELD(last.by_shell, 145, FLAG),
	FIELD(intent.loaded, 146, FLAG),
	FIELD(intent.removing, 147, FLAG),
	FIELD(intent.remove_file, 148, FLAG),
	FIELD(core.status, 149, ANY),
	FIELD(unhealthy, 150, ANY),
	FIELD(core.kill_uid, 152, ANY),
	FIELD(last.exit.pid, 156, ANY),
	FIELD(last.exit.code, 160, ANY),
	FIELD(last.exit.status, 164, ANY),
	FIELD(last.started_at, 168, ANY),
	FIELD(last.ended_at, 176, ANY),
	FIELD(last.oom_kills, 184, ANY),
	FIELD(event, 192, ANY),
	FIELD(timetable.next, 200, ANY),
	FIELD(timetable.last, 208, ANY),
	FIELD(timetable.next_every, 216, ANY),
	FIELD(intent.due, 224, FLAG),
};
/* A member that has no row would be forgotten with the server. */
_Static_assert(sizeof(struct saved) == 232 && sizeof(((struct saved *)0)->core.reserved) == 2, "give the new member a row above");
const size_t saved_fields_n = ARRAY_LEN(saved_fields);

const struct state_format saved_format = {
	.version = SAVED_VERSION,
	.oldest = SAVED_VERSION - 1 > 4 ? SAVED_VERSION - 1 : 4, /* 4 was the first of this kind */
	.reader = SAVED_VERSION - 1 > 4 ? SAVED_VERSION - 1 : 4,
	.size = SAVED_SIZE,
	.room = SAVED_ROOM,
};

void saved_encode(const struct saved *saved, unsigned char *record)
{
	memset(record, 0, SAVED_SIZE);
	for (size_t i = 0; i < saved_fields_n; i++)
		memcpy(record + saved_fields[i].at, (const char *)saved + saved_fields[i].member, saved_fields[i].size);
}

static int decode_field(const struct saved_field *f, const unsigned char *record, struct saved *out, struct error *err)
{
	unsigned char value = record[f->at];

	if (f->values == 0 || value < f->values) {
		memcpy((char *)out + f->member, record + f->at, f->size);
		return 0;
	}
	/* only fields of one byte are limited */
	if (f->vital)
		return error_set(err, EPROTO, "%s %u is not known to this version", f->name, value);
	return 0;
}

int saved_decode(const unsigned char *record, struct saved *out, struct error *err)
{
	int r = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; r == 0 && i < saved_fields_n; i++)
		r = decode_field(&saved_fields[i], record, out, err);
	return r;
}
