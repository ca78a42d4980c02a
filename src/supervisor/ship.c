/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the server's end of zinit-shipper: when it runs, what it was told, what it says. */
#include "supervisor/ship.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/mem.h"
#include "config/server_settings.h"
#include "ship/pack.h"
#include "supervisor/internal.h"
#include "supervisor/ship_internal.h"

#define KEY_SHIP_STATE "ship-state"
#define RETRY_FIRST (100 * USEC_PER_MSEC)
#define RETRY_LAST (30 * USEC_PER_SEC)
/* A shipper that ran so long is a healthy one: its successor is started without a pause. */
#define HEALTHY (60 * USEC_PER_SEC)
/* How long the end of the server may wait for the last lines to be sent. */
#define FLUSH_MS 5000U
#define MESSAGES_MAX 64
#define STACK_BYTES (256U << 10)

/* --- shared memory ---------------------------------------------------------------------------------- */

static int map_state(struct ship_link *l, int fd)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size != sizeof(struct ship_state))
		return -EINVAL;
	at = mmap(NULL, sizeof(struct ship_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	l->state = at;
	return 0;
}

static int make_state(struct ship_link *l)
{
	AUTO(auto_close) int fd = memfd_create("zinit-ship", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)sizeof(struct ship_state)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	r = map_state(l, fd);
	if (r < 0)
		return r;
	l->state->version = SHIP_STATE_VERSION;
	l->state->bytes = (uint32_t)sizeof(struct ship_state);
	atomic_store(&l->state->magic, SHIP_STATE_MAGIC);
	l->state_fd = fd_steal(&fd);
	return supervisor_keep_fd(l->sup, KEY_SHIP_STATE, l->state_fd);
}

static bool adopt_state(struct ship_link *l)
{
	int fd = supervisor_take_kept_fd(l->sup, KEY_SHIP_STATE);

	if (fd < 0)
		return false;
	if (map_state(l, fd) == 0 && atomic_load(&l->state->magic) == SHIP_STATE_MAGIC &&
	    l->state->version == SHIP_STATE_VERSION) {
		l->state_fd = fd;
		return true;
	}
	if (l->state)
		(void)munmap(l->state, sizeof(*l->state));
	l->state = NULL;
	(void)close(fd);
	return false;
}

static int open_state(struct ship_link *l)
{
	int r = adopt_state(l) ? 0 : make_state(l);
	struct log_news news;

	if (r < 0)
		return r;
	l->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->news_fd < 0)
		return -errno;
	news = (struct log_news){
		.dirty = l->state->dirty,
		.armed = &l->state->armed,
		.slots = SHIP_DIRTY_WORDS * 64,
		.fd = l->news_fd,
	};
	log_engine_news(l->sup->log, &news);
	return 0;
}

/* --- what it was told ------------------------------------------------------------------------------- */

int ship_tell(struct ship_link *l, const struct shipper_head *head, const struct strbuf *text, const int *fds, size_t n)
{
	AUTO(strbuf_fini) struct strbuf message = STRBUF(SHIPPER_MESSAGE_MAX);

	(void)strbuf_add(&message, head, sizeof(*head));
	if (text)
		(void)strbuf_add(&message, text->data, text->len);
	if (message.failed)
		return -EMSGSIZE;
	return fd_send_message(l->sock, message.data, message.len, MSG_DONTWAIT, fds, n);
}

static int tell_state(struct ship_link *l)
{
	const struct shipper_head head = { .kind = SHIPPER_STATE };
	const int fds[] = { l->state_fd, l->news_fd };
	AUTO(strbuf_fini) struct strbuf text = STRBUF(PATH_MAX);

	(void)strbuf_puts(&text, l->sup->log_dir ? l->sup->log_dir : "");
	(void)strbuf_putc(&text, '\0');
	return ship_tell(l, &head, &text, fds, ARRAY_LEN(fds));
}

static bool is_named(const struct server_settings *settings, const char *name)
{
	for (uint32_t i = 0; i < settings->ships.n; i++) {
		if (strcmp(settings->ships.items[i].name, name) == 0)
			return true;
	}
	return false;
}

