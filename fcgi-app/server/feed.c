/* SPDX-License-Identifier: 0BSD */
/* The look, queues and passes. Seats are in feed_seats.c. */
#include "server/feed.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "server/feed_seats.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAP_MS 5000   /* no transaction commits later after it touched its rows */
#define ALL_SEEN_MS 30000 /* the slices have come around */
#define SLICE_LEAST 16
#define OVERDUE_MAX 10000 /* rows that one look reads of each kind */
#define EVENTS_MAX 50000  /* past it, who is gone is read anew instead */
#define PASSES_MAX 1000000

enum {
    SET_CLOCK,
    SET_QUEUES,
    SET_QUEUES_SLICE,
    SET_PERFORMANCES,
    SET_PERFORMANCES_SLICE,
    SET_PASSES,
    SET_HOLDS
};

void feed_stir(struct feed *f, struct known_concert *k) {
    k->active_ms = clock_mono_ms();
    if (k->file == FILE_LIVELY) return;
    k->file = FILE_LIVELY;
    list_add(&f->lively, k);
}

static bool has_room(const struct board_queue *q) {
    return q->waiting > 0 && q->active < q->max_active && !q->paused;
}

static void want(struct feed *f, struct known_concert *k) {
    if (k->wants) return;
    k->wants = true;
    list_add(&f->wants, k);
}

/* Room and people, and the sale not open yet: remembered until it is. */
static void judge(struct feed *f, struct known_concert *k) {
    if (!has_room(&k->row)) return;
    if (k->sales_open_at_ms <= f->now_ms) {
        want(f, k);
    } else if (!k->opening) {
        k->opening = true;
        list_add(&f->openings, k);
    }
}

/* Counts what the board has no room for: lists of what is sold are told from it only when it has
 * all. */
static void missing(struct feed *f, bool *was, bool is) {
    if (is && !*was) f->missing++;
    if (!is && *was) f->missing--;
    *was = is;
}

static void set_concert(struct feed *f, struct known_concert *k, const struct db_row *row,
                        const char *title) {
    struct board_concert c = {
        .concert = k->concert,
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
        .sales_close_at_ms = DB_ROW_U64(row, "sales_close_at_ms"),
        .performances = k->performances_count,
    };
    uint64_t text_hash =
        hash_bytes(hash_bytes(0, title, strlen(title)), &c.sales_open_at_ms, 2 * sizeof(uint64_t));
    k->sales_open_at_ms = c.sales_open_at_ms;
    if (k->text_hash == text_hash) return;
    snprintf(c.title, sizeof c.title, "%s", title);
    bool done = board_concert_set(f->board, &c);
    if (done) k->text_hash = text_hash;
    missing(f, &k->missing, !done);
}

static void take_queue(struct feed *f, const struct db_row *row) {
    bool fresh;
    struct known_concert *k = known_concert_add(&f->known, DB_ROW_U64(row, "concert_id"), &fresh);
    if (db_row_set(row) == SET_QUEUES_SLICE) {
        f->slice_concert = k->concert;
        f->slice_rows[0]++;
    }
    set_concert(f, k, row, DB_ROW_TEXT(row, "title"));
    struct board_queue q = {
        .concert = k->concert,
        .tail = DB_ROW_U64(row, "tail"),
        .admitted_through = DB_ROW_U64(row, "admitted_through"),
        .waiting = DB_ROW_U64(row, "waiting"),
        .active = DB_ROW_U64(row, "active"),
        .admitted_total = DB_ROW_U64(row, "admitted_total"),
        .no_show_total = DB_ROW_U64(row, "no_show_total"),
        .max_active = DB_ROW_U64(row, "max_active"),
        .paused = DB_ROW_U64(row, "paused"),
        .draining = DB_ROW_U64(row, "draining"),
        .event_seq = DB_ROW_U64(row, "event_seq"),
        .updated_at_ms = f->now_ms,
    };
    /* Of one that was just added, all events are news. */
    if (fresh) {
        k->queue.concert = k->concert;
        k->rebuilt = f->begun;
    }
    bool people = q.waiting || q.active, moved = fresh || q.event_seq != k->row.event_seq;
    k->row = q;
    judge(f, k);
    /* What is there at the start has not happened now. */
    if (moved && (f->begun || people)) feed_stir(f, k);
    if (k->changed || !(moved || (people && !k->published))) return;
    k->changed = true;
    list_add(&f->changed, k);
}

