/* Reservations and payments. */
#include "batch/reservation.h"

#include "base/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void seat_numbers_text(const struct seat_numbers *seats, char text_r[SEATS_TEXT_MAX]) {
    size_t n = 0;
    text_r[0] = 0;
    for (size_t i = 0; i < seats->count; i++)
        n += (size_t)snprintf(text_r + n, SEATS_TEXT_MAX - n, "%s%" PRIu64, i ? "," : "", seats->number[i]);
}

void seat_numbers_parse(const char *text, struct seat_numbers *seats_r) {
    seats_r->count = 0;
    while (*text && seats_r->count < SEATS_MAX) {
        char *end;
        seats_r->number[seats_r->count++] = strtoull(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') break;
    }
}

void reservation_from_row(const struct db_row *row, size_t column, struct reservation *reservation_r) {
    *reservation_r = (struct reservation){
        .id = {db_row_u64(row, column)},
        .concert = {db_row_u64(row, column + 1)},
        .performance = {db_row_u64(row, column + 2)},
        .amount_minor = db_row_u64(row, column + 4),
        .held_until_ms = db_row_u64(row, column + 6),
        .created_at_ms = db_row_u64(row, column + 7),
        .paid_at_ms = db_row_u64(row, column + 8),
    };
    seat_numbers_parse(db_row_text(row, column + 3, NULL), &reservation_r->seats);
    snprintf(reservation_r->status, sizeof reservation_r->status, "%s", db_row_text(row, column + 5, NULL));
}

struct hold {
    struct idem *idem;
    struct reservation *reservation;
    struct seat_numbers *taken;
};

static void take_hold(void *ctx, const struct db_row *row) {
    struct hold *h = ctx;
    if (idem_take(h->idem, row) || db_row_columns(row) < 7) return;
    h->reservation->id.v = db_row_u64(row, 1);
    h->reservation->concert.v = db_row_u64(row, 2);
    h->reservation->amount_minor = db_row_u64(row, 3);
    h->reservation->held_until_ms = db_row_u64(row, 4);
    h->reservation->created_at_ms = db_row_u64(row, 5);
    seat_numbers_parse(db_row_text(row, 6, NULL), h->taken);
}

enum err reservation_hold(struct db *db, const struct conf *conf, const struct token *token, struct performance_id performance,
                          const struct seat_numbers *seats, struct idem *idem, struct reservation *reservation_r,
                          struct seat_numbers *taken_r) {
    char text[SEATS_TEXT_MAX];
    seat_numbers_text(seats, text);
    *reservation_r = (struct reservation){.performance = performance, .seats = *seats, .status = "HELD"};
    taken_r->count = 0;
    struct hold h = {idem, reservation_r, taken_r};
    return db_run(db, STMT_RESERVATION_HOLD,
                  DB_ARGS(DB_BYTES(token->user.v, 16), DB_U64(token->concert.v), DB_U64(token->number), DB_U64(performance.v), db_text(text),
                          DB_U64(seats->count), DB_U64(conf->seats_per_user_max), DB_U64(conf->hold_ttl_ms), DB_U64(conf->active_ttl_ms),
                          IDEM_ARGS(idem)),
                  take_hold, &h, NULL);
}

struct pay {
    struct idem *idem;
    struct payment *payment;
};

static void take_pay(void *ctx, const struct db_row *row) {
    struct pay *p = ctx;
    if (idem_take(p->idem, row) || db_row_columns(row) < 8) return;
    p->payment->id.v = db_row_u64(row, 1);
    p->payment->concert.v = db_row_u64(row, 2);
    p->payment->performance.v = db_row_u64(row, 3);
    seat_numbers_parse(db_row_text(row, 4, NULL), &p->payment->seats);
    p->payment->amount_minor = db_row_u64(row, 5);
    p->payment->balance_minor = db_row_u64(row, 6);
    p->payment->paid_at_ms = db_row_u64(row, 7);
}

enum err reservation_pay(struct db *db, const struct cred *cred, const struct token *token, struct reservation_id id, struct idem *idem,
                         struct payment *payment_r) {
    *payment_r = (struct payment){.reservation = id};
    struct pay p = {idem, payment_r};
    return db_run(db, STMT_RESERVATION_PAY,
                  DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES), DB_U64(token->concert.v),
                          DB_U64(token->number), DB_U64(id.v), IDEM_ARGS(idem)),
                  take_pay, &p, NULL);
}

