/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a sink has on disk, in <log dir>/.ship: its cursors, where it spills (they have to outlive the machine), and
 * the lines that its receiver refused.
 *
 * Cursors are written by a thread that exists while there is something to write: a disk that hangs must not hold up the
 * sinks. They may be old after a crash of the machine; then lines are sent again, and none is missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_text.h"
#include "worker/shipper.h"

#define DIRECTORY ".ship"
#define SAVE_INTERVAL (1 * USEC_PER_SEC)
/* One line each: "SERVICE CURSOR". */
#define CURSORS_BYTES ((size_t)LIMIT_SHIP_CURSORS * (LIMIT_NAME + 1 + CURSOR_TEXT_SIZE))

/* A file that is being written; its thread frees nothing but itself. */
struct saving {
	pthread_t thread;
	_Atomic bool done;
	int result;
	struct strbuf text;
	char path[PATH_MAX];
};

static int file_path(const struct sink *sink, const char *what, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/" DIRECTORY, sink->shipper->log_dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (mkdir(out, 0700) < 0 && errno != EEXIST)
		return -errno;
	return snprintf(out, PATH_MAX, "%s/" DIRECTORY "/%s.%s", sink->shipper->log_dir, sink->settings->name, what) < PATH_MAX ?
		       0 :
		       -ENAMETOOLONG;
}

/* --- cursors ---------------------------------------------------------------------------------------- */

/* What the memory knows is newer than any file. */
static void take_cursor(struct sink *sink, char *line)
{
	struct ship_cursor_slot *slot;
	struct log_cursor at;
	char *text = strchr(line, ' ');
	bool known;

	if (!text)
		return;
	*text++ = '\0';
	if (strlen(line) > LIMIT_NAME || log_cursor_parse(text, &at) < 0)
		return;
	/* "there was no ring at that time" is true for that boot only */
	if (at.ring == 0 && at.same == 0)
		at.same = 1;
	slot = state_cursor(sink->shipper, line, sink->settings->name, &known);
	if (slot && !known)
		state_set_cursor(slot, &at);
}

void files_load_cursors(struct sink *sink)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(CURSORS_BYTES);
	char path[PATH_MAX];
	char message[PATH_MAX + 128];
	int r;

	if (sink->settings->on_failure != SHIP_ON_FAILURE_SPILL)
		return;
	r = file_path(sink, "cursors", path);
	if (r == 0)
		r = fd_read_file(path, &text);
	if (r < 0 && r != -ENOENT) {
		(void)snprintf(message, sizeof(message), "ship %s: its cursors '%s': %s; it begins with what is in memory",
			       sink->settings->name, path, strerror(-r));
		shipper_say(DIAG_ERROR, message);
	}
	for (char *at = text.data; r == 0 && at && *at;) {
		char *end = at + strcspn(at, "\n");
		bool last = *end == '\0';

		*end = '\0';
		take_cursor(sink, at);
		at = last ? NULL : end + 1;
	}
}

static void *save(void *data)
{
	struct saving *s = data;

	s->result = fd_write_file_atomic(s->path, strbuf_str(&s->text), s->text.len, 0600, NULL);
	atomic_store(&s->done, true);
	return NULL;
}

/* Returns false while it is not done. */
static bool reap(struct sink *sink, bool wait)
{
	struct saving *s = sink->saving;
	char message[PATH_MAX + 128];

	if (!s)
		return true;
	if (!wait && !atomic_load(&s->done))
		return false;
	(void)pthread_join(s->thread, NULL);
	if (s->result < 0) {
		(void)snprintf(message, sizeof(message), "ship %s: writing '%s': %s", sink->settings->name, s->path, strerror(-s->result));
		shipper_say(DIAG_ERROR, message);
	}
	strbuf_fini(&s->text);
	free(STEAL(&sink->saving));
	return true;
}

