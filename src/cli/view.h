/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service as an answer shows it, in one form for all verbs. Answers differ: `state` is a name, or an object
 * {state, pid, reason} as in service.list_full; members that an older server or the reference does not send are absent.
 */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct view {
	const char *name;  /* "" if the answer has none; all strings are borrowed from the answer */
	const char *state; /* "unknown" if the answer has none */
	int64_t pid;       /* 0: no process */
	int64_t uptime_ms; /* -1: not told */
	int64_t restarts;  /* -1: not told */
	int64_t exit_code; /* -1: none */
	int64_t next_start_ms; /* until it is started again by itself; 0: it is not */
	const json_t *reason;  /* why it failed: an object {type, …}, a string, or NULL */
	const char *error;     /* of an invalid file; or NULL */
	const json_t *waiting; /* names that it waits for, or NULL */
	bool is_target;
};

/** Read one. Never fails. */
void view_read(const json_t *answer, struct view *out);
/** Bring an answer into the flat form that --json prints: `state` a name, `pid` and `reason` beside it. */
void view_flatten(json_t *answer);
/** Why it is not running, in words; "" if there is nothing to say. */
void view_why(const struct view *v, struct strbuf *out);
/** Append when it is started again by itself, if it is. */
void view_next_try(const struct view *v, struct strbuf *out);
/** A failure reason {type, …} in words. */
void view_reason(const json_t *reason, struct strbuf *out);
/** At rest where `start` leads: running, or ended well. */
bool view_is_up(const struct view *v);
/** No process and none to come. */
bool view_is_down(const struct view *v);

#endif
