/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the threads that spawn, their queue, and the way of descriptors to them and back. */
#include "process/spawner.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "process/signal.h"

/* Name services run on it; only what is touched counts. */
#define THREAD_STACK (512U << 10)
#define ANSWER_PAUSE_NS 1000000L
#define JOB_FDS_MAX (4 + SPAWN_FD_TARGET_MAX)
_Static_assert(JOB_FDS_MAX <= FD_SEND_MAX, "a job goes in one message");

struct job {
	struct list node; /* in spawner.queue or spawner.failed */
	struct spawn_request *request; /* the thread's own copy; descriptor numbers are those of the thread's table there */
	struct spawn_result result;
	volatile pid_t slot; /* where the request has none */
	spawner_fn fn; /* NULL: forgotten */
	void *data;
};

/* The loop's side of a thread. */
struct worker {
	struct list node;
	struct spawner *spawner;
	int sock;
	int thread_sock; /* the thread's end, ours to close until it has said hello; else -1 */
	struct loop_io *io;
	struct job *job; /* NULL: idle (if ready) */
	usec_t since; /* of job */
	bool ready; /* has said hello */
};

struct spawner {
	struct loop *loop;
	struct loop_timer *timer; /* failed jobs at once; hanging ones */
	struct list workers;
	struct list queue;
	struct list failed;
	size_t n_workers;
	size_t n_allowed; /* threads that may work at a time when nothing hangs */
};

/* First message of a thread. */
enum hello { HELLO_SHARED_TABLE = 1, HELLO_OWN_TABLE };

union message {
	struct job *job;
	uintptr_t hello;
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(JOB_FDS_MAX * sizeof(int))];
};

/* Returns 1, 0 at the end, or negative errno. *n_fds: room in, number out. A descriptor that found no room in the table is missing. */
static int receive_message(int sock, int flags, union message *out, int *fds, size_t *n_fds)
{
	struct iovec iov = { .iov_base = out, .iov_len = sizeof(*out) };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	size_t room = *n_fds;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && got <= room) {
			memcpy(fds, CMSG_DATA(c), got * sizeof(int));
			*n_fds = got;
		}
	}
	return n == (ssize_t)sizeof(*out);
}

/* Copies the descriptors of a request into `fds`, or (store) those in `fds` into it, in the same order. Returns how many. */
static size_t visit_fds(struct spawn_request *r, size_t max, int *fds, bool store)
{
	int *fields[] = { &r->stdin_fd, &r->stdout_fd, &r->stderr_fd, &r->cgroup_fd };
	struct spawn_fd *extra = (struct spawn_fd *)r->fds; /* ours: it is the copy */
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(fields) + r->n_fds; i++) {
		int *field = i < ARRAY_LEN(fields) ? fields[i] : &extra[i - ARRAY_LEN(fields)].source;

		if (*field < 0 || n == max)
			continue;
		if (store)
			*field = fds[n];
		else
			fds[n] = *field;
		n++;
	}
	return n;
}

/* ---- the thread's side ---- */

/*
 * Gives this thread a descriptor table of its own with nothing in it but 0-2 and `sock`: what clone copies is then small, and
 * no descriptor of the server can leak. Where the kernel can't, the server's table goes on being shared.
 */
static enum hello own_table(int sock)
{
	if (syscall(SYS_close_range, (unsigned int)sock + 1, ~0U, 1U << 1 /* CLOSE_RANGE_UNSHARE */) < 0)
		return HELLO_SHARED_TABLE;
	if (sock > 3)
		(void)syscall(SYS_close_range, 3U, (unsigned int)sock - 1, 0U);
	return HELLO_OWN_TABLE;
}

static void run_job(struct job *job, struct spawn_stack *stack, int *fds, size_t n_fds)
{
	int expected[JOB_FDS_MAX];

	if (visit_fds(job->request, JOB_FDS_MAX, expected, false) != n_fds) {
		job->result = (struct spawn_result){ .stage = SPAWN_PREPARE, .error = EMFILE, .pidfd = -1 };
	} else {
		(void)visit_fds(job->request, n_fds, fds, true);
		(void)spawn_run(stack, job->request, &job->result);
	}
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
}

static void job_free(struct job *job)
{
	free(job->request);
	free(job);
}

