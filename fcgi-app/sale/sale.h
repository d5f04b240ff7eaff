/* SPDX-License-Identifier: 0BSD */
/* The rules of a sale: joining, leaving, letting in, holding, releasing, running out, paying,
 * cancelling, charging.
 *
 * Each rule is a function of the rows that it is given, one request, and the time; it changes the
 * rows in memory and marks what is to be written. Nothing else lives here: no database, no clock,
 * no JSON. A batch is the same rows with one request after the other, each seeing what those before
 * it did. Whoever calls has loaded every row that a rule may ask for, locked in the order of
 * batch/load.h, and stores all that is marked, or nothing.
 *
 * Times are ms since 1970 by the database's clock, 0: none or no bound. Money is in minor units. */
#ifndef BOXOFFICE_SALE_H
#define BOXOFFICE_SALE_H

#include "base/err.h"
#include "base/ids.h"
#include "base/money.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEATS_MAX 50 /* of one reservation; the setting seats_per_user_max is at most this */
#define SOLD_MS ((uint64_t)INT64_MAX) /* taken_until_ms of a seat that was sold */

/* Seat numbers, ascending and distinct. */
struct seat_numbers {
    size_t count;
    uint64_t number[SEATS_MAX];
};

enum change { SAME, CHANGED, NEW };

struct user_row {
    struct user_id id;
    uint8_t access_hash[HASH_BYTES];
    uint64_t balance_minor;
    enum change change;
};

enum place_state { PLACE_WAITING, PLACE_ACTIVE, PLACE_COMPLETED, PLACE_LEFT, PLACE_EXPIRED };

struct queue_row {
    struct concert_id concert;
    uint64_t sales_open_at_ms, sales_close_at_ms; /* the concert's */
    uint64_t tail, admitted_through, waiting, active, admitted_total, no_show_total, max_active,
        event_seq;
    bool paused, draining;
    enum change change;
};

/* Of the queue at hand. */
struct place_row {
    uint64_t number;
    struct user_id user;
    enum place_state state;
    bool joined_active;
    uint64_t join_seq;
    uint64_t joined_at_ms, admitted_at_ms, claimed_at_ms, expires_at_ms, ended_at_ms;
    enum change change;
};

enum queue_event_kind { EVENT_ADMIT, EVENT_COMPLETE, EVENT_LEAVE, EVENT_EXPIRE, EVENT_NO_SHOW };
struct queue_event {
    uint64_t seq, number;
    enum queue_event_kind kind;
};

struct performance_row {
    struct performance_id id;
    struct concert_id concert;
    uint64_t price_minor, total_seats, starts_at_ms;
    uint64_t sales_open_at_ms, sales_close_at_ms; /* its own, or its concert's */
    uint64_t event_seq;
    enum change change;
};

enum reservation_status {
    RESERVATION_HELD,
    RESERVATION_PAID,
    RESERVATION_RELEASED,
    RESERVATION_EXPIRED,
    RESERVATION_CANCELLED
};
struct reservation_row {
    struct reservation_id id; /* 0 while NEW: the database gives it */
    struct user_id user;
    struct concert_id concert;
    uint64_t place_number;
    struct performance_id performance;
    struct seat_numbers seats;
    uint64_t amount_minor;
    enum reservation_status status, was_status; /* now; as it was loaded */
    uint64_t held_until_ms, created_at_ms, paid_at_ms;
    enum change change;
};
struct reservation_event {
    size_t reservation; /* its index among the rows */
    enum reservation_status kind;
    struct performance_id performance;
    uint64_t seq;
};

/* Of the performance that is held in. `was_…` is what the database is to find when it is written:
 * whoever else may have changed it (a release before this one), the last arbiter is that condition.
 */
struct seat_row {
    struct performance_id performance;
    uint64_t number;
    uint64_t reservation; /* 0: nobody */
    uint64_t taken_until_ms;
    uint64_t was_reservation;
    size_t taker; /* the index of the reservation that takes or gives it, when it changed */
    enum change change;
};

