/* SPDX-License-Identifier: 0BSD */
/* The board's queues, as one process sees them. */
#include "board.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C1 ((struct concert_id){1})

/* The truth, kept plainly. */
static uint64_t plain_ahead(const bool *left, uint64_t through, uint64_t n) {
    uint64_t ahead = 0;
    for (uint64_t i = through + 1; i < n; i++) ahead += !left[i];
    return ahead;
}

static void board_agrees_with_a_plain_count(void) {
    enum { N = 20000 };
    struct board *board = board_create(3);
    static bool left[N + 1];
    struct board_queue q = {.concert = 42, .max_active = 1}, seen;
    uint64_t leavers[64], ahead;
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){42}, 1, &ahead, NULL), BOARD_UNKNOWN);
    srand(7);
    for (int round = 0; round < 400; round++) {
        size_t n = 0;
        q.tail += (uint64_t)(rand() % 100);
        if (q.tail > N) q.tail = N;
        q.admitted_through += (uint64_t)(rand() % 60);
        if (q.admitted_through > q.tail) q.admitted_through = q.tail;
        while (n < (size_t)(rand() % 64) && q.tail > 0) {
            uint64_t number = 1 + (uint64_t)rand() % q.tail;
            if (number > q.admitted_through) left[number] = true;
            leavers[n++] = number; /* those let in already are to be ignored */
        }
        CU_ASSERT(board_publish(board, &q, leavers, n));
        touch(board);
        for (int look = 0; look < 30 && q.tail > 0; look++) {
            uint64_t number = 1 + (uint64_t)rand() % (q.tail + 5);
            enum board_says says =
                board_place(board, (struct concert_id){42}, number, &ahead, &seen);
            enum board_says right = number > q.tail ? BOARD_NEWER
                                    : number <= q.admitted_through || left[number]
                                        ? BOARD_NOT_WAITING
                                        : BOARD_WAITING;
            CU_ASSERT_EQUAL(says, right);
            if (right == BOARD_WAITING)
                CU_ASSERT_EQUAL(ahead, plain_ahead(left, q.admitted_through, number));
        }
    }
    CU_ASSERT(board_queue(board, (struct concert_id){42}, &seen) && seen.tail == q.tail);
    board_reset(board);
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){42}, q.tail, &ahead, NULL),
                    BOARD_UNKNOWN);
    /* Room for three, and no more. */
    for (uint64_t c = 1; c <= 3; c++)
        CU_ASSERT(board_publish(board, &(struct board_queue){.concert = c}, NULL, 0));
    CU_ASSERT_FALSE(board_publish(board, &(struct board_queue){.concert = 4}, NULL, 0));
    board_destroy(board);
}

/* --- long queues, against bits and their sums --- */

struct model {
    uint64_t *bits, *sum; /* sum of the bits of all words before */
    uint64_t words;
};

static struct model model_new(uint64_t numbers) {
    struct model m = {.words = numbers / 64 + 1};
    m.bits = calloc(m.words, 8);
    m.sum = calloc(m.words + 1, 8);
    return m;
}
static void model_free(struct model m) {
    free(m.bits);
    free(m.sum);
}
static bool model_left(struct model m, uint64_t n) { return m.bits[n / 64] >> n % 64 & 1; }
static void model_leave(struct model m, uint64_t n) { m.bits[n / 64] |= 1ull << n % 64; }
static void model_sum(struct model m) {
    for (uint64_t w = 0; w < m.words; w++)
        m.sum[w + 1] = m.sum[w] + (uint64_t)__builtin_popcountll(m.bits[w]);
}
/* Who left of 0 … n - 1. */
static uint64_t model_before(struct model m, uint64_t n) {
    uint64_t rest = n % 64 ? m.bits[n / 64] & ((1ull << n % 64) - 1) : 0;
    return m.sum[n / 64] + (uint64_t)__builtin_popcountll(rest);
}
static uint64_t model_ahead(struct model m, uint64_t through, uint64_t n) {
    return n - 1 - through - (model_before(m, n) - model_before(m, through + 1));
}

static enum board_says model_says(struct model m, const struct board_queue *q, uint64_t n) {
    if (n > q->tail) return BOARD_NEWER;
    if (n <= q->admitted_through) return BOARD_NOT_WAITING;
    if (n - q->admitted_through > BOARD_WINDOW) return BOARD_UNKNOWN;
    return model_left(m, n) ? BOARD_NOT_WAITING : BOARD_WAITING;
}

