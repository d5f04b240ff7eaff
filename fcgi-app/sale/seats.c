/* SPDX-License-Identifier: 0BSD */
/* The rules of seats: held by one, for a while, all or none. Every change of a performance's seats
 * is an event with the next number of its row, whose lock the caller has. */
#include "sale/sale.h"

#include <assert.h>

static void add_event(struct sale *s, const struct reservation_row *r) {
    struct performance_row *f = sale_performance(s, r->performance);
    assert(f);
    struct reservation_event *e = sale_add_reservation_event(s);
    *e = (struct reservation_event){.reservation = sale_index(s, r),
                                    .kind = r->status,
                                    .performance = f->id,
                                    .seq = ++f->event_seq};
    f->change = CHANGED;
}

/* A live reservation takes another status; each of its seats, which are its own, is written with
 * what it is then. */
static void turn(struct sale *s, struct reservation_row *r, enum reservation_status to,
                 uint64_t taken_until_ms) {
    r->status = to;
    r->change = CHANGED;
    for (size_t i = 0; i < r->seats.count; i++) {
        struct seat_row *seat = sale_add_seat(s);
        *seat = (struct seat_row){
            .performance = r->performance,
            .number = r->seats.number[i],
            .reservation = taken_until_ms ? r->id.v : 0,
            .taken_until_ms = taken_until_ms,
            .was_reservation = r->id.v,
            .taker = sale_index(s, r),
            .change = CHANGED,
        };
    }
    add_event(s, r);
}

void sale_give_back(struct sale *s, struct reservation_row *r, enum reservation_status status) {
    assert(status == RESERVATION_RELEASED || status == RESERVATION_CANCELLED);
    assert(r->status == RESERVATION_PAID ||
           (r->status == RESERVATION_HELD && r->held_until_ms > s->now_ms));
    turn(s, r, status, 0);
}

void sale_own(struct sale *s, struct reservation_row *r) {
    assert(r->status == RESERVATION_HELD && r->held_until_ms > s->now_ms);
    r->paid_at_ms = s->now_ms;
    turn(s, r, RESERVATION_PAID, SOLD_MS);
}

static struct have_row *have_of(struct sale *s, struct user_id user) {
    for (size_t i = 0; i < s->haves_count; i++)
        if (user_id_equal(s->haves[i].user, user)) return &s->haves[i];
    struct have_row *h = sale_add_have(s);
    h->user = user;
    return h;
}

/* Which of them are not free; a seat that has no row is nobody's to give. */
static enum err find_taken(const struct sale *s, struct performance_id id,
                           const struct seat_numbers *seats, struct seat_numbers *taken_r) {
    taken_r->count = 0;
    for (size_t i = 0; i < seats->count; i++) {
        const struct seat_row *seat = sale_seat(s, id, seats->number[i]);
        if (!seat) return E_INTERNAL;
        if (seat->taken_until_ms > s->now_ms) taken_r->number[taken_r->count++] = seat->number;
    }
    return taken_r->count ? E_SEAT_TAKEN : E_OK;
}

static size_t take(struct sale *s, const struct sale_terms *terms, const struct performance_row *f,
                   struct place_row *p, const struct seat_numbers *seats) {
    struct reservation_row *r = sale_add_reservation(s);
    *r = (struct reservation_row){
        .user = p->user,
        .concert = f->concert,
        .place_number = p->number,
        .performance = f->id,
        .seats = *seats,
        .amount_minor = seats->count * f->price_minor,
        .status = RESERVATION_HELD,
        .held_until_ms = s->now_ms + terms->hold_ttl_ms,
        .created_at_ms = s->now_ms,
        .change = NEW,
    };
    size_t index = sale_index(s, r);
    for (size_t i = 0; i < seats->count; i++) {
        struct seat_row *seat = sale_seat(s, f->id, seats->number[i]);
        seat->taken_until_ms = r->held_until_ms;
        seat->taker = index;
        seat->change = CHANGED;
    }
    add_event(s, r);
    /* A hold stretches the pass to at least its own end. */
    if (p->expires_at_ms < r->held_until_ms) p->expires_at_ms = r->held_until_ms;
    p->change = CHANGED;
    return index;
}

enum err sale_hold(struct sale *s, const struct sale_terms *terms, uint64_t number,
                   struct user_id user, struct performance_id performance,
                   const struct seat_numbers *seats, size_t *reservation_r,
                   struct seat_numbers *taken_r) {
    assert(seats->count > 0 && seats->count <= SEATS_MAX);
    struct place_row *p;
    const struct performance_row *f = sale_performance(s, performance);
    *taken_r = (struct seat_numbers){0};
    enum err e = sale_pass(s, terms, number, user, &p);
    if (f && f->concert.v != s->queue.concert.v) return E_QUEUE_TOKEN_WRONG_CONCERT;
    if (e) return e;
    if (!f) return E_PERFORMANCE_NOT_FOUND;
    if (seats->number[seats->count - 1] > f->total_seats) return E_SEAT_NOT_FOUND;
    if (f->sales_open_at_ms > s->now_ms ||
        (f->sales_close_at_ms && f->sales_close_at_ms <= s->now_ms))
        return E_SALES_CLOSED;
    e = find_taken(s, performance, seats, taken_r);
    if (e) return e;
    struct have_row *have = have_of(s, user);
    if (have->seats + seats->count > terms->seats_per_user_max) return E_SEAT_LIMIT_EXCEEDED;
    have->seats += seats->count;
    *reservation_r = take(s, terms, f, p, seats);
    assert(s->reservations[*reservation_r].held_until_ms <= p->expires_at_ms);
    return E_OK;
}

enum err sale_release(struct sale *s, struct user_id user, struct reservation_id id) {
    struct reservation_row *r = sale_reservation(s, id);
    if (!r || !user_id_equal(r->user, user)) return E_RESERVATION_NOT_FOUND;
    if (r->status == RESERVATION_PAID) return E_ALREADY_PAID;
    if (r->status == RESERVATION_RELEASED || r->status == RESERVATION_CANCELLED)
        return E_RESERVATION_ENDED;
    if (r->status == RESERVATION_EXPIRED || r->held_until_ms <= s->now_ms) return E_HOLD_EXPIRED;
    sale_give_back(s, r, RESERVATION_RELEASED);
    return E_OK;
}

uint64_t sale_expire(struct sale *s) {
    uint64_t expired = 0;
    for (size_t i = 0; i < s->reservations_count; i++) {
        struct reservation_row *r = &s->reservations[i];
        if (r->status != RESERVATION_HELD || r->held_until_ms > s->now_ms) continue;
        r->status = RESERVATION_EXPIRED;
        r->change = CHANGED;
        add_event(s, r);
        expired++;
    }
    return expired;
}
