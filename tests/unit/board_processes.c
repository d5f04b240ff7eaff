/* SPDX-License-Identifier: 0BSD */
/* The board between processes: readers while it is written, writers that are killed. */
#include "board.h"

#include "base/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define C1 ((struct concert_id){1})

/* A writer refreshes without a pause while other processes read. Every state it publishes
 * satisfies waiting = tail - admitted_through - leavers, with leavers at every third number, so
 * a reader that saw half of one state and half of another would count wrong. */
static int read_torn(const struct board *board, uint64_t until_ms) {
    int torn = 0;
    struct board_queue q;
    for (uint64_t looks = 0; clock_mono_ms() < until_ms; looks++) {
        uint64_t ahead = 0, n = 1 + looks * 7919 % 30000;
        enum board_says says = board_place(board, (struct concert_id){1}, n, &ahead, &q);
        if (says == BOARD_UNKNOWN || says == BOARD_NEWER) continue;
        if (q.tail != q.admitted_through + 20000 || q.event_seq != q.tail * 3 ||
            q.waiting != q.tail + 1)
            torn++;
        bool waits = n > q.admitted_through && n % 3 != 0;
        if ((says == BOARD_WAITING) != waits) torn++;
        if (says == BOARD_WAITING &&
            ahead != (n - 1 - q.admitted_through) - ((n - 1) / 3 - q.admitted_through / 3))
            torn++;
    }
    return torn;
}

static void readers_never_see_half_a_refresh(void) {
    struct board *board = board_create(1);
    static uint64_t leavers[40000];
    uint64_t until_ms = clock_mono_ms() + 1500, refreshes = 0;
    pid_t readers[3];
    for (uint64_t through = 0;; through = 0) {
        size_t n = 0;
        for (uint64_t i = 3; i <= 20000; i += 3) leavers[n++] = i;
        board_reset(board);
        CU_ASSERT(
            board_publish(board,
                          &(struct board_queue){
                              .concert = 1, .tail = 20000, .event_seq = 60000, .waiting = 20001},
                          leavers, n));
        touch(board);
        if (refreshes++ == 0)
            for (int i = 0; i < 3; i++)
                if ((readers[i] = fork()) == 0) _exit(read_torn(board, until_ms) > 0);
        for (through = 1; through <= 10000 && clock_mono_ms() < until_ms;
             through += 37, refreshes++) {
            uint64_t tail = through + 20000;
            /* Now and then one of them sleeps through some refreshes. */
            if (refreshes % 10 == 0) kill(readers[refreshes / 10 % 3], SIGSTOP);
            if (refreshes % 10 == 5) kill(readers[refreshes / 10 % 3], SIGCONT);
            for (n = 0; n < 20; n++) leavers[n] = 0;
            n = 0;
            for (uint64_t i = tail; i + 60 > tail && i > 0; i--)
                if (i % 3 == 0) leavers[n++] = i;
            (void)board_publish(board,
                                &(struct board_queue){.concert = 1,
                                                      .admitted_through = through,
                                                      .tail = tail,
                                                      .event_seq = tail * 3,
                                                      .waiting = tail + 1},
                                leavers, n);
            touch(board);
        }
        if (clock_mono_ms() >= until_ms) break;
    }
    for (int i = 0; i < 3; i++) {
        kill(readers[i], SIGCONT);
        CU_ASSERT(ended_well(readers[i]));
    }
    printf("# %llu refreshes\n", (unsigned long long)refreshes);
    board_destroy(board);
}

/* A writer killed in the middle: what readers see stays whole, and the next writer goes on. */
static void a_killed_writer_leaves_the_board_whole(void) {
    struct board *board = board_create(1);
    struct board_queue q;
    uint64_t ahead;
    for (int round = 0; round < 40; round++) {
        CU_ASSERT(board_publish(
            board, &(struct board_queue){.concert = 1, .tail = 30000, .waiting = 30000}, NULL, 0));
        touch(board);
        pid_t writer = fork();
        if (writer == 0)
            for (;;) {
                if (!board_publish(
                        board, &(struct board_queue){.concert = 1, .tail = 30000, .waiting = 30000},
                        NULL, 0))
                    _exit(1);
            }
        clock_sleep_ms(1 + (uint64_t)round % 5);
        kill(writer, SIGKILL);
        waitpid(writer, NULL, 0);
        CU_ASSERT(board_place(board, (struct concert_id){1}, 30000, &ahead, &q) == BOARD_WAITING &&
                  ahead == 29999 && q.waiting == 30000);
    }
    board_destroy(board);
}

/* People who wait look again and again, at whatever process, while others leave and are let in
 * at random. */
enum { WATCHED = 600, LOOKERS = 3 };
#define LET_IN UINT64_MAX