static void set_performance(struct feed *f, struct known_performance *p, bool fresh,
                            const struct db_row *row) {
    struct board_performance b = {
        .performance = p->performance,
        .concert = p->concert->concert,
        .starts_at_ms = DB_ROW_U64(row, "starts_at_ms"),
        .price_minor = DB_ROW_U64(row, "price_minor"),
        .total_seats = DB_ROW_U64(row, "total_seats"),
        .sales_open_at_ms = DB_ROW_U64(row, "sales_open_at_ms"),
        .sales_close_at_ms = DB_ROW_U64(row, "sales_close_at_ms"),
    };
    const char *venue = DB_ROW_TEXT(row, "venue");
    uint64_t text_hash = hash_bytes(hash_bytes(0, venue, strlen(venue)), &b,
                                    offsetof(struct board_performance, venue));
    p->total_seats = b.total_seats;
    p->price_minor = b.price_minor;
    if (p->text_hash != text_hash) {
        snprintf(b.venue, sizeof b.venue, "%s", venue);
        bool done = board_performance_set(f->board, &b);
        if (done) p->text_hash = text_hash;
        missing(f, &p->missing, !done);
    }
    if (!fresh) return;
    if (board_seats_known(f->board, (struct performance_id){p->performance})) feed_seats_load(f, p);
    list_add(&f->uncounted, p);
    /* How many there are is told with the concert. */
    struct board_concert c;
    if (!board_concert(f->board, (struct concert_id){b.concert}, &c)) return;
    c.performances = p->concert->performances_count;
    if (!board_concert_set(f->board, &c)) p->concert->text_hash = 0;
}

static void take_performance(struct feed *f, const struct db_row *row) {
    bool fresh;
    /* Its concert came in a result set before, unless it was added between the two. */
    struct known_concert *of = known_concert(&f->known, DB_ROW_U64(row, "concert_id"));
    if (db_row_set(row) == SET_PERFORMANCES_SLICE) {
        f->slice_performance = DB_ROW_U64(row, "performance_id");
        f->slice_rows[1]++;
    }
    if (!of) return;
    struct known_performance *p =
        known_performance_add(&f->known, DB_ROW_U64(row, "performance_id"), of, &fresh);
    set_performance(f, p, fresh, row);
    uint64_t event_seq = DB_ROW_U64(row, "event_seq");
    if (fresh && f->begun) feed_stir(f, of);
    bool moved = !fresh && event_seq != p->event_seq;
    p->event_seq = event_seq;
    if (!moved) return;
    feed_stir(f, of);
    p->stale = true;
    if (p->listed) return;
    p->listed = true;
    list_add(&f->events, p);
}

static void take_look(void *ctx, const struct db_row *row) {
    struct feed *f = ctx;
    struct known_concert *k;
    switch (db_row_set(row)) {
    case SET_CLOCK: f->now_ms = DB_ROW_U64(row, "now_ms"); break;
    case SET_QUEUES:
    case SET_QUEUES_SLICE: take_queue(f, row); break;
    case SET_PERFORMANCES:
    case SET_PERFORMANCES_SLICE: take_performance(f, row); break;
    case SET_PASSES:
        if (!(k = known_concert(&f->known, DB_ROW_U64(row, "concert_id")))) break;
        k->overdue = true;
        want(f, k);
        break;
    case SET_HOLDS: f->holds_overdue = true; break;
    default: break;
    }
}

/* Waiting for a sale that is open by now. */
static void open_sales(struct feed *f) {
    for (size_t i = 0; i < f->openings.count;) {
        struct known_concert *k = f->openings.at[i];
        if (k->sales_open_at_ms > f->now_ms && has_room(&k->row)) {
            i++;
            continue;
        }
        k->opening = false;
        list_drop(&f->openings, i);
        judge(f, k);
    }
}

