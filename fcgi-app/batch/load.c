/* SPDX-License-Identifier: 0BSD */
/* The first step: which rows a group touches, and reading them, locked in the order of
 * sql/current/batch.sql. */
#include "batch/steps.h"

#include "batch/reservation.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- lists --- */

void rows_begin(struct rows *rows) {
    strbuf_reset(&rows->text);
    rows->count = 0;
}

/* Each row begins with its bracket, and each list with the first row. */
void rows_put(struct rows *rows, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(n > 0 && (size_t)n < sizeof text);
    if (*text == '[') strbuf_bytes(&rows->text, rows->count++ ? "," : "[", 1);
    strbuf_bytes(&rows->text, text, (size_t)n);
}

void rows_hex(struct rows *rows, const void *bytes, size_t len) {
    strbuf_bytes(&rows->text, "\"", 1);
    strbuf_hex(&rows->text, bytes, len);
    strbuf_bytes(&rows->text, "\"", 1);
}

/* A list of plain values. */
static void put_value(struct rows *rows, uint64_t v) {
    strbuf_add(&rows->text, "%s%" PRIu64, rows->count++ ? "," : "[", v);
}

static void put_user(struct rows *rows, struct user_id user) {
    strbuf_bytes(&rows->text, rows->count++ ? "," : "[", 1);
    rows_hex(rows, user.v, sizeof user.v);
}

void rows_end(struct rows *rows) {
    if (rows->count) strbuf_bytes(&rows->text, "]", 1);
}

struct db_arg rows_arg(struct rows *rows) {
    rows_end(rows);
    return rows->count ? DB_BYTES(rows->text.bytes, rows->text.len) : DB_NULL;
}

/* --- what was loaded --- */

static struct user_id user_of(const struct db_row *row, size_t column) {
    struct user_id id;
    if (!db_row_bytes(row, column, id.v, sizeof id.v)) abort(); /* BINARY(16) */
    return id;
}

static void take_key(struct group *g, const struct db_row *row) {
    size_t i = DB_ROW_U64(row, "key_index");
    assert(i < g->keys);
    struct claimed *key = &g->key[i];
    struct idem *idem = g->request[key->request]->idem;
    uint8_t hash[HASH_BYTES];
    key->found = true;
    key->ours = DB_ROW_NULL(row, "status");
    key->same_request = DB_ROW_BYTES(row, "request_hash", hash, sizeof hash) &&
                        memcmp(hash, idem->request_hash, sizeof hash) == 0;
    if (!key->ours && key->same_request)
        idem_keep(idem, (int)DB_ROW_U64(row, "status"), row, DB_COLUMN(row, "body"));
}

static void take_user(struct sale *s, const struct db_row *row) {
    struct user_row *u = sale_add_user(s);
    u->id = user_of(row, DB_COLUMN(row, "user"));
    if (!DB_ROW_BYTES(row, "access_hash", u->access_hash, HASH_BYTES)) abort(); /* BINARY(32) */
    u->balance_minor = DB_ROW_U64(row, "balance_minor");
}

static void take_queue(struct sale *s, const struct db_row *row) {
    s->queue_found = true;
    s->queue = (struct queue_row){
        .concert = {DB_ROW_U64(row, "queue")},
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
        .sales_close_at_ms = DB_ROW_U64(row, "sales_close_at_ms"),
        .tail = DB_ROW_U64(row, "tail"),
        .admitted_through = DB_ROW_U64(row, "admitted_through"),
        .waiting = DB_ROW_U64(row, "waiting"),
        .active = DB_ROW_U64(row, "active"),
        .admitted_total = DB_ROW_U64(row, "admitted_total"),
        .no_show_total = DB_ROW_U64(row, "no_show_total"),
        .max_active = DB_ROW_U64(row, "max_active"),
        .event_seq = DB_ROW_U64(row, "event_seq"),
        .paused = DB_ROW_U64(row, "paused") != 0,
        .draining = DB_ROW_U64(row, "draining") != 0,
    };
}

