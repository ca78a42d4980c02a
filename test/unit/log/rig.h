/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the engine share: a loop with an engine, services with pipes, lines collected as text. */
#ifndef UNIT_LOG_RIG_H
#define UNIT_LOG_RIG_H

#include "../testing_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "log/log.h"
#include "loop/loop.h"

#define RIG_PATIENCE (20 * USEC_PER_SEC)

struct rig {
	struct loop *loop;
	struct log_engine *engine;
	unsigned int ended;   /* pipes that came to their end */
	unsigned int drained; /* drains that were called back */
	bool run_ended;       /* what the last of them said */
	struct strbuf text;   /* lines collected, "s|text|flags\n" */
	uint64_t lines;
	uint64_t lost;
};

static inline void rig_on_ended(struct log_service *svc, enum log_stream stream, uint32_t tag, void *data)
{
	(void)svc;
	(void)tag;
	(void)stream;
	((struct rig *)data)->ended++;
}

static inline void rig_start(struct rig *rig, const char *dir)
{
	struct log_options opts = { .dir = dir, .on_ended = rig_on_ended, .data = rig };
	struct error err = { 0 };

	rig->loop = loop_new();
	assert_non_null(rig->loop);
	rig->text = STRBUF(64U << 20);
	assert_int_equal(log_engine_new(rig->loop, &opts, &rig->engine, &err), 0);
}

static inline void rig_stop(struct rig *rig)
{
	log_engine_free(rig->engine, RIG_PATIENCE);
	loop_free(rig->loop);
	strbuf_fini(&rig->text);
}

static inline struct log_service *rig_service(struct rig *rig, const char *name, const struct log_service_opts *opts)
{
	struct log_service *svc = NULL;
	int fd = ring_create(name, &opts->ring);

	assert_true(fd >= 0);
	assert_int_equal(log_service_add(rig->engine, name, opts, fd, &svc), 0);
	return svc;
}

/* Attach a new pipe; returns its write end. */
static inline int rig_pipe(struct log_service *svc, uint64_t run, enum log_stream stream)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(log_attach(svc, run, stream, p[0], 0), 0);
	return p[1];
}

static inline int rig_collect(const struct log_line *line, void *data)
{
	struct rig *rig = data;

	if (line->flags & LINE_LOST) {
		rig->lost += line->lost;
		return 0;
	}
	rig->lines++;
	(void)strbuf_putc(&rig->text, line->stream == LOG_STDERR ? 'e' : 'o');
	(void)strbuf_putc(&rig->text, '|');
	(void)strbuf_add(&rig->text, line->text, line->len);
	return strbuf_putc(&rig->text, '\n');
}

static inline void rig_on_drained(struct log_service *svc, uint64_t run, bool ended, void *data)
{
	struct rig *rig = data;

	(void)svc;
	(void)run;
	rig->drained++;
	rig->run_ended = ended;
}

/* Run the loop until `cond` holds. */
#define RIG_WAIT(rig, cond)                                                                        \
	do {                                                                                       \
		usec_t deadline_ = time_boottime() + RIG_PATIENCE;                                 \
		while (!(cond) && time_boottime() < deadline_)                                     \
			assert_int_equal(loop_once((rig)->loop, 5 * USEC_PER_MSEC), 0);            \
		assert_true(cond);                                                                 \
	} while (0)

static inline uint64_t rig_lines_in_ring(struct log_service *svc)
{
	struct log_stats st;

	log_service_stats(svc, &st);
	return st.ring.lines;
}

static inline uint64_t rig_bytes_read(struct log_service *svc)
{
	struct log_stats st;

	log_service_stats(svc, &st);
	return st.ring.bytes_read;
}

static inline const char *rig_memory(struct rig *rig, struct log_service *svc, const struct query_opts *opts)
{
	struct error err = { 0 };

	strbuf_reset(&rig->text);
	rig->lines = 0;
	assert_int_equal(log_memory(svc, opts, rig_collect, rig, NULL, &err), 0);
	return strbuf_str(&rig->text);
}

static inline void rig_wait_stored(struct rig *rig, struct log_service *svc)
{
	struct log_stats st;

	RIG_WAIT(rig, (log_service_stats(svc, &st), st.store_behind == 0));
}

/* Lines "n NUMBER filler", checked to come one after the other without a gap. */
struct rig_numbers {
	uint64_t next;
	uint64_t lines;
	uint64_t lost;
	uint64_t wrong;
};

/* A line of this kind fits. */
#define RIG_LINE_SIZE 128

static inline size_t rig_number_line(char out[RIG_LINE_SIZE], uint64_t number)
{
	return (size_t)snprintf(out, RIG_LINE_SIZE, "n %llu %.*s\n", (unsigned long long)number, (int)(number % 60),
			       "............................................................");
}

static inline int rig_check_number(const struct log_line *line, void *data)
{
	struct rig_numbers *n = data;
	char expected[RIG_LINE_SIZE];
	size_t len = rig_number_line(expected, n->next) - 1;

	if (line->flags & LINE_LOST) {
		n->lost += line->lost;
		n->next += line->lost;
		return 0;
	}
	n->lines++;
	if (line->len != len || memcmp(line->text, expected, len) != 0) {
		if (!n->wrong++)
			print_message("wanted '%.*s', got '%.*s' (line %llu)\n", (int)len, expected, (int)line->len,
				      line->text, (unsigned long long)line->seq);
	}
	n->next++;
	return 0;
}

#endif
