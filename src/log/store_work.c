/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the work thread: what takes long and must not delay the store, one job after the other. It lives while there is work. */
#include <signal.h>
#include <sys/prctl.h>

#include "log/store_internal.h"

static void *work_main(void *data)
{
	struct store *s = data;

	(void)prctl(PR_SET_NAME, "log-work");
	(void)pthread_mutex_lock(&s->lock);
	while (!list_empty(&s->jobs)) {
		struct store_job *job = LIST_ENTRY(s->jobs.next, struct store_job, node);

		list_remove(&job->node);
		(void)pthread_mutex_unlock(&s->lock);
		job->run(s, job);
		(void)pthread_mutex_lock(&s->lock);
	}
	s->working = false;
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* The worker has ended, or is about to. */
static void join(struct store *s)
{
	pthread_t worker;
	bool made;

	(void)pthread_mutex_lock(&s->lock);
	worker = s->worker;
	made = s->worker_made;
	s->worker_made = false;
	(void)pthread_mutex_unlock(&s->lock);
	if (made)
		(void)pthread_join(worker, NULL);
}

static void start(struct store *s)
{
	pthread_t worker;
	sigset_t all;
	sigset_t old;
	int code;

	join(s);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&worker, NULL, work_main, s);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_mutex_lock(&s->lock);
	if (code == 0) {
		s->worker = worker;
		s->worker_made = true;
	} else {
		s->working = false; /* the next job tries again */
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void store_work(struct store *s, struct store_job *job)
{
	bool running;

	(void)pthread_mutex_lock(&s->lock);
	list_append(&s->jobs, &job->node);
	running = s->working;
	s->working = true;
	(void)pthread_mutex_unlock(&s->lock);
	if (!running)
		start(s);
}

void store_work_end(struct store *s)
{
	bool left;

	(void)pthread_mutex_lock(&s->lock);
	left = !list_empty(&s->jobs) && !s->working;
	s->working = s->working || left;
	(void)pthread_mutex_unlock(&s->lock);
	if (left)
		start(s);
	join(s);
}
