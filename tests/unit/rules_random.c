/* SPDX-License-Identifier: 0BSD */
/* Random sequences of what can happen in a sale, each made three times: by the model; by the rules
 * in batches; by the rules one by one. All three must tell everyone the same and leave the same
 * behind, and what is promised of queues, seats and money must be so after each batch. */
#include "rules_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const kind_names[KINDS] = {"join",   "leave",  "show", "hold",   "release", "pay",
                                       "cancel", "charge", "tick", "expire", "operate"};
uint64_t tried[KINDS][E_COUNT];

/* splitmix64: the same numbers for the same seed, everywhere. */
static uint64_t state;
static uint64_t next(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static uint64_t between(uint64_t least, uint64_t most) {
    return least + next() % (most - least + 1);
}
static bool chance(unsigned percent) { return next() % 100 < percent; }

/* --- what a sequence is made of --- */

/* Times are small and steps are smaller, so that what ends at an instant is often looked at in that
 * very instant. */
static void draw_set_up(struct set_up *u) {
    *u = (struct set_up){
        .terms = {.active_ttl_ms = between(2, 14),
                  .claim_ttl_ms = between(1, 5),
                  .hold_ttl_ms = between(1, 9),
                  .seats_per_user_max = between(1, 4),
                  .cancel_cutoff_ms = between(0, 6),
                  .waiting_max = between(1, 5)},
        .sales_open_at_ms = chance(80) ? 0 : START_MS + between(0, 8),
        .sales_close_at_ms = chance(70) ? 0 : START_MS + between(5, 40),
        .max_active = chance(5) ? 0 : between(1, 4),
    };
    for (uint64_t i = 0; i < HALLS; i++)
        u->halls[i] = (struct performance_row){
            .id = {i + 1},
            .concert = {i < 2 ? CONCERT : OTHER_CONCERT},
            .price_minor = between(0, 3) * 500,
            .total_seats = between(2, HALL_SEATS_MAX),
            .starts_at_ms = START_MS + between(8, 50),
            .sales_open_at_ms = chance(75) ? u->sales_open_at_ms : START_MS + between(0, 10),
            .sales_close_at_ms = chance(75) ? u->sales_close_at_ms : START_MS + between(5, 40),
        };
}

/* Mostly one that can do it: has been let in, or has a reservation; else anyone. */
static unsigned draw_user(const struct tables *t, enum kind kind) {
    uint64_t at = 0;
    if (kind == HOLD && t->places_count && chance(70)) {
        for (at = t->places_count; at && t->places[at].state != PLACE_ACTIVE; at--) {
        }
        while (at > 1 && chance(40)) at--;
        if (at) return user_index(t->places[at].user);
    }
    if ((kind == RELEASE || kind == PAY || kind == CANCEL) && t->reservations_count > 1 &&
        chance(85)) {
        enum reservation_status wanted = kind == CANCEL ? RESERVATION_PAID : RESERVATION_HELD;
        for (at = t->reservations_count;
             at > 2 && (t->reservations[at].status != wanted || chance(25)); at--) {
        }
        return user_index(t->reservations[at].user);
    }
    return (unsigned)between(1, USERS);
}

/* Mostly the user's latest; else any number, also one that was not drawn. */
static uint64_t draw_number(const struct tables *t, unsigned user) {
    uint64_t n = chance(94) ? t->places_count : 0;
    while (n && user_index(t->places[n].user) != user) n--;
    return n ? n : between(0, t->places_count + 1);
}

/* Mostly one of the user's latest. */
static uint64_t draw_reservation(const struct tables *t, unsigned user) {
    uint64_t id = chance(94) ? t->reservations_count : 0;
    while (id && (user_index(t->reservations[id].user) != user || chance(20))) id--;
    return id ? id : between(0, t->reservations_count + 1);
}

static void draw_seats(const struct tables *t, uint64_t performance, struct seat_numbers *seats_r) {
    uint64_t total = performance <= HALLS ? t->halls[performance].total_seats : 2;
    seats_r->count = 0;
    for (uint64_t n = 1; n <= total + 1 && seats_r->count < 4; n++)
        if (n == total + 1 ? chance(3) : chance(30)) seats_r->number[seats_r->count++] = n;
    if (!seats_r->count) seats_r->number[seats_r->count++] = between(1, total);
}

static uint64_t draw_amount(const struct tables *t, unsigned user) {
    if (chance(93)) return between(1, 6) * 500;
    /* To the limit, or one past it. */
    uint64_t room_minor = BALANCE_MINOR_MAX - t->users[user].balance_minor;
    return room_minor + (room_minor == 0 || chance(50) ? 1 : 0);
}

/* Of that batch of a sequence: people come first. */
static enum kind draw_kind(uint64_t batch) {
    if (batch < 2 && chance(80)) return JOIN;
    if (batch < 5 && chance(50)) return CHARGE;
    static const struct {
        enum kind kind;
        unsigned weight;
    } rows[] = {{JOIN, 18},  {LEAVE, 4},   {SHOW, 4},  {HOLD, 26},  {RELEASE, 4}, {PAY, 16},
                {CANCEL, 9}, {CHARGE, 14}, {TICK, 14}, {EXPIRE, 6}, {OPERATE, 4}};
    uint64_t total = 0;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) total += rows[k].weight;
    uint64_t at = next() % total;
    size_t i = 0;
    for (; at >= rows[i].weight; i++) at -= rows[i].weight;
    return rows[i].kind;
}