static void take_place(struct group *g, const struct db_row *row) {
    struct sale *s = &g->sale;
    struct place_row *p = sale_add_place(s);
    *p = (struct place_row){
        .number = DB_ROW_U64(row, "place"),
        .user = user_of(row, DB_COLUMN(row, "user_id")),
        .state = place_state_parse(DB_ROW_TEXT(row, "state")),
        .joined_active = DB_ROW_U64(row, "joined_active") != 0,
        .join_seq = DB_ROW_U64(row, "join_seq"),
        .joined_at_ms = DB_ROW_U64(row, "joined_at_ms"),
        .admitted_at_ms = DB_ROW_U64(row, "admitted_at_ms"),
        .claimed_at_ms = DB_ROW_U64(row, "claimed_at_ms"),
        .expires_at_ms = DB_ROW_U64(row, "expires_at_ms"),
    };
    if (g->request[0]->kind != BATCH_HOLD) return;
    struct have_row *h = sale_add_have(s);
    *h = (struct have_row){p->user, DB_ROW_U64(row, "seats")};
}

static void take_performance(struct sale *s, const struct db_row *row) {
    struct performance_row *f = sale_add_performance(s);
    *f = (struct performance_row){
        .id = {DB_ROW_U64(row, "performance")},
        .concert = {DB_ROW_U64(row, "concert_id")},
        .price_minor = DB_ROW_U64(row, "price_minor"),
        .total_seats = DB_ROW_U64(row, "total_seats"),
        .starts_at_ms = DB_ROW_U64(row, "starts_at_ms"),
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
        .sales_close_at_ms = DB_ROW_U64(row, "sales_close_at_ms"),
        .event_seq = DB_ROW_U64(row, "event_seq"),
    };
}

static void take_reservation(struct sale *s, const struct db_row *row) {
    struct reservation_row *r = sale_add_reservation(s);
    reservation_row_read(row, r);
    r->id.v = DB_ROW_U64(row, "reservation");
    seat_numbers_parse(DB_ROW_TEXT(row, "seat_numbers"), &r->seats);
}

static void take_seat(struct group *g, const struct db_row *row) {
    struct seat_row *seat = sale_add_seat(&g->sale);
    *seat = (struct seat_row){
        .performance = g->request[0]->performance,
        .number = DB_ROW_U64(row, "seat"),
        .reservation = DB_ROW_U64(row, "reservation_id"),
        .taken_until_ms = DB_ROW_U64(row, "taken_until_ms"),
        .was_reservation = DB_ROW_U64(row, "reservation_id"),
    };
}

static void take(void *ctx, const struct db_row *row) {
    struct group *g = ctx;
    struct sale *s = &g->sale;
    const char *result = db_row_result(row);
    if (strcmp(result, "place") == 0) {
        take_place(g, row);
    } else if (strcmp(result, "seat") == 0) {
        take_seat(g, row);
    } else if (strcmp(result, "user") == 0) {
        take_user(s, row);
    } else if (strcmp(result, "reservation") == 0) {
        take_reservation(s, row);
    } else if (strcmp(result, "performance") == 0) {
        take_performance(s, row);
    } else if (strcmp(result, "queue") == 0) {
        take_queue(s, row);
    } else if (strcmp(result, "key_index") == 0) {
        take_key(g, row);
    } else if (strcmp(result, "now_ms") == 0) {
        s->now_ms = DB_ROW_U64(row, "now_ms");
    } else if (strcmp(result, "keys_busy") == 0) {
        g->keys_busy = true;
    }
}

/* --- what to load --- */

/* The lists of one load; their memory is kept from one to the next. */
static struct { struct rows keys, users, reservations, holders, seats, places, members; } lists;

/* By user, so that users are locked in ascending order; the group itself keeps its order of
 * arrival. */
static int by_user(const void *a, const void *b) {
    const struct batch_request *const *x = a, *const *y = b;
    return memcmp((*x)->user.v, (*y)->user.v, sizeof(*x)->user.v);
}