/* A process that was started must be told: without memory the thread, which has nothing else to do, tries until there is some. */
static int answer(int sock, const union message *m, int pidfd)
{
	for (;;) {
		int r = fd_send_message(sock, m, sizeof(*m), 0, &pidfd, pidfd >= 0);

		if (r != -ENOBUFS && r != -ENOMEM)
			return r;
		(void)nanosleep(&(struct timespec){ .tv_nsec = ANSWER_PAUSE_NS }, NULL);
	}
}

static void serve(int sock, struct spawn_stack *stack)
{
	for (;;) {
		union message m = { 0 };
		int fds[JOB_FDS_MAX];
		size_t n_fds = JOB_FDS_MAX;
		struct job *job;
		int pidfd;

		if (receive_message(sock, 0, &m, fds, &n_fds) <= 0)
			return;
		job = m.job;
		run_job(job, stack, fds, n_fds);
		pidfd = job->result.pidfd;
		if (answer(sock, &m, pidfd) < 0) {
			/* the spawner is gone */
			if (pidfd >= 0)
				(void)close(pidfd);
			job_free(job);
			return;
		}
		/* the job is the loop's again */
		if (pidfd >= 0)
			(void)close(pidfd);
	}
}

struct thread_start {
	int sock;
	struct spawn_stack *stack;
};

static void *thread_main(void *data)
{
	struct thread_start start = *(struct thread_start *)data;
	union message hello = { .hello = own_table(start.sock) };

	free(data);
	if (fd_send_message(start.sock, &hello, sizeof(hello), 0, NULL, 0) == 0)
		serve(start.sock, start.stack);
	(void)close(start.sock);
	spawn_stack_free(start.stack);
	return NULL;
}

/* ---- the loop's side ---- */

static void dispatch(struct spawner *s);

static void worker_free(struct worker *w)
{
	loop_io_free(w->io);
	if (w->sock >= 0) {
		(void)shutdown(w->sock, SHUT_RDWR);
		(void)close(w->sock);
	}
	list_remove(&w->node);
	w->spawner->n_workers--;
	free(w);
}

/* Nobody waits for it any more, and it came up all the same. */
static void kill_forgotten(const struct job *job, int pidfd)
{
	if (signal_group(pidfd, job->result.pid, SIGKILL) < 0)
		(void)signal_process(pidfd, job->result.pid, SIGKILL);
}

static void finish(struct job *job, int pidfd)
{
	job->result.pidfd = pidfd;
	if (job->fn) {
		job->fn(&job->result, job->data);
	} else if (pidfd >= 0) {
		kill_forgotten(job, pidfd);
		(void)close(pidfd);
	}
	job_free(job);
}

static bool hangs(const struct worker *w, usec_t now)
{
	return w->job && now >= time_add(w->since, SPAWNER_HANGS_AFTER);
}

/* The thread has ended, which only a socket without memory explains: its job is answered, others take over. */
static void worker_lost(struct worker *w)
{
	struct spawner *s = w->spawner;

	if (w->job) {
		w->job->result = (struct spawn_result){ .stage = SPAWN_PREPARE, .error = ENOMEM, .pidfd = -1 };
		list_append(&s->failed, &w->job->node);
		loop_timer_arm(s->timer, loop_now(s->loop));
	}
	worker_free(w);
	dispatch(s);
}

static void on_message(struct loop_io *io, uint32_t events, void *data)
{
	struct worker *w = data;
	struct spawner *s = w->spawner;
	union message m = { 0 };
	int pidfd = -1;
	size_t n_fds = 1;
	struct job *job;
	int r;

	(void)io;
	(void)events;
	r = receive_message(w->sock, MSG_DONTWAIT, &m, &pidfd, &n_fds);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		worker_lost(w);
		return;
	}
	if (!w->ready) {
		w->ready = true;
		if (m.hello == HELLO_OWN_TABLE)
			(void)close(w->thread_sock);
		w->thread_sock = -1;
		dispatch(s);
		return;
	}
	job = w->job;
	w->job = NULL;
	if (n_fds == 0)
		pidfd = -1;
	if (pidfd < 0 && job->result.stage == SPAWN_OK)
		pidfd = MAX(signal_open(job->result.pid), -1); /* the table was full for a moment */
	if (s->n_workers > s->n_allowed && list_empty(&s->queue))
		worker_free(w); /* it was started while others hung */
	dispatch(s);
	finish(job, pidfd);
}

