/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which lines match. A regular expression is PCRE2's (docs/adr/0010-pcre2.md): it takes any bytes, NUL
 * included, and its limits turn a pattern that would run away into "no match" instead of a hung thread.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/literal.h"
#include "log/query.h"
#include "log/query_source.h"

#define MATCH_LIMIT 1000000U
#define HEAP_LIMIT_KIB 16384U
#define LEVEL_WITHOUT_PREFIX 6

struct query_filter {
	ts_ns since;
	ts_ns until;
	unsigned int streams;
	int level;
	bool by_run;
	uint64_t run;
	ts_ns run_begin; /* of lines that do not know their run */
	ts_ns run_end;
	char *substring;
	size_t substring_len;
	char needle[64]; /* is in all that the regex matches; may be all that there is to it */
	size_t needle_len;
	pcre2_code *regex;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

void query_filter_free(struct query_filter *f)
{
	if (!f)
		return;
	free(f->substring);
	pcre2_match_context_free(f->limits);
	pcre2_match_data_free(f->match);
	pcre2_code_free(f->regex);
	free(f);
}

DEFINE_AUTO(struct query_filter, auto_filter, query_filter_free)

/* `literal`: the pattern is plain text. */
static int compile(struct query_filter *f, const char *pattern, bool literal, bool ignore_case, struct error *err)
{
	uint32_t options = (literal ? PCRE2_LITERAL : PCRE2_NEVER_BACKSLASH_C) | (ignore_case ? PCRE2_CASELESS : 0U);
	PCRE2_SIZE at;
	int code;

	if (strlen(pattern) > QUERY_PATTERN_MAX)
		return error_set(err, EINVAL, "the pattern is longer than %d bytes", QUERY_PATTERN_MAX);
	f->regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
	if (!f->regex) {
		PCRE2_UCHAR text[160];

		(void)pcre2_get_error_message(code, text, sizeof(text));
		return error_set(err, EINVAL, "the pattern is wrong at byte %zu: %s", (size_t)at, (const char *)text);
	}
	/* Without JIT (not built in, or no executable memory) it is only slower. */
	(void)pcre2_jit_compile(f->regex, PCRE2_JIT_COMPLETE);
	f->match = pcre2_match_data_create(1, NULL);
	f->limits = pcre2_match_context_create(NULL);
	if (!f->match || !f->limits)
		return error_set(err, ENOMEM, "out of memory");
	(void)pcre2_set_match_limit(f->limits, MATCH_LIMIT);
	(void)pcre2_set_heap_limit(f->limits, HEAP_LIMIT_KIB);
	return 0;
}

/* A substring alone is searched by memmem(3); one that ignores case by PCRE2 as plain text. */
static int add_patterns(struct query_filter *f, const struct query_opts *opts, struct error *err)
{
	if (opts->substring && opts->substring[0]) {
		if (opts->ignore_case && !opts->regex)
			return compile(f, opts->substring, true, true, err);
		f->substring = strdup(opts->substring);
		if (!f->substring)
			return error_set(err, ENOMEM, "out of memory");
		f->substring_len = strlen(opts->substring);
	}
	if (!opts->regex || !opts->regex[0])
		return 0;
	if (!opts->ignore_case)
		f->needle_len = literal_of_regex(opts->regex, f->needle, sizeof(f->needle));
	/* A pattern without anything special is a substring. */
	if (f->needle_len && f->needle_len == strlen(opts->regex))
		return 0;
	return compile(f, opts->regex, false, opts->ignore_case, err);
}

const char *query_filter_needle(const struct query_filter *f, size_t *out_len)
{
	bool longer = f->substring_len >= f->needle_len;

	*out_len = longer ? f->substring_len : f->needle_len;
	return *out_len == 0 ? NULL : longer ? f->substring : f->needle;
}

ts_ns query_filter_since(const struct query_filter *f)
{
	return f->since;
}

ts_ns query_filter_until(const struct query_filter *f)
{
	return f->until;
}

int query_filter_new(const struct query_opts *opts, struct query_filter **out, struct error *err)
{
	AUTO(auto_filter) struct query_filter *f = calloc(1, sizeof(*f));
	int code;

	if (!f)
		return error_set(err, ENOMEM, "out of memory");
	f->since = opts->since;
	f->until = opts->until ? opts->until : INT64_MAX;
	f->streams = opts->streams ? opts->streams : ~0U;
	f->level = opts->level;
	f->by_run = opts->by_run && opts->run > 0;
	f->run = (uint64_t)opts->run;
	code = add_patterns(f, opts, err);
	if (code < 0)
		return code;
	*out = STEAL(&f);
	return 0;
}

static bool level_passes(const struct query_filter *f, const struct log_line *line)
{
	size_t prefix;
	int level;

	if (f->level < 0)
		return true;
	level = log_line_level(line, &prefix);
	return (level < 0 ? LEVEL_WITHOUT_PREFIX : level) <= f->level;
}

static bool text_passes(const struct query_filter *f, const struct log_line *line)
{
	if (f->substring && !memmem(line->text, line->len, f->substring, f->substring_len))
		return false;
	if (f->needle_len && !memmem(line->text, line->len, f->needle, f->needle_len))
		return false;
	return !f->regex || pcre2_match(f->regex, (PCRE2_SPTR)line->text, line->len, 0, 0, f->match, f->limits) >= 0;
}

void query_filter_run_span(struct query_filter *f, ts_ns begin, ts_ns end)
{
	f->run_begin = begin;
	f->run_end = end;
}

static bool run_passes(const struct query_filter *f, const struct log_line *line)
{
	if (!f->by_run)
		return true;
	return line->run ? line->run == f->run : line->ts >= f->run_begin && line->ts < f->run_end;
}

bool query_filter_match(const struct query_filter *f, const struct log_line *line)
{
	if (line->ts < f->since || line->ts >= f->until || !run_passes(f, line))
		return false;
	/* What is missing might have matched. */
	if (line->flags & LINE_LOST)
		return true;
	return (f->streams & 1U << line->stream) && level_passes(f, line) && text_passes(f, line);
}
