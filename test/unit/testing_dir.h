/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own. */
#ifndef UNIT_TESTING_DIR_H
#define UNIT_TESTING_DIR_H

#include "testing.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define TESTING_DIR_SIZE 32

static inline void testing_dir_make(char path[TESTING_DIR_SIZE])
{
	(void)snprintf(path, TESTING_DIR_SIZE, "/tmp/zinit-test-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline int testing_dir_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* With all that is in it. */
static inline void testing_dir_remove(const char *path)
{
	assert_int_equal(nftw(path, testing_dir_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
