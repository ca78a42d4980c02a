/* SPDX-License-Identifier: Apache-2.0 */
/* The decision against an oracle that says the rules in another way: what each list of patterns covers is written by hand. */
#include "rpc/access.h"

#include <string.h>

#include "../testing.h"
#include "base/mem.h"

#define OWNER 500

static const char *const tags_web[] = { "web", "front", NULL };
static const struct access_service services[] = {
	{ "web1", tags_web },
	{ "web2", NULL },
	{ "db", NULL },
	{ "shop-db", tags_web },
};
static const gid_t gids_a[] = { 100, 200 };
static const gid_t gids_b[] = { 300 };
static const struct access_peer peers[] = {
	{ 0, NULL, 0, 1 },	{ OWNER, gids_b, 1, 1 },	{ 1000, gids_a, 2, 1 },
	{ 1000, gids_b, 1, 1 }, { 1001, gids_a, 2, 1 }, { 65534, NULL, 0, 1 },
};
/* Each list with the services that it stands for: bits of `services`. */
static const struct {
	const char *patterns[4];
	unsigned int covers;
} lists[] = {
	{ { NULL }, 0 },	 { { "*" }, 15 },	   { { "web*" }, 3 },  { { "web?", "db" }, 7 },
	{ { "@web" }, 9 }, { { "@f*", "web2" }, 11 }, { { "none" }, 0 },
};
#define LISTS ARRAY_LEN(lists)
#define NO_LIST LISTS /* a rule for all services */

/* The classes that a verb unlocks, as the interface has it in words. */
static bool unlocks(unsigned int verbs, enum access_class class)
{
	bool read = verbs & ALLOW_READ;
	bool control = verbs & ALLOW_CONTROL;
	bool admin = verbs & ALLOW_ADMIN;

	if (class == ACCESS_ADMIN)
		return admin;
	if (class == ACCESS_CONTROL)
		return control || admin;
	return read || control || admin;
}

static bool peer_is(const struct access_peer *peer, int64_t uid, int64_t gid)
{
	bool in_group = false;

	for (size_t i = 0; i < peer->gids_n; i++)
		in_group |= (int64_t)peer->gids[i] == gid;
	if (uid == -1 && gid == -1)
		return false;
	return (uid == -1 || (int64_t)peer->uid == uid) && (gid == -1 || in_group);
}

static bool oracle(const struct access_peer *peer, enum access_class class, int service, const struct allow_rule *rule,
		   size_t list)
{
	unsigned int covers = list == NO_LIST ? 15 : lists[list].covers;

	if (peer->uid == 0 || peer->uid == OWNER)
		return true;
	if (!peer_is(peer, rule->uid, rule->gid) || !unlocks(rule->verbs, class))
		return false;
	if (service >= 0)
		return (covers >> service) & 1U;
	return class == ACCESS_READ || list == NO_LIST || list == 1;
}

static size_t try_rule(const struct allow_rule *rule, size_t list)
{
	/* a rule that grants nothing to our peers stands before it */
	const struct allow_rule both[] = { { .uid = 9, .gid = -1, .verbs = 7 }, *rule };
	const struct allow_rules rules = { both, 2 };
	size_t asked = 0;

	for (size_t peer = 0; peer < ARRAY_LEN(peers); peer++) {
		for (int class = 0; class < ACCESS_CLASS_N; class++) {
			for (int s = -1; s < (int)ARRAY_LEN(services); s++) {
				bool is = access_allows(&rules, OWNER, &peers[peer], (enum access_class)class,
							s < 0 ? NULL : &services[s]);

				asked++;
				if (is != oracle(&peers[peer], (enum access_class)class, s, rule, list))
					fail_msg("peer %zu class %d service %d rule uid=%lld gid=%lld verbs=%u list=%zu: %d", peer,
						 class, s, (long long)rule->uid, (long long)rule->gid, rule->verbs, list, is);
			}
		}
	}
	return asked;
}

static void test_matrix(void **state)
{
	static const int64_t uids[] = { -1, 1000, 1001, 0 };
	static const int64_t gids[] = { -1, 100, 200, 300 };
	size_t asked = 0;

	(void)state;
	for (size_t i = 0; i < (LISTS + 1) * 8 * 4 * 4; i++) {
		size_t list = i / 128;
		const struct allow_rule rule = { .uid = uids[i % 4], .gid = gids[i / 4 % 4], .verbs = (uint8_t)(i / 16 % 8),
						 .services = list == NO_LIST ? NULL : lists[list].patterns };

		asked += try_rule(&rule, list);
	}
	assert_int_equal(asked, (LISTS + 1) * 128 * ARRAY_LEN(peers) * 15);
}

static void test_without_rules_only_root_and_owner(void **state)
{
	const struct allow_rules none = { NULL, 0 };

	(void)state;
	for (size_t peer = 0; peer < ARRAY_LEN(peers); peer++) {
		for (int class = 0; class < ACCESS_CLASS_N; class++)
			assert_int_equal(access_allows(&none, OWNER, &peers[peer], (enum access_class)class, NULL), peer < 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_without_rules_only_root_and_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
