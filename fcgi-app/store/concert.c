/* SPDX-License-Identifier: 0BSD */
/* Concerts, performances and seats. */
#include "store/concert.h"

#include "batch/queue.h"

struct each_concert {
    concert_fn *each;
    void *ctx;
    bool any;
};

static void take_concert(void *ctx, const struct db_row *row) {
    struct each_concert *c = ctx;
    struct concert concert = {
        .id = {db_row_u64(row, 0)},
        .title = db_row_text(row, 1, NULL),
        .sales_open_at_ms = db_row_u64(row, 2),
        .sales_close_at_ms = db_row_u64(row, 3),
        .performances = db_row_u64(row, 4),
    };
    c->any = true;
    c->each(c->ctx, &concert);
}

enum err concert_list(struct db *db, uint64_t after, uint64_t limit, concert_fn *each, void *ctx) {
    struct each_concert c = {each, ctx, false};
    return db_run(db, STMT_CONCERT_LIST, DB_ARGS(DB_U64(after), DB_U64(limit)), take_concert, &c,
                  NULL);
}

enum err concert_get(struct db *db, struct concert_id id, concert_fn *each, void *ctx) {
    struct each_concert c = {each, ctx, false};
    enum err e = db_run(db, STMT_CONCERT_GET, DB_ARGS(DB_U64(id.v)), take_concert, &c, NULL);
    return e ? e : c.any ? E_OK : E_CONCERT_NOT_FOUND;
}

/* The place's columns come first in each row: state, claimed_at_ms, expires_at_ms, now_ms. */
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
    if (!b->any) b->pass = queue_pass_check(row, 0, &b->claim);
    b->any = true;
    if (b->pass || db_row_null(row, 4)) return;
    struct performance p = {
        .id = {db_row_u64(row, 4)},
        .starts_at_ms = db_row_u64(row, 5),
        .venue = db_row_text(row, 6, NULL),
        .price_minor = db_row_u64(row, 7),
        .total_seats = db_row_u64(row, 8),
        .available_seats = db_row_u64(row, 9),
        .sales_open_at_ms = db_row_u64(row, 10),
        .sales_close_at_ms = db_row_u64(row, 11),
    };
    b->performance(b->ctx, &p);
}

enum err performance_list(struct db *db, const struct conf *conf, const struct token *token,
                          performance_fn *each, void *ctx) {
    struct behind_pass b = {.performance = each, .ctx = ctx};
    enum err e = db_run(
        db, STMT_PERFORMANCE_LIST,
        DB_ARGS(DB_U64(token->concert.v), DB_U64(token->number), DB_BYTES(token->user.v, 16)),
        take_performance, &b, NULL);
    return pass_result(db, conf, token, &b, e);
}

static void take_seat(void *ctx, const struct db_row *row) {
    struct behind_pass *b = ctx;
    uint64_t now_ms = db_row_u64(row, 3);
    if (!b->any) {
        b->pass = queue_pass_check(row, 0, &b->claim);
        if (db_row_null(row, 4))
            b->object = E_PERFORMANCE_NOT_FOUND;
        else if (db_row_u64(row, 4) != b->concert)
            b->pass = E_QUEUE_TOKEN_WRONG_CONCERT;
        b->seats =
            (struct seats){.price_minor = db_row_u64(row, 5), .total_seats = db_row_u64(row, 6)};
    }
    b->any = true;
    if (b->pass || b->object) return;
    uint64_t until_ms = db_row_u64(row, 7);
    enum seat_status status = until_ms == INT64_MAX ? SEAT_SOLD
                              : until_ms > now_ms   ? SEAT_HELD
                                                    : SEAT_AVAILABLE;
    b->seats.available_seats += status == SEAT_AVAILABLE;
    b->seat(b->ctx, ++b->seat_number, status, b->seats.price_minor);
}

enum err seat_list(struct db *db, const struct conf *conf, const struct token *token,
                   struct performance_id performance, seat_fn *each, void *ctx,
                   struct seats *seats_r) {
    struct behind_pass b = {.seat = each, .ctx = ctx, .concert = token->concert.v};
    enum err e = db_run(db, STMT_SEAT_LIST,
                        DB_ARGS(DB_U64(token->concert.v), DB_U64(token->number),
                                DB_BYTES(token->user.v, 16), DB_U64(performance.v)),
                        take_seat, &b, NULL);
    *seats_r = b.seats;
    return pass_result(db, conf, token, &b, e);
}

static void take_id(void *ctx, const struct db_row *row) {
    if (db_row_columns(row) > 1) *(uint64_t *)ctx = db_row_u64(row, 1);
}

enum err concert_add(struct db *db, const char *title, uint64_t max_active, uint64_t open_ms,
                     uint64_t close_ms, struct concert_id *id_r) {
    return db_run(db, STMT_CONCERT_ADD,
                  DB_ARGS(db_text(title), DB_U64(max_active), db_u64_or_null(open_ms),
                          db_u64_or_null(close_ms)),
                  take_id, &id_r->v, NULL);
}

enum err performance_add(struct db *db, struct concert_id concert, uint64_t starts_at_ms,
                         const char *venue, uint64_t price_minor, uint64_t seats, uint64_t open_ms,
                         uint64_t close_ms, struct performance_id *id_r) {
    return db_run(db, STMT_PERFORMANCE_ADD,
                  DB_ARGS(DB_U64(concert.v), DB_U64(starts_at_ms), db_text(venue),
                          DB_U64(price_minor), DB_U64(seats), db_u64_or_null(open_ms),
                          db_u64_or_null(close_ms)),
                  take_id, &id_r->v, NULL);
}