/* Requests of one kind; those that hold, in one performance. Also two of one user, though the
 * service puts the later one into the next batch. */
static size_t draw_batch(const struct tables *t, uint64_t batch, struct request q[BATCH_MAX]) {
    enum kind kind = draw_kind(batch);
    size_t count = kind >= TICK ? 1 : between(1, BATCH_MAX);
    uint64_t performance = chance(95) ? between(1, 2) : between(3, 4);
    for (size_t i = 0; i < count; i++) {
        unsigned user = draw_user(t, kind);
        q[i].kind = kind;
        q[i].user = user;
        q[i].number = draw_number(t, user);
        q[i].performance = kind == EXPIRE ? between(1, 2) : performance;
        q[i].reservation = draw_reservation(t, user);
        q[i].amount_minor = draw_amount(t, user);
        q[i].most = chance(85) ? ROWS_MAX : between(1, 2);
        q[i].skip = chance(90) ? 0 : (unsigned)next() % (2u << USERS);
        draw_seats(t, performance, &q[i].seats);
    }
    return count;
}

static uint64_t draw_step_ms(void) {
    uint64_t at = next() % 20;
    return at < 9 ? 0 : at < 15 ? 1 : at < 18 ? 2 : between(3, 8);
}

/* --- what must be so --- */

static char *why;
#define WHY_SIZE 300
#define MUST(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) return snprintf(why, WHY_SIZE, __VA_ARGS__), false;                      \
    } while (0)

/* What has been seen of the log of a queue, event by event. */
struct replay {
    size_t events, entries;
    uint64_t tail, cap, admitted, no_shows;
    enum place_state state[ROWS_MAX];
    size_t waiting, active;
    bool paused;
    uint64_t balance_minor[USERS + 1];
};

static bool first_of_those_waiting(const struct replay *r, uint64_t number) {
    for (uint64_t n = 1; n < number; n++)
        if (r->state[n] == PLACE_WAITING) return false;
    return true;
}

static bool replay_admission(struct replay *r, uint64_t n) {
    MUST(r->active < r->cap, "number %" PRIu64 " let in past the cap of %" PRIu64, n, r->cap);
    MUST(!r->paused, "number %" PRIu64 " let in while paused", n);
    r->state[n] = PLACE_ACTIVE;
    r->active++;
    r->admitted++;
    return true;
}

