/* SPDX-License-Identifier: 0BSD */
/* Tables that stand in for the database: each kind of batch loads the rows that it loads there and
 * no others, rules decide, and of what they leave behind only that is stored which they marked, in
 * the columns that are written there. Keys and conditions that are the last arbiter there are
 * checked here. */
#include "rules_world.h"

#include <string.h>

struct user_id user_of(unsigned user) {
    return (struct user_id){{[15] = (uint8_t)user}};
}

unsigned user_index(struct user_id id) { return id.v[15]; }

static void refuse(struct tables *t, const char *why) {
    if (!t->refused) t->refused = why;
}

static void log_at(struct tables *t, uint64_t seq, int kind, uint64_t number) {
    if (seq < 1 || seq >= EVENTS_MAX || t->log[seq].kind >= 0) {
        refuse(t, "an event of the queue twice, or out of bounds");
        return;
    }
    t->log[seq] = (struct log_entry){kind, number};
    t->logged++;
}

void tables_start(struct tables *t, const struct set_up *set_up) {
    t->places_count = t->payments_count = t->entries_count = t->logged = 0;
    memset(t->hall_logged, 0, sizeof t->hall_logged);
    memset(t->seats, 0, sizeof t->seats);
    memset(t->users, 0, sizeof t->users);
    for (size_t i = 0; i < EVENTS_MAX; i++) t->log[i].kind = -1;
    t->set_up = set_up;
    t->refused = NULL;
    t->now_ms = START_MS;
    t->queue = (struct queue_row){.concert = {CONCERT},
                                  .sales_open_at_ms = set_up->sales_open_at_ms,
                                  .sales_close_at_ms = set_up->sales_close_at_ms,
                                  .max_active = set_up->max_active};
    for (unsigned u = 1; u <= USERS; u++) t->users[u].id = user_of(u);
    for (size_t i = 0; i < HALLS; i++) t->halls[i + 1] = set_up->halls[i];
    t->reservations_count = 1;
    t->reservations[1] = (struct reservation_row){.id = {1},
                                                  .user = user_of(1),
                                                  .concert = {OTHER_CONCERT},
                                                  .place_number = 1,
                                                  .performance = {3},
                                                  .seats = {1, {1}},
                                                  .amount_minor = 7,
                                                  .status = RESERVATION_HELD,
                                                  .held_until_ms = START_MS + 1000000};
    t->seats[3][1] = (struct table_seat){1, START_MS + 1000000};
    t->halls[3].event_seq = 1;
    t->hall_log[2][t->hall_logged[2]++] = (struct hall_entry){RESERVATION_HELD, 1};
}

void tables_operate(struct tables *t, enum operator_change change, uint64_t value) {
    struct queue_row *q = &t->queue;
    if (change == CLOSE) {
        q->sales_close_at_ms = value;
        return;
    }
    if (change == CAP) q->max_active = value;
    if (change == PAUSE || change == RESUME) q->paused = change == PAUSE;
    if (change == DRAIN || change == UNDRAIN) q->draining = change == DRAIN;
    log_at(t, ++q->event_seq, LOG_OPERATOR + (int)change, value);
}

/* --- loading --- */

static void load_user(const struct tables *t, struct sale *s, unsigned user) {
    if (!sale_user(s, user_of(user))) *sale_add_user(s) = t->users[user];
}

static void load_place(const struct tables *t, struct sale *s, uint64_t number) {
    if (number < 1 || number > t->places_count || sale_place(s, number, t->places[number].user))
        return;
    *sale_add_place(s) = t->places[number];
}

static void load_performance(const struct tables *t, struct sale *s, uint64_t id) {
    if (id >= 1 && id <= HALLS && !sale_performance(s, (struct performance_id){id}))
        *sale_add_performance(s) = t->halls[id];
}

static void load_reservation(const struct tables *t, struct sale *s, uint64_t id) {
    if (id < 1 || id > t->reservations_count || sale_reservation(s, (struct reservation_id){id}))
        return;
    *sale_add_reservation(s) = t->reservations[id];
    load_performance(t, s, t->reservations[id].performance.v);
}