/* Seats of the performance at hand that a user holds or owns. */
struct have_row {
    struct user_id user;
    uint64_t seats;
};

struct payment_row {
    size_t reservation; /* its index among the rows */
    uint64_t balance_minor;
};

enum entry_type { ENTRY_CHARGE, ENTRY_PAYMENT, ENTRY_REFUND };
struct entry_row {
    struct user_id user;
    enum entry_type type;
    int64_t amount_minor;
    uint64_t balance_after_minor;
    size_t reservation; /* its index, of a PAYMENT or REFUND */
};

/* What a batch works on: rows loaded, and rows that rules add. Lists grow by sale_add_…; freed by
 * sale_clear. */
#define SALE_LIST(type, name)                                                                      \
    type *name;                                                                                    \
    size_t name##_count, name##_size
struct sale {
    uint64_t now_ms; /* read after the locks have been got */
    bool queue_found;
    struct queue_row queue;
    SALE_LIST(struct user_row, users);
    SALE_LIST(struct place_row, places);
    SALE_LIST(struct performance_row, performances);
    SALE_LIST(struct reservation_row, reservations);
    SALE_LIST(struct seat_row, seats);
    SALE_LIST(struct have_row, haves);
    SALE_LIST(struct queue_event, queue_events);
    SALE_LIST(struct reservation_event, reservation_events);
    SALE_LIST(struct payment_row, payments);
    SALE_LIST(struct entry_row, entries);
};

/* Settings that rules go by. */
struct sale_terms {
    uint64_t active_ttl_ms, claim_ttl_ms, hold_ttl_ms, seats_per_user_max, cancel_cutoff_ms,
        waiting_max;
};

/* A zeroed row at a list's end. Never NULL: without memory the process ends. */
struct user_row *sale_add_user(struct sale *s);
struct place_row *sale_add_place(struct sale *s);
struct performance_row *sale_add_performance(struct sale *s);
struct reservation_row *sale_add_reservation(struct sale *s);
struct seat_row *sale_add_seat(struct sale *s);
struct have_row *sale_add_have(struct sale *s);
struct queue_event *sale_add_queue_event(struct sale *s);
struct reservation_event *sale_add_reservation_event(struct sale *s);
struct payment_row *sale_add_payment(struct sale *s);
struct entry_row *sale_add_entry(struct sale *s);
/* Empties all lists; keeps their memory. */
void sale_reset(struct sale *s);
void sale_free(struct sale *s);
/* NULL when it was not loaded: there is none. */
struct user_row *sale_user(const struct sale *s, struct user_id id);
struct performance_row *sale_performance(const struct sale *s, struct performance_id id);
struct reservation_row *sale_reservation(const struct sale *s, struct reservation_id id);
struct place_row *sale_place(const struct sale *s, uint64_t number, struct user_id user);
struct seat_row *sale_seat(const struct sale *s, struct performance_id performance,
                           uint64_t number);
size_t sale_index(const struct sale *s, const struct reservation_row *r);

const char *place_state_name(enum place_state state);
const char *reservation_status_name(enum reservation_status status);
const char *queue_event_name(enum queue_event_kind kind);
const char *entry_type_name(enum entry_type type);
/* EXPIRED for what is none. */
enum place_state place_state_parse(const char *text);
enum reservation_status reservation_status_parse(const char *text);

/* --- credentials (account.c) --- */

/* Errors: CREDENTIALS_INVALID. Comparing takes the same time whatever differs. */
enum err sale_credentials(const struct sale *s, const struct cred *cred) MUST_USE;

/* --- the queue (queue.c) --- */

/* The pass of a place's holder, for what needs one. Errors: QUEUE_TOKEN_INVALID,
 * QUEUE_NOT_ADMITTED, QUEUE_TOKEN_EXPIRED. Whoever is let in and asks has shown up, also when what
 * they ask is refused. */
enum err sale_pass(struct sale *s, const struct sale_terms *terms, uint64_t number,
                   struct user_id user, struct place_row **place_r) MUST_USE;

