/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the files whose change restarts or reloads a service. inotify(7) on their directories says when to look; what counts
 * is what stat(2) says: another file under the name, another time, another size. So editors that write beside and rename
 * are one change, directories may come later or be renamed (all above the file are watched), a queue that overflowed
 * only means one look more, and what was touched and put back is none.
 *
 * Changes are gathered: one look when nothing came for WATCH_QUIET, or after WATCH_LONGEST of unrest.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/limits.h"
#include "supervisor/internal.h"

#define WATCH_QUIET (300 * USEC_PER_MSEC)
#define WATCH_LONGEST (3 * USEC_PER_SEC)
/* Directories above a file that are watched: any of them may be renamed, or come later. */
#define WATCH_DEPTH 12
#define WATCH_MASK \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* What a file is known by. */
struct signature {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* A directory above the file, and the name that is awaited in it. */
struct level {
	int wd; /* -1: it is not there */
	uint16_t name, name_len; /* in the path */
};

struct watch {
	const char *path; /* of the unit's configuration */
	size_t n;
	struct level levels[WATCH_DEPTH]; /* the nearest first */
	struct signature seen;
};

struct unit_watches {
	size_t n;
	struct watch items[];
};

struct watcher {
	struct supervisor *sup;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	usec_t since; /* the first change that was not looked at; 0: none */
	size_t n;     /* watches of all units */
};

/* --- looking ---------------------------------------------------------------------------------------- */

static struct signature look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct signature){ .there = false };
	return (struct signature){ .there = true, .dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .changed = st.st_mtim };
}

static bool same(const struct signature *a, const struct signature *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Watch the directories above the file that are there. The same directory gives the same number. */
static void follow(struct watcher *watcher, struct watch *watch)
{
	size_t end = strlen(watch->path);
	char dir[PATH_MAX];

	for (watch->n = 0; end > 0 && watch->n < WATCH_DEPTH; watch->n++) {
		struct level *level = &watch->levels[watch->n];
		size_t name_end = end;

		while (end > 0 && watch->path[end - 1] != '/')
			end--;
		level->name = (uint16_t)end;
		level->name_len = (uint16_t)(name_end - end);
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)MAX(end, (size_t)1), watch->path);
		level->wd = inotify_add_watch(watcher->fd, dir, WATCH_MASK);
		if (level->wd < 0 && errno == ENOSPC)
			diag(DIAG_WARN, "'%s' can't be watched: fs.inotify.max_user_watches is used up", dir);
		while (end > 0 && watch->path[end - 1] == '/')
			end--;
	}
}

/* --- changes ---------------------------------------------------------------------------------------- */

static bool is_wanted_up(const struct unit *unit)
{
	const struct service_record *record = core_record(unit->sup->core, unit->id);

	return record->wish == WISH_UP && !unit->intent.removing &&
	       (core_is_active(unit->sup->core, unit->id) || (record->state == SERVICE_FAILED && !unit->config->oneshot));
}

static void act(struct unit *unit, const char *path)
{
	const struct core_event restart = { .kind = EV_RESTART, .id = unit->id, .rule = RULE_WATCH };
	const struct actor by = { .via = "watch" };
	bool reload = unit->config->watch_action == CONFIG_WATCH_RELOAD && core_state(unit->sup->core, unit->id) == SERVICE_RUNNING;
	char text[160];

	if (!is_wanted_up(unit))
		return;
	(void)snprintf(text, sizeof(text), "%s: '%s' changed", reload ? "reload" : "restart", path);
	diag(DIAG_INFO, "%s: %s", unit->config->name, text);
	unit_announce(unit, EVENT_WATCH, text);
	if (reload)
		(void)supervisor_reload_service(unit->sup, unit->config->name, &by, NULL);
	else
		(void)supervisor_feed(unit->sup, &restart);
}

static void look_at(struct unit *unit)
{
	struct unit_watches *watches = unit->watches;
	const char *changed = NULL;

	for (size_t i = 0; i < watches->n; i++) {
		struct watch *watch = &watches->items[i];
		struct signature now;

		follow(unit->sup->watcher, watch);
		now = look(watch->path);
		if (same(&now, &watch->seen))
			continue;
		/* gone for the moment: what comes in its place is the change */
		if (now.there)
			changed = watch->path;
		if (now.there)
			watch->seen = now;
	}
	if (changed)
		act(unit, changed);
}

