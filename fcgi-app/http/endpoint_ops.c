/* SPDX-License-Identifier: 0BSD */
/* For those who run it: is it alive, is it ready, and how it is. All of it but readyz is answered
 * from shared memory, database or not. */
#include "base/clock.h"
#include "base/json.h"
#include "http/endpoints.h"

enum err endpoint_healthz(struct call *call) {
    struct json_object *o = json_object_new_object();
    json_add_text(o, "status", "ok");
    resp_json(call->resp, 200, o);
    return E_OK;
}

enum err endpoint_readyz(struct call *call) {
    enum err e = db_run(call->db, STMT_DB_PING, 0, NULL, NULL, NULL, NULL);
    return e ? e : endpoint_healthz(call);
}

static struct json_object *queue_status(const struct board *board, const struct board_queue *q) {
    char title[BOARD_TEXT_SIZE];
    struct json_object *o = json_object_new_object(), *seats = json_object_new_object(),
                       *sales = json_object_new_object();
    board_title(board, (struct concert_id){q->concert}, title);
    json_add_u64(o, "concertId", q->concert);
    json_add_text(o, "title", title);
    json_add_u64(o, "tail", q->tail);
    json_add_u64(o, "admittedThrough", q->admitted_through);
    json_add_u64(o, "waiting", q->waiting);
    json_add_u64(o, "active", q->active);
    json_add_u64(o, "maxActive", q->max_active);
    json_add_u64(o, "admittedPerMinute", q->admitted_per_minute);
    json_add_u64(o, "admittedTotal", q->admitted_total);
    json_add_u64(o, "noShowTotal", q->no_show_total);
    json_add_u64(o, "seatsLeft", q->seats.left);
    json_add_u64(seats, "total", q->seats.total);
    json_add_u64(seats, "free", q->seats.left);
    json_add_u64(seats, "held", q->seats.total - q->seats.left - q->seats.sold);
    json_add_u64(seats, "sold", q->seats.sold);
    json_add(o, "seats", seats);
    json_add_u64(sales, "reservations", q->seats.reservations_paid);
    json_add_u64(sales, "amount", q->seats.sales_minor);
    json_add(o, "sales", sales);
    json_add(o, "paused", json_object_new_boolean(q->paused != 0));
    json_add(o, "draining", json_object_new_boolean(q->draining != 0));
    json_add_time(o, "updatedAt", q->updated_at_ms);
    return o;
}

/* null when it can't be told. */
static struct json_object *memory_of(uint64_t pid) {
    uint64_t bytes = stats_memory_bytes(pid);
    return bytes ? json_object_new_uint64(bytes) : NULL;
}

static struct json_object *worker_status(const struct stats_worker *w, uint64_t now_ms) {
    struct json_object *o = json_object_new_object();
    uint64_t n = 0, pid = stats_get(&w->pid), since_ms = stats_get(&w->busy_since_ms),
             started_ms = stats_get(&w->started_ms);
    for (size_t r = 0; r < STATS_ROUTES; r++)
        for (size_t e = 0; e < E_COUNT; e++) n += stats_get(&w->requests[r][e]);
    json_add_u64(o, "pid", pid);
    json_add_text(o, "state", !pid ? "down" : since_ms ? "busy" : "idle");
    json_add_u64(o, "busyMs", since_ms && now_ms > since_ms ? now_ms - since_ms : 0);
    json_add_u64(o, "uptimeSeconds", pid && now_ms > started_ms ? (now_ms - started_ms) / 1000 : 0);
    json_add_u64(o, "requests", n);
    json_add_u64(o, "restarts", stats_get(&w->restarts));
    json_add(o, "memoryBytes", memory_of(pid));
    return o;
}

