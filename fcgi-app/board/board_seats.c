/* SPDX-License-Identifier: 0BSD */
/* The board's seats: a word for each. From the top
 *     36 bits   the performance's event that the seat was last changed by
 *      2 bits   free, held, sold
 *     26 bits   when a hold ends, in units of 64 ms, rounded up, modulo 2^26
 * so that of two notes of a seat the greater word is the newer one: notes are an atomic maximum,
 * and merge in any order, from any process, without a lock. 0: never noted, free.
 *
 * An end is read as what lies within 24 days of now. So that a hold that ended is not taken for
 * one of the future one day, the ticker looks at all seats again and again, a few at a time, and
 * turns those that ended a day ago into free ones as of the same event. */
#include "board/board_memory.h"

#include "base/clock.h"

#include <assert.h>

#define KIND_SHIFT 26
#define SEQ_SHIFT 28
#define END_MASK ((1ull << KIND_SHIFT) - 1)
#define END_MS 64u
#define END_HALF (1ull << (KIND_SHIFT - 1))
#define FAR_MS (END_HALF * END_MS / 2) /* no hold is that long */
#define SEQ_MAX ((1ull << (64 - SEQ_SHIFT)) - 1)
#define SWEEP_SEATS                                                                                \
    512u /* looked at each time: ten times a second, a thousand million in three days */
#define LONG_AGO_MS 86400000u

static enum board_seat kind_of(uint64_t seat) { return (enum board_seat)(seat >> KIND_SHIFT & 3); }
static uint64_t seq_of(uint64_t seat) { return seat >> SEQ_SHIFT; }

/* When a held one's hold ends, as seen from now_ms. */
static uint64_t end_ms(uint64_t seat, uint64_t now_ms) {
    uint64_t now = now_ms / END_MS, ahead = (seat - now) & END_MASK;
    return (ahead < END_HALF ? now + ahead : now + ahead - (END_MASK + 1)) * END_MS;
}

/* The board's clock may not run yet, and the host's may be wrong: only what is far off is judged
 * by it. */
static uint64_t about_now_ms(const struct board *board) {
    uint64_t now_ms = board_now_ms(board);
    return now_ms ? now_ms : clock_wall_ms();
}

static uint64_t seat_word(uint64_t seq, uint64_t taken_until_ms, uint64_t now_ms) {
    uint64_t at = (seq < SEQ_MAX ? seq : SEQ_MAX) << SEQ_SHIFT;
    if (taken_until_ms == BOARD_SOLD_MS) return at | (uint64_t)BOARD_SEAT_SOLD << KIND_SHIFT;
    if (taken_until_ms == 0 || taken_until_ms + FAR_MS < now_ms) return at;
    if (taken_until_ms > now_ms + FAR_MS) taken_until_ms = now_ms + FAR_MS;
    uint64_t end = (taken_until_ms + END_MS - 1) / END_MS & END_MASK;
    return at | (uint64_t)BOARD_SEAT_HELD << KIND_SHIFT | end;
}

static struct hall *seats_of(const struct board *board, uint64_t performance,
                             struct slot **slot_r) {
    struct slot *s = slot_find(&board->performances, performance);
    uint64_t offset = s ? GET_FIRST(s->seats) : 0;
    if (slot_r) *slot_r = s;
    return offset ? block_at(board, offset) : NULL;
}

static bool maximum(word *at, uint64_t value) {
    uint64_t there = GET(*at);
    while (there < value)
        if (atomic_compare_exchange_weak(at, &there, value)) return true;
    return false;
}

/* --- readers --- */

/* Asked for in vain: a bit for the ticker, and one above it, so that it need not look at all. */
static void want(const struct board *board, const struct slot *s) {
    uint64_t i = (uint64_t)(s - board->performances.slot);
    word *sum = (word *)&board->wanted_sum[i / 64 / 64];
    atomic_fetch_or(&board->wanted[i / 64], 1ull << i % 64);
    atomic_fetch_or(sum, 1ull << i / 64 % 64);
}

/* The seats of a performance if they are known, else they are wanted. */
static const struct hall *known(const struct board *board, uint64_t performance) {
    struct slot *s;
    const struct hall *seats = seats_of(board, performance, &s);
    if (!seats) return NULL;
    if (GET(seats->performance) == performance && GET_FIRST(seats->known)) return seats;
    want(board, s);
    return NULL;
}

bool board_seats_read(const struct board *board, struct performance_id performance, uint64_t now_ms,
                      uint8_t *state_r, uint64_t *available_r, uint64_t *seq_r, uint64_t *until_r) {
    uint64_t epoch, available = 0, seq = 0, until = 0;
    if (!look_begins(board, &epoch)) return false;
    const struct hall *seats = known(board, performance.v);
    if (!seats) return false;
    uint64_t total = GET(seats->total);
    for (uint64_t i = 0; i < total; i++) {
        uint64_t seat = GET(seats->seat[i]);
        enum board_seat state = kind_of(seat);
        if (state == BOARD_SEAT_HELD) {
            uint64_t end = end_ms(seat, now_ms);
            if (end <= now_ms)
                state = BOARD_SEAT_FREE;
            else if (!until || end < until)
                until = end;
        }
        if (state == BOARD_SEAT_FREE) available++;
        if (state_r) state_r[i] = (uint8_t)state;
        if (seq_of(seat) > seq) seq = seq_of(seat);
    }
    assert(available <= total && (!until || until > now_ms));
    *available_r = available;
    *seq_r = seq;
    *until_r = until;
    return look_ended(board, epoch);
}