/* The thread owns thread_sock and start from here on. */
static int start_thread(struct worker *w)
{
	struct thread_start *start = malloc(sizeof(*start));
	pthread_attr_t attr;
	sigset_t all;
	sigset_t before;
	pthread_t thread;
	int e = ENOMEM;

	if (!start)
		return -ENOMEM;
	*start = (struct thread_start){ .sock = w->thread_sock, .stack = spawn_stack_new() };
	if (start->stack && pthread_attr_init(&attr) == 0) {
		(void)pthread_attr_setstacksize(&attr, THREAD_STACK);
		(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		(void)sigfillset(&all);
		(void)pthread_sigmask(SIG_SETMASK, &all, &before);
		e = pthread_create(&thread, &attr, thread_main, start);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
		(void)pthread_attr_destroy(&attr);
	}
	if (e != 0) {
		spawn_stack_free(start->stack);
		free(start);
	}
	return -e;
}

static int add_worker(struct spawner *s)
{
	struct worker *w = malloc(sizeof(*w));
	int socks[2];
	int r;

	if (!w)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) {
		r = -errno;
		free(w);
		return r;
	}
	*w = (struct worker){ .spawner = s, .sock = socks[0], .thread_sock = socks[1] };
	list_append(&s->workers, &w->node);
	s->n_workers++;
	w->io = loop_io_new(s->loop, w->sock, EPOLLIN, on_message, w);
	r = w->io ? start_thread(w) : -errno;
	if (r < 0) {
		(void)close(w->thread_sock);
		worker_free(w);
	}
	return r;
}

/* Hands the job to the thread; on failure the caller is told from the timer. */
static void give(struct worker *w, struct job *job)
{
	struct spawner *s = w->spawner;
	int fds[JOB_FDS_MAX];
	size_t n = visit_fds(job->request, JOB_FDS_MAX, fds, false);
	union message m = { .job = job };
	int r = fd_send_message(w->sock, &m, sizeof(m), 0, fds, n);

	if (r == 0) {
		w->job = job;
		w->since = loop_now(s->loop);
		return;
	}
	job->result = (struct spawn_result){ .stage = SPAWN_PREPARE, .error = -r, .pidfd = -1 };
	list_append(&s->failed, &job->node);
	loop_timer_arm(s->timer, loop_now(s->loop));
}

static struct job *next_job(struct spawner *s)
{
	struct job *job = LIST_ENTRY(s->queue.next, struct job, node);

	list_remove(&job->node);
	return job;
}

/* Gives work to idle threads; starts threads; sees to it that hanging ones are noticed. */
static void dispatch(struct spawner *s)
{
	usec_t now = loop_now(s->loop);
	usec_t look_again = USEC_NEVER;
	size_t starting = 0;
	size_t n_hanging = 0;
	struct worker *w;

	LIST_FOREACH(w, &s->workers, node) {
		if (w->ready && !w->job && !list_empty(&s->queue))
			give(w, next_job(s));
		starting += !w->ready;
		n_hanging += hangs(w, now);
		if (w->job && !hangs(w, now))
			look_again = MIN(look_again, time_add(w->since, SPAWNER_HANGS_AFTER));
	}
	if (list_empty(&s->queue) || starting > 0)
		return;
	if (s->n_workers < MIN(s->n_allowed + n_hanging, (size_t)SPAWNER_THREADS_MAX) && add_worker(s) == 0)
		return;
	if (list_empty(&s->failed))
		loop_timer_arm(s->timer, look_again);
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct spawner *s = data;

	(void)timer;
	while (!list_empty(&s->failed)) {
		struct job *job = LIST_ENTRY(s->failed.next, struct job, node);

		list_remove(&job->node);
		finish(job, -1);
	}
	dispatch(s);
}

struct spawner *spawner_new(struct loop *loop, struct error *err)
{
	struct spawner *s = calloc(1, sizeof(*s));

