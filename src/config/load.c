/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: from text and JSON to checked structs. Directories are in load_dir.c. */
#include "config/load.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "config/tree.h"
#include "config/validate.h"

DEFINE_AUTO(struct doc, auto_doc, doc_free)

#define NAME_FORM "ASCII letters, digits, '-', '_' or '.', not first a dot, at most 63"

/* --- text to a document ----------------------------------------------------------------------- */

/* Where the first byte that is no UTF-8 stands; false: all is well. */
static bool find_bad_utf8(const char *text, size_t len, struct doc_place *out)
{
	struct doc_place at = { 1, 1 };

	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(text + i, len - i);

		if (n == 0) {
			*out = at;
			return true;
		}
		at.column++;
		if (text[i] == '\n')
			at = (struct doc_place){ at.line + 1, 1 };
		i += n;
	}
	return false;
}

static int parse_text(const char *text, size_t len, struct problems *problems, struct doc **out_doc)
{
	struct doc_error error = { 0 };
	struct doc_place at;
	int r;

	if (len > LIMIT_CONFIG_FILE) {
		problems_add(problems, PROBLEM_ERROR, 0, 0, "", "larger than %u bytes",
			     LIMIT_CONFIG_FILE);
		return -EINVAL;
	}
	if (find_bad_utf8(text, len, &at)) {
		problems_add(problems, PROBLEM_ERROR, at.line, at.column, "", "this is not UTF-8");
		return -EINVAL;
	}
	r = toml_parse(text, len, out_doc, &error);
	if (r == -ENOMEM)
		problems->no_memory = true;
	else if (r < 0)
		problems_add(problems, PROBLEM_ERROR, error.at.line, error.at.column, "",
			     "not TOML: %s", error.text);
	return r;
}

/* What errno says of a file that could not be read, in the words of this place. */
static const char *read_error(int code)
{
	switch (code) {
	case EISDIR:
	case EINVAL:
		return "not a regular file";
	case EFBIG:
	case ENOBUFS:
		return "too large for a configuration file";
	default:
		return strerror(code);
	}
}

static int read_text(const char *path, struct strbuf *out, struct problems *problems)
{
	int r = fd_read_file(path, out);

	if (r == -ENOMEM)
		problems->no_memory = true;
	else if (r < 0)
		problems_add(problems, PROBLEM_ERROR, 0, 0, "", "%s", read_error(-r));
	return r;
}

/* --- services --------------------------------------------------------------------------------- */

/* Where a service's text comes from. */
struct source {
	const char *path; /* may be NULL */
	const char *stem; /* may be NULL */
	unsigned int flags;
};

static void settle_name(struct decoder *d, const struct source *from, const struct doc_node *root,
			struct service_config *c)
{
	const char *section = d->is_target ? "target" : "service";
	const struct doc_node *table = doc_get(root, section, strlen(section));
	const struct doc_node *name = doc_get(table, "name", strlen("name"));
	size_t len = decoder_push(d, section);

	(void)decoder_push(d, "name");
	if (c->name) {
		if (from->stem && (from->flags & LOAD_ANY_NAME) == 0 &&
		    strcmp(c->name, from->stem) != 0)
			decoder_doubt(d, name->at,
				      "is \"%s\", but the file is called \"%.80s.toml\"", c->name,
				      from->stem);
	} else if (!name || name->type == DOC_NULL) {
		if (!from->stem)
			decoder_error(d, table ? table->at : root->at, "missing");
		else if (!config_name_valid(from->stem))
			decoder_error(
				d, table ? table->at : root->at,
				"missing, and the file's name \"%.80s\" cannot be one (" NAME_FORM
				")",
				from->stem);
		else
			c->name = from->stem;
	}
	decoder_pop(d, len);
}

static bool has_table(const struct doc_node *root, const char *name)
{
	const struct doc_node *node = doc_get(root, name, strlen(name));

	return node && node->type != DOC_NULL;
}

