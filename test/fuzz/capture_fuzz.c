/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is what a service prints, in chunks on both streams, read in pieces of any size, with a kill of the reader
 * in between: what the ring holds, joined again, is exactly what was written.
 *
 * First byte: max_line. Then chunks: a byte of stream, size and whether the ring is opened anew, then the bytes.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "fuzz.h"
#include "log/ring.h"

#define INPUT_MAX 4000

struct world {
	struct ring_opts opts;
	struct ring *ring;
	int ring_fd;
	int pipes[LOG_STREAM_N][2];
	struct strbuf written[LOG_STREAM_N];
	struct strbuf joined[LOG_STREAM_N];
};

static void pull(struct world *w, enum log_stream stream, size_t max)
{
	struct ring_source src = { .run = 3, .stream = stream };

	while (ring_pull(w->ring, w->pipes[stream][0], &src, max, 1000, 0) > 0)
		continue;
}

static void reopen(struct world *w)
{
	ring_unref(w->ring);
	assert(ring_open(w->ring_fd, &w->opts, &w->ring) == 0);
}

static void feed(struct world *w, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		uint8_t head = data[i++];
		enum log_stream stream = head & 1 ? LOG_STDERR : LOG_STDOUT;
		size_t len = head >> 2 & 31;

		if (len > size - i)
			len = size - i;
		assert(write(w->pipes[stream][1], data + i, len) == (ssize_t)len);
		(void)strbuf_add(&w->written[stream], data + i, len);
		i += len;
		pull(w, stream, head & 2 ? 3 : 0);
		if (head & 128)
			reopen(w);
	}
}

/* Lines back to bytes: each ends in a newline, unless it goes on or had none. */
static void join(struct world *w)
{
	char buf[RING_LINE_MAX];
	struct log_line line;

	for (uint64_t seq = ring_tail(w->ring); seq < ring_head(w->ring); seq++) {
		struct strbuf *out;

		assert(ring_read(w->ring, seq, buf, sizeof(buf), &line) == 0);
		assert(line.run == 3);
		out = &w->joined[line.stream];
		(void)strbuf_add(out, line.text, line.len);
		if (!(line.flags & (LINE_PARTIAL | LINE_UNTERMINATED)))
			(void)strbuf_putc(out, '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .ring_fd = -1 };
	struct ring_counts counts;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	w.opts.max_line = 16 + data[0];
	w.opts.max_bytes = RING_BYTES_MIN * 4;
	w.ring_fd = ring_create("fuzz", &w.opts);
	assert(w.ring_fd >= 0 && ring_open(w.ring_fd, &w.opts, &w.ring) == 0);
	for (int s = 0; s < LOG_STREAM_N; s++) {
		w.written[s] = w.joined[s] = STRBUF(1U << 20);
		assert(pipe2(w.pipes[s], O_CLOEXEC | O_NONBLOCK) == 0);
	}
	feed(&w, data + 1, size - 1);
	for (int s = 0; s < LOG_STREAM_N; s++) {
		struct ring_source src = { .run = 3, .stream = (enum log_stream)s };

		assert(ring_flush(w.ring, &src, 1000) == 0);
	}
	join(&w);
	ring_counts(w.ring, &counts);
	assert(counts.pending == 0);
	assert(counts.bytes_read == w.written[0].len + w.written[1].len);
	for (int s = 0; s < LOG_STREAM_N; s++) {
		assert(w.joined[s].len == w.written[s].len);
		assert(w.joined[s].len == 0 || memcmp(w.joined[s].data, w.written[s].data, w.joined[s].len) == 0);
		strbuf_fini(&w.written[s]);
		strbuf_fini(&w.joined[s]);
		(void)close(w.pipes[s][0]);
		(void)close(w.pipes[s][1]);
	}
	ring_unref(w.ring);
	(void)close(w.ring_fd);
	return 0;
}