/* How many of `looks` places are told wrong. */
static int wrong_places(struct board *board, struct model m, const struct board_queue *q, int looks,
                        uint64_t *random) {
    int wrong = 0;
    for (int i = 0; i < looks; i++) {
        uint64_t ahead = 0, n = q->admitted_through > 99 ? q->admitted_through - 99 : 1;
        /* Half of them near the line, or near the tail. */
        uint64_t span = q->tail + 100 - n, kind = draw(random) % 4;
        n += kind == 0   ? draw(random) % (span < 70000 ? span : 70000)
             : kind == 1 ? span - draw(random) % (span < 70000 ? span : 70000)
                         : draw(random) % span;
        enum board_says says = board_place(board, (struct concert_id){q->concert}, n, &ahead, NULL);
        if (says != model_says(m, q, n)) wrong++;
        if (says == BOARD_WAITING && ahead != model_ahead(m, q->admitted_through, n)) wrong++;
    }
    return wrong;
}

/* Joins, leaves and admissions by steps of all sizes, over numbers that fill the window
 * twice, with some of them behind it at times. */
static void board_agrees_with_a_model_past_its_window(void) {
    enum { ROUNDS = 450, LEAVERS = 3000 };
    const uint64_t numbers = 5 * BOARD_WINDOW;
    static uint64_t left[LEAVERS];
    struct model m = model_new(numbers);
    struct board *board = board_create(1);
    struct board_queue q = {.concert = 1};
    uint64_t random = 5, used, room, most = 0;
    int wrong = 0, past = 0, within = 0;
    CU_ASSERT_FATAL(board && m.bits && m.sum);
    for (int round = 0; round < ROUNDS; round++) {
        /* One draw at a time: the order within an expression is the compiler's. */
        uint64_t join = draw(&random), admit = draw(&random), times = draw(&random), n = 0;
        join %= 1ull << draw(&random) % 23;
        admit %= 1ull << draw(&random) % 23;
        q.tail += times % 8 ? join : 8 * join;
        q.admitted_through += round % 250 < 180 ? admit / 16 : 3 * admit;
        if (q.admitted_through + BOARD_WINDOW / 2 * 3 < q.tail)
            q.admitted_through = q.tail - BOARD_WINDOW / 2 * 3;
        if (q.admitted_through > q.tail) q.admitted_through = q.tail;
        if (q.tail + 200 > numbers) break;
        uint64_t waiting = q.tail - q.admitted_through, leavers = draw(&random) % LEAVERS;
        for (; waiting > 0 && n < leavers; n++) {
            uint64_t kind = draw(&random), near = waiting < 5000 || kind % 2 ? waiting : 5000;
            left[n] = q.admitted_through + 1 + draw(&random) % near;
            /* let in, maybe: to be ignored */
            if (kind / 2 % 16 == 0) left[n] = 1 + draw(&random) % q.tail;
        }
        for (uint64_t i = 0; i < n; i++)
            if (left[i] > q.admitted_through) model_leave(m, left[i]);
        model_sum(m);
        CU_ASSERT(board_publish(board, &q, left, n));
        touch(board);
        wrong += wrong_places(board, m, &q, 300, &random);
        past += q.tail - q.admitted_through > BOARD_WINDOW;
        within += q.tail - q.admitted_through < BOARD_WINDOW / 2;
        board_memory(board, &used, &room);
        if (used > most) most = used;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(q.tail > 2 * BOARD_WINDOW && past > 5 && within > 5);
    /* Twice the window's pages at most, with what the copy before needs. */
    CU_ASSERT(most < 2 * (BOARD_WINDOW / LEFT_SPAN + 2) * PAGE + (64 << 10));
    q.admitted_through = q.tail;
    for (int i = 0; i < 3; i++) CU_ASSERT(board_publish(board, &q, NULL, 0));
    board_memory(board, &used, &room);
    CU_ASSERT(used < 64 << 10);
    printf("# up to number %" PRIu64 ", at most %" PRIu64 " KiB\n", q.tail, most >> 10);
    board_destroy(board);
    model_free(m);
}

/* How long a look at a random place takes, with so many numbers of which a third have left. */
static void queue_of(uint64_t numbers, int *wrong, uint64_t *kb_r, uint64_t *publish_ms_r,
                     uint64_t *ns_r) {
    struct model m = model_new(numbers + 200);
    struct board *board = board_create(1);
    struct board_queue q = {.concert = 1, .tail = numbers};
    uint64_t *left = malloc((numbers + 1) * sizeof *left), count = 0, random = 11, ahead, sum = 0;
    CU_ASSERT_FATAL(board && m.bits && m.sum && left);
    for (uint64_t n = 1; n <= numbers; n++) {
        if (draw(&random) % 3) continue;
        left[count++] = n;
        model_leave(m, n);
    }
    model_sum(m);
    uint64_t began_ms = clock_mono_ms();
    CU_ASSERT(board_publish(board, &q, left, count));
    *publish_ms_r = clock_mono_ms() - began_ms;
    touch(board);
    *wrong += wrong_places(board, m, &q, 20000, &random);
    for (int part = 0; part < 10; part++) {
        touch(board);
        uint64_t began_ns = clock_mono_ns();
        for (uint64_t i = 0; i < 10000; i++, sum += ahead)
            board_place(board, C1, 1 + draw(&random) % numbers, &ahead, NULL);
        uint64_t ns = (clock_mono_ns() - began_ns) / 10000;
        if (part == 0 || ns < *ns_r) *ns_r = ns;
    }
    *kb_r = resident_kb(board);
    CU_ASSERT(sum > 0);
    free(left);
    board_destroy(board);
    model_free(m);
}

static void sixteen_million_wait_exactly(void) {
    /* As many numbers as make so many wait. */
    const uint64_t waiting[] = {1000, 1000000, BOARD_WAITING_MAX};
    uint64_t kb, publish_ms, ns = 0;
    int wrong = 0;
    for (int i = 0; i < 3; i++) {
        queue_of(waiting[i] / 2 * 3, &wrong, &kb, &publish_ms, &ns);
        printf("# %" PRIu64 " waiting: a place in %" PRIu64 " ns, %" PRIu64
               " KiB, published in %" PRIu64 " ms\n",
               waiting[i], ns, kb, publish_ms);
        CU_ASSERT(ns < 100000 && kb < 6 * 1024 && publish_ms < 20000);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void what_is_not_there_costs_nothing(void) {
    struct board *board = board_create(100000);
    struct board_queue q = {.concert = 1, .tail = BOARD_WAITING_MAX, .waiting = BOARD_WAITING_MAX};
    struct board_pass pass;
    struct board_performance p;
    uint64_t wrong = 0, ahead, available, seq, until, at = 0;
    CU_ASSERT_FATAL(board != NULL);
    CU_ASSERT(set_title(board, 1, "x") && board_publish(board, &q, NULL, 0) &&
              board_publish(board, &q, NULL, 0));
    touch(board);
    uint64_t before = resident_kb(board);
    for (uint64_t n = 1; n <= q.tail; n++) {
        if (n % 1000 == 1) touch(board);
        wrong += board_place(board, C1, n, &ahead, NULL) != BOARD_WAITING || ahead != n - 1;
    }
    for (uint64_t i = 2; i < 100002; i++) {
        char title[BOARD_TEXT_SIZE];
        struct concert_id c = {i};
        struct performance_id performance = {i};
        wrong +=
            board_place(board, c, 1, &ahead, NULL) != BOARD_UNKNOWN || board_queue(board, c, &q);
        wrong += board_pass(board, c, i, &pass) || board_pass(board, C1, i, &pass);
        wrong +=
            board_performance(board, performance, &p) || board_performance_next(board, c, &at, &p);
        wrong += board_seats_read(board, performance, 1, NULL, &available, &seq, &until);
        board_title(board, c, title);
        board_seat_note(board, performance, i, i, i);
        wrong += title[0] != 0;
    }
    while (board_next(board, &at, &q)) continue;
    CU_ASSERT_EQUAL(wrong, 0);
    printf("# %" PRIu64 " KiB before, %" PRIu64 " KiB after\n", before, resident_kb(board));
    CU_ASSERT(before < 200);
    /* The head's page with what pages were ever written. */
    CU_ASSERT(resident_kb(board) <= before + 4);
    board_destroy(board);
}

static void board_lists_queues_with_titles(void) {
    struct board *board = board_create(8);
    char title[BOARD_TEXT_SIZE], longest[2000];
    struct board_queue q;
    uint64_t at = 0, seen = 0;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CU_ASSERT_FATAL(board != NULL);
    CU_ASSERT_FALSE(board_next(board, &at, &q));
    CU_ASSERT(set_title(board, 3, "콘서트") && set_title(board, 5, longest));
    at = 0;
    CU_ASSERT_FALSE(board_next(board, &at, &q)); /* a title alone is no queue yet */
    for (uint64_t c = 3; c <= 5; c++)
        CU_ASSERT(board_publish(
            board, &(struct board_queue){.concert = c, .seats = {.total = 10 * c}}, NULL, 0));
    for (at = 0; board_next(board, &at, &q); seen += q.concert)
        CU_ASSERT_EQUAL(q.seats.total, 10 * q.concert);
    CU_ASSERT_EQUAL(seen, 3 + 4 + 5);
    board_title(board, (struct concert_id){3}, title);
    CU_ASSERT_STRING_EQUAL(title, "콘서트");
    board_title(board, (struct concert_id){4}, title);
    CU_ASSERT_STRING_EQUAL(title, "");
    board_title(board, (struct concert_id){5}, title);
    CU_ASSERT_EQUAL(strlen(title), BOARD_TEXT_SIZE - 1);
    board_title(board, (struct concert_id){77}, title);
    CU_ASSERT_STRING_EQUAL(title, "");
    board_destroy(board);
}

static void an_old_board_is_not_trusted(void) {
    struct board *board = board_create(1);
    uint64_t ahead;
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 9}, NULL, 0));
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){1}, 5, &ahead, NULL),
                    BOARD_UNKNOWN); /* never touched */
    board_touch(board, clock_mono_ms(), clock_wall_ms());
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){1}, 5, &ahead, NULL), BOARD_WAITING);
    clock_sleep_ms(1100);
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){1}, 5, &ahead, NULL), BOARD_UNKNOWN);
    board_destroy(board);
}

