/* SPDX-License-Identifier: Apache-2.0 */
/* Every n-th allocation fails: an error is reported, nothing crashes or leaks (the leaks: under ASan). */
#include "helper.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/limits.h"
#include "config/encode.h"

/*
 * malloc() itself is replaced, so that jansson's and the C++ library's allocations fail too. The
 * names are glibc's; under a sanitizer, which has its own, the test only runs what it tests.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CAN_FAIL 0
#endif
#endif
#ifndef CAN_FAIL
#define CAN_FAIL 1
#endif

static long countdown; /* 0: allocations work */

#if CAN_FAIL
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static bool fails(void)
{
	if (countdown > 1)
		countdown--;
	else
		return countdown == 1; /* this one and all after */
	return false;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}
#endif

static struct strbuf full = STRBUF(LIMIT_CONFIG_FILE);

/* Loads, encodes, decodes. Returns 0 if all worked. `n`: which allocation fails, and all after it. */
static int scenario(long n)
{
	struct service_config *c = NULL;
	struct service_config *again = NULL;
	struct strbuf text = STRBUF(1 << 20);
	struct problems problems;
	json_t *json = NULL;
	int r;

	problems_init(&problems);
	countdown = n;
	r = load_service_text(full.data, full.len, "api.toml", "api", 0, &problems, &c);
	if (r == 0) {
		json = config_to_json(c);
		r = json ? load_service_json(json, 0, &problems, &again) : -ENOMEM;
	}
	if (r == 0)
		r = config_to_toml(c, &text);
	countdown = 0;
	if (r < 0)
		assert_int_equal(r, -ENOMEM);
	json_decref(json);
	config_free(c);
	config_free(again);
	strbuf_fini(&text);
	problems_fini(&problems);
	return r;
}

static void test_every_allocation_fails(void **state)
{
	long n = 1;

	(void)state;
	assert_int_equal(fd_read_file(FULL_FILE, &full), 0);
	assert_int_equal(scenario(0), 0);
	while (CAN_FAIL && scenario(n) < 0)
		n++;
	assert_true(!CAN_FAIL || n > 500);
	strbuf_fini(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
