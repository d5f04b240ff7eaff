/* SPDX-License-Identifier: 0BSD */
/* Numbers for Prometheus, in its text format. Series are bounded: by the tables of routes, errors
 * and statements, and by board_concerts. */
#include "base/clock.h"
#include "base/strbuf.h"
#include "http/endpoints.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HELP and TYPE; the samples follow. */
static void head(struct strbuf *t, const char *name, const char *type, const char *help) {
    strbuf_add(t, "# HELP boxoffice_%s %s\n# TYPE boxoffice_%s %s\n", name, help, name, type);
}

static void one(struct strbuf *t, const char *name, const char *type, uint64_t v,
                const char *help) {
    head(t, name, type, help);
    strbuf_add(t, "boxoffice_%s %" PRIu64 "\n", name, v);
}

static void one_real(struct strbuf *t, const char *name, const char *type, double v,
                     const char *help) {
    head(t, name, type, help);
    if (isinf(v))
        strbuf_add(t, "boxoffice_%s +Inf\n", name);
    else
        strbuf_add(t, "boxoffice_%s %.6f\n", name, v);
}

static void pool_metrics(struct strbuf *t, const struct stats *stats) {
    uint64_t busy, idle, memory = 0;
    stats_workers(stats, &busy, &idle);
    head(t, "build_info", "gauge", "Always 1; the version.");
    strbuf_add(t, "boxoffice_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
    one_real(t, "start_time_seconds", "gauge", (double)stats->started_at_ms / 1000,
             "When the service was started, in seconds since 1970.");
    head(t, "workers", "gauge", "Worker processes by state.");
    strbuf_add(t,
               "boxoffice_workers{state=\"busy\"} %" PRIu64
               "\nboxoffice_workers{state=\"idle\"} %" PRIu64 "\n",
               busy, idle);
    stats_writers(stats, &busy, &idle);
    head(t, "writers", "gauge", "Writer processes by state.");
    strbuf_add(t,
               "boxoffice_writers{state=\"busy\"} %" PRIu64
               "\nboxoffice_writers{state=\"idle\"} %" PRIu64 "\n",
               busy, idle);
    one(t, "batches_total", "counter", STATS_SUM(stats, batches), "Transactions of writers.");
    one(t, "batched_requests_total", "counter", STATS_SUM(stats, batched),
        "Requests in those transactions.");
    for (uint64_t i = 0; i < stats->workers; i++)
        memory += stats_memory_bytes(stats_get(&stats->worker[i].pid));
    one(t, "workers_memory_bytes", "gauge", memory,
        "Memory of all workers that is not shared with other processes.");
    one(t, "worker_restarts_total", "counter", STATS_SUM(stats, restarts),
        "Workers started in place of others.");
    one(t, "ticker_restarts_total", "counter", stats_get(&stats->ticker_restarts),
        "Tickers started in place of others.");
    one(t, "reloads_total", "counter", stats_get(&stats->reloads),
        "Times that the settings were read again.");
}

static void ticker_metrics(struct strbuf *t, const struct call *call) {
    const struct stats *stats = call->stats;
    uint64_t age_ms = board_age_ms(call->board);
    one_real(t, "board_age_seconds", "gauge",
             age_ms == UINT64_MAX ? INFINITY : (double)age_ms / 1000,
             "Time since the ticker last read the queues.");
    head(t, "tick_seconds", "summary", "Time that ticks took.");
    strbuf_add(t, "boxoffice_tick_seconds_sum %.6f\nboxoffice_tick_seconds_count %" PRIu64 "\n",
               (double)stats_get(&stats->tick_us) / 1e6, stats_get(&stats->ticks));
    uint64_t used, room, paused_ms = stats_get(&stats->clock_paused_until_ms),
                         now_ms = clock_mono_ms();
    board_memory(call->board, &used, &room);
    one(t, "board_memory_bytes", "gauge", used, "Memory that the board has given out.");
    one(t, "board_memory_max_bytes", "gauge", room, "Memory that the board may give out.");
    one(t, "board_catalogue_whole", "gauge", stats_get(&stats->catalogue_whole),
        "1 while all that is sold is on the board.");
    one(t, "queue_files", "gauge", stats_get(&stats->queue_files),
        "Static queue files that are kept fresh.");
    one(t, "database_clock_steps_total", "counter", stats_get(&stats->clock_steps),
        "Steps of the database's clock that were noticed.");
    one_real(t, "database_clock_step_seconds", "gauge",
             (double)(int64_t)stats_get(&stats->clock_step_ms) / 1000,
             "The last of them; below 0: back.");
    one(t, "database_clock_pause", "gauge", paused_ms > now_ms,
        "1 while nothing ends and nobody is let in after a step.");
    one(t, "holds_expired_total", "counter", stats_get(&stats->holds_expired),
        "Holds that this host's ticker tidied up after.");
}

static void database_metrics(struct strbuf *t, const struct stats *stats) {
    uint64_t statements = 0, time_us = 0, seen_ms = stats_get(&stats->database_seen_ms),
             now_ms = clock_mono_ms();
    for (size_t s = 0; s < STMT_COUNT; s++) {
        statements += STATS_SUM(stats, database.runs[s]);
        time_us += STATS_SUM(stats, database.time_us[s]);
    }
    one_real(t, "database_answer_age_seconds", "gauge",
             !seen_ms           ? INFINITY
             : now_ms > seen_ms ? (double)(now_ms - seen_ms) / 1000
                                : 0,
             "Time since the database last answered the ticker.");
    one(t, "database_statements_total", "counter", statements, "Statements run by workers.");
    one_real(t, "database_seconds_total", "counter", (double)time_us / 1e6,
             "Time that workers waited for the database.");
    one(t, "database_retries_total", "counter", STATS_SUM(stats, database.retries),
        "Transactions run again.");
    one(t, "database_connections_total", "counter", STATS_SUM(stats, database.connections),
        "Connections that workers opened.");
    head(t, "database_errors_total", "counter",
         "What workers had to bear from the database, by kind.");
    for (size_t k = 0; k < DB_TROUBLES; k++)
        strbuf_add(t, "boxoffice_database_errors_total{kind=\"%s\"} %" PRIu64 "\n",
                   db_trouble_name((enum db_trouble)k), STATS_SUM(stats, database.trouble[k]));
    head(t, "database_statement_seconds", "summary",
         "Time of statements by name; those of the ticker, too.");
    for (size_t s = 0; s < STMT_COUNT; s++) {
        uint64_t n =
            STATS_SUM(stats, database.runs[s]) + stats_get(&stats->ticker_database.runs[s]);
        if (!n) continue;
        strbuf_add(t, "boxoffice_database_statement_seconds_sum{statement=\"%s\"} %.6f\n",
                   stmt_name((enum stmt)s),
                   (double)(STATS_SUM(stats, database.time_us[s]) +
                            stats_get(&stats->ticker_database.time_us[s])) /
                       1e6);
        strbuf_add(t, "boxoffice_database_statement_seconds_count{statement=\"%s\"} %" PRIu64 "\n",
                   stmt_name((enum stmt)s), n);
    }
}

static void request_metrics(struct strbuf *t, const struct stats *stats) {
    head(t, "requests_total", "counter", "Requests that workers answered, by route and code.");
    for (size_t r = 0; r < STATS_ROUTES; r++)
        for (size_t e = 0; e < E_COUNT; e++) {
            uint64_t n = STATS_SUM(stats, requests[r][e]);
            if (n)
                strbuf_add(t, "boxoffice_requests_total{route=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                           r < route_count() ? route_name(r) : "none", err_name((enum err)e), n);
        }
    head(t, "request_seconds", "histogram",
         "Time from a request's arrival at a worker to its answer.");
    for (size_t r = 0; r < STATS_ROUTES; r++) {
        uint64_t n = 0, all = 0;
        const char *name = r < route_count() ? route_name(r) : "none";
        for (size_t b = 0; b < STATS_BUCKETS; b++) all += STATS_SUM(stats, bucket[r][b]);
        if (!all) continue;
        for (size_t b = 0; b + 1 < STATS_BUCKETS; b++) {
            n += STATS_SUM(stats, bucket[r][b]);
            strbuf_add(t, "boxoffice_request_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64 "\n",
                       name, (double)stats_bucket_us[b] / 1e6, n);
        }
        n += STATS_SUM(stats, bucket[r][STATS_BUCKETS - 1]);
        strbuf_add(t, "boxoffice_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
                   name, n);
        strbuf_add(t, "boxoffice_request_seconds_sum{route=\"%s\"} %.6f\n", name,
                   (double)STATS_SUM(stats, time_us[r]) / 1e6);
        strbuf_add(t, "boxoffice_request_seconds_count{route=\"%s\"} %" PRIu64 "\n", name, n);
    }
}

/* Those that the site can make, at 0 too, so that the first one shows as a rise. */
static void nginx_metrics(struct strbuf *t, const struct stats *stats) {
    static const enum err made[] = {E_RATE_LIMITED,      E_BUSY,
                                    E_BODY_TOO_LARGE,    E_VALIDATION_FAILED,
                                    E_FORBIDDEN,         E_ROUTE_NOT_FOUND,
                                    E_CONCERT_NOT_FOUND, E_METHOD_NOT_ALLOWED,
                                    E_INTERNAL};
    if (!stats_get(&stats->nginx_errors_known)) return;
    head(t, "nginx_errors_total", "counter",
         "Problems that nginx answered with by itself, by code.");
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        strbuf_add(t, "boxoffice_nginx_errors_total{code=\"%s\"} %" PRIu64 "\n", err_name(made[i]),
                   stats_get(&stats->nginx_errors[made[i]]));
}

static void add_title(struct strbuf *t, const struct board *board, uint64_t concert) {
    char title[BOARD_TEXT_SIZE];
    board_title(board, (struct concert_id){concert}, title);
    for (const char *c = title; *c; c++) {
        if (*c == '\\' || *c == '"')
            strbuf_add(t, "\\%c", *c);
        else if (*c == '\n')
            strbuf_add(t, "\\n");
        else
            strbuf_add(t, "%c", *c);
    }
}

#define QUEUE(name, type, field, help)                                                             \
    { name, type, offsetof(struct board_queue, field), help }
static const struct {
    const char *name, *type;
    size_t offset;
    const char *help;
} queue_rows[] = {
    QUEUE("waiting", "gauge", waiting, "People waiting."),
    QUEUE("active", "gauge", active, "People let in."),
    QUEUE("max_active", "gauge", max_active, "Cap on people let in."),
    QUEUE("joined_total", "counter", tail, "Numbers drawn."),
    QUEUE("admitted_total", "counter", admitted_total, "People ever let in."),
    QUEUE("admitted_per_minute", "gauge", admitted_per_minute,
          "People let in during the last minute."),
    QUEUE("no_show_total", "counter", no_show_total, "People let in who never showed up."),
    QUEUE("paused", "gauge", paused, "1 while paused."),
    QUEUE("draining", "gauge", draining, "1 while nobody may join."),
    QUEUE("seats_left", "gauge", seats.left, "Seats that can be held."),
    QUEUE("seats_sold", "gauge", seats.sold, "Seats that are owned."),
    QUEUE("seats", "gauge", seats.total, "Seats of all performances."),
    QUEUE("reservations_paid", "gauge", seats.reservations_paid,
          "Reservations that are paid and not cancelled."),
    QUEUE("sales_minor_units", "gauge", seats.sales_minor,
          "What they cost, in the currency's minor unit."),
};
#undef QUEUE

static void queue_metrics(struct strbuf *t, const struct board *board) {
    struct board_queue q;
    uint64_t v;
    head(t, "queue_info", "gauge", "Always 1; the concert's title.");
    for (uint64_t at = 0; board_next(board, &at, &q);) {
        strbuf_add(t, "boxoffice_queue_info{concert=\"%" PRIu64 "\",title=\"", q.concert);
        add_title(t, board, q.concert);
        strbuf_add(t, "\"} 1\n");
    }
    for (size_t r = 0; r < sizeof queue_rows / sizeof *queue_rows; r++) {
        char name[64];
        snprintf(name, sizeof name, "queue_%s", queue_rows[r].name);
        head(t, name, queue_rows[r].type, queue_rows[r].help);
        for (uint64_t at = 0; board_next(board, &at, &q);) {
            memcpy(&v, (const char *)&q + queue_rows[r].offset, sizeof v);
            strbuf_add(t, "boxoffice_%s{concert=\"%" PRIu64 "\"} %" PRIu64 "\n", name, q.concert,
                       v);
        }
    }
    head(t, "queue_seats_held", "gauge", "Seats on live holds.");
    for (uint64_t at = 0; board_next(board, &at, &q);)
        strbuf_add(t, "boxoffice_queue_seats_held{concert=\"%" PRIu64 "\"} %" PRIu64 "\n",
                   q.concert, q.seats.total - q.seats.left - q.seats.sold);
}

enum err endpoint_metrics(struct call *call) {
    struct strbuf t = {0};
    pool_metrics(&t, call->stats);
    ticker_metrics(&t, call);
    database_metrics(&t, call->stats);
    request_metrics(&t, call->stats);
    nginx_metrics(&t, call->stats);
    queue_metrics(&t, call->board);
    resp_bytes(call->resp, 200, "text/plain; version=0.0.4; charset=utf-8", t.bytes, t.len);
    free(t.bytes);
    return E_OK;
}
