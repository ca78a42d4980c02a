/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/state.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../testing.h"

#define KILLS 300

struct record {
	uint64_t first;
	unsigned char middle[300];
	uint64_t last;
};

static const struct state_format now = { .version = 2, .oldest = 1, .reader = 1, .size = sizeof(struct record), .room = sizeof(struct record) + 40 };
/* The same with a field more. */
static const struct state_format next = { .version = 3, .oldest = 2, .reader = 2, .size = sizeof(struct record) + 8,
					  .room = sizeof(struct record) + 80 };

static struct state *reopen_as(const struct state_format *format, struct state *s)
{
	struct state_program earlier;
	struct state *again;
	int fd = dup(state_fd(s));

	state_free(s);
	assert_int_equal(state_adopt(fd, format, &again, NULL), 0);
	state_begin(again, &earlier);
	return again;
}

static struct state *reopen(struct state *s)
{
	return reopen_as(&now, s);
}

static void test_slots_are_taken_and_given_back(void **state)
{
	struct record r = { .first = 1 };
	struct state *s;
	uint32_t slots[3];
	uint32_t again;

	(void)state;
	assert_int_equal(state_new(&now, &s, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(state_alloc(s, &slots[i]), 0);
		assert_int_equal(slots[i], i);
		assert_null(state_read(s, slots[i]));
		r.first = (uint64_t)i;
		state_commit(s, slots[i], &r);
	}
	state_release(s, slots[1]);
	assert_int_equal(state_alloc(s, &again), 0);
	assert_int_equal(again, slots[1]);
	assert_null(state_read(s, again));
	s = reopen(s);
	assert_null(state_read(s, again)); /* never committed: free for the next server */
	assert_int_equal(((const struct record *)state_read(s, 2))->first, 2);
	assert_int_equal(state_end(s), 3);
	state_free(s);
}

static void refuse(struct state *s, const struct state_format *format, const char *word)
{
	struct state *other;
	struct error err;

	assert_int_equal(state_adopt(state_fd(s), format, &other, &err), -EPROTO);
	assert_non_null(strstr(err.msg, word));
}

static void test_what_cannot_be_read_is_refused_untouched(void **state)
{
	const struct state_format late = { .version = 9, .oldest = 8, .reader = 8, .size = sizeof(struct record), .room = 400 };
	struct state_format large = now;
	struct record r = { .first = 42 };
	struct state *s;
	uint32_t slot;

	(void)state;
	assert_int_equal(state_new(&now, &s, NULL), 0);
	assert_int_equal(state_alloc(s, &slot), 0);
	state_commit(s, slot, &r);
	refuse(s, &late, "version 2");
	large.size = now.room + 8;
	refuse(s, &large, "bytes");
	s = reopen(s);
	assert_int_equal(((const struct record *)state_read(s, slot))->first, 42);
	state_free(s);
	assert_int_equal(state_new(&late, &s, NULL), 0);
	refuse(s, &now, "version 9"); /* it says that only 8 and later can read it */
	state_free(s);
}

struct longer {
	struct record r;
	uint64_t added;
};

/* N, N+1, N: what N does not know stays as it is, and is 0 where N+1 has never been. */
static void test_versions_read_each_other(void **state)
{
	struct longer l = { .r.first = 7, .added = 99 };
	struct record r = { .first = 1 };
	struct state *s;
	uint32_t a;
	uint32_t b;

	(void)state;
	assert_int_equal(state_new(&now, &s, NULL), 0);
	assert_int_equal(state_alloc(s, &a), 0);
	state_commit(s, a, &r);
	s = reopen_as(&next, s);
	assert_int_equal(((const struct longer *)state_read(s, a))->r.first, 1);
	assert_int_equal(((const struct longer *)state_read(s, a))->added, 0);
	state_commit(s, a, &l);
	assert_int_equal(state_alloc(s, &b), 0);
	state_commit(s, b, &l);
	s = reopen_as(&now, s);
	assert_int_equal(((const struct record *)state_read(s, a))->first, 7);
	for (int i = 0; i < 3; i++) { /* into both copies */
		r.first = 10 + (uint64_t)i;
		state_commit(s, a, &r);
	}
	state_release(s, b);
	assert_int_equal(state_alloc(s, &b), 0);
	state_commit(s, b, &r);
	s = reopen_as(&next, s);
	assert_int_equal(((const struct longer *)state_read(s, a))->r.first, 12);
	assert_int_equal(((const struct longer *)state_read(s, a))->added, 99);
	assert_int_equal(((const struct longer *)state_read(s, b))->added, 0); /* of another service, which was never ours */
	state_free(s);
}

static void commit_for_ever(struct state *s, uint32_t slot, uint64_t n)
{
	for (;;) {
		struct record r = { .first = n + 1, .last = n + 1 };

		n++;
		memset(r.middle, (int)(n & 0xff), sizeof(r.middle));
		state_commit(s, slot, &r);
	}
}

/* SIGKILL at random instants: whatever the next server reads is one whole record, never older than the one before. */
static void test_a_kill_leaves_a_whole_record(void **state)
{
	struct state *s;
	uint32_t slot;
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(state_new(&now, &s, NULL), 0);
	assert_int_equal(state_alloc(s, &slot), 0);
	srand(7);
	for (int i = 0; i < KILLS; i++) {
		const struct record *r;
		pid_t pid = fork();

		if (pid == 0)
			commit_for_ever(s, slot, seen);
		/* the instant itself is what is random here; nothing is awaited */
		(void)nanosleep(&(struct timespec){ .tv_nsec = rand() % 300000 }, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		s = reopen(s);
		r = state_read(s, slot);
		if (!r)
			continue; /* killed before its first commit */
		assert_int_equal(r->first, r->last);
		for (size_t j = 0; j < sizeof(r->middle); j++)
			assert_int_equal(r->middle[j], r->first & 0xff);
		assert_true(r->first >= seen);
		seen = r->first;
	}
	assert_true(seen > 0);
	state_free(s);
}

static void test_a_child_leaves_its_pid(void **state)
{
	struct state *s;
	uint32_t slot;
	pid_t pid;

	(void)state;
	assert_int_equal(state_new(&now, &s, NULL), 0);
	assert_int_equal(state_alloc(s, &slot), 0);
	pid = fork();
	if (pid == 0) {
		*state_spawn_pid(s, slot) = getpid();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	s = reopen(s);
	assert_int_equal(*state_spawn_pid(s, slot), pid);
	state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_are_taken_and_given_back),
		cmocka_unit_test(test_what_cannot_be_read_is_refused_untouched),
		cmocka_unit_test(test_versions_read_each_other),
		cmocka_unit_test(test_a_kill_leaves_a_whole_record),
		cmocka_unit_test(test_a_child_leaves_its_pid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
