/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the decision who may do what. */
#include "rpc/access.h"

#include "base/mem.h"
#include "base/str.h"

/* What a rule must hold for a class: any of these bits. */
static const unsigned int granted_by[ACCESS_CLASS_N] = {
	[ACCESS_READ] = ALLOW_READ | ALLOW_CONTROL | ALLOW_ADMIN,
	[ACCESS_CONTROL] = ALLOW_CONTROL | ALLOW_ADMIN,
	[ACCESS_ADMIN] = ALLOW_ADMIN,
};

const char *access_class_name(enum access_class class)
{
	static const char *const names[ACCESS_CLASS_N] = { "read", "control", "admin" };

	return names[class];
}

static bool has_gid(const struct access_peer *peer, int64_t gid)
{
	for (size_t i = 0; i < peer->gids_n; i++) {
		if ((int64_t)peer->gids[i] == gid)
			return true;
	}
	return false;
}

static bool is_for_peer(const struct allow_rule *rule, const struct access_peer *peer)
{
	if (rule->uid < 0 && rule->gid < 0)
		return false; /* names nobody */
	if (rule->uid >= 0 && rule->uid != (int64_t)peer->uid)
		return false;
	return rule->gid < 0 || has_gid(peer, rule->gid);
}

static bool pattern_matches(const char *pattern, const struct access_service *service)
{
	if (pattern[0] != '@')
		return str_glob(pattern, service->name);
	for (size_t i = 0; service->tags && service->tags[i]; i++) {
		if (str_glob(pattern + 1, service->tags[i]))
			return true;
	}
	return false;
}

static bool is_for_all_services(const struct allow_rule *rule)
{
	if (!rule->services)
		return true;
	for (size_t i = 0; rule->services[i]; i++) {
		if (str_equal(rule->services[i], "*"))
			return true;
	}
	return false;
}

static bool is_for_service(const struct allow_rule *rule, const struct access_service *service)
{
	if (is_for_all_services(rule))
		return true;
	for (size_t i = 0; rule->services[i]; i++) {
		if (pattern_matches(rule->services[i], service))
			return true;
	}
	return false;
}

bool access_allows(const struct allow_rules *rules, uid_t owner, const struct access_peer *peer, enum access_class class,
		   const struct access_service *service)
{
	if (peer->uid == 0 || peer->uid == owner)
		return true;
	for (size_t i = 0; i < rules->n; i++) {
		const struct allow_rule *rule = &rules->items[i];

		if (!(rule->verbs & granted_by[class]) || !is_for_peer(rule, peer))
			continue;
		if (service ? is_for_service(rule, service) :
			      class == ACCESS_READ || is_for_all_services(rule))
			return true;
	}
	return false;
}
