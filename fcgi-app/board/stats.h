/* SPDX-License-Identifier: 0BSD */
/* What every process of a host counts, in shared memory: one slot a worker, written by that worker
 * only, and summed up by who looks. A slot keeps its counts when its worker is replaced. */
#ifndef BOXOFFICE_STATS_H
#define BOXOFFICE_STATS_H

#include "base/token.h"
#include "store/db.h"

#include <stdatomic.h>
#include <stdint.h>

#define STATS_ROUTES 33 /* ROUTES_MAX and one for what has no route */
#define STATS_BUCKETS 14
#define STATS_WORKERS_MAX 512

/* Upper bounds of the latency buckets, microseconds; the last one is everything else. */
extern const uint64_t stats_bucket_us[STATS_BUCKETS];

typedef _Atomic uint64_t stats_count;

struct stats_worker {
    stats_count pid;           /* 0: not running */
    stats_count busy_since_ms; /* monotonic; 0: idle */
    stats_count turned_ms;     /* monotonic: when its loop last turned, at least once a second while
                                  idle; 0: not yet */
    stats_count started_ms;    /* monotonic */
    stats_count restarts;
    stats_count domain;           /* of a writer: whose lock its transaction holds or waits for (see
                                     batch_domain); 0: none */
    stats_count batches, batched; /* of a writer: transactions, and requests in them */
    stats_count leave; /* set by the master before TERM: a busy worker looks here, not at signals */
    char request_id[40];                         /* while busy; may be read torn, for people only */
    stats_count requests[STATS_ROUTES][E_COUNT]; /* by the error's row; E_OK counts every 2xx */
    stats_count bucket[STATS_ROUTES][STATS_BUCKETS];
    stats_count time_us[STATS_ROUTES];
    struct db_stats database;
};

struct stats {
    uint64_t workers; /* in all: the first ones read, the last ones write */
    uint64_t writers;
    uint64_t started_ms, started_at_ms; /* monotonic; by this host's clock */
    stats_count reloads;
    token_signing signing_key; /* by the master: the first of the keys that all children know */
    /* written by the ticker */
    stats_count ticker_pid, ticker_restarts, admitted, ended, holds_expired;
    stats_count ticks, tick_us, last_tick_us; /* how many, how long in all, the last one */
    stats_count
        ticker_turned_ms; /* monotonic: when it was last at work, database or not; 0: not yet */
    stats_count queues;   /* that it sees; the board may have room for fewer */
    stats_count database_seen_ms; /* monotonic: it answered */
    stats_count catalogue_whole;  /* 1: all that is sold is on the board */
    stats_count queue_files;      /* static files that are kept fresh */
    stats_count clock_steps,
        clock_step_ms; /* of the database's clock: how often, and the last one (signed) */
    stats_count clock_paused_until_ms; /* monotonic: nothing ends and nobody is let in before; 0:
                                          never stepped */
    stats_count nginx_errors_known,
        nginx_errors[E_COUNT]; /* answers with an error that nginx made itself */
    uint64_t nginx_errors_inode,
        nginx_errors_offset; /* how far they have been read, for the next ticker */
    struct db_stats ticker_database;
    struct stats_worker worker[];
};

/* Shared with the processes forked from here on. NULL when there is no memory. */
struct stats *stats_create(uint64_t readers, uint64_t writers);
/* One request answered by the worker in this slot. */
void stats_request(struct stats_worker *worker, size_t route, enum err outcome, uint64_t time_us);
void stats_add(stats_count *count, uint64_t n);
uint64_t stats_get(const stats_count *count);
/* The sum over all workers of the count at this offset in struct stats_worker. */
uint64_t stats_sum(const struct stats *stats, size_t offset);
#define STATS_SUM(stats, field) stats_sum(stats, offsetof(struct stats_worker, field))
/* Memory that is a process's own, not shared with others; 0 when it can't be told. */
uint64_t stats_memory_bytes(uint64_t pid);
/* Those that read; those that write. */
void stats_workers(const struct stats *stats, uint64_t *busy_r, uint64_t *idle_r);
void stats_writers(const struct stats *stats, uint64_t *busy_r, uint64_t *idle_r);

#endif
