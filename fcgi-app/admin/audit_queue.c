/* SPDX-License-Identifier: 0BSD */
/* Queues, event by event: each is what the rules of sale/queue.c would have done with the queue as
 * it was then.
 *
 * A place is its own event of joining; the others are queue_event's. Both are read by order, a
 * stretch of places at a time, and merged here: the server need not sort them. Of each place the
 * replay keeps half a byte. */
#include "admin/audit_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STRETCH 16384 /* places read at a time */
#define FAR                                                                                        \
    1000000 /* a number so far past the last one is damage alone, for which no memory is taken */

/* Where a place stands, and how it came there. Fits half a byte. */
enum stand { NOT_DRAWN, WAITING, ACTIVE, COMPLETED, LEFT_WAITING, LEFT_ACTIVE, EXPIRED, NO_SHOW };

/* The columns of AUDIT_JOINS. */
struct stored_join {
    uint64_t number, seq, at_ms;
    bool active;
};

struct replay {
    struct check *check;
    struct db *db;
    struct queue_row stored;
    struct sale sale; /* its queue is as the events up to now have left it */
    uint64_t front;   /* nobody below it waits */
    uint8_t *stands;  /* two numbers a byte */
    uint64_t stands_bytes;
    struct stored_join *joins; /* the stretch at hand */
    size_t joins_count, joins_taken;
};

static const struct sale_terms terms = {.waiting_max = UINT64_MAX};

static enum stand stand_of(const struct replay *r, uint64_t n) {
    return n / 2 >= r->stands_bytes ? NOT_DRAWN : (enum stand)(r->stands[n / 2] >> n % 2 * 4 & 15);
}

static void set_stand(struct replay *r, uint64_t n, enum stand stand) {
    if (n / 2 >= r->stands_bytes) {
        uint64_t bytes = r->stands_bytes ? r->stands_bytes * 2 : 4096;
        while (n / 2 >= bytes) bytes *= 2;
        r->stands = realloc(r->stands, bytes);
        if (!r->stands) abort();
        memset(r->stands + r->stands_bytes, 0, bytes - r->stands_bytes);
        r->stands_bytes = bytes;
    }
    uint8_t *at = &r->stands[n / 2];
    *at = (uint8_t)((*at & (n % 2 ? 0x0f : 0xf0)) | (uint8_t)stand << n % 2 * 4);
}

#define OFFEND(r, format, ...)                                                                     \
    check_offend((r)->check, "concert %" PRIu64 " event %" PRIu64 ": " format,                     \
                 (r)->stored.concert.v, (r)->sale.queue.event_seq, __VA_ARGS__)

/* The place as the replay knows it, for a rule to work on. Its pass is good; `due`: it has run out.
 */
static struct place_row *lay_out(struct replay *r, uint64_t number, bool due, bool claimed) {
    struct sale *s = &r->sale;
    enum stand stand = stand_of(r, number);
    s->places_count = s->queue_events_count = 0;
    struct place_row *p = sale_add_place(s);
    p->number = number;
    p->state = stand == WAITING ? PLACE_WAITING : stand == ACTIVE ? PLACE_ACTIVE : PLACE_EXPIRED;
    p->expires_at_ms = due ? s->now_ms : UINT64_MAX;
    p->claimed_at_ms = claimed;
    return p;
}

/* Whether the rule did what the event tells. */
static bool did(const struct sale *s, enum queue_event_kind kind, uint64_t number) {
    const struct queue_event *e = s->queue_events;
    return s->queue_events_count == 1 && e->kind == kind && e->number == number;
}

/* Takes on what the row says although the rules say otherwise, so that one fault is told once. */
static void force(struct replay *r, uint64_t number, enum stand from, enum stand to) {
    struct queue_row *q = &r->sale.queue;
    if (from == WAITING && q->waiting) q->waiting--;
    if (from == ACTIVE && q->active) q->active--;
    if (to == WAITING) q->waiting++;
    if (to == ACTIVE) q->active++;
    set_stand(r, number, to);
}

