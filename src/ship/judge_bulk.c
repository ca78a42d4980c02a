/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: answers of _bulk (Elasticsearch, OpenSearch): a 200 says that the request was read; what became of each line
 * stands in `items`, in the order of the request.
 */
#include <stdio.h>
#include <string.h>

#include "ship/answer.h"
#include "ship/pieces.h"

#define CONFLICT 409 /* `create` with an _id that is there: an earlier try stored it */

static void say(struct ship_outcome *out, const struct ship_reply *reply, const char *text)
{
	answer_say(out, reply, text, strlen(text));
}

/* The item is {"create":{"status":201}}, whatever the action is called. */
static const json_t *result_of(const json_t *item)
{
	void *first = json_object_iter((json_t *)item);

	return first ? json_object_iter_value(first) : NULL;
}

static enum ship_verdict verdict_of(json_int_t status)
{
	if ((status >= 200 && status <= 299) || status == CONFLICT)
		return SHIP_DONE;
	if (status == 429 || status >= 500 || status < 200)
		return SHIP_RETRY;
	/* forbidden, or no such index: the index is blocked or missing, the line is good */
	if (status == 401 || status == 403 || status == 404)
		return SHIP_RETRY;
	return SHIP_POISON;
}

static bool must_be_mended(json_int_t status)
{
	return status == 401 || status == 403 || status == 404;
}

/* "mapper_parsing_exception: failed to parse field [message]" of the first item that was refused. */
static void say_item(struct ship_outcome *out, const struct ship_reply *reply, const json_t *result)
{
	const json_t *error = json_object_get(result, "error");
	const char *type = json_string_value(json_object_get(error, "type"));
	const char *reason = json_string_value(json_object_get(error, "reason"));
	char text[sizeof(out->message)];
	int n;

	n = snprintf(text, sizeof(text), "item status %lld: %s: %s",
		     (long long)json_integer_value(json_object_get(result, "status")), type ? type : "refused",
		     reason ? reason : "(no reason given)");
	answer_say(out, reply, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void judge_items(const json_t *items, const struct ship_reply *reply, struct ship_outcome *out)
{
	size_t count = json_array_size(items);
	uint8_t *lines = answer_each(out, count);
	bool said = false;
	bool mend = true;

	if (!lines)
		return;
	for (size_t i = 0; i < count; i++) {
		const json_t *result = result_of(json_array_get(items, i));
		const json_t *status = json_object_get(result, "status");

		lines[i] = (uint8_t)verdict_of(json_integer_value(status));
		if (lines[i] == SHIP_DONE)
			continue;
		if (!said)
			say_item(out, reply, result);
		said = true;
		mend = mend && must_be_mended(json_integer_value(status));
	}
	answer_each_done(out, count);
	if (out->verdict == SHIP_RETRY && mend)
		answer_whole(out, SHIP_PAUSE);
}

/* The reason of a refusal of the whole request: {"error":{"reason":…}} or {"error":"…"}. */
static void say_refusal(struct ship_outcome *out, const struct ship_reply *reply, const json_t *body)
{
	const json_t *error = json_object_get(body, "error");

	answer_say_json(out, reply, json_is_string(error) ? error : json_object_get(error, "reason"));
}

void judge_bulk(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		struct ship_outcome *out)
{
	AUTO(json_decrefp) json_t *body = answer_json(reply);
	const json_t *errors = json_object_get(body, "errors");
	const json_t *items = json_object_get(body, "items");

	(void)sink;
	if (reply->status < 200 || reply->status > 299) {
		say_refusal(out, reply, body);
		return;
	}
	if (json_array_size(items) == batch->count && !json_is_false(errors)) {
		judge_items(items, reply, out);
	} else if (reply->truncated) {
		answer_whole(out, SHIP_SPLIT);
		say(out, reply, "the answer is too long to be read: sending less at once");
	} else if (!json_is_false(errors)) {
		/* It may be stored or not. Sending it again is harmless where `create` is what it should be. */
		answer_whole(out, SHIP_PAUSE);
		say(out, reply, "not an answer of _bulk: is 'endpoint' right?");
	}
}
