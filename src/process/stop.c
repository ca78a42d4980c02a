/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the end of services: signals by kill_mode, SIGKILL until nothing is left, and knowing when that is. */
#include "process/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "process/cgroup.h"
#include "process/signal.h"
#include "process/tree_internal.h"

/* So many survivors are watched by pidfd; when these have ended there is another look. */
#define WATCHES_MAX 32
/* Between looks at those who can't be watched, and at those who come up again while they are being killed. */
#define LOOK_AGAIN_FIRST (20 * USEC_PER_MSEC)
#define LOOK_AGAIN_LAST (320 * USEC_PER_MSEC)
/* Someone who forks and exits all the time must be caught between two hops: so long at a stretch, at so many of the youngest. */
#define CHASE_SPAN (10 * USEC_PER_MSEC)
#define CHASE_YOUNGEST 16
/* Looks at all orphans take at most one part in so many of the time: what ends meanwhile is checked together. */
#define LOOK_SHARE 16

struct stopper {
	struct loop *loop;
	pid_t reaper;
	struct list stops;
	struct stop *spare; /* for the time when there is no memory: a stop is what makes room */
	bool deferred;
	struct tree_orphans orphans; /* of this round of the loop */
	usec_t read_in; /* that round */
	int orphans_error; /* of that look: a shortage, or 0 */
	usec_t look_due; /* checks wait until then */
	struct loop_timer *timer;
	bool fresh;
	bool checking; /* in run_checks() */
	bool freed; /* meanwhile */
};

struct watch {
	struct loop_io *io;
	int fd;
};

struct stop {
	struct list node;
	struct stopper *stopper;
	struct stop_target target;
	bool main_ended;
	bool main_reaped;
	bool killing;
	bool check_wanted;
	bool denied; /* someone could not be signalled */
	struct tree_list history; /* everyone seen so far */
	struct watch main_watch;
	struct watch watches[WATCHES_MAX];
	size_t n_watches;
	struct loop_timer *timer;
	usec_t look_again;
	stop_fn fn;
	void *data;
};

static const char *const mode_names[KILL_MODE_N] = {
	[KILL_GROUP] = "group",
	[KILL_CGROUP] = "cgroup",
	[KILL_PROCESS] = "process",
};

const char *kill_mode_name(enum kill_mode mode)
{
	return (unsigned int)mode < KILL_MODE_N ? mode_names[mode] : NULL;
}

int kill_mode_from_name(const char *name)
{
	for (int i = 0; i < KILL_MODE_N; i++) {
		if (strcmp(name, mode_names[i]) == 0)
			return i;
	}
	return -EINVAL;
}

/* ---- looking ---- */

static void run_checks(void *data);

static void on_checks_due(struct loop_timer *timer, void *data)
{
	(void)timer;
	run_checks(data);
}

static void on_timer(struct loop_timer *timer, void *data);

static struct stop *stop_alloc(struct loop *loop)
{
	struct stop *stop = calloc(1, sizeof(*stop));

	if (!stop)
		return NULL;
	stop->timer = loop_timer_new(loop, on_timer, stop);
	if (!stop->timer) {
		free(stop);
		return NULL;
	}
	return stop;
}

/* A stop, which is the spare one if need be: the next that does not need it makes a new spare. */
static struct stop *stop_take(struct stopper *s)
{
	struct stop *stop = stop_alloc(s->loop);

	if (!stop) {
		stop = s->spare;
		s->spare = NULL;
	} else if (!s->spare) {
		s->spare = stop_alloc(s->loop);
	}
	return stop;
}

