/* For those who run it: is it alive, is it ready, numbers for Prometheus and for people. */
#include "clock.h"
#include "handlers.h"
#include "json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err h_healthz(struct call *call) {
    struct json_object *o = json_object_new_object();
    json_add_text(o, "status", "ok");
    resp_json(call->resp, 200, o);
    return E_OK;
}

enum err h_readyz(struct call *call) {
    enum err e = db_run(call->db, STMT_DB_PING, 0, NULL, NULL, NULL, NULL);
    return e ? e : h_healthz(call);
}

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

/* The sum over all workers of a field at an offset. */
static uint64_t sum(const struct stats *stats, size_t offset) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < stats->workers; i++) n += stats_get((const stats_count *)((const char *)&stats->worker[i] + offset));
    return n;
}
#define SUM(field) sum(stats, offsetof(struct stats_worker, field))

static void worker_counts(const struct stats *stats, uint64_t *busy_r, uint64_t *idle_r) {
    *busy_r = *idle_r = 0;
    for (uint64_t i = 0; i < stats->workers; i++) {
        if (!stats_get(&stats->worker[i].pid)) continue;
        if (stats_get(&stats->worker[i].busy_since_ms))
            ++*busy_r;
        else
            ++*idle_r;
    }
}

static void route_metrics(struct text *t, const struct stats *stats) {
    head(t, "requests_total", "counter", "Requests answered, by route and code.");
    for (size_t r = 0; r < STATS_ROUTES; r++)
        for (size_t e = 0; e < E_COUNT; e++) {
            uint64_t n = SUM(requests[r][e]);
            if (n) add(t, "boxoffice_requests_total{route=\"%s\",code=\"%s\"} %" PRIu64 "\n", r < route_count() ? route_name(r) : "none", err_name((enum err)e), n);
        }
    head(t, "request_seconds", "histogram", "Time from a request's arrival at a worker to its answer.");
    for (size_t r = 0; r < STATS_ROUTES; r++) {
        uint64_t n = 0, all = 0;
        const char *name = r < route_count() ? route_name(r) : "none";
        for (size_t b = 0; b < STATS_BUCKETS; b++) all += SUM(bucket[r][b]);
        if (!all) continue;
        for (size_t b = 0; b < STATS_BUCKETS; b++) {
            n += SUM(bucket[r][b]);
            if (b + 1 < STATS_BUCKETS)
                add(t, "boxoffice_request_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, (double)stats_bucket_us[b] / 1e6, n);
            else
                add(t, "boxoffice_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, n);
        }
        add(t, "boxoffice_request_seconds_sum{route=\"%s\"} %.6f\n", name, (double)SUM(time_us[r]) / 1e6);
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
    uint64_t busy, idle;
    worker_counts(stats, &busy, &idle);
    head(&t, "workers", "gauge", "Worker processes by state.");
    add(&t, "boxoffice_workers{state=\"busy\"} %" PRIu64 "\nboxoffice_workers{state=\"idle\"} %" PRIu64 "\n", busy, idle);
    head(&t, "worker_restarts_total", "counter", "Workers started in place of others.");
    add(&t, "boxoffice_worker_restarts_total %" PRIu64 "\n", SUM(restarts));
    head(&t, "database_statements_total", "counter", "Statements run by workers.");
    add(&t, "boxoffice_database_statements_total %" PRIu64 "\n", SUM(statements));
    head(&t, "database_retries_total", "counter", "Transactions run again.");
    add(&t, "boxoffice_database_retries_total %" PRIu64 "\n", SUM(retries));
    head(&t, "database_seconds_total", "counter", "Time that workers waited for the database.");
    add(&t, "boxoffice_database_seconds_total %.6f\n", (double)SUM(database_us) / 1e6);
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
    QUEUE(seats_left, "gauge", "Seats that can be held.");
    QUEUE(admitted_per_minute, "gauge", "People let in during the last minute.");
    QUEUE(admitted_total, "counter", "People ever let in.");
    QUEUE(no_show_total, "counter", "People let in who never showed up.");
    QUEUE(paused, "gauge", "1 while paused.");
#undef QUEUE
    resp_bytes(call->resp, 200, "text/plain; version=0.0.4; charset=utf-8", t.bytes, t.len);
    free(t.bytes);
    return E_OK;
}

static struct json_object *queue_status(const struct board_queue *q) {
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "concertId", q->concert);
    json_add_u64(o, "tail", q->tail);
    json_add_u64(o, "admittedThrough", q->admitted_through);
    json_add_u64(o, "waiting", q->waiting);
    json_add_u64(o, "active", q->active);
    json_add_u64(o, "maxActive", q->max_active);
    json_add_u64(o, "admittedPerMinute", q->admitted_per_minute);
    json_add_u64(o, "admittedTotal", q->admitted_total);
    json_add_u64(o, "noShowTotal", q->no_show_total);
    json_add_u64(o, "seatsLeft", q->seats_left);
    json_add(o, "paused", json_object_new_boolean(q->paused != 0));
    json_add(o, "draining", json_object_new_boolean(q->draining != 0));
    json_add_time(o, "updatedAt", q->updated_at_ms);
    return o;
}

enum err h_status(struct call *call) {
    const struct stats *stats = call->stats;
    uint64_t busy, idle, now_ms = clock_mono_ms();
    worker_counts(stats, &busy, &idle);
    struct json_object *o = json_object_new_object(), *pool = json_object_new_object(), *workers = json_object_new_array(),
                       *queues = json_object_new_array(), *database = json_object_new_object();
    json_add_u64(pool, "uptimeSeconds", (now_ms - stats_get(&stats->started_ms)) / 1000);
    json_add_u64(pool, "workers", stats->workers);
    json_add_u64(pool, "busy", busy);
    json_add_u64(pool, "idle", idle);
    json_add_u64(pool, "restarts", SUM(restarts));
    json_add_u64(pool, "tickerPid", stats_get(&stats->ticker_pid));
    uint64_t age_ms = board_age_ms(call->board);
    json_add(pool, "boardAgeMs", age_ms == UINT64_MAX ? NULL : json_object_new_uint64(age_ms));
    json_add(o, "pool", pool);
    json_add_u64(database, "statements", SUM(statements));
    json_add_u64(database, "retries", SUM(retries));
    json_add_u64(database, "connections", SUM(reconnects));
    json_add_u64(database, "busyMs", SUM(database_us) / 1000);
    json_add(o, "database", database);
    for (uint64_t i = 0; i < stats->workers; i++) {
        const struct stats_worker *w = &stats->worker[i];
        struct json_object *row = json_object_new_object();
        uint64_t n = 0, since_ms = stats_get(&w->busy_since_ms);
        for (size_t r = 0; r < STATS_ROUTES; r++)
            for (size_t e = 0; e < E_COUNT; e++) n += stats_get(&w->requests[r][e]);
        json_add_u64(row, "pid", stats_get(&w->pid));
        json_add_text(row, "state", !stats_get(&w->pid) ? "down" : since_ms ? "busy" : "idle");
        json_add_u64(row, "busyMs", since_ms && now_ms > since_ms ? now_ms - since_ms : 0);
        json_add_u64(row, "requests", n);
        json_add_u64(row, "restarts", stats_get(&w->restarts));
        json_object_array_add(workers, row);
    }
    json_add(o, "workers", workers);
    struct board_queue q;
    for (size_t i = 0; board_queue_at(call->board, i, &q); i++)
        if (q.concert) json_object_array_add(queues, queue_status(&q));
    json_add(o, "queues", queues);
    resp_json(call->resp, 200, o);
    return E_OK;
}
