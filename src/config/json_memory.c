/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: noticing that the JSON library was refused memory. */
#include "config/json_memory.h"

#include <stdlib.h>
#include <string.h>

/* The library's functions take no data of ours. One for each thread, so that nobody sees another's. */
static _Thread_local unsigned int refused;

static void *get(size_t size)
{
	void *at = malloc(size);

	if (!at)
		refused++;
	return at;
}

void json_memory_watch(void)
{
	json_set_alloc_funcs(get, free);
}

json_t *json_parse(const char *text, size_t len, size_t flags, json_error_t *error)
{
	unsigned int before = refused;
	json_t *value = json_loadb(text, len, flags, error);

	if (refused == before)
		return value;
	json_decref(value);
	/* the library keeps the code in the last byte of the text */
	memset(error, 0, sizeof(*error));
	error->text[JSON_ERROR_TEXT_LENGTH - 1] = (char)json_error_out_of_memory;
	return NULL;
}
