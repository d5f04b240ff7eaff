/* SPDX-License-Identifier: 0BSD */
/* What is sold, as far as it is not seats: concerts and performances.
 *
 * What is told of one is a card: a block of the arena that never changes. A change is a new
 * card; the slot's word that leads to it is replaced, and a reader that finds another word there
 * after reading starts over. A concert's performances are listed likewise, by startsAt and id.
 * Concerts are in order by id in an array of slots, of which there are two copies: ids mostly
 * grow, and are added at the end of the current one; for one that does not, the other copy is
 * made. */
#include "board/board_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 1000u
#define TEXT_WORDS ((BOARD_TEXT_SIZE + 7) / 8)
#define CONCERT_FIELDS (offsetof(struct board_concert, title) / sizeof(uint64_t))
#define PERFORMANCE_FIELDS (offsetof(struct board_performance, venue) / sizeof(uint64_t))
_Static_assert(CONCERT_FIELDS == 4 && PERFORMANCE_FIELDS == 7, "numbers first, then the text");

/* --- cards: numbers, the length of a text, the text --- */

static uint64_t text_words(uint64_t length) { return length / 8 + 1; }
static uint64_t card_bytes(size_t fields, uint64_t length) {
    return (fields + 1 + text_words(length)) * sizeof(word);
}

/* False: the slot has none. */
static bool card_read(const struct board *board, const word *at, size_t fields, uint64_t *field_r,
                      char text_r[BOARD_TEXT_SIZE]) {
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t card = GET_FIRST(*at), text[TEXT_WORDS];
        if (!card_offset(card)) return false;
        const word *w = block_at(board, card_offset(card));
        for (size_t f = 0; f < fields; f++) field_r[f] = GET(w[f]);
        uint64_t length = GET(w[fields]);
        if (length < BOARD_TEXT_SIZE)
            for (uint64_t t = 0; t < text_words(length); t++) text[t] = GET(w[fields + 1 + t]);
        atomic_thread_fence(memory_order_acquire);
        if (GET(*at) != card) continue;
        if (length >= BOARD_TEXT_SIZE) return false; /* only to one who slept through a reset */
        memcpy(text_r, text, length);
        text_r[length] = 0;
        return true;
    }
    return false;
}

static void card_take(struct board *board, uint64_t card, size_t fields) {
    if (!card_offset(card)) return;
    const word *w = block_at(board, card_offset(card));
    block_take(board, card_offset(card), card_bytes(fields, GET(w[fields])));
}

/* Replaces a slot's card, unless it is the same already. False: no memory. */
static bool card_set(struct board *board, word *at, size_t fields, const uint64_t *field,
                     const char *text) {
    uint64_t before[PERFORMANCE_FIELDS], words[TEXT_WORDS] = {0},
                                         length = strnlen(text, BOARD_TEXT_SIZE - 1);
    char text_before[BOARD_TEXT_SIZE];
    memcpy(words, text, length);
    if (card_read(board, at, fields, before, text_before) &&
        memcmp(before, field, fields * sizeof *field) == 0 &&
        strcmp(text_before, (const char *)words) == 0)
        return true;
    uint64_t offset = block_give(board, card_bytes(fields, length)), old = GET(*at);
    if (!offset) return false;
    word *w = block_at(board, offset);
    for (size_t f = 0; f < fields; f++) PUT(w[f], field[f]);
    PUT(w[fields], length);
    for (uint64_t t = 0; t < text_words(length); t++) PUT(w[fields + 1 + t], words[t]);
    PUT_LAST(*at, card_word(old, offset));
    card_take(board, old, fields);
    return true;
}

static bool concert_read(const struct board *board, const struct slot *s,
                         struct board_concert *concert_r) {
    uint64_t field[CONCERT_FIELDS];
    if (!card_read(board, &s->card, CONCERT_FIELDS, field, concert_r->title)) return false;
    memcpy(concert_r, field, sizeof field);
    return true;
}

static bool performance_read(const struct board *board, const struct slot *s,
                             struct board_performance *performance_r) {
    uint64_t field[PERFORMANCE_FIELDS];
    if (!card_read(board, &s->card, PERFORMANCE_FIELDS, field, performance_r->venue)) return false;
    memcpy(performance_r, field, sizeof field);
    return true;
}

/* --- concerts by id --- */

static uint64_t order_count(uint64_t order) { return order >> 32; }
static _Atomic uint32_t *order_at(const struct board *board, uint64_t order) {
    return board->order + (order & 1) * CONCERTS_MAX;
}

static int by_id(const void *a, const void *b, void *ctx) {
    const struct board *board = ctx;
    uint64_t x = GET(board->concerts.slot[*(const uint32_t *)a].id);
    uint64_t y = GET(board->concerts.slot[*(const uint32_t *)b].id);
    return (x > y) - (x < y);
}