static void on_quiet(struct loop_timer *timer, void *data)
{
	struct watcher *watcher = data;
	struct supervisor *sup = watcher->sup;

	(void)timer;
	watcher->since = 0;
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i] && sup->units[i]->watches)
			look_at(sup->units[i]);
	}
}

/* --- inotify ---------------------------------------------------------------------------------------- */

static bool names(const struct watch *watch, const struct inotify_event *event)
{
	for (size_t i = 0; i < watch->n; i++) {
		const struct level *level = &watch->levels[i];

		if (level->wd != event->wd)
			continue;
		if (event->len == 0 || (strncmp(event->name, watch->path + level->name, level->name_len) == 0 &&
					event->name[level->name_len] == '\0'))
			return true;
	}
	return false;
}

static bool awaits(const struct unit *unit, const struct inotify_event *event)
{
	const struct unit_watches *watches = unit->watches;

	for (size_t i = 0; watches && i < watches->n; i++) {
		if (names(&watches->items[i], event))
			return true;
	}
	return false;
}

static bool concerns(const struct watcher *watcher, const struct inotify_event *event)
{
	const struct supervisor *sup = watcher->sup;

	if (event->mask & IN_Q_OVERFLOW)
		return true;
	for (size_t i = 0; i < sup->units_n; i++) {
		if (sup->units[i] && awaits(sup->units[i], event))
			return true;
	}
	return false;
}

static void on_events(struct loop_io *io, uint32_t events, void *data)
{
	struct watcher *watcher = data;
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(watcher->fd, buffer, sizeof(buffer)); /* what is left comes in the next round */
	usec_t now = loop_now(watcher->sup->loop);
	bool news = false;

	(void)io;
	(void)events;
	for (ssize_t at = 0; n > 0 && at < n && !news;) {
		const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);

		news = concerns(watcher, event);
		at += (ssize_t)sizeof(*event) + (ssize_t)event->len;
	}
	if (!news)
		return;
	if (!watcher->since)
		watcher->since = now;
	loop_timer_arm(watcher->timer, MIN(time_add(now, WATCH_QUIET), time_add(watcher->since, WATCH_LONGEST)));
}

static struct watcher *watcher_of(struct supervisor *sup)
{
	struct watcher *watcher = sup->watcher;

	if (watcher)
		return watcher;
	watcher = calloc(1, sizeof(*watcher));
	if (!watcher)
		return NULL;
	watcher->sup = sup;
	watcher->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watcher->io = watcher->fd < 0 ? NULL : loop_io_new(sup->loop, watcher->fd, EPOLLIN, on_events, watcher);
	watcher->timer = loop_timer_new(sup->loop, on_quiet, watcher);
	sup->watcher = watcher;
	if (watcher->io && watcher->timer)
		return watcher;
	watches_fini(sup);
	return NULL;
}

void watches_fini(struct supervisor *sup)
{
	struct watcher *watcher = sup->watcher;

	if (!watcher)
		return;
	loop_io_free(watcher->io);
	loop_timer_free(watcher->timer);
	auto_close(&watcher->fd);
	free(watcher);
	sup->watcher = NULL;
}

/* --- of a unit -------------------------------------------------------------------------------------- */

static size_t count(const char *const *paths)
{
	size_t n = 0;

	while (paths && paths[n])
		n++;
	return n;
}

void watches_open(struct unit *unit)
{
	size_t n = count(unit->config->watch);
	struct watcher *watcher;

	if (!n || unit->watches)
		return;
	watcher = watcher_of(unit->sup);
	if (watcher && watcher->n + n <= LIMIT_WATCHES)
		unit->watches = calloc(1, sizeof(*unit->watches) + n * sizeof(struct watch));
	if (!unit->watches) {
		diag(DIAG_ERROR, "%s: its files are not watched: %s", unit->config->name,
		     watcher && watcher->n + n > LIMIT_WATCHES ? "too many files are" : "no memory, or no inotify");
		return;
	}
	unit->watches->n = n;
	watcher->n += n;
	for (size_t i = 0; i < n; i++) {
		struct watch *watch = &unit->watches->items[i];

		watch->path = unit->config->watch[i];
		follow(watcher, watch);
		watch->seen = look(watch->path);
	}
}

/* Watches of directories stay: nobody awaits anything in them, and there are no more of them than directories. */
void watches_close(struct unit *unit)
{
	if (!unit->watches)
		return;
	unit->sup->watcher->n -= unit->watches->n;
	free(unit->watches);
	unit->watches = NULL;
}
