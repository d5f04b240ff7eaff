/* SPDX-License-Identifier: 0BSD */
/* The board's queues: how a place is read, and who has been told what. How they are written is
 * in board_publish.c.
 *
 * Of each queue there are two copies of what its row says, and `current` tells which one to
 * read. The ticker only touches the other one and then turns `current`. A copy's version is odd
 * while it is written. A reader notes the version, reads, and looks again: only one that slept
 * through a whole refresh and into the next sees it changed, and starts over.
 *
 * For the numbers behind admittedThrough there are bits of those who left while waiting, in
 * pages found by a ring of entries that bear each page's sum; pages hold sums of blocks. So
 *     ahead(n) = (n - 1 - admittedThrough) - left(admittedThrough, n)
 * takes a thousand sums at most, and 16 words at each end. Bits are set in place, and only of
 * numbers above admittedThrough: who reads an older copy with newer bits is told an `ahead` that
 * is smaller, as it is about to be. A bit is set before it counts in its block, and there before
 * in its page, and the line only ever moves from whole pages to blocks to bits, so that `ahead`
 * never grows from one look to the next. */
#include "board/board_memory.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

#define TRIES                                                                                      \
    1000u /* looks at one queue; each was overtaken by a refresh, so there are hardly ever two */

/* --- who was told what --- */

/* Of a number that left no copy is used any more. */
#define TOLD_SEQ_BITS 36
#define TOLD_GONE ((1ull << TOLD_SEQ_BITS) - 1)

/* The line of a place, and its part of an entry; the rest of the hash chose the line. Two places
 * with the same of both send each other to the database, no more. */
static struct told_line *told_line(const struct board *board, uint64_t concert, uint64_t number,
                                   uint64_t *key_r) {
    uint64_t hash = hash_place(concert, number);
    uint64_t key = hash >> TOLD_SEQ_BITS;
    *key_r = (key ? key : 1) << TOLD_SEQ_BITS;
    return &board->told[hash % TOLD_LINES];
}

static uint64_t told_page(const struct board *board, const struct told_line *line) {
    return (uint64_t)(line - board->told) * sizeof *line / PAGE;
}

/* The latest event as of which this place was told; 0: none. */
static uint64_t told_seq(const struct board *board, uint64_t concert, uint64_t number) {
    uint64_t key, seq = 0;
    const struct told_line *line = told_line(board, concert, number, &key);
    if (!page_touched(board->told_touched, told_page(board, line))) return 0;
    for (unsigned i = 0; i < TOLD_WAYS; i++) {
        uint64_t entry = GET(line->entry[i]);
        if ((entry & ~TOLD_GONE) == key && (entry & TOLD_GONE) > seq) seq = entry & TOLD_GONE;
    }
    return seq;
}

/* The later one stays; without room the one that was first given up longest ago goes: what was
 * told is of use until the next refresh only, and there is room for more than can be told until
 * then. */
static void told_note(const struct board *board, uint64_t concert, uint64_t number, uint64_t seq) {
    uint64_t key;
    struct told_line *line = told_line(board, concert, number, &key);
    page_touch((word *)board->told_touched, told_page(board, line));
    for (unsigned i = 0; i < TOLD_WAYS; i++) {
        uint64_t entry = GET(line->entry[i]);
        while (entry == 0 || (entry & ~TOLD_GONE) == key) {
            if (entry >= (key | seq)) return;
            if (atomic_compare_exchange_weak(&line->entry[i], &entry, key | seq)) return;
        }
    }
    PUT(line->entry[atomic_fetch_add(&line->next, 1) % TOLD_WAYS], key | seq);
}

void board_told(const struct board *board, struct concert_id concert, uint64_t number,
                uint64_t event_seq) {
    told_note(board, concert.v, number, event_seq < TOLD_GONE ? event_seq : TOLD_GONE - 1);
}

void board_gone(const struct board *board, struct concert_id concert, uint64_t number) {
    told_note(board, concert.v, number, TOLD_GONE);
}

