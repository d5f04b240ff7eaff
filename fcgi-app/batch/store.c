/* SPDX-License-Identifier: 0BSD */
/* The third step: writing what the rules have changed, in one round trip, and committing it. */
#include "batch/steps.h"

#include "batch/reservation.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Only of lists, so that they can be gone through as an array. In the order of batch_store's
 * parameters, but for two that come before. The lists of one store; their memory is kept from one
 * to the next. */
static struct {
    struct rows new_users, users, new_reservations, reservations, seats, performances,
        reservation_events, payments, entries, queue, new_places, places, queue_events, answers,
        forget;
} lists;

static void begin_all(void) {
    struct rows *all = (struct rows *)&lists;
    for (size_t i = 0; i < sizeof lists / sizeof *all; i++) rows_begin(&all[i]);
}

static void put_users(const struct sale *s) {
    for (size_t i = 0; i < s->users_count; i++) {
        const struct user_row *u = &s->users[i];
        if (u->change == SAME) continue;
        rows_put(&lists.users, "[");
        rows_hex(&lists.users, u->id.v, sizeof u->id.v);
        rows_put(&lists.users, ",%" PRIu64 "]", u->balance_minor);
    }
    for (size_t i = 0; i < s->entries_count; i++) {
        const struct entry_row *e = &s->entries[i];
        assert(e->type == ENTRY_CHARGE || e->reservation < s->reservations_count);
        uint64_t reservation = e->type == ENTRY_CHARGE ? 0 : s->reservations[e->reservation].id.v;
        rows_put(&lists.entries, "[");
        rows_hex(&lists.entries, e->user.v, sizeof e->user.v);
        rows_put(&lists.entries, ",\"%s\",%" PRId64 ",%" PRIu64 ",%" PRIu64 "]",
                 entry_type_name(e->type), e->amount_minor, e->balance_after_minor, reservation);
    }
}

static void put_reservations(const struct sale *s) {
    char seats[SEATS_TEXT_MAX];
    for (size_t i = 0; i < s->reservations_count; i++) {
        const struct reservation_row *r = &s->reservations[i];
        if (r->change == CHANGED)
            rows_put(&lists.reservations, "[%" PRIu64 ",\"%s\",\"%s\"]", r->id.v,
                     reservation_status_name(r->was_status), reservation_status_name(r->status));
        if (r->change != NEW) continue;
        seat_numbers_text(&r->seats, seats);
        rows_put(&lists.new_reservations, "[");
        rows_hex(&lists.new_reservations, r->user.v, sizeof r->user.v);
        rows_put(&lists.new_reservations, ",%" PRIu64 ",%" PRIu64 ",\"", r->place_number,
                 r->performance.v);
        strbuf_bytes(&lists.new_reservations.text, seats, strlen(seats));
        rows_put(&lists.new_reservations, "\",%zu,%" PRIu64 ",%" PRIu64 "]", r->seats.count,
                 r->amount_minor, r->held_until_ms);
    }
    for (size_t i = 0; i < s->payments_count; i++) {
        assert(s->payments[i].reservation < s->reservations_count);
        const struct reservation_row *r = &s->reservations[s->payments[i].reservation];
        rows_put(&lists.payments, "[%" PRIu64 ",", r->id.v);
        rows_hex(&lists.payments, r->user.v, sizeof r->user.v);
        rows_put(&lists.payments, ",%" PRIu64 ",%" PRIu64 "]", r->amount_minor,
                 s->payments[i].balance_minor);
    }
}

/* A reservation that is new is found by its user. */
static void put_new_reservation_user(struct rows *rows, const struct reservation_row *r) {
    rows_hex(rows, r->user.v, r->change == NEW ? sizeof r->user.v : 0);
}

static void put_seats(const struct sale *s) {
    for (size_t i = 0; i < s->seats_count; i++) {
        const struct seat_row *seat = &s->seats[i];
        if (seat->change == SAME) continue;
        assert(seat->taker < s->reservations_count);
        const struct reservation_row *r = &s->reservations[seat->taker];
        rows_put(&lists.seats, "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
                 seat->performance.v, seat->number, seat->was_reservation,
                 r->change == NEW ? 0 : seat->reservation, seat->taken_until_ms);
        put_new_reservation_user(&lists.seats, r);
        rows_put(&lists.seats, "]");
    }
    for (size_t i = 0; i < s->performances_count; i++)
        if (s->performances[i].change != SAME)
            rows_put(&lists.performances, "[%" PRIu64 ",%" PRIu64 "]", s->performances[i].id.v,
                     s->performances[i].event_seq);
    for (size_t i = 0; i < s->reservation_events_count; i++) {
        const struct reservation_event *e = &s->reservation_events[i];
        assert(e->reservation < s->reservations_count);
        const struct reservation_row *r = &s->reservations[e->reservation];
        rows_put(&lists.reservation_events, "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
                 e->performance.v, e->seq, r->id.v);
        put_new_reservation_user(&lists.reservation_events, r);
        rows_put(&lists.reservation_events, ",\"%s\"]", reservation_status_name(e->kind));
    }
}

