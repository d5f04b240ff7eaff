/* SPDX-License-Identifier: 0BSD */
/* How the ticker writes the board's queues. How they are read: board.c. */
#include "board/board_memory.h"

#include <assert.h>
#include <string.h>

/* Rings have 8, 64, 512 or 4,096 entries: the window's numbers are in 1,058 pages, and those
 * that only the copy before needs are still there. */
#define RING_LOG_STEP 3u
#define RING_LOG_MAX 12u

static uint64_t ring_bytes(uint64_t ring) { return sizeof(word) << ring_log(ring); }

/* The other copy is made odd, so that its readers start over; from here on only the current
 * one's count. */
static struct copy *copy_begin(struct room *room, struct copy **from_r) {
    uint64_t now = GET(room->current) & 1;
    struct copy *to = &room->copy[1 - now];
    *from_r = &room->copy[now];
    PUT(to->version, GET(to->version) | 1);
    atomic_thread_fence(memory_order_release);
    return to;
}

static void copy_end(struct room *room, struct copy *to, const struct board_queue *queue) {
    uint64_t words[QUEUE_WORDS];
    memcpy(words, queue, sizeof words);
    for (size_t i = 0; i < QUEUE_WORDS; i++) PUT(to->queue[i], words[i]);
    PUT_LAST(to->version, GET(to->version) + 1);
    PUT_LAST(room->current, (uint64_t)(to - room->copy));
}

/* --- rooms --- */

static struct room *room_take(struct board *board, struct slot *slot) {
    uint64_t free = GET(board->rooms_free), given = GET(board->rooms_given);
    struct room *room;
    if (free) {
        room = &board->room[free - 1];
        PUT(board->rooms_free, GET(room->next));
    } else if (given < board->rooms_max) {
        room = &board->room[given];
    } else {
        return NULL;
    }
    /* Killed in between, it is a room to which no concert leads: see rooms_mend. */
    PUT(room->owner, (uint64_t)(slot - board->concerts.slot) + 1);
    if (!free) PUT_LAST(board->rooms_given, given + 1);
    return room;
}

/* Gives back the pages of the ring below a range, and those of one copy's ring in all with
 * UINT64_MAX. An entry goes before its page: one who is killed in between loses a page. */
static void ring_clear(struct board *board, uint64_t ring, uint64_t first, uint64_t end) {
    uint64_t entries = ring_mask(ring) + 1;
    if (end - first > entries) end = first + entries;
    for (uint64_t range = first; range < end; range++) {
        word *at = &ring_at(board, ring)[range & ring_mask(ring)];
        uint64_t entry = GET(*at);
        if (!entry) continue;
        PUT(*at, 0);
        block_take(board, ring_entry_page(entry), PAGE);
    }
}

/* No concert leads to it any more. Both copies become those of no queue. */
static void room_give_back(struct board *board, struct room *room) {
    uint64_t current = GET(room->copy[GET(room->current) & 1].ring);
    for (int k = 0; k < 2; k++) PUT(room->copy[k].version, GET(room->copy[k].version) | 1);
    atomic_thread_fence(memory_order_release);
    if (current) ring_clear(board, current, 0, UINT64_MAX);
    uint64_t rings[2] = {GET(room->copy[0].ring), GET(room->copy[1].ring)};
    for (int k = 0; k < 2; k++) {
        struct copy *c = &room->copy[k];
        for (size_t w = 0; w < QUEUE_WORDS; w++) PUT(c->queue[w], 0);
        PUT(c->ring, 0);
        PUT(c->lost_min, 0);
        PUT(c->lost_max, 0);
        PUT_LAST(c->version, GET(c->version) + 1);
    }
    for (int k = 0; k < 2; k++)
        if (rings[k] && (k == 0 || rings[1] != rings[0]))
            block_take(board, ring_offset(rings[k]), ring_bytes(rings[k]));
    PUT(room->owner, 0);
    PUT(room->next, GET(board->rooms_free));
    PUT_LAST(board->rooms_free, (uint64_t)(room - board->room) + 1);
}

