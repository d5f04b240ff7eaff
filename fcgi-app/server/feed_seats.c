/* SPDX-License-Identifier: 0BSD */
/* Seats that the board shows follow the events of their performance; they are read as a whole when
 * somebody wants to see them, or something happens to them, and again should an event be missing.
 * Where the board has no room for them, they are counted by a statement, now and then. */
#include "server/feed_seats.h"

#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 20000      /* past it, the seats are read anew instead */
#define LOAD_SEATS_MAX 100000 /* seats that one tick reads, about */
#define WANTED_MAX 16
#define COUNT_ON_BOARD_MS 200
#define COUNT_BY_STATEMENT_MS 5000
#define COUNT_SEATS_MAX 20000 /* that one statement counts, about */
#define COUNT_SHARE                                                                                \
    20 /* what was not counted yet takes at most one part in so many of the time                   \
        */

/* --- events --- */

static bool news_of(void *item, uint64_t *id_r, uint64_t *least_r, uint64_t *most_r) {
    struct known_performance *p = item;
    *id_r = p->performance;
    *least_r = p->fed_seq;
    *most_r = p->event_seq;
    return p->loaded && p->event_seq > p->fed_seq && p->event_seq - p->fed_seq <= EVENTS_MAX;
}

static void note_seats(struct feed *f, const struct known_performance *p, const char *numbers,
                       uint64_t seq, uint64_t until_ms) {
    while (*numbers) {
        char *end;
        uint64_t number = strtoull(numbers, &end, 10);
        if (number >= 1 && number <= p->total_seats)
            board_seat_note(f->board, (struct performance_id){p->performance}, number, seq,
                            until_ms);
        if (*end != ',') break;
        numbers = end + 1;
    }
}

/* What an event does to seats. Tidying up after a hold that ran out does nothing: they were free by
 * then, and may be another's. */
static void take_event(void *ctx, const struct db_row *row) {
    struct feed *f = ctx;
    uint64_t performance = DB_ROW_U64(row, "performance_id"), seq = DB_ROW_U64(row, "seq");
    if (!f->at_performance || f->at_performance->performance != performance)
        f->at_performance = known_performance(&f->known, performance);
    struct known_performance *p = f->at_performance;
    if (!p || seq != p->fed_seq + 1)
        return; /* a gap: what follows is left, and the seats are read anew */
    const char *kind = DB_ROW_TEXT(row, "kind"), *numbers = DB_ROW_TEXT(row, "seat_numbers");
    uint64_t count = DB_ROW_U64(row, "seat_count");
    p->fed_seq = seq;
    if (strcmp(kind, "HELD") == 0) {
        note_seats(f, p, numbers, seq, DB_ROW_U64(row, "held_until_ms"));
    } else if (strcmp(kind, "PAID") == 0) {
        note_seats(f, p, numbers, seq, BOARD_SOLD_MS);
        p->sold += count;
        p->paid++;
    } else if (strcmp(kind, "EXPIRED") != 0) {
        note_seats(f, p, numbers, seq, 0);
        bool was_paid = !DB_ROW_NULL(row, "paid_at_ms");
        p->sold -= was_paid ? count : 0;
        p->paid -= was_paid;
    }
}

void feed_seats_load(struct feed *f, struct known_performance *p) {
    if (p->to_load) return;
    p->to_load = true;
    list_add(&f->load, p);
}

static enum err take_events(struct feed *f) {
    enum err e = feed_ranges(f, STMT_SEAT_NEWS, &f->events, news_of, take_event);
    if (e) return e;
    for (size_t i = 0; i < f->events.count; i++) {
        struct known_performance *p = f->events.at[i];
        p->listed = false;
        if (p->loaded ? p->fed_seq != p->event_seq : !p->no_room) feed_seats_load(f, p);
    }
    f->events.count = 0;
    return E_OK;
}

/* --- loading --- */