static void load_queue(const struct tables *t, struct sale *s) {
    s->queue_found = true;
    s->queue = t->queue;
}

/* Of a hold: no row of the queue, and which concert the pass is for is known from it. */
static void load_hold(const struct tables *t, struct sale *s, const struct request *q) {
    s->queue.concert.v = CONCERT;
    load_performance(t, s, q->performance);
    load_place(t, s, q->number);
    if (q->performance > HALLS) return;
    for (size_t i = 0; i < q->seats.count; i++) {
        uint64_t n = q->seats.number[i];
        struct performance_id id = {q->performance};
        if (n > t->halls[q->performance].total_seats || sale_seat(s, id, n)) continue;
        const struct table_seat *seat = &t->seats[q->performance][n];
        *sale_add_seat(s) = (struct seat_row){.performance = id,
                                              .number = n,
                                              .reservation = seat->reservation,
                                              .taken_until_ms = seat->taken_until_ms,
                                              .was_reservation = seat->reservation};
    }
    for (size_t i = 0; i < s->haves_count; i++)
        if (user_index(s->haves[i].user) == q->user) return;
    uint64_t have = 0;
    for (size_t id = 1; id <= t->reservations_count; id++) {
        const struct reservation_row *r = &t->reservations[id];
        bool live = r->status == RESERVATION_PAID ||
                    (r->status == RESERVATION_HELD && r->held_until_ms > t->now_ms);
        if (live && user_index(r->user) == q->user && r->performance.v == q->performance)
            have += r->seats.count;
    }
    if (have) *sale_add_have(s) = (struct have_row){user_of(q->user), have};
}

static void load_members(const struct tables *t, struct sale *s, unsigned user) {
    for (uint64_t n = 1; n <= t->places_count; n++) {
        const struct place_row *p = &t->places[n];
        if (user_index(p->user) == user && (p->state == PLACE_WAITING || p->state == PLACE_ACTIVE))
            load_place(t, s, n);
    }
}

static void load_holders(const struct tables *t, struct sale *s, unsigned user) {
    for (uint64_t id = 1; id <= t->reservations_count; id++) {
        const struct reservation_row *r = &t->reservations[id];
        if (user_index(r->user) == user && r->concert.v == CONCERT && r->status == RESERVATION_HELD)
            load_reservation(t, s, id);
    }
}

static void load_due(const struct tables *t, struct sale *s, const struct request *q) {
    while (s->places_count < q->most) {
        uint64_t found = 0;
        for (uint64_t n = 1; n <= t->places_count; n++) {
            const struct place_row *p = &t->places[n];
            bool due = p->expires_at_ms && p->expires_at_ms <= t->now_ms &&
                       !(q->skip >> user_index(p->user) & 1);
            if (due && !sale_place(s, n, p->user) &&
                (!found || p->expires_at_ms < t->places[found].expires_at_ms))
                found = n;
        }
        if (!found) return;
        load_place(t, s, found);
    }
}

static void load_tick(const struct tables *t, struct sale *s, const struct request *q) {
    load_queue(t, s);
    load_due(t, s, q);
    size_t most = s->places_count + q->most;
    for (uint64_t n = t->queue.admitted_through + 1; n <= t->places_count && s->places_count < most;
         n++)
        if (t->places[n].state == PLACE_WAITING) load_place(t, s, n);
}

static void load_expire(const struct tables *t, struct sale *s, const struct request *q) {
    load_performance(t, s, q->performance);
    for (uint64_t id = 1; id <= t->reservations_count && s->reservations_count < q->most; id++) {
        const struct reservation_row *r = &t->reservations[id];
        if (r->performance.v == q->performance && r->status == RESERVATION_HELD &&
            r->held_until_ms <= t->now_ms)
            load_reservation(t, s, id);
    }
}