static bool replay_end(struct replay *r, const struct tables *t, int kind, uint64_t n) {
    static const enum place_state to[] = {PLACE_ACTIVE, PLACE_COMPLETED, PLACE_LEFT, PLACE_EXPIRED,
                                          PLACE_EXPIRED};
    bool active = r->state[n] == PLACE_ACTIVE;
    MUST(active || (kind == EVENT_LEAVE && r->state[n] == PLACE_WAITING),
         "number %" PRIu64 " ends by %d, but is %s", n, kind, place_state_name(r->state[n]));
    if (kind == EVENT_EXPIRE || kind == EVENT_NO_SHOW)
        MUST((kind == EVENT_NO_SHOW) == !t->places[n].claimed_at_ms,
             "number %" PRIu64 " ends by %d, claimed at %" PRIu64, n, kind,
             t->places[n].claimed_at_ms);
    if (active)
        r->active--;
    else
        r->waiting--;
    r->no_shows += kind == EVENT_NO_SHOW;
    r->state[n] = to[kind];
    return true;
}

static bool replay_join(struct replay *r, const struct tables *t, uint64_t n) {
    MUST(n == r->tail + 1, "number %" PRIu64 " drawn after %" PRIu64, n, r->tail);
    r->tail = n;
    for (uint64_t k = 1; k < n; k++)
        MUST(user_index(t->places[k].user) != user_index(t->places[n].user) ||
                 (r->state[k] != PLACE_WAITING && r->state[k] != PLACE_ACTIVE),
             "number %" PRIu64 " drawn by who has %" PRIu64, n, k);
    if (t->places[n].joined_active) {
        MUST(r->waiting == 0, "number %" PRIu64 " at once, but others wait", n);
        return replay_admission(r, n);
    }
    r->state[n] = PLACE_WAITING;
    r->waiting++;
    return true;
}

static bool replay_event(struct replay *r, const struct tables *t, const struct log_entry *e) {
    uint64_t n = e->number;
    if (e->kind >= LOG_OPERATOR) {
        if (e->kind == LOG_OPERATOR + (int)CAP) r->cap = n;
        if (e->kind == LOG_OPERATOR + (int)PAUSE) r->paused = true;
        if (e->kind == LOG_OPERATOR + (int)RESUME) r->paused = false;
        return true;
    }
    MUST(n >= 1 && n <= t->places_count, "an event of number %" PRIu64 ", which was not drawn", n);
    if (e->kind == LOG_JOIN) return replay_join(r, t, n);
    MUST(n <= r->tail, "an event of number %" PRIu64 " before it was drawn", n);
    if (e->kind != EVENT_ADMIT) return replay_end(r, t, e->kind, n);
    MUST(r->state[n] == PLACE_WAITING, "number %" PRIu64 " let in, but is %s", n,
         place_state_name(r->state[n]));
    MUST(first_of_those_waiting(r, n), "number %" PRIu64 " let in before a smaller one", n);
    r->waiting--;
    return replay_admission(r, n);
}

static bool queue_holds(struct replay *r, const struct tables *t) {
    const struct queue_row *q = &t->queue;
    MUST(q->event_seq == t->logged, "%" PRIu64 " events of the queue, %zu of them there",
         q->event_seq, t->logged);
    for (; r->events < t->logged; r->events++)
        if (!replay_event(r, t, &t->log[r->events + 1])) return false;
    MUST(q->tail == r->tail && t->places_count == r->tail, "tail %" PRIu64 " of %" PRIu64, q->tail,
         r->tail);
    MUST(q->waiting == r->waiting && q->active == r->active,
         "%" PRIu64 " waiting of %zu, %" PRIu64 " active of %zu", q->waiting, r->waiting, q->active,
         r->active);
    MUST(q->admitted_total == r->admitted && q->no_show_total == r->no_shows,
         "%" PRIu64 " let in of %" PRIu64 ", %" PRIu64 " no-shows of %" PRIu64, q->admitted_total,
         r->admitted, q->no_show_total, r->no_shows);
    MUST(q->admitted_through <= q->tail, "let in through %" PRIu64 " of %" PRIu64,
         q->admitted_through, q->tail);
    for (uint64_t n = 1; n <= q->tail; n++) {
        const struct place_row *p = &t->places[n];
        MUST(p->state == r->state[n], "number %" PRIu64 " is %s", n, place_state_name(p->state));
        MUST((p->state == PLACE_ACTIVE) == (p->expires_at_ms != 0),
             "number %" PRIu64 " is %s until %" PRIu64, n, place_state_name(p->state),
             p->expires_at_ms);
        MUST(p->state != PLACE_WAITING || n > q->admitted_through,
             "number %" PRIu64 " waits, let in through %" PRIu64, n, q->admitted_through);
        MUST(!p->admitted_at_ms || n <= q->admitted_through,
             "number %" PRIu64 " was let in, through %" PRIu64, n, q->admitted_through);
    }
    return true;
}

