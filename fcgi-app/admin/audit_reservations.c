/* SPDX-License-Identifier: 0BSD */
/* Reservations, one by one: each lives again through the rules of sale/, from its HELD event to its
 * last, and what the rules make of it (amount, status, payment, entries) is held against the rows.
 *
 * A stretch of reservations is read, then what belongs to it, each table by a range of its own key,
 * and merged here. Whether its seats were free is not judged here, but in audit_seats.c: each
 * reservation is alone in its hall. */
#include "admin/audit_check.h"

#include "base/money.h"
#include "batch/reservation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STRETCH 4096 /* reservations read at a time */
#define STATUSES (RESERVATION_CANCELLED + 1)

struct stored_event {
    bool there;
    uint64_t at_ms, seq;
    struct performance_id performance;
};

struct stored_payment {
    uint64_t id; /* 0: none */
    struct user_id user;
    uint64_t amount_minor, balance_minor, paid_at_ms;
};

struct stored_entry {
    uint64_t id; /* 0: none */
    struct user_id user;
    int64_t amount_minor;
    uint64_t balance_after_minor, created_at_ms;
};

/* A reservation and all that is stored about it. */
struct life {
    struct reservation_row row;
    bool seats_ok, place_found;
    uint64_t place_admitted_at_ms, place_completed_at_ms; /* 0: it was not */
    struct stored_event events[STATUSES];
    struct stored_payment payment;
    struct stored_entry paid, refunded;
};

struct stretch {
    struct audit *a;
    struct halls *halls;
    struct check history, paid, pass, refunds, amounts, orphans;
    struct sale sale;
    struct life *lives;
    size_t count, at;  /* `at`: where the merge is */
    size_t *elsewhere; /* whose payment ended another place than the hold's */
    size_t elsewhere_count;
};

static struct user_id read_user(const struct db_row *row, size_t column) {
    struct user_id id = {{0}};
    size_t len;
    const char *bytes = db_row_text(row, column, &len);
    if (len == sizeof id.v) memcpy(id.v, bytes, len);
    return id;
}

/* --- reading --- */

static void take_hall(void *ctx, const struct db_row *row) {
    struct halls *halls = ctx;
    if (halls->count == halls->size) {
        halls->size = halls->size ? halls->size * 2 : 64;
        halls->list = realloc(halls->list, halls->size * sizeof *halls->list);
        if (!halls->list) abort();
    }
    /* Bounds of the sale are not told: what they were at the time of a hold is not kept. */
    halls->list[halls->count++] = (struct hall){
        .row = {.id = {DB_ROW_U64(row, "performance_id")},
                .concert = {DB_ROW_U64(row, "concert_id")},
                .price_minor = DB_ROW_U64(row, "price_minor"),
                .total_seats = DB_ROW_U64(row, "total_seats"),
                .event_seq = DB_ROW_U64(row, "event_seq")},
        .numbered = DB_ROW_U64(row, "numbered"),
    };
}

static void take_reservation(void *ctx, const struct db_row *row) {
    struct stretch *s = ctx;
    struct life *l = &s->lives[s->count++];
    *l = (struct life){
        .place_found = !DB_ROW_NULL(row, "place_user_id") &&
                       user_id_equal(read_user(row, DB_COLUMN(row, "place_user_id")),
                                     read_user(row, DB_COLUMN(row, "user_id"))),
        .place_admitted_at_ms = DB_ROW_U64(row, "admitted_at_ms"),
        .place_completed_at_ms = DB_ROW_U64(row, "completed_at_ms"),
    };
    reservation_row_read(row, &l->row);
    l->row.id.v = DB_ROW_U64(row, "reservation_id");
    l->seats_ok = audit_seats_parse(DB_ROW_TEXT(row, "seat_numbers"), DB_ROW_U64(row, "seat_count"),
                                    &l->row.seats);
}

/* The reservation of that id; rows come by id. NULL: there is none. */
static struct life *merge(struct stretch *s, uint64_t id) {
    while (s->at < s->count && s->lives[s->at].row.id.v < id) s->at++;
    return s->at < s->count && s->lives[s->at].row.id.v == id ? &s->lives[s->at] : NULL;
}

