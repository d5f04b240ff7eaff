/* SPDX-License-Identifier: 0BSD */
/* The board's passes. */
#include "board.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define C1 ((struct concert_id){1})

static bool same(const struct board_pass *a, const struct board_pass *b) {
    return a->stage == b->stage && a->ends_at_ms == b->ends_at_ms &&
           a->joined_at_ms == b->joined_at_ms && a->own_performance == b->own_performance &&
           a->own_seq == b->own_seq;
}

/* All orders of the notes of one pass, each noted twice. */
static void passes_merge_in_any_order(void) {
    enum { N = 6 };
    static const struct board_pass note[N] = {
        {.stage = BOARD_PASS_ADMITTED, .ends_at_ms = 9000, .joined_at_ms = 77},
        {.stage = BOARD_PASS_ADMITTED, .ends_at_ms = 60000},
        {.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 20000, .own_performance = 4, .own_seq = 8},
        {.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 30000},
        {.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 25000, .own_performance = 4, .own_seq = 9},
        {.stage = BOARD_PASS_NONE, .own_performance = 4, .own_seq = 7},
    };
    const struct board_pass right = {BOARD_PASS_CLAIMED, 30000, 77, 4, 9};
    struct board *board = board_create(1);
    uint64_t number = 0;
    int wrong = 0, order[N] = {0, 1, 2, 3, 4, 5}, at[N] = {0};
    for (int i = 0; i < N;) { /* B. R. Heap's permutations, 1963 */
        struct board_pass pass;
        number++;
        if (board_pass(board, C1, number, &pass)) wrong++;
        for (int k = 0; k < 2 * N; k++) board_pass_note(board, C1, number, &note[order[k % N]]);
        if (!board_pass(board, C1, number, &pass) || !same(&pass, &right)) wrong++;
        while (i < N && at[i] >= i) at[i++] = 0;
        if (i == N) break;
        int other = i % 2 ? at[i] : 0, was = order[i];
        order[i] = order[other];
        order[other] = was;
        at[i]++;
        i = 0;
    }
    CU_ASSERT(wrong == 0 && number == 720);
    /* What ended does not begin again, and another performance's note is the newer one. */
    struct board_pass pass,
        done = {.stage = BOARD_PASS_COMPLETED, .own_performance = 5, .own_seq = 2};
    board_pass_note(board, C1, 1, &done);
    board_pass_note(board, C1, 1,
                    &(struct board_pass){.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 99999});
    CU_ASSERT(board_pass(board, C1, 1, &pass) &&
              same(&pass, &(struct board_pass){BOARD_PASS_COMPLETED, 0, 77, 5, 2}));
    /* Only that one. */
    CU_ASSERT(board_pass(board, C1, 2, &pass) && same(&pass, &right));
    CU_ASSERT_FALSE(board_pass(board, (struct concert_id){2}, 1, &pass));
    board_destroy(board);
}

/* Numbers whose passes are in the bucket of C1's number 1. */
static uint64_t next_of_bucket(uint64_t after) {
    for (after++; hash_place(1, after) % PASS_BUCKETS != hash_place(1, 1) % PASS_BUCKETS; after++)
        continue;
    return after;
}

static void the_least_useful_pass_is_forgotten(void) {
    struct board *board = board_create(1);
    struct board_pass pass;
    uint64_t number[40], now_ms = clock_wall_ms();
    number[0] = 1;
    for (int i = 1; i < 40; i++) number[i] = next_of_bucket(number[i - 1]);
    touch(board);
    /* Five that ended, five whose end has passed, five that are good; and then five good ones
     * more. */
    for (uint64_t i = 0; i < 15; i++)
        board_pass_note(
            board, C1, number[i],
            &(struct board_pass){.stage = i % 3 == 0 ? BOARD_PASS_COMPLETED : BOARD_PASS_CLAIMED,
                                 .ends_at_ms =
                                     i % 3 == 1 ? now_ms - 1000 * (i + 1) : now_ms + 60000 + i});
    for (int i = 0; i < 15; i++) CU_ASSERT(board_pass(board, C1, number[i], &pass));
    for (uint64_t i = 15; i < 20; i++)
        board_pass_note(
            board, C1, number[i],
            &(struct board_pass){.stage = BOARD_PASS_CLAIMED, .ends_at_ms = now_ms + 90000 + i});
    for (int i = 0; i < 20; i++)
        CU_ASSERT(board_pass(board, C1, number[i], &pass) == (i >= 15 || i % 3 != 1));
    for (uint64_t i = 20; i < 25; i++)
        board_pass_note(
            board, C1, number[i],
            &(struct board_pass){.stage = BOARD_PASS_CLAIMED, .ends_at_ms = now_ms + 90000 + i});
    for (int i = 0; i < 25; i++)
        CU_ASSERT(board_pass(board, C1, number[i], &pass) == (i >= 15 || i % 3 == 2));
    /* One that ended is of less use than all of them; of good ones the first to end goes. */
    board_pass_note(board, C1, number[30],
                    &(struct board_pass){.stage = BOARD_PASS_LEFT, .ends_at_ms = now_ms});
    CU_ASSERT_FALSE(board_pass(board, C1, number[30], &pass));
    board_pass_note(
        board, C1, number[31],
        &(struct board_pass){.stage = BOARD_PASS_CLAIMED, .ends_at_ms = now_ms + 95000});
    for (int i = 0; i < 25; i++)
        CU_ASSERT(board_pass(board, C1, number[i], &pass) == (i >= 15 || (i % 3 == 2 && i != 2)));
    CU_ASSERT(board_pass(board, C1, number[31], &pass));
    board_destroy(board);
}

