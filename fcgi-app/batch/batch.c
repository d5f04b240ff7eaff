/* SPDX-License-Identifier: 0BSD */
/* Running a group, and running it again. */
#include "batch/batch.h"

#include "base/clock.h"
#include "batch/steps.h"

#include <assert.h>
#include <string.h>

#define TRIES_MAX 5
#define BUDGET_MS 4000
#define BUDGET_BRIEF_MS 200 /* less than any wait for a lock */
#define WAITS_MAX 2         /* so many of a group that are run alone may wait for a lock in vain */

struct sale_terms batch_terms(const struct conf *conf) {
    assert(conf && conf->seats_per_user_max <= SEATS_MAX);
    return (struct sale_terms){
        .active_ttl_ms = conf->active_ttl_ms,
        .claim_ttl_ms = conf->claim_ttl_ms,
        .hold_ttl_ms = conf->hold_ttl_ms,
        .seats_per_user_max = conf->seats_per_user_max,
        .cancel_cutoff_ms = conf->cancel_cutoff_ms,
        .waiting_max = 16ull << 20,
    };
}

/* What a kind's group shares, and what its outcome means when it is not known. */
static const struct {
    bool concert, performance; /* which row all of a group share */
    bool repeatable;           /* does no harm when it is run again without a key */
    bool one_lock;             /* waits for no row but that and its own places */
    bool brief;                /* the ticker comes again by itself, and others wait for it */
} kinds[BATCH_KINDS] = {
    [BATCH_SIGN_UP] = {.repeatable = true},
    [BATCH_JOIN] = {.concert = true, .repeatable = true, .one_lock = true},
    [BATCH_LEAVE] = {.concert = true, .repeatable = true, .one_lock = true},
    [BATCH_HOLD] = {.concert = true, .performance = true, .one_lock = true},
    [BATCH_PAY] = {.concert = true},
    [BATCH_TICK] = {.concert = true, .repeatable = true, .brief = true},
    [BATCH_EXPIRE] = {.repeatable = true, .brief = true},
};

bool batch_together(const struct batch_request *a, const struct batch_request *b) {
    assert(a->kind < BATCH_KINDS && b->kind < BATCH_KINDS);
    if (a->kind != b->kind || a->kind >= BATCH_TICK || user_id_equal(a->user, b->user))
        return false;
    if (kinds[a->kind].concert && a->concert.v != b->concert.v) return false;
    return !kinds[a->kind].performance || a->performance.v == b->performance.v;
}

uint64_t batch_domain(const struct batch_request *r) {
    assert(r->kind < BATCH_KINDS);
    if (kinds[r->kind].performance) return r->performance.v << 1 | 1;
    return kinds[r->kind].concert ? r->concert.v << 1 : 0;
}

static bool is_keyed(const struct batch_request *r) { return r->idem && r->idem->given; }

/* What a caller has to have seen to. Of a group all share what the first one's kind shares, which
 * is what is locked; of one user two could not be told apart by what comes back. */
static void assert_group(struct batch_request *const *requests, size_t count) {
    assert(count > 0 && count <= BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct batch_request *r = requests[i];
        assert(r && r->kind < BATCH_KINDS && r->seats.count <= SEATS_MAX);
        assert(i == 0 || batch_together(requests[0], r));
        assert(!is_keyed(r) || r->answer);
        assert(r->kind != BATCH_SIGN_UP || r->name);
        assert(r->overdue || !r->overdue_count);
    }
}

static void set_all(struct group *g, enum err e) {
    for (size_t i = 0; i < g->count; i++) g->request[i]->outcome = e;
}

/* One transaction. The connection that loads is the one that stores: the statement is prepared
 * before. */
static enum err attempt(struct db *db, struct group *g, const struct sale_terms *terms) {
    db_attempt(db);
    enum err e = db_prepare(db, STMT_BATCH_STORE);
    if (!e) e = group_load(db, g);
    if (e) return e;
    if (g->keys_busy) return E_IDEMPOTENCY_IN_PROGRESS;
    for (size_t i = 0; i < g->count; i++) group_decide(g, i, terms);
    for (size_t i = 0; i < g->count; i++)
        if (g->request[i]->outcome == E_BUSY) {
            db_rollback(db); /* what was loaded is not all that it takes: look again */
            return E_BUSY;
        }
    return group_store(db, g);
}

