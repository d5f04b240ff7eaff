/* SPDX-License-Identifier: 0BSD */
/* The rules of money: prepaid, never below zero, always the sum of its entries. */
#include "sale/sale.h"

#include <assert.h>

enum err sale_credentials(const struct sale *s, const struct cred *cred) {
    const struct user_row *u = sale_user(s, cred->user);
    return u && hash_equal(u->access_hash, cred->access_hash) ? E_OK : E_CREDENTIALS_INVALID;
}

enum err sale_book(struct sale *s, struct user_row *u, enum entry_type type, int64_t amount_minor,
                   size_t reservation) {
    assert(u->balance_minor <= BALANCE_MINOR_MAX);
    if (amount_minor < 0 && u->balance_minor < -(uint64_t)amount_minor)
        return E_INSUFFICIENT_BALANCE;
    if (amount_minor > 0 && (uint64_t)amount_minor > BALANCE_MINOR_MAX - u->balance_minor)
        return E_BALANCE_LIMIT_EXCEEDED;
    u->balance_minor += (uint64_t)amount_minor;
    u->change = CHANGED;
    assert(u->balance_minor <= BALANCE_MINOR_MAX);
    struct entry_row *e = sale_add_entry(s);
    *e = (struct entry_row){.user = u->id,
                            .type = type,
                            .amount_minor = amount_minor,
                            .balance_after_minor = u->balance_minor,
                            .reservation = reservation};
    return E_OK;
}

static enum err payable(const struct sale *s, const struct reservation_row *r) {
    if (!r) return E_RESERVATION_NOT_FOUND;
    if (r->status == RESERVATION_PAID) return E_ALREADY_PAID;
    if (r->status == RESERVATION_RELEASED || r->status == RESERVATION_CANCELLED)
        return E_RESERVATION_ENDED;
    return r->status == RESERVATION_EXPIRED || r->held_until_ms <= s->now_ms ? E_HOLD_EXPIRED
                                                                             : E_OK;
}

enum err sale_pay(struct sale *s, const struct sale_terms *terms, struct concert_id concert,
                  uint64_t number, struct user_id user, struct reservation_id id,
                  struct pay_outcome *o_r) {
    struct place_row *p;
    struct reservation_row *r = sale_reservation(s, id);
    struct user_row *u = sale_user(s, user);
    *o_r = (struct pay_outcome){0};
    assert(u); /* proven before */
    if (r && !user_id_equal(r->user, user)) r = NULL;
    enum err e = sale_pass(s, terms, number, user, &p);
    if (r && r->concert.v != concert.v) return E_QUEUE_TOKEN_WRONG_CONCERT;
    if (e || (e = payable(s, r))) return e;
    *o_r = (struct pay_outcome){sale_index(s, r), u->balance_minor, r->amount_minor};
    if ((e = sale_book(s, u, ENTRY_PAYMENT, -(int64_t)r->amount_minor, o_r->reservation))) return e;
    sale_own(s, r);
    struct payment_row *payment = sale_add_payment(s);
    *payment =
        (struct payment_row){.reservation = o_r->reservation, .balance_minor = u->balance_minor};
    sale_complete(s, p);
    o_r->balance_minor = u->balance_minor;
    return E_OK;
}

enum err sale_cancel(struct sale *s, const struct sale_terms *terms, struct user_id user,
                     struct reservation_id id) {
    struct reservation_row *r = sale_reservation(s, id);
    struct user_row *u = sale_user(s, user);
    assert(u); /* proven before */
    if (!r || !user_id_equal(r->user, user)) return E_RESERVATION_NOT_FOUND;
    const struct performance_row *f = sale_performance(s, r->performance);
    assert(f);
    bool paid = r->status == RESERVATION_PAID;
    if (!paid) {
        enum err e = payable(s, r);
        if (e) return e;
    }
    if (s->now_ms + terms->cancel_cutoff_ms > f->starts_at_ms) return E_CANCEL_TOO_LATE;
    enum err e =
        paid ? sale_book(s, u, ENTRY_REFUND, (int64_t)r->amount_minor, sale_index(s, r)) : E_OK;
    if (e) return e;
    sale_give_back(s, r, RESERVATION_CANCELLED);
    return E_OK;
}

enum err sale_charge(struct sale *s, struct user_id user, uint64_t amount_minor,
                     uint64_t *balance_minor_r) {
    struct user_row *u = sale_user(s, user);
    assert(u); /* proven before */
    assert(amount_minor <= INT64_MAX);
    enum err e = sale_book(s, u, ENTRY_CHARGE, (int64_t)amount_minor, 0);
    if (!e) *balance_minor_r = u->balance_minor;
    return e;
}