/* In one go: they are few, and the socket was empty. */
static int tell_sinks(struct ship_link *l)
{
	const struct shipper_head end = { .kind = SHIPPER_SINKS_END };
	struct shipper_head head = { .kind = SHIPPER_SINK };

	for (; l->sinks_told < l->settings->ships.n && l->sinks_told < LIMIT_SHIP_SINKS; l->sinks_told++) {
		const struct ship_settings *s = &l->settings->ships.items[l->sinks_told];
		AUTO(strbuf_fini) struct strbuf text = STRBUF(SHIPPER_MESSAGE_MAX);
		int r = ship_pack(s, &text);

		/* those that were there at the begin get all lines ever written; those that came later what is in memory */
		head.time = is_named(l->sup->settings, s->name) ? supervisor_booted_at(l->sup) : l->settings_at;
		if (r == 0)
			r = ship_tell(l, &head, &text, NULL, 0);
		if (r == -EAGAIN || r == -ENOMEM)
			return r;
		if (r < 0)
			diag(DIAG_ERROR, "ship %s: its settings can't be passed on: %s", s->name, strerror(-r));
	}
	return ship_tell(l, &end, NULL, NULL, 0);
}

/* What a shipper knows of a service, as two numbers: whose it is, and everything else. */
static struct ship_told described(const struct unit *unit)
{
	uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
	const char *const *tags = unit->config->tags;
	unsigned int flags;

	if (!unit->log || !unit->config->ship)
		return (struct ship_told){ 0 };
	flags = (unit->config->store ? SHIPPER_STORED : 0U) | (unit->config->priority_prefix ? SHIPPER_PREFIXED : 0U);
	hash = (hash ^ flags) * 1099511628211ULL;
	for (; tags && *tags; tags++) {
		for (const char *c = *tags; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
		hash = (hash ^ 0xff) * 1099511628211ULL;
	}
	return (struct ship_told){ .serial = unit->serial, .hash = hash };
}

static int tell_service(struct ship_link *l, uint32_t slot, const char *name, unsigned int flags, const char *const *tags,
			struct log_service *log, ts_ns made_at)
{
	const struct shipper_head head = { .kind = SHIPPER_SERVICE, .slot = slot, .flags = flags, .time = made_at };
	const int fd = log_service_ring_fd(log);
	AUTO(strbuf_fini) struct strbuf text = STRBUF(SHIPPER_MESSAGE_MAX);
	int r;