void board_drop(struct board *board, struct concert_id concert) {
    board_writer(board);
    struct slot *s = slot_find(&board->concerts, concert.v);
    uint64_t room = s ? GET(s->room) : 0;
    if (!room) return;
    PUT_LAST(s->room, 0);
    room_give_back(board, &board->room[room - 1]);
}

/* --- who left --- */

/* A page's sums as its bits are. They are never less than before, because bits are set first. */
static uint64_t left_recount(struct left_page *page) {
    uint64_t sum = 0;
    for (uint64_t b = 0; b < LEFT_BLOCKS; b++) {
        uint64_t n = 0;
        for (uint64_t w = 0; w < LEFT_BLOCK / 64; w++)
            n += (uint64_t)__builtin_popcountll(GET(page->bits[b * (LEFT_BLOCK / 64) + w]));
        if (GET(page->sum[b]) != n) PUT_LAST(page->sum[b], (uint32_t)n);
        sum += n;
    }
    return sum;
}

static void ring_recount(struct board *board, uint64_t ring) {
    for (uint64_t i = 0; i <= ring_mask(ring); i++) {
        word *at = &ring_at(board, ring)[i];
        uint64_t entry = GET(*at);
        if (!entry) continue;
        uint64_t sum = left_recount(block_at(board, ring_entry_page(entry)));
        PUT_LAST(*at, ring_entry_with_sum(entry, sum));
    }
}

/* A ring with room for ranges from `first` to `last`, and all that `ring` has; 0: no memory. */
static uint64_t ring_grow(struct board *board, uint64_t ring, uint64_t first, uint64_t last) {
    uint64_t log = ring ? ring_log(ring) : RING_LOG_STEP;
    while (log < RING_LOG_MAX && last - first >= 1ull << log) log += RING_LOG_STEP;
    if (last - first >= 1ull << log) return 0;
    uint64_t offset = block_give(board, sizeof(word) << log), next = offset | log;
    if (!offset) return 0;
    for (uint64_t range = first; ring && range <= first + ring_mask(ring); range++) {
        uint64_t entry = GET(ring_at(board, ring)[range & ring_mask(ring)]);
        if (!entry) continue;
        PUT(ring_at(board, next)[range & ring_mask(next)],
            ring_entry(next, range, ring_entry_page(entry), ring_entry_sum(entry)));
    }
    return next;
}

/* Notes that a number left. False: there is no memory for it. The ring may be replaced. */
static bool left_note(struct board *board, uint64_t first, uint64_t number, uint64_t *ring) {
    uint64_t range = number / LEFT_SPAN, at = number % LEFT_SPAN;
    if (!*ring || range - first > ring_mask(*ring)) {
        uint64_t grown = ring_grow(board, *ring, first, range);
        if (!grown) return false;
        *ring = grown;
    }
    word *in_ring = &ring_at(board, *ring)[range & ring_mask(*ring)];
    uint64_t entry = GET(*in_ring);
    assert(!entry || ring_entry_of(entry, *ring, range));
    if (!entry) {
        uint64_t offset = block_give(board, PAGE);
        if (!offset) return false;
        entry = ring_entry(*ring, range, offset, 0);
        PUT_LAST(*in_ring, entry);
    }
    struct left_page *page = block_at(board, ring_entry_page(entry));
    uint64_t bits = GET(page->bits[at / 64]), bit = 1ull << at % 64;
    if (bits & bit) return true;
    PUT(page->bits[at / 64], bits | bit);
    PUT_LAST(page->sum[at / LEFT_BLOCK], GET(page->sum[at / LEFT_BLOCK]) + 1);
    PUT_LAST(*in_ring, ring_entry_with_sum(entry, ring_entry_sum(entry) + 1));
    return true;
}

