/* SPDX-License-Identifier: 0BSD */
/* What the board tells of what is sold. */
#include "board.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define P1 ((struct performance_id){1})
#define WRAP_MS (64ull << 26) /* of a hold's end */

static struct board *with_hall(uint64_t seats) {
    struct board *board = board_create(4);
    CU_ASSERT_FATAL(board && set_title(board, 1, "one"));
    CU_ASSERT(board_performance_set(
        board, &(struct board_performance){.performance = 1, .concert = 1, .total_seats = seats}));
    return board;
}

/* Events of a few seats, in which each is held, freed and sold again and again. */
enum { SEATS = 40, EVENTS = 400 };
struct event {
    uint64_t seat, seq, until_ms;
};
static void make_events(struct event *event, uint64_t now_ms) {
    uint64_t random = 21;
    for (uint64_t i = 0; i < EVENTS; i++) {
        uint64_t kind = draw(&random) % 3;
        event[i] = (struct event){1 + draw(&random) % SEATS, i + 1,
                                  kind == 0   ? 0
                                  : kind == 1 ? BOARD_SOLD_MS
                                              : now_ms + 1000 + draw(&random) % 900000};
    }
}
static void note_shuffled(const struct board *board, const struct event *event, uint64_t random) {
    int order[EVENTS];
    for (int i = 0; i < EVENTS; i++) order[i] = i;
    for (uint64_t i = EVENTS - 1; i > 0; i--) {
        uint64_t other = draw(&random) % (i + 1);
        int was = order[i];
        order[i] = order[other];
        order[other] = was;
    }
    for (int i = 0; i < EVENTS; i++) {
        const struct event *e = &event[order[i]];
        board_seat_note(board, P1, e->seat, e->seq, e->until_ms);
    }
}

static void seats_merge_in_any_order(void) {
    static struct event event[EVENTS];
    uint64_t now_ms = clock_wall_ms(), right[SEATS + 1] = {0}, random = 2, taken[SEATS] = {0},
             changes = 0;
    uint8_t state[SEATS];
    make_events(event, now_ms);
    for (int i = 0; i < EVENTS; i++) right[event[i].seat] = event[i].until_ms;
    for (int round = 0; round < 60; round++) {
        struct board *board = with_hall(SEATS);
        uint64_t available, seq, until, free = 0, wrong = 0, at = draw(&random) % EVENTS;
        touch(board);
        pid_t other[2];
        for (int i = 0; i < 2; i++)
            if ((other[i] = fork()) == 0) {
                note_shuffled(board, event, (uint64_t)(100 * round + i));
                _exit(0);
            }
        /* The snapshot as of some event comes in the middle of it. */
        memset(taken, 0, sizeof taken);
        for (uint64_t i = 0; i < at; i++) taken[event[i].seat - 1] = event[i].until_ms;
        if (round % 2) note_shuffled(board, event, (uint64_t)round);
        CU_ASSERT(board_seats_load(board, P1, at, taken, SEATS));
        for (int i = 0; i < 2; i++) CU_ASSERT(ended_well(other[i]));
        CU_ASSERT(board_seats_read(board, P1, now_ms, state, &available, &seq, &until));
        for (int s = 0; s < SEATS; s++) {
            enum board_seat is = right[s + 1] == 0               ? BOARD_SEAT_FREE
                                 : right[s + 1] == BOARD_SOLD_MS ? BOARD_SEAT_SOLD
                                                                 : BOARD_SEAT_HELD;
            wrong += state[s] != is;
            free += is == BOARD_SEAT_FREE;
        }
        CU_ASSERT(wrong == 0 && available == free && seq == EVENTS);
        CU_ASSERT(board_seats_seq(board, P1, &seq) && seq == EVENTS);
        CU_ASSERT(board_seats_changes(board, P1, &changes) && changes > 0);
        board_destroy(board);
    }
}