static bool seats_hold(const struct tables *t) {
    size_t live[HALLS + 1] = {0}, have[USERS + 1][HALLS + 1] = {{0}};
    for (size_t id = 1; id <= t->reservations_count; id++) {
        const struct reservation_row *r = &t->reservations[id];
        bool held = r->status == RESERVATION_HELD && r->held_until_ms > t->now_ms;
        if (!held && r->status != RESERVATION_PAID) continue;
        for (size_t i = 0; i < r->seats.count; i++) {
            const struct table_seat *seat = &t->seats[r->performance.v][r->seats.number[i]];
            MUST(seat->reservation == id &&
                     seat->taken_until_ms == (held ? r->held_until_ms : SOLD_MS),
                 "seat %" PRIu64 " of reservation %zu, %s until %" PRIu64 ", is of %" PRIu64
                 " until %" PRIu64,
                 r->seats.number[i], id, reservation_status_name(r->status), r->held_until_ms,
                 seat->reservation, seat->taken_until_ms);
        }
        live[r->performance.v] += r->seats.count;
        have[user_index(r->user)][r->performance.v] += r->seats.count;
        const struct place_row *p = &t->places[r->place_number];
        MUST(!held || r->concert.v != CONCERT || p->state != PLACE_ACTIVE ||
                 p->expires_at_ms >= r->held_until_ms,
             "the pass of number %" PRIu64 " ends before reservation %zu", r->place_number, id);
    }
    for (size_t f = 1; f <= HALLS; f++) {
        for (uint64_t n = 1; n <= t->halls[f].total_seats; n++) {
            const struct table_seat *seat = &t->seats[f][n];
            if (seat->taken_until_ms > t->now_ms) live[f]--;
            MUST(!seat->reservation == !seat->taken_until_ms,
                 "seat %" PRIu64 ": of %" PRIu64 " until %" PRIu64, n, seat->reservation,
                 seat->taken_until_ms);
        }
        MUST(live[f] == 0, "performance %zu: seats taken by nobody", f);
        MUST(t->halls[f].event_seq == t->hall_logged[f - 1],
             "performance %zu: %" PRIu64 " events of %zu", f, t->halls[f].event_seq,
             t->hall_logged[f - 1]);
        for (unsigned u = 1; u <= USERS; u++)
            MUST(have[u][f] <= t->set_up->terms.seats_per_user_max,
                 "user %u has %zu seats of performance %zu", u, have[u][f], f);
    }
    return true;
}

static bool money_holds(struct replay *r, const struct tables *t) {
    for (; r->entries < t->entries_count; r->entries++) {
        const struct money_entry *e = &t->entries[r->entries];
        uint64_t *balance = &r->balance_minor[e->user];
        MUST(e->amount_minor >= 0 || *balance >= (uint64_t)-e->amount_minor, "user %u below zero",
             e->user);
        *balance += (uint64_t)e->amount_minor;
        MUST(*balance == e->balance_after_minor, "user %u: %" PRIu64 " after, not %" PRIu64,
             e->user, *balance, e->balance_after_minor);
    }
    size_t paid = 0;
    for (unsigned u = 1; u <= USERS; u++)
        MUST(t->users[u].balance_minor == r->balance_minor[u],
             "user %u: a balance of %" PRIu64 ", entries of %" PRIu64, u, t->users[u].balance_minor,
             r->balance_minor[u]);
    for (size_t id = 1; id <= t->reservations_count; id++)
        paid += t->reservations[id].paid_at_ms != 0;
    MUST(paid == t->payments_count, "%zu reservations paid, %zu payments", paid, t->payments_count);
    return true;
}