	(void)strbuf_add(&text, name, strlen(name) + 1);
	for (; tags && *tags; tags++)
		(void)strbuf_add(&text, *tags, strlen(*tags) + 1);
	r = ship_tell(l, &head, &text, &fd, 1);
	if (r == 0)
		(void)log_service_news(log, slot);
	return r;
}

static int tell_gone(struct ship_link *l, uint32_t slot)
{
	const struct shipper_head head = { .kind = SHIPPER_SERVICE_GONE, .slot = slot };

	return ship_tell(l, &head, NULL, NULL, 0);
}

static int tell_unit(struct ship_link *l, const struct unit *unit, uint32_t slot)
{
	const struct service_config *c = unit->config;

	return tell_service(l, slot, c->name, (c->store ? SHIPPER_STORED : 0U) | (c->priority_prefix ? SHIPPER_PREFIXED : 0U), c->tags,
			    unit->log, unit->ring_at ? unit->ring_at : supervisor_booted_at(l->sup));
}

static int tell_slot(struct ship_link *l, uint32_t slot)
{
	const struct unit *unit = slot ? unit_at(l->sup, slot - 1) : NULL;
	struct ship_told want = unit ? described(unit) : (struct ship_told){ 0 };
	struct ship_told *told = &l->told[slot];
	int r = 0;

	if (want.serial == told->serial && want.hash == told->hash)
		return 0;
	if (told->serial && want.serial != told->serial) {
		r = tell_gone(l, slot);
		if (r < 0)
			return r;
		if (unit && unit->log && told->serial == unit->serial)
			(void)log_service_news(unit->log, LOG_NEWS_OFF);
		*told = (struct ship_told){ 0 };
	}
	if (want.serial)
		r = tell_unit(l, unit, slot);
	if (r == 0)
		*told = want;
	return r;
}

static int told_room(struct ship_link *l)
{
	size_t n = MIN(l->sup->units_n + 1, (size_t)LIMIT_SHIP_SLOTS);
	struct ship_told *more;

	if (n <= l->told_n)
		return 0;
	more = realloc(l->told, n * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memset(more + l->told_n, 0, (n - l->told_n) * sizeof(*more));
	l->told = more;
	l->told_n = n;
	return 0;
}

static int tell_own(struct ship_link *l)
{
	struct log_service *log = log_service_find(l->sup->log, SUPERVISOR_OWN_LOG);
	int r;

	if (l->told[0].serial || !log)
		return 0;
	r = tell_service(l, 0, SUPERVISOR_OWN_LOG, SHIPPER_OWN | SHIPPER_PREFIXED | SHIPPER_STORED, NULL, log,
			 supervisor_booted_at(l->sup));
	if (r == 0)
		l->told[0].serial = 1;
	return r;
}

static int tell_all(struct ship_link *l)
{
	int r = 0;

	if (!l->state_told) {
		r = tell_state(l);
		l->state_told = r == 0;
	}
	if (r == 0 && !l->settings_told) {
		r = tell_sinks(l);
		l->settings_told = r == 0;
	}
	if (r == 0)
		r = told_room(l);
	if (r == 0)
		r = tell_own(l);
	for (size_t slot = 1; r == 0 && slot < l->told_n; slot++) {
		r = tell_slot(l, (uint32_t)slot);
		if (r == -EMSGSIZE)
			r = 0; /* its tags are longer than a message: told as far as it goes, never again */
	}
	return r;
}

static void look(struct ship_link *l)
{
	int r;

	if (l->sock < 0)
		return;
	r = tell_all(l);
	(void)loop_io_set(l->io, r == -EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (r < 0 && r != -EAGAIN && r != -EPIPE)
		diag(DIAG_WARN, "zinit-shipper can't be told of all services: %s", strerror(-r));
}

static void on_changed(void *data)
{
	struct supervisor *sup = data;

	if (!sup->ship)
		return;
	sup->ship->look_pending = false;
	look(sup->ship);
}

void ship_changed(struct supervisor *sup)
{
	struct ship_link *l = sup->ship;

	if (!l || l->sock < 0 || l->look_pending)
		return;
	l->look_pending = loop_defer(sup->loop, on_changed, sup) == 0;
}

/* --- the process ------------------------------------------------------------------------------------ */

static void finish_flush(struct ship_link *l)
{
	if (!l->flushing)
		return;
	l->flushing = false;
	loop_timer_disarm(l->timer);
	supervisor_finish(l->sup);
}

static void disconnect(struct ship_link *l)
{
	loop_io_free(l->io);
	l->io = NULL;
	auto_close(&l->sock);
	l->sock = -1;
	l->state_told = l->settings_told = false;
	l->sinks_told = 0;
	if (l->told) /* memset(3) takes no null pointer, however short */
		memset(l->told, 0, l->told_n * sizeof(*l->told));
	ship_probes_fail(l, "zinit-shipper ended");
}

/* It is of no use any more: hang up, which makes a healthy one end, and start another one after a pause. */
static void lose(struct ship_link *l)
{
	usec_t now = loop_now(l->sup->loop);

	if (l->sock < 0)
		return;
	disconnect(l);
	if (now - MIN(now, l->started_at) > HEALTHY)
		l->retry_delay = RETRY_FIRST;
	if (l->flushing) {
		diag(DIAG_WARN, "zinit-shipper ended before the last lines were sent");
		finish_flush(l);
		return;
	}
	if (l->settings->ships.n && !core_is_shutting_down(l->sup->core))
		loop_timer_arm(l->timer, now + l->retry_delay);
	l->retry_delay = MIN(l->retry_delay * 2, (usec_t)RETRY_LAST);
}

static void on_gone(struct worker *worker, void *data)
{
	struct ship_link *l = data;

	if (l->worker != worker)
		return;
	l->worker = NULL;
	lose(l);
}

static const struct spawn_rlimit limits[] = { { RLIMIT_STACK, STACK_BYTES, STACK_BYTES } };
static const struct worker_kind kind = {
	.program = "zinit-shipper",
	.fd = SHIPPER_FD,
	.rlimits = limits,
	.n_rlimits = ARRAY_LEN(limits),
	.unprivileged = true,
	.expendable = true,
	.gone = on_gone,
};

static void on_message(struct ship_link *l, const char *message, size_t len)
{
	struct shipper_head head;

	if (len <= sizeof(head) || message[len - 1] != '\0')
		return;
	memcpy(&head, message, sizeof(head));
	if (head.kind == SHIPPER_SAY)
		diag(head.flags < DIAG_LEVEL_N ? (enum diag_level)head.flags : DIAG_WARN, "%s", message + sizeof(head));
	if (head.kind == SHIPPER_PROBED)
		ship_probe_answered(l, head.slot, head.flags == 1, message + sizeof(head));
	if (head.kind == SHIPPER_FLUSHED && l->flushing) {
		if (head.flags)
			diag(DIAG_WARN, "%u lines were not shipped before the end", head.flags);
		finish_flush(l);
	}
}

static void on_socket(struct loop_io *io, uint32_t events, void *data)
{
	struct ship_link *l = data;
	char message[sizeof(struct shipper_head) + DIAG_LINE_MAX];
	int fds[FD_MESSAGE_MAX];

	if (events & EPOLLOUT)
		look(l);
	for (int i = 0; i < MESSAGES_MAX && l->io == io; i++) {
		ssize_t n = fd_receive_message(l->sock, message, sizeof(message), MSG_DONTWAIT, fds);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			lose(l);
			return;
		}
		for (size_t j = 0; j < FD_MESSAGE_MAX; j++)
			auto_close(&fds[j]);
		on_message(l, message, (size_t)n);
	}
}

static void start(struct ship_link *l)
{
	int pair[2];
	int r;

	if (l->sock >= 0)
		return;
	l->started_at = loop_now(l->sup->loop);
	l->starts++;
	r = l->state ? 0 : open_state(l);
	if (r == 0)
		r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
	if (r < 0) {
		diag(DIAG_ERROR, "zinit-shipper can't be started: %s", strerror(-r));
		loop_timer_arm(l->timer, l->started_at + RETRY_LAST);
		return;
	}
	l->sock = pair[0];
	l->io = loop_io_new(l->sup->loop, l->sock, EPOLLIN, on_socket, l);
	r = l->io ? worker_spawn(l->sup, &kind, pair[1], l, &l->worker) : -ENOMEM;
	(void)close(pair[1]);
	if (r < 0)
		lose(l);
	else
		look(l);
}

/* --- from the supervisor ---------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *data)
{
	struct ship_link *l = data;

	(void)timer;
	if (l->flushing) {
		diag(DIAG_WARN, "zinit-shipper did not send the last lines in time");
		finish_flush(l);
	} else if (l->settings->ships.n) {
		start(l);
	}
}

void ship_begin(struct supervisor *sup)
{
	struct ship_link *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	list_init(&l->probes);
	l->sup = sup;
	l->settings = sup->settings;
	l->sock = l->state_fd = l->news_fd = -1;
	l->retry_delay = RETRY_FIRST;
	l->timer = loop_timer_new(sup->loop, on_timer, l);
	if (!l->timer) {
		free(l);
		return;
	}
	sup->ship = l;
	if (l->settings->ships.n)
		start(l);
}

void ship_settings(struct supervisor *sup, const struct server_settings *settings)
{
	struct ship_link *l = sup->ship;

	if (!l)
		return;
	l->settings = settings;
	l->settings_at = time_realtime();
	l->settings_told = false;
	l->sinks_told = 0;
	if (l->sock >= 0)
		ship_changed(sup); /* told of no sinks, it stays and sleeps */
	else if (settings->ships.n)
		start(l);
}

bool ship_flush(struct supervisor *sup)
{
	const struct shipper_head head = { .kind = SHIPPER_FLUSH, .flags = FLUSH_MS };
	struct ship_link *l = sup->ship;

	if (!l || l->sock < 0)
		return false;
	look(l);
	if (ship_tell(l, &head, NULL, NULL, 0) < 0)
		return false;
	l->flushing = true;
	loop_timer_arm(l->timer, loop_now(sup->loop) + (FLUSH_MS + 500) * USEC_PER_MSEC);
	return true;
}

void ship_fini(struct supervisor *sup)
{
	struct ship_link *l = sup->ship;

	if (!l)
		return;
	sup->ship = NULL;
	worker_forget(l->worker);
	disconnect(l);
	loop_timer_free(l->timer);
	auto_close(&l->state_fd);
	/* news_fd and the memory stay: the log's reader may still write them */
	free(l->told);
	free(l);
}