static void seats_are_told_as_of_a_moment(void) {
    struct board *board = with_hall(3);
    uint64_t now_ms = clock_wall_ms(), available, seq, until, changes, before,
             taken[3] = {now_ms + 1000, 0, BOARD_SOLD_MS}, wanted[4];
    uint8_t state[3];
    touch(board);
    /* Wanted, and told once; a note from before they are known is kept. */
    CU_ASSERT_EQUAL(board_seats_wanted(board, wanted, 4), 0);
    board_seat_note(board, P1, 2, 8, now_ms + 500);
    CU_ASSERT_FALSE(board_seats_read(board, P1, now_ms, state, &available, &seq, &until));
    CU_ASSERT_FALSE(board_seats_seq(board, P1, &seq));
    CU_ASSERT(board_seats_wanted(board, wanted, 0) == 0 &&
              board_seats_wanted(board, wanted, 4) == 1 && wanted[0] == 1);
    CU_ASSERT_EQUAL(board_seats_wanted(board, wanted, 4), 0);
    CU_ASSERT_FALSE(board_seats_load(board, P1, 7, taken, 2));
    CU_ASSERT(board_seats_load(board, P1, 7, taken, 3));
    CU_ASSERT(board_seats_read(board, P1, now_ms, state, &available, &seq, &until) &&
              available == 0 && seq == 8);
    CU_ASSERT(state[0] == BOARD_SEAT_HELD && state[1] == BOARD_SEAT_HELD &&
              state[2] == BOARD_SEAT_SOLD);
    CU_ASSERT(until >= now_ms + 500 && until < now_ms + 564);
    /* An end is rounded up, never down. */
    CU_ASSERT(board_seats_read(board, P1, now_ms + 499, NULL, &available, &seq, &until) &&
              available == 0);
    CU_ASSERT(board_seats_read(board, P1, now_ms + 563, NULL, &available, &seq, &until) &&
              available == 1 && until >= now_ms + 1000);
    CU_ASSERT(board_seats_read(board, P1, now_ms + 1063, state, &available, &seq, &until) &&
              available == 2 && until == 0);
    /* An older event that comes late is seen by whoever looks for changes; the same again is
     * none. */
    CU_ASSERT(board_seats_changes(board, P1, &before));
    board_seat_note(board, P1, 1, 20, 0);
    board_seat_note(board, P1, 2, 19, 0);
    CU_ASSERT(board_seats_seq(board, P1, &seq) && seq == 20);
    CU_ASSERT(board_seats_changes(board, P1, &changes) && changes >= before + 2);
    board_seat_note(board, P1, 2, 19, 0);
    board_seat_note(board, P1, 2, 5, BOARD_SOLD_MS);
    board_seat_note(board, P1, 0, 99, 0);
    board_seat_note(board, P1, 4, 99, 0);
    CU_ASSERT(board_seats_changes(board, P1, &before) && before == changes);
    CU_ASSERT(board_seats_read(board, P1, now_ms, NULL, &available, &seq, &until) &&
              available == 2);
    /* Another number of seats: not known any more. */
    CU_ASSERT(board_performance_set(
        board, &(struct board_performance){.performance = 1, .concert = 1, .total_seats = 5}));
    CU_ASSERT_FALSE(board_seats_read(board, P1, now_ms, NULL, &available, &seq, &until));
    board_destroy(board);
}

/* The clock runs for half a year, past where ends of holds come round. */
static void ends_of_holds_come_round(void) {
    struct board *board = with_hall(1000);
    uint64_t available, seq, until, taken[1000] = {0}, event = 1;
    uint64_t now_ms = clock_wall_ms() / WRAP_MS * WRAP_MS + WRAP_MS - 3 * 86400000ull;
    board_touch(board, clock_mono_ms(), now_ms);
    CU_ASSERT(board_seats_load(board, P1, event, taken, 1000));
    for (uint64_t hour = 0; hour < 180 * 24; hour++, now_ms += 3600000) {
        board_touch(board, clock_mono_ms(), now_ms);
        uint64_t seat = 1 + hour % 990, end = now_ms + 300000 + hour % 64;
        board_seat_note(board, P1, seat, ++event, end);
        CU_ASSERT(board_seats_read(board, P1, now_ms, NULL, &available, &seq, &until) &&
                  available == 999);
        CU_ASSERT(until >= end && until < end + 64);
        CU_ASSERT(board_seats_read(board, P1, end - 1, NULL, &available, &seq, &until) &&
                  available == 999);
        CU_ASSERT(board_seats_read(board, P1, end + 63, NULL, &available, &seq, &until) &&
                  available == 1000);
    }
    /* One that ended long before it was noted; one that is absurdly long. */
    board_seat_note(board, P1, 995, ++event, now_ms - WRAP_MS + 1000);
    CU_ASSERT(board_seats_read(board, P1, now_ms, NULL, &available, &seq, &until) &&
              available == 1000);
    board_seat_note(board, P1, 995, ++event, now_ms + 3 * WRAP_MS / 4);
    CU_ASSERT(board_seats_read(board, P1, now_ms, NULL, &available, &seq, &until) &&
              available == 999);
    board_destroy(board);
}

