/* SPDX-License-Identifier: 0BSD */
/* A small model of a sale, written from what clients are promised and not from the rules: plain
 * arrays, and nothing is counted or remembered that can be looked at. */
#include "rules_world.h"

#include <string.h>

static void log_queue(struct model *m, int kind, uint64_t number) {
    m->log[m->logged++] = (struct log_entry){kind, number};
}

static void log_hall(struct model *m, uint64_t id) {
    const struct model_reservation *r = &m->reservation[id];
    size_t hall = r->performance - 1;
    m->hall_log[hall][m->hall_logged[hall]++] = (struct hall_entry){r->status, id};
}

void model_start(struct model *m, const struct set_up *set_up) {
    m->set_up = set_up;
    m->now_ms = START_MS;
    m->cap = set_up->max_active;
    m->close_ms = set_up->sales_close_at_ms;
    m->paused = m->draining = false;
    m->through = 0;
    m->places = m->entries = m->logged = 0;
    memset(m->hall_logged, 0, sizeof m->hall_logged);
    m->reservations = 1;
    m->reservation[1] = (struct model_reservation){.user = 1,
                                                   .concert = OTHER_CONCERT,
                                                   .performance = 3,
                                                   .place = 1,
                                                   .seats = 1 << 1,
                                                   .amount_minor = 7,
                                                   .until_ms = START_MS + 1000000,
                                                   .status = RESERVATION_HELD};
    log_hall(m, 1);
}

void model_operate(struct model *m, enum operator_change change, uint64_t value) {
    if (change == CLOSE) {
        m->close_ms = value;
        return;
    }
    if (change == CAP) m->cap = value;
    if (change == PAUSE || change == RESUME) m->paused = change == PAUSE;
    if (change == DRAIN || change == UNDRAIN) m->draining = change == DRAIN;
    log_queue(m, LOG_OPERATOR + (int)change, value);
}

uint64_t model_balance(const struct model *m, unsigned user) {
    int64_t sum = 0;
    for (size_t i = 0; i < m->entries; i++)
        if (m->entry[i].user == user) sum += m->entry[i].amount_minor;
    return (uint64_t)sum;
}

size_t model_count(const struct model *m, enum place_state state) {
    size_t count = 0;
    for (size_t n = 1; n <= m->places; n++) count += m->place[n].state == state;
    return count;
}

static bool pass_is_over(const struct model *m, uint64_t number) {
    return m->place[number].state == PLACE_ACTIVE && m->place[number].expires_at_ms <= m->now_ms;
}

static bool hold_is_live(const struct model *m, uint64_t id) {
    return m->reservation[id].status == RESERVATION_HELD && m->reservation[id].until_ms > m->now_ms;
}

/* A live hold or an owner. */
static bool has_seats(const struct model *m, uint64_t id) {
    return m->reservation[id].status == RESERVATION_PAID || hold_is_live(m, id);
}

static void end_place(struct model *m, uint64_t number, enum place_state state,
                      enum queue_event_kind kind) {
    m->place[number].state = state;
    m->place[number].expires_at_ms = 0;
    log_queue(m, (int)kind, number);
}

/* "Otherwise the place is EXPIRED"; who never showed up is a no-show. */
static void end_over(struct model *m, uint64_t number) {
    end_place(m, number, PLACE_EXPIRED,
              m->place[number].claimed_at_ms ? EVENT_EXPIRE : EVENT_NO_SHOW);
}

/* Not paused, and not before the concert's salesOpenAt. */
static bool lets_in(const struct model *m) {
    return !m->paused && m->set_up->sales_open_at_ms <= m->now_ms;
}

static bool has_room(const struct model *m) { return model_count(m, PLACE_ACTIVE) < m->cap; }

static void let_in(struct model *m, uint64_t number, uint64_t ttl_ms) {
    m->place[number].state = PLACE_ACTIVE;
    m->place[number].admitted_at_ms = m->now_ms;
    m->place[number].expires_at_ms = m->now_ms + ttl_ms;
    m->through = number;
}