/* The other copy, of all concerts. Readers of the current one are not disturbed; those of the
 * one before see that the version is another. */
static void order_again(struct board *board, uint64_t given) {
    uint64_t now = GET(board->order_word), version = (now >> 1 & 0x7fffffff) + 1;
    uint32_t *slots = malloc(given * sizeof *slots);
    if (!slots) abort();
    for (uint64_t i = 0; i < given; i++) slots[i] = (uint32_t)i;
    qsort_r(slots, given, sizeof *slots, by_id, board);
    uint64_t next = given << 32 | (version << 1 & 0xfffffffe) | (1 - (now & 1));
    for (uint64_t i = 0; i < given; i++) PUT(order_at(board, next)[i], slots[i]);
    free(slots);
    PUT_LAST(board->order_word, next);
}

/* Puts into the order what is not there yet; also what a killed ticker did not come to. */
static void order_mend(struct board *board) {
    uint64_t given = GET(board->concerts.given);
    for (;;) {
        uint64_t now = GET(board->order_word), n = order_count(now);
        if (n >= given) return;
        const struct slot *slot = board->concerts.slot;
        if (n > 0 && GET(slot[GET(order_at(board, now)[n - 1])].id) > GET(slot[n].id)) {
            order_again(board, given);
            return;
        }
        PUT(order_at(board, now)[n], (uint32_t)n);
        PUT_LAST(board->order_word, now + (1ull << 32));
    }
}

struct slot *concert_make(struct board *board, uint64_t concert) {
    struct slot *s = slot_make(&board->concerts, concert);
    if (s && order_count(GET(board->order_word)) != GET(board->concerts.given)) order_mend(board);
    return s;
}

/* The slot of the first concert with an id above `after`; NULL: none. */
static const struct slot *order_after(const struct board *board, uint64_t after) {
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t order = GET_FIRST(board->order_word), from = 0, to = order_count(order);
        const struct slot *s = NULL;
        while (from < to) {
            uint64_t middle = (from + to) / 2;
            const struct slot *m = &board->concerts.slot[GET(order_at(board, order)[middle])];
            if (GET(m->id) > after) {
                s = m;
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        atomic_thread_fence(memory_order_acquire);
        if ((uint32_t)GET(board->order_word) == (uint32_t)order) return s;
    }
    return NULL;
}

bool board_concert(const struct board *board, struct concert_id concert,
                   struct board_concert *concert_r) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return false;
    const struct slot *s = slot_find(&board->concerts, concert.v);
    return s && concert_read(board, s, concert_r) && look_ended(board, epoch);
}

bool board_concert_after(const struct board *board, uint64_t after,
                         struct board_concert *concert_r) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return false;
    /* One that has a queue here and no card is passed over. */
    for (const struct slot *s; (s = order_after(board, after)); after = GET(s->id))
        if (concert_read(board, s, concert_r)) return look_ended(board, epoch);
    return false;
}

void board_title(const struct board *board, struct concert_id concert,
                 char title_r[BOARD_TEXT_SIZE]) {
    struct board_concert c;
    title_r[0] = 0;
    if (board_concert(board, concert, &c)) memcpy(title_r, c.title, BOARD_TEXT_SIZE);
}

bool board_concert_set(struct board *board, const struct board_concert *concert) {
    assert(concert->concert > 0);
    uint64_t field[CONCERT_FIELDS];
    board_writer(board);
    struct slot *s = concert_make(board, concert->concert);
    memcpy(field, concert, sizeof field);
    return s && card_set(board, &s->card, CONCERT_FIELDS, field, concert->title);
}

/* --- performances of a concert: how many, then for each startsAt, id, and slot --- */

#define LIST_FIELDS 3u
struct listed {
    uint64_t starts_at_ms, performance, slot;
};

static uint64_t list_bytes(uint64_t count) { return (1 + LIST_FIELDS * count) * sizeof(word); }

static struct listed listed_at(const word *w, uint64_t i) {
    const word *f = w + 1 + LIST_FIELDS * i;
    return (struct listed){GET(f[0]), GET(f[1]), GET(f[2])};
}
static void listed_put(word *w, uint64_t i, struct listed l) {
    word *f = w + 1 + LIST_FIELDS * i;
    PUT(f[0], l.starts_at_ms);
    PUT(f[1], l.performance);
    PUT(f[2], l.slot);
}
static bool listed_before(struct listed a, struct listed b) {
    return a.starts_at_ms != b.starts_at_ms ? a.starts_at_ms < b.starts_at_ms
                                            : a.performance < b.performance;
}

