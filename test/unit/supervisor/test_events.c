/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/events.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../testing.h"

static void add(struct events *e, unsigned int n)
{
	struct supervisor_event event = { .kind = EVENT_STATE };

	(void)snprintf(event.name, sizeof(event.name), "s%u", n);
	events_add(e, &event);
}

static void test_cursors_go_on_in_the_next_server(void **state)
{
	uint64_t cursor = 0;
	struct supervisor_event event;
	struct events e;
	uint64_t lost;

	(void)state;
	assert_int_equal(events_init(&e, -1, &cursor), 0);
	assert_int_equal(events_after(&e, 0, &event, &lost), 0);
	add(&e, 1);
	add(&e, 2);
	assert_int_equal(events_init(&e, e.fd, &cursor), 0);
	add(&e, 3);
	assert_int_equal(events_after(&e, 1, &event, &lost), 1);
	assert_string_equal(event.name, "s2");
	assert_int_equal(events_after(&e, event.cursor, &event, &lost), 1);
	assert_string_equal(event.name, "s3");
	assert_int_equal(events_after(&e, event.cursor, &event, &lost), 0);
	events_fini(&e);
}

static void test_a_gap_is_counted(void **state)
{
	uint64_t cursor = 0;
	struct supervisor_event event;
	struct events e;
	uint64_t lost;

	(void)state;
	assert_int_equal(events_init(&e, -1, &cursor), 0);
	for (unsigned int i = 1; i <= EVENTS_KEPT + 10; i++)
		add(&e, i);
	assert_int_equal(events_after(&e, 3, &event, &lost), 1);
	assert_int_equal(event.cursor, 11);
	assert_int_equal(lost, 7);
	assert_int_equal(events_after(&e, 10, &event, &lost), 1);
	assert_int_equal(lost, 0);
	events_fini(&e);
}

struct counter {
	struct supervisor_listener listener;
	int calls;
};

static void count(struct supervisor_listener *listener)
{
	CONTAINER_OF(listener, struct counter, listener)->calls++;
}

static void test_listeners_are_told_once_for_many(void **state)
{
	uint64_t cursor = 0;
	struct counter counter = { .listener.fn = count };
	struct events e;

	(void)state;
	assert_int_equal(events_init(&e, -1, &cursor), 0);
	list_append(&e.listeners, &counter.listener.node);
	events_tell(&e);
	assert_int_equal(counter.calls, 0);
	add(&e, 1);
	add(&e, 2);
	events_tell(&e);
	events_tell(&e);
	assert_int_equal(counter.calls, 1);
	events_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursors_go_on_in_the_next_server),
		cmocka_unit_test(test_a_gap_is_counted),
		cmocka_unit_test(test_listeners_are_told_once_for_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
