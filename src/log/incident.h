/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incidents on disk: one JSON object each, in a file of its own.
 *
 *   <dir>/.incidents/20261122T230405.123456789Z.crash.web.json
 *
 * The name without ".json" is the incident's id, so names sort by age. The first line of a file holds the members that lists
 * show, and is a JSON object of its own when its last comma is made a brace. A file is whole or not there: it is written
 * under another name, flushed and renamed.
 *
 * These functions touch the disk and are for a thread that may wait for it; log_incident_*() of log.h are for the loop.
 */
#ifndef LOG_INCIDENT_H
#define LOG_INCIDENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/time.h"

/* "20261122T230405.123456789Z" "." kind "." service, and NUL. */
#define INCIDENT_KIND_MAX 24
#define INCIDENT_ID_SIZE (26 + 1 + INCIDENT_KIND_MAX + 1 + LIMIT_NAME + 1)

/** "20261122T230405.123456789Z.crash.web" */
void incident_id(ts_ns at, const char *kind, const char *service, char out[INCIDENT_ID_SIZE]);
/** Is it an id? `*out_service` points into it. For what comes from outside: an id never leaves the directory. */
bool incident_id_parse(const char *id, const char **out_service);

/**
 * Write one below the log directory `dir`, then delete the oldest that are over the bounds (limits.h). Returns 0 or
 * negative errno; then nothing of it is there.
 */
int incident_write(const char *dir, const char *id, const char *text, size_t len);

/** `head`: the first line as a JSON object of `len` bytes, valid during the call; `bytes`: of the whole. */
typedef void (*incident_fn)(const char *id, const char *head, size_t len, size_t bytes, void *data);
/** All of `service` (NULL: of all), newest first. Returns 0 or negative errno; no directory: no incidents. */
int incident_list(const char *dir, const char *service, incident_fn fn, void *data);
/** Append the text of one to `out`. Returns 0, -ENOENT, or another negative errno. */
int incident_read(const char *dir, const char *id, struct strbuf *out);

#endif
