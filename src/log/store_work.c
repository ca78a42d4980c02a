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

/* With the lock held: whoever was made last. The caller joins it. Returns false if there is none. */
static bool take_worker(struct store *s, pthread_t *out)
{
	bool made = s->worker_made;

	*out = s->worker;
	s->worker_made = false;
	return made;
}

/*
 * With the lock held, so that two threads with a job each don't both make a worker and forget one of them. The last worker
 * has given up the lock for good when `working` is false: it is not waited for.
 */
static void start(struct store *s)
{
	pthread_t worker;
	sigset_t all;
	sigset_t old;

	if (take_worker(s, &worker))
		(void)pthread_join(worker, NULL);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	/* if there is no thread to be had, the next job tries again */
	s->worker_made = s->working = pthread_create(&s->worker, NULL, work_main, s) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void store_work(struct store *s, struct store_job *job)
{
	(void)pthread_mutex_lock(&s->lock);
	list_append(&s->jobs, &job->node);
	if (!s->working)
		start(s);
	(void)pthread_mutex_unlock(&s->lock);
}

void store_work_end(struct store *s)
{
	pthread_t worker;
	bool made;

	(void)pthread_mutex_lock(&s->lock);
	if (!list_empty(&s->jobs) && !s->working)
		start(s);
	made = take_worker(s, &worker);
	(void)pthread_mutex_unlock(&s->lock);
	if (made)
		(void)pthread_join(worker, NULL);
}