static void put_place(const struct place_row *p) {
    if (p->change == NEW) {
        rows_put(&lists.new_places, "[%" PRIu64 ",", p->number);
        rows_hex(&lists.new_places, p->user.v, sizeof p->user.v);
        rows_put(&lists.new_places, ",\"%s\",%" PRIu64 ",%d,%" PRIu64 "]",
                 place_state_name(p->state), p->join_seq, p->joined_active, p->expires_at_ms);
    } else {
        bool live = p->state == PLACE_WAITING || p->state == PLACE_ACTIVE;
        rows_put(&lists.places,
                 "[%" PRIu64 ",\"%s\",%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]",
                 p->number, place_state_name(p->state), live, p->admitted_at_ms, p->claimed_at_ms,
                 p->expires_at_ms, p->ended_at_ms);
    }
}

static void put_queue(const struct sale *s) {
    const struct queue_row *q = &s->queue;
    if (q->change != SAME)
        strbuf_add(&lists.queue.text,
                   "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                   ",%" PRIu64,
                   q->tail, q->admitted_through, q->waiting, q->active, q->admitted_total,
                   q->no_show_total, q->event_seq);
    lists.queue.count = q->change != SAME;
    for (size_t i = 0; i < s->places_count; i++)
        if (s->places[i].change != SAME) put_place(&s->places[i]);
    for (size_t i = 0; i < s->queue_events_count; i++)
        rows_put(&lists.queue_events, "[%" PRIu64 ",\"%s\",%" PRIu64 "]", s->queue_events[i].seq,
                 queue_event_name(s->queue_events[i].kind), s->queue_events[i].number);
}

static void put_key(struct rows *rows, const struct batch_request *r) {
    rows_put(rows, "[");
    rows_hex(rows, r->user.v, sizeof r->user.v);
    rows_put(rows, ",");
    rows_hex(rows, r->idem->key, strlen(r->idem->key));
}

/* Which new id stands in the answer, and by what it is found. */
static char id_of(const struct batch_request *r, uint64_t *found_by_r) {
    *found_by_r = r->kind == BATCH_HOLD  ? r->performance.v
                  : r->kind == BATCH_PAY ? r->reservation.v
                                         : 0;
    if (r->outcome) return 0;
    return r->kind == BATCH_HOLD     ? 'R'
           : r->kind == BATCH_PAY    ? 'P'
           : r->kind == BATCH_CHARGE ? 'C'
                                     : 0;
}

/* The body up to its first number, which is 0, and from behind it. */
static size_t place_of_id(const char *body, size_t len) {
    const char *colon = memchr(body, ':', len);
    assert(colon && colon[1] == '0' && colon[2] == ',');
    return (size_t)(colon + 1 - body);
}

static void put_answer(struct batch_request *r) {
    int status;
    const char *body;
    size_t len, before;
    uint64_t found_by;
    r->answer(r, &status, &body, &len);
    assert(status >= 200 && status < 500 && (body || !len)); /* as the audit asks of a key's row */
    char id = id_of(r, &found_by);
    before = id ? place_of_id(body, len) : len;
    put_key(&lists.answers, r);
    rows_put(&lists.answers, ",%d,", status);
    rows_hex(&lists.answers, body, before);
    rows_put(&lists.answers, ",");
    rows_hex(&lists.answers, body + before + (id != 0), len - before - (id != 0));
    rows_put(&lists.answers, ",\"%.1s\",%" PRIu64 "]", id ? (char[]){id, 0} : "", found_by);
}

static void put_answers(struct group *g) {
    for (size_t i = 0; i < g->keys; i++) {
        struct batch_request *r = g->request[g->key[i].request];
        if (!g->key[i].ours) continue;
        if (outcome_is_kept(r->outcome)) {
            put_answer(r);
        } else {
            put_key(&lists.forget, r);
            rows_put(&lists.forget, "]");
        }
    }
}

