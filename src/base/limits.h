/* SPDX-License-Identifier: Apache-2.0 */
/* Every maximum of the project, each with its reason. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* A service name is a file stem, a key in the keeper (below) and a column in lists. */
#define LIMIT_NAME 63
/* Key of a descriptor that the keeper holds: "pipe:" + id + ":" + run + streams. */
#define LIMIT_KEEPER_KEY 40
/* A service file: far above any sane one, far below what would hurt. */
#define LIMIT_CONFIG_FILE (1U << 20)
/* An env_file; issue 3 asks that a 10 MB one is refused in good order. */
#define LIMIT_ENV_FILE (1U << 20)
/* One JSON-RPC request (interface.md). */
#define LIMIT_RPC_REQUEST (1U << 20)
/* Services of one server: sizes tables that must not grow without bound. */
#define LIMIT_SERVICES 100000

#endif
