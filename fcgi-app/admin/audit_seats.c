/* SPDX-License-Identifier: 0BSD */
/* Seats, performance by performance: who had each by order of the numbered events, through the
 * rules of sale/seats.c; then whether the rows of the seats are what that comes to.
 *
 * Events from before they were numbered have no order among each other; of those, what the rows say
 * in the end is proved. They may stand between numbered ones (workers of two releases, while one
 * replaces the other): what looks wrong and could be the doing of a reservation that has such an
 * event is a doubt, and forgotten when it has one. */
#include "admin/audit_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Who had a seat last, by the events up to now. */
struct holder {
    uint64_t reservation; /* 0: no event was about it yet */
    uint64_t until_ms;    /* as the seat's taken_until_ms; 0: given back */
};
/* With until_ms: the hold was marked as run out. Nobody has the seat, whose row may still show the
 * hold. */
#define RAN_OUT (1ull << 63)

struct doubt {
    uint64_t reservation; /* whose unnumbered event would explain it */
    uint64_t other, seat, seq, performance;
    bool sure; /* nothing would */
};

struct seats {
    struct audit *a;
    struct check order, rows, halls_check, owned;
    const struct hall *hall; /* at hand */
    struct sale sale;
    struct holder *holders;              /* by seat number */
    uint64_t holders_size, holders_used; /* used: none from there on has been */
    uint64_t last_number, sold;
    struct doubt *doubts;
    size_t doubts_count, doubts_size;
};

#define HOLDERS_AT_FIRST 1024
#define HALL(s) (s)->hall->row.id.v

/* --- by events --- */

struct seat_event {
    uint64_t seq;
    enum reservation_status kind;
    struct reservation_row r;
    bool ok; /* the reservation is there, of this performance, with a list of seats */
};

static struct seat_event read_event(const struct db_row *row, struct performance_id performance) {
    struct seat_event e = {
        .seq = DB_ROW_U64(row, "seq"),
        .kind = reservation_status_parse(DB_ROW_TEXT(row, "kind")),
        .r = {.id = {DB_ROW_U64(row, "reservation_id")},
              .performance = performance,
              .status = RESERVATION_HELD,
              .created_at_ms = DB_ROW_U64(row, "created_at_ms"),
              .held_until_ms = DB_ROW_U64(row, "held_until_ms")},
    };
    e.ok = audit_seats_parse(DB_ROW_TEXT(row, "seat_numbers"), DB_ROW_U64(row, "seat_count"),
                             &e.r.seats) &&
           DB_ROW_U64(row, "performance_id") == performance.v;
    return e;
}

/* Ids are given before a seat is taken: with one below that of a reservation which has had it, one
 * can't come after. */
static void doubt(struct seats *s, bool sure, uint64_t reservation, uint64_t other, uint64_t seat,
                  uint64_t seq) {
    if (s->doubts_count == s->doubts_size) {
        s->doubts_size = s->doubts_size ? s->doubts_size * 2 : 64;
        s->doubts = realloc(s->doubts, s->doubts_size * sizeof *s->doubts);
        if (!s->doubts) abort();
    }
    s->doubts[s->doubts_count++] = (struct doubt){reservation, other, seat, seq, HALL(s), sure};
}

/* Seats of a hall are bounded by its row; those past it have been told. */
static struct holder *holder_of(struct seats *s, uint64_t number) {
    if (number >= s->holders_size) {
        uint64_t size = s->holders_size;
        while (number >= size) size *= 2;
        s->holders = realloc(s->holders, size * sizeof *s->holders);
        if (!s->holders) abort();
        memset(s->holders + s->holders_size, 0, (size - s->holders_size) * sizeof *s->holders);
        s->holders_size = size;
    }
    if (number >= s->holders_used) s->holders_used = number + 1;
    return &s->holders[number];
}

/* The seats as the events have left them; one that ran out is free. */
static void lay_out(struct seats *s, const struct seat_event *e) {
    struct sale *sale = &s->sale;
    sale->seats_count = sale->reservations_count = sale->reservation_events_count =
        sale->haves_count = 0;
    sale->places[0].user = e->r.user;
    for (size_t i = 0; i < e->r.seats.count && e->kind == RESERVATION_HELD; i++) {
        uint64_t number = e->r.seats.number[i];
        const struct holder *h = number <= s->hall->row.total_seats ? holder_of(s, number) : NULL;
        if (!h) continue;
        *sale_add_seat(sale) = (struct seat_row){
            .performance = e->r.performance,
            .number = number,
            .reservation = h->reservation,
            .taken_until_ms = h->until_ms & RAN_OUT ? 0 : h->until_ms,
        };
    }
}

