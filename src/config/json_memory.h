/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the JSON library. It ignores some failures to get any, and then a string lacks a character: what was parsed while
 * memory was refused must not be used.
 */
#ifndef CONFIG_JSON_MEMORY_H
#define CONFIG_JSON_MEMORY_H

#include <jansson.h>
#include <stddef.h>

/** Count refusals from now on. Once, before the first call of the library; without it json_parse() is json_loadb(). */
void json_memory_watch(void);
/** json_loadb() that returns NULL with json_error_out_of_memory if memory was refused meanwhile. */
json_t *json_parse(const char *text, size_t len, size_t flags, json_error_t *error);

#endif
