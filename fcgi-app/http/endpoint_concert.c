/* SPDX-License-Identifier: 0BSD */
/* Concerts, performances, seats: from the board, and while that is too old or does not know, from
 * the database. Both ways put the same text together. */
#include "store/concert.h"

#include "base/clock.h"
#include "base/hash.h"
#include "batch/queue.h"
#include "board/queue_file.h"
#include "board/seat_file.h"
#include "http/endpoints.h"

#include <stdlib.h>
#include <string.h>

/* The text of the answer at work; its memory is kept from one to the next, up to a size that most
 * have. */
#define TEXT_KEPT (256 * 1024)
static struct strbuf text;

static struct strbuf *begin(void) {
    if (text.size > TEXT_KEPT) {
        free(text.bytes);
        text = (struct strbuf){0};
    }
    text.len = 0;
    return &text;
}

static enum err finish(struct call *call, bool private) {
    resp_bytes(call->resp, 200, "application/json", text.bytes, text.len);
    resp_etag(call->resp, hash_bytes(0, text.bytes, text.len), private, call->req->if_none_match);
    return E_OK;
}

/* --- concerts --- */

static void put_concert(struct strbuf *t, const struct concert *c) {
    STRBUF_LITERAL(t, "{\"concertId\":");
    strbuf_u64(t, c->id.v);
    STRBUF_LITERAL(t, ",\"title\":");
    strbuf_json(t, c->title);
    STRBUF_LITERAL(t, ",\"salesOpenAt\":");
    strbuf_json_time(t, c->sales_open_at_ms);
    STRBUF_LITERAL(t, ",\"salesCloseAt\":");
    strbuf_json_time(t, c->sales_close_at_ms);
    STRBUF_LITERAL(t, ",\"performances\":");
    strbuf_u64(t, c->performances);
    STRBUF_LITERAL(t, "}");
}

static struct concert from_board(const struct board_concert *b) {
    return (struct concert){.id = {b->concert},
                            .title = b->title,
                            .sales_open_at_ms = b->sales_open_at_ms,
                            .sales_close_at_ms = b->sales_close_at_ms,
                            .performances = b->performances};
}

/* A page: asked for one more than fits, to know whether there is a next one. */
struct page {
    struct strbuf *t;
    uint64_t limit, count, last_id;
    bool more;
};

static void concert_item(void *ctx, const struct concert *c) {
    struct page *page = ctx;
    if (page->count == page->limit) {
        page->more = true;
        return;
    }
    if (page->count++) STRBUF_LITERAL(page->t, ",");
    put_concert(page->t, c);
    page->last_id = c->id.v;
}

enum err endpoint_concerts(struct call *call) {
    struct page page = {.t = begin()};
    uint64_t after;
    enum err e = route_page(call, &page.limit, &after);
    if (e) return e;
    STRBUF_LITERAL(page.t, "{\"items\":[");
    if (board_is_fresh(call->board, call->conf) && stats_get(&call->stats->catalogue_whole)) {
        struct board_concert b;
        while (!page.more && board_concert_after(call->board, after, &b)) {
            struct concert c = from_board(&b);
            concert_item(&page, &c);
            after = b.concert;
        }
    } else if ((e = concert_list(call->db, after, page.limit + 1, concert_item, &page))) {
        return e;
    }
    if (page.more) {
        STRBUF_LITERAL(page.t, "],\"next\":\"");
        strbuf_u64(page.t, page.last_id);
        STRBUF_LITERAL(page.t, "\"}");
    } else {
        STRBUF_LITERAL(page.t, "],\"next\":null}");
    }
    return finish(call, false);
}

static void concert_object(void *ctx, const struct concert *c) { put_concert(ctx, c); }

enum err endpoint_concert(struct call *call) {
    struct board_concert b;
    struct strbuf *t = begin();
    enum err e = E_OK;
    /* What is not on the board may just have been added. */
    if (board_is_fresh(call->board, call->conf) &&
        board_concert(call->board, (struct concert_id){call->id}, &b)) {
        struct concert c = from_board(&b);
        put_concert(t, &c);
    } else {
        e = concert_get(call->db, (struct concert_id){call->id}, concert_object, t);
    }
    return e ? e : finish(call, false);
}

/* --- the static queue file, where there is none --- */

static enum err queue_from_database(struct call *call, struct board_queue *q) {
    return queue_get(call->db, (struct concert_id){call->id}, q);
}

