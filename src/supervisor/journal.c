/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: changes that are being carried out, on record. A set is written to a memfd of its own, and counts from the moment
 * the keeper holds that; it is forgotten when all its changes are on record with their services. A server that finds one
 * makes the same changes again: those that were made already differ in nothing any more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "config/encode.h"
#include "supervisor/internal.h"

#define KEY_CHANGES "changes"
/* "KIND WRITE REMOVE\nNAME\n" */
#define HEAD_FORMAT "%d %d %d\n%s\n"
#define HEAD_SCAN "%d %d %d %63s"

static int put_change(struct definitions *journal, uint32_t slot, const struct change *c)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	AUTO(auto_free) char *encoded = NULL;
	json_t *json;

	(void)strbuf_addf(&text, HEAD_FORMAT, c->kind, c->write_file, c->remove_file, c->name);
	if (c->config) {
		json = config_to_json(c->config);
		encoded = json ? json_dumps(json, JSON_COMPACT) : NULL;
		json_decref(json);
		if (!encoded)
			return -ENOMEM;
		(void)strbuf_addf(&text, "%s\n%s", c->path ? c->path : "", encoded);
	}
	return text.failed ? -ENOMEM : definitions_put(journal, slot, text.data, text.len);
}

int journal_begin(struct supervisor *sup, const struct change_set *set)
{
	struct definitions *journal;
	uint32_t slot = 0;
	int fd;
	int r = definitions_new(&journal, NULL);

	if (r < 0)
		return r;
	for (size_t i = 0; i < set->n && r == 0; i++) {
		if (set->v[i].kind != CHANGE_INVALID)
			r = put_change(journal, slot++, &set->v[i]);
	}
	fd = definitions_fd(journal);
	if (r == 0 && slot > 0)
		r = keeper_link_keep(sup->keeper, &sup->journal_slot, KEY_CHANGES, &fd, 1);
	definitions_free(journal); /* the keeper has it */
	return r;
}

void journal_end(struct supervisor *sup)
{
	keeper_link_forget(sup->keeper, &sup->journal_slot);
}

static int read_change(const char *text, struct change_set *set)
{
	char name[LIMIT_NAME + 1];
	int kind;
	int write_file;
	int remove_file;
	const char *rest = text;
	struct change *c;
	int r;

	if (sscanf(text, HEAD_SCAN, &kind, &write_file, &remove_file, name) != 4 || kind < 0 || kind >= CHANGE_KIND_N)
		return -EPROTO;
	c = changes_add(set, (enum change_kind)kind, name, NULL);
	if (!c)
		return -ENOMEM;
	c->write_file = write_file;
	c->remove_file = remove_file;
	for (int lines = 0; lines < 2 && rest; lines++)
		rest = strchr(rest, '\n') ? strchr(rest, '\n') + 1 : NULL;
	if (!rest || !*rest)
		return 0;
	c->path = strndup(rest, strcspn(rest, "\n"));
	if (c->path && !*c->path) {
		free(c->path);
		c->path = NULL;
	}
	r = unit_parse_definition(rest, &c->config);
	return r == -EINVAL ? -EPROTO : r;
}

static int read_all(struct definitions *journal, struct change_set *set)
{
	int r = 0;

	for (uint32_t slot = 0; r == 0; slot++) {
		AUTO(auto_free) char *text = definitions_get(journal, slot);

		if (!text)
			break;
		r = read_change(text, set);
	}
	return r;
}

/* The object that the keeper holds, to be forgotten when all is done. */
static int take(struct supervisor *sup)
{
	struct kept *kept;

	for (size_t i = 0; (kept = keeper_link_kept(sup->keeper, i)); i++) {
		if (strcmp(kept->key, KEY_CHANGES) != 0)
			continue;
		sup->journal_slot = kept->slot;
		return fd_steal(&kept->fds[0]);
	}
	return -1;
}

void journal_go_on(struct supervisor *sup)
{
	struct change_set set = { 0 };
	struct definitions *journal;
	struct error err;
	int fd = take(sup);
	int r;

	if (fd < 0)
		return;
	r = definitions_adopt(fd, &journal, &err);
	if (r == 0) {
		r = read_all(journal, &set);
		definitions_free(journal);
	} else {
		(void)close(fd);
	}
	if (r < 0)
		diag(DIAG_ERROR, "changes that an earlier server had begun can't all be read: %s", strerror(-r));
	diag(DIAG_WARN, "going on with %zu changes that an earlier server had begun", set.n);
	apply_again(sup, &set);
	changes_fini(&set);
	journal_end(sup);
}
