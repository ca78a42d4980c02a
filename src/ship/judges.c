/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: answers that mean something else than their status says, by format. What each receiver does was read in its
 * source or tried: docs/internals/ship-formats.md says which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ship/answer.h"
#include "ship/pieces.h"

static bool is_success(const struct ship_reply *reply)
{
	return reply->status >= 200 && reply->status <= 299;
}

/* --- Loki ------------------------------------------------------------------------------------- */

#define LOKI_BLOCKED 260

/*
 * A 400 for one of these reasons is of single entries or streams: Loki has stored the rest of the request
 * (pkg/validation/validate.go, pkg/ingester/stream.go). Any other 400 is of the request: nothing is stored.
 */
static bool loki_stored_the_rest(const struct ship_reply *reply)
{
	static const char *const reasons[] = {
		"max entry size",	    "timestamp too old",	"timestamp too new",
		"label names; limit",	    "label name too long",	"label value too long",
		"duplicate label name",	    "has structured metadata too", "has too many structured metadata",
		"missing required labels",  "total ignored:",		"error parsing labels",
		"at least one label pair is required",
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (answer_has(reply, reasons[i]))
			return true;
	}
	return false;
}

/* "total ignored: 1 out of 3": how many of the batch are lost; 0 if it does not say. */
static size_t loki_ignored(const struct ship_reply *reply, size_t count)
{
	static const char words[] = "total ignored: ";
	const char *at = reply->body ? memmem(reply->body, reply->len, words, sizeof(words) - 1) : NULL;
	const char *end = reply->body + reply->len;
	size_t n = 0;

	if (!at)
		return 0;
	for (at += sizeof(words) - 1; at < end && *at >= '0' && *at <= '9' && n <= count; at++)
		n = n * 10 + (size_t)(*at - '0');
	return MIN(n, count);
}

void judge_loki(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		struct ship_outcome *out)
{
	size_t ignored;

	if (reply->status == LOKI_BLOCKED) {
		answer_whole(out, SHIP_PAUSE);
		answer_say(out, reply, reply->body ? reply->body : "ingestion is blocked",
			   reply->body ? reply->len : strlen("ingestion is blocked"));
		return;
	}
	if (reply->status != 400)
		return;
	if (answer_has(reply, "includes structured metadata, but this feature is disallowed") &&
	    answer_quirk(sink, out, SHIP_QUIRK_NO_METADATA))
		return;
	if (answer_has(reply, "no org id")) {
		answer_whole(out, SHIP_PAUSE);
		return;
	}
	if (!loki_stored_the_rest(reply))
		return;
	ignored = loki_ignored(reply, batch->count);
	answer_whole(out, SHIP_DONE);
	out->refused = ignored ? ignored : 1;
	out->refused_known = ignored > 0;
}

/* --- OTLP ------------------------------------------------------------------------------------- */

/* A 64-bit integer of protobuf's JSON: a string, or tolerated as a number. Negative and absurd ones are 0. */
static size_t proto_count(const json_t *value, size_t most)
{
	long long n = 0;
	char *end;

	if (json_is_integer(value)) {
		n = json_integer_value(value);
	} else if (json_is_string(value)) {
		errno = 0;
		n = strtoll(json_string_value(value), &end, 10);
		if (*end || errno)
			n = 0;
	}
	return n <= 0 ? 0 : (size_t)MIN((unsigned long long)n, most);
}