static enum err join(struct model *m, const struct request *q, uint64_t value_r[4]) {
    const struct sale_terms *terms = &m->set_up->terms;
    uint64_t over = 0;
    for (uint64_t n = 1; n <= m->places; n++) {
        const struct model_place *p = &m->place[n];
        if (p->user != q->user || (p->state != PLACE_WAITING && p->state != PLACE_ACTIVE)) continue;
        if (pass_is_over(m, n)) {
            over = n;
            continue;
        }
        memcpy(value_r, (uint64_t[4]){n, p->state, p->expires_at_ms, UINT64_MAX},
               sizeof(uint64_t[4]));
        return E_OK;
    }
    if (m->draining || (m->close_ms && m->close_ms <= m->now_ms)) return E_SALES_CLOSED;
    if (over) end_over(m, over);
    size_t ahead = model_count(m, PLACE_WAITING);
    if (ahead >= terms->waiting_max) return E_QUEUE_FULL;
    /* Nobody waits: all so far have been let in or have left. */
    if (ahead == 0) m->through = m->places;
    bool at_once = ahead == 0 && has_room(m) && lets_in(m);
    uint64_t number = ++m->places;
    m->place[number] = (struct model_place){.user = q->user, .state = PLACE_WAITING};
    if (at_once) {
        let_in(m, number, terms->active_ttl_ms);
        m->place[number].claimed_at_ms = m->now_ms;
    }
    log_queue(m, LOG_JOIN, number);
    memcpy(value_r,
           (uint64_t[4]){number, m->place[number].state, m->place[number].expires_at_ms, ahead},
           sizeof(uint64_t[4]));
    return E_OK;
}

static bool is_theirs(const struct model *m, const struct request *q) {
    return q->number >= 1 && q->number <= m->places && m->place[q->number].user == q->user;
}

/* Any request with the token of one let in is a sign that they have shown up. */
static enum err pass(struct model *m, const struct request *q) {
    if (!is_theirs(m, q)) return E_QUEUE_TOKEN_INVALID;
    struct model_place *p = &m->place[q->number];
    if (p->state == PLACE_WAITING) return E_QUEUE_NOT_ADMITTED;
    if (p->state != PLACE_ACTIVE || pass_is_over(m, q->number)) return E_QUEUE_TOKEN_EXPIRED;
    if (!p->claimed_at_ms) {
        p->claimed_at_ms = m->now_ms;
        p->expires_at_ms = m->now_ms + m->set_up->terms.active_ttl_ms;
    }
    return E_OK;
}

static void turn(struct model *m, uint64_t id, enum reservation_status status) {
    m->reservation[id].status = status;
    log_hall(m, id);
}

static enum err leave(struct model *m, const struct request *q) {
    if (!is_theirs(m, q)) return E_QUEUE_TOKEN_INVALID;
    enum place_state state = m->place[q->number].state;
    if (state != PLACE_WAITING && state != PLACE_ACTIVE) return E_OK;
    for (uint64_t id = 1; id <= m->reservations; id++)
        if (m->reservation[id].concert == CONCERT && m->reservation[id].place == q->number &&
            hold_is_live(m, id))
            turn(m, id, RESERVATION_RELEASED);
    end_place(m, q->number, PLACE_LEFT, EVENT_LEAVE);
    return E_OK;
}

static bool is_taken(const struct model *m, uint64_t performance, uint64_t seat) {
    for (uint64_t id = 1; id <= m->reservations; id++)
        if (m->reservation[id].performance == performance &&
            (m->reservation[id].seats >> seat & 1) && has_seats(m, id))
            return true;
    return false;
}

static uint64_t seats_of(const struct model *m, unsigned user, uint64_t performance) {
    uint64_t count = 0;
    for (uint64_t id = 1; id <= m->reservations; id++) {
        const struct model_reservation *r = &m->reservation[id];
        if (r->user == user && r->performance == performance && has_seats(m, id))
            count += (uint64_t)__builtin_popcountll(r->seats);
    }
    return count;
}

