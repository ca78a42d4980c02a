/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of text, and what is said about it, for the tests of config/. */
#ifndef UNIT_CONFIG_HELPER_H
#define UNIT_CONFIG_HELPER_H

#include "../testing.h"

#include <errno.h>
#include <string.h>

#include "config/load.h"

/** Load service text under the stem "web"; the caller frees. Fails the test on any problem. */
static inline struct service_config *load_ok(const char *text)
{
	struct problems problems;
	struct service_config *c = NULL;
	struct strbuf said = STRBUF(1 << 20);

	problems_init(&problems);
	(void)load_service_text(text, strlen(text), "web.toml", "web", LOAD_STRICT, &problems, &c);
	problems_format(&problems, "web.toml", &said);
	assert_string_equal(strbuf_str(&said), "");
	assert_non_null(c);
	strbuf_fini(&said);
	problems_fini(&problems);
	return c;
}

/** Load text that must fail (strict); what is said about it must be exactly `expected`. */
static inline void assert_said_flags(const char *text, unsigned int flags, bool loads, const char *expected)
{
	struct problems problems;
	struct service_config *c = NULL;
	struct strbuf said = STRBUF(1 << 20);
	int r;

	problems_init(&problems);
	r = load_service_text(text, strlen(text), "web.toml", "web", flags, &problems, &c);
	problems_format(&problems, "web.toml", &said);
	assert_string_equal(strbuf_str(&said), expected);
	assert_int_equal(r, loads ? 0 : -EINVAL);
	assert_int_equal(c != NULL, loads);
	strbuf_fini(&said);
	problems_fini(&problems);
	config_free(c);
}

static inline void assert_said(const char *text, const char *expected)
{
	assert_said_flags(text, LOAD_STRICT, false, expected);
}

#endif
