/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership helpers: release on scope exit, hand-over of pointers. No allocator of our own:
 * malloc(3) returns NULL when memory is gone, and every caller says what happens then.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/** The value of a macro as a string literal. */
#define STR_OF(macro) STR_OF_(macro)
#define STR_OF_(value) #value

/** Run `fn(&variable)` when the variable leaves its scope. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/** Define `name(type **)` that calls `release(*p)`, for use with AUTO(); `release` must take NULL. */
#define DEFINE_AUTO(type, name, release)                                                           \
	static inline void name(type **p)                                                          \
	{                                                                                          \
		release(*p);                                                                       \
	}

/** Hand a pointer over: gives its value, and the slot becomes NULL. */
#define STEAL(slot) ((__typeof__(*(slot)))mem_steal((void *)(slot)))

static inline void *mem_steal(void *slot)
{
	void **p = slot;
	void *value = *p;

	*p = NULL;
	return value;
}

/** For AUTO(): free(3) what a `char *`, or any other object pointer, holds. */
static inline void auto_free(void *slot)
{
	free(*(void **)slot);
}

/** For AUTO(): close(2) a descriptor unless it is negative. Errors are ignored: nothing was written. */
static inline void auto_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/** Hand a descriptor over: gives its value, and the slot becomes -1. */
static inline int fd_steal(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

#endif
