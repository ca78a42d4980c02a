/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: building a service's environment, and the syntax of env files. */
#include "process/env.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

#define BLANKS " \t\r"
#define EXPANDED_MAX LIMIT_ENV_FILE

void env_fini(struct env *env)
{
	for (size_t i = 0; i < env->n_owned; i++)
		free(env->owned[i]);
	free(env->owned);
	free(env->vars);
	*env = ENV;
}

static int make_room(void *list, size_t n, size_t *cap)
{
	void **slot = list;
	size_t new_cap = *cap ? *cap * 2 : 32;
	void *grown;

	if (n + 1 < *cap) /* one more for the final NULL */
		return 0;
	grown = reallocarray(*slot, new_cap, sizeof(char *));
	if (!grown)
		return -ENOMEM;
	*slot = grown;
	*cap = new_cap;
	return 0;
}

int env_add(struct env *env, const char *var)
{
	int r = make_room(&env->vars, env->n, &env->cap);

	if (r == 0)
		env->vars[env->n++] = var;
	return r;
}

/* Takes over `var`, also on failure. */
static int add_owned(struct env *env, char *var)
{
	if (!var || make_room(&env->owned, env->n_owned, &env->cap_owned) < 0) {
		free(var);
		return -ENOMEM;
	}
	env->owned[env->n_owned++] = var;
	return env_add(env, var);
}

static int set_parts(struct env *env, const char *key, size_t key_len, const char *value, size_t value_len)
{
	char *var = malloc(key_len + value_len + 2);

	if (var) {
		memcpy(var, key, key_len);
		var[key_len] = '=';
		if (value_len)
			memcpy(var + key_len + 1, value, value_len);
		var[key_len + 1 + value_len] = '\0';
	}
	return add_owned(env, var);
}

int env_set(struct env *env, const char *key, const char *value, size_t value_len)
{
	return set_parts(env, key, strlen(key), value, value_len);
}

static const char *get_part(const struct env *env, const char *key, size_t len)
{
	for (size_t i = env->n; i-- > 0;) {
		if (strncmp(env->vars[i], key, len) == 0 && env->vars[i][len] == '=')
			return env->vars[i] + len + 1;
	}
	return NULL;
}

const char *env_get(const struct env *env, const char *key)
{
	return get_part(env, key, strlen(key));
}

int env_add_expanded(struct env *env, const char *var, struct error *err)
{
	AUTO(strbuf_fini) struct strbuf out = STRBUF(EXPANDED_MAX);
	const char *p = var;

	for (;;) {
		size_t plain = strcspn(p, "$");
		const char *end;
		const char *value;

		(void)strbuf_add(&out, p, plain);
		p += plain;
		if (!*p)
			break;
		if (p[1] != '{') {
			(void)strbuf_putc(&out, '$');
			p += p[1] == '$' ? 2 : 1;
			continue;
		}
		end = strchr(p, '}');
		if (!end)
			return error_set(err, EINVAL, "env '%s': '${' without '}'", var);
		value = get_part(env, p + 2, (size_t)(end - p - 2));
		if (value)
			(void)strbuf_puts(&out, value);
		p = end + 1;
	}
	if (add_owned(env, strbuf_steal(&out)) < 0)
		return error_set(err, ENOMEM, "env '%.*s': out of memory", (int)strcspn(var, "="), var);
	return 0;
}

/* A file being read: the text is unquoted in place, since it only gets shorter. */
struct reader {
	const char *path;
	char *at;
	char *end;
	unsigned int line;
	struct error *err;
};

static int bad(const struct reader *r, unsigned int line, const char *what)
{
	return error_set(r->err, EINVAL, "%s:%u: %s", r->path, line, what);
}

static bool is_key_char(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static void skip_line(struct reader *r)
{
	char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));

	r->at = newline ? newline + 1 : r->end;
	r->line++;
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && strchr(BLANKS, *r->at))
		r->at++;
}

/* Moves past quotes, writing what they hold at *out. */
static int read_quoted(struct reader *r, char **out)
{
	unsigned int began = r->line;
	char quote = *r->at++;

	while (r->at < r->end && *r->at != quote) {
		if (*r->at == '\n')
			r->line++;
		if (quote == '"' && *r->at == '\\' && r->at + 1 < r->end && strchr("\"\\$`\n", r->at[1])) {
			r->at++;
			if (*r->at == '\n') {
				r->line++;
				r->at++;
				continue;
			}
		}
		*(*out)++ = *r->at++;
	}
	if (r->at == r->end)
		return bad(r, began, "quote is not closed");
	r->at++;
	return 0;
}