struct stopper *stopper_new(struct loop *loop, pid_t reaper)
{
	struct stopper *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->timer = loop_timer_new(loop, on_checks_due, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	s->reaper = reaper;
	list_init(&s->stops);
	s->spare = stop_alloc(loop);
	return s;
}

void stopper_free(struct stopper *stopper)
{
	if (!stopper)
		return;
	loop_timer_free(stopper->timer);
	stopper->timer = NULL;
	if (stopper->spare)
		loop_timer_free(stopper->spare->timer);
	free(stopper->spare);
	stopper->spare = NULL;
	stopper->freed = true;
	if (stopper->checking)
		return;
	loop_undefer(stopper->loop, run_checks, stopper);
	tree_orphans_fini(&stopper->orphans);
	free(stopper);
}

void stopper_set_known(struct stopper *stopper, const struct tree_known *known)
{
	stopper->orphans.known = *known;
}

static void read_orphans(struct stopper *s)
{
	usec_t began = time_boottime();
	usec_t ended;
	int r = tree_orphans_read(s->reaper, &s->orphans);

	s->orphans_error = tree_is_shortage(r) ? r : 0;
	ended = time_boottime();
	s->look_due = time_add(ended, (ended - began) * LOOK_SHARE);
}

static const struct tree_orphans *orphans_of_round(struct stopper *s)
{
	usec_t round = loop_now(s->loop);

	if (!s->fresh || s->read_in != round)
		read_orphans(s);
	s->fresh = true;
	s->read_in = round;
	return &s->orphans;
}

static struct tree_query query_of(const struct stop *stop)
{
	return (struct tree_query){
		.main = stop->main_reaped ? 0 : stop->target.main,
		.ended = stop->main_reaped ? stop->target.main : 0,
		.reaper = stop->stopper->reaper,
		.tag = stop->target.tag,
		.cgroup_fd = -1,
		.history = &stop->history,
		.known = stop->stopper->orphans.known,
	};
}

static void remember(struct stop *stop, const struct tree_list *members)
{
	for (size_t i = 0; i < members->n; i++) {
		/* without memory, the other means remain */
		if (!tree_list_has(&stop->history, &members->procs[i]))
			(void)tree_list_add(&stop->history, &members->procs[i]);
	}
}

/* An empty cgroup need not be looked at. Returns 0, or a shortage: there may be someone. */
static int open_cgroup(struct tree_query *query, const struct cgroup *cg)
{
	int fd = cg ? cgroup_populated(cg) : 0;

	if (fd == 1)
		fd = query->cgroup_fd = cgroup_dir_fd(cg);
	return tree_is_shortage(fd) ? fd : 0;
}

/* `cached`: the look at the orphans of this round will do: where nothing is decided by it, and in run_checks(). */
static int look(struct stop *stop, bool cached, struct tree_list *out)
{
	struct tree_query query = query_of(stop);
	int shortage = open_cgroup(&query, stop->target.cgroup);
	int r = tree_members_from(&query, cached ? orphans_of_round(stop->stopper) : NULL, out);

	if (cached && shortage == 0)
		shortage = stop->stopper->orphans_error;
	if (r == 0)
		r = shortage;
	if (query.cgroup_fd >= 0)
		(void)close(query.cgroup_fd);
	remember(stop, out);
	return r;
}

static bool main_has_ended(struct stop *stop)
{
	struct tree_proc p;
	int r;

	if (stop->main_ended)
		return true;
	if (stop->main_reaped)
		stop->main_ended = true;
	else if (stop->target.pidfd >= 0)
		stop->main_ended = signal_has_ended(stop->target.pidfd);
	if (stop->main_ended || stop->main_reaped || stop->target.pidfd >= 0)
		return stop->main_ended;
	r = tree_read(stop->target.main, &p);
	stop->main_ended = r == -ESRCH || (r == 0 && tree_is_dead(&p));
	return stop->main_ended;
}

/* ---- signalling ---- */

/* One signal to each; remembers refusals. Returns how many got it. */
static size_t signal_members(struct stop *stop, const struct tree_list *members, int signo, pid_t except_group)
{
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++) {
		const struct tree_proc *p = &members->procs[i];
		int r;

		if (except_group > 0 && p->pgid == except_group)
			continue;
		r = tree_signal(p, signo, NULL);
		n += r == 0;
		stop->denied |= r == -EPERM;
	}
	return n;
}

/* Signals all that are found. Returns 0, -ESRCH or -EPERM. */
static int signal_all(struct stop *stop, int signo)
{
	struct tree_list members = { 0 };
	size_t n;

	(void)look(stop, false, &members);
	n = signal_members(stop, &members, signo, 0);
	tree_list_fini(&members);
	return n > 0 ? 0 : stop->denied ? -EPERM : -ESRCH;
}

static int signal_by_mode(struct stop *stop, int signo)
{
	const struct stop_target *t = &stop->target;

	if (t->mode == KILL_PROCESS)
		return main_has_ended(stop) ? -ESRCH : signal_process(t->pidfd, t->main, signo);
	/* the number of the group is safe as long as its leader is not reaped */
	if (t->mode == KILL_GROUP && t->main > 0 && !stop->main_reaped)
		return signal_group(t->pidfd, t->main, signo);
	return signal_all(stop, signo);
}

static bool wants_cont(int signo)
{
	return signo != SIGKILL && signo != SIGCONT && signo != SIGSTOP && signo != SIGTSTP && signo != SIGTTIN &&
	       signo != SIGTTOU && signo != 0;
}

int stop_signal(struct stop *stop, int signo)
{
	int r = signal_by_mode(stop, signo);

	if (r == 0 && wants_cont(signo))
		(void)signal_by_mode(stop, SIGCONT);
	return r;
}

