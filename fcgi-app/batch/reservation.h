/* Reservations: holding seats, paying for them, giving them back. The rules are the reservation_…
 * procedures in sql/. */
#ifndef BOXOFFICE_RESERVATION_H
#define BOXOFFICE_RESERVATION_H

#include "store/db.h"
#include "batch/idem.h"
#include "base/ids.h"
#include "base/token.h"

#define SEATS_MAX 50 /* of one reservation; the setting seats_per_user_max is at most this */
#define SEATS_TEXT_MAX 600

/* Seat numbers, ascending and distinct. */
struct seat_numbers {
    size_t count;
    uint64_t number[SEATS_MAX];
};

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

/* All the seats or none. Errors: REPLAYED and the idempotency ones, the queue pass's, PERFORMANCE_NOT_FOUND,
 * SEAT_NOT_FOUND, SALES_CLOSED, SEAT_LIMIT_EXCEEDED, SEAT_TAKEN (taken_r: which). */
enum err reservation_hold(struct db *db, const struct conf *conf, const struct token *token, struct performance_id performance,
                          const struct seat_numbers *seats, struct idem *idem, struct reservation *reservation_r,
                          struct seat_numbers *taken_r) MUST_USE;
/* Errors: CREDENTIALS_INVALID, REPLAYED and the idempotency ones, the queue pass's, RESERVATION_NOT_FOUND,
 * ALREADY_PAID, RESERVATION_ENDED, HOLD_EXPIRED, INSUFFICIENT_BALANCE (payment_r: amount and balance). */
enum err reservation_pay(struct db *db, const struct cred *cred, const struct token *token, struct reservation_id id, struct idem *idem,
                         struct payment *payment_r) MUST_USE;
/* Errors: CREDENTIALS_INVALID, RESERVATION_NOT_FOUND, ALREADY_PAID, RESERVATION_ENDED, HOLD_EXPIRED. */
enum err reservation_release(struct db *db, const struct cred *cred, struct reservation_id id) MUST_USE;
/* Errors: the same, CANCEL_TOO_LATE, BALANCE_LIMIT_EXCEEDED, but never ALREADY_PAID. */
enum err reservation_cancel(struct db *db, const struct conf *conf, const struct cred *cred, struct reservation_id id,
                            struct idem *idem, struct reservation *reservation_r) MUST_USE;
/* Newest first, ids below `before` (0: all). Errors: CREDENTIALS_INVALID. */
enum err reservation_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit, reservation_fn *each, void *ctx) MUST_USE;
enum err reservation_get(struct db *db, const struct cred *cred, struct reservation_id id, reservation_fn *each, void *ctx) MUST_USE;
enum err payment_list(struct db *db, const struct cred *cred, uint64_t before, uint64_t limit, payment_fn *each, void *ctx) MUST_USE;
enum err payment_get(struct db *db, const struct cred *cred, struct payment_id id, payment_fn *each, void *ctx) MUST_USE;

/* "3,4" and back. */
void seat_numbers_text(const struct seat_numbers *seats, char text_r[SEATS_TEXT_MAX]);
void seat_numbers_parse(const char *text, struct seat_numbers *seats_r);
/* A row that begins with RESERVATION_COLUMNS of stmt.def. */
void reservation_from_row(const struct db_row *row, size_t column, struct reservation *reservation_r);

/* Tidies up after holds that ran out, at most tick_batch of them. Inside db_transaction or db_once. */
enum err holds_expire(struct db *db, const struct conf *conf, uint64_t *ended_r) MUST_USE;

#endif