static void what_workers_note_goes_before_the_board(void) {
    struct board *board = board_create(1);
    struct concert_id c = {1};
    uint64_t ahead;
    CU_ASSERT(board_publish(
        board, &(struct board_queue){.concert = 1, .tail = 9, .waiting = 9, .event_seq = 9}, NULL,
        0));
    touch(board);
    CU_ASSERT(board_place(board, c, 12, &ahead, NULL) == BOARD_NEWER && ahead == 11);
    board_gone(board, c, 5);
    CU_ASSERT_EQUAL(board_place(board, c, 5, &ahead, NULL), BOARD_NOT_WAITING);
    CU_ASSERT_EQUAL(board_place(board, c, 6, &ahead, NULL), BOARD_WAITING);
    board_told(board, c, 6, 10);
    CU_ASSERT_EQUAL(board_place(board, c, 6, &ahead, NULL), BOARD_UNKNOWN);
    board_told(board, c, 6, 4);
    CU_ASSERT(board_publish(
        board, &(struct board_queue){.concert = 1, .tail = 9, .waiting = 8, .event_seq = 10},
        &(uint64_t){5}, 1));
    CU_ASSERT(board_place(board, c, 6, &ahead, NULL) == BOARD_WAITING && ahead == 4);
    board_destroy(board);
}

