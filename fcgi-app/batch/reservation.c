/* SPDX-License-Identifier: 0BSD */
/* Reservations and payments. */
#include "batch/reservation.h"

#include "batch/account.h"
#include "batch/batch.h"
#include "sale/sale.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void seat_numbers_text(const struct seat_numbers *seats, char text_r[SEATS_TEXT_MAX]) {
    size_t n = 0;
    text_r[0] = 0;
    assert(seats->count <= SEATS_MAX);
    for (size_t i = 0; i < seats->count; i++) {
        n += (size_t)snprintf(text_r + n, SEATS_TEXT_MAX - n, "%s%" PRIu64, i ? "," : "",
                              seats->number[i]);
        assert(n < SEATS_TEXT_MAX); /* numbers of seats have 32 bits */
    }
}

void seat_numbers_parse(const char *text, struct seat_numbers *seats_r) {
    assert(text && seats_r);
    seats_r->count = 0;
    while (*text && seats_r->count < SEATS_MAX) {
        char *end;
        seats_r->number[seats_r->count++] = strtoull(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') break;
    }
}

void reservation_from_row(const struct db_row *row, struct reservation *reservation_r) {
    assert(row && reservation_r);
    *reservation_r = (struct reservation){
        .id = {DB_ROW_U64(row, "reservation_id")},
        .concert = {DB_ROW_U64(row, "concert_id")},
        .performance = {DB_ROW_U64(row, "performance_id")},
        .amount_minor = DB_ROW_U64(row, "amount_minor"),
        .held_until_ms = DB_ROW_U64(row, "held_until_ms"),
        .created_at_ms = DB_ROW_U64(row, "created_at_ms"),
        .paid_at_ms = DB_ROW_U64(row, "paid_at_ms"),
    };
    seat_numbers_parse(DB_ROW_TEXT(row, "seat_numbers"), &reservation_r->seats);
    snprintf(reservation_r->status, sizeof reservation_r->status, "%s", DB_ROW_TEXT(row, "status"));
}

void reservation_row_read(const struct db_row *row, struct reservation_row *reservation_r) {
    *reservation_r = (struct reservation_row){
        .concert = {DB_ROW_U64(row, "concert_id")},
        .place_number = DB_ROW_U64(row, "place_number"),
        .performance = {DB_ROW_U64(row, "performance_id")},
        .amount_minor = DB_ROW_U64(row, "amount_minor"),
        .status = reservation_status_parse(DB_ROW_TEXT(row, "status")),
        .held_until_ms = DB_ROW_U64(row, "held_until_ms"),
        .created_at_ms = DB_ROW_U64(row, "created_at_ms"),
        .paid_at_ms = DB_ROW_U64(row, "paid_at_ms"),
    };
    reservation_r->was_status = reservation_r->status;
    if (!DB_ROW_BYTES(row, "user_id", reservation_r->user.v, sizeof reservation_r->user.v))
        abort(); /* BINARY(16) */
}

void reservation_of(const struct reservation_row *row, struct reservation *reservation_r) {
    assert(row && reservation_r && row->seats.count <= SEATS_MAX);
    *reservation_r = (struct reservation){
        .id = row->id,
        .concert = row->concert,
        .performance = row->performance,
        .seats = row->seats,
        .amount_minor = row->amount_minor,
        .held_until_ms = row->held_until_ms,
        .created_at_ms = row->created_at_ms,
        .paid_at_ms = row->paid_at_ms,
    };
    snprintf(reservation_r->status, sizeof reservation_r->status, "%s",
             reservation_status_name(row->status));
}

struct each {
    reservation_fn *reservation;
    payment_fn *payment;
    void *ctx;
    bool user, any;
};

static void take_reservation(void *ctx, const struct db_row *row) {
    struct each *l = ctx;
    struct reservation r;
    l->user = true;
    if (DB_ROW_NULL(row, "reservation_id")) return;
    l->any = true;
    reservation_from_row(row, &r);
    l->reservation(l->ctx, &r);
}

static void take_payment(void *ctx, const struct db_row *row) {
    struct each *l = ctx;
    l->user = true;
    if (DB_ROW_NULL(row, "payment_id")) return;
    l->any = true;
    struct payment p = {
        .id = {DB_ROW_U64(row, "payment_id")},
        .reservation = {DB_ROW_U64(row, "reservation_id")},
        .concert = {DB_ROW_U64(row, "concert_id")},
        .performance = {DB_ROW_U64(row, "performance_id")},
        .amount_minor = DB_ROW_U64(row, "amount_minor"),
        .balance_minor = DB_ROW_U64(row, "balance_minor"),
        .paid_at_ms = DB_ROW_U64(row, "paid_at_ms"),
    };
    seat_numbers_parse(DB_ROW_TEXT(row, "seat_numbers"), &p.seats);
    l->payment(l->ctx, &p);
}

static enum err list(struct db *db, enum stmt id, const struct cred *cred, uint64_t before,
                     uint64_t limit, db_row_fn *take, struct each *l) {
    enum err e = db_run(db, id,
                        DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->user.v, 16),
                                DB_BYTES(cred->access_hash, HASH_BYTES),
                                DB_U64(before ? before : INT64_MAX), DB_U64(limit)),
                        take, l, NULL);
    return e || l->user ? e : account_prove(db, cred);
}

