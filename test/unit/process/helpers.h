/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder share: run a request, read what it printed, wait for things by looking. */
#ifndef UNIT_PROCESS_HELPERS_H
#define UNIT_PROCESS_HELPERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"
#include "process/spawn.h"

/* Longest wait for something that should happen at once; only failing tests take it. */
#define PATIENCE_MS 20000

/** Start `request` with a pipe as stdout; read it to the end, wait for the child. Returns the wait status, or -1 (see `result`). */
int run_and_read(const struct spawn_request *request, struct spawn_result *result, struct strbuf *out);
/** The rest of the line of `text` that begins with `key`; "" if there is none. Valid until the next call. */
const char *line_of(const struct strbuf *text, const char *key);
/** Poll `fn(data)` until it is true. Returns false after PATIENCE_MS. */
bool wait_until(bool (*fn)(void *data), void *data);
/** Number of open descriptors of this process. */
size_t count_fds(void);
/** Write a file in a fresh directory; returns its path, valid until the next call. */
const char *temp_file(const char *name, const void *data, size_t len);
/** The directory of temp_file(); made at first use, removed at exit. */
const char *temp_dir(void);

#endif
