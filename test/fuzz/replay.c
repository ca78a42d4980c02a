/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: main() of a fuzz target without libFuzzer: every file of the directory in argv is one input. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (4U << 20)

static int replay(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *data;
	size_t size;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	data = malloc(INPUT_MAX);
	if (!file || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, INPUT_MAX, file);
	(void)fclose(file);
	/* An exact copy, so that a sanitizer sees a read beyond the end. */
	data = realloc(data, size ? size : 1);
	if (data)
		(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_type == DT_REG)
			count += replay(argv[1], entry->d_name);
	(void)closedir(dir);
	(void)printf("%d inputs\n", count);
	return count ? 0 : 1;
}