void told_reset(struct board *board) {
    for (uint64_t i = 0; i < TOLD_LINES; i++) {
        if (!page_touched(board->told_touched, told_page(board, &board->told[i]))) continue;
        for (unsigned k = 0; k < TOLD_WAYS; k++) PUT(board->told[i].entry[k], 0);
    }
}

/* --- one look --- */

/* Who left of the numbers from `from` up to `to`, counted from the page's first. */
static uint64_t left_in_page(const struct left_page *page, uint64_t from, uint64_t to) {
    uint64_t n = 0, at = from;
    while (at < to) {
        if (at % LEFT_BLOCK == 0 && to - at >= LEFT_BLOCK) {
            n += GET(page->sum[at / LEFT_BLOCK]);
            at += LEFT_BLOCK;
            continue;
        }
        uint64_t end = at / 64 * 64 + 64 < to ? at / 64 * 64 + 64 : to;
        uint64_t bits = GET(page->bits[at / 64]) >> at % 64;
        if (end - at < 64) bits &= (1ull << (end - at)) - 1;
        n += (uint64_t)__builtin_popcountll(bits);
        at = end;
    }
    return n;
}

/* The page of a range of numbers; NULL: nobody of it left. To one who was overtaken the ring may
 * be anything. */
static const struct left_page *left_page(const struct board *board, uint64_t ring, uint64_t range) {
    uint64_t entry = GET(ring_at(board, ring)[range & ring_mask(ring)]);
    if (!ring_entry_of(entry, ring, range)) return NULL;
    uint64_t offset = ring_entry_page(entry);
    return offset + PAGE <= board->arena_bytes ? block_at(board, offset) : NULL;
}

/* Who left of the numbers from `from` up to `to`. */
static uint64_t left_between(const struct board *board, uint64_t ring, uint64_t from, uint64_t to) {
    uint64_t first = from / LEFT_SPAN, last = to / LEFT_SPAN, n = 0;
    const struct left_page *page = left_page(board, ring, first);
    if (page) n += left_in_page(page, from % LEFT_SPAN, first == last ? to % LEFT_SPAN : LEFT_SPAN);
    for (uint64_t range = first + 1; range < last; range++) {
        uint64_t entry = GET(ring_at(board, ring)[range & ring_mask(ring)]);
        if (ring_entry_of(entry, ring, range)) n += ring_entry_sum(entry);
    }
    if (first != last && (page = left_page(board, ring, last)))
        n += left_in_page(page, 0, to % LEFT_SPAN);
    return n;
}

static bool has_left(const struct board *board, uint64_t ring, uint64_t number) {
    const struct left_page *page = left_page(board, ring, number / LEFT_SPAN);
    uint64_t at = number % LEFT_SPAN;
    return page && GET(page->bits[at / 64]) >> at % 64 & 1;
}

/* What a copy says of a number. */
static enum board_says place(const struct board *board, const struct copy *c,
                             const struct board_queue *q, uint64_t number, uint64_t *ahead_r) {
    uint64_t told = told_seq(board, q->concert, number), ring = GET(c->ring);
    uint64_t lost_min = GET(c->lost_min);
    if (told != TOLD_GONE && told > q->event_seq) return BOARD_UNKNOWN;
    if (number > q->tail) {
        /* All who waited then, and all numbers drawn since: never less than what a later copy
         * says, which a count from the database could be. So `ahead` does not grow from one to
         * the other. */
        *ahead_r = q->waiting + (number - 1 - q->tail);
        return told == TOLD_GONE ? BOARD_NOT_WAITING : BOARD_NEWER;
    }
    if (number <= q->admitted_through || told == TOLD_GONE) return BOARD_NOT_WAITING;
    if (number - q->admitted_through > BOARD_WINDOW || (lost_min && number >= lost_min))
        return BOARD_UNKNOWN;
    *ahead_r = number - 1 - q->admitted_through;
    if (!ring) return BOARD_WAITING;
    *ahead_r -= left_between(board, ring, q->admitted_through + 1, number);
    return has_left(board, ring, number) ? BOARD_NOT_WAITING : BOARD_WAITING;
}