/* Events bear the numbers 1, 2, 3 …; the rule is about to give the next one. */
static void next_seq(struct replay *r, uint64_t seq, uint64_t at_ms) {
    struct queue_row *q = &r->sale.queue;
    uint64_t expected = q->event_seq + 1;
    r->check->rows++;
    if (seq != expected) {
        q->event_seq = seq;
        OFFEND(r, "expected event %" PRIu64, expected);
    }
    q->event_seq = seq - 1;
    r->sale.now_ms = at_ms;
}

static void join(struct replay *r, const struct stored_join *j) {
    struct sale *s = &r->sale;
    struct queue_row before = s->queue;
    struct join_outcome o;
    s->places_count = s->queue_events_count = 0;
    enum err e = sale_join(s, &terms, (struct user_id){{0}}, &o);
    const struct place_row *p = s->places;
    if (!e && p->number == j->number && p->joined_active == j->active) {
        set_stand(r, j->number, j->active ? ACTIVE : WAITING);
        return;
    }
    s->queue = before;
    s->queue.event_seq++;
    OFFEND(r,
           "number %" PRIu64 " joined and %s, after %" PRIu64 ", with %" PRIu64
           " who wait, %" PRIu64 " of %" PRIu64 " in%s%s",
           j->number, j->active ? "was let in" : "waits", before.tail, before.waiting,
           before.active, before.max_active, before.paused ? ", paused" : "",
           before.draining ? ", draining" : "");
    if (j->number > s->queue.tail + FAR) return;
    if (j->number > s->queue.tail) s->queue.tail = j->number;
    force(r, j->number, stand_of(r, j->number), j->active ? ACTIVE : WAITING);
}

static void admit(struct replay *r, uint64_t number) {
    struct sale *s = &r->sale;
    struct queue_row before = s->queue;
    struct tick_outcome o;
    while (r->front <= s->queue.tail && stand_of(r, r->front) != WAITING) r->front++;
    s->places_count = s->queue_events_count = 0;
    if (r->front <= s->queue.tail) lay_out(r, r->front, false, false);
    sale_tick(s, &terms, &o);
    if (did(s, EVENT_ADMIT, number)) {
        set_stand(r, number, ACTIVE);
        return;
    }
    s->queue = before;
    s->queue.event_seq++;
    if (stand_of(r, number) != WAITING)
        OFFEND(r, "number %" PRIu64 " let in and did not wait", number);
    else if (number != r->front)
        OFFEND(r, "number %" PRIu64 " let in before %" PRIu64, number, r->front);
    else
        OFFEND(r, "number %" PRIu64 " let in with %" PRIu64 " of %" PRIu64 " in%s", number,
               before.active, before.max_active,
               before.paused ? ", paused" : ", or before the sale opened");
    if (stand_of(r, number) != NOT_DRAWN) force(r, number, stand_of(r, number), ACTIVE);
}

/* A place that ended: by which rule, is what its event says. */
static void leave(struct replay *r, uint64_t number, enum queue_event_kind kind) {
    struct sale *s = &r->sale;
    struct queue_row before = s->queue;
    enum stand from = stand_of(r, number), to;
    bool due = kind == EVENT_EXPIRE || kind == EVENT_NO_SHOW;
    struct place_row *p = lay_out(r, number, due, kind != EVENT_NO_SHOW);
    struct tick_outcome o;
    enum err e = E_OK;
    switch (kind) {
    case EVENT_LEAVE:
        to = from == WAITING ? LEFT_WAITING : LEFT_ACTIVE;
        e = sale_leave(s, number, p->user);
        break;
    case EVENT_COMPLETE:
        to = COMPLETED;
        e = sale_pass(s, &terms, number, p->user, &p);
        if (!e) sale_complete(s, p);
        break;
    default:
        to = kind == EVENT_NO_SHOW ? NO_SHOW : EXPIRED;
        if (from == ACTIVE) sale_tick(s, &terms, &o);
        break;
    }
    if (!e && did(s, kind, number)) {
        set_stand(r, number, to);
        return;
    }
    s->queue = before;
    s->queue.event_seq++;
    OFFEND(r, "number %" PRIu64 " ended (%s) and was not in", number, queue_event_name(kind));
    if (from != NOT_DRAWN) force(r, number, from, to);
}