static enum err get(struct db *db, enum stmt id, const struct cred *cred, uint64_t object,
                    db_row_fn *take, struct each *l, enum err none) {
    enum err e = db_run(db, id,
                        DB_ARGS(DB_U64(object), DB_BYTES(cred->user.v, 16),
                                DB_BYTES(cred->access_hash, HASH_BYTES)),
                        take, l, NULL);
    return e ? e : !l->user ? E_CREDENTIALS_INVALID : l->any ? E_OK : none;
}

enum err reservation_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit,
                          reservation_fn *each, void *ctx) {
    assert(db && cred && each && limit > 0);
    return list(db, STMT_RESERVATION_LIST, cred, before, limit, take_reservation,
                &(struct each){.reservation = each, .ctx = ctx});
}

enum err reservation_get(struct db *db, const struct cred *cred, struct reservation_id id,
                         reservation_fn *each, void *ctx) {
    assert(db && cred && each);
    return get(db, STMT_RESERVATION_GET, cred, id.v, take_reservation,
               &(struct each){.reservation = each, .ctx = ctx}, E_RESERVATION_NOT_FOUND);
}

enum err payment_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit,
                      payment_fn *each, void *ctx) {
    assert(db && cred && each && limit > 0);
    return list(db, STMT_PAYMENT_LIST, cred, before, limit, take_payment,
                &(struct each){.payment = each, .ctx = ctx});
}

enum err payment_get(struct db *db, const struct cred *cred, struct payment_id id, payment_fn *each,
                     void *ctx) {
    assert(db && cred && each);
    return get(db, STMT_PAYMENT_GET, cred, id.v, take_payment,
               &(struct each){.payment = each, .ctx = ctx}, E_PAYMENT_NOT_FOUND);
}

/* Ids of one look, in order of performance. */
struct overdue {
    struct row {
        uint64_t performance, reservation;
    } * row;
    size_t count, size;
};

static void take_overdue(void *ctx, const struct db_row *row) {
    struct overdue *o = ctx;
    if (o->count < o->size)
        o->row[o->count++] =
            (struct row){DB_ROW_U64(row, "performance_id"), DB_ROW_U64(row, "reservation_id")};
}

static int by_performance(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->performance != y->performance) return x->performance < y->performance ? -1 : 1;
    return (x->reservation > y->reservation) - (x->reservation < y->reservation);
}

/* Each performance's are a group of their own: one whose row is locked keeps back its own holds
 * only. */
static enum err expire_each(struct db *db, const struct conf *conf, const struct overdue *o,
                            uint64_t *ids, uint64_t *ended_r) {
    enum err e = E_OK;
    for (size_t i = 0, n; i < o->count; i += n) {
        for (n = 0; i + n < o->count && o->row[i + n].performance == o->row[i].performance; n++)
            ids[n] = o->row[i + n].reservation;
        struct batch_request r = {.kind = BATCH_EXPIRE, .overdue = ids, .overdue_count = n};
        enum err failed = batch_run_one(db, conf, &r);
        assert(r.expired <= n);
        if (failed) e = failed;
        *ended_r += r.expired;
    }
    return e;
}

enum err holds_expire(struct db *db, const struct conf *conf, uint64_t *ended_r) {
    assert(db && conf && conf->tick_batch > 0 && ended_r);
    size_t size = conf->tick_batch;
    struct overdue o = {.row = calloc(size, sizeof *o.row), .size = size};
    uint64_t *ids = calloc(size, sizeof *ids);
    if (!o.row || !ids) abort();
    *ended_r = 0;
    enum err e = db_run(db, STMT_HOLDS_OVERDUE, DB_ARGS(DB_U64(size)), take_overdue, &o, NULL);
    if (!e) {
        qsort(o.row, o.count, sizeof *o.row, by_performance);
        e = expire_each(db, conf, &o, ids, ended_r);
    }
    free(o.row);
    free(ids);
    return e;
}