/* What is in the way of a hold is gone only if whoever has it gave it back without a number. */
static void hold(struct seats *s, const struct seat_event *e) {
    const struct sale_terms terms = {.hold_ttl_ms = e->r.held_until_ms - e->r.created_at_ms,
                                     .seats_per_user_max = SEATS_MAX};
    struct seat_numbers taken;
    size_t index;
    s->sale.now_ms = e->r.created_at_ms;
    enum err refused =
        sale_hold(&s->sale, &terms, 1, e->r.user, e->r.performance, &e->r.seats, &index, &taken);
    for (size_t i = 0; refused == E_SEAT_TAKEN && i < taken.count; i++)
        doubt(s, false, holder_of(s, taken.number[i])->reservation, e->r.id.v, taken.number[i],
              e->seq);
    if (refused && refused != E_SEAT_TAKEN)
        check_offend(&s->order,
                     "performance %" PRIu64 " event %" PRIu64 ": reservation %" PRIu64
                     " could not be held: %s",
                     HALL(s), e->seq, e->r.id.v, err_name(refused));
    for (size_t i = 0; i < e->r.seats.count; i++)
        if (e->r.seats.number[i] <= s->hall->row.total_seats)
            *holder_of(s, e->r.seats.number[i]) = (struct holder){e->r.id.v, e->r.held_until_ms};
}

/* A seat goes to what the rule made of it, if it was the reservation's: as the statement that
 * writes it asks. One that was another's can be right only if that one had it before, and this one
 * was held without a number since. */
static void hand_over(struct seats *s, const struct seat_event *e, const struct seat_row *seat) {
    if (seat->number > s->hall->row.total_seats) return;
    struct holder *h = holder_of(s, seat->number);
    bool its_own =
        h->reservation == seat->was_reservation && h->until_ms && !(h->until_ms & RAN_OUT);
    if (h->reservation && !its_own)
        doubt(s, h->reservation > e->r.id.v, e->r.id.v, h->reservation, seat->number, e->seq);
    *h = (struct holder){e->r.id.v, seat->taken_until_ms};
}

/* Whether it had run out by the clock, what it cost and who paid is proved with the reservation:
 * here its hold is good. */
static void turn(struct seats *s, const struct seat_event *e) {
    struct reservation_row *r = sale_add_reservation(&s->sale);
    *r = e->r;
    r->held_until_ms = UINT64_MAX;
    s->sale.now_ms = 0;
    if (e->kind == RESERVATION_PAID)
        sale_own(&s->sale, r);
    else
        sale_give_back(&s->sale, r, e->kind);
    for (size_t i = 0; i < s->sale.seats_count; i++) hand_over(s, e, &s->sale.seats[i]);
}

static void run_out(struct seats *s, const struct seat_event *e) {
    *sale_add_reservation(&s->sale) = e->r;
    s->sale.now_ms = UINT64_MAX;
    sale_expire(&s->sale);
    for (size_t i = 0; i < e->r.seats.count; i++) {
        if (e->r.seats.number[i] > s->hall->row.total_seats) continue;
        struct holder *h = holder_of(s, e->r.seats.number[i]);
        if (h->reservation == e->r.id.v) h->until_ms |= RAN_OUT;
    }
}

static void take_event(void *ctx, const struct db_row *row) {
    struct seats *s = ctx;
    struct performance_row *f = &s->sale.performances[0];
    struct seat_event e = read_event(row, s->hall->row.id);
    uint64_t expected = f->event_seq + 1;
    s->order.rows++;
    if (e.seq != expected)
        check_offend(&s->order,
                     "performance %" PRIu64 " event %" PRIu64 ": expected event %" PRIu64, HALL(s),
                     e.seq, expected);
    f->event_seq = e.seq - 1; /* the rule gives the next */
    if (e.ok) {
        lay_out(s, &e);
        if (e.kind == RESERVATION_HELD)
            hold(s, &e);
        else if (e.kind == RESERVATION_EXPIRED)
            run_out(s, &e);
        else
            turn(s, &e);
    } else {
        check_offend(&s->order,
                     "performance %" PRIu64 " event %" PRIu64
                     ": no such reservation here: %" PRIu64,
                     HALL(s), e.seq, e.r.id.v);
    }
    f->event_seq = e.seq;
}