static int look_on(const struct board *board, word *last, const uint64_t *number, uint64_t until_ms,
                   uint64_t random) {
    int wrong = 0;
    while (clock_mono_ms() < until_ms) {
        uint64_t i = draw(&random) % WATCHED, ahead = 0;
        uint64_t before = atomic_load(
            &last[i]); /* the least that was told by anybody; 0: none yet, else one more */
        enum board_says says = board_place(board, C1, number[i], &ahead, NULL);
        if (says == BOARD_UNKNOWN) continue;
        if (says == BOARD_NEWER) wrong++;
        uint64_t told = says == BOARD_WAITING ? ahead + 1 : LET_IN;
        if (before == LET_IN ? told != LET_IN : before && told != LET_IN && told > before) wrong++;
        while (!atomic_compare_exchange_weak(&last[i], &before, told))
            if (before == LET_IN || (before && told != LET_IN && told > before)) break;
    }
    return wrong;
}

static void ahead_never_grows(void) {
    const uint64_t tail = 400000, until_ms = clock_mono_ms() + 2500;
    struct board *board = board_create(1);
    word *last = shared_words(WATCHED);
    static uint64_t number[WATCHED], left[500];
    uint64_t random = 3, published = 0;
    struct board_queue q = {.concert = 1, .tail = tail};
    pid_t reader[LOOKERS];
    for (int i = 0; i < WATCHED; i++) number[i] = 1 + draw(&random) % tail;
    CU_ASSERT(board_publish(board, &q, NULL, 0));
    touch(board);
    for (int i = 0; i < LOOKERS; i++)
        if ((reader[i] = fork()) == 0)
            _exit(look_on(board, last, number, until_ms, (uint64_t)i) > 0);
    for (; clock_mono_ms() < until_ms; published++) {
        uint64_t n = draw(&random) % 500;
        q.admitted_through += draw(&random) % 60;
        if (q.admitted_through + 1000 > tail) q.admitted_through = tail - 1000;
        for (uint64_t i = 0; i < n; i++) left[i] = 1 + draw(&random) % tail;
        (void)board_publish(board, &q, left, n);
        touch(board);
    }
    for (int i = 0; i < LOOKERS; i++) CU_ASSERT(ended_well(reader[i]));
    printf("# %" PRIu64 " refreshes\n", published);
    board_destroy(board);
}

/* Step by step: the state of a queue, and who leaves in a step, are what the step's number says. */
enum { STEP_LEAVERS = 150, STEP_JOIN = 3000, STEP_ADMIT = 2300 };
static struct board_queue step_queue(uint64_t step) {
    return (struct board_queue){.concert = 1,
                                .tail = step * STEP_JOIN,
                                .admitted_through = step * STEP_ADMIT,
                                .event_seq = step};
}
static void step_left(uint64_t step, uint64_t left[STEP_LEAVERS]) {
    struct board_queue q = step_queue(step);
    uint64_t random = step;
    for (int i = 0; i < STEP_LEAVERS; i++)
        left[i] = q.admitted_through + 1 + draw(&random) % (q.tail - q.admitted_through);
}
static void step_publish(struct board *board, uint64_t step) {
    struct board_queue q = step_queue(step);
    uint64_t left[STEP_LEAVERS];
    step_left(step, left);
    (void)board_publish(board, &q, left, STEP_LEAVERS);
}

/* Killed anywhere in a refresh; the next one says the same again, and all sums are right.
 * Meanwhile readers see the whole of one state: `waiting` is not less than what a count says. */
static void a_killed_writer_is_mended(void) {
    enum { ROUNDS = 300, STEPS_MAX = 40000 };
    static bool left[(uint64_t)STEPS_MAX * STEP_JOIN + 1];
    uint64_t numbers[STEP_LEAVERS], counted = 0, random = 1, used, room;
    struct board *board = board_create(2);
    word *step = shared_words(1);
    int wrong = 0, rounds = 0;
    for (; rounds < ROUNDS && atomic_load(step) < STEPS_MAX - 2000; rounds++) {
        pid_t writer = fork();
        if (writer == 0)
            for (;;) {
                step_publish(board, atomic_load(step) + 1);
                atomic_fetch_add(step, 1);
                /* What else a ticker does meanwhile, so that it is killed there too. */
                uint64_t c = 2 + atomic_load(step) % 7;
                (void)set_title(board, c,
                                atomic_load(step) % 2 ? "one title"
                                                      : "another title, and a longer one at that");
                (void)board_publish(board, &(struct board_queue){.concert = c, .tail = 9},
                                    (uint64_t[]){3}, 1);
                board_drop(board, (struct concert_id){c});
                if (atomic_load(step) > STEPS_MAX - 1500) _exit(0);
            }
        clock_sleep_ms(1);
        for (volatile uint64_t spin = draw(&random) % 300000; spin > 0; spin--) continue;
        end(writer);
        uint64_t now = atomic_load(step) + 1;
        step_publish(board, now);
        atomic_store(step, now);
        touch(board);
        for (; counted < now; counted++) {
            step_left(counted + 1, numbers);
            for (int i = 0; i < STEP_LEAVERS; i++) left[numbers[i]] = true;
        }
        struct board_queue q = step_queue(now);
        uint64_t ahead, right = 0, n = q.admitted_through;
        for (int look = 0; look < 20; look++) {
            for (uint64_t to = n + 1 + draw(&random) % (q.tail - n); n < to; n++)
                right += n > q.admitted_through && !left[n];
            enum board_says says = board_place(board, C1, n, &ahead, NULL);
            if (says != (left[n] ? BOARD_NOT_WAITING : BOARD_WAITING)) wrong++;
            if (says == BOARD_WAITING && ahead != right) wrong++;
            if (n == q.tail) break;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    /* Room comes back, whenever it was that somebody was killed. */
    for (uint64_t c = 2; c < 9; c++) board_drop(board, (struct concert_id){c});
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 99, .tail = 9}, NULL, 0));
    board_memory(board, &used, &room);
    printf("# killed %d times in %" PRIu64 " refreshes, %" PRIu64 " KiB at the end\n", rounds,
           atomic_load(step), used >> 10);
    board_destroy(board);
}