static void one_who_was_told_concerns_nobody_else(void) {
    struct board *board = board_create(1);
    struct board_queue q = {.concert = 1, .tail = 2000, .waiting = 2000, .event_seq = 2000};
    uint64_t ahead, wrong = 0;
    CU_ASSERT(board_publish(board, &q, NULL, 0));
    touch(board);
    for (uint64_t n = 1; n <= 1000; n++) board_told(board, C1, n, 2000 + n);
    for (uint64_t n = 1001; n <= 1500; n++) board_gone(board, C1, n);
    for (uint64_t n = 1; n <= 1000; n++)
        wrong += board_place(board, C1, n, &ahead, NULL) != BOARD_UNKNOWN;
    for (uint64_t n = 1001; n <= 1500; n++)
        wrong += board_place(board, C1, n, &ahead, NULL) != BOARD_NOT_WAITING;
    for (uint64_t n = 1501; n <= 2000; n++)
        wrong += board_place(board, C1, n, &ahead, NULL) != BOARD_WAITING;
    CU_ASSERT_EQUAL(wrong, 0);
    q.event_seq = 2500; /* those told as of an event up to this are told by the board again */
    CU_ASSERT(board_publish(board, &q, NULL, 0));
    for (uint64_t n = 1; n <= 1000; n++)
        wrong +=
            board_place(board, C1, n, &ahead, NULL) != (n <= 500 ? BOARD_WAITING : BOARD_UNKNOWN);
    CU_ASSERT_EQUAL(wrong, 0);
    board_destroy(board);
}

