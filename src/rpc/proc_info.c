/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading /proc/PID. */
#include "rpc/proc_info.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

/* Fields of /proc/PID/stat after the name, from 0: see proc(5), whose numbers are these plus 3. */
enum { STAT_STATE, STAT_PPID, STAT_UTIME = 11, STAT_STIME = 12, STAT_START = 19, STAT_RSS = 21, STAT_FIELDS = 22 };

static int parse_fields(char *text, uint64_t fields[STAT_FIELDS])
{
	char *save = NULL;
	char *word = strtok_r(text, " ", &save);

	for (int i = 0; i < STAT_FIELDS; i++) {
		if (!word)
			return -EPROTO;
		fields[i] = strtoull(word, NULL, 10);
		word = strtok_r(NULL, " ", &save);
	}
	return 0;
}

static double cpu_percent(const uint64_t fields[STAT_FIELDS])
{
	double hz = (double)sysconf(_SC_CLK_TCK);
	double used = (double)(fields[STAT_UTIME] + fields[STAT_STIME]) / hz;
	double alive = (double)time_boottime() / 1e6 - (double)fields[STAT_START] / hz;

	return alive > 0 ? 100.0 * used / alive : 0;
}

int proc_info_read(pid_t pid, struct proc_info *out)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
	uint64_t fields[STAT_FIELDS];
	char path[32];
	char *open;
	char *close;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = fd_read_file(path, &text);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	open = strchr(text.data, '(');
	close = strrchr(text.data, ')'); /* the name may hold anything */
	if (!open || !close || close < open || close[1] != ' ')
		return -EPROTO;
	*close = '\0';
	r = parse_fields(close + 2, fields);
	if (r < 0)
		return r;
	memset(out, 0, sizeof(*out));
	out->pid = pid;
	out->parent = (pid_t)fields[STAT_PPID];
	(void)str_copy(out->name, sizeof(out->name), open + 1);
	out->memory_bytes = fields[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
	out->cpu_percent = cpu_percent(fields);
	return 0;
}
