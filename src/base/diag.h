/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The project's own diagnostics: levelled lines that go to one sink, stderr until the server sets
 * another (its ring, as service "zinit"). Never allocates; a line is cut at DIAG_LINE_MAX. Only
 * supervisor/, rpc/, server/, keeper/ and cli/ call it: other modules return their errors.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stddef.h>

#define DIAG_LINE_MAX 1024

enum diag_level { DIAG_ERROR, DIAG_WARN, DIAG_INFO, DIAG_DEBUG, DIAG_TRACE, DIAG_LEVEL_N };

/** Gets each line, without a newline, NUL-terminated. Must not call diag() itself. May be called from any thread. */
typedef void (*diag_sink_fn)(enum diag_level level, const char *line, size_t len);

const char *diag_level_name(enum diag_level level);
/** Level of a name ("error" .. "trace", any case), or -EINVAL. */
int diag_level_from_name(const char *name);
/** Lines above `level` are not made. Default DIAG_INFO. */
void diag_set_level(enum diag_level level);
/** Replace the sink; NULL sets stderr again. */
void diag_set_sink(diag_sink_fn sink);
void diag(enum diag_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
