/* SPDX-License-Identifier: 0BSD */
/* The one shape of a write: load the rows that a group of requests touches, locked; let the rules
 * (sale/) decide, one request after the other; store what they changed, with the answers of
 * idempotency keys, and commit. Two round trips a group, whatever its size. A request alone is a
 * group of one.
 *
 * What lives here is the order of these steps and what is done when one fails. The rules are in
 * sale/, the rows in sql/current/batch.sql; what a request or an answer looks like to a client is
 * http/'s. */
#ifndef BOXOFFICE_BATCH_H
#define BOXOFFICE_BATCH_H

#include "base/conf.h"
#include "batch/idem.h"
#include "sale/sale.h"
#include "store/db.h"

#define BATCH_MAX 256 /* requests of one group; the setting batch_max is at most this */

enum batch_kind {
    BATCH_SIGN_UP,
    BATCH_CHARGE,
    BATCH_JOIN,
    BATCH_LEAVE,
    BATCH_HOLD,
    BATCH_RELEASE,
    BATCH_PAY,
    BATCH_CANCEL,
    BATCH_TICK,   /* the ticker's: end what is overdue, let in */
    BATCH_EXPIRE, /* the ticker's: mark holds that ran out */
    BATCH_KINDS
};

struct batch_request;
/* Makes the answer of a request whose outcome is known, as it is to be kept for its key: status and
 * body. Where the rule gives a new id, that is not known yet: the body is made with 0 in its place,
 * as its first member. */
typedef void batch_answer_fn(struct batch_request *r, int *status_r, const char **body_r,
                             size_t *len_r);

struct batch_request {
    enum batch_kind kind;
    /* Who: the user whose request it is (of the access key, else of the queue token). One of a user
     * to a group. */
    struct user_id user;
    bool by_key; /* `cred` was given and is to be proven */
    struct cred cred;
    /* What, as far as its kind needs it. */
    struct concert_id concert; /* of the token, or to be joined */
    uint64_t number;           /* of the token */
    struct performance_id performance;
    struct reservation_id reservation;
    struct seat_numbers seats;
    uint64_t amount_minor;
    const char *name;        /* SIGN_UP; the user and access hash are in `cred` */
    uint64_t limit;          /* TICK: at most so many places are ended, and let in */
    const uint64_t *overdue; /* EXPIRE: ids of reservations, of one performance */
    size_t overdue_count;
    struct idem *idem;       /* NULL or not given: no key */
    batch_answer_fn *answer; /* needed with a key */
    void *answer_ctx;

    /* What came of it. With a key whose answer is there already: REPLAYED, and idem has it. */
    enum err outcome;
    bool unknown;  /* DATABASE_UNAVAILABLE: it may have been done */
    bool doubtful; /* an attempt of it ended without an answer: no later failure is told as nothing
                      done */
    uint64_t now_ms;
    struct place_row place; /* JOIN, and whatever needs a pass: the place as it is now */
    bool place_found, already;
    uint64_t ahead;              /* JOIN, not already */
    struct reservation_row held; /* HOLD, RELEASE, PAY, CANCEL */
    struct seat_numbers taken;   /* SEAT_TAKEN */
    uint64_t event_seq; /* of the performance, after its last change in this group; 0: none */
    uint64_t balance_minor,
        charged_id; /* CHARGE; PAY: what is left, also with INSUFFICIENT_BALANCE */
    struct payment_id payment;
    struct tick_outcome ticked;
    uint64_t expired;
};

/* Whether two requests can be run as one group: of one kind, touching the same locked row, and of
 * two users. */
bool batch_together(const struct batch_request *a, const struct batch_request *b);
/* The row whose lock a request's group waits for longest, as a number; 0: none that others share.
 */
uint64_t batch_domain(const struct batch_request *r);

/* Runs a group, in its order; sets every outcome. Runs it again while the database says that
 * nothing of it was kept, a few times, within a budget; what is one request's own error is found by
 * running each alone. Who is answered OK has been committed. `db` may be at the beginning of
 * nothing else. `others_wait`: for a row that all of the group need it waits once only, and is BUSY
 * then. */
void batch_run(struct db *db, const struct conf *conf, struct batch_request *const *group,
               size_t count, bool others_wait);
/* One request; its outcome. */
enum err batch_run_one(struct db *db, const struct conf *conf, struct batch_request *r) MUST_USE;

/* Whether a key keeps this outcome: success, and refusals by the object, its state or the money.
 * Credentials, the queue pass and faults are asked anew each time. */
bool outcome_is_kept(enum err e);

/* The settings that rules go by. */
struct sale_terms batch_terms(const struct conf *conf);

#endif
