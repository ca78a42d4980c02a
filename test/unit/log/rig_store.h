/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered lines into a pipe, and back from the disk: for the tests of the store. */
#ifndef TEST_LOG_RIG_STORE_H
#define TEST_LOG_RIG_STORE_H

#include "rig.h"

/* All that is in the directory, by the query without a ring. */
static inline struct rig_numbers stored_numbers(const char *dir, const char *service, uint64_t first)
{
	struct rig_numbers n = { .next = first };
	char path[96];
	struct query_source from = { .service = service, .dir = path };
	struct query_opts everything = QUERY_OPTS_INIT;
	struct error err = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", dir, service);
	assert_int_equal(query_run(&from, 1, &everything, rig_check_number, &n, NULL, &err), 0);
	return n;
}

static inline void write_numbers(int fd, uint64_t from, uint64_t to)
{
	static char block[65536];
	size_t len = 0;

	for (uint64_t i = from; i < to; i++) {
		len += rig_number_line(block + len, i);
		if (len > sizeof(block) - 200 || i == to - 1) {
			assert_int_equal(fd_write_all(fd, block, len), 0);
			len = 0;
		}
	}
}

#endif