/* With both tables in one file the service counts, as it does for the reference. */
static void settle_kind(struct decoder *d, const struct doc_node *root)
{
	size_t len;

	d->is_target = has_table(root, "target");
	if (!d->is_target || !has_table(root, "service"))
		return;
	d->is_target = false;
	len = decoder_push(d, "target");
	decoder_doubt(d, doc_get(root, "target", strlen("target"))->at,
		      "a file has a [service] or a [target]: the service counts");
	decoder_pop(d, len);
}

/* A first pause above the default cap raises the cap, unless the file sets that too. */
static void settle_delays(const struct doc_node *root, struct service_config *c)
{
	static const char cap[] = "restart_delay_max_ms";
	const struct doc_node *lifecycle = doc_get(root, "lifecycle", strlen("lifecycle"));

	if (c->restart_delay_max_ms < c->restart_delay_ms && !doc_get(lifecycle, cap, strlen(cap)))
		c->restart_delay_max_ms = c->restart_delay_ms;
}

/* A step is done once, as zinit 0.3.9 does it: to be repeated until it ends well is for the file to say. */
static void settle_oneshot(const struct doc_node *root, struct service_config *c)
{
	const struct doc_node *lifecycle = doc_get(root, "lifecycle", strlen("lifecycle"));

	if (c->oneshot && !doc_get(lifecycle, "restart", strlen("restart")))
		c->restart = CONFIG_RESTART_NEVER;
}

static void decode_service(struct decoder *d, const struct source *from,
			   const struct doc_node *root, struct service_config *c)
{
	settle_kind(d, root);
	if (!d->is_target && !has_table(root, "service")) {
		(void)decoder_push(d, "service");
		decoder_error(d, root->at, "missing: the table [service] (or [target])");
		d->path[0] = '\0';
		tree_decode(d, &cfg_service_table, root, c); /* there may be more to say */
		return;
	}
	tree_decode(d, &cfg_service_table, root, c);
	settle_name(d, from, root, c);
	settle_delays(root, c);
	settle_oneshot(root, c);
	if ((from->flags & LOAD_SYSTEM) != 0)
		c->class = CONFIG_CLASS_SYSTEM;
	validate_service(d, root, c);
}

static int load_service_doc(const struct source *from, const struct doc_node *root,
			    struct problems *problems, struct service_config **out_config)
{
	AUTO(arena_fini) struct arena arena = { 0 };
	struct decoder d = { .arena = &arena, .problems = problems, .flags = from->flags };
	struct service_config c = { .path = from->path };
	struct service_config *packed;

	if (tree_preset(&cfg_service_table, &arena, &c) < 0) {
		problems->no_memory = true;
		return -ENOMEM;
	}
	decode_service(&d, from, root, &c);
	problems_sort(problems);
	if (problems->no_memory)
		return -ENOMEM;
	if (problems_failed(problems))
		return -EINVAL;
	packed = tree_pack(&cfg_service_table, &c);
	if (!packed) {
		problems->no_memory = true;
		return -ENOMEM;
	}
	*out_config = packed;
	return 0;
}

int load_service_text(const char *text, size_t len, const char *source, const char *stem,
		      unsigned int flags, struct problems *problems,
		      struct service_config **out_config)
{
	const struct source from = { source, stem, flags };
	AUTO(auto_doc) struct doc *doc = NULL;
	int r = parse_text(text, len, problems, &doc);

	if (r < 0)
		return r;
	return load_service_doc(&from, doc_root(doc), problems, out_config);
}

int load_service_json(const json_t *json, unsigned int flags, struct problems *problems,
		      struct service_config **out_config)
{
	const struct source from = { NULL, NULL, flags };
	AUTO(auto_doc) struct doc *doc = NULL;
	int r;

