/* What every process of a host counts, in shared memory: one slot a worker, written by that worker only,
 * and summed up by who looks. A slot keeps its counts when its worker is replaced. */
#ifndef BOXOFFICE_STATS_H
#define BOXOFFICE_STATS_H

#include "db.h"

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
    stats_count turned_ms;     /* monotonic: when its loop last turned, at least once a second while idle; 0: not yet */
    stats_count started_ms;    /* monotonic */
    stats_count restarts;
    stats_count leave; /* set by the master before TERM: a busy worker looks here, not at signals */
    char request_id[40];       /* while busy; may be read torn, for people only */
    stats_count requests[STATS_ROUTES][E_COUNT]; /* by the error's row; E_OK counts every 2xx */
    stats_count bucket[STATS_ROUTES][STATS_BUCKETS];
    stats_count time_us[STATS_ROUTES];
    stats_count statements, retries, reconnects, database_us; /* sums of past connections' handles included */
};

struct stats {
    uint64_t workers;
    stats_count ticker_pid, ticker_restarts, ticks, admitted, ended, holds_expired;
    stats_count ticker_turned_ms; /* monotonic: when it was last at work, database or not; 0: not yet */
    stats_count started_ms; /* monotonic */
    struct stats_worker worker[];
};

/* Shared with the processes forked from here on. NULL when there is no memory. */
struct stats *stats_create(uint64_t workers);
/* One request answered by the worker in this slot. */
void stats_request(struct stats_worker *worker, size_t route, enum err outcome, uint64_t time_us);
void stats_add(stats_count *count, uint64_t n);
uint64_t stats_get(const stats_count *count);

#endif
