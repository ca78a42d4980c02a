/* SPDX-License-Identifier: Apache-2.0 */
/* What the judges of answers share. Bodies are hostile: all of this is bounded by the body's own length. */
#ifndef SHIP_ANSWER_H
#define SHIP_ANSWER_H

#include <jansson.h>

#include "ship/format.h"

/** The body as JSON, or NULL: no body, cut, not JSON, nested too deep, no memory. The caller decrefs it. */
json_t *answer_json(const struct ship_reply *reply);
/** Set the verdict of the whole batch. */
void answer_whole(struct ship_outcome *out, enum ship_verdict verdict);
/** The message "HTTP STATUS: TEXT", with `len` bytes of foreign text made printable and cut. */
void answer_say(struct ship_outcome *out, const struct ship_reply *reply, const char *text, size_t len);
/** answer_say() with a JSON string of the answer; NULL or no string: nothing changes. */
void answer_say_json(struct ship_outcome *out, const struct ship_reply *reply, const json_t *text);
/** True if `text` stands somewhere in the body. */
bool answer_has(const struct ship_reply *reply, const char *text);
/** Add a quirk and make it AGAIN. False if the sink has it already: nothing changes then. */
bool answer_quirk(struct ship_sink *sink, struct ship_outcome *out, unsigned int quirk);
/** Verdicts for each line, all RETRY at first. NULL: no memory, and the whole batch is RETRY. Ends in answer_each_done(). */
uint8_t *answer_each(struct ship_outcome *out, size_t count);
/** Count what `out->lines` has; lines that are all alike become one verdict for the batch. */
void answer_each_done(struct ship_outcome *out, size_t count);

#endif
