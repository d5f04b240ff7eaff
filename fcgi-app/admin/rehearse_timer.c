/* SPDX-License-Identifier: 0BSD */
/* A wheel of timers. What is due later than one turn of the wheel stays in its slot until then. */
#include "admin/rehearse_timer.h"

#include <assert.h>
#include <stddef.h>

void wheel_init(struct wheel *w, uint64_t now_ms) {
    w->turned_ms = now_ms;
    for (size_t i = 0; i < WHEEL_SLOTS; i++) w->slot[i].prev = w->slot[i].next = &w->slot[i];
}

void timer_stop(struct timer *t) {
    if (!t->next) return;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->prev = t->next = NULL;
}

static void put(struct timer *head, struct timer *t) {
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
}

void timer_set(struct wheel *w, struct timer *t, uint64_t due_ms, timer_fn *fire) {
    assert(fire);
    timer_stop(t);
    /* A slot that has been passed comes again only after a whole turn. */
    t->due_ms = due_ms > w->turned_ms ? due_ms : w->turned_ms + 1;
    t->fire = fire;
    put(&w->slot[t->due_ms / WHEEL_SLOT_MS % WHEEL_SLOTS], t);
}

/* Taken out first, so that what they do to the slot meanwhile does no harm. */
static void turn_slot(struct timer *head, uint64_t now_ms) {
    struct timer due = {.prev = &due, .next = &due};
    for (struct timer *t = head->next, *next; t != head; t = next) {
        next = t->next;
        if (t->due_ms > now_ms) continue;
        timer_stop(t);
        put(&due, t);
    }
    while (due.next != &due) {
        struct timer *t = due.next;
        timer_stop(t);
        t->fire(t);
    }
}

void wheel_turn(struct wheel *w, uint64_t now_ms) {
    uint64_t from = w->turned_ms / WHEEL_SLOT_MS, to = now_ms / WHEEL_SLOT_MS;
    if (now_ms <= w->turned_ms) return;
    if (to - from >= WHEEL_SLOTS) from = to - WHEEL_SLOTS + 1;
    /* The one at hand may have more by the next turn: it is looked at again then. */
    w->turned_ms = now_ms;
    for (uint64_t at = from; at <= to; at++) turn_slot(&w->slot[at % WHEEL_SLOTS], now_ms);
}
