/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definitions that the running services were started from, kept over the server's death: a new server must go on
 * with what ran, not with what the files say by then. An append-only file (a memfd that the keeper holds) of entries
 * {slot, text}; the last entry of a slot counts, an empty text removes it.
 *
 * An entry counts from the moment the length at the file's head covers it, so a SIGKILL in the middle of an append
 * leaves the definitions as they were. The file is not mapped: it costs the server no memory of its own.
 */
#ifndef SUPERVISOR_DEFINITIONS_H
#define SUPERVISOR_DEFINITIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

/* Four a service (unit_definition_slot()). Those from DEFINITIONS_RARE on cost no memory as long as nobody uses them. */
#define DEFINITIONS_RARE (2 * LIMIT_SERVICES)
#define DEFINITIONS_SLOTS (4 * LIMIT_SERVICES)

struct definitions;

/** New and empty. Returns 0 or negative errno with `err`. */
int definitions_new(struct definitions **out, struct error *err);
/** Go on with an earlier server's file; takes `fd` over on success. -EPROTO: it is not one. */
int definitions_adopt(int fd, struct definitions **out, struct error *err);
/** NULL is fine. */
void definitions_free(struct definitions *d);
/** The memfd, for the keeper. It changes in definitions_compact(). */
int definitions_fd(const struct definitions *d);

/** Set the definition of a slot (`len` 0: none). Returns 0 or negative errno; on an error the old one still counts. */
int definitions_put(struct definitions *d, uint32_t slot, const char *text, size_t len);
/** The definition of a slot as a string that the caller frees; NULL if there is none, or no memory. */
char *definitions_get(const struct definitions *d, uint32_t slot);
/**
 * If more than half of the file is out of date, write a new one. Returns 1 if definitions_fd() is a new file now, which
 * the keeper must be given before the next put; 0 if nothing was done; negative errno if it failed (the old one serves on).
 */
int definitions_compact(struct definitions *d);

#endif