static void a_million_passes_are_kept(void) {
    enum { N = 500000, MANY = 2000000 };
    struct board *board = board_create(1);
    struct board_pass pass;
    uint64_t known = 0, wrong = 0;
    touch(board);
    for (uint64_t n = 1; n <= N; n++)
        board_pass_note(board, C1, n,
                        &(struct board_pass){.stage = BOARD_PASS_ADMITTED,
                                             .ends_at_ms = clock_wall_ms() + n,
                                             .joined_at_ms = n});
    for (uint64_t n = 1; n <= N; n++) {
        bool there = board_pass(board, C1, n, &pass);
        known += there;
        wrong += there && pass.joined_at_ms != n;
    }
    CU_ASSERT(known > N / 100 * 97 && wrong == 0);
    for (uint64_t n = N + 1; n <= MANY; n++)
        board_pass_note(
            board, C1, n,
            &(struct board_pass){.stage = BOARD_PASS_ADMITTED, .ends_at_ms = clock_wall_ms() + n});
    for (uint64_t n = MANY - N; n <= MANY; n++) known += board_pass(board, C1, n, &pass);
    printf("# of the latest %d of %d, %" PRIu64 " are known; %" PRIu64 " KiB\n", 2 * N, MANY, known,
           resident_kb(board));
    CU_ASSERT(resident_kb(board) < 66 * 1024);
    uint64_t began_ns = clock_mono_ns();
    for (uint64_t n = 1; n <= N; n++) (void)board_pass(board, C1, MANY - n, &pass);
    uint64_t read_ns = clock_mono_ns() - began_ns;
    for (uint64_t n = 1; n <= N; n++) board_pass_note(board, C1, MANY - n, &pass);
    printf("# read in %" PRIu64 " ns, noted in %" PRIu64 " ns\n", read_ns / N,
           (clock_mono_ns() - began_ns - read_ns) / N);
    board_destroy(board);
}

/* Many note the passes of one bucket, whose fields follow from the number and an end that grows;
 * one after the other is killed. No pass is ever seen that nobody noted, and whoever lives goes
 * on. */
enum { NUMBERS = 20, NOTERS = 3 };
static struct board_pass made(uint64_t number, uint64_t end) {
    return (struct board_pass){BOARD_PASS_CLAIMED, end, number * 3, number * 5, end};
}
static void note_on(const struct board *board, const uint64_t *number, word *end, uint64_t random) {
    for (;;) {
        uint64_t n = number[draw(&random) % NUMBERS];
        struct board_pass pass = made(n, atomic_fetch_add(end, 1));
        board_pass_note(board, C1, n, &pass);
    }
}
static int read_passes(const struct board *board, const uint64_t *number, uint64_t *seen) {
    int wrong = 0;
    for (int i = 0; i < NUMBERS; i++) {
        struct board_pass pass;
        if (!board_pass(board, C1, number[i], &pass)) continue;
        struct board_pass right = made(number[i], pass.ends_at_ms);
        if (!same(&pass, &right)) wrong++;
        ++*seen;
    }
    return wrong;
}

