/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what an HTTP status means for a batch, and the helpers of the judges. */
#include "ship/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "ship/pieces.h"

/*
 * The common meaning of statuses; judges know exceptions. The first row that holds the status counts.
 *
 * Nobody follows redirects: the credentials would go to wherever an answer points. What an operator has to mend keeps
 * the lines (PAUSE): they are good, the path or the password is not.
 */
static const struct rule {
	int from, to;
	enum ship_verdict verdict;
	bool bisect;
	const char *what; /* for people */
} rules[] = {
	{ 0, 0, SHIP_RETRY, false, "no answer" },
	{ 200, 299, SHIP_DONE, false, NULL },
	{ 300, 399, SHIP_PAUSE, false, "a redirect, which is not followed: put the right URL into 'endpoint'" },
	{ 400, 400, SHIP_POISON, true, "refused" },
	{ 401, 401, SHIP_PAUSE, false, "the credentials were not accepted" },
	{ 402, 403, SHIP_PAUSE, false, "not allowed" },
	{ 404, 404, SHIP_PAUSE, false, "no such path: is 'endpoint' right?" },
	{ 405, 405, SHIP_PAUSE, false, "this path takes no POST: is 'endpoint' right?" },
	{ 406, 406, SHIP_PAUSE, false, "the receiver does not speak this format" },
	{ 407, 407, SHIP_PAUSE, false, "the proxy wants credentials" },
	{ 408, 408, SHIP_RETRY, false, "the receiver waited too long for us" },
	{ 410, 410, SHIP_PAUSE, false, "this path is gone" },
	{ 411, 411, SHIP_PAUSE, false, "a length is wanted" },
	{ 413, 413, SHIP_SPLIT, false, "too large" },
	{ 414, 414, SHIP_PAUSE, false, "the URL is too long" },
	{ 415, 415, SHIP_PAUSE, false, "the receiver does not take this content type" },
	{ 421, 421, SHIP_RETRY, false, "misdirected" },
	{ 425, 425, SHIP_RETRY, false, "too early" },
	{ 429, 429, SHIP_RETRY, false, "too many requests" },
	{ 431, 431, SHIP_PAUSE, false, "the headers are too long" },
	{ 400, 499, SHIP_POISON, true, "refused" },
	{ 501, 501, SHIP_PAUSE, false, "the receiver does not know the method" },
	{ 505, 505, SHIP_PAUSE, false, "the receiver does not speak this version of HTTP" },
	{ 500, 599, SHIP_RETRY, false, "the receiver is in trouble" },
	{ -1, -1, SHIP_RETRY, false, "not a status of HTTP" },
};

#define STATUS_UNSUPPORTED 415

static const struct rule *rule_of(int status)
{
	const struct rule *rule = rules;

	while (rule->from >= 0 && (status < rule->from || status > rule->to))
		rule++;
	return rule;
}

/* --- helpers of the judges -------------------------------------------------------------------- */

json_t *answer_json(const struct ship_reply *reply)
{
	if (!reply->body || reply->truncated)
		return NULL;
	return json_loadb(reply->body, reply->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

void answer_whole(struct ship_outcome *out, enum ship_verdict verdict)
{
	size_t count = out->done + out->retry + out->poison;

	free(out->lines);
	out->lines = NULL;
	out->verdict = verdict;
	out->done = verdict == SHIP_DONE ? count : 0;
	out->poison = verdict == SHIP_POISON ? count : 0;
	out->retry = count - out->done - out->poison;
	out->bisect = false;
}

/* Append foreign text to `to` (`size` bytes): one line, printable, no cut character. */
static void add_printable(char *to, size_t size, const char *text, size_t len)
{
	size_t n = strlen(to);

	while (len > 0) {
		size_t step = utf8_sequence(text, len);
		bool plain = step > 1 || (step == 1 && (unsigned char)*text >= ' ' && *text != 0x7f);

		if (n + (plain ? step : 1) >= size)
			break;
		if (plain) {
			memcpy(to + n, text, step);
			n += step;
		} else if (n > 0 && to[n - 1] != ' ') {
			to[n++] = ' ';
		}
		text += step ? step : 1;
		len -= step ? step : 1;
	}
	to[n] = '\0';
}

void answer_say(struct ship_outcome *out, const struct ship_reply *reply, const char *text, size_t len)
{
	if (reply->status)
		(void)snprintf(out->message, sizeof(out->message), "HTTP %d: ", reply->status);
	else
		out->message[0] = '\0';
	add_printable(out->message, sizeof(out->message), text, len);
}

void answer_say_json(struct ship_outcome *out, const struct ship_reply *reply, const json_t *text)
{
	if (json_is_string(text) && json_string_length(text))
		answer_say(out, reply, json_string_value(text), json_string_length(text));
}

bool answer_has(const struct ship_reply *reply, const char *text)
{
	return reply->body && memmem(reply->body, reply->len, text, strlen(text));
}

bool answer_quirk(struct ship_sink *sink, struct ship_outcome *out, unsigned int quirk)
{
	if (sink->quirks & quirk)
		return false;
	sink->quirks |= quirk;
	answer_whole(out, SHIP_AGAIN);
	return true;
}

uint8_t *answer_each(struct ship_outcome *out, size_t count)
{
	uint8_t *lines = malloc(count);

	if (!lines) {
		answer_whole(out, SHIP_RETRY);
		return NULL;
	}
	memset(lines, SHIP_RETRY, count);
	answer_whole(out, SHIP_EACH);
	out->lines = lines;
	return lines;
}

void answer_each_done(struct ship_outcome *out, size_t count)
{
	size_t kinds[SHIP_VERDICT_N] = { 0 };

	for (size_t i = 0; i < count; i++)
		kinds[out->lines[i]]++;
	out->done = kinds[SHIP_DONE];
	out->retry = kinds[SHIP_RETRY];
	out->poison = kinds[SHIP_POISON];
	if (out->done == count)
		answer_whole(out, SHIP_DONE);
	else if (out->retry == count)
		answer_whole(out, SHIP_RETRY);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Our words, and the receiver's. */
static void say_rule(struct ship_outcome *out, const struct rule *rule, const struct ship_reply *reply)
{
	if (!rule->what)
		return;
	answer_say(out, reply, rule->what, strlen(rule->what));
	if (reply->body && reply->len) {
		add_printable(out->message, sizeof(out->message), ": ", 2);
		add_printable(out->message, sizeof(out->message), reply->body, MIN(reply->len, sizeof(out->message)));
	}
}

static bool was_compressed(const struct ship_sink *sink)
{
	return sink->settings->compression != SHIP_COMPRESSION_NONE && format_of(sink->settings)->takes;
}

void ship_answer(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		 struct ship_outcome *out)
{
	const struct format *format = format_of(sink->settings);
	const struct rule *rule = rule_of(reply->status);

	*out = (struct ship_outcome){ .retry = batch->count, .retry_after_ms = -1 };
	answer_whole(out, rule->verdict);
	out->bisect = rule->bisect;
	say_rule(out, rule, reply);
	if (reply->status == STATUS_UNSUPPORTED && was_compressed(sink))
		(void)answer_quirk(sink, out, SHIP_QUIRK_NO_COMPRESSION);
	else if (reply->status && format->judge)
		format->judge(sink, batch, reply, out);
	if (out->verdict == SHIP_RETRY || out->verdict == SHIP_PAUSE || out->verdict == SHIP_EACH)
		out->retry_after_ms = ship_retry_after(reply->retry_after, reply->now);
}