static void add_cursors(const struct sink *sink, struct strbuf *out)
{
	const struct ship_state *state = sink->shipper->state;
	uint32_t n = MIN(atomic_load(&state->cursors), (uint32_t)LIMIT_SHIP_CURSORS);
	char text[CURSOR_TEXT_SIZE];
	struct log_cursor at;

	for (uint32_t i = 0; i < n; i++) {
		const struct ship_cursor_slot *slot = &state->cursor[i];

		if (!atomic_load(&slot->used) || strncmp(slot->sink, sink->settings->name, sizeof(slot->sink)) != 0)
			continue;
		state_get_cursor(slot, &at);
		log_cursor_format(&at, text);
		(void)strbuf_addf(out, "%.*s %s\n", LIMIT_NAME, slot->service, text);
	}
}

static int begin_saving(struct sink *sink)
{
	struct saving *s = calloc(1, sizeof(*s));
	int r = s ? file_path(sink, "cursors", s->path) : -ENOMEM;

	if (r == 0) {
		s->text = STRBUF(CURSORS_BYTES);
		add_cursors(sink, &s->text);
		r = s->text.failed ? -ENOMEM : -pthread_create(&s->thread, NULL, save, s);
	}
	if (r < 0) {
		if (s)
			strbuf_fini(&s->text);
		free(s);
		return r;
	}
	sink->saving = s;
	sink->dirty = false;
	return 0;
}

static void on_save(struct loop_timer *timer, void *data)
{
	struct sink *sink = data;

	if (!reap(sink, false) || (sink->dirty && begin_saving(sink) < 0) || sink->saving)
		loop_timer_arm(timer, loop_now(sink->shipper->loop) + SAVE_INTERVAL);
}

void files_cursors_moved(struct sink *sink)
{
	if (sink->settings->on_failure != SHIP_ON_FAILURE_SPILL || sink->dirty)
		return;
	sink->dirty = true;
	if (!sink->save_timer)
		sink->save_timer = loop_timer_new(sink->shipper->loop, on_save, sink);
	if (sink->save_timer && loop_timer_deadline(sink->save_timer) == USEC_NEVER)
		loop_timer_arm(sink->save_timer, loop_now(sink->shipper->loop) + SAVE_INTERVAL);
}

void files_fini(struct sink *sink)
{
	loop_timer_free(STEAL(&sink->save_timer));
	if (sink->settings && sink->saving)
		(void)reap(sink, true);
	if (sink->settings && sink->dirty && begin_saving(sink) == 0)
		(void)reap(sink, true);
	auto_close(&sink->aside_fd);
	sink->aside_fd = -1;
}

/* --- lines that were refused ------------------------------------------------------------------------ */

static int open_aside(struct sink *sink)
{
	char path[PATH_MAX];
	int r = file_path(sink, "refused", path);

	if (r < 0)
		return r;
	sink->aside_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return sink->aside_fd < 0 ? -errno : 0;
}

static void add_member(struct strbuf *out, const char *key, const char *text, size_t len)
{
	(void)strbuf_addf(out, ",\"%s\":\"", key);
	(void)json_text_add(out, text, len);
	(void)strbuf_putc(out, '"');
}

bool files_set_aside(struct sink *sink, const struct ship_line *line, const char *why)
{
	AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_SHIP_ASIDE);
	char time[TIME_RFC3339_SIZE];
	struct stat st;

	if (sink->aside_fd < 0 && open_aside(sink) < 0)
		return false;
	time_rfc3339(line->time, time);
	(void)strbuf_addf(&out, "{\"timestamp\":\"%s\"", time);
	add_member(&out, "service", line->service, strlen(line->service));
	(void)strbuf_addf(&out, ",\"stream\":\"%s\",\"id\":\"%016llx-%llu\"", log_stream_name((enum log_stream)line->stream),
			  (unsigned long long)line->ring, (unsigned long long)line->sequence);
	add_member(&out, "refused", why, strlen(why));
	if (line->flags & LINE_LOST)
		(void)strbuf_addf(&out, ",\"lost\":%llu", (unsigned long long)line->lost);
	add_member(&out, "content", line->text, line->len);
	(void)strbuf_puts(&out, "}\n");
	if (out.failed || fstat(sink->aside_fd, &st) < 0 || (uint64_t)st.st_size + out.len > LIMIT_SHIP_ASIDE)
		return false;
	return fd_write_all(sink->aside_fd, out.data, out.len) == 0;
}