static enum err hold_refused(struct model *m, const struct request *q,
                             struct seat_numbers *taken_r) {
    const struct performance_row *f = &m->set_up->halls[q->performance - 1];
    enum err e = pass(m, q);
    if (q->performance == 3) return E_QUEUE_TOKEN_WRONG_CONCERT;
    if (e) return e;
    if (q->performance > HALLS) return E_PERFORMANCE_NOT_FOUND;
    if (q->seats.number[q->seats.count - 1] > f->total_seats) return E_SEAT_NOT_FOUND;
    if (m->now_ms < f->sales_open_at_ms ||
        (f->sales_close_at_ms && m->now_ms >= f->sales_close_at_ms))
        return E_SALES_CLOSED;
    for (size_t i = 0; i < q->seats.count; i++)
        if (is_taken(m, q->performance, q->seats.number[i]))
            taken_r->number[taken_r->count++] = q->seats.number[i];
    if (taken_r->count) return E_SEAT_TAKEN;
    bool fits = seats_of(m, q->user, q->performance) + q->seats.count <=
                m->set_up->terms.seats_per_user_max;
    return fits ? E_OK : E_SEAT_LIMIT_EXCEEDED;
}

static enum err hold(struct model *m, const struct request *q, struct answer *a) {
    enum err e = hold_refused(m, q, &a->taken);
    if (e) return e;
    uint64_t id = ++m->reservations;
    struct model_reservation *r = &m->reservation[id];
    *r = (struct model_reservation){
        .user = q->user,
        .concert = CONCERT,
        .performance = q->performance,
        .place = q->number,
        .amount_minor = q->seats.count * m->set_up->halls[q->performance - 1].price_minor,
        .until_ms = m->now_ms + m->set_up->terms.hold_ttl_ms,
        .status = RESERVATION_HELD};
    for (size_t i = 0; i < q->seats.count; i++) r->seats |= 1ull << q->seats.number[i];
    log_hall(m, id);
    struct model_place *p = &m->place[q->number];
    if (p->expires_at_ms < r->until_ms) p->expires_at_ms = r->until_ms;
    memcpy(a->value, (uint64_t[4]){id, r->amount_minor, r->until_ms, p->expires_at_ms},
           sizeof a->value);
    return E_OK;
}

/* NULL: none, or another's. */
static struct model_reservation *own_reservation(struct model *m, const struct request *q) {
    if (q->reservation < 1 || q->reservation > m->reservations ||
        m->reservation[q->reservation].user != q->user)
        return NULL;
    return &m->reservation[q->reservation];
}

static enum err not_held(const struct model *m, uint64_t id) {
    switch (m->reservation[id].status) {
    case RESERVATION_PAID: return E_ALREADY_PAID;
    case RESERVATION_RELEASED:
    case RESERVATION_CANCELLED: return E_RESERVATION_ENDED;
    case RESERVATION_EXPIRED: return E_HOLD_EXPIRED;
    case RESERVATION_HELD: return hold_is_live(m, id) ? E_OK : E_HOLD_EXPIRED;
    }
    return E_INTERNAL;
}

static enum err release(struct model *m, const struct request *q) {
    if (!own_reservation(m, q)) return E_RESERVATION_NOT_FOUND;
    enum err e = not_held(m, q->reservation);
    if (!e) turn(m, q->reservation, RESERVATION_RELEASED);
    return e;
}

static void move_money(struct model *m, unsigned user, enum entry_type type, int64_t amount_minor,
                       uint64_t reservation) {
    uint64_t after_minor = model_balance(m, user) + (uint64_t)amount_minor;
    m->entry[m->entries++] =
        (struct money_entry){user, type, amount_minor, after_minor, reservation};
}

static enum err pay(struct model *m, const struct request *q, uint64_t value_r[4]) {
    const struct model_reservation *r = own_reservation(m, q);
    enum err e = pass(m, q);
    if (r && r->concert != CONCERT) return E_QUEUE_TOKEN_WRONG_CONCERT;
    if (e) return e;
    if (!r) return E_RESERVATION_NOT_FOUND;
    if ((e = not_held(m, q->reservation))) return e;
    value_r[0] = model_balance(m, q->user);
    value_r[1] = r->amount_minor;
    if (value_r[0] < value_r[1]) return E_INSUFFICIENT_BALANCE;
    move_money(m, q->user, ENTRY_PAYMENT, -(int64_t)r->amount_minor, q->reservation);
    turn(m, q->reservation, RESERVATION_PAID);
    end_place(m, q->number, PLACE_COMPLETED, EVENT_COMPLETE);
    value_r[0] = model_balance(m, q->user);
    return E_OK;
}