enum err feed_look(struct feed *f, bool all) {
    size_t most = f->known.concerts.count > f->known.performances.count
                      ? f->known.concerts.count
                      : f->known.performances.count;
    uint64_t slice = all ? 0 : most * f->conf->tick_ms / ALL_SEEN_MS + SLICE_LEAST;
    uint64_t since_ms = all || f->now_ms < OVERLAP_MS ? 0 : f->now_ms - OVERLAP_MS;
    f->slice_rows[0] = f->slice_rows[1] = 0;
    f->holds_overdue = false;
    for (size_t i = 0; i < f->wants.count; i++)
        ((struct known_concert *)f->wants.at[i])->overdue = false;
    f->looked_ms = clock_mono_ms();
    enum err e = db_run(f->db, STMT_LOOK,
                        DB_ARGS(DB_U64(since_ms), DB_U64(f->slice_concert),
                                DB_U64(f->slice_performance), DB_U64(slice), DB_U64(OVERDUE_MAX)),
                        take_look, f, NULL);
    f->seen_ms = clock_mono_ms();
    if (e) return e;
    if (f->slice_rows[0] < slice) f->slice_concert = 0;
    if (f->slice_rows[1] < slice) f->slice_performance = 0;
    open_sales(f);
    atomic_store(&f->stats->database_seen_ms, f->seen_ms);
    atomic_store(&f->stats->queues, f->known.concerts.count);
    return E_OK;
}

/* --- events of queues --- */

static void push_left(struct feed *f, uint64_t concert, uint64_t number) {
    if (f->left_count == f->left_size) {
        f->left_size = f->left_size ? f->left_size * 2 : 1024;
        f->left = realloc(f->left, f->left_size * sizeof *f->left);
        if (!f->left) abort();
    }
    f->left[f->left_count++] = (struct left){concert, number};
}

/* The row says where the place stands now, which is at least as far as the event says. Who was
 * never let in has no pass. */
static void note_pass(struct feed *f, const struct db_row *row, uint64_t concert, uint64_t number) {
    if (DB_ROW_U64(row, "admitted_at_ms") == 0) return;
    const char *state = DB_ROW_TEXT(row, "state");
    struct board_pass pass = {.joined_at_ms = DB_ROW_U64(row, "joined_at_ms"),
                              .ends_at_ms = DB_ROW_U64(row, "expires_at_ms")};
    switch (*state) {
    case 'A':
        pass.stage = DB_ROW_NULL(row, "claimed_at_ms") ? BOARD_PASS_ADMITTED : BOARD_PASS_CLAIMED;
        break;
    case 'C': pass.stage = BOARD_PASS_COMPLETED; break;
    case 'L': pass.stage = BOARD_PASS_LEFT; break;
    case 'E': pass.stage = BOARD_PASS_EXPIRED; break;
    default: return;
    }
    board_pass_note(f->board, (struct concert_id){concert}, number, &pass);
}

static void take_event(void *ctx, const struct db_row *row) {
    struct feed *f = ctx;
    uint64_t concert = DB_ROW_U64(row, "concert_id"), number = DB_ROW_U64(row, "number");
    const char *kind = DB_ROW_TEXT(row, "kind");
    if (!f->at_concert || f->at_concert->concert != concert)
        f->at_concert = known_concert(&f->known, concert);
    if (!f->at_concert || number == 0) return;
    if (strcmp(kind, "ADMIT") == 0) f->at_concert->admits++;
    if (strcmp(kind, "LEAVE") == 0) push_left(f, concert, number);
    note_pass(f, row, concert, number);
}

static void take_gone(void *ctx, const struct db_row *row) {
    struct feed *f = ctx;
    push_left(f, f->at_concert->concert, DB_ROW_U64(row, "number"));
}

