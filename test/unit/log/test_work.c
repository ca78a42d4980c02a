/* SPDX-License-Identifier: Apache-2.0 */
/* The store's work thread: made when there is work, by whoever brings it, and gone when there is none. */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "log/store.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER true
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER false
#endif

#define HASTY_JOBS 5000U

struct hasty {
	struct store *store;
	_Atomic unsigned int done;
	struct hasty_job {
		struct store_job job;
		struct hasty *owner;
		_Atomic bool ran;
	} jobs[2][HASTY_JOBS];
};

static void run_hasty(struct store *s, struct store_job *job)
{
	struct hasty_job *hasty = CONTAINER_OF(job, struct hasty_job, job);

	(void)s;
	atomic_fetch_add(&hasty->owner->done, 1);
	atomic_store(&hasty->ran, true);
}

static void *hasty_main(void *data)
{
	struct hasty_job *jobs = data;

	/* each waits for its job, so that the worker ends and is made again all the time */
	for (unsigned int i = 0; i < HASTY_JOBS; i++) {
		store_work(jobs->owner->store, &jobs[i].job);
		while (!atomic_load(&jobs[i].ran))
			(void)sched_yield();
	}
	return NULL;
}

static void no_progress(void *data)
{
	(void)data;
}

/* Stacks of threads that nobody joined stay mapped. */
static unsigned int mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	int c;

	assert_non_null(file);
	while ((c = fgetc(file)) != EOF)
		n += c == '\n';
	(void)fclose(file);
	return n;
}

/* The loop's thread (incidents) and the store's (segments) have work at the same time: each job is done, no worker forgotten. */
static void test_work_from_two_threads(void **state)
{
	struct hasty *h = calloc(1, sizeof(*h));
	unsigned int before = mappings();
	pthread_t threads[2];
	struct error err;
	char dir[32];

	(void)state;
	assert_non_null(h);
	testing_dir_make(dir);
	assert_int_equal(store_new(dir, 0, no_progress, NULL, &h->store, &err), 0);
	for (int t = 0; t < 2; t++) {
		for (unsigned int i = 0; i < HASTY_JOBS; i++)
			h->jobs[t][i] = (struct hasty_job){ .job = { .run = run_hasty }, .owner = h };
		assert_int_equal(pthread_create(&threads[t], NULL, hasty_main, h->jobs[t]), 0);
	}
	for (int t = 0; t < 2; t++)
		assert_int_equal(pthread_join(threads[t], NULL), 0);
	assert_true(store_free(h->store, RIG_PATIENCE));
	assert_int_equal(atomic_load(&h->done), 2 * HASTY_JOBS);
	/* the cache of stacks and the arenas are a few; the thread sanitizer maps as it likes, and tells of threads itself */
	assert_true(THREAD_SANITIZER || mappings() < before + 40);
	free(h);
	testing_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_from_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