/* Reads a value to the end of its line. Its bytes stand from the returned start to *out_end. */
static int read_value(struct reader *r, char **out_end)
{
	char *out = r->at;
	char *keep = out; /* blanks after this are dropped at the end of the line */

	while (r->at < r->end && *r->at != '\n') {
		if (*r->at == '"' || *r->at == '\'') {
			int e = read_quoted(r, &out);

			if (e < 0)
				return e;
			keep = out;
		} else if (*r->at == '\\' && r->at + 1 < r->end) {
			r->at++;
			if (*r->at == '\n') {
				r->line++;
				r->at++;
				continue;
			}
			*out++ = *r->at++;
			keep = out;
		} else {
			char c = *r->at++;

			*out++ = c;
			if (!strchr(BLANKS, c))
				keep = out;
		}
	}
	if (r->at < r->end) {
		r->at++;
		r->line++;
	}
	*out_end = keep;
	return 0;
}

static int read_assignment(struct reader *r, struct env *env)
{
	unsigned int line = r->line;
	char *key = r->at;
	size_t key_len;
	char *value;
	char *end;
	int e;

	while (r->at < r->end && is_key_char(*r->at, r->at == key))
		r->at++;
	if (r->at - key == 6 && memcmp(key, "export", 6) == 0 && r->at < r->end && (*r->at == ' ' || *r->at == '\t')) {
		skip_blanks(r);
		key = r->at;
		while (r->at < r->end && is_key_char(*r->at, r->at == key))
			r->at++;
	}
	key_len = (size_t)(r->at - key);
	if (key_len == 0 || r->at == r->end || *r->at != '=')
		return bad(r, line, "expected KEY=value");
	r->at++;
	skip_blanks(r);
	value = r->at;
	e = read_value(r, &end);
	if (e < 0)
		return e;
	if (set_parts(env, key, key_len, value, (size_t)(end - value)) < 0)
		return error_set(r->err, ENOMEM, "%s: out of memory", r->path);
	return 0;
}

/* Text has no NUL; says in which line it stands. */
static int check_text(const struct reader *r)
{
	const char *nul = memchr(r->at, '\0', (size_t)(r->end - r->at));
	unsigned int line = 1;

	if (!nul)
		return 0;
	for (const char *p = r->at; p < nul; p++)
		line += *p == '\n';
	return bad(r, line, "binary data (a NUL byte), expected lines KEY=value");
}

static int parse_file(struct env *env, const char *path, struct strbuf *text, struct error *err)
{
	struct reader r = { .path = path, .at = text->data, .end = text->data + text->len, .line = 1, .err = err };
	int e = check_text(&r);

	if (e < 0)
		return e;
	if (text->len >= 3 && memcmp(r.at, "\xef\xbb\xbf", 3) == 0)
		r.at += 3;
	while (r.at < r.end) {
		skip_blanks(&r);
		if (r.at == r.end)
			break;
		if (*r.at == '\n' || *r.at == '#' || *r.at == ';') {
			skip_line(&r);
			continue;
		}
		e = read_assignment(&r, env);
		if (e < 0)
			return e;
	}
	return 0;
}

int env_add_file(struct env *env, const char *path, struct error *err)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_ENV_FILE);
	bool may_miss = *path == '-';
	int r;

	path += may_miss;
	r = fd_read_file(path, &text);
	if (r == -ENOENT && may_miss)
		return 0;
	if (r == -EFBIG)
		return error_set(err, EFBIG, "%s: larger than %u bytes", path, LIMIT_ENV_FILE);
	if (r == -EINVAL)
		return error_set(err, EINVAL, "%s: not a regular file", path);
	if (r < 0)
		return error_set(err, -r, "%s: %s", path, strerror(-r));
	if (text.len == 0)
		return 0;
	return parse_file(env, path, &text, err);
}

struct ranked {
	const char *var;
	size_t key_len;
	size_t rank;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a;
	const struct ranked *y = b;
	int r = memcmp(x->var, y->var, MIN(x->key_len, y->key_len));

	if (r != 0)
		return r;
	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return x->rank < y->rank ? -1 : 1;
}

int env_finish(struct env *env)
{
	AUTO(auto_free) struct ranked *sorted = calloc(env->n + 1, sizeof(*sorted));
	size_t n = 0;

	if (!sorted || make_room(&env->vars, env->n, &env->cap) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < env->n; i++)
		sorted[i] = (struct ranked){ env->vars[i], strcspn(env->vars[i], "="), i };
	qsort(sorted, env->n, sizeof(*sorted), compare_ranked);
	for (size_t i = 0; i + 1 < env->n; i++) {
		const struct ranked *a = &sorted[i];
		const struct ranked *b = &sorted[i + 1];

		if (a->key_len == b->key_len && memcmp(a->var, b->var, a->key_len) == 0)
			env->vars[a->rank] = NULL;
	}
	for (size_t i = 0; i < env->n; i++) {
		if (env->vars[i])
			env->vars[n++] = env->vars[i];
	}
	env->n = n;
	env->vars[n] = NULL;
	return 0;
}