static enum err cancel(struct model *m, const struct request *q) {
    const struct model_reservation *r = own_reservation(m, q);
    if (!r) return E_RESERVATION_NOT_FOUND;
    bool paid = r->status == RESERVATION_PAID;
    enum err e = paid ? E_OK : not_held(m, q->reservation);
    if (e) return e;
    const struct performance_row *f = &m->set_up->halls[r->performance - 1];
    if (m->now_ms > f->starts_at_ms - m->set_up->terms.cancel_cutoff_ms) return E_CANCEL_TOO_LATE;
    if (paid && model_balance(m, q->user) + r->amount_minor > BALANCE_MINOR_MAX)
        return E_BALANCE_LIMIT_EXCEEDED;
    turn(m, q->reservation, RESERVATION_CANCELLED);
    if (paid) move_money(m, q->user, ENTRY_REFUND, (int64_t)r->amount_minor, q->reservation);
    return E_OK;
}

static enum err charge(struct model *m, const struct request *q, uint64_t value_r[4]) {
    if (model_balance(m, q->user) + q->amount_minor > BALANCE_MINOR_MAX)
        return E_BALANCE_LIMIT_EXCEEDED;
    move_money(m, q->user, ENTRY_CHARGE, (int64_t)q->amount_minor, 0);
    value_r[0] = model_balance(m, q->user);
    return E_OK;
}

/* The place whose pass has been over for longest, of those that aren't skipped; 0: none. */
static uint64_t longest_over(const struct model *m, unsigned skip) {
    uint64_t found = 0;
    for (uint64_t n = 1; n <= m->places; n++)
        if (pass_is_over(m, n) && !(skip >> m->place[n].user & 1) &&
            (!found || m->place[n].expires_at_ms < m->place[found].expires_at_ms))
            found = n;
    return found;
}

static void tick(struct model *m, const struct request *q, uint64_t value_r[4]) {
    uint64_t over;
    for (; value_r[0] < q->most && (over = longest_over(m, q->skip)); value_r[0]++)
        end_over(m, over);
    for (uint64_t n = 1; n <= m->places && value_r[1] < q->most && lets_in(m) && has_room(m); n++) {
        if (m->place[n].state != PLACE_WAITING) continue;
        let_in(m, n, m->set_up->terms.claim_ttl_ms);
        log_queue(m, EVENT_ADMIT, n);
        value_r[1]++;
    }
}

static void expire(struct model *m, const struct request *q, uint64_t value_r[4]) {
    for (uint64_t id = 1; id <= m->reservations && value_r[0] < q->most; id++) {
        const struct model_reservation *r = &m->reservation[id];
        if (r->performance != q->performance || r->status != RESERVATION_HELD ||
            hold_is_live(m, id))
            continue;
        turn(m, id, RESERVATION_EXPIRED);
        value_r[0]++;
    }
}

void model_answer(struct model *m, const struct request *q, struct answer *a) {
    *a = (struct answer){.code = E_OK};
    switch (q->kind) {
    case JOIN: a->code = join(m, q, a->value); break;
    case LEAVE: a->code = leave(m, q); break;
    case SHOW: a->code = pass(m, q); break;
    case HOLD: a->code = hold(m, q, a); break;
    case RELEASE: a->code = release(m, q); break;
    case PAY: a->code = pay(m, q, a->value); break;
    case CANCEL: a->code = cancel(m, q); break;
    case CHARGE: a->code = charge(m, q, a->value); break;
    case TICK: tick(m, q, a->value); break;
    case EXPIRE: expire(m, q, a->value); break;
    case OPERATE:
    case KINDS: break;
    }
}
