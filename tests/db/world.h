/* SPDX-License-Identifier: 0BSD */
/* What the tests of tests/db share: a private database, a handle on it, and short hands. */
#ifndef WORLD_H
#define WORLD_H

#include "batch/account.h"
#include "batch/batch.h"
#include "batch/queue.h"
#include "batch/reservation.h"
#include "board/board.h"
#include "store/concert.h"

extern struct conf conf;
extern struct db *db;
extern struct board *board; /* empty: places are told from the database */

/* A private database, not yet migrated; conf is filled in with it. */
bool start_database(void);
void stop_database(void);

/* One request each, run alone, as a worker does it; with a key, the answer that is kept is 201 and
 * kept_answer, whose first member is a new id. */
extern const char *kept_answer;
enum err queue_join(struct db *db, const struct board *board, const struct conf *conf,
                    const struct cred *cred, struct concert_id concert, struct idem *idem,
                    struct place *place_r, bool *already_r);
enum err queue_leave(struct db *db, const struct board *board, const struct token *token);
enum err reservation_hold(struct db *db, const struct conf *conf, const struct token *token,
                          struct performance_id performance, const struct seat_numbers *seats,
                          struct idem *idem, struct reservation *reservation_r,
                          struct seat_numbers *taken_r);
enum err reservation_pay(struct db *db, const struct cred *cred, const struct token *token,
                         struct reservation_id id, struct idem *idem, struct payment *payment_r);
enum err reservation_release(struct db *db, const struct cred *cred, struct reservation_id id);
enum err reservation_cancel(struct db *db, const struct conf *conf, const struct cred *cred,
                            struct reservation_id id, struct idem *idem,
                            struct reservation *reservation_r);
enum err account_charge(struct db *db, const struct cred *cred, uint64_t amount_minor,
                        struct idem *idem, uint64_t *charge_r, uint64_t *balance_minor_r);
enum err account_create(struct db *db, const char *name, struct user_id *id_r,
                        char access_key_r[ACCESS_KEY_SIZE]);
/* The same as requests, to be put into groups. */
struct batch_request request_of(enum batch_kind kind, const struct cred *cred,
                                const struct token *token, struct idem *idem);

/* Each of these must succeed. */
struct cred user(const char *name);
struct concert_id concert(uint64_t max_active);
struct performance_id performance(struct concert_id c, uint64_t seats, uint64_t price);
struct place join(struct cred cred, struct concert_id c);
void charge(struct cred cred, uint64_t amount);
/* Statements as they are. */
void script(const char *sql);
/* Without a key; what it says. */
enum err hold(struct token token, struct performance_id f, struct seat_numbers seats,
              struct reservation *r);
/* The exit status of both audits; `show` prints what is wrong. */
int audit(bool show);
struct token token_of(const struct place *p);
uint64_t now_ms(void);

#define SEATS(...)                                                                                 \
    (struct seat_numbers) {                                                                        \
        .count = sizeof((uint64_t[]){__VA_ARGS__}) / 8, .number = { __VA_ARGS__ }                  \
    }

/* faults.c */
void every_fault_has_one_outcome(void);
void every_fault_within_a_write_has_one_outcome(void);
void an_error_of_ones_own_harms_nobody_else(void);
void a_lock_keeps_back_whom_it_must(void);
void a_database_that_stays_away_is_told_as_such(void);

/* values.c */
void names_keys_and_bodies_stay_as_they_are(void);

/* audit.c: rows of db.c's table. */
void a_clock_that_steps_back_breaks_nothing(void);
void a_clock_that_steps_forward_breaks_nothing(void);
void a_seat_that_passes_on_out_of_order_is_found(void);
void a_hold_that_ran_out_may_stay_in_its_seat(void);
void a_seat_taken_too_early_is_found(void);
void a_hold_that_was_marked_is_free_after_a_step_back(void);
void one_let_in_past_the_cap_or_a_pause_is_found(void);
void no_damage_breaks_the_audit(void);
void what_an_older_release_wrote_is_proved(void);
void two_releases_at_once_are_proved(void);
#define AUDIT_TESTS                                                                                \
    {"a clock that steps back by an hour breaks nothing", a_clock_that_steps_back_breaks_nothing}, \
        {"a clock that steps forward by an hour breaks nothing",                                   \
         a_clock_that_steps_forward_breaks_nothing},                                               \
        {"a seat out of order is found, and an event missing",                                     \
         a_seat_that_passes_on_out_of_order_is_found},                                             \
        {"a hold that ran out may stay in its seat", a_hold_that_ran_out_may_stay_in_its_seat},    \
        {"what an older release wrote is proved", what_an_older_release_wrote_is_proved},          \
        {"a seat taken too early is found", a_seat_taken_too_early_is_found},                      \
        {"a hold that was marked is free, the clock back",                                         \
         a_hold_that_was_marked_is_free_after_a_step_back},                                        \
        {"one let in past the cap or a pause is found",                                            \
         one_let_in_past_the_cap_or_a_pause_is_found},                                             \
        {"two releases at once are proved", two_releases_at_once_are_proved}, {                    \
        "no damage breaks the audit", no_damage_breaks_the_audit                                   \
    }

#endif