/* SIGKILL to the group at a stroke, then one by one whoever is outside of it, until a look finds nobody new. */
static void kill_all(struct stop *stop)
{
	const struct stop_target *t = &stop->target;
	struct tree_list members = { 0 };
	struct tree_list hit = { 0 };
	usec_t end = time_add(time_boottime(), CHASE_SPAN);
	pid_t group = 0;

	if (t->mode == KILL_PROCESS) {
		if (!main_has_ended(stop) && signal_process(t->pidfd, t->main, SIGKILL) == -EPERM)
			stop->denied = true;
		return;
	}
	if (t->cgroup)
		(void)cgroup_kill(t->cgroup);
	if (t->main > 0 && !stop->main_reaped && signal_group(t->pidfd, t->main, SIGKILL) == 0)
		group = t->main;
	do {
		bool news = false;
		int r = look(stop, false, &members);

		for (size_t m = 0; m < members.n; m++)
			news |= members.procs[m].pgid != group && !tree_list_has(&hit, &members.procs[m]);
		if (!news && r == 0)
			break;
		(void)signal_members(stop, &members, SIGKILL, group);
		for (size_t m = 0; m < members.n; m++)
			(void)tree_list_add(&hit, &members.procs[m]);
		(void)tree_chase(stop->stopper->reaper, t->tag, CHASE_YOUNGEST);
	} while (time_boottime() < end);
	tree_list_fini(&members);
	tree_list_fini(&hit);
}

int stop_kill(struct stop *stop)
{
	stop->killing = true;
	stop->denied = false;
	stop->look_again = LOOK_AGAIN_FIRST;
	kill_all(stop);
	stop_check(stop);
	return stop->denied ? -EPERM : 0;
}

/* ---- waiting ---- */

static void unwatch(struct watch *w)
{
	loop_io_free(w->io);
	if (w->fd >= 0)
		(void)close(w->fd);
	*w = (struct watch){ .fd = -1 };
}

static void on_end(struct loop_io *io, uint32_t events, void *data)
{
	struct stop *stop = data;

	(void)events;
	/* an ended process stays readable */
	if (io == stop->main_watch.io) {
		unwatch(&stop->main_watch);
	} else {
		for (size_t i = 0; i < stop->n_watches; i++) {
			if (stop->watches[i].io == io)
				unwatch(&stop->watches[i]);
		}
	}
	stop_check(stop);
}

/* Takes over `fd`. */
static bool watch_fd(struct stop *stop, struct watch *w, int fd)
{
	*w = (struct watch){ .fd = fd };
	if (fd < 0)
		return false;
	w->io = loop_io_new(stop->stopper->loop, fd, EPOLLIN, on_end, stop);
	if (!w->io)
		unwatch(w);
	return w->io != NULL;
}

static void unwatch_members(struct stop *stop)
{
	for (size_t i = 0; i < stop->n_watches; i++)
		unwatch(&stop->watches[i]);
	stop->n_watches = 0;
}

/* Wait for the end of these. The timer helps where there is no other way, and against those who multiply. */
static void watch_members(struct stop *stop, const struct tree_list *members)
{
	bool complete = members->n > 0 && members->n <= WATCHES_MAX;

	unwatch_members(stop);
	for (size_t i = 0; i < members->n && stop->n_watches < WATCHES_MAX; i++) {
		int pidfd;

		if (tree_signal(&members->procs[i], 0, &pidfd) == -ESRCH) {
			complete = false; /* just gone: who knows what it left */
			continue;
		}
		if (watch_fd(stop, &stop->watches[stop->n_watches], pidfd))
			stop->n_watches++;
		else
			complete = false;
	}
	if (complete && !stop->killing) {
		loop_timer_disarm(stop->timer);
		return;
	}
	loop_timer_arm(stop->timer, time_add(loop_now(stop->stopper->loop), stop->look_again));
	stop->look_again = MIN(stop->look_again * 2, LOOK_AGAIN_LAST);
}

/* May free the stop, by its callback. */
static void check(struct stop *stop)
{
	struct tree_list members = { 0 };

	if (!stop->main_ended) {
		if (stop->main_watch.fd < 0 || stop->killing)
			loop_timer_arm(stop->timer, time_add(loop_now(stop->stopper->loop), LOOK_AGAIN_LAST));
		return;
	}
	if (stop->target.mode != KILL_PROCESS) {
		int r = look(stop, !stop->killing, &members);

		if (members.n > 0 || r < 0) {
			if (stop->killing) {
				kill_all(stop);
				(void)look(stop, false, &members);
			}
			watch_members(stop, &members);
			tree_list_fini(&members);
			return;
		}
	}
	tree_list_fini(&members);
	unwatch_members(stop);
	loop_timer_disarm(stop->timer);
	stop->fn(stop, stop->data);
}

