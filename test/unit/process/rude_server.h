/* SPDX-License-Identifier: Apache-2.0 */
/* A server with bad manners, for tests of those who have to ask it something. */
#ifndef UNIT_PROCESS_RUDE_SERVER_H
#define UNIT_PROCESS_RUDE_SERVER_H

#include <stdint.h>
#include <sys/types.h>

enum rude_manner {
	RUDE_SILENT,   /* accepts and says nothing */
	RUDE_DRIP,     /* a byte now and then */
	RUDE_GIGABYTE, /* 1 GB */
	RUDE_HEADERS,  /* headers without end */
	RUDE_REDIRECT, /* to itself */
	RUDE_REDIRECT_TO_FILE,
	RUDE_RESET,
	RUDE_GARBAGE,
	RUDE_CUT,      /* half an answer */
	RUDE_CLOSE,    /* no answer */
	RUDE_FINE,     /* 200, "healthy" */
	RUDE_NOT_FOUND,
	RUDE_N
};

/** Start one on 127.0.0.1. Returns its pid or -1. It ends with us. */
pid_t rude_start(enum rude_manner manner, uint16_t *out_port);
void rude_stop(pid_t pid);

#endif
