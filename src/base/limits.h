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
/* One answer: all lines of a ring of 1 MiB with every byte escaped, and room to spare. */
#define LIMIT_RPC_ANSWER (16U << 20)
/* What all control connections together may hold in buffers; over it the largest is dropped. */
#define LIMIT_RPC_MEMORY (64U << 20)
/* Control connections: far above any fleet of clients, far below the descriptors that services need. */
#define LIMIT_RPC_CONNECTIONS 4096
/* Of them, so many are kept for root and the owner, so that others can't lock them out. */
#define LIMIT_RPC_RESERVED 64
/* Requests of one batch. */
#define LIMIT_RPC_BATCH 1000
/* Requests of one connection that wait for something to happen. */
#define LIMIT_RPC_CALLS 256
/* Subscriptions of one connection. */
#define LIMIT_RPC_SUBSCRIPTIONS 256
/* Number of a descriptor that a service is given beside its first three ("fd:N"): each is moved on its own at every spawn. */
#define LIMIT_SERVICE_FD 63
/* Files that services watch, all together: each is looked at whenever one of them changed. */
#define LIMIT_WATCHES 4096
/* Services of one server: sizes tables that must not grow without bound. */
#define LIMIT_SERVICES 100000

/* Questions to the logs of all connections together: each has a thread and a buffer while it lasts. */
#define LIMIT_RPC_QUERIES 256

/* Body of one shipped batch, plain or compressed: above the largest batch_bytes that receivers take (100 MB). */
#define LIMIT_SHIP_BODY (128U << 20)
/* What is read of a receiver's answer: 10,000 items of a _bulk answer with their errors. */
#define LIMIT_SHIP_ANSWER (4U << 20)
/* Sinks that are tried at the same time, each with a connection of its own. */
#define LIMIT_SHIP_PROBES 32
/* The longest pause that a receiver may ask for: an hour, so that a wrong clock does not stop us for ever. */
#define LIMIT_SHIP_RETRY_AFTER_MS 3600000
/* One incident on disk: some hundred lines, processes and descriptors; a chat message may carry it. */
#define LIMIT_INCIDENT_BYTES (256U << 10)
/* Incidents kept of one service: a night of crashes, the newest of them. */
#define LIMIT_INCIDENTS_SERVICE 16
#define LIMIT_INCIDENT_BYTES_SERVICE (1U << 20)
/* Of all services together: a host on which everything fails at once must not lose its disk to the record of it. */
#define LIMIT_INCIDENTS 512
#define LIMIT_INCIDENT_BYTES_TOTAL (16U << 20)
/* Incidents in memory that the disk refused; older ones are given up and counted. */
#define LIMIT_INCIDENTS_WAITING 8
/* Places for services that are shipped, the server's own log among them: a bit each. */
#define LIMIT_SHIP_SLOTS (((LIMIT_SERVICES + 1) / 64 + 1) * 64)
/* Sinks: each has a connection and a queue of its own. */
#define LIMIT_SHIP_SINKS 32
/* Cursors: of each service at each sink. Memory is touched only for those that are used. */
#define LIMIT_SHIP_CURSORS 65536
/* Bytes of lines that wait in a sink's queue, whatever `queue_lines` says; at least four batches have room. */
#define LIMIT_SHIP_QUEUE (16U << 20)
/* A file of refused lines is not written to beyond this; what comes then is counted only. */
#define LIMIT_SHIP_ASIDE (16U << 20)

#endif