static void load(const struct tables *t, struct sale *s, const struct request *q) {
    switch (q->kind) {
    case JOIN:
        load_queue(t, s);
        load_members(t, s, q->user);
        break;
    case LEAVE:
        load_queue(t, s);
        load_place(t, s, q->number);
        load_holders(t, s, q->user);
        break;
    case SHOW: load_place(t, s, q->number); break;
    case HOLD: load_hold(t, s, q); break;
    case PAY:
        load_queue(t, s);
        load_place(t, s, q->number);
        load_user(t, s, q->user);
        load_reservation(t, s, q->reservation);
        break;
    case CANCEL:
    case RELEASE:
        load_user(t, s, q->user);
        load_reservation(t, s, q->reservation);
        break;
    case CHARGE: load_user(t, s, q->user); break;
    case TICK: load_tick(t, s, q); break;
    case EXPIRE: load_expire(t, s, q); break;
    case OPERATE:
    case KINDS: break;
    }
}

/* --- deciding --- */

static void told_join(const struct sale *s, const struct join_outcome *o, struct answer *a) {
    const struct place_row *p = &s->places[o->place];
    a->value[0] = p->number;
    a->value[1] = p->state;
    a->value[2] = p->expires_at_ms;
    a->value[3] = o->already ? UINT64_MAX : o->ahead;
}

static void decide(struct sale *s, const struct sale_terms *terms, const struct request *q,
                   struct answer *a) {
    struct user_id user = user_of(q->user);
    struct reservation_id reservation = {q->reservation};
    struct join_outcome joined;
    struct pay_outcome paid;
    struct tick_outcome ticked;
    struct place_row *p;
    *a = (struct answer){.code = E_OK};
    switch (q->kind) {
    case JOIN:
        a->code = sale_join(s, terms, user, &joined);
        if (!a->code) told_join(s, &joined, a);
        break;
    case LEAVE: a->code = sale_leave(s, q->number, user); break;
    case SHOW: a->code = sale_pass(s, terms, q->number, user, &p); break;
    case HOLD: {
        size_t index;
        a->code = sale_hold(s, terms, q->number, user, (struct performance_id){q->performance},
                            &q->seats, &index, &a->taken);
        /* The id is told once it is stored. */
        if (!a->code) {
            const struct reservation_row *r = &s->reservations[index];
            memcpy(a->value,
                   (uint64_t[4]){index, r->amount_minor, r->held_until_ms,
                                 sale_place(s, q->number, user)->expires_at_ms},
                   sizeof a->value);
        }
        break;
    }
    case RELEASE: a->code = sale_release(s, user, reservation); break;
    case PAY:
        a->code =
            sale_pay(s, terms, (struct concert_id){CONCERT}, q->number, user, reservation, &paid);
        if (!a->code || a->code == E_INSUFFICIENT_BALANCE)
            a->value[0] = paid.balance_minor, a->value[1] = paid.amount_minor;
        break;
    case CANCEL: a->code = sale_cancel(s, terms, user, reservation); break;
    case CHARGE: a->code = sale_charge(s, user, q->amount_minor, &a->value[0]); break;
    case TICK:
        sale_tick(s, terms, &ticked);
        a->value[0] = ticked.ended;
        a->value[1] = ticked.admitted;
        break;
    case EXPIRE: a->value[0] = sale_expire(s); break;
    case OPERATE:
    case KINDS: break;
    }
}

/* --- storing --- */

static void store_places(struct tables *t, const struct sale *s) {
    for (size_t i = 0; i < s->places_count; i++) {
        const struct place_row *p = &s->places[i];
        if (p->change == NEW) {
            if (p->number != t->places_count + 1) refuse(t, "a number that is not the next one");
            if (t->places_count + 1 >= ROWS_MAX) continue;
            t->places[++t->places_count] = *p;
            log_at(t, p->join_seq, LOG_JOIN, p->number);
        } else if (p->change == CHANGED) {
            t->places[p->number] = *p;
        } else {
            continue;
        }
        t->places[p->number].change = SAME;
    }
}

static void store_reservations(struct tables *t, struct sale *s) {
    for (size_t i = 0; i < s->reservations_count; i++) {
        struct reservation_row *r = &s->reservations[i];
        if (r->change == NEW) {
            r->id.v = ++t->reservations_count;
            t->reservations[r->id.v] = *r;
            t->reservations[r->id.v].change = SAME;
        } else if (r->change == CHANGED) {
            t->reservations[r->id.v].status = r->status;
            t->reservations[r->id.v].paid_at_ms = r->paid_at_ms;
        }
    }
}