/* Fills the arena with halls, the last ones small. */
static void fill(struct board *board) {
    uint64_t id = 1;
    for (uint64_t seats = 1 << 20; seats > 0; seats /= 2)
        while (board_performance_set(
            board,
            &(struct board_performance){.performance = id, .concert = 9, .total_seats = seats}))
            id++;
}

static void a_full_arena_says_unknown(void) {
    struct board *board = board_create(2);
    struct board_queue q = {.concert = 1, .tail = 5 * LEFT_SPAN};
    const uint64_t far = 2 * LEFT_SPAN + 7, left[] = {5, 10, far};
    uint64_t ahead;
    CU_ASSERT(board_publish(board, &q, left,
                            2)); /* a page and a ring of its own, before the rest is taken */
    fill(board);
    touch(board);
    CU_ASSERT(board_publish(board, &q, left, 3));
    CU_ASSERT(board_place(board, C1, 11, &ahead, NULL) == BOARD_WAITING && ahead == 8);
    CU_ASSERT(board_place(board, C1, far - 1, &ahead, NULL) == BOARD_WAITING && ahead == far - 4);
    CU_ASSERT_EQUAL(board_place(board, C1, far, &ahead, NULL), BOARD_UNKNOWN);
    CU_ASSERT_EQUAL(board_place(board, C1, q.tail, &ahead, NULL), BOARD_UNKNOWN);
    CU_ASSERT(board_publish(board, &q, NULL, 0)); /* and that is not forgotten */
    CU_ASSERT_EQUAL(board_place(board, C1, q.tail, &ahead, NULL), BOARD_UNKNOWN);
    /* Another one's first page. */
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 2, .tail = 9}, left, 1));
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){2}, 4, &ahead, NULL), BOARD_WAITING);
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){2}, 6, &ahead, NULL), BOARD_UNKNOWN);
    /* The line has passed them. */
    q.admitted_through = far;
    CU_ASSERT(board_publish(board, &q, NULL, 0));
    CU_ASSERT(board_place(board, C1, q.tail, &ahead, NULL) == BOARD_WAITING &&
              ahead == q.tail - far - 1);
    board_destroy(board);
}

static void rooms_are_dropped_and_given_again(void) {
    struct board *board = board_create(2);
    uint64_t ahead, used, before, room, at = 0, wrong = 0;
    struct board_queue q;
    char title[BOARD_TEXT_SIZE];
    CU_ASSERT(set_title(board, 1, "one"));
    touch(board);
    for (uint64_t c = 1; c <= 2; c++)
        CU_ASSERT(board_publish(board, &(struct board_queue){.concert = c, .tail = 99},
                                (uint64_t[]){3}, 1));
    CU_ASSERT_FALSE(board_publish(board, &(struct board_queue){.concert = 3, .tail = 99}, NULL, 0));
    board_memory(board, &before, &room);
    CU_ASSERT(before > 0 && before < room);
    board_drop(board, C1);
    board_drop(board, C1);
    board_drop(board, (struct concert_id){77});
    CU_ASSERT_EQUAL(board_place(board, C1, 9, &ahead, NULL), BOARD_UNKNOWN);
    CU_ASSERT(!board_queue(board, C1, &q) && board_next(board, &at, &q) && q.concert == 2 &&
              !board_next(board, &at, &q));
    board_title(board, C1, title);
    CU_ASSERT_STRING_EQUAL(title, "one");
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 3, .tail = 99}, NULL, 0));
    CU_ASSERT(board_place(board, (struct concert_id){3}, 9, &ahead, NULL) == BOARD_WAITING &&
              ahead == 8);
    CU_ASSERT_EQUAL(board_place(board, C1, 9, &ahead, NULL), BOARD_UNKNOWN);
    CU_ASSERT(board_place(board, (struct concert_id){2}, 9, &ahead, NULL) == BOARD_WAITING &&
              ahead == 7);
    board_drop(board, (struct concert_id){3});
    /* Again and again, with leavers over many pages: nothing of one is seen in another, and
     * memory comes back. */
    board_drop(board, (struct concert_id){2});
    for (uint64_t c = 4, before_tail = 0; c < 2000; c++) {
        uint64_t tail = c * 7919 % 2000000 + 10, left[] = {2, tail / 2 + 1, tail - 1};
        struct board_queue next = {.concert = c, .tail = tail};
        for (int i = 0; i < 3; i++) wrong += !board_publish(board, &next, left, i < 2 ? 3 : 0);
        touch(board);
        wrong += board_place(board, (struct concert_id){c}, tail, &ahead, NULL) != BOARD_WAITING ||
                 ahead != tail - 4;
        wrong += c > 4 && (board_place(board, (struct concert_id){c - 1}, before_tail, &ahead,
                                       NULL) != BOARD_WAITING ||
                           ahead != before_tail - 4);
        board_drop(board, (struct concert_id){c - 1});
        before_tail = tail;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    board_drop(board, (struct concert_id){1999});
    board_memory(board, &used, &room);
    CU_ASSERT(used <= before);
    CU_ASSERT(GET(board->arena_next) < 1 << 20);
    board_destroy(board);
}