/* After a commit whose answer was lost: those that may be run again stay, in their order; the
 * others are told. */
static void tell_unknown(struct group *g) {
    size_t kept = 0;
    for (size_t i = 0; i < g->count; i++) {
        struct batch_request *r = g->request[i];
        r->doubtful = true;
        if (is_keyed(r) || kinds[r->kind].repeatable) {
            g->request[kept++] = r;
        } else {
            r->outcome = E_DATABASE_UNAVAILABLE;
            r->unknown = true;
        }
    }
    g->count = kept;
}

/* Runs it until it is decided. False: an error of one of them, or a lock that one of them waits
 * for: each alone. The budget began with the whole group: whoever is run alone after it is over has
 * one try. */
static bool run_together(struct db *db, struct group *g, const struct sale_terms *terms,
                         uint64_t began_ms) {
    uint64_t budget_ms = g->brief ? BUDGET_BRIEF_MS : BUDGET_MS;
    for (unsigned tried = 1;; tried++) {
        enum err e = attempt(db, g, terms);
        enum db_outcome outcome = db_outcome(db);
        if (!e) return true;
        /* What is left of it must not be committed by the next one's beginning. */
        if (outcome == DB_AGAIN) db_rollback(db);
        bool own = e == E_INTERNAL || e == E_IDEMPOTENCY_IN_PROGRESS;
        if (g->count > 1 && (own || (outcome == DB_AGAIN && tried == 2))) return false;
        set_all(g, e);
        if (outcome == DB_MAY_BE_KEPT) {
            tell_unknown(g);
            if (!g->count) return true;
        } else if (own || (outcome == DB_DONE && e != E_BUSY)) {
            return true;
        }
        if (tried == TRIES_MAX || clock_mono_ms() - began_ms > budget_ms) return true;
        db_count_retry(db);
        if (outcome != DB_MAY_BE_KEPT && outcome != DB_NOTHING_KEPT) db_back_off(tried);
    }
}

/* Each of those that are left by itself: what had to be told as unknown is never run again. A lock
 * that one waits for keeps the others back once; when a second waits in vain, it is one that they
 * all need, and they would wait for it one after the other, each its full time, while their clients
 * have long given up. */
static void run_alone(struct db *db, struct group *g, const struct sale_terms *terms,
                      uint64_t began_ms) {
    struct batch_request *alone[BATCH_MAX];
    size_t left = g->count;
    unsigned waits = 0;
    memcpy(alone, g->request, left * sizeof *alone);
    for (size_t i = 0; i < left; i++) {
        if (waits == WAITS_MAX) {
            alone[i]->outcome = E_BUSY;
            continue;
        }
        g->request[0] = alone[i];
        g->count = 1;
        (void)run_together(db, g, terms, began_ms);
        waits += alone[i]->outcome == E_BUSY || alone[i]->outcome == E_IDEMPOTENCY_IN_PROGRESS;
    }
}

void batch_run(struct db *db, const struct conf *conf, struct batch_request *const *requests,
               size_t count, bool others_wait) {
    static struct group g; /* large, and its memory is kept */
    struct sale_terms terms = batch_terms(conf);
    uint64_t began_ms = clock_mono_ms();
    assert(db && conf);
    assert_group(requests, count);
    memcpy(g.request, requests, count * sizeof *requests);
    g.count = count;
    g.brief =
        kinds[g.request[0]->kind].brief || (others_wait && kinds[g.request[0]->kind].one_lock);
    for (size_t i = 0; i < count; i++) requests[i]->doubtful = requests[i]->unknown = false;
    if (!run_together(db, &g, &terms, began_ms)) run_alone(db, &g, &terms, began_ms);
    for (size_t i = 0; i < count; i++) {
        struct batch_request *r = requests[i];
        if (r->doubtful && err_status(r->outcome) >= 500) {
            r->outcome = E_DATABASE_UNAVAILABLE;
            r->unknown = true;
        }
        /* "It may have been done" is told with no other outcome. */
        assert(!r->unknown || r->outcome == E_DATABASE_UNAVAILABLE);
    }
}

enum err batch_run_one(struct db *db, const struct conf *conf, struct batch_request *r) {
    batch_run(db, conf, &r, 1, false);
    return r->outcome;
}