/* Readers of all that varies in size, while it is replaced; now and then by one that is killed. */
static void fill_text(char *text, size_t length, uint64_t seed) {
    memset(text, 'a' + (int)(seed % 26), length);
    text[length] = 0;
}
static bool is_filled(const char *text, uint64_t seed) {
    size_t length = seed % 700;
    return strlen(text) == length && strspn(text, (char[]){(char)('a' + seed % 26), 0}) == length;
}

static int read_texts(const struct board *board, uint64_t until_ms) {
    int wrong = 0;
    static struct board_concert c;
    static struct board_performance p;
    while (clock_mono_ms() < until_ms) {
        for (uint64_t id = 1; id <= 20; id++) {
            if (!board_concert(board, (struct concert_id){id}, &c))
                continue; /* before, or after a reset */
            if (c.concert != id || c.sales_close_at_ms != c.sales_open_at_ms + 1 ||
                !is_filled(c.title, c.sales_open_at_ms))
                wrong++;
            for (uint64_t at = 0, before = 0;
                 board_performance_next(board, (struct concert_id){id}, &at, &p);
                 before = p.performance)
                if (p.concert != id || p.total_seats != 3 || !is_filled(p.venue, p.price_minor) ||
                    p.performance == before)
                    wrong++;
        }
        for (uint64_t after = 0; board_concert_after(board, after, &c); after = c.concert)
            if (c.concert <= after || !is_filled(c.title, c.sales_open_at_ms)) wrong++;
    }
    return wrong;
}

static void write_texts(struct board *board, uint64_t random, bool resets) {
    static struct board_concert c;
    static struct board_performance p;
    for (;;) {
        uint64_t id = 1 + draw(&random) % 20, seed = draw(&random) % 1000000;
        c = (struct board_concert){
            .concert = id, .sales_open_at_ms = seed, .sales_close_at_ms = seed + 1};
        fill_text(c.title, seed % 700, seed);
        if (!board_concert_set(board, &c)) _exit(1);
        p = (struct board_performance){
            .performance = id * 100 + draw(&random) % 8, .concert = id, .total_seats = 3};
        p.starts_at_ms = draw(&random) % 100;
        p.price_minor = seed;
        fill_text(p.venue, seed % 700, seed);
        if (!board_performance_set(board, &p)) _exit(1);
        if (resets && draw(&random) % 4000 == 0) board_reset(board);
    }
}

static void texts_are_read_whole(void) {
    const uint64_t until_ms = clock_mono_ms() + 2000;
    struct board *board = board_create(20);
    pid_t reader[2];
    uint64_t killed = 0, used, room;
    for (int i = 0; i < 2; i++)
        if ((reader[i] = fork()) == 0) _exit(read_texts(board, until_ms) > 0);
    for (; clock_mono_ms() < until_ms; killed++) {
        pid_t writer = fork();
        if (writer == 0) write_texts(board, killed, killed % 2);
        clock_sleep_ms(5 + killed % 20);
        end(writer);
    }
    for (int i = 0; i < 2; i++) CU_ASSERT(ended_well(reader[i]));
    CU_ASSERT(set_title(board, 21, "x")); /* mends what the last one left */
    board_memory(board, &used, &room);
    printf("# %" PRIu64 " writers killed, %" PRIu64 " KiB used\n", killed, used >> 10);
    CU_ASSERT(used < 2 << 20);
    board_destroy(board);
}

const struct tap_test *process_tests(size_t *count_r) {
    static const struct tap_test tests[] = {
        {"readers of the board never see half a refresh", readers_never_see_half_a_refresh},
        {"ahead never grows, whichever process tells it", ahead_never_grows},
        {"a killed writer leaves the board whole", a_killed_writer_leaves_the_board_whole},
        {"what a killed writer left undone is mended", a_killed_writer_is_mended},
        {"texts are read whole while they are replaced", texts_are_read_whole},
    };
    *count_r = sizeof tests / sizeof *tests;
    return tests;
}