bool board_seats_seq(const struct board *board, struct performance_id performance,
                     uint64_t *seq_r) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return false;
    const struct hall *seats = known(board, performance.v);
    if (!seats) return false;
    *seq_r = GET_FIRST(seats->seq);
    return look_ended(board, epoch);
}

bool board_seats_changes(const struct board *board, struct performance_id performance,
                         uint64_t *changes_r) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return false;
    const struct hall *seats = known(board, performance.v);
    if (!seats) return false;
    *changes_r = GET_FIRST(seats->changes);
    return look_ended(board, epoch);
}

bool board_seats_known(const struct board *board, struct performance_id performance) {
    const struct hall *seats = seats_of(board, performance.v, NULL);
    return seats && GET(seats->performance) == performance.v && GET_FIRST(seats->known);
}

/* --- notes --- */

void board_seat_note(const struct board *board, struct performance_id performance,
                     uint64_t seat_number, uint64_t seq, uint64_t taken_until_ms) {
    uint64_t epoch;
    if (!look_begins(board, &epoch)) return;
    struct hall *seats = seats_of(board, performance.v, NULL);
    if (!seats || GET(seats->performance) != performance.v || seat_number - 1 >= GET(seats->total))
        return;
    uint64_t value = seat_word(seq, taken_until_ms, about_now_ms(board));
    word *seat = &seats->seat[seat_number - 1];
    if (!look_ended(board, epoch)) return;
    if (GET(*seat) < value) {
        /* Counted before and after, so that one who is killed in between leaves no change that
         * nobody sees. */
        atomic_fetch_add(&seats->changes, 1);
        maximum(seat, value);
        atomic_fetch_add(&seats->changes, 1);
    }
    maximum(&seats->seq, seq);
}

/* --- the ticker --- */

bool seats_make(struct board *board, struct slot *performance, uint64_t total) {
    uint64_t offset = GET(performance->seats);
    struct hall *seats = offset ? block_at(board, offset) : NULL;
    if (seats && GET(seats->total) == total) return true;
    if (total > board->arena_bytes / sizeof(word)) return false;
    /* Another number of seats: what was there before is never given to others, because others
     * write there. */
    offset = block_give(board, sizeof *seats + total * sizeof(word));
    if (!offset) return false;
    seats = block_at(board, offset);
    PUT(seats->performance, GET(performance->id));
    PUT(seats->total, total);
    PUT_LAST(performance->seats, offset);
    return true;
}

bool board_seats_load(struct board *board, struct performance_id performance, uint64_t seq,
                      const uint64_t *taken_until_ms, uint64_t total_seats) {
    assert(taken_until_ms || total_seats == 0);
    board_writer(board);
    struct hall *seats = seats_of(board, performance.v, NULL);
    if (!seats || GET(seats->total) != total_seats) return false;
    uint64_t now_ms = about_now_ms(board);
    atomic_fetch_add(&seats->changes, 1);
    for (uint64_t i = 0; i < total_seats; i++)
        maximum(&seats->seat[i], seat_word(seq, taken_until_ms[i], now_ms));
    maximum(&seats->seq, seq);
    atomic_fetch_add(&seats->changes, 1);
    PUT_LAST(seats->known, 1);
    return true;
}

size_t board_seats_wanted(struct board *board, uint64_t *performance_r, size_t max) {
    size_t n = 0;
    board_writer(board);
    uint64_t sums = GET(board->performances.given) / 64 / 64 + 1;
    for (uint64_t i = 0; i < sums && i < PERFORMANCES_MAX / 64 / 64 && n < max; i++) {
        if (!GET(board->wanted_sum[i])) continue;
        uint64_t sum = atomic_exchange(&board->wanted_sum[i], 0);
        for (uint64_t k = 0; k < 64; k++) {
            if (!(sum >> k & 1)) continue;
            word *bits = &board->wanted[i * 64 + k];
            for (uint64_t wanted; n < max && (wanted = GET(*bits));) {
                uint64_t bit = (uint64_t)__builtin_ctzll(wanted);
                atomic_fetch_and(bits, ~(1ull << bit));
                performance_r[n++] = GET(board->performances.slot[(i * 64 + k) * 64 + bit].id);
            }
            if (GET(*bits)) atomic_fetch_or(&board->wanted_sum[i], 1ull << k);
        }
    }
    assert(n <= max);
    return n;
}

static void sweep_word(word *at, uint64_t now_ms) {
    uint64_t seat = GET(*at);
    if (kind_of(seat) != BOARD_SEAT_HELD || end_ms(seat, now_ms) + LONG_AGO_MS > now_ms) return;
    /* Another note may come first: it is the newer one. */
    atomic_compare_exchange_strong(at, &seat, seq_of(seat) << SEQ_SHIFT);
}

void seats_sweep(struct board *board, uint64_t now_ms) {
    uint64_t given = GET(board->performances.given), slot = GET(board->sweep_slot);
    uint64_t from = GET(board->sweep_seat), work = now_ms ? SWEEP_SEATS : 0;
    while (work > 0 && given > 0) {
        if (slot >= given) slot = from = 0;
        uint64_t offset = GET(board->performances.slot[slot].seats);
        struct hall *seats = offset ? block_at(board, offset) : NULL;
        /* Those that are not known were perhaps never written. */
        uint64_t total = seats && GET(seats->known) ? GET(seats->total) : 0;
        uint64_t end = from + work < total ? from + work : total;
        for (uint64_t i = from; i < end; i++) sweep_word(&seats->seat[i], now_ms);
        work -= end > from ? end - from : 0;
        from = end;
        if (from < total) break;
        work -= work > 0;
        slot++;
        from = 0;
    }
    PUT(board->sweep_slot, slot);
    PUT(board->sweep_seat, from);
}