/* All checks that are wanted, with one look at the orphans. Callbacks may free stops and make new ones. */
static void run_checks(void *data)
{
	struct stopper *s = data;
	struct list todo;
	struct stop *stop;

	list_init(&todo);
	s->checking = true;
	s->fresh = false;
	LIST_FOREACH(stop, &s->stops, node) {
		if (!stop->check_wanted)
			continue;
		/* now, not later: the orphans of one who ends after the look at them would be missed */
		(void)main_has_ended(stop);
		list_remove(&stop->node);
		list_append(&todo, &stop->node);
	}
	while (!list_empty(&todo)) {
		stop = LIST_ENTRY(todo.next, struct stop, node);
		list_remove(&stop->node);
		list_append(&s->stops, &stop->node);
		stop->check_wanted = false;
		check(stop);
	}
	s->deferred = s->checking = false;
	if (s->freed) {
		stopper_free(s);
		return;
	}
	LIST_FOREACH(stop, &s->stops, node) {
		if (stop->check_wanted)
			stop_check(stop);
	}
}

void stop_check(struct stop *stop)
{
	struct stopper *s = stop->stopper;

	stop->check_wanted = true;
	if (s->deferred)
		return;
	if (time_boottime() < s->look_due) {
		loop_timer_arm(s->timer, s->look_due);
		return;
	}
	if (loop_defer(s->loop, run_checks, s) == 0)
		s->deferred = true;
	else
		loop_timer_arm(stop->timer, loop_now(s->loop));
}

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	stop_check(data);
}

struct stop *stop_new(struct stopper *stopper, const struct stop_target *target, stop_fn fn, void *data)
{
	struct stop *stop = stop_take(stopper);
	struct tree_list members = { 0 };

	if (!stop)
		return NULL;
	stop->stopper = stopper;
	stop->target = *target;
	stop->look_again = LOOK_AGAIN_FIRST;
	stop->main_watch.fd = -1;
	stop->main_reaped = target->main <= 0;
	stop->fn = fn;
	stop->data = data;
	list_append(&stopper->stops, &stop->node);
	/* whom a cgroup holds need not be remembered: with a thousand stops at a time this look would be most of their cost */
	if (!target->cgroup)
		(void)look(stop, true, &members);
	tree_list_fini(&members);
	/* a copy: the caller may watch its own in the same loop */
	if (!stop->main_reaped && target->pidfd >= 0)
		(void)watch_fd(stop, &stop->main_watch, fcntl(target->pidfd, F_DUPFD_CLOEXEC, 3));
	/* a main process that is there is no news; its end is told, by its pidfd or by stop_main_reaped() */
	if (stop->main_reaped || stop->main_watch.fd >= 0)
		stop_check(stop);
	else
		loop_timer_arm(stop->timer, time_add(loop_now(stopper->loop), LOOK_AGAIN_LAST));
	return stop;
}

void stop_free(struct stop *stop)
{
	if (!stop)
		return;
	list_remove(&stop->node);
	unwatch_members(stop);
	unwatch(&stop->main_watch);
	loop_timer_free(stop->timer);
	tree_list_fini(&stop->history);
	free(stop);
}

void stop_main_reaped(struct stop *stop)
{
	stop->main_ended = true;
	stop->main_reaped = true;
	stop_check(stop);
}

int stop_survivors(struct stop *stop, struct tree_list *out)
{
	return look(stop, false, out);
}

void stop_survivors_text(const struct tree_list *list, char *out, size_t size)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(size);
	size_t shown = 0;

	for (; shown < list->n; shown++) {
		const struct tree_proc *p = &list->procs[shown];

		/* room for " and 65536 more" */
		if (text.len + sizeof(p->comm) + 40 > size)
			break;
		(void)strbuf_addf(&text, "%s%s(%d)", shown ? ", " : "", p->comm, p->pid);
	}
	if (shown < list->n)
		(void)strbuf_addf(&text, "%s%zu more", shown ? " and " : "", list->n - shown);
	(void)str_copy(out, size, strbuf_str(&text));
}

bool stop_finds(struct stopper *stopper, const struct stop_target *target, bool again)
{
	struct tree_list members = { 0 };
	struct tree_query query = {
		.main = target->main,
		.reaper = stopper->reaper,
		.tag = target->tag,
		.cgroup_fd = -1,
		.known = stopper->orphans.known,
	};
	bool found;

	if (again)
		stopper->fresh = false;
	found = open_cgroup(&query, target->cgroup) < 0;
	found |= tree_members_from(&query, orphans_of_round(stopper), &members) < 0 || stopper->orphans_error < 0 || members.n > 0;
	tree_list_fini(&members);
	if (query.cgroup_fd >= 0)
		(void)close(query.cgroup_fd);
	return found;
}

int stop_signal_service(struct stopper *stopper, const struct stop_target *target, int signo)
{
	struct stop once = {
		.stopper = stopper,
		.target = *target,
		.main_reaped = target->main <= 0,
	};
	int r = signal_by_mode(&once, signo);

	tree_list_fini(&once.history);
	return r;
}
