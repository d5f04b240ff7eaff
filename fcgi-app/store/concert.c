/* SPDX-License-Identifier: 0BSD */
/* Concerts, performances and seats. */
#include "store/concert.h"

#include "batch/queue.h"

#include <assert.h>

struct each_concert {
    concert_fn *each;
    void *ctx;
    bool any;
};

static void take_concert(void *ctx, const struct db_row *row) {
    struct each_concert *c = ctx;
    struct concert concert = {
        .id = {DB_ROW_U64(row, "concert_id")},
        .title = DB_ROW_TEXT(row, "title"),
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
        .sales_close_at_ms = DB_ROW_U64(row, "sales_close_at_ms"),
        .performances = DB_ROW_U64(row, "performances"),
    };
    c->any = true;
    c->each(c->ctx, &concert);
}

enum err concert_list(struct db *db, uint64_t after, uint64_t limit, concert_fn *each, void *ctx) {
    assert(db && each && limit > 0);
    struct each_concert c = {each, ctx, false};
    return db_run(db, STMT_CONCERT_LIST, DB_ARGS(DB_U64(after), DB_U64(limit)), take_concert, &c,
                  NULL);
}

enum err concert_get(struct db *db, struct concert_id id, concert_fn *each, void *ctx) {
    assert(db && each);
    struct each_concert c = {each, ctx, false};
    enum err e = db_run(db, STMT_CONCERT_GET, DB_ARGS(DB_U64(id.v)), take_concert, &c, NULL);
    return e ? e : c.any ? E_OK : E_CONCERT_NOT_FOUND;
}

struct each_date {
    performance_fn *each;
    void *ctx;
};

static void take_date(void *ctx, const struct db_row *row) {
    struct each_date *d = ctx;
    struct performance p = {
        .id = {DB_ROW_U64(row, "performance_id")},
        .starts_at_ms = DB_ROW_U64(row, "starts_at_ms"),
        .venue = DB_ROW_TEXT(row, "venue"),
        .price_minor = DB_ROW_U64(row, "price_minor"),
        .total_seats = DB_ROW_U64(row, "total_seats"),
    };
    d->each(d->ctx, &p);
}

enum err performance_dates(struct db *db, struct concert_id concert, performance_fn *each,
                           void *ctx) {
    assert(db && each);
    struct each_date d = {each, ctx};
    return db_run(db, STMT_PERFORMANCE_DATES, DB_ARGS(DB_U64(concert.v)), take_date, &d, NULL);
}

/* Of rows that bear the place's columns each, for queue_pass_check. */
struct behind_pass {
    bool any, claim;
    enum err pass, object;
    uint64_t concert;
    performance_fn *performance;
    seat_fn *seat;
    void *ctx;
    struct seats seats;
    uint64_t seat_number;
};

static enum err pass_result(struct db *db, const struct conf *conf, const struct token *token,
                            const struct behind_pass *b, enum err e) {
    if (e) return e;
    if (!b->any) return E_QUEUE_TOKEN_INVALID;
    if (b->pass) return b->pass;
    if (b->claim && (e = queue_claim(db, conf, token))) return e;
    return b->object;
}

static void take_performance(void *ctx, const struct db_row *row) {
    struct behind_pass *b = ctx;
    if (!b->any) b->pass = queue_pass_check(row, &b->claim);
    b->any = true;
    if (b->pass || DB_ROW_NULL(row, "performance_id")) return;
    struct performance p = {
        .id = {DB_ROW_U64(row, "performance_id")},
        .starts_at_ms = DB_ROW_U64(row, "starts_at_ms"),
        .venue = DB_ROW_TEXT(row, "venue"),
        .price_minor = DB_ROW_U64(row, "price_minor"),
        .total_seats = DB_ROW_U64(row, "total_seats"),
        .available_seats = DB_ROW_U64(row, "available_seats"),
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
        .sales_close_at_ms = DB_ROW_U64(row, "sales_close_at_ms"),
    };
    b->performance(b->ctx, &p);
}