struct join_outcome {
    bool already;
    uint64_t ahead; /* who waited in front at joining; of no meaning when `already` */
    size_t place;   /* index */
};
/* Errors: CONCERT_NOT_FOUND, SALES_CLOSED, QUEUE_FULL. */
enum err sale_join(struct sale *s, const struct sale_terms *terms, struct user_id user,
                   struct join_outcome *o_r) MUST_USE;
/* Gives a place and the holds made in it back; no harm when it has ended. Errors:
 * QUEUE_TOKEN_INVALID. */
enum err sale_leave(struct sale *s, uint64_t number, struct user_id user) MUST_USE;
/* A place ends by paying. */
void sale_complete(struct sale *s, struct place_row *place);
struct tick_outcome {
    uint64_t ended, admitted;
};
/* Ends what is overdue among the places given, then lets in by number while there is room. The
 * places given are all those overdue, or as many as may be ended at once, and those who wait from
 * the front on, by number, likewise. */
void sale_tick(struct sale *s, const struct sale_terms *terms, struct tick_outcome *o_r);

/* --- seats (seats.c) --- */

/* All the seats or none. Errors: the pass's, QUEUE_TOKEN_WRONG_CONCERT, PERFORMANCE_NOT_FOUND,
 * SEAT_NOT_FOUND, SALES_CLOSED, SEAT_LIMIT_EXCEEDED, SEAT_TAKEN (taken_r: which). */
enum err sale_hold(struct sale *s, const struct sale_terms *terms, uint64_t number,
                   struct user_id user, struct performance_id performance,
                   const struct seat_numbers *seats, size_t *reservation_r,
                   struct seat_numbers *taken_r) MUST_USE;
/* Errors: RESERVATION_NOT_FOUND, ALREADY_PAID, RESERVATION_ENDED, HOLD_EXPIRED. */
enum err sale_release(struct sale *s, struct user_id user, struct reservation_id id) MUST_USE;
/* Marks holds that ran out; their seats have been free since then, and are not touched. Answers how
 * many. */
uint64_t sale_expire(struct sale *s);
/* A live hold becomes owned. */
void sale_own(struct sale *s, struct reservation_row *r);
/* A hold of a live reservation ends before it runs out; what owned or held its seats lets them go.
 */
void sale_give_back(struct sale *s, struct reservation_row *r, enum reservation_status status);

/* --- money (account.c) --- */

/* Moves a balance, and writes down why: the one place where one changes. Errors:
 * INSUFFICIENT_BALANCE, BALANCE_LIMIT_EXCEEDED; nothing has changed then. */
enum err sale_book(struct sale *s, struct user_row *u, enum entry_type type, int64_t amount_minor,
                   size_t reservation) MUST_USE;

struct pay_outcome {
    size_t reservation;                   /* index */
    uint64_t balance_minor, amount_minor; /* also with INSUFFICIENT_BALANCE */
};
/* Errors: the pass's, QUEUE_TOKEN_WRONG_CONCERT, RESERVATION_NOT_FOUND, ALREADY_PAID,
 * RESERVATION_ENDED, HOLD_EXPIRED, INSUFFICIENT_BALANCE. */
enum err sale_pay(struct sale *s, const struct sale_terms *terms, struct concert_id concert,
                  uint64_t number, struct user_id user, struct reservation_id id,
                  struct pay_outcome *o_r) MUST_USE;
/* A paid one gives back exactly what was paid, once; a hold just ends. Errors:
 * RESERVATION_NOT_FOUND, RESERVATION_ENDED, HOLD_EXPIRED, CANCEL_TOO_LATE, BALANCE_LIMIT_EXCEEDED.
 */
enum err sale_cancel(struct sale *s, const struct sale_terms *terms, struct user_id user,
                     struct reservation_id id) MUST_USE;
/* Errors: BALANCE_LIMIT_EXCEEDED. */
enum err sale_charge(struct sale *s, struct user_id user, uint64_t amount_minor,
                     uint64_t *balance_minor_r) MUST_USE;

#endif