static void killed_noters_leave_passes_whole(void) {
    struct board *board = board_create(1);
    const uint64_t until_ms = clock_mono_ms() + 3000;
    uint64_t number[NUMBERS] = {1}, random = 9, killed = 0, mended = 0, seen = 0;
    const struct pass_bucket *bucket = &board->pass[hash_place(1, 1) % PASS_BUCKETS];
    word *end_at = shared_words(1);
    pid_t noter[NOTERS];
    int wrong = 0;
    atomic_store(end_at, 1);
    for (int i = 1; i < NUMBERS; i++) number[i] = next_of_bucket(number[i - 1]);
    touch(board);
    for (int i = 0; i < NOTERS; i++)
        if ((noter[i] = fork()) == 0) note_on(board, number, end_at, (uint64_t)i);
    for (; clock_mono_ms() < until_ms; killed++) {
        uint64_t i = draw(&random) % NOTERS, look_ms = clock_mono_ms() + draw(&random) % 10;
        do wrong += read_passes(board, number, &seen);
        while (clock_mono_ms() < look_ms);
        end(noter[i]);
        mended += (pid_t)(uint32_t)GET(bucket->lock) == noter[i];
        if ((noter[i] = fork()) == 0) note_on(board, number, end_at, killed + 100);
    }
    for (int i = 0; i < NOTERS; i++) end(noter[i]);
    struct board_pass last = made(number[0], atomic_load(end_at)), pass;
    board_pass_note(board, C1, number[0], &last);
    CU_ASSERT(board_pass(board, C1, number[0], &pass) && same(&pass, &last));
    CU_ASSERT(wrong == 0 && seen > 100);
    printf("# killed %" PRIu64 ", of which %" PRIu64 " had the lock; %" PRIu64 " passes seen\n",
           killed, mended, seen);
    board_destroy(board);
}

/* One who holds the lock and is stopped: others don't wait long, and what they could not note is
 * not contradicted. */
static void a_stopped_noter_stops_nobody(void) {
    struct board *board = board_create(1);
    struct pass_bucket *bucket = &board->pass[hash_place(1, 1) % PASS_BUCKETS];
    struct board_pass pass = {.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 5000},
                      done = {.stage = BOARD_PASS_COMPLETED};
    board_pass_note(board, C1, 1, &pass);
    pid_t stopped = fork();
    if (stopped == 0)
        for (;;) pause();
    PUT(bucket->lock, (uint64_t)stopped);
    CU_ASSERT(board_pass(board, C1, 1, &pass));
    uint64_t began_ms = clock_mono_ms();
    board_pass_note(board, C1, 1, &done);
    CU_ASSERT(clock_mono_ms() - began_ms < 1000);
    CU_ASSERT_FALSE(
        board_pass(board, C1, 1, &pass)); /* not CLAIMED any more, though nobody could write that */
    end(stopped);
    board_pass_note(board, C1, 1, &done);
    CU_ASSERT(board_pass(board, C1, 1, &pass) && pass.stage == BOARD_PASS_COMPLETED);
    board_destroy(board);
}

/* One who was killed in the middle of an entry: that one is forgotten, the others are as they
 * were. */
static void a_dead_noter_is_taken_over_from(void) {
    struct board *board = board_create(1);
    struct pass_bucket *bucket = &board->pass[hash_place(1, 1) % PASS_BUCKETS];
    struct board_pass pass = {.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 5000};
    uint64_t other = next_of_bucket(1);
    board_pass_note(board, C1, 1, &pass);
    board_pass_note(board, C1, other, &pass);
    pid_t dead = fork();
    if (dead == 0) _exit(0);
    CU_ASSERT(ended_well(dead));
    PUT(bucket->lock, (uint64_t)dead);
    PUT(bucket->entry[0].version, GET(bucket->entry[0].version) | 1);
    PUT(bucket->entry[0].ends_at_ms, 77);
    CU_ASSERT_FALSE(board_pass(board, C1, 1, &pass));
    CU_ASSERT(board_pass(board, C1, other, &pass));
    uint64_t began_ms = clock_mono_ms();
    board_pass_note(board, C1, other, &(struct board_pass){.stage = BOARD_PASS_LEFT});
    CU_ASSERT(clock_mono_ms() - began_ms < 1000);
    CU_ASSERT(board_pass(board, C1, other, &pass) && pass.stage == BOARD_PASS_LEFT);
    CU_ASSERT_FALSE(board_pass(board, C1, 1, &pass));
    board_pass_note(board, C1, 1,
                    &(struct board_pass){.stage = BOARD_PASS_CLAIMED, .ends_at_ms = 9});
    CU_ASSERT(board_pass(board, C1, 1, &pass) && pass.ends_at_ms == 9);
    CU_ASSERT_EQUAL((uint32_t)GET(bucket->lock), 0);
    board_destroy(board);
}

const struct tap_test *pass_tests(size_t *count_r) {
    static const struct tap_test tests[] = {
        {"notes of a pass give the same in any order", passes_merge_in_any_order},
        {"the least useful pass is forgotten first", the_least_useful_pass_is_forgotten},
        {"a million passes are kept", a_million_passes_are_kept},
        {"killed noters leave passes whole, and their locks to others",
         killed_noters_leave_passes_whole},
        {"a dead noter is taken over from", a_dead_noter_is_taken_over_from},
        {"a stopped noter stops nobody", a_stopped_noter_stops_nobody},
    };
    *count_r = sizeof tests / sizeof *tests;
    return tests;
}
