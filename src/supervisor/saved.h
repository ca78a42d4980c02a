/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a service over the server's death, and how it lies in a record of the state. The layout is a table of
 * fields, each with its place (docs/internals/crash.md has it byte by byte); it does not depend on the compiler.
 *
 * Versions: a field is added at the end, and 0 must be a good value for it, as that is what a record of an older server holds.
 * Nothing is moved or reused; numbers of enums are added at their ends. So each server reads what the version before and the
 * version after it write. A server keeps the bytes of a record that it does not know.
 */
#ifndef SUPERVISOR_SAVED_H
#define SUPERVISOR_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"
#include "base/timetable.h"
#include "service/record.h"
#include "supervisor/state.h"

/* Raise it with each field, and SAVED_SIZE with it. */
#define SAVED_VERSION 5
#define SAVED_SIZE 232
/* What later versions may grow into without a new file. */
#define SAVED_ROOM 256

/* An exit that is on record but not yet told to the core: its last lines are still being read. */
struct saved_exit {
	int32_t pid; /* 0: none */
	int32_t code;
	int32_t status;
};

/* What the core's record does not say of the last run. */
struct last_run {
	struct saved_exit exit;
	bool by_shell; /* the shell was started: its 126 and 127 may be spawn errors */
	ts_ns started_at;
	ts_ns ended_at;
	uint64_t oom_kills; /* of its cgroup, as far as they were told */
};

/* What was asked for and is not done yet, where neither the core's record nor the definitions say so. */
struct intent {
	bool loaded;   /* the core was told EV_LOADED */
	bool removing; /* forget it once it is down */
	bool remove_file;
	bool due;      /* a run by its schedule waits for the end of the one before */
};

/* What is kept of a service; the slot's number is the core's id. */
struct saved {
	struct service_record core;
	struct last_run last;
	struct intent intent;
	uint16_t unhealthy; /* bit n: check n of the current run was found unhealthy */
	uint64_t event;     /* the number of the last event that tells of this record */
	struct timetable timetable; /* zeroes: it has no schedule, or did not have one yet */
};

/* A row of the table. */
struct saved_field {
	const char *name;
	uint16_t member, size; /* in struct saved */
	uint16_t at;           /* in the record */
	uint16_t values;       /* it is below this; 0: anything */
	bool vital;            /* the record makes no sense with a value that we don't know; else that is read as 0 */
};

/** The table, in the order of `at`. */
extern const struct saved_field saved_fields[];
extern const size_t saved_fields_n;

/** What state_new() and state_adopt() have to know. */
extern const struct state_format saved_format;

/** `record` has room for saved_format.size bytes. */
void saved_encode(const struct saved *saved, unsigned char *record);
/** Returns 0, or -EPROTO with `err` filled: a value of a vital field that this version does not know. */
int saved_decode(const unsigned char *record, struct saved *out, struct error *err);

#endif