static void lost_note(struct copy *to, uint64_t from, uint64_t through) {
    uint64_t min = GET(to->lost_min);
    PUT(to->lost_min, !min || from < min ? from : min);
    if (through > GET(to->lost_max)) PUT(to->lost_max, through);
}

/* What nobody needs any more: the ring that only the copy before had, and pages below the
 * current one's line. The readers of the copy before start over. */
static void give_back(struct board *board, struct room *room, struct copy *to,
                      const struct copy *from, uint64_t through) {
    uint64_t old = GET(to->ring), ring = GET(from->ring), first = GET(room->first);
    PUT(to->ring, ring);
    if (old && old != ring) block_take(board, ring_offset(old), ring_bytes(old));
    if (ring && through / LEFT_SPAN > first) ring_clear(board, ring, first, through / LEFT_SPAN);
    if (through / LEFT_SPAN > first) PUT(room->first, through / LEFT_SPAN);
}

/* The same, for the first copy of a queue. */
static void begin(struct room *room, struct copy *to, uint64_t through) {
    PUT(to->ring, 0);
    PUT(room->first, through / LEFT_SPAN);
}

static uint64_t line_of(const struct copy *c) {
    return GET(c->queue[offsetof(struct board_queue, admitted_through) / sizeof(uint64_t)]);
}

/* Who left since, and for whom of all there is no memory. */
static void left_take(struct board *board, struct room *room, struct copy *to,
                      const struct copy *from, const struct board_queue *queue,
                      const uint64_t *left, size_t left_count) {
    uint64_t through = queue->admitted_through, first = GET(room->first), ring = GET(to->ring);
    PUT(to->lost_min, 0);
    PUT(to->lost_max, 0);
    if (GET(from->lost_max) > through) lost_note(to, GET(from->lost_min), GET(from->lost_max));
    /* A line that goes back is not foreseen: what was forgotten below is not known. */
    if (GET(from->queue[0]) && through < line_of(from)) lost_note(to, through + 1, queue->tail);
    for (size_t i = 0; i < left_count; i++) {
        if (left[i] <= through || left[i] / LEFT_SPAN < first) continue;
        if (!left_note(board, first, left[i], &ring)) lost_note(to, left[i], left[i]);
        uint64_t old = GET(to->ring);
        if (ring == old) continue;
        PUT(to->ring, ring);
        if (old && old != GET(from->ring)) block_take(board, ring_offset(old), ring_bytes(old));
    }
}

bool board_publish(struct board *board, const struct board_queue *queue, const uint64_t *left,
                   size_t left_count) {
    assert(queue->concert > 0 && (left || left_count == 0));
    board_writer(board);
    struct slot *slot = concert_make(board, queue->concert);
    if (!slot) return false;
    uint64_t has = GET(slot->room);
    struct room *room = has ? &board->room[has - 1] : room_take(board, slot);
    if (!room) return false;
    PUT_LAST(slot->room, (uint64_t)(room - board->room) + 1);
    struct copy *from, *to = copy_begin(room, &from);
    if (GET(from->queue[0]))
        give_back(board, room, to, from, line_of(from));
    else
        begin(room, to, queue->admitted_through);
    left_take(board, room, to, from, queue, left, left_count);
    copy_end(room, to, queue);
    assert(GET(room->owner) == (uint64_t)(slot - board->concerts.slot) + 1);
    return true;
}

/* Rooms to which no concert leads are free; a ticker may have died between a bit and its sums. */
void rooms_mend(struct board *board) {
    uint64_t given = GET(board->rooms_given);
    PUT(board->rooms_free, 0);
    for (uint64_t r = given; r-- > 0;) {
        struct room *room = &board->room[r];
        uint64_t owner = GET(room->owner);
        if (!owner || GET(board->concerts.slot[owner - 1].room) != r + 1) {
            room_give_back(board, room);
            continue;
        }
        uint64_t ring = GET(room->copy[GET(room->current) & 1].ring);
        if (ring) ring_recount(board, ring);
    }
}
