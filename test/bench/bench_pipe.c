/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of a pipe for peers.py: who writes lines, and the least that any capture must do with them.
 *
 *   bench_pipe emit BYTES SIZE [FIFO]   lines of 100 bytes to stdout, SIZE bytes a write(2); begins when FIFO has a writer
 *   bench_pipe scan                     read(2) and memchr(3), nothing kept
 *   bench_pipe store FILE               the same, and write(2) to a file
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 100U
#define BLOCK (64U << 10)

static char block[BLOCK];

static int emit(size_t bytes, size_t size, const char *fifo)
{
	size_t whole = size > BLOCK ? BLOCK : size;
	size_t len = whole / LINE * LINE;

	if (len == 0 || (fifo && open(fifo, O_RDONLY | O_CLOEXEC) < 0))
		return 1;
	for (size_t i = 0; i < len; i++)
		block[i] = i % LINE == LINE - 1 ? '\n' : (char)('a' + i % 23);
	for (size_t left = bytes / LINE * LINE; left;) {
		ssize_t n = write(STDOUT_FILENO, block, left < len ? left : len);

		if (n <= 0 || (size_t)n % LINE)
			return 1;
		left -= (size_t)n;
	}
	return 0;
}

static int take(const char *file)
{
	int out = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	unsigned long lines = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, block, BLOCK)) > 0) {
		for (const char *p = block; (p = memchr(p, '\n', (size_t)(block + n - p))); p++)
			lines++;
		if (out >= 0 && write(out, block, (size_t)n) != n)
			return 1;
	}
	return n < 0 || lines == 0 || (file && out < 0);
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "emit") == 0)
		return emit(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), argc > 4 ? argv[4] : NULL);
	if (argc == 2 && strcmp(argv[1], "scan") == 0)
		return take(NULL);
	if (argc == 3 && strcmp(argv[1], "store") == 0)
		return take(argv[2]);
	return 2;
}
