/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the inside of a JSON string: quotes, backslashes and control characters escaped, each byte that is not
 * part of well-formed UTF-8 as U+FFFD. The result is valid JSON whatever came in.
 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "base/str.h"

/** Append `len` bytes of `text`, escaped, without quotes around them. Returns 0, or what strbuf_add() does. */
int json_text_add(struct strbuf *to, const char *text, size_t len);

#endif