static int by_number(const void *a, const void *b) {
    const struct batch_request *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static void put_key(struct group *g, const struct batch_request *r) {
    size_t i = 0;
    while (g->request[i] != r) i++;
    if (!r->idem || !r->idem->given) return;
    g->key[g->keys++] = (struct claimed){.request = i};
    rows_put(&lists.keys, "[");
    rows_hex(&lists.keys, r->user.v, sizeof r->user.v);
    rows_put(&lists.keys, ",");
    rows_hex(&lists.keys, r->idem->key, strlen(r->idem->key));
    rows_put(&lists.keys, ",");
    rows_hex(&lists.keys, r->idem->request_hash, HASH_BYTES);
    rows_put(&lists.keys, "]");
}

static void put_lists(struct group *g) {
    const struct batch_request *sorted[BATCH_MAX];
    struct rows *all[] = {&lists.keys,  &lists.users,  &lists.reservations, &lists.holders,
                          &lists.seats, &lists.places, &lists.members};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rows_begin(all[i]);
    memcpy(sorted, g->request, g->count * sizeof *sorted);
    qsort(sorted, g->count, sizeof *sorted, by_user);
    for (size_t i = 0; i < g->count; i++) {
        const struct batch_request *r = sorted[i];
        put_key(g, r);
        if (r->by_key) put_user(&lists.users, r->user);
        if (r->kind == BATCH_RELEASE || r->kind == BATCH_PAY || r->kind == BATCH_CANCEL)
            put_value(&lists.reservations, r->reservation.v);
        if (r->kind == BATCH_LEAVE) put_user(&lists.holders, r->user);
        if (r->kind == BATCH_JOIN) put_user(&lists.members, r->user);
        if (r->kind != BATCH_HOLD) continue;
        for (size_t k = 0; k < r->seats.count; k++) put_value(&lists.seats, r->seats.number[k]);
    }
    const struct batch_request *first = g->request[0];
    qsort(sorted, g->count, sizeof *sorted, by_number);
    bool by_place =
        first->kind == BATCH_LEAVE || first->kind == BATCH_HOLD || first->kind == BATCH_PAY;
    for (size_t i = 0; by_place && i < g->count; i++) put_value(&lists.places, sorted[i]->number);
    for (size_t i = 0; first->kind == BATCH_EXPIRE && i < first->overdue_count; i++)
        put_value(&lists.reservations, first->overdue[i]);
}

enum err group_load(struct db *db, struct group *g) {
    assert(db && g->count > 0 && g->count <= BATCH_MAX);
    const struct batch_request *first = g->request[0];
    enum batch_kind kind = first->kind;
    bool money = kind == BATCH_CHARGE || kind == BATCH_PAY || kind == BATCH_CANCEL;
    bool queue =
        kind == BATCH_JOIN || kind == BATCH_LEAVE || kind == BATCH_PAY || kind == BATCH_TICK;
    sale_reset(&g->sale);
    g->keys = 0;
    g->keys_busy = false;
    if (kind == BATCH_SIGN_UP) return E_OK;
    put_lists(g);
    enum err e = db_run(db, STMT_BATCH_LOAD,
                        DB_ARGS(rows_arg(&lists.keys), rows_arg(&lists.users), DB_U64(money),
                                rows_arg(&lists.reservations), rows_arg(&lists.holders),
                                kind == BATCH_HOLD ? DB_U64(first->performance.v) : DB_NULL,
                                rows_arg(&lists.seats), DB_U64(first->concert.v), DB_U64(queue),
                                rows_arg(&lists.places), rows_arg(&lists.members),
                                DB_U64(first->limit), DB_U64(first->limit)),
                        take, g, NULL);
    if (e) return e;
    assert(g->keys <= g->count);
    /* No queue is asked for where only its passes count; the rules compare the concert all the
     * same. */
    if (!g->sale.queue_found) g->sale.queue.concert = first->concert;
    return E_OK;
}