static void store_seats(struct tables *t, const struct sale *s) {
    for (size_t i = 0; i < s->seats_count; i++) {
        const struct seat_row *row = &s->seats[i];
        if (row->change == SAME) continue;
        struct table_seat *seat = &t->seats[row->performance.v][row->number];
        const struct reservation_row *taker = &s->reservations[row->taker];
        if (seat->reservation != row->was_reservation) refuse(t, "a seat is not as it was read");
        seat->reservation = taker->change == NEW ? taker->id.v : row->reservation;
        seat->taken_until_ms = row->taken_until_ms;
    }
}

static void store_events(struct tables *t, const struct sale *s) {
    for (size_t i = 0; i < s->queue_events_count; i++)
        log_at(t, s->queue_events[i].seq, (int)s->queue_events[i].kind, s->queue_events[i].number);
    for (size_t i = 0; i < s->reservation_events_count; i++) {
        const struct reservation_event *e = &s->reservation_events[i];
        size_t hall = e->performance.v - 1;
        uint64_t id = s->reservations[e->reservation].id.v;
        if (e->seq != t->hall_logged[hall] + 1) refuse(t, "an event of a performance out of order");
        for (size_t k = 0; k < t->hall_logged[hall]; k++)
            if (t->hall_log[hall][k].reservation == id && t->hall_log[hall][k].kind == e->kind)
                refuse(t, "the same happens to a reservation twice");
        t->hall_log[hall][t->hall_logged[hall]++] = (struct hall_entry){e->kind, id};
    }
}

static void store_money(struct tables *t, const struct sale *s) {
    for (size_t i = 0; i < s->payments_count; i++) {
        uint64_t id = s->reservations[s->payments[i].reservation].id.v;
        for (size_t k = 0; k < t->payments_count; k++)
            if (t->payments[k].reservation == id) refuse(t, "a reservation paid twice");
        t->payments[t->payments_count++] = (struct table_payment){id, s->payments[i].balance_minor};
    }
    for (size_t i = 0; i < s->entries_count; i++) {
        const struct entry_row *e = &s->entries[i];
        uint64_t id = e->type == ENTRY_CHARGE ? 0 : s->reservations[e->reservation].id.v;
        for (size_t k = 0; k < t->entries_count; k++)
            if (id && t->entries[k].reservation == id && t->entries[k].type == e->type)
                refuse(t, "money moved twice");
        t->entries[t->entries_count++] = (struct money_entry){
            user_index(e->user), e->type, e->amount_minor, e->balance_after_minor, id};
    }
}

static void store(struct tables *t, struct sale *s) {
    if (s->queue.change != SAME) {
        if (!s->queue_found) refuse(t, "a queue that was not loaded was changed");
        t->queue = s->queue;
        t->queue.change = SAME;
    }
    for (size_t i = 0; i < s->users_count; i++)
        if (s->users[i].change != SAME)
            t->users[user_index(s->users[i].id)].balance_minor = s->users[i].balance_minor;
    store_places(t, s);
    store_reservations(t, s);
    store_seats(t, s);
    store_events(t, s);
    store_money(t, s);
    for (size_t i = 0; i < s->performances_count; i++)
        if (s->performances[i].change != SAME)
            t->halls[s->performances[i].id.v].event_seq = s->performances[i].event_seq;
}

void tables_batch(struct tables *t, struct sale *s, const struct request *q, size_t count,
                  struct answer *answers_r) {
    sale_reset(s);
    s->now_ms = t->now_ms;
    for (size_t i = 0; i < count; i++) load(t, s, &q[i]);
    for (size_t i = 0; i < count; i++) decide(s, &t->set_up->terms, &q[i], &answers_r[i]);
    store(t, s);
    for (size_t i = 0; i < count; i++)
        if (q[i].kind == HOLD && !answers_r[i].code)
            answers_r[i].value[0] = s->reservations[answers_r[i].value[0]].id.v;
}
