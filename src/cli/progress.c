/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the line that moves while something is waited for. */
#include "cli/progress.h"

#include <stdio.h>

#include "base/mem.h"

#define QUIET_USEC (300 * USEC_PER_MSEC)

void progress_begin(struct progress *p, const struct cli *cli)
{
	*p = (struct progress){ .on = cli->progress, .begin = time_boottime() };
}

void progress_draw(struct progress *p, const char *text)
{
	static const char *const marks[] = { "|", "/", "-", "\\" };
	usec_t waited = time_boottime() - p->begin;
	char span[16];

	if (!p->on || waited < QUIET_USEC)
		return;
	time_span(waited / USEC_PER_SEC * USEC_PER_SEC, span, sizeof(span));
	(void)fprintf(stderr, "\r\033[K%s %s (%s)", marks[p->step++ % ARRAY_LEN(marks)], text, span);
	p->drawn = true;
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		(void)fputs("\r\033[K", stderr);
	p->drawn = false;
}
