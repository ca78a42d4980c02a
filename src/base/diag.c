/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the level and the sink of our own diagnostics. */
#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "base/fd.h"

static const char *const names[DIAG_LEVEL_N] = { "error", "warn", "info", "debug", "trace" };

static void to_stderr(enum diag_level level, const char *line, size_t len);

/* The one global of the project: diagnostics must work before there is a root object, and in every thread. */
static _Atomic(diag_sink_fn) current_sink = to_stderr;
static _Atomic int current_level = DIAG_INFO;

static void to_stderr(enum diag_level level, const char *line, size_t len)
{
	char out[DIAG_LINE_MAX + 32];
	int n = snprintf(out, sizeof(out), "zinit: %s: %.*s\n", names[level], (int)len, line);

	if (n > 0)
		(void)fd_write_all(2, out, (size_t)n < sizeof(out) ? (size_t)n : sizeof(out) - 1);
}

const char *diag_level_name(enum diag_level level)
{
	return names[level];
}

int diag_level_from_name(const char *name)
{
	for (int i = 0; i < DIAG_LEVEL_N; i++) {
		if (strcasecmp(name, names[i]) == 0)
			return i;
	}
	return -EINVAL;
}

void diag_set_level(enum diag_level level)
{
	atomic_store(&current_level, (int)level);
}

void diag_set_sink(diag_sink_fn sink)
{
	atomic_store(&current_sink, sink ? sink : to_stderr);
}

void diag(enum diag_level level, const char *fmt, ...)
{
	char line[DIAG_LINE_MAX];
	va_list ap;
	int n;

	if ((int)level > atomic_load(&current_level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	/* what a client sent may stand in it: it must not look like further lines */
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\t' || *c == '\n' ? ' ' : '?';
	}
	atomic_load(&current_sink)(level, line,
				   (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}