static struct json_object *pool_status(const struct call *call, uint64_t now_ms) {
    const struct stats *stats = call->stats;
    uint64_t busy, idle, age_ms = board_age_ms(call->board);
    struct json_object *o = json_object_new_object();
    stats_workers(stats, &busy, &idle);
    json_add_text(o, "version", PACKAGE_VERSION);
    json_add_time(o, "startedAt", stats->started_at_ms);
    json_add_u64(o, "uptimeSeconds", (now_ms - stats->started_ms) / 1000);
    json_add_u64(o, "workers", stats->workers - stats->writers);
    json_add_u64(o, "busy", busy);
    json_add_u64(o, "idle", idle);
    stats_writers(stats, &busy, &idle);
    json_add_u64(o, "writers", stats->writers);
    json_add_u64(o, "writersBusy", busy);
    json_add_u64(o, "batches", STATS_SUM(stats, batches));
    json_add_u64(o, "batched", STATS_SUM(stats, batched));
    json_add_u64(o, "restarts", STATS_SUM(stats, restarts));
    json_add_u64(o, "reloads", stats_get(&stats->reloads));
    json_add_u64(o, "tickerPid", stats_get(&stats->ticker_pid));
    json_add(o, "boardAgeMs", age_ms == UINT64_MAX ? NULL : json_object_new_uint64(age_ms));
    return o;
}

static struct json_object *board_status(const struct call *call) {
    uint64_t used, room;
    struct json_object *o = json_object_new_object();
    board_memory(call->board, &used, &room);
    json_add_u64(o, "memoryBytes", used);
    json_add_u64(o, "memoryBytesMax", room);
    json_add(o, "catalogueWhole",
             json_object_new_boolean(stats_get(&call->stats->catalogue_whole) != 0));
    return o;
}

/* Steps of the database's clock, and for how long yet nothing ends after the last one. */
static struct json_object *clock_status(const struct stats *stats) {
    uint64_t until_ms = stats_get(&stats->clock_paused_until_ms), now_ms = clock_mono_ms();
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "steps", stats_get(&stats->clock_steps));
    json_add_i64(o, "lastStepMs", (int64_t)stats_get(&stats->clock_step_ms));
    json_add_u64(o, "pausedMs", until_ms > now_ms ? until_ms - now_ms : 0);
    return o;
}

static struct json_object *ticker_status(const struct call *call) {
    const struct stats *stats = call->stats;
    uint64_t pid = stats_get(&stats->ticker_pid), age_ms = board_age_ms(call->board),
             statements = 0;
    struct json_object *o = json_object_new_object();
    for (size_t s = 0; s < STMT_COUNT; s++)
        statements += stats_get(&stats->ticker_database.runs[s]);
    json_add_u64(o, "pid", pid);
    json_add_u64(o, "restarts", stats_get(&stats->ticker_restarts));
    json_add_u64(o, "ticks", stats_get(&stats->ticks));
    json_add(o, "lastTickAgeMs", age_ms == UINT64_MAX ? NULL : json_object_new_uint64(age_ms));
    json_add_u64(o, "lastTickUs", stats_get(&stats->last_tick_us));
    json_add_u64(o, "statements", statements);
    json_add_u64(o, "admitted", stats_get(&stats->admitted));
    json_add_u64(o, "ended", stats_get(&stats->ended));
    json_add_u64(o, "holdsExpired", stats_get(&stats->holds_expired));
    json_add_u64(o, "queues", stats_get(&stats->queues));
    json_add_u64(o, "queueFiles", stats_get(&stats->queue_files));
    json_add(o, "memoryBytes", memory_of(pid));
    json_add(o, "board", board_status(call));
    json_add(o, "clock", clock_status(stats));
    return o;
}

