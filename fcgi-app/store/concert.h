/* SPDX-License-Identifier: 0BSD */
/* Concerts, their performances and seats: what can be looked at, and adding them. */
#ifndef BOXOFFICE_CONCERT_H
#define BOXOFFICE_CONCERT_H

#include "base/ids.h"
#include "base/token.h"
#include "store/db.h"

/* Times: ms since 1970, 0: no bound. Texts live until the row function returns. */
struct concert {
    struct concert_id id;
    const char *title;
    uint64_t sales_open_at_ms, sales_close_at_ms, performances;
};
struct performance {
    struct performance_id id;
    uint64_t starts_at_ms, price_minor, total_seats, available_seats, sales_open_at_ms,
        sales_close_at_ms;
    const char *venue;
};
struct seats {
    uint64_t price_minor, total_seats, available_seats;
};
enum seat_status { SEAT_AVAILABLE, SEAT_HELD, SEAT_SOLD };

typedef void concert_fn(void *ctx, const struct concert *concert);
typedef void performance_fn(void *ctx, const struct performance *performance);
/* In ascending order of number, from 1. */
typedef void seat_fn(void *ctx, uint64_t number, enum seat_status status, uint64_t price_minor);

/* Those with an id above `after`, at most `limit`, by id. */
enum err concert_list(struct db *db, uint64_t after, uint64_t limit, concert_fn *each,
                      void *ctx) MUST_USE;
/* Errors: CONCERT_NOT_FOUND. */
enum err concert_get(struct db *db, struct concert_id id, concert_fn *each, void *ctx) MUST_USE;
/* All dates of a concert, past ones too, for commands; seats that are left and times of sale are
 * not told. */
enum err performance_dates(struct db *db, struct concert_id concert, performance_fn *each,
                           void *ctx) MUST_USE;
/* Those on sale now. Needs an active pass for their concert: QUEUE_NOT_ADMITTED,
 * QUEUE_TOKEN_EXPIRED, QUEUE_TOKEN_INVALID. */
enum err performance_list(struct db *db, const struct conf *conf, const struct token *token,
                          performance_fn *each, void *ctx) MUST_USE;
/* The same errors, QUEUE_TOKEN_WRONG_CONCERT and PERFORMANCE_NOT_FOUND. */
enum err seat_list(struct db *db, const struct conf *conf, const struct token *token,
                   struct performance_id performance, seat_fn *each, void *ctx,
                   struct seats *seats_r) MUST_USE;

enum err concert_add(struct db *db, const char *title, uint64_t max_active, uint64_t open_ms,
                     uint64_t close_ms, struct concert_id *id_r) MUST_USE;
/* Errors: CONCERT_NOT_FOUND. */
enum err performance_add(struct db *db, struct concert_id concert, uint64_t starts_at_ms,
                         const char *venue, uint64_t price_minor, uint64_t seats, uint64_t open_ms,
                         uint64_t close_ms, struct performance_id *id_r) MUST_USE;

#endif