static bool otlp_retryable(int status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

/*
 * The specification says what may be sent again: 429, 502, 503, 504 and nothing else; and that a partial success must
 * not be. Those that an operator has to mend, and a 408 that some proxy made, stay what the table says.
 */
void judge_otlp(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		struct ship_outcome *out)
{
	AUTO(json_decrefp) json_t *body = answer_json(reply);
	const json_t *partial = json_object_get(body, "partialSuccess");

	(void)sink;
	if (!is_success(reply)) {
		if (reply->status >= 500 && out->verdict == SHIP_RETRY && !otlp_retryable(reply->status))
			answer_whole(out, SHIP_POISON);
		answer_say_json(out, reply, json_object_get(body, "message"));
		return;
	}
	out->refused = proto_count(json_object_get(partial, "rejectedLogRecords"), batch->count);
	out->refused_known = out->refused > 0;
	answer_say_json(out, reply, json_object_get(partial, "errorMessage"));
}

/* --- Splunk ----------------------------------------------------------------------------------- */

static const struct code {
	int code;
	enum ship_verdict verdict;
} splunk_codes[] = {
	{ 0, SHIP_DONE },   /* Success */
	{ 1, SHIP_PAUSE },  /* Token disabled */
	{ 2, SHIP_PAUSE },  /* Token is required */
	{ 3, SHIP_PAUSE },  /* Invalid authorization */
	{ 4, SHIP_PAUSE },  /* Invalid token */
	{ 7, SHIP_PAUSE },  /* Incorrect index */
	{ 8, SHIP_RETRY },  /* Internal server error */
	{ 9, SHIP_RETRY },  /* Server is busy */
	{ 10, SHIP_PAUSE }, /* Data channel is missing: the token wants acknowledgements */
	{ 11, SHIP_PAUSE }, /* Invalid data channel */
	{ 14, SHIP_PAUSE }, /* ACK is disabled */
};

/* Of the batch, one event is to blame: it goes, the others go again (Splunk may have taken those before it). */
static void blame(struct ship_outcome *out, size_t count, size_t guilty)
{
	uint8_t *lines = answer_each(out, count);

	if (!lines)
		return;
	lines[guilty] = SHIP_POISON;
	answer_each_done(out, count);
}

void judge_splunk(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		  struct ship_outcome *out)
{
	AUTO(json_decrefp) json_t *body = answer_json(reply);
	const json_t *code = json_object_get(body, "code");
	const json_t *event = json_object_get(body, "invalid-event-number");
	json_int_t guilty = json_integer_value(event);

	(void)sink;
	if (json_is_integer(code) && json_integer_value(code) != 0)
		answer_say_json(out, reply, json_object_get(body, "text"));
	for (size_t i = 0; json_is_integer(code) && i < ARRAY_LEN(splunk_codes); i++) {
		if (splunk_codes[i].code != json_integer_value(code))
			continue;
		if (is_success(reply) || splunk_codes[i].verdict != SHIP_DONE)
			answer_whole(out, splunk_codes[i].verdict);
		return;
	}
	if (reply->status == 400 && json_is_integer(event) && guilty >= 0 && (size_t)guilty < batch->count)
		blame(out, batch->count, (size_t)guilty);
}

/* --- ClickHouse ------------------------------------------------------------------------------- */

#define CLICKHOUSE_UNKNOWN_SETTING 115
#define CLICKHOUSE_NO_COMPRESSION 89
#define CLICKHOUSE_ROW "(at row "

/* src/Common/ErrorCodes.cpp of ClickHouse. What is not here is what its status says. */
static const struct code clickhouse_codes[] = {
	{ 16, SHIP_PAUSE },   /* NO_SUCH_COLUMN_IN_TABLE */
	{ 26, SHIP_POISON },  /* CANNOT_PARSE_QUOTED_STRING */
	{ 27, SHIP_POISON },  /* CANNOT_PARSE_INPUT_ASSERTION_FAILED */
	{ 38, SHIP_POISON },  /* CANNOT_PARSE_DATE */
	{ 41, SHIP_POISON },  /* CANNOT_PARSE_DATETIME */
	{ 53, SHIP_POISON },  /* TYPE_MISMATCH */
	{ 60, SHIP_PAUSE },   /* UNKNOWN_TABLE */
	{ 62, SHIP_PAUSE },   /* SYNTAX_ERROR: of the query, which has no data in it */
	{ 72, SHIP_POISON },  /* CANNOT_PARSE_NUMBER */
	{ 81, SHIP_PAUSE },   /* UNKNOWN_DATABASE */
	{ 115, SHIP_PAUSE },  /* UNKNOWN_SETTING */
	{ 117, SHIP_POISON }, /* INCORRECT_DATA */
	{ 159, SHIP_RETRY },  /* TIMEOUT_EXCEEDED */
	{ 164, SHIP_PAUSE },  /* READONLY */
	{ 192, SHIP_PAUSE },  /* UNKNOWN_USER */
	{ 193, SHIP_PAUSE },  /* WRONG_PASSWORD */
	{ 194, SHIP_PAUSE },  /* REQUIRED_PASSWORD */
	{ 202, SHIP_RETRY },  /* TOO_MANY_SIMULTANEOUS_QUERIES */
	{ 209, SHIP_RETRY },  /* SOCKET_TIMEOUT */
	{ 210, SHIP_RETRY },  /* NETWORK_ERROR */
	{ 241, SHIP_RETRY },  /* MEMORY_LIMIT_EXCEEDED */
	{ 242, SHIP_RETRY },  /* TABLE_IS_READ_ONLY */
	{ 243, SHIP_RETRY },  /* NOT_ENOUGH_SPACE */
	{ 252, SHIP_RETRY },  /* TOO_MANY_PARTS */
	{ 319, SHIP_RETRY },  /* UNKNOWN_STATUS_OF_INSERT */
	{ 497, SHIP_PAUSE },  /* ACCESS_DENIED */
	{ 516, SHIP_PAUSE },  /* AUTHENTICATION_FAILED */
	{ 999, SHIP_RETRY },  /* KEEPER_EXCEPTION */
};

/* The number after `words` in the body, at most 9 digits; -1 if there is none. */
static long number_after(const struct ship_reply *reply, const char *words)
{
	const char *at = reply->body ? memmem(reply->body, reply->len, words, strlen(words)) : NULL;
	const char *end = reply->body + reply->len;
	long n = -1;

	if (!at)
		return -1;
	at += strlen(words);
	for (int i = 0; at < end && *at >= '0' && *at <= '9' && i < 9; at++, i++)
		n = (n < 0 ? 0 : n * 10) + (*at - '0');
	return n;
}

/* Things we use that old servers do not know. */
static bool clickhouse_is_old(struct ship_sink *sink, const struct ship_reply *reply, struct ship_outcome *out,
			      long code)
{
	if (code == CLICKHOUSE_UNKNOWN_SETTING && answer_has(reply, "insert_deduplication_token"))
		return answer_quirk(sink, out, SHIP_QUIRK_NO_TOKEN);
	if (code == CLICKHOUSE_NO_COMPRESSION)
		return answer_quirk(sink, out, SHIP_QUIRK_NO_COMPRESSION);
	return false;
}

/* An exception is told in the text; behind a 200, too, if it came late. An insert is taken whole or not at all. */
void judge_clickhouse(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		      struct ship_outcome *out)
{
	long code = number_after(reply, "Code: ");
	long row = number_after(reply, CLICKHOUSE_ROW);

	if (code <= 0 || clickhouse_is_old(sink, reply, out, code))
		return;
	for (size_t i = 0; i < ARRAY_LEN(clickhouse_codes); i++) {
		if (clickhouse_codes[i].code == code) {
			answer_whole(out, clickhouse_codes[i].verdict);
			break;
		}
	}
	if (is_success(reply) && out->verdict == SHIP_DONE)
		answer_whole(out, SHIP_RETRY);
	if (is_success(reply))
		answer_say(out, reply, reply->body, reply->len);
	if (out->verdict == SHIP_POISON && row >= 1 && (size_t)row <= batch->count && batch->count > 1)
		blame(out, batch->count, (size_t)row - 1);
	else
		out->bisect = out->verdict == SHIP_POISON;
}
