/* SPDX-License-Identifier: Apache-2.0 */
#include "../testing.h"

#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "ship/pack.h"

static const char text[] = "[[ship]]\n"
			   "name = 'full'\ntype = 'loki'\nendpoint = 'https://logs.example:3100/'\nindex = 'i'\nproxy = 'http://p:1'\n"
			   "unix_socket = '/run/x'\nheaders = { A = 'b', C = 'd' }\nlabels = { dc = 'x' }\nservices = ['a*', '@t']\n"
			   "streams = ['stderr']\nauth = { type = 'basic', user = 'u', file = '/f' }\n"
			   "tls = { ca = '/ca', cert = '/c', key = '/k', verify = false }\nbatch_size = 7\n"
			   "[[ship]]\nname = 'bare'\ntype = 'vector'\nendpoint = 'http://h/'\n";

static struct server_settings *load(void)
{
	struct server_settings *s = NULL;
	struct problems problems;

	problems_init(&problems);
	assert_int_equal(load_settings_text(text, sizeof(text) - 1, "x.toml", 0, &problems, &s), 0);
	problems_fini(&problems);
	return s;
}

static void test_what_is_packed_comes_out_the_same(void **state)
{
	struct server_settings *s = load();

	(void)state;
	for (uint32_t i = 0; i < s->ships.n; i++) {
		AUTO(strbuf_fini) struct strbuf first = STRBUF(65536);
		AUTO(strbuf_fini) struct strbuf second = STRBUF(65536);
		struct ship_settings *copy;

		assert_int_equal(ship_pack(&s->ships.items[i], &first), 0);
		copy = ship_unpack(first.data, first.len);
		assert_non_null(copy);
		assert_string_equal(copy->name, s->ships.items[i].name);
		assert_string_equal(copy->endpoint, s->ships.items[i].endpoint);
		assert_int_equal(copy->batch_size, s->ships.items[i].batch_size);
		assert_int_equal(ship_pack(copy, &second), 0);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.data, second.data, first.len);
		if (i == 0) {
			assert_string_equal(copy->headers[1], "C=d");
			assert_null(copy->headers[2]);
			assert_string_equal(copy->services[1], "@t");
			assert_string_equal(copy->tls_key, "/k");
		}
		free(copy);
	}
	settings_free(s);
}

/* Cut or changed anywhere: refused, or settings whose texts are within the message. */
static void test_damage_is_survived(void **state)
{
	struct server_settings *s = load();
	AUTO(strbuf_fini) struct strbuf good = STRBUF(65536);

	(void)state;
	assert_int_equal(ship_pack(&s->ships.items[0], &good), 0);
	settings_free(s);
	for (size_t i = 0; i < good.len; i++) {
		char *bad = malloc(good.len);

		free(ship_unpack(good.data, i));
		memcpy(bad, good.data, good.len);
		bad[i] = (char)(bad[i] + 1 + (char)(i % 254));
		free(ship_unpack(bad, good.len));
		free(bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_packed_comes_out_the_same),
		cmocka_unit_test(test_damage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