enum err endpoint_queue_file(struct call *call) {
    struct board_queue q;
    struct board_concert c;
    enum err e = E_OK;
    uint64_t age_ms = board_age_ms(call->board);
    bool known =
        age_ms <= BOARD_AGE_MAX_MS && board_queue(call->board, (struct concert_id){call->id}, &q);
    /* Seats that have never been counted, shortly after the start. */
    if (known && q.seats.total == 0)
        known =
            board_concert(call->board, (struct concert_id){call->id}, &c) && c.performances == 0;
    if (known)
        q.updated_at_ms = board_now_ms(call->board) - age_ms;
    else
        e = queue_from_database(call, &q);
    if (e) return e;
    struct strbuf *t = begin();
    queue_file_text(t, &q, q.updated_at_ms);
    resp_bytes(call->resp, 200, "application/json", t->bytes, t->len);
    call->resp->cache_control = "public, max-age=1";
    return E_OK;
}

/* --- performances --- */

static void put_performance(struct strbuf *t, const struct performance *p) {
    STRBUF_LITERAL(t, "{\"performanceId\":");
    strbuf_u64(t, p->id.v);
    STRBUF_LITERAL(t, ",\"startsAt\":");
    strbuf_json_time(t, p->starts_at_ms);
    STRBUF_LITERAL(t, ",\"venue\":");
    strbuf_json(t, p->venue);
    STRBUF_LITERAL(t, ",\"price\":");
    strbuf_u64(t, p->price_minor);
    STRBUF_LITERAL(t, ",\"totalSeats\":");
    strbuf_u64(t, p->total_seats);
    STRBUF_LITERAL(t, ",\"availableSeats\":");
    strbuf_u64(t, p->available_seats);
    STRBUF_LITERAL(t, ",\"salesOpenAt\":");
    strbuf_json_time(t, p->sales_open_at_ms);
    STRBUF_LITERAL(t, ",\"salesCloseAt\":");
    strbuf_json_time(t, p->sales_close_at_ms);
    STRBUF_LITERAL(t, "}");
}

struct items {
    struct strbuf *t;
    bool any;
};

static void performance_item(void *ctx, const struct performance *p) {
    struct items *items = ctx;
    if (items->any) STRBUF_LITERAL(items->t, ",");
    items->any = true;
    put_performance(items->t, p);
}

/* How many seats are left, which takes a look at each of them: of large halls the number of a
 * moment ago is kept, as long as it is right or a tick old. */
#define COUNTS 256
#define COUNT_SMALL 1000
static struct count {
    uint64_t performance, changes, until_ms, at_ms, seq, available;
} counts[COUNTS];

static bool count_available(struct call *call, const struct board_performance *p, uint64_t own_seq,
                            uint64_t now_ms, uint64_t *available_r) {
    struct performance_id id = {p->performance};
    uint64_t changes, seq, until_ms, mono_ms;
    if (p->total_seats <= COUNT_SMALL)
        return board_seats_read(call->board, id, now_ms, NULL, available_r, &seq, &until_ms);
    struct count *c = &counts[p->performance % COUNTS];
    if (!board_seats_changes(call->board, id, &changes)) return false;
    mono_ms = clock_mono_ms();
    bool right = c->changes == changes && (c->until_ms == 0 || now_ms < c->until_ms);
    if (c->performance != p->performance || c->seq < own_seq ||
        !(right || mono_ms - c->at_ms <= call->conf->tick_ms)) {
        struct count n = {.performance = p->performance, .changes = changes, .at_ms = mono_ms};
        if (!board_seats_read(call->board, id, now_ms, NULL, &n.available, &n.seq, &n.until_ms))
            return false;
        *c = n;
    }
    *available_r = c->available;
    return true;
}

/* False when the board does not know all of them. */
static bool performances_from_board(struct call *call, const struct board_pass *pass,
                                    struct items *items) {
    struct board_concert c;
    struct board_performance b;
    uint64_t at = 0, seen = 0, now_ms = board_now_ms(call->board);
    if (!board_concert(call->board, call->token.concert, &c)) return false;
    while (board_performance_next(call->board, call->token.concert, &at, &b)) {
        struct performance p = {.id = {b.performance},
                                .starts_at_ms = b.starts_at_ms,
                                .price_minor = b.price_minor,
                                .total_seats = b.total_seats,
                                .sales_open_at_ms = b.sales_open_at_ms,
                                .sales_close_at_ms = b.sales_close_at_ms,
                                .venue = b.venue};
        seen++;
        if (b.sales_open_at_ms > now_ms || (b.sales_close_at_ms && b.sales_close_at_ms <= now_ms))
            continue;
        uint64_t own_seq = pass->own_performance == b.performance ? pass->own_seq : 0;
        if (!count_available(call, &b, own_seq, now_ms, &p.available_seats)) return false;
        performance_item(items, &p);
    }
    /* None yet: one may just be added. */
    return seen > 0 && seen == c.performances;
}

