/* SPDX-License-Identifier: 0BSD */
/* The rules of a waiting queue. */
#include "sale/sale.h"

#include <assert.h>

static void add_event(struct sale *s, enum queue_event_kind kind, uint64_t number) {
    struct queue_event *e = sale_add_queue_event(s);
    *e = (struct queue_event){.seq = ++s->queue.event_seq, .number = number, .kind = kind};
    s->queue.change = CHANGED;
}

/* A live place ends: its row, the counters, an event. */
static void end_place(struct sale *s, struct place_row *p, enum place_state to,
                      enum queue_event_kind kind) {
    assert(p->state == PLACE_WAITING || p->state == PLACE_ACTIVE);
    uint64_t *count = p->state == PLACE_ACTIVE ? &s->queue.active : &s->queue.waiting;
    assert(*count > 0);
    --*count;
    s->queue.no_show_total += kind == EVENT_NO_SHOW;
    p->state = to;
    p->expires_at_ms = 0;
    p->ended_at_ms = s->now_ms;
    if (p->change == SAME) p->change = CHANGED;
    add_event(s, kind, p->number);
}

/* Whether people are let in at all at this moment. */
static bool is_open(const struct sale *s) {
    return !s->queue.paused && s->queue.sales_open_at_ms <= s->now_ms;
}

static void end_overdue(struct sale *s, struct place_row *p) {
    end_place(s, p, PLACE_EXPIRED, p->claimed_at_ms ? EVENT_EXPIRE : EVENT_NO_SHOW);
}

enum err sale_pass(struct sale *s, const struct sale_terms *terms, uint64_t number,
                   struct user_id user, struct place_row **place_r) {
    struct place_row *p = *place_r = sale_place(s, number, user);
    if (!p) return E_QUEUE_TOKEN_INVALID;
    if (p->state == PLACE_WAITING) return E_QUEUE_NOT_ADMITTED;
    if (p->state != PLACE_ACTIVE || p->expires_at_ms <= s->now_ms) return E_QUEUE_TOKEN_EXPIRED;
    if (!p->claimed_at_ms) {
        p->claimed_at_ms = s->now_ms;
        p->expires_at_ms = s->now_ms + terms->active_ttl_ms;
        p->change = CHANGED;
    }
    return E_OK;
}

/* The user's live place, if there is one. */
static struct place_row *live_place(const struct sale *s, struct user_id user) {
    for (size_t i = 0; i < s->places_count; i++) {
        struct place_row *p = &s->places[i];
        if ((p->state == PLACE_WAITING || p->state == PLACE_ACTIVE) && user_id_equal(p->user, user))
            return p;
    }
    return NULL;
}

static void draw_number(struct sale *s, const struct sale_terms *terms, struct user_id user,
                        struct join_outcome *o_r) {
    struct queue_row *q = &s->queue;
    bool at_once = q->waiting == 0 && q->active < q->max_active && is_open(s);
    struct place_row *p = sale_add_place(s);
    *p = (struct place_row){
        .number = ++q->tail,
        .user = user,
        .state = at_once ? PLACE_ACTIVE : PLACE_WAITING,
        .joined_active = at_once,
        .join_seq = ++q->event_seq,
        .joined_at_ms = s->now_ms,
        .change = NEW,
    };
    o_r->ahead = q->waiting;
    o_r->place = s->places_count - 1;
    if (at_once) {
        p->admitted_at_ms = p->claimed_at_ms = s->now_ms;
        p->expires_at_ms = s->now_ms + terms->active_ttl_ms;
        q->admitted_through = p->number;
        q->active++;
        q->admitted_total++;
    } else {
        q->waiting++;
    }
    q->change = CHANGED;
}

enum err sale_join(struct sale *s, const struct sale_terms *terms, struct user_id user,
                   struct join_outcome *o_r) {
    struct queue_row *q = &s->queue;
    *o_r = (struct join_outcome){0};
    if (!s->queue_found) return E_CONCERT_NOT_FOUND;
    struct place_row *p = live_place(s, user);
    if (p && (p->state == PLACE_WAITING || p->expires_at_ms > s->now_ms)) {
        o_r->already = true;
        o_r->place = (size_t)(p - s->places);
        return E_OK;
    }
    if (q->draining || (q->sales_close_at_ms && q->sales_close_at_ms <= s->now_ms))
        return E_SALES_CLOSED;
    /* The pass had run out, and no ticker had come by yet. */
    if (p) end_overdue(s, p);
    /* With nobody waiting, all numbers drawn so far were let in or have left. */
    if (q->waiting == 0) q->admitted_through = q->tail;
    if (q->waiting >= terms->waiting_max) return E_QUEUE_FULL;
    draw_number(s, terms, user, o_r);
    assert(s->places[o_r->place].number == q->tail && q->admitted_through <= q->tail);
    return E_OK;
}

enum err sale_leave(struct sale *s, uint64_t number, struct user_id user) {
    struct place_row *p = sale_place(s, number, user);
    if (!p) return E_QUEUE_TOKEN_INVALID;
    if (p->state != PLACE_WAITING && p->state != PLACE_ACTIVE) return E_OK;
    for (size_t i = 0; i < s->reservations_count; i++) {
        struct reservation_row *r = &s->reservations[i];
        if (r->status != RESERVATION_HELD || r->concert.v != s->queue.concert.v ||
            r->place_number != number)
            continue;
        /* One that ran out is the ticker's to mark: its seats may be another's by now. */
        if (r->held_until_ms > s->now_ms) sale_give_back(s, r, RESERVATION_RELEASED);
    }
    end_place(s, p, PLACE_LEFT, EVENT_LEAVE);
    return E_OK;
}

void sale_complete(struct sale *s, struct place_row *place) {
    assert(place->state == PLACE_ACTIVE);
    end_place(s, place, PLACE_COMPLETED, EVENT_COMPLETE);
}

void sale_tick(struct sale *s, const struct sale_terms *terms, struct tick_outcome *o_r) {
    struct queue_row *q = &s->queue;
    *o_r = (struct tick_outcome){0};
    for (size_t i = 0; i < s->places_count; i++) {
        struct place_row *p = &s->places[i];
        if (p->state != PLACE_ACTIVE || p->expires_at_ms > s->now_ms) continue;
        end_overdue(s, p);
        o_r->ended++;
    }
    for (size_t i = 0; i < s->places_count && is_open(s) && q->active < q->max_active; i++) {
        struct place_row *p = &s->places[i];
        if (p->state != PLACE_WAITING) continue;
        assert(p->number > q->admitted_through && q->waiting > 0);
        p->state = PLACE_ACTIVE;
        p->admitted_at_ms = s->now_ms;
        p->expires_at_ms = s->now_ms + terms->claim_ttl_ms;
        p->change = CHANGED;
        q->waiting--;
        q->active++;
        q->admitted_total++;
        q->admitted_through = p->number;
        add_event(s, EVENT_ADMIT, p->number);
        o_r->admitted++;
    }
}