/* The list with this one where it belongs now, and nowhere else. False: no memory. */
static bool list_set(struct board *board, struct slot *concert, struct listed l) {
    uint64_t list = GET(concert->list), count = 0, n = 0;
    const word *old = card_offset(list) ? block_at(board, card_offset(list)) : NULL;
    if (old) count = GET(old[0]);
    bool moved = false;
    for (uint64_t i = 0; i < count && !moved; i++)
        moved = listed_at(old, i).performance == l.performance;
    uint64_t offset = block_give(board, list_bytes(count + !moved));
    if (!offset) return false;
    word *w = block_at(board, offset);
    bool put = false;
    for (uint64_t i = 0; i < count; i++) {
        struct listed at = listed_at(old, i);
        if (at.performance == l.performance) continue;
        if (!put && listed_before(l, at)) {
            listed_put(w, n++, l);
            put = true;
        }
        listed_put(w, n++, at);
    }
    if (!put) listed_put(w, n++, l);
    assert(n == count + !moved);
    PUT(w[0], n);
    PUT_LAST(concert->list, card_word(list, offset));
    if (old) block_take(board, card_offset(list), list_bytes(count));
    return true;
}

/* Whether it is listed, and where it belongs. */
static bool list_has(const struct board *board, const struct slot *concert, struct listed l) {
    uint64_t offset = card_offset(GET(concert->list)), from = 0;
    const word *w = offset ? block_at(board, offset) : NULL;
    for (uint64_t to = w ? GET(w[0]) : 0; from < to;) {
        uint64_t middle = (from + to) / 2;
        struct listed at = listed_at(w, middle);
        if (at.performance == l.performance && at.starts_at_ms == l.starts_at_ms) return true;
        if (listed_before(l, at))
            to = middle;
        else
            from = middle + 1;
    }
    return false;
}

/* The first of a concert's list behind `l`. */
static bool list_next(const struct board *board, const struct slot *concert, struct listed l,
                      struct listed *next_r) {
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t list = GET_FIRST(concert->list), offset = card_offset(list);
        if (!offset) return false;
        const word *w = block_at(board, offset);
        uint64_t from = 0, count = GET(w[0]), to = count;
        bool whole = count < board->arena_bytes && offset + list_bytes(count) <= board->arena_bytes;
        while (whole && from < to) {
            uint64_t middle = (from + to) / 2;
            if (listed_before(l, listed_at(w, middle)))
                to = middle;
            else
                from = middle + 1;
        }
        if (whole && from < count) *next_r = listed_at(w, from);
        atomic_thread_fence(memory_order_acquire);
        if (GET(concert->list) == list) return from < count;
    }
    return false;
}

bool board_performance(const struct board *board, struct performance_id performance,
                       struct board_performance *performance_r) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return false;
    const struct slot *s = slot_find(&board->performances, performance.v);
    return s && performance_read(board, s, performance_r) && look_ended(board, epoch);
}

/* *at is the id of the one told last: the list may change between two calls. */
bool board_performance_next(const struct board *board, struct concert_id concert, uint64_t *at,
                            struct board_performance *performance_r) {
    uint64_t epoch;
    struct listed l = {0};
    if (!look_begins(board, &epoch)) return false;
    const struct slot *c = slot_find(&board->concerts, concert.v), *s;
    if (!c) return false;
    if (*at) {
        if (!(s = slot_find(&board->performances, *at)) ||
            !performance_read(board, s, performance_r))
            return false;
        l = (struct listed){.starts_at_ms = performance_r->starts_at_ms, .performance = *at};
    }
    /* One that is being moved may be listed where it was. */
    do {
        if (!list_next(board, c, l, &l) || l.slot >= PERFORMANCES_MAX) return false;
    } while (l.performance == *at);
    if (!performance_read(board, &board->performances.slot[l.slot], performance_r)) return false;
    *at = performance_r->performance;
    return look_ended(board, epoch);
}

bool board_performance_set(struct board *board, const struct board_performance *performance) {
    assert(performance->performance > 0 && performance->concert > 0);
    uint64_t field[PERFORMANCE_FIELDS];
    struct board_performance before;
    board_writer(board);
    struct slot *c = concert_make(board, performance->concert);
    struct slot *s = c ? slot_make(&board->performances, performance->performance) : NULL;
    if (!s || !seats_make(board, s, performance->total_seats)) return false;
    memcpy(field, performance, sizeof field);
    bool known = performance_read(board, s, &before);
    assert(!known || before.concert == performance->concert);
    if (!card_set(board, &s->card, PERFORMANCE_FIELDS, field, performance->venue)) return false;
    /* The card first: the list leads to it. Killed in between, the next one lists it anew. */
    struct listed l = {performance->starts_at_ms, performance->performance,
                       (uint64_t)(s - board->performances.slot)};
    return list_has(board, c, l) || list_set(board, c, l);
}