	if (s)
		s->timer = loop_timer_new(loop, on_timer, s);
	if (!s || !s->timer) {
		free(s);
		(void)error_set(err, ENOMEM, "spawner: out of memory");
		return NULL;
	}
	s->loop = loop;
	s->n_allowed = sysconf(_SC_NPROCESSORS_ONLN) >= 2 * SPAWNER_THREADS ? 2 * SPAWNER_THREADS : SPAWNER_THREADS;
	list_init(&s->workers);
	list_init(&s->queue);
	list_init(&s->failed);
	return s;
}

static void drop_all(struct list *jobs)
{
	struct job *job;

	LIST_FOREACH(job, jobs, node) {
		list_remove(&job->node);
		job_free(job);
	}
}

/* The answer of a job under way, waited for unless it hangs; without one the thread is left to free the job. */
static void await_answer(struct worker *w, usec_t until)
{
	struct pollfd wait = { .fd = w->sock, .events = POLLIN };
	usec_t now = time_boottime();

	while (w->job && now < until && poll(&wait, 1, (int)((until - now) / USEC_PER_MSEC) + 1) < 0 && errno == EINTR)
		now = time_boottime();
}

/* An answer that was sent before the socket was shut down is ours to free; else the thread does it. */
static void abandon(struct worker *w, usec_t until)
{
	union message m = { 0 };
	int pidfd;
	size_t n_fds = 1;

	await_answer(w, until);
	(void)shutdown(w->sock, SHUT_RDWR);
	while (receive_message(w->sock, MSG_DONTWAIT, &m, &pidfd, &n_fds) > 0) {
		if (n_fds == 1 && w->ready && !m.job->fn)
			kill_forgotten(m.job, pidfd);
		if (n_fds == 1)
			(void)close(pidfd);
		if (w->ready)
			job_free(m.job);
		else if (m.hello == HELLO_OWN_TABLE)
			(void)close(w->thread_sock);
		w->ready = true;
		n_fds = 1;
	}
	worker_free(w);
}

void spawner_free(struct spawner *spawner)
{
	usec_t until = time_add(time_boottime(), SPAWNER_HANGS_AFTER);
	struct worker *w;

	if (!spawner)
		return;
	LIST_FOREACH(w, &spawner->workers, node)
		abandon(w, until);
	drop_all(&spawner->queue);
	drop_all(&spawner->failed);
	loop_timer_free(spawner->timer);
	free(spawner);
}

int spawner_submit(struct spawner *spawner, const struct spawn_request *request, spawner_fn fn, void *data)
{
	struct job *job;

	if (request->n_fds > SPAWN_FD_TARGET_MAX)
		return -EINVAL;
	if (spawner->n_workers == 0) {
		int r = add_worker(spawner);

		if (r < 0)
			return r;
	}
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->request = spawn_request_copy(request);
	if (!job->request) {
		free(job);
		return -ENOMEM;
	}
	if (!job->request->pid_slot)
		job->request->pid_slot = &job->slot;
	job->fn = fn;
	job->data = data;
	list_append(&spawner->queue, &job->node);
	dispatch(spawner);
	return 0;
}

void *spawner_find(const struct spawner *spawner, pid_t pid)
{
	struct worker *w;

	LIST_FOREACH(w, &spawner->workers, node) {
		if (w->job && *w->job->request->pid_slot == pid)
			return w->job->data;
	}
	return NULL;
}

size_t spawner_forget(struct spawner *spawner, const void *data)
{
	size_t under_way = 0;
	struct worker *w;
	struct job *job;

	LIST_FOREACH(job, &spawner->queue, node) {
		if (job->data == data) {
			list_remove(&job->node);
			job_free(job);
		}
	}
	LIST_FOREACH(job, &spawner->failed, node) {
		if (job->data == data)
			job->fn = NULL;
	}
	LIST_FOREACH(w, &spawner->workers, node) {
		if (w->job && w->job->data == data) {
			w->job->fn = NULL;
			under_way++;
		}
	}
	return under_way;
}

size_t spawner_pending(const struct spawner *spawner)
{
	size_t n = 0;
	struct worker *w;
	struct job *job;

	LIST_FOREACH(job, &spawner->queue, node)
		n++;
	LIST_FOREACH(job, &spawner->failed, node)
		n++;
	LIST_FOREACH(w, &spawner->workers, node)
		n += w->job != NULL;
	return n;
}