/* The ticker asks it all the time, so it need not be asked now. */
static struct json_object *database_status(const struct call *call, uint64_t now_ms) {
    const struct stats *stats = call->stats;
    uint64_t statements = 0, time_us = 0, seen_ms = stats_get(&stats->database_seen_ms);
    uint64_t age_ms = now_ms > seen_ms ? now_ms - seen_ms : 0;
    struct json_object *o = json_object_new_object(), *errors = json_object_new_object();
    for (size_t s = 0; s < STMT_COUNT; s++) {
        statements += STATS_SUM(stats, database.runs[s]);
        time_us += STATS_SUM(stats, database.time_us[s]);
    }
    /* It may wait for a lock for so long. */
    json_add(o, "reachable",
             json_object_new_boolean(seen_ms && age_ms <= call->conf->lock_wait_s * 1000 + 1000));
    json_add(o, "lastAnswerAgeMs", seen_ms ? json_object_new_uint64(age_ms) : NULL);
    json_add_u64(o, "statements", statements);
    json_add_u64(o, "retries", STATS_SUM(stats, database.retries));
    json_add_u64(o, "connections", STATS_SUM(stats, database.connections));
    json_add_u64(o, "busyMs", time_us / 1000);
    json_add_u64(errors, "runAgain", STATS_SUM(stats, database.trouble[DB_RUN_AGAIN]));
    json_add_u64(errors, "lost", STATS_SUM(stats, database.trouble[DB_LOST]));
    json_add_u64(errors, "outcomeUnknown", STATS_SUM(stats, database.trouble[DB_OUTCOME_UNKNOWN]));
    json_add_u64(errors, "unreachable", STATS_SUM(stats, database.trouble[DB_UNREACHABLE]));
    json_add_u64(errors, "failed", STATS_SUM(stats, database.trouble[DB_FAILED]));
    json_add(o, "errors", errors);
    return o;
}

static struct json_object *requests_status(const struct stats *stats) {
    uint64_t ok = 0, refused = 0, failed = 0, gone = 0;
    struct json_object *o = json_object_new_object(), *codes = json_object_new_object();
    for (size_t e = 0; e < E_COUNT; e++) {
        uint64_t n = 0;
        int status = err_status((enum err)e);
        for (size_t r = 0; r < STATS_ROUTES; r++) n += STATS_SUM(stats, requests[r][e]);
        *(e == E_CLIENT_GONE ? &gone
          : status >= 500    ? &failed
          : status >= 400    ? &refused
                             : &ok) += n;
        if (n) json_add_u64(codes, err_name((enum err)e), n);
    }
    json_add_u64(o, "total", ok + refused + failed + gone);
    json_add_u64(o, "2xx", ok);
    json_add_u64(o, "4xx", refused);
    json_add_u64(o, "5xx", failed);
    json_add_u64(o, "clientGone", gone);
    json_add(o, "codes", codes);
    return o;
}

static struct json_object *nginx_errors(const struct stats *stats) {
    if (!stats_get(&stats->nginx_errors_known)) return NULL;
    struct json_object *o = json_object_new_object();
    for (size_t e = 0; e < E_COUNT; e++)
        if (stats_get(&stats->nginx_errors[e]))
            json_add_u64(o, err_name((enum err)e), stats_get(&stats->nginx_errors[e]));
    return o;
}

enum err endpoint_status(struct call *call) {
    const struct stats *stats = call->stats;
    uint64_t now_ms = clock_mono_ms();
    struct json_object *o = json_object_new_object(), *workers = json_object_new_array(),
                       *writers = json_object_new_array(), *queues = json_object_new_array();
    json_add(o, "pool", pool_status(call, now_ms));
    json_add(o, "ticker", ticker_status(call));
    json_add(o, "database", database_status(call, now_ms));
    json_add(o, "requests", requests_status(stats));
    json_add(o, "nginxErrors", nginx_errors(stats));
    for (uint64_t i = 0; i < stats->workers; i++)
        json_object_array_add(i < stats->workers - stats->writers ? workers : writers,
                              worker_status(&stats->worker[i], now_ms));
    json_add(o, "workers", workers);
    json_add(o, "writers", writers);
    json_add_text(o, "currency", call->conf->currency);
    struct board_queue q;
    for (uint64_t at = 0; board_next(call->board, &at, &q);)
        json_object_array_add(queues, queue_status(call->board, &q));
    json_add(o, "queues", queues);
    resp_json(call->resp, 200, o);
    return E_OK;
}