static bool is_as_model(const struct tables *t, const struct model *m) {
    MUST(t->places_count == m->places && t->reservations_count == m->reservations &&
             t->entries_count == m->entries && t->logged == m->logged,
         "%zu places of %zu, %zu reservations of %zu, %zu entries of %zu, %zu events of %zu",
         t->places_count, m->places, t->reservations_count, m->reservations, t->entries_count,
         m->entries, t->logged, m->logged);
    MUST(t->queue.admitted_through == m->through, "let in through %" PRIu64 "; the model: %" PRIu64,
         t->queue.admitted_through, m->through);
    for (uint64_t n = 1; n <= m->places; n++) {
        const struct place_row *p = &t->places[n];
        const struct model_place *o = &m->place[n];
        MUST(user_index(p->user) == o->user && p->state == o->state &&
                 p->admitted_at_ms == o->admitted_at_ms && p->claimed_at_ms == o->claimed_at_ms &&
                 p->expires_at_ms == o->expires_at_ms,
             "number %" PRIu64 ": %s, claimed %" PRIu64 ", until %" PRIu64
             "; the model: %s, %" PRIu64 ", %" PRIu64,
             n, place_state_name(p->state), p->claimed_at_ms, p->expires_at_ms,
             place_state_name(o->state), o->claimed_at_ms, o->expires_at_ms);
    }
    for (uint64_t id = 1; id <= m->reservations; id++) {
        const struct reservation_row *r = &t->reservations[id];
        const struct model_reservation *o = &m->reservation[id];
        MUST(user_index(r->user) == o->user && r->status == o->status &&
                 r->amount_minor == o->amount_minor && r->held_until_ms == o->until_ms &&
                 r->performance.v == o->performance && r->place_number == o->place,
             "reservation %" PRIu64 ": %s until %" PRIu64 "; the model: %s until %" PRIu64, id,
             reservation_status_name(r->status), r->held_until_ms,
             reservation_status_name(o->status), o->until_ms);
    }
    for (size_t i = 0; i < m->logged; i++)
        MUST(t->log[i + 1].kind == m->log[i].kind && t->log[i + 1].number == m->log[i].number,
             "event %zu: %d of %" PRIu64 "; the model: %d of %" PRIu64, i + 1, t->log[i + 1].kind,
             t->log[i + 1].number, m->log[i].kind, m->log[i].number);
    for (size_t f = 0; f < HALLS; f++) {
        MUST(t->hall_logged[f] == m->hall_logged[f], "performance %zu: %zu events of %zu", f + 1,
             t->hall_logged[f], m->hall_logged[f]);
        for (size_t i = 0; i < m->hall_logged[f]; i++)
            MUST(t->hall_log[f][i].kind == m->hall_log[f][i].kind &&
                     t->hall_log[f][i].reservation == m->hall_log[f][i].reservation,
                 "performance %zu: event %zu differs", f + 1, i + 1);
    }
    for (size_t i = 0; i < m->entries; i++)
        MUST(t->entries[i].user == m->entry[i].user && t->entries[i].type == m->entry[i].type &&
                 t->entries[i].amount_minor == m->entry[i].amount_minor &&
                 t->entries[i].reservation == m->entry[i].reservation,
             "entry %zu differs", i);
    return true;
}

/* Both are as the model is; here is what it doesn't have. */
static bool is_as_other(const struct tables *a, const struct tables *b) {
    MUST(memcmp(a->seats, b->seats, sizeof a->seats) == 0, "seats differ one by one");
    for (uint64_t n = 1; n <= a->places_count; n++)
        MUST(a->places[n].joined_active == b->places[n].joined_active &&
                 a->places[n].ended_at_ms == b->places[n].ended_at_ms &&
                 a->places[n].joined_at_ms == b->places[n].joined_at_ms &&
                 a->places[n].join_seq == b->places[n].join_seq,
             "number %" PRIu64 " differs one by one", n);
    for (size_t i = 0; i < a->payments_count; i++)
        MUST(a->payments[i].reservation == b->payments[i].reservation &&
                 a->payments[i].balance_minor == b->payments[i].balance_minor,
             "payment %zu differs one by one", i);
    return true;
}

