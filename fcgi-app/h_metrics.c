/* Numbers for Prometheus, in its text format. */
#include "clock.h"
#include "handlers.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that grows. */
struct text {
    char *bytes;
    size_t len, size;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...) {
    for (;;) {
        va_list args;
        va_start(args, format);
        int n = vsnprintf(t->bytes + t->len, t->size - t->len, format, args);
        va_end(args);
        if (n < 0) return;
        if ((size_t)n < t->size - t->len) {
            t->len += (size_t)n;
            return;
        }
        size_t size = t->size * 2 + (size_t)n + 4096;
        char *bytes = realloc(t->bytes, size);
        if (!bytes) abort();
        t->bytes = bytes;
        t->size = size;
    }
}

static void head(struct text *t, const char *name, const char *type, const char *help) {
    add(t, "# HELP boxoffice_%s %s\n# TYPE boxoffice_%s %s\n", name, help, name, type);
}

static void route_metrics(struct text *t, const struct stats *stats) {
    head(t, "requests_total", "counter", "Requests answered, by route and code.");
    for (size_t r = 0; r < STATS_ROUTES; r++)
        for (size_t e = 0; e < E_COUNT; e++) {
            uint64_t n = STATS_SUM(stats, requests[r][e]);
            if (n) add(t, "boxoffice_requests_total{route=\"%s\",code=\"%s\"} %" PRIu64 "\n", r < route_count() ? route_name(r) : "none", err_name((enum err)e), n);
        }
    head(t, "request_seconds", "histogram", "Time from a request's arrival at a worker to its answer.");
    for (size_t r = 0; r < STATS_ROUTES; r++) {
        uint64_t n = 0, all = 0;
        const char *name = r < route_count() ? route_name(r) : "none";
        for (size_t b = 0; b < STATS_BUCKETS; b++) all += STATS_SUM(stats, bucket[r][b]);
        if (!all) continue;
        for (size_t b = 0; b < STATS_BUCKETS; b++) {
            n += STATS_SUM(stats, bucket[r][b]);
            if (b + 1 < STATS_BUCKETS)
                add(t, "boxoffice_request_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, (double)stats_bucket_us[b] / 1e6, n);
            else
                add(t, "boxoffice_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, n);
        }
        add(t, "boxoffice_request_seconds_sum{route=\"%s\"} %.6f\n", name, (double)STATS_SUM(stats, time_us[r]) / 1e6);
        add(t, "boxoffice_request_seconds_count{route=\"%s\"} %" PRIu64 "\n", name, n);
    }
}

static void queue_metric(struct text *t, const struct board *board, const char *name, const char *type, const char *help, size_t offset) {
    struct board_queue q;
    head(t, name, type, help);
    for (size_t i = 0; board_queue_at(board, i, &q); i++) {
        uint64_t v;
        memcpy(&v, (const char *)&q + offset, sizeof v);
        if (q.concert) add(t, "boxoffice_%s{concert=\"%" PRIu64 "\"} %" PRIu64 "\n", name, q.concert, v);
    }
}

enum err h_metrics(struct call *call) {
    const struct stats *stats = call->stats;
    struct text t = {0};
    uint64_t busy, idle, statements = 0, database_us = 0;
    for (size_t s = 0; s < STMT_COUNT; s++) {
        statements += STATS_SUM(stats, database.runs[s]);
        database_us += STATS_SUM(stats, database.time_us[s]);
    }
    stats_workers(stats, &busy, &idle);
    head(&t, "workers", "gauge", "Worker processes by state.");
    add(&t, "boxoffice_workers{state=\"busy\"} %" PRIu64 "\nboxoffice_workers{state=\"idle\"} %" PRIu64 "\n", busy, idle);
    head(&t, "worker_restarts_total", "counter", "Workers started in place of others.");
    add(&t, "boxoffice_worker_restarts_total %" PRIu64 "\n", STATS_SUM(stats, restarts));
    head(&t, "database_statements_total", "counter", "Statements run by workers.");
    add(&t, "boxoffice_database_statements_total %" PRIu64 "\n", statements);
    head(&t, "database_retries_total", "counter", "Transactions run again.");
    add(&t, "boxoffice_database_retries_total %" PRIu64 "\n", STATS_SUM(stats, database.retries));
    head(&t, "database_seconds_total", "counter", "Time that workers waited for the database.");
    add(&t, "boxoffice_database_seconds_total %.6f\n", (double)database_us / 1e6);
    head(&t, "holds_expired_total", "counter", "Holds that this host's ticker tidied up after.");
    add(&t, "boxoffice_holds_expired_total %" PRIu64 "\n", stats_get(&stats->holds_expired));
    head(&t, "board_age_seconds", "gauge", "Time since the ticker last read the queues.");
    uint64_t age_ms = board_age_ms(call->board);
    if (age_ms == UINT64_MAX)
        add(&t, "boxoffice_board_age_seconds +Inf\n");
    else
        add(&t, "boxoffice_board_age_seconds %.3f\n", (double)age_ms / 1000);
    route_metrics(&t, stats);
#define QUEUE(field, type, help) queue_metric(&t, call->board, "queue_" #field, type, help, offsetof(struct board_queue, field))
    QUEUE(waiting, "gauge", "People waiting.");
    QUEUE(active, "gauge", "People let in.");
    QUEUE(max_active, "gauge", "Cap on people let in.");
    queue_metric(&t, call->board, "queue_seats_left", "gauge", "Seats that can be held.", offsetof(struct board_queue, seats.left));
    QUEUE(admitted_per_minute, "gauge", "People let in during the last minute.");
    QUEUE(admitted_total, "counter", "People ever let in.");
    QUEUE(no_show_total, "counter", "People let in who never showed up.");
    QUEUE(paused, "gauge", "1 while paused.");
#undef QUEUE
    resp_bytes(call->resp, 200, "text/plain; version=0.0.4; charset=utf-8", t.bytes, t.len);
    free(t.bytes);
    return E_OK;
}