	if (!json_is_object(json)) {
		problems_add(problems, PROBLEM_ERROR, 0, 0, "",
			     "expected an object with \"service\" or \"target\"");
		return -EINVAL;
	}
	r = doc_from_json(json, &doc);
	if (r == -ENOMEM)
		problems->no_memory = true;
	else if (r < 0)
		problems_add(problems, PROBLEM_ERROR, 0, 0, "", "nested too deep");
	if (r < 0)
		return r;
	return load_service_doc(&from, doc_root(doc), problems, out_config);
}

/* "web" of "/etc/zinit/services/web.toml"; NULL: out of memory. */
static char *stem_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');

	return strndup(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

int load_service_file(const char *path, unsigned int flags, struct problems *problems,
		      struct service_config **out_config)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	AUTO(auto_free) char *stem = stem_of(path);
	int r;

	if (!stem) {
		problems->no_memory = true;
		return -ENOMEM;
	}
	r = read_text(path, &text, problems);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	return load_service_text(strbuf_str(&text), text.len, path, stem, flags, problems,
				 out_config);
}

/* --- server settings -------------------------------------------------------------------------- */

static int load_settings_doc(const char *source, const struct doc_node *root, unsigned int flags,
			     struct problems *problems, struct server_settings **out_settings)
{
	AUTO(arena_fini) struct arena arena = { 0 };
	struct decoder d = { .arena = &arena, .problems = problems, .flags = flags };
	struct server_settings s = { .path = source };
	struct server_settings *packed;

	if (tree_preset(&cfg_settings_table, &arena, &s) < 0) {
		problems->no_memory = true;
		return -ENOMEM;
	}
	tree_decode(&d, &cfg_settings_table, root, &s);
	if (!problems_failed(problems))
		validate_settings(&d, root, &s);
	problems_sort(problems);
	if (problems->no_memory)
		return -ENOMEM;
	if (problems_failed(problems))
		return -EINVAL;
	packed = tree_pack(&cfg_settings_table, &s);
	if (!packed) {
		problems->no_memory = true;
		return -ENOMEM;
	}
	*out_settings = packed;
	return 0;
}

int load_settings_text(const char *text, size_t len, const char *source, unsigned int flags,
		       struct problems *problems, struct server_settings **out_settings)
{
	AUTO(auto_doc) struct doc *doc = NULL;
	int r = parse_text(text, len, problems, &doc);

	if (r < 0)
		return r;
	return load_settings_doc(source, doc_root(doc), flags, problems, out_settings);
}

int load_settings_file(const char *path, unsigned int flags, struct problems *problems,
		       struct server_settings **out_settings)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return load_settings_text("", 0, NULL, flags, problems, out_settings);
	r = read_text(path, &text, problems);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	return load_settings_text(strbuf_str(&text), text.len, path, flags, problems, out_settings);
}

/* --- places ----------------------------------------------------------------------------------- */

static const struct doc_node *find_item(const struct doc_node *list, const char *item)
{
	if (!list || list->type != DOC_ARRAY)
		return NULL;
	for (const struct doc_node *n = list->children.first; n; n = n->next) {
		if (n->type == DOC_STRING && strcmp(n->text.s, item) == 0)
			return n;
	}
	return NULL;
}

int load_locate(const char *path, const char *key, const char *item, uint32_t *out_line,
		uint32_t *out_column)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_CONFIG_FILE);
	AUTO(auto_doc) struct doc *doc = NULL;
	struct doc_error error;
	const struct doc_node *node;
	int r = fd_read_file(path, &text);

	if (r == 0)
		r = toml_parse(strbuf_str(&text), text.len, &doc, &error);
	if (r < 0)
		return r;
	node = doc_root(doc);
	while (node && *key) {
		size_t len = strcspn(key, ".");

		node = doc_get(node, key, len);
		key += len + (key[len] == '.');
	}
	if (node && item) {
		node = find_item(node, item);
		if (node) {
			*out_line = node->at.line;
			*out_column = node->at.column;
			return 0;
		}
	}
	if (!node)
		return -ENOENT;
	*out_line = node->key_at.line;
	*out_column = node->key_at.column;
	return 0;
}
