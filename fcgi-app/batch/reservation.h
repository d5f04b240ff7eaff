/* SPDX-License-Identifier: 0BSD */
/* Reservations and payments, as they are read and shown. Holding, paying and giving back are in
 * sale/. */
#ifndef BOXOFFICE_RESERVATION_H
#define BOXOFFICE_RESERVATION_H

#include "base/ids.h"
#include "base/token.h"
#include "batch/idem.h"
#include "sale/sale.h"
#include "store/db.h"

#define SEATS_TEXT_MAX 600

struct reservation {
    struct reservation_id id;
    struct concert_id concert;
    struct performance_id performance;
    struct seat_numbers seats;
    uint64_t amount_minor;
    char status[12];
    uint64_t held_until_ms, created_at_ms, paid_at_ms; /* paid: 0 not */
};

struct payment {
    struct payment_id id;
    struct reservation_id reservation;
    struct concert_id concert;
    struct performance_id performance;
    struct seat_numbers seats;
    uint64_t amount_minor, balance_minor, paid_at_ms;
};

typedef void reservation_fn(void *ctx, const struct reservation *reservation);
typedef void payment_fn(void *ctx, const struct payment *payment);

/* A row of the rules, as it is shown. */
void reservation_of(const struct reservation_row *row, struct reservation *reservation_r);
/* Newest first, ids below `before` (0: all). Errors: CREDENTIALS_INVALID. */
enum err reservation_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit,
                          reservation_fn *each, void *ctx) MUST_USE;
enum err reservation_get(struct db *db, const struct cred *cred, struct reservation_id id,
                         reservation_fn *each, void *ctx) MUST_USE;
enum err payment_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit,
                      payment_fn *each, void *ctx) MUST_USE;
enum err payment_get(struct db *db, const struct cred *cred, struct payment_id id, payment_fn *each,
                     void *ctx) MUST_USE;

/* What a statement reads of a reservation for the rules, by the names of its columns; all but its
 * id, whose name tells the results of a load apart, and its seats. */
void reservation_row_read(const struct db_row *row, struct reservation_row *reservation_r);
/* Marks holds that ran out, at most tick_batch of them; how many. The first error, after all have
 * been tried. */
enum err holds_expire(struct db *db, const struct conf *conf, uint64_t *ended_r) MUST_USE;

/* "3,4" and back. */
void seat_numbers_text(const struct seat_numbers *seats, char text_r[SEATS_TEXT_MAX]);
void seat_numbers_parse(const char *text, struct seat_numbers *seats_r);
/* A row that bears RESERVATION_COLUMNS of stmt.def. */
void reservation_from_row(const struct db_row *row, struct reservation *reservation_r);

#endif