/* The queue of a room as it is, and when number is not 0, the place. False: there is none. */
static bool look(const struct board *board, const struct room *room, uint64_t number,
                 struct board_queue *queue_r, enum board_says *says_r, uint64_t *ahead_r) {
    for (unsigned i = 0; i < TRIES; i++) {
        const struct copy *c = &room->copy[GET_FIRST(room->current) & 1];
        uint64_t version = GET_FIRST(c->version);
        if (version == 0) return false;
        if (version & 1)
            continue; /* overtaken by two refreshes: the other copy is the current one by now */
        uint64_t words[QUEUE_WORDS];
        for (size_t w = 0; w < QUEUE_WORDS; w++) words[w] = GET(c->queue[w]);
        memcpy(queue_r, words, sizeof words);
        if (number) *says_r = place(board, c, queue_r, number, ahead_r);
        atomic_thread_fence(memory_order_acquire);
        if (GET(c->version) == version) return queue_r->concert != 0;
    }
    return false;
}

/* --- readers --- */

static const struct room *room_find(const struct board *board, uint64_t concert) {
    const struct slot *s = slot_find(&board->concerts, concert);
    uint64_t room = s ? GET_FIRST(s->room) : 0;
    return room ? &board->room[room - 1] : NULL;
}

/* A room may be another concert's by the time it is read. */
static bool look_at(const struct board *board, uint64_t concert, uint64_t number,
                    struct board_queue *queue_r, enum board_says *says_r, uint64_t *ahead_r) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return false;
    const struct room *room = room_find(board, concert);
    return room && look(board, room, number, queue_r, says_r, ahead_r) &&
           queue_r->concert == concert && look_ended(board, epoch);
}

enum board_says board_place(const struct board *board, struct concert_id concert, uint64_t number,
                            uint64_t *ahead_r, struct board_queue *queue_r) {
    struct board_queue queue;
    enum board_says says = BOARD_UNKNOWN;
    uint64_t ahead = 0;
    if (number == 0 || !look_at(board, concert.v, number, &queue, &says, &ahead))
        return BOARD_UNKNOWN;
    if (says == BOARD_UNKNOWN || board_age_ms(board) > BOARD_AGE_MAX_MS) return BOARD_UNKNOWN;
    assert(says != BOARD_WAITING || ahead < number);
    *ahead_r = ahead;
    if (queue_r) *queue_r = queue;
    return says;
}

bool board_queue(const struct board *board, struct concert_id concert,
                 struct board_queue *queue_r) {
    enum board_says says;
    uint64_t ahead;
    return look_at(board, concert.v, 0, queue_r, &says, &ahead);
}

bool board_next(const struct board *board, uint64_t *at, struct board_queue *queue_r) {
    enum board_says says;
    uint64_t ahead, epoch;
    if (!look_begins(board, &epoch)) return false;
    uint64_t given = GET_FIRST(board->rooms_given);
    while (*at < given) {
        const struct room *room = &board->room[(*at)++];
        if (GET(room->owner) && look(board, room, 0, queue_r, &says, &ahead))
            return look_ended(board, epoch);
    }
    return false;
}

/* --- the clock --- */

uint64_t board_age_ms(const struct board *board) {
    uint64_t at_ms = GET_FIRST(board->refreshed_ms), now_ms = clock_mono_ms();
    return at_ms == 0 ? UINT64_MAX : now_ms > at_ms ? now_ms - at_ms : 0;
}

uint64_t board_now_ms(const struct board *board) {
    /* The difference is one word, so that it can't be half of one look and half of another. */
    return GET_FIRST(board->refreshed_ms) ? clock_mono_ms() + GET(board->clock_ms) : 0;
}

void board_touch(struct board *board, uint64_t looked_ms, uint64_t now_ms) {
    assert(looked_ms > 0);
    board_writer(board);
    PUT(board->clock_ms, now_ms - looked_ms);
    PUT_LAST(board->refreshed_ms, looked_ms);
    seats_sweep(board, now_ms);
}
