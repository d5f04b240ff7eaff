/* SPDX-License-Identifier: 0BSD */
/* Timers of the load process: hundreds of thousands, set and put off all the time, in a wheel of
 * slots. A slot is a few milliseconds; nothing is ever early. */
#ifndef BOXOFFICE_REHEARSE_TIMER_H
#define BOXOFFICE_REHEARSE_TIMER_H

#include <stdint.h>

struct timer;
typedef void timer_fn(struct timer *timer);
struct timer {
    uint64_t due_ms;           /* monotonic */
    struct timer *prev, *next; /* NULL: not set */
    timer_fn *fire;
};

#define WHEEL_SLOTS 4096
#define WHEEL_SLOT_MS 8
struct wheel {
    uint64_t turned_ms; /* all due by then have fired */
    struct timer slot[WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* Set again, it is put off. */
void timer_set(struct wheel *w, struct timer *t, uint64_t due_ms, timer_fn *fire);
void timer_stop(struct timer *t);
/* Fires all that are due; they may set and stop any timer. */
void wheel_turn(struct wheel *w, uint64_t now_ms);

#endif