static bool is_same_answer(const struct answer *a, const struct answer *b, const char *whose) {
    bool same =
        a->code == b->code && memcmp(a->value, b->value, sizeof a->value) == 0 &&
        a->taken.count == b->taken.count &&
        memcmp(a->taken.number, b->taken.number, a->taken.count * sizeof *a->taken.number) == 0;
    MUST(same,
         "told %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "; %s: %s %" PRIu64 " %" PRIu64
         " %" PRIu64 " %" PRIu64,
         err_name(a->code), a->value[0], a->value[1], a->value[2], a->value[3], whose,
         err_name(b->code), b->value[0], b->value[1], b->value[2], b->value[3]);
    return true;
}

/* --- a sequence --- */

static struct tables batched, single;
static struct model model;
static struct replay replay;
static struct set_up set_up;
static struct sale sale;

static void operate(bool aloud) {
    enum operator_change change = chance(50) ? CAP : (enum operator_change)between(PAUSE, CLOSE);
    uint64_t value = change == CAP     ? between(0, 4)
                     : change == CLOSE ? batched.now_ms + between(0, 20)
                                       : 0;
    if (aloud)
        printf("# %" PRIu64 " operator: %d %" PRIu64 "\n", batched.now_ms, (int)change, value);
    tables_operate(&batched, change, value);
    tables_operate(&single, change, value);
    model_operate(&model, change, value);
}

static void say(const struct request *q, const struct answer *a) {
    printf("# %" PRIu64 " user %u: %s, number %" PRIu64 ", performance %" PRIu64 ", seats",
           batched.now_ms, q->user, kind_names[q->kind], q->number, q->performance);
    for (size_t i = 0; i < q->seats.count; i++) printf(" %" PRIu64, q->seats.number[i]);
    printf(", reservation %" PRIu64 ", amount %" PRIu64 ", most %" PRIu64 ", skip %x: %s %" PRIu64
           " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
           q->reservation, q->amount_minor, q->most, q->skip, err_name(a->code), a->value[0],
           a->value[1], a->value[2], a->value[3]);
}

static bool batch_holds(uint64_t batch, bool aloud) {
    static struct request q[BATCH_MAX];
    static struct answer in_batch[BATCH_MAX], alone, expected;
    size_t count = draw_batch(&batched, batch, q);
    if (q[0].kind == OPERATE) {
        operate(aloud);
        count = 0;
    } else {
        tables_batch(&batched, &sale, q, count, in_batch);
    }
    for (size_t i = 0; i < count; i++) {
        if (aloud) say(&q[i], &in_batch[i]);
        tried[q[i].kind][in_batch[i].code]++;
        model_answer(&model, &q[i], &expected);
        tables_batch(&single, &sale, &q[i], 1, &alone);
        if (!is_same_answer(&in_batch[i], &expected, "the model") ||
            !is_same_answer(&in_batch[i], &alone, "one by one"))
            return false;
    }
    MUST(!batched.refused, "the database: %s", batched.refused);
    MUST(!single.refused, "the database, one by one: %s", single.refused);
    return is_as_model(&batched, &model) && is_as_model(&single, &model) &&
           is_as_other(&batched, &single) && queue_holds(&replay, &batched) &&
           seats_hold(&batched) && money_holds(&replay, &batched);
}

bool sequence_holds(uint64_t seed, bool aloud, char why_r[WHY_SIZE]) {
    why = why_r;
    state = seed;
    draw_set_up(&set_up);
    tables_start(&batched, &set_up);
    tables_start(&single, &set_up);
    model_start(&model, &set_up);
    replay = (struct replay){.cap = set_up.max_active};
    uint64_t batches = between(10, BATCHES_MAX);
    for (uint64_t i = 0; i < batches; i++) {
        uint64_t step_ms = draw_step_ms();
        batched.now_ms += step_ms;
        single.now_ms += step_ms;
        model.now_ms += step_ms;
        if (batch_holds(i, aloud)) continue;
        size_t len = strlen(why);
        snprintf(why + len, WHY_SIZE - len, " (batch %" PRIu64 ")", i + 1);
        return false;
    }
    return true;
}