enum err performance_list(struct db *db, const struct conf *conf, const struct token *token,
                          performance_fn *each, void *ctx) {
    assert(db && conf && token && each);
    struct behind_pass b = {.performance = each, .ctx = ctx};
    enum err e = db_run(
        db, STMT_PERFORMANCE_LIST,
        DB_ARGS(DB_U64(token->concert.v), DB_U64(token->number), DB_BYTES(token->user.v, 16)),
        take_performance, &b, NULL);
    return pass_result(db, conf, token, &b, e);
}

static void take_seat(void *ctx, const struct db_row *row) {
    struct behind_pass *b = ctx;
    uint64_t now_ms = DB_ROW_U64(row, "now_ms");
    if (!b->any) {
        b->pass = queue_pass_check(row, &b->claim);
        if (DB_ROW_NULL(row, "concert_id"))
            b->object = E_PERFORMANCE_NOT_FOUND;
        else if (DB_ROW_U64(row, "concert_id") != b->concert)
            b->pass = E_QUEUE_TOKEN_WRONG_CONCERT;
        b->seats = (struct seats){.price_minor = DB_ROW_U64(row, "price_minor"),
                                  .total_seats = DB_ROW_U64(row, "total_seats")};
    }
    b->any = true;
    if (b->pass || b->object) return;
    uint64_t until_ms = DB_ROW_U64(row, "taken_until_ms");
    enum seat_status status = until_ms == INT64_MAX ? SEAT_SOLD
                              : until_ms > now_ms   ? SEAT_HELD
                                                    : SEAT_AVAILABLE;
    b->seats.available_seats += status == SEAT_AVAILABLE;
    b->seat(b->ctx, ++b->seat_number, status, b->seats.price_minor);
}

enum err seat_list(struct db *db, const struct conf *conf, const struct token *token,
                   struct performance_id performance, seat_fn *each, void *ctx,
                   struct seats *seats_r) {
    assert(db && conf && token && each && seats_r);
    struct behind_pass b = {.seat = each, .ctx = ctx, .concert = token->concert.v};
    enum err e = db_run(db, STMT_SEAT_LIST,
                        DB_ARGS(DB_U64(token->concert.v), DB_U64(token->number),
                                DB_BYTES(token->user.v, 16), DB_U64(performance.v)),
                        take_seat, &b, NULL);
    *seats_r = b.seats;
    return pass_result(db, conf, token, &b, e);
}

/* A refusal has its code alone. */
static void take_concert_id(void *ctx, const struct db_row *row) {
    if (db_row_columns(row) > 1) *(uint64_t *)ctx = DB_ROW_U64(row, "concert_id");
}

static void take_performance_id(void *ctx, const struct db_row *row) {
    if (db_row_columns(row) > 1) *(uint64_t *)ctx = DB_ROW_U64(row, "performance_id");
}

enum err concert_add(struct db *db, const char *title, uint64_t max_active, uint64_t open_ms,
                     uint64_t close_ms, struct concert_id *id_r) {
    assert(db && title && id_r);
    enum err e = db_run(db, STMT_CONCERT_ADD,
                        DB_ARGS(db_text(title), DB_U64(max_active), db_u64_or_null(open_ms),
                                db_u64_or_null(close_ms)),
                        take_concert_id, &id_r->v, NULL);
    assert(e || id_r->v);
    return e;
}

enum err performance_add(struct db *db, struct concert_id concert, uint64_t starts_at_ms,
                         const char *venue, uint64_t price_minor, uint64_t seats, uint64_t open_ms,
                         uint64_t close_ms, struct performance_id *id_r) {
    assert(db && venue && id_r);
    enum err e =
        db_run(db, STMT_PERFORMANCE_ADD,
               DB_ARGS(DB_U64(concert.v), DB_U64(starts_at_ms), db_text(venue), DB_U64(price_minor),
                       DB_U64(seats), db_u64_or_null(open_ms), db_u64_or_null(close_ms)),
               take_performance_id, &id_r->v, NULL);
    assert(e || id_r->v);
    return e;
}