static void take_event(void *ctx, const struct db_row *row) {
    static const char *const names[] = {"ADMIT", "COMPLETE", "LEAVE", "EXPIRE", "NO_SHOW"};
    struct replay *r = ctx;
    struct queue_row *q = &r->sale.queue;
    uint64_t seq = DB_ROW_U64(row, "seq"), number = DB_ROW_U64(row, "number"),
             value = DB_ROW_U64(row, "value"), at_ms = DB_ROW_U64(row, "at_ms");
    const char *kind = DB_ROW_TEXT(row, "kind");
    for (; r->joins_taken < r->joins_count && r->joins[r->joins_taken].seq < seq;
         r->joins_taken++) {
        const struct stored_join *j = &r->joins[r->joins_taken];
        next_seq(r, j->seq, j->at_ms);
        join(r, j);
    }
    next_seq(r, seq, at_ms);
    for (enum queue_event_kind k = EVENT_ADMIT; k <= EVENT_NO_SHOW; k++) {
        if (strcmp(kind, names[k]) != 0) continue;
        if (k == EVENT_ADMIT)
            admit(r, number);
        else
            leave(r, number, k);
        return;
    }
    /* What an operator does has no rule: any of it may be done at any time. */
    q->event_seq = seq;
    if (strcmp(kind, "CAP") == 0)
        q->max_active = value;
    else if (strcmp(kind, "PAUSE") == 0 || strcmp(kind, "RESUME") == 0)
        q->paused = *kind == 'P';
    else if (strcmp(kind, "DRAIN") == 0)
        q->draining = value != 0;
    else
        OFFEND(r, "unknown kind %s", kind);
}

static void take_join(void *ctx, const struct db_row *row) {
    struct replay *r = ctx;
    r->joins[r->joins_count++] =
        (struct stored_join){.number = DB_ROW_U64(row, "number"),
                             .seq = DB_ROW_U64(row, "join_seq"),
                             .active = DB_ROW_U64(row, "joined_active") != 0,
                             .at_ms = DB_ROW_U64(row, "joined_at_ms")};
}

/* Numbers are drawn in the order of events: a stretch by number is a stretch of events. Where
 * damage makes that untrue, the numbers of events don't follow each other, which is told. */
static enum err replay_events(struct replay *r) {
    uint64_t number = 0, seq = 0;
    for (bool last = false; !last;) {
        r->joins_count = r->joins_taken = 0;
        enum err e = db_run(r->db, STMT_AUDIT_JOINS,
                            DB_ARGS(DB_U64(r->stored.concert.v), DB_U64(number), DB_U64(STRETCH)),
                            take_join, r, NULL);
        last = r->joins_count < STRETCH;
        uint64_t to = last ? UINT64_MAX : r->joins[STRETCH - 1].seq;
        if (!last) number = r->joins[STRETCH - 1].number;
        if (!e && to >= seq)
            e = db_run(r->db, STMT_AUDIT_EVENTS,
                       DB_ARGS(DB_U64(r->stored.concert.v), DB_U64(seq), DB_U64(to)), take_event, r,
                       NULL);
        if (e) return e;
        for (; r->joins_taken < r->joins_count; r->joins_taken++) {
            next_seq(r, r->joins[r->joins_taken].seq, r->joins[r->joins_taken].at_ms);
            join(r, &r->joins[r->joins_taken]);
        }
        if (to > seq) seq = to;
    }
    return E_OK;
}

static void take_place(void *ctx, const struct db_row *row) {
    static const struct {
        const char *state;
        bool admitted, claimed;
    } told[] = {{"none", false, false},    {"WAITING", false, false}, {"ACTIVE", true, true},
                {"COMPLETED", true, true}, {"LEFT", false, false},    {"LEFT", true, true},
                {"EXPIRED", true, true},   {"EXPIRED", true, false}};
    struct replay *r = ctx;
    uint64_t number = DB_ROW_U64(row, "number");
    const char *state = DB_ROW_TEXT(row, "state");
    bool live = !DB_ROW_NULL(row, "live"), admitted = !DB_ROW_NULL(row, "admitted_at_ms"),
         claimed = !DB_ROW_NULL(row, "claimed_at_ms");
    enum stand stand = stand_of(r, number);
    bool in = stand == WAITING || stand == ACTIVE,
         may_claim = stand == ACTIVE || stand == LEFT_ACTIVE;
    r->check->rows++;
    if (strcmp(state, told[stand].state) != 0)
        OFFEND(r, "number %" PRIu64 " is %s, its events say %s", number, state, told[stand].state);
    else if (in != live)
        OFFEND(r, "number %" PRIu64 " is %s and %slive", number, state, live ? "" : "not ");
    else if (admitted != told[stand].admitted || (claimed != told[stand].claimed && !may_claim))
        OFFEND(r,
               "number %" PRIu64 " is %s, and its times of being let in and showing up do not fit",
               number, state);
}

