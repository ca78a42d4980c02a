/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and spans from any text: a refusal leaves the output alone, an integer survives being printed. */
#include "fuzz.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/utf8.h"

static void check_int(const char *text)
{
	int64_t number = 42, again = 0;
	char printed[32];

	if (parse_int(text, -1000000, 1000000, &number) < 0) {
		assert(number == 42);
		return;
	}
	assert(number >= -1000000 && number <= 1000000);
	(void)snprintf(printed, sizeof(printed), "%" PRId64, number);
	assert(parse_int(printed, INT64_MIN, INT64_MAX, &again) == 0 && again == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint64_t bytes = 42;
	usec_t span = 42;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_int(text);
	if (parse_size(text, &bytes) < 0)
		assert(bytes == 42);
	if (parse_span(text, &span) < 0)
		assert(span == 42);
	(void)utf8_valid(text, size);
	free(text);
	return 0;
}
