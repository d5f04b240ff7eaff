/* SPDX-License-Identifier: 0BSD */
/* The second step: each request is handed to its rule, after what comes before the rules:
 * credentials, then what its key was used for. */
#include "batch/steps.h"

#include <assert.h>

#define NO_RESERVATION SIZE_MAX

bool outcome_is_kept(enum err e) {
    int status = err_status(e);
    return status &&
           (status < 300 || status == 402 || status == 404 || status == 409 || status == 410);
}

static struct claimed *key_of(struct group *g, size_t request) {
    for (size_t i = 0; i < g->keys; i++)
        if (g->key[i].request == request) return &g->key[i];
    return NULL;
}

static enum err hold(struct group *g, size_t i, const struct sale_terms *terms) {
    struct batch_request *r = g->request[i];
    enum err e = sale_hold(&g->sale, terms, r->number, r->user, r->performance, &r->seats,
                           &g->reservation_of[i], &r->taken);
    if (!e) r->held = g->sale.reservations[g->reservation_of[i]];
    return e;
}

static enum err pay(struct group *g, size_t i, const struct sale_terms *terms) {
    struct batch_request *r = g->request[i];
    struct pay_outcome paid;
    enum err e = sale_pay(&g->sale, terms, r->concert, r->number, r->user, r->reservation, &paid);
    if (e && e != E_INSUFFICIENT_BALANCE) return e;
    r->balance_minor = paid.balance_minor;
    r->held = g->sale.reservations[paid.reservation];
    if (!e) g->reservation_of[i] = paid.reservation;
    return e;
}

static enum err cancel(struct group *g, size_t i, const struct sale_terms *terms) {
    struct batch_request *r = g->request[i];
    enum err e = sale_cancel(&g->sale, terms, r->user, r->reservation);
    if (!e) r->held = *sale_reservation(&g->sale, r->reservation);
    return e;
}

static enum err release(struct group *g, size_t i) {
    struct batch_request *r = g->request[i];
    enum err e = sale_release(&g->sale, r->user, r->reservation);
    if (!e) r->held = *sale_reservation(&g->sale, r->reservation);
    return e;
}

static enum err join(struct group *g, size_t i, const struct sale_terms *terms) {
    struct batch_request *r = g->request[i];
    struct join_outcome joined;
    enum err e = sale_join(&g->sale, terms, r->user, &joined);
    if (e) return e;
    r->already = joined.already;
    r->ahead = joined.ahead;
    r->number = g->sale.places[joined.place].number;
    return E_OK;
}

/* A hold that was made between the look and the locks, in a performance that is not locked. */
static bool all_locked(const struct sale *s) {
    for (size_t i = 0; i < s->reservations_count; i++)
        if (!sale_performance(s, s->reservations[i].performance)) return false;
    return true;
}

static enum err rule(struct group *g, size_t i, const struct sale_terms *terms) {
    struct batch_request *r = g->request[i];
    switch (r->kind) {
    case BATCH_SIGN_UP: return E_OK;
    case BATCH_CHARGE: return sale_charge(&g->sale, r->user, r->amount_minor, &r->balance_minor);
    case BATCH_JOIN: return join(g, i, terms);
    case BATCH_LEAVE:
        return all_locked(&g->sale) ? sale_leave(&g->sale, r->number, r->user) : E_BUSY;
    case BATCH_HOLD: return hold(g, i, terms);
    case BATCH_RELEASE: return release(g, i);
    case BATCH_PAY: return pay(g, i, terms);
    case BATCH_CANCEL: return cancel(g, i, terms);
    case BATCH_TICK: sale_tick(&g->sale, terms, &r->ticked); return E_OK;
    case BATCH_EXPIRE: r->expired = sale_expire(&g->sale); return E_OK;
    case BATCH_KINDS: break;
    }
    return E_INTERNAL;
}

void group_decide(struct group *g, size_t i, const struct sale_terms *terms) {
    struct batch_request *r = g->request[i];
    const struct claimed *key = key_of(g, i);
    assert(i < g->count && !g->keys_busy);
    g->reservation_of[i] = NO_RESERVATION;
    r->unknown = r->already = r->place_found = false;
    r->event_seq = 0;
    r->now_ms = g->sale.now_ms;
    enum err e =
        r->by_key && r->kind != BATCH_SIGN_UP ? sale_credentials(&g->sale, &r->cred) : E_OK;
    if (!e && key && !key->found) e = E_INTERNAL; /* claimed, and not there */
    if (!e && key && !key->ours) e = key->same_request ? E_REPLAYED : E_IDEMPOTENCY_KEY_REUSED;
    r->outcome = e ? e : rule(g, i, terms);
    const struct place_row *p = r->number ? sale_place(&g->sale, r->number, r->user) : NULL;
    if (p) {
        r->place_found = true;
        r->place = *p;
    }
    /* The first answer came with the key's row; a group of a key that is at work is not decided. */
    assert(r->outcome != E_REPLAYED || r->idem->body);
    assert(r->outcome != E_IDEMPOTENCY_IN_PROGRESS);
}