static void concerts_and_performances_are_in_order(void) {
    enum { N = 3000 };
    struct board *board = board_create(1);
    static struct board_concert c;
    static struct board_performance p, before;
    uint64_t random = 4, after = 0, seen = 0, wrong = 0, at, sum = 0, told = 0;
    /* Mostly ascending, as ids are; then those that were late. */
    for (uint64_t i = 1; i <= N; i++)
        if (i % 7)
            wrong += !board_concert_set(
                board, &(struct board_concert){.concert = i * 2, .performances = i});
    for (uint64_t i = N; i > 0; i--)
        if (i % 7 == 0)
            wrong += !board_concert_set(
                board, &(struct board_concert){.concert = i * 2, .performances = i});
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 5}, NULL,
                            0)); /* a queue alone is no concert */
    for (; board_concert_after(board, after, &c); after = c.concert, seen++)
        wrong += c.concert != after + 2 || c.performances != c.concert / 2;
    CU_ASSERT(seen == N && wrong == 0);
    CU_ASSERT(board_concert_after(board, 4, &c) && c.concert == 6);
    CU_ASSERT(board_concert_after(board, 5, &c) && c.concert == 6);
    /* Performances by startsAt and id; some move. */
    for (uint64_t i = 1; i <= 300; i++, sum += i - 1)
        wrong += !board_performance_set(
            board, &(struct board_performance){.performance = i,
                                               .concert = 2,
                                               .starts_at_ms = draw(&random) % 50,
                                               .total_seats = 2});
    for (uint64_t i = 1; i <= 300; i += 3)
        wrong += !board_performance_set(
            board, &(struct board_performance){.performance = i,
                                               .concert = 2,
                                               .starts_at_ms = draw(&random) % 50,
                                               .total_seats = 2,
                                               .venue = "moved"});
    for (at = 0; board_performance_next(board, (struct concert_id){2}, &at, &p);
         before = p, told += p.performance)
        wrong += p.starts_at_ms < before.starts_at_ms ||
                 (p.starts_at_ms == before.starts_at_ms && p.performance <= before.performance);
    CU_ASSERT(wrong == 0 && told == sum);
    CU_ASSERT(board_performance(board, (struct performance_id){4}, &p) &&
              strcmp(p.venue, "moved") == 0);
    at = 0;
    CU_ASSERT_FALSE(board_performance_next(board, (struct concert_id){4}, &at, &p));
    board_destroy(board);
}

static void ten_thousand_concerts_take_little(void) {
    struct board *board = board_create(100000);
    uint64_t wrong = 0, used, room, id = 0, taken[50] = {0}, now_ms = clock_wall_ms();
    CU_ASSERT_FATAL(board != NULL);
    uint64_t began_ms = clock_mono_ms();
    for (uint64_t c = 1; c <= 10000; c++) {
        struct board_concert concert = {
            .concert = c, .performances = 2, .title = "A concert with a title of forty characters"};
        wrong += !board_concert_set(board, &concert) ||
                 !board_publish(board, &(struct board_queue){.concert = c, .tail = 9}, NULL, 0);
        for (int k = 0; k < 2; k++) {
            struct board_performance p = {.performance = ++id,
                                          .concert = c,
                                          .starts_at_ms = now_ms,
                                          .total_seats = 50,
                                          .venue = "A hall of some renown"};
            wrong += !board_performance_set(board, &p) ||
                     !board_seats_load(board, (struct performance_id){id}, 1, taken, 50);
        }
    }
    touch(board);
    uint64_t took_ms = clock_mono_ms() - began_ms;
    board_memory(board, &used, &room);
    printf("# 10,000 concerts with 2 performances of 50 seats: %" PRIu64 " KiB given, %" PRIu64
           " KiB resident, in %" PRIu64 " ms\n",
           used >> 10, resident_kb(board), took_ms);
    CU_ASSERT(wrong == 0 && resident_kb(board) < 32 * 1024);
    board_destroy(board);
}

const struct tap_test *sold_tests(size_t *count_r) {
    static const struct tap_test tests[] = {
        {"notes of seats give the same in any order", seats_merge_in_any_order},
        {"seats are told as of a moment", seats_are_told_as_of_a_moment},
        {"ends of holds come round, and none comes back", ends_of_holds_come_round},
        {"concerts and performances are told in order", concerts_and_performances_are_in_order},
        {"ten thousand concerts take little memory", ten_thousand_concerts_take_little},
    };
    *count_r = sizeof tests / sizeof *tests;
    return tests;
}
