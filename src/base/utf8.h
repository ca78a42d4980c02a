/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Length (1..4) of the well-formed sequence at `s` (`len` > 0 bytes left), or 0 if it is ill-formed or cut. */
size_t utf8_sequence(const char *s, size_t len);
/** True if all `len` bytes are well-formed. */
bool utf8_valid(const char *s, size_t len);

#endif