static void take_seat(void *ctx, const struct db_row *row) {
    struct hall *h = ctx;
    if (h->total == 0) {
        h->seq = DB_ROW_U64(row, "event_seq");
        h->total = DB_ROW_U64(row, "total_seats");
        if (h->total > h->size) {
            h->size = h->total;
            h->until_ms = realloc(h->until_ms, h->size * sizeof *h->until_ms);
            h->owner = realloc(h->owner, h->size * sizeof *h->owner);
            if (!h->until_ms || !h->owner) abort();
        }
        memset(h->until_ms, 0, h->total * sizeof *h->until_ms);
    }
    uint64_t number = DB_ROW_U64(row, "seat_number"), until_ms = DB_ROW_U64(row, "taken_until_ms");
    if (number < 1 || number > h->total) return;
    h->until_ms[number - 1] = until_ms;
    if (until_ms == BOARD_SOLD_MS) h->owner[h->sold++] = DB_ROW_U64(row, "reservation_id");
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t distinct(uint64_t *v, uint64_t count) {
    uint64_t n = 0;
    if (count == 0) return 0;
    qsort(v, count, sizeof *v, ascending);
    for (uint64_t i = 0; i < count; i++) n += i == 0 || v[i] != v[i - 1];
    return n;
}

static enum err load(struct feed *f, struct known_performance *p) {
    struct hall *h = &f->hall;
    h->total = h->sold = 0;
    enum err e =
        db_run(f->db, STMT_SEATS_LOAD, DB_ARGS(DB_U64(p->performance)), take_seat, h, NULL);
    if (e) return e;
    p->loaded = h->total && board_seats_load(f->board, (struct performance_id){p->performance},
                                             h->seq, h->until_ms, h->total);
    p->no_room = !p->loaded;
    p->stale = true;
    if (!p->loaded) return E_OK;
    p->sold = h->sold;
    p->paid = distinct(h->owner, h->sold);
    p->fed_seq = h->seq;
    if (p->event_seq < h->seq) p->event_seq = h->seq;
    return E_OK;
}

static enum err load_some(struct feed *f) {
    uint64_t wanted[WANTED_MAX], seats = 0;
    size_t n = board_seats_wanted(f->board, wanted, WANTED_MAX);
    for (size_t i = 0; i < n; i++) {
        struct known_performance *p = known_performance(&f->known, wanted[i]);
        if (p) feed_seats_load(f, p);
    }
    size_t done = 0;
    enum err e = E_OK;
    /* At the start all, which are those that an earlier ticker has left on the board: it is not to
     * be trusted before. */
    for (; done < f->load.count && (!f->begun || seats < LOAD_SEATS_MAX); done++) {
        struct known_performance *p = f->load.at[done];
        if ((e = load(f, p))) break;
        p->to_load = false;
        seats += p->total_seats;
    }
    memmove(f->load.at, f->load.at + done, (f->load.count - done) * sizeof *f->load.at);
    f->load.count -= done;
    return e;
}

/* --- counting --- */

static bool is_stale(const struct feed *f, const struct known_performance *p) {
    return !p->counted || p->stale || (p->until_ms && p->until_ms <= f->now_ms);
}

static void counted(struct known_performance *p) {
    p->counted = true;
    p->stale = false;
    p->counted_ms = clock_mono_ms();
}

static bool count_on_board(struct feed *f, struct known_performance *p) {
    uint64_t seq;
    if (!p->loaded || !board_seats_read(f->board, (struct performance_id){p->performance},
                                        f->now_ms, NULL, &p->left, &seq, &p->until_ms))
        return false;
    counted(p);
    return true;
}

static void take_count(void *ctx, const struct db_row *row) {
    struct feed *f = ctx;
    struct known_performance *p = known_performance(&f->known, DB_ROW_U64(row, "performance_id"));
    if (!p) return;
    p->left = DB_ROW_U64(row, "seats_left");
    p->sold = DB_ROW_U64(row, "sold");
    p->paid = DB_ROW_U64(row, "paid");
    p->until_ms = DB_ROW_U64(row, "until_ms");
    counted(p);
    list_add(&f->recounted, p->concert);
}

static bool whole_of(void *item, uint64_t *id_r, uint64_t *least_r, uint64_t *most_r) {
    *id_r = ((struct known_performance *)item)->performance;
    *least_r = *most_r = 0;
    return true;
}

/* Each once: the statement adds up what it is given. */
static void add_due(struct list *due, struct known_performance *p, uint64_t *seats) {
    if (p->to_count) return;
    p->to_count = true;
    list_add(due, p);
    *seats += p->total_seats;
}

static enum err count_seats(struct feed *f) {
    struct list due = {0};
    uint64_t now_ms = clock_mono_ms(), seats = 0;
    for (size_t i = 0; i < f->lively.count; i++) {
        struct known_concert *k = f->lively.at[i];
        for (struct known_performance *p = k->performances; p; p = p->next) {
            if (!is_stale(f, p)) continue;
            uint64_t rest_ms = !p->counted ? 0
                               : p->loaded ? COUNT_ON_BOARD_MS
                                           : COUNT_BY_STATEMENT_MS;
            if (now_ms - p->counted_ms < rest_ms || count_on_board(f, p)) continue;
            if (seats >= COUNT_SEATS_MAX) continue;
            add_due(&due, p, &seats);
        }
    }
    while (now_ms >= f->count_rest_ms && f->uncounted.count && seats < COUNT_SEATS_MAX) {
        struct known_performance *p = f->uncounted.at[--f->uncounted.count];
        if (!p->counted) add_due(&due, p, &seats);
    }
    enum err e = feed_ranges(f, STMT_SEATS_COUNT, &due, whole_of, take_count);
    if (due.count) f->count_rest_ms = clock_mono_ms() + (clock_mono_ms() - now_ms) * COUNT_SHARE;
    for (size_t i = 0; i < due.count; i++) {
        struct known_performance *p = due.at[i];
        p->to_count = false;
        if (!p->counted) list_add(&f->uncounted, p);
    }
    list_free(&due);
    return e;
}

void feed_seats_sum(const struct known_concert *k, struct board_seats *seats_r) {
    *seats_r = (struct board_seats){0};
    for (const struct known_performance *p = k->performances; p; p = p->next) {
        if (!p->counted) {
            *seats_r = (struct board_seats){0};
            return;
        }
        seats_r->total += p->total_seats;
        seats_r->left += p->left;
        seats_r->sold += p->sold;
        seats_r->reservations_paid += p->paid;
        seats_r->sales_minor += p->sold * p->price_minor;
    }
}

enum err feed_seats(struct feed *f) {
    enum err e = take_events(f);
    if (!e) e = load_some(f);
    if (!e) e = count_seats(f);
    return e;
}