/* What was is no more, and what is made then has nothing of it. */
static void a_reset_forgets_all(void) {
    struct board *board = board_create(3);
    struct board_pass pass = {.stage = BOARD_PASS_ADMITTED, .ends_at_ms = UINT32_MAX};
    struct board_performance p = {.performance = 7, .concert = 1, .total_seats = 9};
    struct board_concert c;
    uint64_t ahead, at = 0, n, taken[9] = {0};
    struct board_queue q;
    for (int round = 0; round < 1000; round++) {
        CU_ASSERT(set_title(board, 1, "one") && set_title(board, 2, "") && set_title(board, 3, ""));
        CU_ASSERT(board_performance_set(board, &p) &&
                  board_seats_load(board, (struct performance_id){7}, 5, taken, 9));
        CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 99},
                                (uint64_t[]){3}, 1));
        board_pass_note(board, C1, 1, &pass);
        board_gone(board, C1, 4);
        touch(board);
        CU_ASSERT(board_place(board, C1, 9, &ahead, NULL) == BOARD_WAITING && ahead == 7 &&
                  board_now_ms(board) > 0);
        board_reset(board);
        at = 0;
        CU_ASSERT(!board_queue(board, C1, &q) && !board_next(board, &at, &q) &&
                  !board_pass(board, C1, 1, &pass));
        CU_ASSERT(!board_concert(board, C1, &c) && !board_concert_after(board, 0, &c) &&
                  !board_performance(board, (struct performance_id){7}, &p));
        CU_ASSERT(!board_seats_seq(board, (struct performance_id){7}, &n) &&
                  board_now_ms(board) == 0 && board_age_ms(board) == UINT64_MAX);
        CU_ASSERT(set_title(board, 8, "eight") && set_title(board, 5, "five"));
        CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 99}, NULL, 0));
        touch(board);
        CU_ASSERT(board_place(board, C1, 4, &ahead, NULL) == BOARD_WAITING && ahead == 3);
        CU_ASSERT(board_concert_after(board, 0, &c) && c.concert == 5);
        CU_ASSERT(board_concert_after(board, 5, &c) && c.concert == 8);
        CU_ASSERT_FALSE(board_concert_after(board, 8, &c));
        board_reset(board);
    }
    CU_ASSERT(resident_kb(board) < 1024); /* and the system has its memory back */
    CU_ASSERT(GET(board->again) == 1);    /* once round the arena, at least */
    board_destroy(board);
}

const struct tap_test *queue_tests(size_t *count_r) {
    static const struct tap_test tests[] = {
        {"the board agrees with a plain count", board_agrees_with_a_plain_count},
        {"the board agrees with a model, past its window",
         board_agrees_with_a_model_past_its_window},
        {"sixteen million wait in one queue, exactly, in bounded time and memory",
         sixteen_million_wait_exactly},
        {"reading what is not there costs no memory", what_is_not_there_costs_nothing},
        {"the board lists queues with their titles", board_lists_queues_with_titles},
        {"an old board is not trusted", an_old_board_is_not_trusted},
        {"what workers note goes before the board's copies",
         what_workers_note_goes_before_the_board},
        {"one who was told by the database concerns nobody else",
         one_who_was_told_concerns_nobody_else},
        {"a full arena says UNKNOWN", a_full_arena_says_unknown},
        {"rooms are dropped and given again", rooms_are_dropped_and_given_again},
        {"a reset forgets all", a_reset_forgets_all},
    };
    *count_r = sizeof tests / sizeof *tests;
    return tests;
}