static void add_range(struct strbuf *t, uint64_t id, uint64_t least, uint64_t most) {
    strbuf_add(t, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", t->len ? "," : "[", id, least, most);
}

/* The statement for these ranges; none, no statement. Takes the text. */
static enum err run_ranges(struct feed *f, enum stmt id, struct strbuf *t, db_row_fn *each) {
    enum err e = E_OK;
    if (t->len) {
        STRBUF_LITERAL(t, "]");
        f->at_concert = NULL;
        f->at_performance = NULL;
        e = db_run(f->db, id, DB_ARGS(DB_BYTES(t->bytes, t->len)), each, f, NULL);
    }
    free(t->bytes);
    return e;
}

enum err feed_ranges(struct feed *f, enum stmt id, const struct list *of, feed_range_fn *range,
                     db_row_fn *each) {
    struct strbuf t = {0};
    for (size_t i = 0; i < of->count; i++) {
        uint64_t key, least, most;
        if (range(of->at[i], &key, &least, &most)) add_range(&t, key, least, most);
    }
    return run_ranges(f, id, &t, each);
}

static bool news_of(void *item, uint64_t *id_r, uint64_t *least_r, uint64_t *most_r) {
    struct known_concert *k = item;
    k->admits = 0;
    if (k->rebuilt && (k->row.event_seq < k->queue.event_seq ||
                       k->row.event_seq - k->queue.event_seq > EVENTS_MAX))
        k->rebuilt = false;
    *id_r = k->concert;
    *least_r = k->queue.event_seq;
    *most_r = k->row.event_seq;
    /* Joining moves event_seq and tail alike: when both moved by as much, nothing else happened. */
    return k->rebuilt && *most_r - *least_r != k->row.tail - k->queue.tail;
}

static bool joined_active_of(void *item, uint64_t *id_r, uint64_t *least_r, uint64_t *most_r) {
    struct known_concert *k = item;
    *id_r = k->concert;
    *least_r = k->queue.tail;
    *most_r = k->row.tail;
    return k->rebuilt && *most_r > *least_r &&
           k->row.admitted_total - k->queue.admitted_total > k->admits;
}

/* Who is gone behind the line, from the rows; where nobody was ever passed over there is nothing to
 * ask. */
static enum err rebuild(struct feed *f) {
    for (size_t i = 0; i < f->changed.count; i++) {
        struct known_concert *k = f->changed.at[i];
        const struct board_queue *q = &k->row;
        if (k->rebuilt || q->tail - q->admitted_through == q->waiting) continue;
        f->at_concert = k;
        enum err e =
            db_run(f->db, STMT_QUEUE_GONE,
                   DB_ARGS(DB_U64(q->concert), DB_U64(q->admitted_through), DB_U64(q->tail)),
                   take_gone, f, NULL);
        if (e) return e;
    }
    return E_OK;
}

/* --- publishing --- */

/* A place on the board for one with people, taken from the one that has been quiet longest. */
static bool make_room(struct feed *f) {
    struct known_concert *oldest = NULL;
    if (clock_mono_ms() < f->full_ms) return false;
    for (size_t i = 0; i < f->known.concerts.count; i++) {
        struct known_concert *k = f->known.concerts.at[i];
        if (!k->published || k->row.waiting || k->row.active || k->queue.waiting || k->queue.active)
            continue;
        if (!oldest || k->active_ms < oldest->active_ms) oldest = k;
    }
    if (!oldest) {
        f->full_ms = clock_mono_ms() + 1000;
        return false;
    }
    board_drop(f->board, (struct concert_id){oldest->concert});
    oldest->published = false;
    return true;
}

static int by_concert(const void *a, const void *b) {
    uint64_t x = ((const struct left *)a)->concert, y = ((const struct left *)b)->concert;
    return (x > y) - (x < y);
}

/* Those of one concert, as the board takes them: the pairs' numbers moved together. */
static size_t left_of(struct feed *f, uint64_t concert, uint64_t **numbers_r) {
    size_t low = 0, high = f->left_count, n = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->left[middle].concert < concert)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < f->left_count && f->left[low + n].concert == concert) n++;
    *numbers_r = n ? malloc(n * sizeof **numbers_r) : NULL;
    if (n && !*numbers_r) abort();
    for (size_t i = 0; i < n; i++) (*numbers_r)[i] = f->left[low + i].number;
    return n;
}

