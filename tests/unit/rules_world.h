/* SPDX-License-Identifier: 0BSD */
/* What the property tests of the rules share: requests, answers, a small model of a sale, and
 * tables that stand in for the database. One concert with two performances of a few seats; a third
 * performance is another concert's. */
#ifndef BOXOFFICE_TESTS_RULES_WORLD_H
#define BOXOFFICE_TESTS_RULES_WORLD_H

#include "sale/sale.h"

#define CONCERT 1
#define OTHER_CONCERT 2
#define USERS 5 /* 1 to 5 */
#define HALLS 3 /* performances 1 and 2 of CONCERT, 3 of OTHER_CONCERT */
#define HALL_SEATS_MAX 6
#define BATCH_MAX 5
#define BATCHES_MAX 40
#define ROWS_MAX                                                                                   \
    (BATCHES_MAX * BATCH_MAX + 8) /* each request makes at most one place, reservation, payment */
#define EVENTS_MAX (BATCHES_MAX * BATCH_MAX * 8) /* ... and ends at most what USERS have, twice */
#define START_MS 1000

/* SHOW: any request with a token that asks for nothing else. OPERATE: the operator, not a rule. */
enum kind { JOIN, LEAVE, SHOW, HOLD, RELEASE, PAY, CANCEL, CHARGE, TICK, EXPIRE, OPERATE, KINDS };

struct request {
    enum kind kind;
    unsigned user;
    uint64_t number, performance, reservation, amount_minor;
    struct seat_numbers seats;
    uint64_t most; /* of TICK and EXPIRE: as many rows as may be looked at, of each sort */
    unsigned skip; /* of TICK: a bit a user whose place another transaction has locked just now */
};

/* What a request is told, in a form that can be compared. Unused values are 0. */
struct answer {
    enum err code;
    uint64_t value[4];
    struct seat_numbers taken;
};

enum operator_change { CAP, PAUSE, RESUME, DRAIN, UNDRAIN, CLOSE, OPERATOR_CHANGES };

/* What a sequence starts from. */
struct set_up {
    struct sale_terms terms;
    uint64_t sales_open_at_ms, sales_close_at_ms, max_active;
    struct performance_row halls[HALLS];
};

/* Queue log entries: the events of sale.h, and two that are no rule's. */
#define LOG_JOIN 10
#define LOG_OPERATOR 20 /* plus the operator_change */
struct log_entry {
    int kind;
    uint64_t number; /* of a place; of CAP: the cap */
};
struct hall_entry {
    enum reservation_status kind;
    uint64_t reservation;
};
struct money_entry {
    unsigned user;
    enum entry_type type;
    int64_t amount_minor;
    uint64_t balance_after_minor, reservation;
};

/* --- the model (rules_model.c): nothing is counted that can be looked at --- */

struct model_place {
    unsigned user;
    enum place_state state;
    uint64_t admitted_at_ms, claimed_at_ms, expires_at_ms;
};
struct model_reservation {
    unsigned user;
    uint64_t concert, performance, place, seats; /* a bit a seat */
    uint64_t amount_minor, until_ms;
    enum reservation_status status;
};
struct model {
    const struct set_up *set_up;
    uint64_t now_ms, cap, close_ms;
    uint64_t through; /* admittedThrough, which only ever grows */
    bool paused, draining;
    struct model_place place[ROWS_MAX];             /* number 1 is [1] */
    struct model_reservation reservation[ROWS_MAX]; /* id 1 is [1] */
    struct money_entry entry[ROWS_MAX];
    struct log_entry log[EVENTS_MAX];
    struct hall_entry hall_log[HALLS][EVENTS_MAX];
    size_t places, reservations, entries, logged, hall_logged[HALLS];
};
/* Another's reservation, 1, of the other concert's performance, is there from the start. */
void model_start(struct model *m, const struct set_up *set_up);
void model_operate(struct model *m, enum operator_change change, uint64_t value);
void model_answer(struct model *m, const struct request *q, struct answer *answer_r);
uint64_t model_balance(const struct model *m, unsigned user);
size_t model_count(const struct model *m, enum place_state state);

/* --- the tables (rules_tables.c): what a batch loads and stores is here as it is in the database
 * --- */

struct table_seat {
    uint64_t reservation, taken_until_ms;
};
struct table_payment {
    uint64_t reservation, balance_minor;
};
struct tables {
    const struct set_up *set_up;
    uint64_t now_ms;
    struct queue_row queue;
    struct user_row users[USERS + 1];
    struct place_row places[ROWS_MAX];
    struct performance_row halls[HALLS + 1];
    struct reservation_row reservations[ROWS_MAX];
    struct table_seat seats[HALLS + 1][HALL_SEATS_MAX + 1];
    struct table_payment payments[ROWS_MAX];
    struct money_entry entries[ROWS_MAX];
    struct log_entry log[EVENTS_MAX];
    struct hall_entry hall_log[HALLS][EVENTS_MAX];
    size_t places_count, reservations_count, payments_count, entries_count, logged,
        hall_logged[HALLS];
    /* What a key or a condition of the database would have refused; NULL: nothing. */
    const char *refused;
};
void tables_start(struct tables *t, const struct set_up *set_up);
void tables_operate(struct tables *t, enum operator_change change, uint64_t value);
/* One transaction: loads what this kind of batch loads and no more, lets the rules decide, stores
 * what they marked. */
void tables_batch(struct tables *t, struct sale *s, const struct request *q, size_t count,
                  struct answer *answers_r);
struct user_id user_of(unsigned user);
unsigned user_index(struct user_id id);

/* --- random sequences (rules_random.c) --- */

/* The sequence of this seed, by the model, in batches, and one by one. False: they differ, or
 * something that must always be so is not; then `why_r` says what. */
bool sequence_holds(uint64_t seed, bool aloud, char why_r[300]);
/* How often each kind was answered with each code so far: what was really tried. */
extern uint64_t tried[KINDS][E_COUNT];
extern const char *const kind_names[KINDS];

#endif