enum err reservation_release(struct db *db, const struct cred *cred, struct reservation_id id) {
    return db_run(db, STMT_RESERVATION_RELEASE,
                  DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES), DB_U64(id.v)), NULL, NULL, NULL);
}

struct cancel {
    struct idem *idem;
    struct reservation *reservation;
};

static void take_cancel(void *ctx, const struct db_row *row) {
    struct cancel *c = ctx;
    if (idem_take(c->idem, row) || db_row_columns(row) < 10) return;
    reservation_from_row(row, 1, c->reservation);
}

enum err reservation_cancel(struct db *db, const struct conf *conf, const struct cred *cred, struct reservation_id id,
                            struct idem *idem, struct reservation *reservation_r) {
    struct cancel c = {idem, reservation_r};
    return db_run(db, STMT_RESERVATION_CANCEL,
                  DB_ARGS(DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES), DB_U64(id.v), DB_U64(conf->cancel_cutoff_ms),
                          DB_U64(BALANCE_MINOR_MAX), IDEM_ARGS(idem)),
                  take_cancel, &c, NULL);
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
    if (db_row_null(row, 0)) return;
    l->any = true;
    reservation_from_row(row, 0, &r);
    l->reservation(l->ctx, &r);
}

static void take_payment(void *ctx, const struct db_row *row) {
    struct each *l = ctx;
    l->user = true;
    if (db_row_null(row, 0)) return;
    l->any = true;
    struct payment p = {
        .id = {db_row_u64(row, 0)},
        .reservation = {db_row_u64(row, 1)},
        .concert = {db_row_u64(row, 2)},
        .performance = {db_row_u64(row, 3)},
        .amount_minor = db_row_u64(row, 5),
        .balance_minor = db_row_u64(row, 6),
        .paid_at_ms = db_row_u64(row, 7),
    };
    seat_numbers_parse(db_row_text(row, 4, NULL), &p.seats);
    l->payment(l->ctx, &p);
}

static enum err list(struct db *db, enum stmt id, const struct cred *cred, uint64_t before, uint64_t limit, db_row_fn *take, struct each *l) {
    enum err e = db_run(db, id,
                        DB_ARGS(DB_BYTES(cred->user.v, 16), DB_U64(before ? before : INT64_MAX), DB_U64(limit), DB_BYTES(cred->user.v, 16),
                                DB_BYTES(cred->access_hash, HASH_BYTES)),
                        take, l, NULL);
    return e ? e : l->user ? E_OK : E_CREDENTIALS_INVALID;
}

static enum err get(struct db *db, enum stmt id, const struct cred *cred, uint64_t object, db_row_fn *take, struct each *l, enum err none) {
    enum err e = db_run(db, id, DB_ARGS(DB_U64(object), DB_BYTES(cred->user.v, 16), DB_BYTES(cred->access_hash, HASH_BYTES)), take, l, NULL);
    return e ? e : !l->user ? E_CREDENTIALS_INVALID : l->any ? E_OK : none;
}

enum err reservation_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit, reservation_fn *each, void *ctx) {
    return list(db, STMT_RESERVATION_LIST, cred, before, limit, take_reservation, &(struct each){.reservation = each, .ctx = ctx});
}

enum err reservation_get(struct db *db, const struct cred *cred, struct reservation_id id, reservation_fn *each, void *ctx) {
    return get(db, STMT_RESERVATION_GET, cred, id.v, take_reservation, &(struct each){.reservation = each, .ctx = ctx}, E_RESERVATION_NOT_FOUND);
}

enum err payment_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit, payment_fn *each, void *ctx) {
    return list(db, STMT_PAYMENT_LIST, cred, before, limit, take_payment, &(struct each){.payment = each, .ctx = ctx});
}

enum err payment_get(struct db *db, const struct cred *cred, struct payment_id id, payment_fn *each, void *ctx) {
    return get(db, STMT_PAYMENT_GET, cred, id.v, take_payment, &(struct each){.payment = each, .ctx = ctx}, E_PAYMENT_NOT_FOUND);
}

static void take_ended(void *ctx, const struct db_row *row) { *(uint64_t *)ctx = DB_ROW_U64(row, "ended"); }

enum err holds_expire(struct db *db, const struct conf *conf, uint64_t *ended_r) {
    *ended_r = 0;
    return db_run(db, STMT_HOLDS_EXPIRE, DB_ARGS(DB_U64(conf->tick_batch)), take_ended, ended_r, NULL);
}
