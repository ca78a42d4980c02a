/* SPDX-License-Identifier: Apache-2.0 */
/* What processes use, read from /proc when somebody asks. */
#ifndef RPC_PROC_INFO_H
#define RPC_PROC_INFO_H

#include <stdint.h>
#include <sys/types.h>

struct proc_info {
	pid_t pid, parent;
	char name[16];
	uint64_t memory_bytes; /* resident */
	double cpu_percent;    /* of one CPU, over the life of the process, as ps(1) has it */
};

/** Fill `out`. Returns 0, or negative errno: -ESRCH if it is gone. */
int proc_info_read(pid_t pid, struct proc_info *out);

#endif