static void take_event(void *ctx, const struct db_row *row) {
    struct stretch *s = ctx;
    uint64_t id = DB_ROW_U64(row, "reservation_id");
    const char *kind = DB_ROW_TEXT(row, "kind");
    struct life *l = merge(s, id);
    s->history.rows++;
    if (!l) {
        check_offend(&s->history, "reservation %" PRIu64 " does not exist, and has the event %s",
                     id, kind);
        return;
    }
    l->events[reservation_status_parse(kind)] =
        (struct stored_event){.there = true,
                              .at_ms = DB_ROW_U64(row, "at_ms"),
                              .performance = {DB_ROW_U64(row, "performance_id")},
                              .seq = DB_ROW_U64(row, "seq")};
}

static void take_payment(void *ctx, const struct db_row *row) {
    struct stretch *s = ctx;
    struct stored_payment p = {
        .id = DB_ROW_U64(row, "payment_id"),
        .user = read_user(row, DB_COLUMN(row, "user_id")),
        .amount_minor = DB_ROW_U64(row, "amount_minor"),
        .balance_minor = DB_ROW_U64(row, "balance_minor"),
        .paid_at_ms = DB_ROW_U64(row, "paid_at_ms"),
    };
    struct life *l = merge(s, DB_ROW_U64(row, "reservation_id"));
    s->paid.rows++;
    if (l)
        l->payment = p;
    else
        check_offend(&s->orphans, "payment %" PRIu64 " without a paid reservation", p.id);
}

static void take_entry(void *ctx, const struct db_row *row) {
    struct stretch *s = ctx;
    struct stored_entry e = {
        .id = DB_ROW_U64(row, "entry_id"),
        .user = read_user(row, DB_COLUMN(row, "user_id")),
        .amount_minor = DB_ROW_I64(row, "amount_minor"),
        .balance_after_minor = DB_ROW_U64(row, "balance_after_minor"),
        .created_at_ms = DB_ROW_U64(row, "created_at_ms"),
    };
    enum entry_type type;
    bool type_ok = audit_entry_type(DB_ROW_U64(row, "type_number"), &type);
    struct life *l = merge(s, DB_ROW_U64(row, "reservation_id"));
    if (type == ENTRY_REFUND) s->refunds.rows++;
    if (!l || !type_ok || type == ENTRY_CHARGE)
        check_offend(&s->orphans, "balance entry %" PRIu64 ", a %s, of reservation %" PRIu64, e.id,
                     entry_type_name(type), DB_ROW_U64(row, "reservation_id"));
    else
        *(type == ENTRY_PAYMENT ? &l->paid : &l->refunded) = e;
}

/* --- judging --- */

#define OFFEND(check, l, format, ...)                                                              \
    check_offend(check, "reservation %" PRIu64 " (%s) " format, (l)->row.id.v,                     \
                 reservation_status_name((l)->row.status), __VA_ARGS__)

/* The reservation alone in its hall, with a pass that is good, and a balance. */
static void lay_out(struct sale *s, const struct life *l, const struct hall *hall) {
    sale_reset(s);
    s->queue = (struct queue_row){.concert = l->row.concert, .active = 1};
    s->queue_found = true;
    *sale_add_performance(s) = hall->row;
    s->performances[0].starts_at_ms =
        UINT64_MAX; /* the cutoff of cancelling is a setting, which may have changed */
    sale_add_user(s)->id = l->row.user;
    struct place_row *p = sale_add_place(s);
    p->number = l->row.place_number;
    p->user = l->row.user;
    p->state = PLACE_ACTIVE;
    p->claimed_at_ms = l->row.created_at_ms;
    p->expires_at_ms = UINT64_MAX;
    for (size_t i = 0; i < l->row.seats.count; i++) {
        struct seat_row *seat = sale_add_seat(s);
        seat->performance = l->row.performance;
        seat->number = l->row.seats.number[i];
    }
}