/* People let in per minute, over the last minute or since the ticker began to count. */
static void measure_rate(struct known_concert *k) {
    struct board_queue *q = &k->queue;
    uint64_t now_ms = clock_mono_ms();
    if (now_ms - k->sample_ms >= 1000) {
        k->sample[k->samples++ % (RATE_SECONDS + 1)] = q->admitted_total;
        k->sample_ms = now_ms;
    }
    uint64_t have = k->samples > RATE_SECONDS ? RATE_SECONDS : k->samples - 1;
    uint64_t then = k->sample[(k->samples - 1 - have) % (RATE_SECONDS + 1)];
    uint64_t seconds = have ? have : 1;
    q->admitted_per_minute = (q->admitted_total - then) * 60 / seconds;
    q->rate_known = q->admitted_per_minute > 0;
}

/* Its next state, with what is counted and measured of it. */
static void publish(struct feed *f, struct known_concert *k, const uint64_t *left,
                    size_t left_count) {
    struct board_queue was = k->queue;
    k->queue = k->row;
    k->queue.updated_at_ms = was.updated_at_ms;
    measure_rate(k);
    feed_seats_sum(k, &k->queue.seats);
    bool people = k->queue.waiting || k->queue.active;
    if (memcmp(&k->queue, &was, sizeof was) == 0 && left_count == 0 && (k->published || !people))
        return;
    k->queue.updated_at_ms = f->now_ms;
    k->file_news = true;
    bool done = board_publish(f->board, &k->queue, left, left_count);
    while (!done && people && make_room(f))
        done = board_publish(f->board, &k->queue, left, left_count);
    k->published = done;
    if (done) return;
    /* What it would have learnt now is to be read anew, should there be room later. */
    k->rebuilt = false;
    if (people && !f->board_full_said) {
        log_line(LOG_L_WARNING,
                 "the board has no room for concert %" PRIu64 ": raise board_concerts", k->concert);
        f->board_full_said = true;
    }
}

static void publish_changed(struct feed *f) {
    qsort(f->left, f->left_count, sizeof *f->left, by_concert);
    /* Those with people first: they get the room. */
    for (int people = 1; people >= 0; people--)
        for (size_t i = 0; i < f->changed.count; i++) {
            struct known_concert *k = f->changed.at[i];
            uint64_t *numbers;
            if ((k->row.waiting || k->row.active) != people) continue;
            size_t n = left_of(f, k->concert, &numbers);
            k->rebuilt = true;
            k->changed = false;
            publish(f, k, numbers, n);
            free(numbers);
        }
    f->changed.count = 0;
}

/* Counts and rates move by themselves. */
static void publish_lively(struct feed *f) {
    for (size_t i = 0; i < f->recounted.count; i++) publish(f, f->recounted.at[i], NULL, 0);
    f->recounted.count = 0;
    for (size_t i = 0; i < f->lively.count; i++) publish(f, f->lively.at[i], NULL, 0);
}

enum err feed_take(struct feed *f) {
    f->left_count = 0;
    enum err e = feed_ranges(f, STMT_QUEUE_NEWS, &f->changed, news_of, take_event);
    if (!e) e = feed_ranges(f, STMT_QUEUE_JOINED_ACTIVE, &f->changed, joined_active_of, take_event);
    if (!e) e = rebuild(f);
    if (!e && !f->begun)
        e = db_run(f->db, STMT_PASSES_ALL, DB_ARGS(DB_U64(PASSES_MAX)), take_event, f, NULL);
    if (!e) e = feed_seats(f);
    if (e) return e;
    publish_changed(f);
    publish_lively(f);
    f->begun = true;
    atomic_store(&f->stats->catalogue_whole, f->missing == 0);
    return E_OK;
}

void feed_free(struct feed *f) {
    known_free(&f->known);
    struct list *const lists[] = {&f->changed,   &f->events, &f->load,     &f->uncounted,
                                  &f->recounted, &f->wants,  &f->openings, &f->lively};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) list_free(lists[i]);
    free(f->left);
    free(f->hall.until_ms);
    free(f->hall.owner);
}