static void put_new_users(const struct group *g) {
    for (size_t i = 0; i < g->count && g->request[i]->kind == BATCH_SIGN_UP; i++) {
        const struct batch_request *r = g->request[i];
        rows_put(&lists.new_users, "[");
        rows_hex(&lists.new_users, r->cred.user.v, sizeof r->cred.user.v);
        rows_put(&lists.new_users, ",");
        rows_hex(&lists.new_users, r->name, strlen(r->name));
        rows_put(&lists.new_users, ",");
        rows_hex(&lists.new_users, r->cred.access_hash, HASH_BYTES);
        rows_put(&lists.new_users, "]");
    }
}

/* --- what comes back: the new ids --- */

static void take_reservation_id(struct group *g, const struct db_row *row) {
    struct user_id user;
    if (!DB_ROW_BYTES(row, "user_id", user.v, sizeof user.v)) abort(); /* BINARY(16) */
    for (size_t i = 0; i < g->count; i++)
        if (!g->request[i]->outcome && user_id_equal(g->request[i]->user, user))
            g->request[i]->held.id.v = DB_ROW_U64(row, "new_reservation");
}

static void take_charge_id(struct group *g, const struct db_row *row) {
    struct user_id user;
    if (!DB_ROW_BYTES(row, "user_id", user.v, sizeof user.v)) abort(); /* BINARY(16) */
    for (size_t i = 0; i < g->count; i++)
        if (user_id_equal(g->request[i]->user, user))
            g->request[i]->charged_id = DB_ROW_U64(row, "new_charge");
}

static void take_id(void *ctx, const struct db_row *row) {
    struct group *g = ctx;
    const char *result = db_row_result(row);
    if (strcmp(result, "new_reservation") == 0) {
        take_reservation_id(g, row);
    } else if (strcmp(result, "new_charge") == 0) {
        take_charge_id(g, row);
    } else if (strcmp(result, "new_payment") == 0) {
        uint64_t reservation = DB_ROW_U64(row, "reservation_id");
        for (size_t i = 0; i < g->count; i++)
            if (!g->request[i]->outcome && g->request[i]->reservation.v == reservation)
                g->request[i]->payment.v = DB_ROW_U64(row, "new_payment");
    }
}

static bool nothing_to_write(void) {
    const struct rows *all = (const struct rows *)&lists;
    for (size_t i = 0; i < sizeof lists / sizeof *all; i++)
        if (all[i].count) return false;
    return true;
}

/* A change of seats is told with the number of the last event of its performance. */
static void note_events(struct group *g) {
    for (size_t i = 0; i < g->count; i++) {
        struct batch_request *r = g->request[i];
        const struct performance_row *f =
            r->held.performance.v ? sale_performance(&g->sale, r->held.performance) : NULL;
        if (f && f->change != SAME) r->event_seq = f->event_seq;
    }
}

/* What is told as done has its id: it was committed, and nobody could find it without. */
static void assert_ids(const struct group *g) {
    for (size_t i = 0; i < g->count; i++) {
        const struct batch_request *r = g->request[i];
        if (r->outcome) continue;
        assert(r->kind != BATCH_HOLD || r->held.id.v);
        assert(r->kind != BATCH_PAY || r->payment.v);
        assert(r->kind != BATCH_CHARGE || r->charged_id);
    }
}

enum err group_store(struct db *db, struct group *g) {
    const struct sale *s = &g->sale;
    assert(db && g->count > 0 && g->count <= BATCH_MAX && !g->keys_busy);
    begin_all();
    put_new_users(g);
    put_users(s);
    put_reservations(s);
    put_seats(s);
    put_queue(s);
    put_answers(g);
    note_events(g);
    if (nothing_to_write()) {
        /* Refusals, replays, a tick without work: the locks are given back, nothing is flushed. */
        db_rollback(db);
        return E_OK;
    }
    enum err e = db_run(
        db, STMT_BATCH_STORE,
        DB_ARGS(DB_U64(s->now_ms), DB_U64(s->queue.concert.v), rows_arg(&lists.new_users),
                rows_arg(&lists.users), rows_arg(&lists.new_reservations),
                rows_arg(&lists.reservations), rows_arg(&lists.seats),
                rows_arg(&lists.performances), rows_arg(&lists.reservation_events),
                rows_arg(&lists.payments), rows_arg(&lists.entries), rows_arg(&lists.queue),
                rows_arg(&lists.new_places), rows_arg(&lists.places), rows_arg(&lists.queue_events),
                rows_arg(&lists.answers), rows_arg(&lists.forget)),
        take_id, g, NULL);
    if (!e) assert_ids(g);
    return e;
}