/* --- by rows --- */

struct stored_seat {
    uint64_t number, reservation, taken_until_ms, performance, held_until_ms;
    bool found; /* the reservation */
    enum reservation_status status;
    const char *seat_numbers; /* as long as the row */
};

static struct stored_seat read_seat(const struct db_row *row) {
    return (struct stored_seat){
        .number = DB_ROW_U64(row, "seat_number"),
        .reservation = DB_ROW_U64(row, "reservation_id"),
        .taken_until_ms = DB_ROW_U64(row, "taken_until_ms"),
        .performance = DB_ROW_U64(row, "performance_id"),
        .found = !DB_ROW_NULL(row, "performance_id"),
        .status = reservation_status_parse(DB_ROW_TEXT(row, "status")),
        .held_until_ms = DB_ROW_U64(row, "held_until_ms"),
        .seat_numbers = DB_ROW_TEXT(row, "seat_numbers"),
    };
}

static bool lists(const char *seat_numbers, uint64_t number) {
    for (const char *at = seat_numbers; *at;) {
        char *end;
        if (strtoull(at, &end, 10) == number) return true;
        if (end == at) return false;
        at = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* A hold that ran out may still stand in its seat when it has been marked: nobody touches a seat
 * for that. */
static bool sound(const struct stored_seat *seat, uint64_t performance) {
    if (seat->taken_until_ms == 0) return seat->reservation == 0;
    if (!seat->found || seat->performance != performance ||
        !lists(seat->seat_numbers, seat->number))
        return false;
    if (seat->taken_until_ms == SOLD_MS) return seat->status == RESERVATION_PAID;
    return (seat->status == RESERVATION_HELD || seat->status == RESERVATION_EXPIRED) &&
           seat->held_until_ms == seat->taken_until_ms;
}

/* What the events come to. The row may show somebody else's doing only when that was not numbered.
 */
static void compare(struct seats *s, const struct stored_seat *seat) {
    const struct holder *h = seat->number < s->holders_used ? &s->holders[seat->number] : NULL;
    if (!h || !h->reservation) return;
    uint64_t until_ms = h->until_ms & ~RAN_OUT;
    bool cleared = seat->reservation == 0 && seat->taken_until_ms == 0;
    if (cleared && (until_ms == 0 || h->until_ms & RAN_OUT)) return;
    if (until_ms && seat->reservation == h->reservation && seat->taken_until_ms == until_ms) return;
    bool another = seat->reservation && seat->reservation != h->reservation;
    doubt(s, another && seat->reservation < h->reservation,
          another ? seat->reservation : h->reservation,
          another ? h->reservation : seat->reservation, seat->number, 0);
}

static void take_seat(void *ctx, const struct db_row *row) {
    struct seats *s = ctx;
    struct stored_seat seat = read_seat(row);
    s->rows.rows++;
    if (seat.number != s->last_number + 1)
        check_offend(&s->halls_check,
                     "performance %" PRIu64 ": seat %" PRIu64 " follows seat %" PRIu64, HALL(s),
                     seat.number, s->last_number);
    s->last_number = seat.number;
    if (!sound(&seat, HALL(s)))
        check_offend(&s->rows,
                     "performance %" PRIu64 " seat %" PRIu64 " reservation %" PRIu64
                     " (%s) taken until %" PRIu64,
                     HALL(s), seat.number, seat.reservation,
                     seat.found ? reservation_status_name(seat.status) : "none",
                     seat.taken_until_ms);
    else if (seat.taken_until_ms == SOLD_MS)
        s->sold++;
    compare(s, &seat);
}

/* --- going through --- */

/* Each sound sold seat is another one of a PAID reservation: so the counts agree if and only if
 * none lacks one. */
static enum err count_sold(struct seats *s) {
    s->owned.rows += s->hall->sold;
    if (s->sold == s->hall->sold) return E_OK;
    check_offend(&s->owned,
                 "performance %" PRIu64 ": %" PRIu64 " seats are sold, %" PRIu64 " were paid",
                 HALL(s), s->sold, s->hall->sold);
    return db_run(s->a->db, STMT_AUDIT_OWNED, DB_ARGS(DB_U64(HALL(s))), check_take_offending,
                  &s->owned, NULL);
}

static enum err go_through(struct seats *s, const struct hall *hall) {
    enum err e = E_OK;
    s->hall = hall;
    s->last_number = s->sold = 0;
    memset(s->holders, 0, s->holders_used * sizeof *s->holders);
    s->holders_used = 0;
    s->sale.performances[0] = hall->row;
    s->sale.performances[0].event_seq = 0;
    s->sale.queue.concert = hall->row.concert;
    if (hall->numbered)
        e = db_run(s->a->db, STMT_AUDIT_SEAT_EVENTS, DB_ARGS(DB_U64(HALL(s))), take_event, s, NULL);
    if (hall->row.event_seq != hall->numbered)
        check_offend(&s->order,
                     "performance %" PRIu64 " has given the number %" PRIu64
                     ", its last event is %" PRIu64,
                     HALL(s), hall->row.event_seq, hall->numbered);
    if (!e) e = db_run(s->a->db, STMT_AUDIT_SEATS, DB_ARGS(DB_U64(HALL(s))), take_seat, s, NULL);
    s->halls_check.rows++;
    if (!e && s->last_number != hall->row.total_seats)
        check_offend(&s->halls_check,
                     "performance %" PRIu64 ": its last seat is %" PRIu64 " of %" PRIu64, HALL(s),
                     s->last_number, hall->row.total_seats);
    return e ? e : count_sold(s);
}

static enum err settle_doubts(struct seats *s) {
    for (size_t i = 0; i < s->doubts_count; i++) {
        const struct doubt *d = &s->doubts[i];
        uint64_t unnumbered = 0;
        enum err e = d->sure
                         ? E_OK
                         : db_run(s->a->db, STMT_AUDIT_UNNUMBERED, DB_ARGS(DB_U64(d->reservation)),
                                  check_take_count, &unnumbered, NULL);
        if (e) return e;
        if (unnumbered) continue;
        if (d->seq)
            check_offend(&s->order,
                         "performance %" PRIu64 " event %" PRIu64 ": seat %" PRIu64
                         " passes between reservations %" PRIu64 " and %" PRIu64
                         ", and was not free",
                         d->performance, d->seq, d->seat, d->reservation, d->other);
        else
            check_offend(&s->order,
                         "performance %" PRIu64 ": seat %" PRIu64
                         " is not what its events say, which tell of reservations %" PRIu64
                         " and %" PRIu64,
                         d->performance, d->seat, d->reservation, d->other);
    }
    return E_OK;
}

enum err audit_seats(struct audit *a, const struct halls *halls) {
    struct seats s = {.a = a,
                      .holders = calloc(HOLDERS_AT_FIRST, sizeof *s.holders),
                      .holders_size = HOLDERS_AT_FIRST};
    if (!s.holders) abort();
    (void)sale_add_performance(&s.sale);
    /* Whoever it was had a pass: that is proved with the reservation. */
    *sale_add_place(&s.sale) = (struct place_row){
        .number = 1, .state = PLACE_ACTIVE, .claimed_at_ms = 1, .expires_at_ms = UINT64_MAX};
    enum err e = E_OK;
    for (size_t i = 0; !e && i < halls->count; i++) e = go_through(&s, &halls->list[i]);
    if (!e) e = settle_doubts(&s);
    if (!e) e = db_run(a->db, STMT_AUDIT_OWNED_HELD, 0, NULL, check_take_offending, &s.owned, NULL);
    if (!e)
        e = db_run(a->db, STMT_AUDIT_SEATS_ASTRAY, 0, NULL, check_take_offending, &s.halls_check,
                   NULL);
    sale_free(&s.sale);
    free(s.holders);
    free(s.doubts);
    if (e) return e;
    check_end(&s.order, a, "a seat passes on by order of events, which have no gap");
    check_end(&s.rows, a, "a seat has one live hold, one owner, or nobody");
    check_end(&s.halls_check, a, "a performance has its seats, 1 to N, each once");
    check_end(&s.owned, a, "a paid or live held reservation has all its seats");
    return E_OK;
}