static bool hold_again(struct stretch *st, const struct life *l) {
    struct sale *s = &st->sale;
    struct sale_terms terms = {.hold_ttl_ms = l->row.held_until_ms - l->row.created_at_ms,
                               .seats_per_user_max = SEATS_MAX};
    struct seat_numbers taken;
    size_t index;
    s->now_ms = l->events[RESERVATION_HELD].at_ms;
    enum err e = sale_hold(s, &terms, l->row.place_number, l->row.user, l->row.performance,
                           &l->row.seats, &index, &taken);
    if (e || l->row.held_until_ms <= l->row.created_at_ms) {
        OFFEND(&st->amounts, l, "could not be held: %s",
               e ? err_name(e) : "it ends before it begins");
        return false;
    }
    struct reservation_row *r = &s->reservations[index];
    r->id = l->row.id;
    if (r->created_at_ms != l->row.created_at_ms || r->held_until_ms != l->row.held_until_ms)
        OFFEND(&st->history, l, "was held at %" PRIu64 ", its row says %" PRIu64, r->created_at_ms,
               l->row.created_at_ms);
    if (r->amount_minor != l->row.amount_minor)
        OFFEND(&st->amounts, l, "%zu seats for %" PRIu64 " instead of %" PRIu64, l->row.seats.count,
               l->row.amount_minor, r->amount_minor);
    return true;
}

static void compare_payment(struct stretch *st, const struct life *l) {
    struct sale *s = &st->sale;
    const struct entry_row *e = &s->entries[s->entries_count - 1];
    uint64_t at_ms = s->now_ms;
    if (!user_id_equal(l->payment.user, l->row.user) || !user_id_equal(l->paid.user, l->row.user))
        OFFEND(&st->paid, l, "was paid by another: payment %" PRIu64 ", debit %" PRIu64,
               l->payment.id, l->paid.id);
    if (l->payment.amount_minor != s->reservations[0].amount_minor ||
        l->paid.amount_minor != e->amount_minor ||
        l->paid.balance_after_minor != e->balance_after_minor)
        OFFEND(&st->paid, l,
               "amount %" PRIu64 " payment %" PRIu64 " debit %" PRId64 ", leaving %" PRIu64
               " and %" PRIu64,
               s->reservations[0].amount_minor, l->payment.amount_minor, l->paid.amount_minor,
               l->payment.balance_minor, l->paid.balance_after_minor);
    if (l->payment.paid_at_ms != at_ms || l->row.paid_at_ms != at_ms ||
        l->paid.created_at_ms != at_ms)
        OFFEND(&st->paid, l,
               "was paid at %" PRIu64 ", by its row at %" PRIu64 ", its payment %" PRIu64
               ", its debit %" PRIu64,
               at_ms, l->row.paid_at_ms, l->payment.paid_at_ms, l->paid.created_at_ms);
}

static bool pay_again(struct stretch *st, const struct life *l) {
    static const struct sale_terms terms;
    struct sale *s = &st->sale;
    struct pay_outcome o;
    if (!l->payment.id || !l->paid.id) {
        OFFEND(&st->paid, l, "was paid, and has payment %" PRIu64 " and debit %" PRIu64,
               l->payment.id, l->paid.id);
        return false;
    }
    s->now_ms = l->events[RESERVATION_PAID].at_ms;
    s->seats_count = 0;
    s->users[0].balance_minor = l->payment.balance_minor + s->reservations[0].amount_minor;
    if (s->users[0].balance_minor > BALANCE_MINOR_MAX) {
        OFFEND(&st->paid, l, "was paid from a balance of %" PRIu64, s->users[0].balance_minor);
        return false;
    }
    enum err e =
        sale_pay(s, &terms, l->row.concert, l->row.place_number, l->row.user, l->row.id, &o);
    if (e)
        OFFEND(&st->paid, l, "could not be paid at %" PRIu64 ": %s", s->now_ms, err_name(e));
    else
        compare_payment(st, l);
    return !e;
}

/* Of the same user, whose row both had locked: so the order of their ids is the order of what
 * happened. */
