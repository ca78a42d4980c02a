/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a service file, as zinit.toml and as a JSON definition. What loads must come back
 * equal from JSON and from TOML.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "config/diff.h"
#include "config/encode.h"
#include "config/load.h"

/* Our own assert: it must stay in builds without assertions. */
static void must(bool good)
{
	if (!good)
		abort();
}

static void comes_back_from_json(const struct service_config *c)
{
	struct problems problems;
	struct service_config *again = NULL;
	json_t *json = config_to_json(c);

	must(json != NULL);
	problems_init(&problems);
	must(load_service_json(json, LOAD_STRICT, &problems, &again) == 0);
	must(config_equal(c, again));
	config_free(again);
	problems_fini(&problems);
	json_decref(json);
}

static void comes_back_from_toml(const struct service_config *c)
{
	struct strbuf text = STRBUF(64 << 20);
	struct problems problems;
	struct service_config *again = NULL;

	must(config_to_toml(c, &text) == 0);
	/* escapes make text longer, so what was just small enough may not be any more */
	if (text.len <= 1 << 20) {
		problems_init(&problems);
		must(load_service_text(strbuf_str(&text), text.len, NULL, c->name, LOAD_STRICT,
				       &problems, &again) == 0);
		must(config_equal(c, again));
		config_free(again);
		problems_fini(&problems);
	}
	strbuf_fini(&text);
}

static void check(const struct service_config *c)
{
	struct service_config *copy = config_dup(c);
	static struct config_diff diff;

	must(copy && config_equal(c, copy));
	config_diff(c, copy, &diff);
	must(diff.n == 0 && diff.apply == APPLY_NONE);
	config_free(copy);
	comes_back_from_json(c);
	comes_back_from_toml(c);
}

static void report(struct problems *problems, int r)
{
	struct strbuf said = STRBUF(1 << 20);

	must((r < 0) == problems_failed(problems));
	problems_format(problems, "file", &said);
	must(!said.failed);
	strbuf_fini(&said);
	problems_fini(problems);
}

static void try_service(const char *text, size_t size, unsigned int flags)
{
	struct problems problems;
	struct service_config *c = NULL;
	int r;

	problems_init(&problems);
	r = load_service_text(text, size, "web.toml", "web", flags, &problems, &c);
	if (c)
		check(c);
	config_free(c);
	report(&problems, r);
}

static void try_settings(const char *text, size_t size)
{
	struct problems problems;
	struct server_settings *s = NULL;
	int r;

	problems_init(&problems);
	r = load_settings_text(text, size, "zinit.toml", 0, &problems, &s);
	must(!s || settings_equal(s, s));
	settings_free(s);
	report(&problems, r);
}

static void try_json(const char *text, size_t size)
{
	struct problems problems;
	struct service_config *c = NULL;
	json_t *json = json_loadb(text, size,
				  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	int r;

	if (!json)
		return;
	problems_init(&problems);
	r = load_service_json(json, 0, &problems, &c);
	if (c)
		check(c);
	config_free(c);
	report(&problems, r);
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	try_service(text, size, LOAD_ANY_NAME);
	try_service(text, size, LOAD_STRICT | LOAD_SYSTEM);
	try_settings(text, size);
	try_json(text, size);
	return 0;
}
