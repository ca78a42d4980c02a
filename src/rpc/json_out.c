/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the JSON writer. */
#include "rpc/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json_text.h"

struct json_out json_out_on(struct strbuf *to)
{
	return (struct json_out){ .to = to };
}

/* What goes before a value: the comma after its neighbour. */
static void begin_value(struct json_out *o)
{
	if (o->comma)
		(void)strbuf_putc(o->to, ',');
	o->comma = true;
}

static void open_with(struct json_out *o, char bracket)
{
	begin_value(o);
	(void)strbuf_putc(o->to, bracket);
	o->comma = false;
}

static void close_with(struct json_out *o, char bracket)
{
	(void)strbuf_putc(o->to, bracket);
	o->comma = true;
}

void json_out_open_object(struct json_out *o)
{
	open_with(o, '{');
}

void json_out_close_object(struct json_out *o)
{
	close_with(o, '}');
}

void json_out_open_array(struct json_out *o)
{
	open_with(o, '[');
}

void json_out_close_array(struct json_out *o)
{
	close_with(o, ']');
}

void json_out_key(struct json_out *o, const char *key)
{
	begin_value(o);
	(void)strbuf_putc(o->to, '"');
	(void)strbuf_puts(o->to, key);
	(void)strbuf_add(o->to, "\":", 2);
	o->comma = false;
}

void json_out_null(struct json_out *o)
{
	json_out_raw(o, "null");
}

void json_out_bool(struct json_out *o, bool value)
{
	json_out_raw(o, value ? "true" : "false");
}

void json_out_int(struct json_out *o, int64_t value)
{
	begin_value(o);
	(void)strbuf_addf(o->to, "%" PRId64, value);
}

void json_out_uint(struct json_out *o, uint64_t value)
{
	begin_value(o);
	(void)strbuf_addf(o->to, "%" PRIu64, value);
}

void json_out_real(struct json_out *o, double value)
{
	if (!isfinite(value)) {
		json_out_null(o);
		return;
	}
	begin_value(o);
	(void)strbuf_addf(o->to, "%.6g", value);
}

void json_out_raw(struct json_out *o, const char *json)
{
	begin_value(o);
	(void)strbuf_puts(o->to, json);
}

static int append_dump(const char *text, size_t len, void *data)
{
	return strbuf_add(data, text, len);
}

void json_out_tree(struct json_out *o, const json_t *value)
{
	begin_value(o);
	if (!value || json_dump_callback(value, append_dump, o->to, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
		o->to->failed = true;
}

/* --- strings ---------------------------------------------------------------------------------- */

void json_out_strn(struct json_out *o, const char *value, size_t len)
{
	begin_value(o);
	(void)strbuf_putc(o->to, '"');
	(void)json_text_add(o->to, value, len);
	(void)strbuf_putc(o->to, '"');
}

void json_out_str(struct json_out *o, const char *value)
{
	if (value)
		json_out_strn(o, value, strlen(value));
	else
		json_out_null(o);
}

/* --- members ---------------------------------------------------------------------------------- */

void json_out_member_bool(struct json_out *o, const char *key, bool value)
{
	json_out_key(o, key);
	json_out_bool(o, value);
}

void json_out_member_int(struct json_out *o, const char *key, int64_t value)
{
	json_out_key(o, key);
	json_out_int(o, value);
}

void json_out_member_uint(struct json_out *o, const char *key, uint64_t value)
{
	json_out_key(o, key);
	json_out_uint(o, value);
}

void json_out_member_str(struct json_out *o, const char *key, const char *value)
{
	json_out_key(o, key);
	json_out_str(o, value);
}