static bool refund_again(struct stretch *st, const struct life *l) {
    static const struct sale_terms terms;
    struct sale *s = &st->sale;
    bool paid = s->reservations[0].status == RESERVATION_PAID;
    uint64_t amount_minor = s->reservations[0].amount_minor;
    s->now_ms = l->events[RESERVATION_CANCELLED].at_ms;
    s->seats_count = s->entries_count = 0;
    s->users[0].balance_minor = l->refunded.balance_after_minor - amount_minor;
    if (paid && (!l->refunded.id || s->users[0].balance_minor > BALANCE_MINOR_MAX)) {
        OFFEND(&st->refunds, l, "cancelled and not refunded: entry %" PRIu64 ", balance %" PRIu64,
               l->refunded.id, l->refunded.balance_after_minor);
        return false;
    }
    if (!paid) s->users[0].balance_minor = 0;
    enum err e = sale_cancel(s, &terms, l->row.user, l->row.id);
    if (e)
        OFFEND(&st->refunds, l, "could not be cancelled at %" PRIu64 ": %s", s->now_ms,
               err_name(e));
    if (!e && paid &&
        (l->refunded.amount_minor != s->entries[0].amount_minor ||
         l->refunded.created_at_ms != s->now_ms || !user_id_equal(l->refunded.user, l->row.user) ||
         l->refunded.id <= l->paid.id))
        OFFEND(&st->refunds, l,
               "refund %" PRIu64 " of %" PRId64 " instead of %" PRIu64 ", after debit %" PRIu64,
               l->refunded.id, l->refunded.amount_minor, amount_minor, l->paid.id);
    return !e;
}

static bool release_again(struct stretch *st, const struct life *l) {
    st->sale.now_ms = l->events[RESERVATION_RELEASED].at_ms;
    enum err e = sale_release(&st->sale, l->row.user, l->row.id);
    if (e)
        OFFEND(&st->history, l, "could not be released at %" PRIu64 ": %s", st->sale.now_ms,
               err_name(e));
    return !e;
}

static bool expire_again(struct stretch *st, const struct life *l) {
    st->sale.now_ms = l->events[RESERVATION_EXPIRED].at_ms;
    bool done = sale_expire(&st->sale) == 1;
    if (!done)
        OFFEND(&st->history, l,
               "marked as run out at %" PRIu64 ", when it had not: held until %" PRIu64,
               st->sale.now_ms, l->row.held_until_ms);
    return done;
}

/* Its life in order; the names of its statuses have the order of a life. What the rules refuse is
 * told, once. */
static bool live_again(struct stretch *st, const struct life *l) {
    static bool (*const again[STATUSES])(struct stretch *, const struct life *) = {
        hold_again, pay_again, release_again, expire_again, refund_again};
    uint64_t last_seq = 0;
    for (enum reservation_status kind = RESERVATION_HELD; kind <= RESERVATION_CANCELLED; kind++) {
        const struct stored_event *e = &l->events[kind];
        if (!e->there) continue;
        if (e->seq && (e->performance.v != l->row.performance.v || e->seq <= last_seq))
            OFFEND(&st->history, l,
                   "has %s as event %" PRIu64 " of performance %" PRIu64
                   ", after its event %" PRIu64,
                   reservation_status_name(kind), e->seq, e->performance.v, last_seq);
        if (e->seq) last_seq = e->seq;
        if (!again[kind](st, l)) return false;
    }
    return true;
}

static void judge_pass(struct stretch *st, const struct life *l) {
    st->pass.rows++;
    if (!l->payment.id) return;
    if (l->place_found && l->place_admitted_at_ms &&
        l->place_completed_at_ms == l->payment.paid_at_ms)
        return;
    st->elsewhere[st->elsewhere_count++] = (size_t)(l - st->lives);
}

static bool belongs(struct stretch *st, const struct life *l, const struct hall *hall) {
    st->orphans.rows++;
    if (!hall || !l->place_found)
        OFFEND(&st->orphans, l, "without its %s", hall ? "place" : "performance");
    else if (!l->place_admitted_at_ms)
        OFFEND(&st->pass, l, "was held from place %" PRIu64 ", which was never let in",
               l->row.place_number);
    if (l->payment.id && l->row.status != RESERVATION_PAID &&
        l->row.status != RESERVATION_CANCELLED)
        OFFEND(&st->paid, l, "has payment %" PRIu64, l->payment.id);
    if (l->paid.id && !l->payment.id)
        OFFEND(&st->paid, l, "has debit %" PRIu64 " and no payment", l->paid.id);
    if (l->refunded.id && (l->row.status != RESERVATION_CANCELLED || !l->payment.id))
        OFFEND(&st->refunds, l, "has refund %" PRIu64, l->refunded.id);
    return hall != NULL;
}

