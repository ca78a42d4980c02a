/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the cutting of a byte stream into JSON values. */
#include "rpc/frame.h"

#include <string.h>

enum step { STEP_ON, STEP_CLOSED, STEP_BAD_SYNTAX, STEP_BAD_NESTING };

void frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
}

bool frame_is_open(const struct frame *f)
{
	return f->depth > 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum step step_in_string(struct frame *f, char c)
{
	if ((unsigned char)c < 0x20)
		return STEP_BAD_SYNTAX; /* a string was not closed on its line */
	if (f->escaped)
		f->escaped = false;
	else if (c == '\\')
		f->escaped = true;
	else if (c == '"')
		f->in_string = false;
	return STEP_ON;
}

static enum step open_bracket(struct frame *f, bool array)
{
	if (f->depth == FRAME_NESTING)
		return STEP_BAD_NESTING;
	f->kinds &= ~(1ULL << f->depth);
	f->kinds |= (uint64_t)array << f->depth;
	f->depth++;
	return STEP_ON;
}

static enum step close_bracket(struct frame *f, bool array)
{
	if (((f->kinds >> (f->depth - 1)) & 1U) != array)
		return STEP_BAD_SYNTAX;
	f->depth--;
	return f->depth == 0 ? STEP_CLOSED : STEP_ON;
}

/* One byte of a value that has begun. */
static enum step step(struct frame *f, char c)
{
	if (f->in_string)
		return step_in_string(f, c);
	switch (c) {
	case '"':
		f->in_string = true;
		return STEP_ON;
	case '{':
	case '[':
		return open_bracket(f, c == '[');
	case '}':
	case ']':
		return close_bracket(f, c == ']');
	default:
		return STEP_ON;
	}
}

/* Drops the rest of the line. Returns how many bytes of `data` are gone. */
static size_t skip_line(struct frame *f, const char *data, size_t len)
{
	const char *newline = memchr(data, '\n', len);

	if (!newline)
		return len;
	f->skipping = false;
	return (size_t)(newline - data) + 1;
}

static enum frame_event go_bad(struct frame *f, enum frame_event event, size_t at, size_t *out_drop)
{
	frame_init(f);
	f->skipping = true;
	*out_drop = at;
	return event;
}

enum frame_event frame_next(struct frame *f, const char *data, size_t len, size_t *out_drop, size_t *out_len)
{
	size_t start = 0;

	*out_len = 0;
	if (f->depth == 0) {
		if (f->skipping)
			start = skip_line(f, data, len);
		while (start < len && !f->skipping && is_space(data[start]))
			start++;
		if (start == len) {
			*out_drop = len;
			return FRAME_MORE;
		}
		if (data[start] != '{' && data[start] != '[')
			return go_bad(f, FRAME_BAD_SYNTAX, start, out_drop);
		f->scanned = 0;
	}
	while (start + f->scanned < len) {
		size_t at = start + f->scanned;

		if (f->scanned >= FRAME_MAX)
			return go_bad(f, FRAME_BAD_SIZE, at, out_drop);
		switch (step(f, data[at])) {
		case STEP_ON:
			f->scanned++;
			break;
		case STEP_CLOSED:
			*out_len = f->scanned + 1;
			*out_drop = start + *out_len;
			f->scanned = 0;
			return FRAME_VALUE;
		case STEP_BAD_SYNTAX:
			return go_bad(f, FRAME_BAD_SYNTAX, at, out_drop);
		case STEP_BAD_NESTING:
			return go_bad(f, FRAME_BAD_NESTING, at, out_drop);
		}
	}
	*out_drop = start;
	return FRAME_MORE;
}
