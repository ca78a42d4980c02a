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

static void prepare(struct events *e, unsigned int n)
{
	struct supervisor_event event = { .kind = EVENT_STATE };

	(void)snprintf(event.name, sizeof(event.name), "s%u", n);
	(void)events_prepare(e, &event);
}

static bool is_even(const struct supervisor_event *event, void *data)
{
	(*(int *)data)++;
	return (event->name[1] - '0') % 2 == 0;
}

static void test_what_took_place_is_published_by_the_next_server(void **state)
{
	uint64_t cursor = 0;
	struct supervisor_event event;
	struct events e;
	uint64_t lost;
	int asked = 0;

	(void)state;
	assert_int_equal(events_init(&e, -1, &cursor), 0);
	add(&e, 1);
	for (unsigned int i = 2; i <= 5; i++)
		prepare(&e, i);
	assert_int_equal(cursor, 1);
	assert_int_equal(events_after(&e, 1, &event, &lost), 0);
	assert_int_equal(events_init(&e, e.fd, &cursor), 0);
	events_settle(&e, is_even, &asked);
	assert_int_equal(asked, 4);
	/* numbers are not given out twice, even those of what did not take place */
	assert_int_equal(cursor, 5);
	add(&e, 6);
	assert_int_equal(events_after(&e, 1, &event, &lost), 1);
	assert_string_equal(event.name, "s2");
	assert_int_equal(events_after(&e, event.cursor, &event, &lost), 1);
	assert_string_equal(event.name, "s4");
	assert_int_equal(lost, 0);
	assert_int_equal(events_after(&e, event.cursor, &event, &lost), 1);
	assert_string_equal(event.name, "s6");
	assert_int_equal(lost, 0);
	events_fini(&e);
}

static void test_what_is_taken_back_is_never_seen(void **state)
{
	uint64_t cursor = 0;
	struct supervisor_event event;
	struct events e;
	uint64_t lost;

	(void)state;
	assert_int_equal(events_init(&e, -1, &cursor), 0);
	prepare(&e, 1);
	events_take_back(&e);
	add(&e, 2);
	assert_int_equal(events_after(&e, 0, &event, &lost), 1);
	assert_string_equal(event.name, "s2");
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
		cmocka_unit_test(test_what_took_place_is_published_by_the_next_server),
		cmocka_unit_test(test_what_is_taken_back_is_never_seen),
		cmocka_unit_test(test_listeners_are_told_once_for_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
