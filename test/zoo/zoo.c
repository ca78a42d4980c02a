/* SPDX-License-Identifier: Apache-2.0 */
#include "zoo.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void ready(void)
{
	if (write(STDOUT_FILENO, "ready\n", 6) < 0)
		return; /* nobody listens any more */
}

void linger(void)
{
	time_t end = time(NULL) + LIFE;

	while (time(NULL) < end)
		(void)sleep(1);
}

pid_t sure_fork(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid >= 0)
			return pid;
		(void)usleep(1000);
	}
}

void ignore_all(void)
{
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_IGN);
}

void ignore_term(void)
{
	(void)signal(SIGTERM, SIG_IGN);
}

static int run_in(const struct animal *table, int argc, char **argv)
{
	for (const struct animal *a = table; a->name; a++) {
		if (strcmp(a->name, argv[1]) == 0)
			return a->run(argc - 1, argv + 1);
	}
	return -1;
}

static void list(const struct animal *table)
{
	for (const struct animal *a = table; a->name; a++)
		(void)printf("%-18s %s\n", a->name, a->what);
}

int main(int argc, char **argv)
{
	const struct animal *tables[] = { forkers, deaf, odd };
	struct rlimit no_core = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		int r;

		if (argc < 2) {
			list(tables[i]);
			continue;
		}
		r = run_in(tables[i], argc, argv);
		if (r >= 0)
			return r;
	}
	if (argc < 2)
		return 0;
	(void)fprintf(stderr, "zoo: no animal '%s'\n", argv[1]);
	return 2;
}