enum err endpoint_performances(struct call *call) {
    struct board_pass pass;
    struct items items = {.t = begin()};
    enum err e = E_OK;
    STRBUF_LITERAL(items.t, "{\"items\":[");
    bool fresh = board_is_fresh(call->board, call->conf), done = false;
    if (fresh && (e = queue_pass(call->db, call->board, call->conf, &call->token, &pass))) return e;
    if (fresh) done = performances_from_board(call, &pass, &items);
    if (!done) {
        items = (struct items){.t = begin()};
        STRBUF_LITERAL(items.t, "{\"items\":[");
        if ((e = performance_list(call->db, call->conf, &call->token, performance_item, &items)))
            return e;
    }
    STRBUF_LITERAL(items.t, "]}");
    return finish(call, true);
}

/* --- seats --- */

static enum err seats_from_file(struct call *call, const struct seat_file *file) {
    resp_bytes(call->resp, 200, "application/json", "", 0);
    memcpy(call->resp->file, file->name, sizeof file->name);
    resp_etag(call->resp, file->tag, true, call->req->if_none_match);
    return E_OK;
}

/* False when the board does not know its seats. */
static bool seats_from_board(struct call *call, const struct board_performance *p,
                             uint64_t own_seq) {
    struct seat_file file;
    uint64_t available, seq, until_ms;
    if (p->total_seats > SEAT_FILE_LEAST && call->req->sends_files &&
        seat_file_find(call->conf->queue_state_dir, call->board, p, own_seq, call->conf->tick_ms,
                       &file))
        return seats_from_file(call, &file) == E_OK;
    uint8_t *state = malloc(p->total_seats);
    bool ok =
        state && board_seats_read(call->board, (struct performance_id){p->performance},
                                  board_now_ms(call->board), state, &available, &seq, &until_ms);
    if (ok) {
        seat_list_text(begin(), p, state, available);
        finish(call, true);
    }
    free(state);
    return ok;
}

struct states {
    uint8_t *state;
    uint64_t count, size;
};

static void seat_state(void *ctx, uint64_t number, enum seat_status status, uint64_t price_minor) {
    static const enum board_seat states[] = {[SEAT_AVAILABLE] = BOARD_SEAT_FREE,
                                             [SEAT_HELD] = BOARD_SEAT_HELD,
                                             [SEAT_SOLD] = BOARD_SEAT_SOLD};
    struct states *s = ctx;
    (void)price_minor;
    if (number > s->size) {
        s->size = s->size * 2 + 1024;
        s->state = realloc(s->state, s->size);
        if (!s->state) abort();
    }
    s->state[number - 1] = (uint8_t)states[status];
    s->count = number;
}

static enum err seats_from_database(struct call *call) {
    struct seats seats;
    struct states states = {0};
    enum err e = seat_list(call->db, call->conf, &call->token, (struct performance_id){call->id},
                           seat_state, &states, &seats);
    if (!e) {
        struct board_performance p = {
            .performance = call->id, .total_seats = states.count, .price_minor = seats.price_minor};
        seat_list_text(begin(), &p, states.state, seats.available_seats);
        e = finish(call, true);
    }
    free(states.state);
    return e;
}

enum err endpoint_seats(struct call *call) {
    struct board_performance p;
    struct board_pass pass;
    if (!board_is_fresh(call->board, call->conf) ||
        !board_performance(call->board, (struct performance_id){call->id}, &p))
        return seats_from_database(call);
    /* Before whether one is let in. */
    if (p.concert != call->token.concert.v) return E_QUEUE_TOKEN_WRONG_CONCERT;
    enum err e = queue_pass(call->db, call->board, call->conf, &call->token, &pass);
    if (e) return e;
    uint64_t own_seq = pass.own_performance == p.performance ? pass.own_seq : 0;
    return seats_from_board(call, &p, own_seq) ? E_OK : seats_from_database(call);
}