static void compare_queue(struct replay *r) {
    const struct queue_row *q = &r->sale.queue, *row = &r->stored;
    if (q->event_seq != row->event_seq || q->tail != row->tail || q->waiting != row->waiting ||
        q->active != row->active)
        OFFEND(r,
               "the row says seq %" PRIu64 " tail %" PRIu64 " waiting %" PRIu64 " active %" PRIu64
               ", the events tail %" PRIu64 " waiting %" PRIu64 " active %" PRIu64,
               row->event_seq, row->tail, row->waiting, row->active, q->tail, q->waiting,
               q->active);
    if (q->max_active != row->max_active || q->paused != row->paused ||
        q->draining != row->draining)
        OFFEND(r,
               "the row says cap %" PRIu64 ", paused %d, draining %d, the events %" PRIu64
               ", %d, %d",
               row->max_active, row->paused, row->draining, q->max_active, q->paused, q->draining);
    for (uint64_t n = r->front; n <= row->admitted_through && n <= q->tail; n++)
        if (stand_of(r, n) == WAITING)
            OFFEND(r, "number %" PRIu64 " waits at or below admittedThrough %" PRIu64, n,
                   row->admitted_through);
}

static enum err replay_queue(struct replay *r) {
    r->sale.queue = (struct queue_row){.concert = r->stored.concert,
                                       .sales_open_at_ms = r->stored.sales_open_at_ms};
    r->sale.queue_found = true;
    r->front = 1;
    free(r->stands);
    r->stands = NULL;
    r->stands_bytes = 0;
    enum err e = replay_events(r);
    if (e) return e;
    compare_queue(r);
    return db_run(r->db, STMT_AUDIT_PLACES, DB_ARGS(DB_U64(r->stored.concert.v)), take_place, r,
                  NULL);
}

struct queues {
    struct queue_row *rows;
    size_t count, size;
};

static void take_queue(void *ctx, const struct db_row *row) {
    struct queues *list = ctx;
    if (list->count == list->size) {
        list->size = list->size ? list->size * 2 : 64;
        list->rows = realloc(list->rows, list->size * sizeof *list->rows);
        if (!list->rows) abort();
    }
    list->rows[list->count++] = (struct queue_row){
        .concert = {DB_ROW_U64(row, "concert_id")},
        .tail = DB_ROW_U64(row, "tail"),
        .waiting = DB_ROW_U64(row, "waiting"),
        .active = DB_ROW_U64(row, "active"),
        .admitted_through = DB_ROW_U64(row, "admitted_through"),
        .event_seq = DB_ROW_U64(row, "event_seq"),
        .max_active = DB_ROW_U64(row, "max_active"),
        .paused = DB_ROW_U64(row, "paused") != 0,
        .draining = DB_ROW_U64(row, "draining") != 0,
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
    };
}

enum err audit_queues(struct audit *a) {
    struct queues list = {0};
    struct check check = {0};
    struct replay r = {.check = &check, .db = a->db, .joins = malloc(STRETCH * sizeof *r.joins)};
    if (!r.joins) abort();
    enum err e = db_run(a->db, STMT_AUDIT_QUEUES, 0, NULL, take_queue, &list, NULL);
    for (size_t i = 0; !e && i < list.count; i++) {
        r.stored = list.rows[i];
        e = replay_queue(&r);
    }
    free(list.rows);
    free(r.stands);
    free(r.joins);
    sale_free(&r.sale);
    if (!e) check_end(&check, a, "numbers without gap, let in by number, under the cap");
    return e;
}