static void judge(struct stretch *st, const struct life *l) {
    struct hall *hall = halls_find(st->halls, l->row.performance);
    struct sale *s = &st->sale;
    bool whole = belongs(st, l, hall);
    if (l->row.status == RESERVATION_PAID && hall) hall->sold += l->row.seats.count;
    if (l->payment.id || l->row.paid_at_ms || l->row.status == RESERVATION_PAID) judge_pass(st, l);
    st->amounts.rows++;
    if (!l->seats_ok)
        OFFEND(&st->amounts, l, "has a list of seats that is none, %s", "or another count of them");
    if (!whole || !l->seats_ok) return;
    if (!l->events[RESERVATION_HELD].there) {
        OFFEND(&st->history, l, "lacks its event %s", reservation_status_name(RESERVATION_HELD));
        return;
    }
    lay_out(s, l, hall);
    if (!live_again(st, l)) return;
    if (s->reservations[0].status != l->row.status)
        OFFEND(&st->history, l, "is %s by its events",
               reservation_status_name(s->reservations[0].status));
    if (s->reservations[0].paid_at_ms != l->row.paid_at_ms)
        OFFEND(&st->paid, l, "was paid at %" PRIu64 ", by its events at %" PRIu64,
               l->row.paid_at_ms, s->reservations[0].paid_at_ms);
}

/* --- going through --- */

static enum err look_elsewhere(struct stretch *st) {
    for (size_t i = 0; i < st->elsewhere_count; i++) {
        const struct life *l = &st->lives[st->elsewhere[i]];
        uint64_t found = 0;
        enum err e =
            db_run(st->a->db, STMT_AUDIT_PASS,
                   DB_ARGS(DB_U64(l->row.concert.v), DB_BYTES(l->row.user.v, sizeof l->row.user.v),
                           DB_U64(l->payment.paid_at_ms)),
                   check_take_count, &found, NULL);
        if (e) return e;
        if (!found)
            OFFEND(&st->pass, l, "payment %" PRIu64 " at %" PRIu64 " ended no place", l->payment.id,
                   l->payment.paid_at_ms);
    }
    return E_OK;
}

static enum err merge_in(struct stretch *st, enum stmt id, uint64_t from, uint64_t to,
                         db_row_fn *take) {
    st->at = 0;
    return db_run(st->a->db, id, DB_ARGS(DB_U64(from), DB_U64(to)), take, st, NULL);
}

static enum err go_through(struct stretch *st) {
    uint64_t from = 0, to = 0;
    enum err e = E_OK;
    for (bool last = false; !last && !e; from = to) {
        st->count = st->elsewhere_count = 0;
        e = db_run(st->a->db, STMT_AUDIT_RESERVATIONS, DB_ARGS(DB_U64(from), DB_U64(STRETCH)),
                   take_reservation, st, NULL);
        last = st->count < STRETCH;
        to = last ? UINT64_MAX : st->lives[STRETCH - 1].row.id.v;
        if (!e) e = merge_in(st, STMT_AUDIT_RESERVATION_EVENTS, from, to, take_event);
        if (!e) e = merge_in(st, STMT_AUDIT_PAYMENTS, from, to, take_payment);
        if (!e) e = merge_in(st, STMT_AUDIT_ENTRIES, from, to, take_entry);
        for (size_t i = 0; !e && i < st->count; i++) judge(st, &st->lives[i]);
        if (!e) e = look_elsewhere(st);
    }
    return e;
}

enum err audit_reservations(struct audit *a, struct halls *halls) {
    struct stretch st = {.a = a,
                         .halls = halls,
                         .lives = malloc(STRETCH * sizeof *st.lives),
                         .elsewhere = malloc(STRETCH * sizeof *st.elsewhere)};
    if (!st.lives || !st.elsewhere) abort();
    enum err e = db_run(a->db, STMT_AUDIT_HALLS, 0, NULL, take_hall, halls, NULL);
    if (!e) e = go_through(&st);
    if (!e) e = db_run(a->db, STMT_AUDIT_NO_USER, 0, NULL, check_take_offending, &st.orphans, NULL);
    sale_free(&st.sale);
    free(st.lives);
    free(st.elsewhere);
    if (e) return e;
    check_end(&st.paid, a, "a paid reservation has one payment and one debit of its amount");
    check_end(&st.pass, a, "a payment was made by one let in at that time");
    check_end(&st.refunds, a, "a refund gives back what was paid, once");
    check_end(&st.history, a, "a reservation's events tell its status");
    check_end(&st.amounts, a, "an amount is the price of the seats");
    check_end(&st.orphans, a, "no row without what it belongs to");
    return E_OK;
}
