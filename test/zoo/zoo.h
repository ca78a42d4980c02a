/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zoo: small programs that behave as badly as real ones do. One binary, `zoo NAME [ARGS]`; `zoo` alone lists them.
 * Each prints "ready" on stdout when it is in place. All end by themselves after LIFE seconds, so that a failed test leaves nothing.
 */
#ifndef TEST_ZOO_H
#define TEST_ZOO_H

#include <sys/types.h>

#define LIFE 60

struct animal {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
};

/* one table per file, ended by an empty row */
extern const struct animal forkers[];
extern const struct animal deaf[];
extern const struct animal odd[];

/** Say that everything is in place. */
void ready(void);
/** Wait for the end of LIFE. */
void linger(void);
/** fork(2) that does not fail: waits and tries again. */
pid_t sure_fork(void);
/** Ignore what can be ignored. */
void ignore_all(void);
/** Ignore SIGTERM alone. */
void ignore_term(void);

#endif
